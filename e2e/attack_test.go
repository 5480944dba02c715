package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
)

// long is how long the server may take to give up on a client: its own patience, and that of a busy machine.
const long = 3 * time.Minute

// raw opens a connection to the daemon with a small receive buffer and sends bytes.
func (d *daemon) raw(send string) net.Conn {
	d.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4096)
	if _, err := io.WriteString(c, send); err != nil {
		d.t.Fatal(err)
	}
	return c
}

// endsAfter reads until the server hangs up and returns what came.
func endsAfter(t *testing.T, what string, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(long))
	b, err := io.ReadAll(c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("%s: the server did not hang up", what)
	}
	return string(b)
}

// TestAttackSlowClients keeps many clients that say little, or read nothing. Meanwhile others are answered, and in the end all of the
// slow ones are gone.
func TestAttackSlowClients(t *testing.T) {
	d := serve(t, launch{})
	var wg sync.WaitGroup
	for _, c := range []struct {
		name, send, wants string
	}{
		{"nothing at all", "", ""},
		{"half a request line", "GET /hea", ""},
		{"no end of headers", "GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n", ""},
		{"no body", "POST /api/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", " 408 "},
		{"half a body", "POST /api/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", " 408 "},
		{"half a chunk", "POST /api/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", " 408 "},
		{"no body, and no leave", "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nVia: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", " 401 "},
		{"no body, no such route", "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", " 404 "},
	} {
		for range 20 {
			conn := d.raw(c.send)
			wg.Go(func() {
				if got := endsAfter(t, c.name, conn); !strings.Contains(got, c.wants) {
					t.Errorf("%s: answered %q, want%s", c.name, got[:min(len(got), 200)], c.wants)
				}
			})
		}
	}
	// Those that ask for much and read nothing: the answers fill the buffers, then the write's time is up.
	ask := strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)
	for range 10 {
		conn := d.raw(ask)
		wg.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(long); time.Now().Before(end); <-tick.C {
				if _, err := conn.Write([]byte("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
					return // hung up
				}
			}
			t.Error("a client that does not read was not hung up on")
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	answers := 0
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		select {
		case <-done:
			tick.Stop()
			t.Logf("%d requests of others were answered meanwhile", answers)
			if answers == 0 {
				t.Error("nobody else was answered")
			}
			return
		default:
		}
		if code, body := d.get("/api/system/info"); code != http.StatusOK {
			t.Errorf("meanwhile: %d %s", code, body)
		}
		answers++
	}
}

// TestAttackManyConnections opens more than one address may have, as another user of this machine.
func TestAttackManyConnections(t *testing.T) {
	needRoot(t)
	d := serve(t, launch{})
	script := `import socket,sys
open_=[]; closed=0
for i in range(700):
    s=socket.create_connection(("127.0.0.1",int(sys.argv[1]))); s.settimeout(60)
    open_.append(s)
for s in open_[512:]:
    try:
        if s.recv(1)==b"": closed+=1
    except ConnectionResetError: closed+=1
print(closed)
`
	cmd := exec.CommandContext(t.Context(), need(t, "setpriv"), "--reuid="+otherUser, "--regid="+otherUser, "--clear-groups",
		need(t, "/usr/bin/python3"), "-c", script, d.url[strings.LastIndex(d.url, ":")+1:])
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "188" {
		t.Fatalf("closed %s of the 188 that were too many: %v", out, err)
	}
	if code, body := d.get("/api/system/info"); code != http.StatusOK { // the owner is not of them
		t.Errorf("the owner: %d %s", code, body)
	}
	d.waitFor("the refusals to be counted", func() bool {
		n, _ := d.metric(`controlcenter_http_refused_total{reason="connections"}`)
		return n == 188
	})
}

