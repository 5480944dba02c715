package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

type bodyInput struct {
	Body struct {
		Name string `json:"name" maxLength:"10"`
	}
}

// probes are rows that show what no real row shows yet.
func probes(s *Server) []*row {
	return []*row{
		raw("GET", "/test/panic", viewer, "panics", func(http.ResponseWriter, *http.Request) { panic("secret state") }, nil),
		raw("GET", "/test/half", viewer, "panics late", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic("late")
		}, nil),
		typed(s, "GET", "/test/internal", viewer, "fails", func(context.Context, *noInput) (*answerOf[DoneBody], error) { return nil, errSecret }),
		typed(s, "POST", "/test/body", operator, "takes JSON", func(_ context.Context, in *bodyInput) (*answerOf[DoneBody], error) {
			return ok(done(in.Body.Name)), nil
		}),
		typed(s, "DELETE", "/test/body", operator, "second method", func(context.Context, *noInput) (*answerOf[DoneBody], error) {
			return ok(done("gone")), nil
		}),
	}
}

func TestEveryErrorHasTheOneShape(t *testing.T) {
	s := start(t, nil, probes)
	large := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	jsonHeader := []string{"Content-Type", "application/json"}
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		text                     string
	}{
		{"unknown path", "GET", "/api/nothing", "", nil, 404, "Not Found"},
		{"unknown websocket path", "GET", "/api/x/ws", "", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 404, "Not Found"},
		{"wrong method", "POST", "/api/system/stats", "", nil, 405, "Method Not Allowed"},
		{"out of range", "GET", "/api/system/processes?limit=501", "", nil, 422, "limit: must be between 1 and 500"},
		{"below range", "GET", "/api/system/processes?limit=0", "", nil, 422, "limit: must be between 1 and 500"},
		{"not a number", "GET", "/api/system/processes?limit=many", "", nil, 422, "limit: must be between 1 and 500"},
		{"not in the list", "GET", "/api/system/processes?sort=size", "", nil, 422, "sort: must be one of cpu, memory, pid, name"},
		{"unknown parameter", "GET", "/api/system/processes?limt=5", "", nil, 422, "limt: unknown parameter, accepted are limit, offset, sort, search"},
		{"parameter where none is", "GET", "/api/system/stats?x=1", "", nil, 422, "takes none"},
		{"broken query", "GET", "/api/system/stats?a=%zz", "", nil, 422, "query"},
		{"port out of range", "GET", "/api/system/ports?end=65536", "", nil, 422, "end: must be between 1 and 65535"},
		{"ports backwards", "GET", "/api/system/ports?start=9&end=8", "", nil, 422, "start"},
		{"history too long", "GET", "/api/system/history?since=901", "", nil, 422, "since: must be between 1 and 900"},
		{"history not a number", "GET", "/api/system/history?since=NaN", "", nil, 422, "since"},
		{"history no time", "GET", "/api/system/history?since=yesterday", "", nil, 422, "since"},
		{"unknown collector", "GET", "/metrics?collect[]=nothing", "", nil, 422, "unknown collector"},
		{"self is not of the host", "GET", "/metrics/node?collect[]=self", "", nil, 422, "unknown collector"},
		{"both filters", "GET", "/metrics?collect[]=self&exclude[]=self", "", nil, 422, "exclude[]"},
		{"form", "POST", "/test/body", "name=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "curl --json"},
		{"form to a row without body", "POST", "/-/reload", "name=x", []string{"Content-Type", "text/plain"}, 415, "curl --json"},
		{"JSON to the restore", "POST", "/api/backup", "{}", jsonHeader, 415, "application/octet-stream"},
		{"large", "POST", "/test/body", large, jsonHeader, 413, "larger than 1048576 bytes"},
		{"broken JSON", "POST", "/test/body", "{", jsonHeader, 400, "body"},
		{"wrong field", "POST", "/test/body", `{"nam":"x"}`, jsonHeader, 422, "nam"},
		{"missing body", "POST", "/test/body", "", nil, 400, "body"},
		{"wrong host", "GET", "/health", "", []string{"Host", "evil.example"}, 421, "evil.example"},
		{"foreign origin", "POST", "/-/reload", "", []string{"Origin", "http://evil.example"}, 403, "evil.example"},
		{"cross-site without origin", "POST", "/-/reload", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross-origin"},
		{"behind a proxy", "GET", "/api/system/stats", "", []string{"X-Forwarded-For", "192.0.2.1"}, 401, "Not authenticated"},
		{"unknown path behind a proxy", "GET", "/nothing", "", []string{"Forwarded", "for=192.0.2.1"}, 401, "Not authenticated"},
		{"bug", "GET", "/test/panic", "", nil, 500, "internal error"},
		{"internal", "GET", "/test/internal", "", nil, 500, "internal error"},
		{"no websocket", "GET", "/ws", "", nil, 426, "ws://"},
		{"bad websocket", "GET", "/ws", "", []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 400, "websocket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			r := s.ask(c.method, c.path, body, c.headers...)
			m := wantProblem(t, r, c.status, c.text)
			if c.status == 500 && strings.Contains(string(r.body), "secret") {
				t.Errorf("the client sees the cause: %s", r.body)
			}
			if c.status == 422 && len(m["errors"].([]any)) == 0 {
				t.Errorf("no field named: %s", r.body)
			}
		})
	}
	if log := s.logs.String(); !strings.Contains(log, "secret state") || !strings.Contains(log, "/secret/path") {
		t.Errorf("the log lacks the causes:\n%s", log)
	}
}

