package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/exporter"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/notify"
	"controlcenter/internal/store"
	"controlcenter/usage"
)

// site is a running server on a real loopback socket.
type site struct {
	*Server
	t     *testing.T
	url   string
	store *store.Store
	http  *http.Client
	logs  *lockedBuffer
	stop  func() // ends the streams; called again by the cleanup
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// thisMachine reads this machine for the servers of all tests, until the process ends: the first reading takes a second or more
// with the race detector.
var thisMachine = sync.OnceValue(func() *exporter.Sampler {
	s := exporter.NewSampler(exporter.Options{Logger: slog.New(slog.DiscardHandler)})
	go func() { _ = s.Run(context.Background()) }()
	return s
})

// start runs a whole server with a real sampler. change may edit the options.
func start(t *testing.T, change func(*Options), extra func(*Server) []*row) *site {
	t.Helper()
	logs := &lockedBuffer{}
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
	state, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	st := DefaultSettings()
	st.CORSOrigins, st.AllowedHosts = []string{"http://localhost:3000"}, []string{"box.example"}
	o := Options{
		Sampler:  thisMachine(),
		Store:    state,
		Settings: func() *Settings { return st },
		Registry: prometheus.NewRegistry(),
		Log:      log, Version: "1.2.3", Revision: "abc",
		Audit:  audit.New(state, log, func() audit.Settings { return audit.Settings{} }),
		Config: func() []ConfigSetting { return []ConfigSetting{{Key: "auth.mode", Value: "owner", Source: "default"}} },
	}
	if o.Auth, err = auth.Open(t.Context(), auth.Options{Store: state, Log: log, Dir: filepath.Dir(state.Info().Path)}); err != nil {
		t.Fatal(err)
	}
	if o.Usage, err = usage.Open(t.Context(), usage.Options{Store: state, Log: log}, usage.Settings{}); err != nil {
		t.Fatal(err)
	}
	if o.Notify, err = notify.New(t.Context(), notify.Options{Store: state, Log: log}, notify.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	s, err := newServer(o, extra)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	if o.Sampler != thisMachine() {
		wg.Go(func() { _ = o.Sampler.Run(ctx) })
	}
	wg.Go(func() { _ = s.Run(ctx) })
	if o.Auth != nil {
		wg.Go(func() { _ = o.Auth.Run(ctx) })
		wg.Go(func() { _ = o.Audit.Run(ctx) })
	}
	hs := httptest.NewUnstartedServer(s.Handler())
	hs.Config.ConnContext, hs.Config.ConnState = s.ConnContext, s.ConnState
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	hs.Start()
	stop := func() { cancel(); wg.Wait() }
	t.Cleanup(func() {
		stop()
		hs.Close()
		if err := state.Close(); err != nil {
			t.Error(err)
		}
		waitFor(t, "goroutines of streams to end", func() bool { return !strings.Contains(stacks(), "internal/api.(*client)") })
	})
	select {
	case <-o.Sampler.Ready():
	case <-time.After(60 * time.Second):
		t.Fatal("the sampler did not become ready")
	}
	waitFor(t, "streams to open", s.hub.open)
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return &site{s, t, hs.URL, state, client, logs, stop}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// waitFor polls a condition; it fails the test after ten seconds.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		case <-poll.C:
		}
	}
}

type reply struct {
	*http.Response
	body []byte
}

// ask sends a request; headers come in pairs, "Host" sets the host.
func (s *site) ask(method, path string, body io.Reader, headers ...string) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	res, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res, b}
}

func (s *site) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.ask("GET", path, nil, headers...)
}

func (r reply) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("body is no JSON: %v\n%s", err, r.body)
	}
}

// wantProblem checks that an answer is an error of the one shape.
func wantProblem(t *testing.T, r reply, status int, text string) map[string]any {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", r.StatusCode, status, r.body)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q, want application/json", ct)
	}
	var m map[string]any
	r.decode(t, &m)
	detail, isText := m["detail"].(string)
	_, isList := m["errors"].([]any)
	code, _ := m["code"].(string)
	if m["success"] != false || m["error"] != detail || !isText || !isList || code == "" {
		t.Errorf("not the one shape: %s", r.body)
	}
	if id := r.Header.Get("X-Request-Id"); id == "" || m["request_id"] != id {
		t.Errorf("request id %q in the header, %v in the body", id, m["request_id"])
	}
	if !strings.Contains(detail, text) {
		t.Errorf("detail %q does not contain %q", detail, text)
	}
	return m
}

var errSecret = errors.New("open /secret/path: permission denied")
