package api

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

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