func TestLargeChunkedBodyIsRefused(t *testing.T) {
	s := start(t, func(o *Options) { o.RestoreLimit = 1000 }, probes)
	chunked := func(n int) io.Reader {
		return io.MultiReader(strings.NewReader(`{"name":"`), strings.NewReader(strings.Repeat("x", n)))
	}
	wantProblem(t, s.ask("POST", "/test/body", chunked(1<<20), "Content-Type", "application/json"), 413, "1048576")
	wantProblem(t, s.ask("POST", "/api/backup", chunked(1000), "Content-Type", "application/octet-stream"), 413, "1000")
}

func TestHalfAnAnswerIsCutOff(t *testing.T) {
	s := start(t, nil, probes)
	r, err := s.http.Get(s.url + "/test/half")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err == nil {
		t.Errorf("the client took %q for a whole answer", b)
	}
}

func TestAllowNamesTheMethods(t *testing.T) {
	s := start(t, nil, probes)
	for path, want := range map[string]string{"/test/body": "POST, DELETE", "/api/system/stats": "GET, HEAD", "/api/backup": "GET, HEAD, POST"} {
		r := s.ask("PATCH", path, nil)
		wantProblem(t, r, 405, "Method Not Allowed")
		if got := r.Header.Get("Allow"); got != want {
			t.Errorf("%s: Allow %q, want %q", path, got, want)
		}
	}
}

func TestTrailingSlashRedirects(t *testing.T) {
	s := start(t, nil, probes)
	for path, want := range map[string]string{"/health/": "/health", "/api/system/processes/?limit=5": "/api/system/processes?limit=5"} {
		r := s.get(path)
		if r.StatusCode != 307 || r.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want 307 to %q", path, r.StatusCode, r.Header.Get("Location"), want)
		}
	}
	wantProblem(t, s.get("/nothing/"), 404, "Not Found")
	wantProblem(t, s.get("//evil.example/"), 404, "Not Found")
}

func TestHeadWorksWhereGetDoes(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/", "/health", "/api/system/stats", "/metrics", "/openapi.json", "/docs", "/api/backup"} {
		r := s.ask("HEAD", path, nil)
		if r.StatusCode != 200 || len(r.body) != 0 {
			t.Errorf("HEAD %s: %d, %d bytes", path, r.StatusCode, len(r.body))
		}
	}
	if r := s.ask("HEAD", "/nothing", nil); r.StatusCode != 404 {
		t.Errorf("HEAD of nothing: %d", r.StatusCode)
	}
}

func TestOriginAndCORS(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
	own := s.url
	for _, c := range []struct {
		name, method, origin string
		status               int
		allowed              bool
	}{
		{"listed reads", "GET", "http://localhost:3000", 200, true},
		{"foreign reads without leave to see it", "GET", "http://evil.example", 200, false},
		{"listed acts", "POST", "http://localhost:3000", 200, true},
		{"own page acts", "POST", own, 200, false},
		{"foreign acts", "POST", "http://evil.example", 403, false},
		{"other port of this host acts", "POST", "http://127.0.0.1:1", 403, false},
		{"listed name, other scheme", "POST", "https://localhost:3000", 403, false},
		{"listed name as a prefix", "POST", "http://localhost:3000.evil.example", 403, false},
		{"null", "POST", "null", 403, false},
		{"file", "POST", "file://", 403, false},
		{"with a path", "POST", "http://localhost:3000/x", 403, false},
		{"with a user", "POST", "http://localhost:3000@evil.example", 403, false},
		{"empty", "POST", "", 403, false},
		{"rubbish", "POST", "http://[", 403, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := "/health"
			if c.method == "POST" {
				path = "/-/reload"
			}
			r := s.ask(c.method, path, nil, "Origin", c.origin)
			if r.StatusCode != c.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, c.status, r.body)
			}
			if got := r.Header.Get("Access-Control-Allow-Origin"); (got == c.origin && got != "") != c.allowed {
				t.Errorf("Access-Control-Allow-Origin %q, allowed should be %v", got, c.allowed)
			}
			if c.allowed && r.Header.Get("Access-Control-Allow-Credentials") != "true" {
				t.Error("no credentials for a listed origin")
			}
			if !strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin") {
				t.Error("no Vary: Origin")
			}
		})
	}
	r := s.ask("POST", "/-/reload", nil, "Origin", own, "Origin", "http://evil.example")
	wantProblem(t, r, 403, "origin")
}

