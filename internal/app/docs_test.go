package app

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	dto "github.com/prometheus/client_model/go"

	"controlcenter/control"
	"controlcenter/control/keeper"
	"controlcenter/control/probe"
	"controlcenter/exporter"
	"controlcenter/internal/api"
	"controlcenter/internal/config"
	"controlcenter/internal/store"
	"controlcenter/internal/unit"
	"controlcenter/usage"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// TestMain is also the keeper of the daemons that tests build.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "keep" {
		os.Exit(keeper.Main(os.Args[2:], "test", os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// waitFor waits until cond is true.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// freePort returns a port that nobody listens on at this moment.
func freePort(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port) //nolint:gosec,forcetypeassert // a port
}

// TestMetricsDocIsCurrent writes down every family the program can show and compares that with docs/metrics.md.
func TestMetricsDocIsCurrent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Metrics\n\nGenerated from the code by `make docs`; a test keeps it current. Units are base units (seconds, bytes, ratios from 0 to 1).\n" +
		"A value that cannot be read is absent, never 0.\n\n## /metrics\n\n")
	d, registry := testDaemon(t)
	row := func(name, kind string, labels []string, help string) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), strings.ReplaceAll(help, "|", "\\|"))
	}
	table := func(descs []*exporter.Desc) {
		b.WriteString("| name | type | labels | what |\n|---|---|---|---|\n")
		kinds := map[exporter.Type]string{exporter.Counter: "counter", exporter.Gauge: "gauge", exporter.Untyped: "untyped"}
		for _, d := range slices.SortedFunc(slices.Values(descs), func(a, b *exporter.Desc) int { return strings.Compare(a.Name, b.Name) }) {
			row(d.Name, kinds[d.Type], d.Labels, d.Help)
		}
	}
	table(d.sampler.Families(false))
	b.WriteString("\n### Of each collector\n\n")
	table(exporter.SelfMetrics())
	b.WriteString("\n### Of the program itself\n\nBeside these, client_golang's standard `go_*`, `process_*` and `promhttp_*`.\n\n| name | type | labels | what |\n|---|---|---|---|\n")
	for _, mf := range registry {
		name := mf.GetName()
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_") {
			continue
		}
		var labels []string
		for _, lp := range mf.GetMetric()[0].GetLabel() {
			labels = append(labels, lp.GetName())
		}
		row(name, strings.ToLower(mf.GetType().String()), labels, mf.GetHelp())
	}
	b.WriteString("\n## /metrics/node\n\nnode_exporter's names, types and labels, for its dashboards and alerts.\n\n")
	table(d.sampler.Families(true))

	const path = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Errorf("%s is not current: run make docs", path)
	}
}

// exampleKnowledge is a copy of the example tree.
func exampleKnowledge(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "binary.md"), []byte("a\x00b"), 0o600); err != nil { // one that is rejected
		t.Fatal(err)
	}
	return root
}

// testDaemon wires a daemon as run does, sends it a few requests and returns it with what its registry then holds.
func testDaemon(t testing.TB) (*daemonState, []*dto.MetricFamily) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := config.Default()
	c.Storage.Path = t.TempDir()
	d := &daemonState{log: log}
	c.Web.ConfigFile = webFile(t, time.Now().Add(time.Hour)) // so that every family shows
	var err error
	if d.o.Binary, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	c.Services = map[string]*control.Spec{
		"steady": {ID: "steady", Command: []string{"sleep", "1000"}, Autostart: true, Ports: []uint16{freePort(t)}, Probes: control.Probes{Readiness: &probe.Spec{Exec: []string{"true"}}}},
		"once":   {ID: "once", Type: control.TypeJob, Command: []string{"true"}, Schedule: &control.Schedule{Every: unit.Duration(time.Hour)}},
	}
	c.Knowledge.Roots = []config.KnowledgeRoot{{ID: "examples", Path: exampleKnowledge(t)}}
	d.loaded.Store(&config.Loaded{Config: c})
	d.sampler = exporter.NewSampler(exporter.Options{Settings: samplerSettings(&c), ServiceOf: d.services.serviceOf, Logger: log})
	d.web.Store(webSettings(&c, config.WebFile{}))
	d.reloads.note(nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(errStopped); wg.Wait() })
	if d.store, err = store.Open(ctx, store.Options{Dir: c.Storage.Path, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.store.Close() })
	c.Usage.Budgets = map[string]config.APIBudget{"total": {Daily: 1}}
	if err := d.openAuth(ctx, &c); err != nil {
		t.Fatal(err)
	}
	if err := d.openUsage(ctx, &c); err != nil {
		t.Fatal(err)
	}
	if _, err := d.usage.Track(ctx, usage.Call{API: "test"}); err != nil {
		t.Fatal(err)
	}
	c.Notify.Channels = map[string]config.NotifyChannel{"test": {URL: "http://127.0.0.1:9/"}}
	c.Notify.GroupWait = unit.Duration(time.Hour)
	if err := d.openNotify(ctx, &c); err != nil {
		t.Fatal(err)
	}
	g := newGroup(ctx)
	if err := d.openServices(ctx, &c, g); err != nil {
		t.Fatal(err)
	}
	d.knowledge.command = newScanCommand(d)
	if err := d.openKnowledge(ctx, &c); err != nil {
		t.Fatal(err)
	}
	d.runServices(g)
	d.runKnowledge(g)
	d.runNotify(g)
	t.Cleanup(func() { // before the group's end: everything that runs is stopped
		for _, st := range d.services.manager.List() {
			_, _ = d.services.manager.Do(context.Background(), control.Command{Service: st.ID, Verb: control.VerbKill, Actor: "test"})
		}
		_ = g.stop(nil)
	})
	registry := d.registry()
	server, err := api.New(api.Options{Sampler: d.sampler, Store: d.store, Usage: d.usage, Notify: d.notify, Knowledge: d.knowledge.forAPI(d), Settings: d.web.Load, Auth: d.auth, Audit: d.audit, Config: d.shownConfig, Reload: d.reload, Registry: registry, Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { _ = d.sampler.Run(ctx) })
	wg.Go(func() { _ = server.Run(ctx) })
	<-d.sampler.Ready()
	ts := httptest.NewUnstartedServer(server.Handler())
	ts.Config.ConnContext = server.ConnContext
	ts.Start()
	defer ts.Close()
	resp, err := http.Get(ts.URL + "/api/system/stats")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	ws, wsResp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(ts.URL, "http")+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = wsResp.Body.Close()
	defer ws.Close()
	if _, _, err := ws.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Backup(ctx, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	m := d.services.manager
	if _, err := m.Do(ctx, control.Command{Service: "once", Verb: control.VerbStart, Wait: control.WaitNot}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a job that went well and a probe with a verdict", func() bool {
		once, err := m.Get("once")
		steady, err2 := m.Get("steady")
		return err == nil && err2 == nil && !once.Job.LastSuccess.IsZero() && steady.Probes["readiness"].Known
	})
	waitFor(t, "the processes of the service", func() bool {
		d.sampler.Fresh(ctx, 0)
		r, ok := d.services.resources("steady")
		return ok && r.Processes > 0
	})
	waitFor(t, "the first scan", func() bool {
		st, err := d.knowledge.base.Stats(ctx)
		return err == nil && st.LastScan != nil && !st.Scanning
	})
	d.knowledge.base.ObserveSearch(time.Millisecond)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return d, families
}
