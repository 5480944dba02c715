package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"controlcenter/control"
	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

var (
	// ErrNotFound says that there is no such channel or mute.
	ErrNotFound = errors.New("not found")
	// ErrInvalid is matched by [InvalidError].
	ErrInvalid = errors.New("invalid")
)

// InvalidError names a field that was refused, and what is accepted.
type InvalidError struct{ Field, Text string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Text }

// Is makes every InvalidError match [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Alerts lists alerts: firing ones first, then pending, then those that ended in the last day.
func (n *Notifier) Alerts(ctx context.Context) ([]Alert, error) {
	list := slices.Clone(*n.shown.Load())
	now := time.Now()
	mutes, err := n.Mutes(ctx)
	if err != nil {
		return nil, err
	}
	muted := n.settings.Load().muting(now, mutes)
	for i := range list {
		list[i].Muted = muted(list[i].Rule, list[i].Service)
	}
	return list, nil
}

// RuleState is a rule and what the configuration makes of it.
type RuleState struct {
	Rule
	Enabled bool
}

// Rules lists all rules, with what the configuration changed.
func (n *Notifier) Rules() []RuleState {
	st := n.settings.Load()
	var out []RuleState
	for _, r := range Rules() {
		on := st.enabled(&r)
		o := st.Overrides[r.Name]
		r.Severity, r.For, r.Limit = cmp.Or(o.Severity, r.Severity), cmp.Or(o.For, r.For), cmp.Or(o.Limit, r.Limit)
		out = append(out, RuleState{r, on})
	}
	return out
}

// ChannelState is a channel without its secrets.
type ChannelState struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	URL         string   `json:"url"` // without what is secret
	MinSeverity Severity `json:"min_severity"`
	Services    []string `json:"services"`
	Rules       []string `json:"rules"`
	Resolved    bool     `json:"resolved"`
	Signed      bool     `json:"signed"`
	Pending     int      `json:"pending"`
	LastError   string   `json:"last_error"` // of the oldest message that waits
}

