package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// result is what one run of the command line left.
type result struct {
	code     int
	out, err string
}

// runCLI runs the command line in this process with an environment of its own.
func runCLI(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := Execute(t.Context(), Options{Version: Version{Version: "1.2.3", Revision: "abc"}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Environ: environ}, args)
	return result{code, out.String(), errs.String()}
}

// answer serves one fixed answer to everything.
func answer(t *testing.T, status int, contentType, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestErrorAnswersBecomeExitCodes(t *testing.T) {
	shape := `{"success":false,"error":"lines: must be between 1 and 10000","detail":"lines: must be between 1 and 10000","code":"validation"}`
	for _, c := range []struct {
		name        string
		status      int
		contentType string
		body        string
		code        int
		message     string
	}{
		{"validation", 422, "application/json", shape, ExitUsage, "lines: must be between 1 and 10000 (see \"controlcenter ps --help\")"},
		{"bad request", 400, "application/json", shape, ExitUsage, "lines: must be between 1 and 10000 (see \"controlcenter ps --help\")"},
		{"not found", 404, "application/json; charset=utf-8", `{"success":false,"error":"Not Found","detail":"Not Found"}`, ExitNotFound, "Not Found"},
		{"unauthorized", 401, "application/json", `{"detail":"Not authenticated"}`, ExitRefused, "Not authenticated"},
		{"forbidden", 403, "application/json", `{"error":"no"}`, ExitRefused, "no"},
		{"conflict", 409, "application/json", `{"error":"already running"}`, ExitRefused, "already running"},
		{"wrong host", 421, "application/json", `{"error":"host"}`, ExitRefused, "host"},
		{"problem type", 500, "application/problem+json", `{"error":"boom"}`, ExitFailed, "boom"},
		{"not ready", 503, "application/json", `{"error":"not ready"}`, ExitFailed, "not ready"},
		{"a proxy's page", 502, "text/html", "<h1>Bad\nGateway</h1>", ExitFailed, "HTTP 502 Bad Gateway"},
		{"a list as detail", 422, "application/json", `{"detail":[{"msg":"x"}]}`, ExitUsage, "HTTP 422 Unprocessable Entity (see \"controlcenter ps --help\")"},
		{"terminal escapes in the message", 500, "application/json", `{"error":"a\u001b[2Jb"}`, ExitFailed, `a\x1b[2Jb`},
		{"no content type", 500, "", "", ExitFailed, "HTTP 500 Internal Server Error"},
		{"success that is no JSON", 200, "text/html", "<p>", ExitFailed, "is not JSON (text/html): is that a controlcenter?"},
		{"success of a wrong shape", 200, "application/json", `{"processes":[{"pid":"x"}]}`, ExitFailed, "answer of http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runCLI(t, nil, "ps", "--url", answer(t, c.status, c.contentType, c.body))
			if r.code != c.code {
				t.Errorf("exit code %d, want %d (%s)", r.code, c.code, r.err)
			}
			if !strings.HasPrefix(r.err, "controlcenter: ps: ") || strings.Count(r.err, "\n") != 1 || !strings.Contains(r.err, c.message) {
				t.Errorf("stderr %q, want one line with %q", r.err, c.message)
			}
			if r.out != "" {
				t.Errorf("stdout %q, want nothing", r.out)
			}
		})
	}
}

