// Package app builds every part of the daemon, starts them in order, reloads them, and stops them in reverse.
//
// It is the only place where the parts know each other: configuration becomes their settings here, and what one part needs of
// another is handed over as a function. [Run] owns every goroutine of the daemon and returns when all of them have ended.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"

	"controlcenter/exporter"
	"controlcenter/internal/api"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/config"
	"controlcenter/internal/event"
	"controlcenter/internal/notify"
	"controlcenter/internal/store"
	"controlcenter/usage"
)

// stopWait is how long requests under way may take to end once the daemon was told to stop.
const stopWait = 5 * time.Second

// errStopped is why parts end when the daemon was asked to.
var errStopped = errors.New("asked to stop")

// Options are what a daemon is started with.
type Options struct {
	Load   config.Options // where the configuration comes from; read again at each reload
	Stdout io.Writer      // the greeting
	Stderr io.Writer      // the log
	Binary string         // that becomes the keeper; "" = this program's file
}

// daemonState is everything [Run] built.
type daemonState struct {
	o         Options
	log       *slog.Logger
	level     *promslog.Level
	loaded    atomic.Pointer[config.Loaded]
	web       atomic.Pointer[api.Settings]
	sampler   *exporter.Sampler
	store     *store.Store
	bus       event.Bus
	usage     *usage.Tracker
	notify    *notify.Notifier
	reloads   reloadMetrics
	auth      *auth.Auth
	audit     *audit.Log
	services  services
	knowledge knowledge

	authSettings atomic.Pointer[auth.Settings]

	reloading sync.Mutex // one reload at a time
}

// Run starts the daemon and blocks until ctx ends or a part fails. It returns nil when it was stopped through ctx. Nothing was
// printed or bound when it returns an error of the configuration.
func Run(ctx context.Context, o Options) error {
	collect := collectLess()
	defer collect()
	loaded, err := config.Load(o.Load)
	if err != nil {
		return err
	}
	d := &daemonState{o: o}
	d.loaded.Store(loaded)
	if d.log, d.level, err = newLogger(&loaded.Config, o.Stderr); err != nil {
		return err
	}
	for _, w := range loaded.Warnings {
		d.log.Warn("configuration", "warning", w)
	}
	return d.run(ctx, collect)
}

// collectLess makes the garbage collector wait while the daemon comes up: on a small heap that grows, it takes a fifth of the
// time. The function that it returns ends that; it may be called again.
func collectLess() func() {
	const percent = 400 // of 4 MiB at least
	before := debug.SetGCPercent(percent)
	if before < 0 || before >= percent { // GOGC asks for more
		debug.SetGCPercent(before)
		return func() {}
	}
	return sync.OnceFunc(func() { debug.SetGCPercent(before) })
}

func newLogger(c *config.Config, w io.Writer) (*slog.Logger, *promslog.Level, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := level.Set(c.Log.Level); err != nil {
		return nil, nil, fmt.Errorf("log.level: %w", err)
	}
	if err := format.Set(c.Log.Format); err != nil {
		return nil, nil, fmt.Errorf("log.format: %w", err)
	}
	return promslog.New(&promslog.Config{Level: level, Format: format, Writer: w}), level, nil
}