// TestAttackOtherUserOnLoopback tries each way in as another user, and as root where the daemon is another's.
func TestAttackOtherUserOnLoopback(t *testing.T) {
	needRoot(t)
	d := serve(t, launch{})
	for _, c := range []struct{ method, path string }{
		{"POST", "/-/reload"},
		{"GET", "/api/backup"},
		{"POST", "/api/services"},
		{"GET", "/api/services"},
		{"GET", "/api/events"},
		{"POST", "/api/keys"},
		{"GET", "/api/audit"},
		{"POST", "/api/auth/codes"},
		{"POST", "/mcp"},
		{"GET", "/api/config"},
		{"GET", "/nothing"},
		{"POST", "/health"},
	} {
		for name, more := range map[string][]string{
			"plain": nil, "forwarded": {"-H", "X-Forwarded-For: 127.0.0.1"}, "says localhost": {"-H", "Origin: " + d.url}, "wrong key": {"-H", "X-API-Key: cc_a_b"},
			"cookie": {"-H", "Cookie: cc_session=x"}, "basic": {"-u", "admin:admin"},
		} {
			args := append([]string{"-X", c.method, d.url + c.path}, more...)
			if got := askAs(t, otherUser, args...); got != "401" && got != "429" {
				t.Errorf("%s %s, %s: %s, want 401", c.method, c.path, name, got)
			}
		}
	}
	if n, _ := d.metric(`controlcenter_http_refused_total{reason="throttled"}`); n == 0 {
		t.Error("nobody was throttled")
	}
	if code, body := d.get("/api/system/info"); code != http.StatusOK {
		t.Errorf("the owner, from the same address: %d %s", code, body)
	}
}

// TestAttackOldLimits is what the tests of the older backend look for.
func TestAttackOldLimits(t *testing.T) {
	cwd := t.TempDir()
	write(t, filepath.Join(cwd, "controlcenter.yaml"), "compat: {rate_limits: true}\n")
	d := serve(t, launch{cwd: cwd})
	for path, most := range map[string]int{"/api/system/stats": 60, "/api/system/ports": 30, "/api/services": 60} {
		for i := range most + 1 {
			code, body := d.get(path)
			want := http.StatusOK
			if i == most {
				want = http.StatusTooManyRequests
			}
			if code != want {
				t.Fatalf("%s, request %d: %d %s", path, i+1, code, body)
			}
		}
	}
}

// TestAttackExistingPages is that the browser client of the older backend works with the default settings.
func TestAttackExistingPages(t *testing.T) {
	d := serve(t, launch{})
	for _, origin := range []string{"http://localhost:3000", "http://localhost:3001"} {
		ask := func(method, path string, headers ...string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, d.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			return res
		}
		for path, method := range map[string]string{"/api/services": "GET", "/api/system/processes": "GET", "/api/agents/stats": "GET", "/api/services/none/start": "POST", "/api/auth/me": "GET"} {
			pre := ask("OPTIONS", path, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "content-type")
			if pre.StatusCode != 204 || pre.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(pre.Header.Get("Access-Control-Allow-Methods"), method) {
				t.Errorf("%s: preflight of %s: %d %v", origin, path, pre.StatusCode, pre.Header)
			}
			res := ask(method, path, "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
			if res.StatusCode == 401 || res.StatusCode == 403 || res.StatusCode == 415 || res.Header.Get("Access-Control-Allow-Origin") != origin {
				t.Errorf("%s: %s %s: %d %v", origin, method, path, res.StatusCode, res.Header)
			}
		}
	}
}

// harmless checks that a text commands no terminal.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Errorf("%s: %q in %q", what, r, text[max(i-60, 0):min(i+40, len(text))])
			return
		}
	}
}