func TestRateLimitSaysWhenToTryAgain(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"error":"rate limit exceeded"}`))
	}))
	t.Cleanup(s.Close)
	r := runCLI(t, []string{"CC_URL=" + s.URL}, "ps")
	if want := "controlcenter: ps: rate limit exceeded; try again in 17 s\n"; r.code != ExitRefused || r.err != want {
		t.Errorf("got %d %q, want %d %q", r.code, r.err, ExitRefused, want)
	}
}

func TestUnreachableDaemonSaysWhatWasTried(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"refused", []string{"ports", "--url", closed}, "no daemon answers at " + closed + `: connection refused; start it with "controlcenter serve"`},
		{"silent", []string{"ports", "--url", silent.URL, "--timeout", "50ms"}, silent.URL + " did not answer within 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runCLI(t, nil, c.args...)
			if r.code != ExitUnreachable || !strings.Contains(r.err, c.want) {
				t.Errorf("got %d %q, want %d and %q", r.code, r.err, ExitUnreachable, c.want)
			}
		})
	}
}

func TestClientSpeaksOverUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cc.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"host":"` + r.Host + `","agent":"` + r.UserAgent() + `"}`))
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	c, err := newClient("", path, "test/1", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	raw, err := c.getJSON(t.Context(), "/")
	if want := `{"host":"localhost","agent":"test/1"}`; err != nil || string(raw) != want {
		t.Errorf("got %s, %v, want %s", raw, err, want)
	}
	gone, err := newClient("", path+"x", "test/1", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.getJSON(t.Context(), "/"); err == nil || !strings.Contains(err.Error(), "unix:"+path+"x: no such socket") {
		t.Errorf("missing socket: %v", err)
	}
}

func TestRedirectToAnotherHostIsNotFollowed(t *testing.T) {
	called := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(other.Close)
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	r := runCLI(t, nil, "ps", "--url", s.URL)
	if r.code != ExitFailed || called {
		t.Errorf("exit %d, other host called: %v; %s", r.code, called, r.err)
	}
}

func TestWrongUseExitsTwo(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown verb", []string{"prots"}, `controlcenter: unknown verb "prots"; did you mean ports?`},
		{"unknown verb after a flag", []string{"-o", "json", "vresion"}, `unknown verb "vresion"; did you mean version?`},
		{"nothing near", []string{"frobnicate"}, `controlcenter: unknown verb "frobnicate" (see "controlcenter --help")`},
		{"unknown flag", []string{"ports", "--al"}, "controlcenter: ports: unknown flag: --al"},
		{"bad output", []string{"ports", "-o", "xml"}, "accepted values are table, json and yaml"},
		{"too many arguments", []string{"ports", "1", "2"}, `unexpected argument "2"`},
		{"port out of range", []string{"ports", "65536"}, `port "65536": must be a number between 1 and 65535`},
		{"start out of range", []string{"ports", "--start", "0"}, "--start: must be between 1 and 65535"},
		{"start above end", []string{"ports", "--start", "9", "--end", "8"}, "--start: must not be above --end (8)"},
		{"all and start", []string{"ports", "--all", "--start", "9"}, "exclude each other"},
		{"bad sort", []string{"ps", "--sort", "age"}, `--sort: "age" is none of cpu, memory, name, pid`},
		{"limit out of range", []string{"ps", "--limit", "501"}, "--limit: must be between 1 and 500"},
		{"no timeout at all", []string{"ps", "--timeout", "0s"}, "--timeout: must be above 0"},
		{"unknown verb below config", []string{"config", "shwo"}, `controlcenter: config: unknown verb "shwo"; did you mean show?`},
		{"file missing", []string{"backup"}, "missing argument FILE"},
		{"bad url", []string{"ps", "--url", "localhost:8080"}, "want http://host:port"},
		{"bad timeout", []string{"ps", "--timeout", "soon"}, "invalid argument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runCLI(t, []string{"CC_URL=http://127.0.0.1:1"}, c.args...)
			if r.code != ExitUsage || !strings.Contains(r.err, c.want) || strings.Count(r.err, "\n") != 1 || r.out != "" {
				t.Errorf("got %d, stdout %q, stderr %q; want %d and one line with %q", r.code, r.out, r.err, ExitUsage, c.want)
			}
		})
	}
}

func TestEveryVerbHasHelpWithExample(t *testing.T) {
	root := New(Options{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	for _, cmd := range root.Commands() {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if cmd.Short == "" || !strings.Contains(cmd.Example, "controlcenter "+cmd.Name()) || cmd.GroupID == "" {
			t.Errorf("verb %s lacks a short text, an example or a group", cmd.Name())
		}
	}
	r := runCLI(t, nil, "ports", "--help")
	if r.code != ExitOK || !strings.Contains(r.out, "controlcenter ports 8188") || r.err != "" {
		t.Errorf("help: %d %q %q", r.code, r.out, r.err)
	}
}

func TestInterruptedRequestIsNotUnreachable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }))
	t.Cleanup(s.Close)
	var out, errs bytes.Buffer
	code := Execute(ctx, Options{Stdout: &out, Stderr: &errs}, []string{"ps", "--url", s.URL})
	if code != ExitFailed || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("got %d %q", code, errs.String())
	}
}

func TestVersionCompletionAndManWork(t *testing.T) {
	if r := runCLI(t, nil, "version"); r.code != 0 || !strings.HasPrefix(r.out, "controlcenter 1.2.3\n  revision  abc\n  go ") {
		t.Errorf("version: %d %q", r.code, r.out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := runCLI(t, nil, "completion", shell); r.code != 0 || !strings.Contains(r.out, "controlcenter") {
			t.Errorf("completion %s: %d %q", shell, r.code, r.err)
		}
	}
	if r := runCLI(t, nil, "__complete", "por"); r.code != 0 || !strings.HasPrefix(r.out, "ports\t") {
		t.Errorf("completion of a verb: %d %q", r.code, r.out)
	}
	dir := t.TempDir()
	if r := runCLI(t, nil, "man", dir); r.code != 0 {
		t.Errorf("man: %d %q", r.code, r.err)
	}
	if pages, _ := filepath.Glob(filepath.Join(dir, "controlcenter-ports.1")); len(pages) != 1 {
		t.Error("man wrote no page for ports")
	}
	if r := runCLI(t, nil, "man"); r.code != 0 || !strings.Contains(r.out, ".TH") {
		t.Errorf("man to stdout: %d %q %q", r.code, r.out, r.err)
	}
}
