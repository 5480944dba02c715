package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPeersThatGoAtOnceAreNotRoot is the hole of the simple rule: this process is root, and what a closed socket leaves behind
// is reported as root's.
func TestPeersThatGoAtOnceAreNotRoot(t *testing.T) {
	var reloads atomic.Int64
	s := start(t, func(o *Options) {
		o.Reload = func(context.Context) error { reloads.Add(1); return nil }
	}, nil)
	addr := strings.TrimPrefix(s.url, "http://")
	as(t, bob, errand{Do: "hammer", Network: "tcp", Addr: addr, Times: 2500})
	if n := reloads.Load(); n != 0 {
		t.Errorf("%d of 10,000 requests of another user were obeyed", n)
	}
	if r := s.ask("POST", "/-/reload", nil); r.StatusCode != 200 {
		t.Errorf("the owner afterwards: %d", r.StatusCode)
	}
}

// TestPortThatWasGivenToTheOwnerLendsNothing: another user's request waits to be accepted, its socket is gone by a reset, and the
// owner connects from the same port. The kernel then finds the owner's socket under the 4-tuple of the stranger's connection.
func TestPortThatWasGivenToTheOwnerLendsNothing(t *testing.T) {
	var reloads atomic.Int64
	s := start(t, func(o *Options) {
		o.Reload = func(context.Context) error { reloads.Add(1); return nil }
	}, nil)
	for _, multipath := range []bool{false, true} {
		var lc net.ListenConfig
		lc.SetMultipathTCP(multipath)
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		source := unusedPort(t)
		as(t, bob, errand{Do: "reset", Network: "tcp", Addr: l.Addr().String(), Source: source})
		mine, err := errand{Network: "tcp", Addr: l.Addr().String(), Source: source}.dial()
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var owner []bool
		gone := make(chan struct{}, 2)
		hs := &http.Server{
			Handler: s.Handler(),
			ConnContext: func(ctx context.Context, c net.Conn) context.Context {
				ctx = s.ConnContext(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				owner = append(owner, peerOf(ctx).owner)
				return ctx
			},
			ConnState: func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					gone <- struct{}{}
				}
			},
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = hs.Serve(l) })
		codes, err := askOn(mine, "GET /api/system/info")
		if err != nil || codes[0] != 200 {
			t.Errorf("the owner: %v %v", codes, err)
		}
		<-gone // the stranger's request was read, and answered into nothing
		_ = mine.Close()
		<-gone
		_ = hs.Close()
		wg.Wait()
		if fmt.Sprint(owner) != "[false true]" {
			t.Errorf("multipath %v: the connections are the owner's: %v, want false true", multipath, owner)
		}
	}
	if n := reloads.Load(); n != 0 {
		t.Errorf("the stranger's request was obeyed %d times", n)
	}
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestPortReuseRace lets the owner and a stranger use one port in turns, as fast as they can.
func TestPortReuseRace(t *testing.T) {
	var reloads atomic.Int64
	s := start(t, func(o *Options) {
		o.Reload = func(context.Context) error { reloads.Add(1); return nil }
	}, nil)
	addr := strings.TrimPrefix(s.url, "http://")
	source := unusedPort(t)
	cmd := process(t, bob, errand{Do: "hammer", Network: "tcp", Addr: addr, Times: 300})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for i := 0; ; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			if n := reloads.Load(); n != 0 {
				t.Errorf("%d requests of another user were obeyed", n)
			}
			return
		default:
		}
		if i < 40 { // each a process of its own
			_ = process(t, bob, errand{Do: "reset", Network: "tcp", Addr: addr, Source: source}).Run() // the port may be the owner's just now
		}
		if c, err := (errand{Network: "tcp", Addr: addr, Source: source}).dial(); err == nil {
			_, _ = io.WriteString(c, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}
}

// TestPassedSocketKeepsItsFirstOwner shows the limit of the rule, and that it only goes one way.
func TestPassedSocketKeepsItsFirstOwner(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
	addr := strings.TrimPrefix(s.url, "http://")

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	as(t, bob, errand{Do: "pass", Network: "tcp", Addr: addr}, theirs)
	buf, oob := make([]byte, 8), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(int(ours.Fd()), buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%v %v", messages, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "got")
	got, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if codes, err := askOn(got, "POST /-/reload", "GET /health", "POST /-/reload"); err != nil || fmt.Sprint(codes) != "[401 200 401]" {
		t.Errorf("a stranger's socket in the owner's hands: %v %v, want 401 200 401", codes, err)
	}

	mine, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if codes, err := askOn(mine, "POST /-/reload"); err != nil || codes[0] != 200 {
		t.Fatalf("the owner: %v %v", codes, err)
	}
	file, err := mine.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := as(t, bob, errand{Do: "use", Requests: []string{"POST /-/reload"}}, file); got != "[200]" {
		t.Errorf("the owner's socket in a stranger's hands: %s; docs/security.md says that it stays the owner's", got)
	}
}
