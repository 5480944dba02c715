package cli

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/exporter"
	"controlcenter/internal/api"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/config"
	"controlcenter/internal/store"
	"controlcenter/usage"
)

// place is a machine's corner of its own: a data directory, a working directory, an environment.
type place struct {
	dir, storage string
	environ      []string
	stdin        string
	serve        func(context.Context, config.Options) error
}

func newPlace(t *testing.T) *place {
	t.Helper()
	// A short path: the name of a unix socket may have about 100 bytes.
	dir, err := os.MkdirTemp("", "cc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &place{dir: dir, storage: filepath.Join(dir, "state"), environ: []string{"CC_WEB_LISTEN_ADDRESSES=127.0.0.1:0"}}
}

// run runs the command line as if started in this place.
func (p *place) run(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := Execute(t.Context(), Options{
		Serve: p.serve, Version: Version{Version: "1.2.3"}, Stdin: strings.NewReader(p.stdin), Stdout: &out, Stderr: &errs, Environ: p.environ,
		Config: &config.Options{Dir: p.dir, StateDir: p.storage},
	}, args)
	return result{code, out.String(), errs.String()}
}

// start runs the real server of this place, on its unix socket and on a TCP port, until the test ends or stop is called.
func (p *place) start(t *testing.T) (url string, stop func()) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: p.storage, Log: slog.New(slog.DiscardHandler), BackupKeep: 1})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set := exporter.DefaultSettings()
	set.Interval = time.Second // the shortest: tests of streams wait for it
	sampler := exporter.NewSampler(exporter.Options{Settings: set, ProcRoot: "/proc", SysRoot: "/sys", Logger: log})
	counted, err := usage.Open(t.Context(), usage.Options{Store: st, Log: log}, usage.Settings{Budgets: map[string]usage.Limits{"filed": {DailyUSD: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	users, err := auth.Open(t.Context(), auth.Options{Store: st, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	auditLog := audit.New(st, log, func() audit.Settings { return audit.Settings{} })
	srv, err := api.New(api.Options{
		Auth: users, Audit: auditLog, Config: func() []api.ConfigSetting { return []api.ConfigSetting{{Key: "auth.mode", Value: "owner", Source: "default"}} },
		Sampler: sampler, Store: st, Usage: counted, Reload: func(context.Context) error { return nil }, Registry: prometheus.NewRegistry(), Log: log, Version: "9.9.9",
	})
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.Listen("unix", filepath.Join(p.storage, "controlcenter.sock"))
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	hs := &http.Server{Handler: srv.Handler(), ConnContext: srv.ConnContext}
	ended := make(chan error, 6)
	go func() { ended <- users.Run(ctx) }()
	go func() { ended <- auditLog.Run(ctx) }()
	go func() { ended <- hs.Serve(unix) }()
	go func() { ended <- hs.Serve(tcp) }()
	go func() { ended <- sampler.Run(ctx) }()
	go func() { ended <- srv.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		_ = hs.Close()
		for range 6 {
			<-ended
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	<-sampler.Ready()
	return "http://" + tcp.Addr().String(), stop
}
