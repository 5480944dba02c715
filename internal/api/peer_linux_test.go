package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Rows of every kind, and what a caller without credentials is answered.
var (
	closedRows = []string{"GET /api/system/processes", "GET /api/system/ports", "GET /", "GET /docs", "GET /nothing", "POST /test/body", "DELETE /test/body", "POST /-/reload", "GET /api/backup"}
	openRows   = []string{"GET /health", "GET /health/live", "HEAD /health/detailed", "GET /metrics", "GET /metrics/node", "GET /api/system/stats"}
)

func repeated(code, n int) string {
	list := make([]int, n)
	for i := range list {
		list[i] = code
	}
	return fmt.Sprint(list)
}

func TestOtherUsersReadOnlyTheOpenGroups(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, probes)
	addr := strings.TrimPrefix(s.url, "http://")
	for _, uid := range []uint32{ann, nobody} {
		if got, want := as(t, uid, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: closedRows}), repeated(401, len(closedRows)); got != want {
			t.Errorf("uid %d: %v\ngot  %s\nwant %s", uid, closedRows, got, want)
		}
		if got, want := as(t, uid, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: openRows}), repeated(200, len(openRows)); got != want {
			t.Errorf("uid %d: %v\ngot  %s\nwant %s", uid, openRows, got, want)
		}
	}
	if r := s.ask("POST", "/-/reload", nil); r.StatusCode != 200 {
		t.Errorf("the owner: %d", r.StatusCode)
	}
}

func TestAnonymousGroupsAreThoseOfTheSettings(t *testing.T) {
	var current atomic.Pointer[Settings]
	current.Store(&Settings{})
	s := start(t, func(o *Options) { o.Settings = current.Load }, nil)
	for _, c := range []struct {
		groups []string
		want   string
	}{
		{nil, "[401 401 401 401]"},
		{[]string{GroupHealth}, "[200 401 401 401]"},
		{[]string{GroupMetrics}, "[401 200 200 401]"},
		{[]string{GroupStats}, "[401 401 401 200]"},
	} {
		current.Store(&Settings{Anonymous: c.groups})
		got := as(t, ann, errand{
			Do: "ask", Network: "tcp", Addr: strings.TrimPrefix(s.url, "http://"),
			Requests: []string{"GET /health", "GET /metrics", "GET /metrics/node", "GET /api/system/stats"},
		})
		if got != c.want {
			t.Errorf("groups %v: %s, want %s", c.groups, got, c.want)
		}
	}
}

// TestServerOfAPlainUser is the other way round: root is one of the others there, over TCP.
func TestServerOfAPlainUser(t *testing.T) {
	addr, _ := serveAs(t, ann, "tcp", "127.0.0.1:0")
	rows := []string{"POST /-/reload", "GET /api/system/ports", "GET /metrics"}
	for uid, want := range map[uint32]string{0: "[401 401 200]", ann: "[200 200 200]", bob: "[401 401 200]", nobody: "[401 401 200]"} {
		if got := as(t, uid, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: rows}); got != want {
			t.Errorf("uid %d: %s, want %s", uid, got, want)
		}
	}
	rows = []string{"POST /-/reload X-Forwarded-For=192.0.2.1", "GET /metrics X-Forwarded-For=192.0.2.1", "GET /health Via=x", "POST /-/reload Authorization=Bearer", "POST /-/reload"}
	if got, want := as(t, ann, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: rows}), "[401 401 200 401 200]"; got != want {
		t.Errorf("the owner, forwarding and with a wrong key: %s, want %s", got, want)
	}
}

// TestForwarderOfRootLendsNothing puts a plain forwarder of bytes, run by root, before a plain user's server.
func TestForwarderOfRootLendsNothing(t *testing.T) {
	addr, _ := serveAs(t, ann, "tcp", "127.0.0.1:0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() { _, _ = io.Copy(to, c); _ = to.Close() })
			wg.Go(func() { _, _ = io.Copy(c, to); _ = c.Close() })
		}
	})
	for _, uid := range []uint32{0, ann, bob} {
		got := as(t, uid, errand{Do: "ask", Network: "tcp", Addr: l.Addr().String(), Requests: []string{"POST /-/reload", "GET /api/system/ports", "GET /health"}})
		if got != "[401 401 200]" {
			t.Errorf("uid %d through it: %s, want [401 401 200]", uid, got)
		}
	}
}