// TestAttackHostileNames runs real processes and services whose names, arguments and lines are meant for a terminal or a browser.
func TestAttackHostileNames(t *testing.T) {
	cwd, kb := t.TempDir(), t.TempDir()
	agent := filepath.Join(kb, "knowledge-base", "01_agent\x1b[2J")
	if err := os.MkdirAll(agent, 0o755); err != nil {
		t.Fatal(err)
	}
	evil := "\x1b]0;own\x07\u202e"
	write(t, filepath.Join(agent, "doc\x1b[31m\u202e<b>.md"), "---\ntitle: \"t\\e[2J\\u202e<script>alert(1)</script>\"\n---\n# h\x1b[2J <script>alert(1)</script>\nneedleword \x1b]0;x\x07\n")
	script := `printf '\033]0;own\007\342\200\256' > /proc/$$/comm; printf 'line \033[2J\302\233 31m \342\200\256 <script>\n'; while :; do sleep 1000 & wait $!; done`
	write(t, filepath.Join(cwd, "controlcenter.yaml"), fmt.Sprintf("knowledge: {roots: [{id: main, path: %q}]}\nservices:\n  evil:\n    display_name: \"<img src=x>\"\n    command: [\"bash\", \"-c\", %q, \"\\e[2Jarg\\u202e\"]\n", kb, script))
	d := serve(t, launch{cwd: cwd})
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"--storage.path=" + d.dir}, args...)...)
		cmd.Dir, cmd.Env = cwd, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cwd}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%v: %v %s", args, err, out)
		}
		return string(out)
	}
	defer run("down")
	run("start", "evil")
	d.waitFor("the process to have its name", func() bool {
		_, body := d.get("/api/system/processes?limit=500&search=own")
		return bytes.Contains(body, []byte(`\\x1b]0;own`))
	})
	d.waitFor("the line to be written", func() bool {
		_, body := d.get("/api/services/evil/logs")
		return bytes.Contains(body, []byte("script"))
	})
	d.waitFor("the file to be found", func() bool {
		_, body := d.get("/api/knowledge/search?query=needleword")
		return bytes.Contains(body, []byte(`"total_matches":1`))
	})
	for _, path := range []string{
		"/api/system/processes?limit=500", "/api/services", "/api/services/evil", "/api/services/evil/logs", "/api/services/evil/logs?format=text", "/api/events", "/metrics", "/metrics/node",
		"/api/knowledge/files", "/api/knowledge/search?query=needleword", "/api/knowledge/stats", "/api/agents", "/api/knowledge/recent", "/api/audit", "/api/services/%1b%5b2J/status",
		"/api/services?search=%1b%5b2J&x=%e2%80%ae",
	} {
		res, err := http.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		harmless(t, path, string(body))
		if ct := res.Header.Get("Content-Type"); strings.Contains(ct, "html") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s is served as %s", path, ct)
		}
	}
	var found struct {
		Files []struct{ ID string }
	}
	d.json("/api/knowledge/files", &found)
	for _, f := range found.Files {
		res, err := http.Get(d.url + "/api/knowledge/files/" + f.ID + "/content")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("content: %d %v", res.StatusCode, res.Header)
		}
	}
	if len(found.Files) == 0 {
		t.Error("no file was found")
	}
	for _, args := range [][]string{
		{"ps"}, {"ps", "-o", "json"}, {"ps", "-o", "yaml"}, {"status"}, {"status", "evil"}, {"events"}, {"events", "-o", "json"}, {"status", evil}, {"start", evil}, {"logs", evil}, {"jobs"}, {evil}, {"--" + evil},
	} {
		harmless(t, fmt.Sprintf("controlcenter %q", args), run(args...))
	}
	harmless(t, "the log of the daemon", d.log.String())
	// Into a pipe the lines of a service go as they are; what a terminal gets is escaped.
	cmd := exec.Command(need(t, "script"), "-qec", binary+" --storage.path="+d.dir+" logs evil", "/dev/null")
	cmd.Dir, cmd.Env = cwd, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cwd, "NO_COLOR=1"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "script") {
		t.Errorf("logs on a terminal: %v %s", err, out)
	}
	harmless(t, "logs on a terminal", strings.ReplaceAll(string(out), "\r\n", "\n"))
}
