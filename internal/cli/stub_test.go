package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"controlcenter/internal/config"
)

// TestMain makes the test binary the program that the demo modes start again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "demo" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(Execute(ctx, Options{Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:])) //nolint:gocritic // the process ends here
	}
	os.Exit(m.Run())
}

// stub speaks the shapes of the service routes where a test needs answers that a real daemon gives only with luck, or other
// than it should.
type stub struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	answers  map[string][]http.HandlerFunc // "GET /api/jobs" to what answers one after the other; the last stays
	requests []string                      // "POST /api/services/web/start?wait=ready {body}"
}

func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{t: t, answers: map[string][]http.HandlerFunc{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := r.Method + " " + r.URL.Path
		line := key
		if r.URL.RawQuery != "" {
			line += "?" + r.URL.RawQuery
		}
		if len(body) > 0 {
			line += " " + strings.TrimSpace(string(body))
		}
		s.mu.Lock()
		s.requests = append(s.requests, line)
		list := s.answers[key]
		if len(list) > 1 {
			s.answers[key] = list[1:]
		}
		s.mu.Unlock()
		if len(list) == 0 {
			problem(404, "Not Found", "not_found")(w, r)
			return
		}
		list[0](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stub) on(key string, answers ...http.HandlerFunc) *stub {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[key] = answers
	return s
}

// asked returns the requests since the last call, without reads of the list and the graph.
func (s *stub) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.requests {
		if !strings.HasPrefix(r, "GET /api/services?") && r != "GET /api/services/graph" {
			out = append(out, r)
		}
	}
	s.requests = nil
	return strings.Join(out, "\n")
}

func (s *stub) run(args ...string) result {
	s.t.Helper()
	return s.runWith(s.t.Context(), "", nil, args...)
}

func (s *stub) runWith(ctx context.Context, stdin string, environ []string, args ...string) result {
	s.t.Helper()
	var out, errs bytes.Buffer
	code := Execute(ctx, Options{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Environ: append([]string{"CC_URL=" + s.URL, "PATH=" + os.Getenv("PATH")}, environ...),
		Config: &config.Options{Dir: "/work dir", StateDir: "/state", Executable: "/bin/controlcenter"},
	}, args)
	return result{code, out.String(), errs.String()}
}

// follow runs a verb that goes on until its output holds last, then interrupts it.
func (s *stub) follow(last string, args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	out := &watched{until: last, found: cancel}
	var errs bytes.Buffer
	code := Execute(ctx, Options{Stdout: out, Stderr: &errs, Environ: []string{"CC_URL=" + s.URL}, Config: &config.Options{Dir: "/"}}, args)
	if !strings.Contains(out.b.String(), last) {
		s.t.Errorf("%v: %q never came", args, last)
	}
	return result{code, out.b.String(), errs.String()}
}

type watched struct {
	mu    sync.Mutex
	b     bytes.Buffer
	until string
	found func()
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.b.Write(p)
	if strings.Contains(w.b.String(), w.until) {
		w.found()
	}
	return n, err
}

func replies(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
}

func problem(status int, text, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, _ := json.Marshal(map[string]any{"success": false, "error": text, "detail": text, "code": code, "errors": []any{}})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(b)
	}
}

// object is a service as the API shows it.
func object(name, state, more string) string {
	status := map[string]string{"failed": "error", "backoff": "starting", "exited": "stopped"}[state]
	if status == "" {
		status = state
	}
	pid := "null"
	if status == "running" {
		pid = "42"
	}
	return fmt.Sprintf(`{"id":1,"name":%q,"display_name":%q,"type":"service","status":%q,"state":%q,"reason":"","health":"unknown","autostart":false,"pid":%s,"port":null,"tags":[],"origin":"api","uptime_seconds":3725,"restarts":2%s}`,
		name, strings.ToUpper(name), status, state, pid, more)
}

func list(objects ...string) http.HandlerFunc {
	return replies(fmt.Sprintf(`{"success":true,"count":%d,"services":[%s],"total":%d,"limit":100,"offset":0,"meta":{},"cached":false}`, len(objects), strings.Join(objects, ","), len(objects)))
}

func check(t *testing.T, what string, got result, code int, out, errs string) {
	t.Helper()
	if got.code != code || got.out != out || got.err != errs {
		t.Errorf("%s:\ngot  %d %q %q\nwant %d %q %q", what, got.code, got.out, got.err, code, out, errs)
	}
}
