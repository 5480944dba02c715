package exporter

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func dumpAll(t *testing.T, c *sockDiag, family, proto uint8, states uint32) []diagSocket {
	t.Helper()
	var all []diagSocket
	if err := c.dump(family, proto, states, func(s diagSocket) error { all = append(all, s); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSockDiagShowsOurSockets(t *testing.T) {
	var c sockDiag
	defer c.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	d, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := []struct {
		name       string
		proto      uint8
		state      uint8
		src, dst   netip.AddrPort
		wantInode  bool
		statesMask uint32
	}{
		{"listener", unix.IPPROTO_TCP, unix.BPF_TCP_LISTEN, netip.MustParseAddrPort(l.Addr().String()), netip.MustParseAddrPort("0.0.0.0:0"), true, 1 << unix.BPF_TCP_LISTEN},
		{"connection", unix.IPPROTO_TCP, unix.BPF_TCP_ESTABLISHED, netip.MustParseAddrPort(d.LocalAddr().String()), netip.MustParseAddrPort(l.Addr().String()), true, 1 << unix.BPF_TCP_ESTABLISHED},
		{"udp", unix.IPPROTO_UDP, unix.BPF_TCP_CLOSE, netip.MustParseAddrPort(u.LocalAddr().String()), netip.MustParseAddrPort("0.0.0.0:0"), true, allSockStates},
	}
	for _, w := range want {
		t.Run(w.name, func(t *testing.T) {
			found := false
			for _, s := range dumpAll(t, &c, unix.AF_INET, w.proto, w.statesMask) {
				if w.statesMask != allSockStates && w.statesMask != 1<<s.State {
					t.Errorf("asked for states %#x, got a socket in state %d", w.statesMask, s.State)
				}
				if s.Src != w.src {
					continue
				}
				found = true
				if s.State != w.state || s.Dst != w.dst || s.Proto != w.proto || s.Family != unix.AF_INET || s.Inode == 0 || s.UID != uint32(os.Getuid()) {
					t.Errorf("got %+v, want state %d to %s of uid %d with an inode", s, w.state, w.dst, os.Getuid())
				}
			}
			if !found {
				t.Errorf("socket %s is not in the dump", w.src)
			}
		})
	}
}

func TestSockDiagWorksAgainAfterACallerGaveUp(t *testing.T) {
	var c sockDiag
	defer c.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stop := errors.New("enough")
	if err := c.dump(unix.AF_INET, unix.IPPROTO_TCP, allSockStates, func(diagSocket) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the caller's own error", err)
	}
	if got := dumpAll(t, &c, unix.AF_INET, unix.IPPROTO_TCP, allSockStates); len(got) == 0 {
		t.Fatal("no sockets after a dump that was given up")
	}
}

// diagMessage builds one netlink message as the kernel would.
func diagMessage(kind, flags uint16, seq uint32, body []byte) []byte {
	b := make([]byte, nlHeaderLen, nlHeaderLen+len(body))
	binary.NativeEndian.PutUint32(b, uint32(nlHeaderLen+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	binary.NativeEndian.PutUint32(b[8:], seq)
	return append(b, body...)
}

func diagBody(family, state uint8) []byte {
	b := make([]byte, diagMessageLen)
	b[0], b[1] = family, state
	binary.BigEndian.PutUint16(b[4:], 8080)
	copy(b[8:], []byte{127, 0, 0, 1})
	binary.NativeEndian.PutUint32(b[64:], 1000)
	binary.NativeEndian.PutUint32(b[68:], 4711)
	return b
}

func TestParseSockDiag(t *testing.T) {
	enoent := int32(-2)
	errBody := make([]byte, 20)
	binary.NativeEndian.PutUint32(errBody, uint32(enoent))
	one := diagMessage(sockDiagByFamily, unix.NLM_F_MULTI, 7, diagBody(unix.AF_INET, 10))
	other := diagMessage(sockDiagByFamily, unix.NLM_F_MULTI, 6, diagBody(unix.AF_INET, 10))
	end := diagMessage(unix.NLMSG_DONE, unix.NLM_F_MULTI, 7, make([]byte, 4))
	cut := append([]byte(nil), one...)
	cases := []struct {
		name    string
		in      []byte
		sockets int
		done    bool
		err     error
		anyErr  bool
	}{
		{"nothing", nil, 0, false, nil, false},
		{"two and the end", append(append(append([]byte(nil), one...), one...), end...), 2, true, nil, false},
		{"answers to an older request", append(append([]byte(nil), other...), one...), 1, false, nil, false},
		{"the kernel knows no such family", diagMessage(unix.NLMSG_ERROR, 0, 7, errBody), 0, true, unix.ENOENT, true},
		{"cut in the middle", cut[:40], 0, false, nil, true},
		{"a socket too short", diagMessage(sockDiagByFamily, unix.NLM_F_MULTI, 7, make([]byte, 8)), 0, false, nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			done, err := parseSockDiag(c.in, 7, unix.IPPROTO_TCP, func(s diagSocket) error {
				n++
				if s.Src.String() != "127.0.0.1:8080" || s.UID != 1000 || s.Inode != 4711 || s.State != 10 {
					t.Errorf("got %+v", s)
				}
				return nil
			})
			if n != c.sockets || done != c.done || (err != nil) != c.anyErr || c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("got %d sockets, done %v, err %v; want %d, %v, %v", n, done, err, c.sockets, c.done, c.err)
			}
		})
	}
}

func FuzzParseSockDiag(f *testing.F) {
	f.Add(diagMessage(sockDiagByFamily, unix.NLM_F_MULTI, 7, diagBody(unix.AF_INET6, 1)))
	f.Add(diagMessage(unix.NLMSG_DONE, 0, 7, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 20, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		sockets := 0
		_, _ = parseSockDiag(b, 7, unix.IPPROTO_TCP, func(diagSocket) error { sockets++; return nil })
		if sockets*(nlHeaderLen+diagMessageLen) > len(b) {
			t.Fatalf("%d sockets out of %d bytes", sockets, len(b))
		}
	})
}

func TestSockDiagOfBothFamilies(t *testing.T) {
	var c sockDiag
	defer c.close()
	want := map[netip.AddrPort]uint8{}
	for _, network := range []string{"tcp4", "tcp6"} {
		l, err := net.Listen(network, "localhost:0")
		if err != nil {
			if network == "tcp6" {
				continue // a machine without IPv6
			}
			t.Fatal(err)
		}
		defer l.Close()
		want[netip.MustParseAddrPort(l.Addr().String())] = unix.BPF_TCP_LISTEN
		d, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		want[netip.MustParseAddrPort(d.LocalAddr().String())] = unix.BPF_TCP_ESTABLISHED
	}
	for _, s := range dumpAll(t, &c, unix.AF_UNSPEC, unix.IPPROTO_TCP, allSockStates) {
		if want[s.Src] == s.State {
			delete(want, s.Src)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the dump: %v", want)
	}
	for _, s := range dumpAll(t, &c, unix.AF_UNSPEC, unix.IPPROTO_TCP, 1<<unix.BPF_TCP_LISTEN) {
		if s.State != unix.BPF_TCP_LISTEN {
			t.Errorf("asked for listeners, got state %d", s.State)
		}
	}
}