func TestServerOfNobodyHasNoOwnerOverTCP(t *testing.T) {
	addr, logs := serveAs(t, nobody, "tcp", "127.0.0.1:0")
	if got := as(t, nobody, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: []string{"POST /-/reload", "POST /-/reload"}}); got != "[401 401]" {
		t.Errorf("%s, want [401 401]", got)
	}
	as(t, bob, errand{Do: "ask", Network: "tcp", Addr: addr, Requests: []string{"GET /health"}})
	if n := strings.Count(logs.String(), "auth.mode"); n != 1 || !strings.Contains(logs.String(), "65534") {
		t.Errorf("the reason is logged %d times, want once:\n%s", n, logs)
	}
}

func TestUnixSocketIsOfItsUserAndRoot(t *testing.T) {
	dir, err := os.MkdirTemp("", "cc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	serveAs(t, ann, "unix", path)
	for uid, want := range map[uint32]string{0: "[200 200]", ann: "[200 200]", bob: "[401 200]"} {
		if got := as(t, uid, errand{Do: "ask", Network: "unix", Addr: path, Requests: []string{"POST /-/reload", "GET /metrics"}}); got != want {
			t.Errorf("uid %d: %s, want %s", uid, got, want)
		}
	}
	if got := as(t, ann, errand{Do: "ask", Network: "unix", Addr: path, Requests: []string{"POST /-/reload Authorization=Basic", "POST /-/reload Via=x"}}); got != "[401 401]" {
		t.Errorf("a password that nobody checks, and a proxy: %s, want [401 401]", got)
	}
}

func TestEachKindOfSocketAndListener(t *testing.T) {
	for _, l := range []struct {
		network, addr string
		clients       []string // network and host
	}{
		{"tcp4", "127.0.0.1:0", []string{"tcp 127.0.0.1", "mapped 127.0.0.1", "lo 127.0.0.1"}},
		{"tcp4", "127.0.0.9:0", []string{"tcp 127.0.0.9"}},
		{"tcp6", "[::1]:0", []string{"tcp ::1", "lo ::1"}},
		{"tcp", "[::]:0", []string{"tcp 127.0.0.1", "tcp ::1", "mapped 127.0.0.1", "mptcp 127.0.0.1", "mptcp ::1"}},
		{"tcp4", "0.0.0.0:0", []string{"tcp 127.0.0.1", "tcp 127.0.0.3", "mapped 127.0.0.1"}},
		{"mptcp", "127.0.0.1:0", []string{"tcp 127.0.0.1", "mptcp 127.0.0.1"}},
	} {
		s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
		var lc net.ListenConfig
		network := l.network
		if lc.SetMultipathTCP(network == "mptcp"); network == "mptcp" {
			network = "tcp"
		}
		listener, err := lc.Listen(t.Context(), network, l.addr)
		if err != nil && strings.Contains(l.addr, "::") {
			t.Logf("SKIPPED %s: %v", l.addr, err) // a machine without IPv6
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		hs := &http.Server{Handler: s.Handler(), ConnContext: s.ConnContext}
		var wg sync.WaitGroup
		wg.Go(func() { _ = hs.Serve(listener) })
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		for _, c := range l.clients {
			network, host, _ := strings.Cut(c, " ")
			e := errand{Do: "ask", Network: network, Addr: net.JoinHostPort(host, port), Requests: []string{"POST /-/reload"}}
			conn, err := e.dial()
			if err != nil {
				t.Fatalf("%s to %s: %v", c, l.addr, err)
			}
			codes, err := askOn(conn, e.Requests...)
			_ = conn.Close()
			if err != nil || fmt.Sprint(codes) != "[200]" {
				t.Errorf("%s %s: the owner by %s: %v %v, want 200", l.network, l.addr, c, codes, err)
			}
			if network == "lo" && os.Getuid() == 0 {
				continue // needs rights that another user has not
			}
			if os.Getuid() == 0 {
				if got := as(t, ann, e); got != "[401]" {
					t.Errorf("%s %s: another user by %s: %s, want 401", l.network, l.addr, c, got)
				}
			}
		}
		_ = hs.Close()
		wg.Wait()
	}
}