// Channels lists the channels.
func (n *Notifier) Channels(ctx context.Context) ([]ChannelState, error) {
	var rows []Delivery
	err := n.o.Store.View(ctx, func(tx *store.Tx) (err error) { rows, err = waitingRows(tx); return err })
	if err != nil {
		return nil, err //nolint:wrapcheck // its kind is what matters
	}
	out := []ChannelState{}
	for _, c := range n.settings.Load().Channels {
		s := ChannelState{
			Name: c.Name, URL: shownURL(c.URL), MinSeverity: cmp.Or(c.MinSeverity, Info), Services: append([]string{}, c.Services...),
			Rules: append([]string{}, c.Rules...), Resolved: !c.NoResolved, Signed: c.Secret != "",
		}
		if k, _, err := kindOf(&c); err == nil {
			s.Kind = k.name
		}
		for i := range rows {
			if rows[i].Channel == c.Name {
				s.Pending++
				s.LastError = cmp.Or(s.LastError, rows[i].LastError)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// Test sends a message through a channel now, past rules and outbox. Errors: ErrNotFound; else why it was not taken, masked.
func (n *Notifier) Test(ctx context.Context, name string) error {
	st := n.settings.Load()
	for i := range st.Channels {
		c := &st.Channels[i]
		if c.Name != name {
			continue
		}
		ch, err := openChannel(c)
		if err != nil {
			return err
		}
		return attempt(ctx, ch, c, testMessage(name, st.Host, time.Now().UTC()))
	}
	return fmt.Errorf("channel %q: %w", name, ErrNotFound)
}

// Query chooses deliveries. Empty fields choose everything.
type Query struct {
	State, Channel string
	Before         uint64 // only older ones than this number
	Limit          int
}

// Deliveries returns messages, newest first, and the number to go on before; 0 = there is nothing older.
func (n *Notifier) Deliveries(ctx context.Context, q Query) (out []Delivery, next uint64, err error) {
	before := ""
	if q.Before > 0 {
		before = rowKey(q.Before)
	}
	out = []Delivery{}
	err = n.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, t := range []store.Table[Delivery]{waiting, done} {
			rows, err := t.Last(tx, "", before, 0)
			if err != nil {
				return err
			}
			for _, r := range rows {
				if d := r.Value; (q.State == "" || d.State == q.State) && (q.Channel == "" || d.Channel == q.Channel) {
					out = append(out, d)
				}
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Delivery) int { return cmp.Compare(b.ID, a.ID) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		next = out[q.Limit-1].ID
	}
	return out, next, err
}

const (
	maxMutes   = 500
	maxMuteFor = 366 * 24 * time.Hour
)

// Mutes lists the mutes in force, those that end first first.
func (n *Notifier) Mutes(ctx context.Context) (out []Mute, err error) {
	err = n.o.Store.View(ctx, func(tx *store.Tx) (err error) { out, err = validMutes(tx, time.Now()); return err })
	return out, err
}

func validMutes(tx *store.Tx, now time.Time) ([]Mute, error) {
	rows, err := muteTable.List(tx, "", "", 0)
	out := []Mute{}
	for _, r := range rows {
		if now.Before(r.Value.Until) {
			out = append(out, r.Value)
		}
	}
	slices.SortFunc(out, func(a, b Mute) int { return a.Until.Compare(b.Until) })
	return out, err
}

// Mute keeps alerts from being told until m.Until, and returns it with its id. Errors: [InvalidError], those of the store.
func (n *Notifier) Mute(ctx context.Context, m Mute) (Mute, error) {
	now := time.Now().UTC()
	switch {
	case m.Service == "" && m.Rule == "":
		return m, &InvalidError{"service", "needed when rule is not given; accepted: the name of a service or job"}
	case m.Rule != "" && !slices.Contains(RuleNames(), m.Rule):
		return m, &InvalidError{"rule", fmt.Sprintf("no rule %q; \"controlcenter notify rules\" lists them", clip(m.Rule, 60))}
	case len(m.Service) > 200:
		return m, &InvalidError{"service", "longer than 200 bytes"}
	case len(m.Reason) > 500:
		return m, &InvalidError{"reason", "longer than 500 bytes"}
	case !m.Until.After(now):
		return m, &InvalidError{"until", "is not in the future"}
	case m.Until.Sub(now) > maxMuteFor:
		return m, &InvalidError{"until", "is more than a year ahead"}
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	m.ID, m.At, m.Until = hex.EncodeToString(b[:]), now, m.Until.UTC()
	m.Service = control.Key(m.Service)
	err := n.o.Store.Update(ctx, func(tx *store.Tx) error {
		rows, err := muteTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		left := len(rows)
		for _, r := range rows {
			if !now.Before(r.Value.Until) {
				left--
				if err := muteTable.Delete(tx, r.Key); err != nil {
					return err
				}
			}
		}
		if left >= maxMutes {
			return &InvalidError{"service", fmt.Sprintf("there are %d mutes, more are not kept: delete one", left)}
		}
		if err := muteTable.Put(tx, m.ID, m); err != nil {
			return err
		}
		return event.Append(tx, muteRow(&m, "muted until "+m.Until.Format(time.RFC3339), m.By))
	})
	return m, err
}

// Unmute ends a mute. Errors: ErrNotFound, those of the store.
func (n *Notifier) Unmute(ctx context.Context, id, actor string) error {
	return n.o.Store.Update(ctx, func(tx *store.Tx) error { //nolint:wrapcheck // its kind is what matters
		m, err := muteTable.Get(tx, id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) || err == nil && !time.Now().Before(m.Until) {
			return fmt.Errorf("mute %q: %w", clip(id, 60), ErrNotFound)
		}
		if err != nil {
			return err
		}
		if err := muteTable.Delete(tx, id); err != nil {
			return err
		}
		return event.Append(tx, muteRow(&m, "no longer muted", actor))
	})
}

func muteRow(m *Mute, what, actor string) event.Row {
	name := "notifications"
	if m.Rule != "" {
		name = m.Rule
	}
	if m.Service != "" {
		name += " of " + m.Service
	}
	return event.Row{Type: "notify.mute", Level: event.Info, Subject: m.Service, Actor: actor, Title: name + ": " + what, Why: m.Reason}
}
