package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/config"
	"controlcenter/internal/notify"
	"controlcenter/usage"
)

// reload reads the configuration again, checks all of it, and only then puts it in force. On failure nothing has changed and
// the error says what is wrong. Keys that need a restart are named in the log. It is safe for concurrent use.
func (d *daemonState) reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, err := config.Load(d.o.Load)
	if err == nil {
		err = d.checkCollectors(&next.Config)
	}
	var web config.WebFile
	if err == nil {
		web, err = checkListeners(&next.Config)
	}
	old := &d.loaded.Load().Config
	if err == nil {
		err = checkOpen(&next.Config, old.Web.ListenAddresses) // still the ones we listen on
	}
	if err == nil {
		err = checkReach(old.Web.ListenAddresses, web, d.auth.Some())
	}
	var use usage.Settings
	if err == nil {
		use, err = usageSettings(&next.Config)
	}
	var tell notify.Settings
	if err == nil {
		tell, err = notifySettings(&next.Config)
	}
	if err == nil {
		// It checks all of them before it changes any. What follows cannot fail any more.
		err = d.services.manager.Sync(ctx, definitions(next, nil), "configuration")
	}
	d.reloads.note(err)
	if err != nil {
		return err
	}
	c := &next.Config
	for _, w := range next.Warnings {
		d.log.Warn("configuration", "warning", w)
	}
	for _, key := range needRestart(old, c) {
		d.log.Warn("this change takes effect at the next start", "key", key)
	}
	if err := d.level.Set(c.Log.Level); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	st := webSettings(c, web)
	st.ListenAddresses = old.Web.ListenAddresses // still the ones we listen on
	d.web.Store(st)
	d.authSettings.Store(authSettings(c))
	d.sampler.Apply(samplerSettings(c))
	if err := d.usage.Apply(ctx, use); err != nil {
		return err // cannot be: it was checked above
	}
	d.notify.Apply(tell)
	d.store.SetBackup(time.Duration(c.Storage.Backup.Every), c.Storage.Backup.Keep)
	c.Web.ListenAddresses, c.Web.Socket, c.Storage.Path = old.Web.ListenAddresses, old.Web.Socket, old.Storage.Path
	c.Knowledge.Roots = old.Knowledge.Roots // still the ones that are scanned
	d.loaded.Store(next)
	d.log.Info("configuration reloaded", "file", next.File)
	return nil
}

// needRestart names the changed keys that a running daemon cannot take over.
func needRestart(old, c *config.Config) []string {
	var keys []string
	for key, same := range map[string]bool{
		"web.listen_addresses": slices.Equal(old.Web.ListenAddresses, c.Web.ListenAddresses),
		"web.socket":           old.Web.Socket == c.Web.Socket,
		"web.config_file":      old.Web.ConfigFile == c.Web.ConfigFile,
		"storage.path":         old.Storage.Path == c.Storage.Path,
		"log.format":           old.Log.Format == c.Log.Format,

		"knowledge.roots":         slices.Equal(old.Knowledge.Roots, c.Knowledge.Roots),
		"knowledge.max_file_size": old.Knowledge.MaxFileSize == c.Knowledge.MaxFileSize,
		"knowledge.scan.every":    old.Knowledge.Scan.Every == c.Knowledge.Scan.Every,
		"knowledge.scan.watch":    old.Knowledge.Scan.Watch == c.Knowledge.Scan.Watch,
		"knowledge.write_back":    old.Knowledge.WriteBack == c.Knowledge.WriteBack,
	} {
		if !same {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// checkCollectors refuses names in exporter.disable that no collector has.
func (d *daemonState) checkCollectors(c *config.Config) error {
	known := d.sampler.Collectors()
	for _, name := range c.Exporter.Disable {
		if !slices.Contains(known, name) {
			return fmt.Errorf("exporter.disable: no collector %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// reloadMetrics are the two gauges every Prometheus program has for its configuration.
type reloadMetrics struct {
	failed atomic.Bool
	at     atomic.Int64 // unix milliseconds of the last success; 0 = the start
}

var (
	descReloadOK = prometheus.NewDesc("controlcenter_config_last_reload_successful", "Whether the last reload of the configuration was put in force (1) or refused (0).", nil, nil)
	descReloadAt = prometheus.NewDesc("controlcenter_config_last_reload_success_timestamp_seconds", "Unix time of the last reload that was put in force; absent before the first.", nil, nil)
)

func (m *reloadMetrics) note(err error) {
	m.failed.Store(err != nil)
	if err == nil {
		m.at.Store(time.Now().UnixMilli())
	}
}

// Describe implements prometheus.Collector.
func (m *reloadMetrics) Describe(c chan<- *prometheus.Desc) { c <- descReloadOK; c <- descReloadAt }

// Collect implements prometheus.Collector.
func (m *reloadMetrics) Collect(c chan<- prometheus.Metric) {
	ok := 1.0
	if m.failed.Load() {
		ok = 0
	}
	c <- prometheus.MustNewConstMetric(descReloadOK, prometheus.GaugeValue, ok)
	if at := m.at.Load(); at != 0 {
		c <- prometheus.MustNewConstMetric(descReloadAt, prometheus.GaugeValue, float64(at)/1e3)
	}
}
