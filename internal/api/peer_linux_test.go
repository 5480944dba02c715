package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
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

// TestKernelReportsWhatTheRuleRefuses shows that the cases it is made for exist on this kernel.
func TestKernelReportsWhatTheRuleRefuses(t *testing.T) {
	o := &owners{}
	defer o.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	uid := uint32(os.Geteuid())
	at := plainAddr(l.Addr().(*net.TCPAddr).AddrPort())
	elsewhere := netip.MustParseAddrPort("127.0.0.1:1")
	listening, err := o.lookup(at, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if listening.state != unix.BPF_TCP_LISTEN || listening.uid != uid || listening.belongsTo(uid, at, elsewhere) {
		t.Errorf("a 4-tuple that is not there: %+v", listening)
	}
	if _, err := o.lookup(elsewhere, at); !errors.Is(err, unix.ENOENT) {
		t.Errorf("neither tuple nor listener: %v, want ENOENT", err)
	}

	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := (<-accepted).(*net.TCPConn)
	defer conn.Close()
	ours, theirs := endsOf(conn)
	if same, err := o.same(conn, ours, theirs); err != nil || !same {
		t.Fatalf("our own peer: %v %v", same, err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if same, err := o.same(conn, ours, theirs); err != nil || !same { // FIN_WAIT2 there, CLOSE_WAIT here
		t.Errorf("our own peer, half closed: %v %v", same, err)
	}
	_ = client.Close()
	orphan, err := o.lookup(theirs, ours)
	if err != nil || orphan.inode != 0 || orphan.belongsTo(orphan.uid, theirs, ours) {
		t.Errorf("a closed peer: %+v %v, want inode 0 and nobody's", orphan, err)
	}
	if same, err := o.same(conn, ours, theirs); err != nil || same {
		t.Errorf("a closed peer: %v %v, want false without an error", same, err)
	}
}

func TestEachConditionOfTheRule(t *testing.T) {
	local, remote := netip.MustParseAddrPort("127.0.0.1:1000"), netip.MustParseAddrPort("127.0.0.1:8080")
	good := diagSocket{state: unix.BPF_TCP_ESTABLISHED, local: local, remote: remote, uid: 1000, inode: 7}
	for name, c := range map[string]struct {
		change func(*diagSocket)
		uid    uint32
		want   bool
	}{
		"as it should be": {func(*diagSocket) {}, 1000, true},
		"FIN_WAIT1":       {func(d *diagSocket) { d.state = unix.BPF_TCP_FIN_WAIT1 }, 1000, true},
		"FIN_WAIT2":       {func(d *diagSocket) { d.state = unix.BPF_TCP_FIN_WAIT2 }, 1000, true},
		"SYN_SENT":        {func(d *diagSocket) { d.state = unix.BPF_TCP_SYN_SENT }, 1000, false},
		"CLOSE_WAIT":      {func(d *diagSocket) { d.state = unix.BPF_TCP_CLOSE_WAIT }, 1000, false},
		"TIME_WAIT":       {func(d *diagSocket) { d.state = unix.BPF_TCP_TIME_WAIT }, 1000, false},
		"LISTEN":          {func(d *diagSocket) { d.state = unix.BPF_TCP_LISTEN }, 1000, false},
		"no inode":        {func(d *diagSocket) { d.inode = 0 }, 1000, false},
		"another user":    {func(d *diagSocket) { d.uid = 1001 }, 1000, false},
		"root":            {func(d *diagSocket) { d.uid = 0 }, 1000, false},
		"root at root's":  {func(d *diagSocket) { d.uid = 0 }, 0, true},
		"nobody's":        {func(d *diagSocket) { d.uid = 65534 }, 65534, false},
		"another port":    {func(d *diagSocket) { d.local = netip.MustParseAddrPort("127.0.0.1:1001") }, 1000, false},
		"another server":  {func(d *diagSocket) { d.remote = netip.MustParseAddrPort("127.0.0.1:8081") }, 1000, false},
	} {
		d := good
		c.change(&d)
		if got := d.belongsTo(c.uid, local, remote); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestLookupRecoversFromABrokenSocket(t *testing.T) {
	o := &owners{}
	defer o.close()
	tuple := netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := o.lookup(tuple, tuple); !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := unix.Dup3(int(null.Fd()), o.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := o.lookup(tuple, tuple); err == nil || errors.Is(err, unix.ENOENT) {
		t.Fatalf("through a broken socket: %v", err)
	}
	if _, err := o.lookup(tuple, tuple); !errors.Is(err, unix.ENOENT) {
		t.Errorf("afterwards: %v, want ENOENT", err)
	}
}

// answerOfKernel is a real answer, for the fuzzer to start from.
func answerOfKernel(t testing.TB) ([]byte, uint32) {
	t.Helper()
	o := &owners{}
	defer o.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := o.lookup(l.Addr().(*net.TCPAddr).AddrPort(), netip.MustParseAddrPort("127.0.0.1:1")); err != nil {
		t.Fatal(err)
	}
	size := 16 + 72
	b := append([]byte(nil), o.got[:size]...)
	b[0], b[1], b[2], b[3] = byte(size), 0, 0, 0
	return b, o.seq
}

func FuzzParseDiag(f *testing.F) {
	b, seq := answerOfKernel(f)
	f.Add(b, seq)
	f.Add(b[:40], seq)
	f.Add([]byte{36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint32(1))
	f.Add([]byte{20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}, uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, seq uint32) {
		d, err := parseDiag(b, seq)
		if err != nil {
			if d != (diagSocket{}) {
				t.Fatalf("%v and yet %+v", err, d)
			}
			return
		}
		if len(b) < 88 || d.local.Addr().Is4In6() || d.remote.Addr().Is4In6() || !d.local.IsValid() || !d.remote.IsValid() {
			t.Fatalf("%x gives %+v", b, d)
		}
		if d.belongsTo(d.uid, d.local, d.remote) && (d.inode == 0 || d.uid == 65534) {
			t.Fatalf("%+v is somebody's", d)
		}
	})
}

// BenchmarkOwner measures what a connection costs more than before.
func BenchmarkOwner(b *testing.B) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	c := conn.(*net.TCPConn)
	o := &owners{}
	defer o.close()
	ours, theirs := endsOf(c)
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if same, err := o.same(c, ours, theirs); !same || err != nil {
				b.Fatal(same, err)
			}
		}
	})
	b.Run("lookup-parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if same, err := o.same(c, ours, theirs); !same || err != nil {
					b.Error(same, err)
					return
				}
			}
		})
	})
	s := &Server{}
	b.Run("ConnContext", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p := peerOf(s.ConnContext(b.Context(), c)); !p.owner {
				b.Fatal(p)
			}
		}
	})
	s.owners.close()
}