func TestPreflight(t *testing.T) {
	s := start(t, nil, nil)
	r := s.ask("OPTIONS", "/api/anything", nil, "Origin", "http://localhost:3000", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type, authorization")
	h := r.Header
	if r.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "http://localhost:3000" || h.Get("Access-Control-Max-Age") != "600" ||
		h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Allow-Headers") != "content-type, authorization" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("preflight: %d %v", r.StatusCode, h)
	}
	r = s.ask("OPTIONS", "/api/system/stats", nil, "Origin", "http://evil.example", "Access-Control-Request-Method", "GET")
	wantProblem(t, r, 400, "Disallowed CORS origin")
	if r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a foreign origin is allowed")
	}
	wantProblem(t, s.ask("OPTIONS", "/health", nil), 405, "Method Not Allowed")
}

func TestSettingsMayChange(t *testing.T) {
	var current atomic.Pointer[Settings]
	current.Store(&Settings{})
	s := start(t, func(o *Options) { o.Settings = current.Load }, nil)
	wantProblem(t, s.get("/health", "Host", "later.example"), 421, "later.example")
	current.Store(&Settings{AllowedHosts: []string{"later.example"}})
	if r := s.get("/health", "Host", "later.example"); r.StatusCode != 200 {
		t.Errorf("after the change: %d", r.StatusCode)
	}
}

func TestRolesOfCallers(t *testing.T) {
	var current atomic.Pointer[Settings]
	current.Store(DefaultSettings())
	s := start(t, func(o *Options) {
		o.Settings = current.Load
		o.Reload = func(context.Context) error { return nil }
	}, nil)
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Anything", "X-Real-Ip", "Via", "True-Client-Ip", "CF-Connecting-IP", "x-client-ip"} {
		wantProblem(t, s.ask("POST", "/-/reload", nil, h, "x"), 401, "Not authenticated")
	}
	if r := s.get("/health", "X-Forwarded-For", "192.0.2.1"); r.StatusCode != 200 {
		t.Errorf("health behind a proxy: %d", r.StatusCode)
	}
	var detailed HealthDetailedBody
	s.get("/health/detailed", "X-Forwarded-For", "192.0.2.1").decode(t, &detailed)
	if detailed.ProcessID != 0 || detailed.WorkingDirectory != "" {
		t.Errorf("strangers see %+v", detailed)
	}
	for _, path := range []string{"/metrics", "/metrics/node", "/api/system/stats"} { // open to this machine, not to whom a proxy serves
		r := s.get(path, "X-Forwarded-For", "192.0.2.1")
		wantProblem(t, r, 401, "Not authenticated")
		if r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("WWW-Authenticate %q", r.Header.Get("WWW-Authenticate"))
		}
	}
	// without basic authentication on the listener such a header proves nothing
	wantProblem(t, s.get("/api/system/stats", "Via", "x", "Authorization", "Basic dTpw"), 401, "")
	current.Store(&Settings{BasicAuth: true})
	if r := s.get("/api/system/info", "Via", "x", "Authorization", "Basic dTpw"); r.StatusCode != 200 {
		t.Errorf("a user of the listener reads: %d", r.StatusCode)
	}
	wantProblem(t, s.ask("POST", "/-/reload", nil, "Via", "x", "Authorization", "Basic dTpw"), 403, "needs the role admin")
	if r := s.ask("POST", "/-/reload", nil, "Authorization", "Basic dTpw"); r.StatusCode != 200 {
		t.Errorf("the owner with a password that the listener checked: %d", r.StatusCode)
	}
	wantProblem(t, s.get("/health", "X-Forwarded-For", "192.0.2.1"), 401, "Not authenticated") // the group is not listed any more
	if r := s.get("/health"); r.StatusCode != 200 {
		t.Errorf("the owner reads what is not listed: %d", r.StatusCode)
	}
}

