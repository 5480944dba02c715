package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"controlcenter/exporter"
	"controlcenter/internal/api"
	"controlcenter/internal/config"
	"controlcenter/internal/notify"
)

// maxSecretFile bounds a file that holds a URL or secret.
const maxSecretFile = 64 << 10

// notifySettings are rules, channels and times of the configuration, checked: an error names the key, and holds no secret.
func notifySettings(c *config.Config) (notify.Settings, error) {
	n := &c.Notify
	st := notify.Settings{
		Defaults: n.Rules.Defaults, Enable: n.Rules.Enable, Disable: n.Rules.Disable, Overrides: map[string]notify.Override{},
		GroupWait: n.GroupWait.Std(), GroupInterval: n.GroupInterval.Std(), Repeat: n.RepeatInterval.Std(), GiveUp: n.GiveUp.Std(),
	}
	st.Host, _ = os.Hostname() // "" is left out of messages
	for name, o := range n.Rules.Override {
		st.Overrides[name] = notify.Override{Severity: notify.Severity(o.Severity), For: o.For.Std(), Limit: o.Limit}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(n.Channels)) {
		ch := n.Channels[name]
		cs := notify.ChannelSettings{
			Name: name, MinSeverity: notify.Severity(ch.MinSeverity), Services: ch.Services, Rules: ch.Rules, NoResolved: ch.NoResolved, Timeout: ch.Timeout.Std(),
		}
		for _, f := range []struct {
			key, text, file string
			to              *string
		}{{"url", ch.URL, ch.URLFile, &cs.URL}, {"secret", ch.Secret, ch.SecretFile, &cs.Secret}, {"bearer", ch.Bearer, ch.BearerFile, &cs.Bearer}} {
			var err error
			if *f.to, err = secretText(f.text, f.file); err != nil {
				errs = append(errs, fmt.Errorf("notify.channels.%s.%s: %w", name, f.key, err))
			}
		}
		st.Channels = append(st.Channels, cs)
	}
	var err error
	if st.Quiet, err = notify.ParseQuiet(n.QuietHours.From, n.QuietHours.To, n.QuietHours.Timezone); err != nil {
		errs = append(errs, err)
	}
	for _, w := range n.Maintenance {
		st.Windows = append(st.Windows, notify.Window{Cron: w.Cron, Timezone: w.Timezone, Duration: w.Duration.Std(), Services: w.Services, Rules: w.Rules})
	}
	if err := errors.Join(errs...); err != nil {
		return st, err
	}
	return st, st.Check() //nolint:wrapcheck // it names the key
}

// secretText is a value of the configuration, from its file where it has one, with variables of the environment filled in.
func secretText(text, file string) (string, error) {
	if file != "" {
		f, err := os.Open(filepath.Clean(file))
		if err != nil {
			return "", fmt.Errorf("read its file: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
		if err != nil {
			return "", fmt.Errorf("read its file: %w", err)
		}
		if len(b) > maxSecretFile {
			return "", fmt.Errorf("its file is larger than %d bytes", maxSecretFile)
		}
		text = strings.TrimSpace(string(b))
	}
	return notify.Expand(text, os.LookupEnv) //nolint:wrapcheck // the caller names the key
}

// openNotify opens the notifier on the store that is open.
func (d *daemonState) openNotify(ctx context.Context, c *config.Config) error {
	st, err := notifySettings(c)
	if err != nil {
		return err
	}
	d.notify, err = notify.New(ctx, notify.Options{Store: d.store, Log: d.log.With("component", "notify"), Read: (&present{d: d, since: time.Now()}).read}, st)
	return err //nolint:wrapcheck // it says what it did
}

// runNotify starts it; services and knowledge base must be there.
func (d *daemonState) runNotify(g *group) { g.run("notify", d.notify.Run) }

// present gathers what rules see. It does not count as a reader of the machine: the sampler's rounds are listened to, so that
// rules alone never keep the dear collectors awake.
type present struct {
	d     *daemonState
	since time.Time

	mu   sync.Mutex
	subs *exporter.Subscription
	last *exporter.Snapshot
}

func (p *present) read() *notify.Reading {
	d := p.d
	keeper, info := d.services.keeper.Peer().Up, d.store.Info()
	r := &notify.Reading{Machine: p.machine(), Services: d.services.manager.List(), Keeper: &keeper, Store: &info}
	if base := d.knowledge.base; base != nil && len(d.knowledge.roots) > 0 {
		last, held := base.LastScan(), 0
		for _, h := range base.Held() {
			held += h.Count
		}
		c := d.loaded.Load().Config.Knowledge
		r.Knowledge = notify.KnowledgeReading{Known: true, Since: p.since, LastScan: last, Every: time.Duration(c.Scan.Every), Held: held}
	}
	if file, err := config.ReadWebFile(d.webConfigFile()); err == nil && file.CertFile != "" {
		if end, err := firstExpiry(file.CertFile); err == nil {
			r.CertEnd = end
		}
	}
	return r
}

func (p *present) machine() *exporter.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.subs == nil {
		p.subs = p.d.sampler.Subscribe()
	}
	select {
	case p.last = <-p.subs.C:
	default: // none since the last time
	}
	return p.last
}

// fleet is what GET /api/sd/prometheus answers.
func fleet(c *config.Config) api.Fleet {
	f := api.Fleet{Self: c.Fleet.Self, Groups: []api.TargetGroup{}}
	for _, t := range c.Fleet.Targets {
		labels := t.Labels
		if labels == nil {
			labels = map[string]string{}
		}
		f.Groups = append(f.Groups, api.TargetGroup{Targets: t.Targets, Labels: labels})
	}
	return f
}