func (d *daemonState) run(ctx context.Context, collect func()) (err error) {
	c := &d.loaded.Load().Config
	started := time.Now()
	hup := make(chan os.Signal, 1) // from the first moment on: until it is caught, the signal ends the process
	if sig := reloadSignal(); sig != nil {
		signal.Notify(hup, sig)
		defer signal.Stop(hup)
	}
	d.sampler = exporter.NewSampler(exporter.Options{Settings: samplerSettings(c), ServiceOf: d.services.serviceOf, Logger: d.log.With("component", "exporter")})
	if err := d.checkCollectors(c); err != nil {
		return err
	}
	web, err := checkListeners(c)
	if err != nil {
		return err
	}
	if _, err := usageSettings(c); err != nil {
		return err
	}
	if _, err := notifySettings(c); err != nil {
		return err
	}
	// The sampler is the first to run and the last to end: it needs nobody, and its first samples are ready while the rest opens.
	g := newGroup(ctx)
	defer func() { err = g.stop(err) }()
	g.run("exporter", d.sampler.Run)

	d.store, err = store.Open(ctx, store.Options{
		Dir: c.Storage.Path, Log: d.log.With("component", "store"),
		BackupEvery: time.Duration(c.Storage.Backup.Every), BackupKeep: c.Storage.Backup.Keep,
	})
	if err != nil {
		return err
	}
	g.hold("store", d.store.Close)
	if _, err := d.store.BeginRun(ctx, version.Version); err != nil {
		d.log.Error("record this run", "err", err)
	}
	g.run("store", d.store.Run)

	if err := d.openAuth(ctx, c); err != nil {
		return err
	}
	if err := checkReach(c.Web.ListenAddresses, web, d.auth.Some()); err != nil {
		return err
	}
	d.runAuth(g)
	if err := d.openUsage(ctx, c); err != nil {
		return err
	}
	if err := d.openNotify(ctx, c); err != nil { // before anybody writes events
		return err
	}
	// Services come up while the rest of the daemon does.
	if err := d.openServices(ctx, c, g); err != nil {
		return err
	}
	d.knowledge.command = newScanCommand(d)
	d.runServices(g)
	if err := d.openKnowledge(ctx, c); err != nil {
		return err
	}
	collect()
	d.runKnowledge(g)
	d.runNotify(g)
	d.web.Store(webSettings(c, web))
	registry := d.registry()
	server, err := api.New(api.Options{
		Sampler: d.sampler, Store: d.store, Usage: d.usage, Notify: d.notify, Knowledge: d.knowledge.forAPI(d), Services: d.services.manager, Logs: d.services.logs,
		KeeperPID: func() int { return d.services.keeper.Peer().PID }, MCP: d.mcp(), Settings: d.web.Load, Reload: d.reload, Registry: registry,
		Auth: d.auth, Audit: d.audit, Config: d.shownConfig,
		Log: d.log.With("component", "api"), Version: version.Version, Revision: version.GetRevision(), Started: started,
	})
	if err != nil {
		return err
	}
	g.run("api", server.Run)

	listeners, err := d.listen(ctx, c)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		g.run("listener "+l.name(), func(ctx context.Context) error { return d.serve(ctx, l, server) })
	}
	g.run("reload signal", func(ctx context.Context) error { return d.reloadOnSignal(ctx, hup) })

	d.greet(c, listeners)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // false when systemd did not start us
	cause := g.wait(ctx)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	reason := "stopped"
	if ctx.Err() == nil {
		reason = cause.Error()
	}
	d.log.Info("stopping; services go on, \"controlcenter down\" stops them", "reason", reason)
	if err := d.store.EndRun(context.WithoutCancel(ctx), reason); err != nil {
		d.log.Error("record the end of this run", "err", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	return cause
}

func samplerSettings(c *config.Config) exporter.Settings {
	return exporter.Settings{
		Interval:  time.Duration(c.Stream.Interval),
		PortStart: c.Exporter.Ports.Start, PortEnd: c.Exporter.Ports.End,
		TopProcesses: c.Exporter.Processes.Top, Disable: c.Exporter.Disable, TextfileDir: c.Exporter.TextfileDirectory,
	}
}

func webSettings(c *config.Config, web config.WebFile) *api.Settings {
	return &api.Settings{
		BasicAuth: web.Users, BasicRoles: basicRoles(c), TrustedProxies: trustedProxies(c),
		AllowedHosts: c.Web.AllowedHosts, CORSOrigins: c.Web.CORSOrigins, ListenAddresses: c.Web.ListenAddresses,
		StreamInterval: time.Duration(c.Stream.Interval), LegacyStatus200: c.Compat.LegacyStatus200,
		Auth: api.AuthMode(c.Auth.Mode), Anonymous: c.Auth.Anonymous, NoLimits: !c.Limits.Enabled, OldLimits: c.Compat.RateLimits,
		Fleet: fleet(c),
	}
}

// reloadOnSignal reloads at each SIGHUP; where the platform has none it only waits for the end.
func (d *daemonState) reloadOnSignal(ctx context.Context, hup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-hup:
			if err := d.reload(ctx); err != nil {
				d.log.Error("reload refused, the old configuration stays in force", "err", err)
			}
		}
	}
}

// webConfigFile is web.config_file as it is in force, "" when nothing is loaded.
func (d *daemonState) webConfigFile() string {
	if l := d.loaded.Load(); l != nil {
		return l.Config.Web.ConfigFile
	}
	return ""
}

func (d *daemonState) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	registerSelf(r)
	r.MustRegister(d.store, d.services.manager.Collector(), keeperMetrics{d.services.keeper}, d.eventMetrics(), d.usage, d.notify, d.knowledge.base, d.auth, d.audit, &d.reloads, certificateExpiry{d.webConfigFile})
	return r
}