func TestWrongCredentialsAreNeverTheOwner(t *testing.T) {
	for _, mode := range []AuthMode{ModeOwner, ModeOpen} {
		s := start(t, func(o *Options) {
			st := DefaultSettings()
			st.Auth = mode
			o.Settings = func() *Settings { return st }
			o.Reload = func(context.Context) error { return nil }
		}, nil)
		if r := s.ask("POST", "/-/reload", nil); r.StatusCode != 200 {
			t.Fatalf("%s: the owner: %d", mode, r.StatusCode)
		}
		for _, h := range [][]string{
			{"Authorization", "Bearer abc"},
			{"Authorization", "Bearer "},
			{"Authorization", ""},
			{"Authorization", "Basic dTpw"},
			{"Authorization", "Digest x"},
			{"X-API-Key", "abc"},
			{"X-API-Key", ""},
			{"Authorization", "Basic dTpw", "Authorization", "Bearer x"},
		} {
			for _, row := range [][2]string{{"POST", "/-/reload"}, {"GET", "/api/system/stats"}, {"GET", "/health"}, {"GET", "/nothing"}} {
				r := s.ask(row[0], row[1], nil, h...)
				m := wantProblem(t, r, 401, "Invalid")
				if r.Header.Get("WWW-Authenticate") != "Bearer" || m["code"] != "unauthenticated" {
					t.Errorf("%s: %v %v: %v %v", mode, h, row, r.Header, m)
				}
			}
		}
	}
}

func TestModes(t *testing.T) {
	var current atomic.Pointer[Settings]
	current.Store(DefaultSettings())
	s := start(t, func(o *Options) {
		o.Settings = current.Load
		o.Reload = func(context.Context) error { return nil }
	}, nil)
	// One connection, kept: the mode in force counts, not the one when it was accepted.
	for _, c := range []struct {
		mode   AuthMode
		status int
	}{{"", 200}, {ModeCredentials, 401}, {ModeOpen, 200}, {ModeOwner, 200}, {"typo", 401}} {
		st := DefaultSettings()
		st.Auth = c.mode
		current.Store(st)
		if r := s.ask("POST", "/-/reload", nil); r.StatusCode != c.status {
			t.Errorf("mode %q: %d, want %d", c.mode, r.StatusCode, c.status)
		}
		if r := s.get("/metrics"); r.StatusCode != 200 {
			t.Errorf("mode %q: /metrics %d", c.mode, r.StatusCode)
		}
		if r := s.ask("POST", "/-/reload", nil, "Via", "x"); r.StatusCode != 401 {
			t.Errorf("mode %q: forwarded: %d, want 401", c.mode, r.StatusCode)
		}
	}
}

func TestOwnerIsKnownUnderTLSAndHTTP2(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
	for _, h2 := range []bool{false, true} {
		hs := httptest.NewUnstartedServer(s.Handler())
		hs.Config.ConnContext = s.ConnContext
		hs.EnableHTTP2 = h2
		hs.StartTLS()
		s.url, s.http = hs.URL, hs.Client()
		r := s.ask("POST", "/-/reload", nil)
		if r.StatusCode != 200 || r.ProtoMajor == 2 != h2 {
			t.Errorf("HTTP/2 %v: %s %d", h2, r.Proto, r.StatusCode)
		}
		wantProblem(t, s.ask("POST", "/-/reload", nil, "X-Forwarded-For", "192.0.2.1"), 401, "Not authenticated")
		hs.Close()
	}
}

func TestServerWithoutConnContextTrustsNobody(t *testing.T) {
	s := start(t, nil, nil)
	hs := httptest.NewServer(s.Handler())
	defer hs.Close()
	s.url = hs.URL
	wantProblem(t, s.get("/api/system/info"), 401, "Not authenticated")
	wantProblem(t, s.get("/metrics"), 401, "Not authenticated")
}

func TestUnixSocketPeerIsAdmin(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: s.Handler(), ConnContext: s.ConnContext}
	go func() { _ = hs.Serve(l) }()
	defer hs.Close()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	defer c.CloseIdleConnections()
	r, err := c.Post("http://any.name.at.all/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("reload over the socket: %d", r.StatusCode)
	}
}

func TestRequestID(t *testing.T) {
	s := start(t, nil, nil)
	if got := s.get("/health", "X-Request-Id", "abc-1.2_Z").Header.Get("X-Request-Id"); got != "abc-1.2_Z" {
		t.Errorf("a sane id became %q", got)
	}
	for _, bad := range []string{"a b", strings.Repeat("x", 65), "ä", `"><script>`} {
		if got := s.get("/health", "X-Request-Id", bad).Header.Get("X-Request-Id"); got == bad || len(got) != 16 {
			t.Errorf("id %q became %q", bad, got)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/health", "/nothing", "/docs"} {
		h := s.get(path).Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") == "" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, h)
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: %s", path, h.Get("Content-Security-Policy"))
		}
	}
}

func TestCompression(t *testing.T) {
	s := start(t, nil, nil)
	for path, want := range map[string]string{"/openapi.json": "gzip", "/health/live": "", "/docs": ""} {
		if got := s.get(path, "Accept-Encoding", "gzip").Header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: Content-Encoding %q, want %q", path, got, want)
		}
	}
	if got := s.get("/openapi.json").Header.Get("Content-Encoding"); got != "" {
		t.Errorf("compressed for a client that does not ask: %q", got)
	}
}
