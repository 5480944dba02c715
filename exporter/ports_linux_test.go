package exporter

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenChild listens on a TCP address with SO_REUSEPORT, prints the port and waits.
func listenChild(address string) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { must(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)) })
	}}
	l, err := lc.Listen(context.Background(), "tcp", address)
	must(err)
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	waitForEnd()
}

// readPortsChild answers each line, a number of seconds to move the clock, with a reading and the number of walks so far.
func readPortsChild() {
	st := DefaultSettings()
	r := newSocketReader(testOptions("/proc", "/sys", &st))
	now := time.Now()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		seconds, err := strconv.Atoi(in.Text())
		must(err)
		now = now.Add(time.Duration(seconds) * time.Second)
		p, err := r.readPorts(context.Background(), now)
		must(err)
		must(json.NewEncoder(os.Stdout).Encode(portsAnswer{p, r.owners.walks}))
	}
}

type portsAnswer struct {
	Ports *Ports
	Walks int
}

func newTestSockets(t testing.TB) *socketReader {
	t.Helper()
	st := DefaultSettings()
	o := testOptions("/proc", "/sys", &st)
	self := os.Getpid()
	o.ServiceOf = func(pid int) string {
		if pid == self {
			return "tests"
		}
		return ""
	}
	r := newSocketReader(o)
	t.Cleanup(func() { r.close() })
	return r
}

func readPorts(t testing.TB, r *socketReader) *Ports {
	t.Helper()
	p, err := r.readPorts(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rowsOf returns the rows of a port.
func rowsOf(list []Port, protocol string, port int) (rows []Port) {
	for _, p := range list {
		if p.Port == port && p.Protocol == protocol {
			rows = append(rows, p)
		}
	}
	return rows
}

func onlyRow(t *testing.T, list []Port, protocol string, port int) Port {
	t.Helper()
	rows := rowsOf(list, protocol, port)
	if len(rows) != 1 {
		t.Fatalf("%s port %d has rows %+v, want one", protocol, port, rows)
	}
	return rows[0]
}

func listen(t testing.TB, network, address string) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

func childPort(t *testing.T, c *testChild) int {
	t.Helper()
	port, err := strconv.Atoi(c.line(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestListenerOpenedAMomentAgoHasItsOwner(t *testing.T) {
	r := newTestSockets(t)
	readPorts(t, r)
	child := startChild(t, "listen", nil, "127.0.0.1:0")
	port := childPort(t, child)
	want := Port{Protocol: "tcp", Address: "127.0.0.1", Port: port, State: "LISTEN", PID: child.pid(), Process: filepath.Base(os.Args[0])}
	if got := onlyRow(t, readPorts(t, r).List, "tcp", port); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	child.end()
	if rows := rowsOf(readPorts(t, r).List, "tcp", port); len(rows) != 0 {
		t.Errorf("the listener of an ended process is still there: %+v", rows)
	}
	if r.owners.procs[child.cmd.Process.Pid] != nil {
		t.Error("the ended process is still remembered")
	}
}

func TestOwnListenersAreSeenOnce(t *testing.T) {
	r := newTestSockets(t)
	_, v4 := listen(t, "tcp4", "127.0.0.1:0")
	_, dual := listen(t, "tcp", "[::]:0")
	_, any4 := listen(t, "tcp4", "0.0.0.0:0")
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	conn, err := net.Dial("udp4", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	udp, connected := pc.LocalAddr().(*net.UDPAddr).Port, conn.LocalAddr().(*net.UDPAddr).Port
	p := readPorts(t, r)
	me := Port{PID: os.Getpid(), Process: filepath.Base(os.Args[0]), Service: "tests"}
	for _, c := range []struct {
		protocol, address, state string
		port                     int
	}{{"tcp", "127.0.0.1", "LISTEN", v4}, {"tcp", "::", "LISTEN", dual}, {"tcp", "0.0.0.0", "LISTEN", any4}, {"udp", "127.0.0.1", "NONE", udp}} {
		want := me
		want.Protocol, want.Address, want.State, want.Port = c.protocol, c.address, c.state, c.port
		if got := onlyRow(t, p.List, c.protocol, c.port); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	if rows := rowsOf(p.List, "udp", connected); len(rows) != 0 {
		t.Errorf("a connected UDP socket is among the listening ones: %+v", rows)
	}
	if !slices.IsSortedFunc(p.List, func(a, b Port) int { return orderPorts(&a, &b) }) {
		t.Errorf("not sorted: %+v", p.List)
	}
}

func TestSharedPortHasItsLowestOwner(t *testing.T) {
	r := newTestSockets(t)
	a := startChild(t, "listen", nil, "127.0.0.1:0")
	port := childPort(t, a)
	b := startChild(t, "listen", nil, fmt.Sprintf("127.0.0.1:%d", port))
	childPort(t, b)
	if got := onlyRow(t, readPorts(t, r).List, "tcp", port); got.PID != min(a.pid(), b.pid()) {
		t.Errorf("owner is %d, want the lower of %d and %d", got.PID, a.pid(), b.pid())
	}
	a.end()
	if got := onlyRow(t, readPorts(t, r).List, "tcp", port); got.PID != b.pid() {
		t.Errorf("owner is %d, want %d, which is left", got.PID, b.pid())
	}
}

// With other listeners of the test beside it, the one that is handed over must be found among them.
func TestHandedOverListenerIsCorrected(t *testing.T) {
	for _, others := range []int{0, 20} {
		t.Run(fmt.Sprintf("%d others", others), func(t *testing.T) {
			r := newTestSockets(t)
			for range others {
				listen(t, "tcp4", "127.0.0.1:0")
			}
			l, port := listen(t, "tcp4", "127.0.0.1:0")
			f, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got := onlyRow(t, readPorts(t, r).List, "tcp", port); got.PID != os.Getpid() {
				t.Fatalf("owner is %d, want the test, %d", got.PID, os.Getpid())
			}
			child := startChild(t, "hold", func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f} })
			child.line(t)
			f.Close()
			l.Close()
			reads := 0
			for {
				got := onlyRow(t, readPorts(t, r).List, "tcp", port)
				if reads++; got.PID == child.pid() {
					break
				}
				if got.PID != os.Getpid() && got.PID != 0 || reads > 1+len(r.owners.live)/checkSockets {
					t.Fatalf("owner is %d after %d reads, want %d", got.PID, reads, child.pid())
				}
			}
		})
	}
}

func TestHiddenOwnerIsRememberedAsUnknown(t *testing.T) {
	owner := startChild(t, "listen hidden", nil, "127.0.0.1:0")
	port := childPort(t, owner)
	reader := startChild(t, "read ports", func(c *exec.Cmd) {
		if os.Geteuid() == 0 { // root sees everything, so the reader is somebody else
			c.Path = "/proc/self/exe" // the test binary lies in a directory of root's own
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64999, Gid: 64999}}
		}
	})
	read := func(seconds int) portsAnswer {
		reader.tell(t, strconv.Itoa(seconds))
		var a portsAnswer
		if err := json.Unmarshal([]byte(reader.line(t)), &a); err != nil {
			t.Fatal(err)
		}
		if got := onlyRow(t, a.Ports.List, "tcp", port); got.PID != 0 || got.Process != "" || got.State != "LISTEN" {
			t.Fatalf("the hidden owner's socket is shown as %+v", got)
		}
		if a.Ports.OwnerUnknown == 0 || a.Ports.Unreadable == 0 {
			t.Fatalf("%d unknown owners, %d unreadable processes; want some", a.Ports.OwnerUnknown, a.Ports.Unreadable)
		}
		return a
	}
	first := read(0)
	if first.Walks != 1 {
		t.Fatalf("%d walks for the first reading", first.Walks)
	}
	if again := read(61); again.Walks != 2 {
		t.Errorf("after a minute there were %d walks in all, want 2", again.Walks)
	}
	// A machine in use may open a socket meanwhile, which is good for a walk; five in a row are not.
	walks := read(5).Walks
	for range 5 {
		walks = read(1).Walks
	}
	if walks >= 2+6 {
		t.Errorf("each reading walks all processes: %d walks", walks)
	}
}

func TestPidOfAnotherLifeIsNotTrusted(t *testing.T) {
	r := newTestSockets(t)
	_, port := listen(t, "tcp4", "127.0.0.1:0")
	readPorts(t, r)
	var mine *ownedSocket
	for _, o := range r.owners.live {
		if o.process != nil && o.process.pid == os.Getpid() {
			mine = o
		}
	}
	if mine == nil {
		t.Fatal("the test's socket has no owner")
	}
	// As if the owner had been an earlier process of a number that now has a new one: its directory finds nothing.
	child := startChild(t, "rename", nil, "x")
	child.line(t)
	dir, err := unix.Open(fmt.Sprintf("/proc/%d", child.pid()), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	child.end()
	unix.Close(mine.process.dir)
	mine.process.dir, mine.process.name = dir, "wrong"
	if got := onlyRow(t, readPorts(t, r).List, "tcp", port); got.PID != os.Getpid() || got.Process != filepath.Base(os.Args[0]) {
		t.Errorf("got %+v, want the test itself", got)
	}
}

func TestSocketsInEveryState(t *testing.T) {
	r := newTestSockets(t)
	l, port := listen(t, "tcp4", "127.0.0.1:0")
	dial := func() (near, far net.Conn) {
		near, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err = l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { near.Close(); far.Close() })
		return near, far
	}
	up, _ := dial()
	half, halfFar := dial()
	if err := half.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := halfFar.Read(make([]byte, 1)); err == nil {
		t.Fatal("read from a closed connection")
	}
	closed, closedFar := dial()
	closed.Close()
	if _, err := closedFar.Read(make([]byte, 1)); err == nil {
		t.Fatal("read from a closed connection")
	}
	closedFar.Close()
	local := func(c net.Conn) int { return c.LocalAddr().(*net.TCPAddr).Port }
	for _, c := range []struct {
		port, remote, pid int
		state             string
	}{
		{port, 0, os.Getpid(), "LISTEN"},
		{port, local(up), os.Getpid(), "ESTABLISHED"},
		{local(up), port, os.Getpid(), "ESTABLISHED"},
		{port, local(half), os.Getpid(), "CLOSE_WAIT"},
		{local(half), port, os.Getpid(), "FIN_WAIT2"},
		{local(closed), port, 0, "TIME_WAIT"},
	} {
		want := Port{Protocol: "tcp", Address: "127.0.0.1", Port: c.port, State: c.state, PID: c.pid, RemotePort: c.remote}
		if c.remote != 0 {
			want.RemoteAddress = "127.0.0.1"
		}
		if c.pid != 0 {
			want.Process, want.Service = filepath.Base(os.Args[0]), "tests"
		}
		for end := time.Now().Add(10 * time.Second); ; { // the kernel acknowledges in its own time
			s, err := r.readSockets(t.Context(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(s.List, want) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%+v is not among %+v", want, rowsOf(s.List, "tcp", c.port))
			}
		}
	}
}

// Where sock_diag is forbidden, the tables of /proc/net say the same.
func TestTablesTakeThePlaceOfSockDiag(t *testing.T) {
	_, v4 := listen(t, "tcp4", "127.0.0.1:0")
	_, v6 := listen(t, "tcp6", "[::1]:0")
	st := DefaultSettings()
	r := newSocketReader(testOptions("/proc", "/sys", &st))
	for name, want := range map[string]netip.AddrPort{
		"tcp":  netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(v4)),
		"tcp6": netip.AddrPortFrom(netip.MustParseAddr("::1"), uint16(v6)),
	} {
		family := uint8(unix.AF_INET)
		if name == "tcp6" {
			family = unix.AF_INET6
		}
		find := func() (found diagSocket) {
			for _, s := range r.socks {
				if s.Src == want {
					found = s
				}
			}
			r.socks = r.socks[:0]
			return found
		}
		if err := r.dumpTable(unix.IPPROTO_TCP, 1<<tcpListen, name); err != nil {
			t.Fatal(err)
		}
		table := find()
		if err := r.dump(family, unix.IPPROTO_TCP, 1<<tcpListen, name); err != nil {
			t.Fatal(err)
		}
		diag := find()
		if table != diag || table.Inode == 0 {
			t.Errorf("%s: the table says %+v, sock_diag %+v", name, table, diag)
		}
	}
}

func TestParseSocketLine(t *testing.T) {
	b, err := os.ReadFile("testdata/net_tables.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		if s, ok := parseSocketLine([]byte(line)); ok {
			got = append(got, fmt.Sprint(s.Src, " ", s.Dst, " ", s.State, " ", s.UID, " ", s.Inode))
		}
	}
	want := []string{
		"127.0.0.1:8080 0.0.0.0:0 10 1000 31337",
		"192.168.1.5:50122 93.184.216.34:443 6 0 0",
		"0.0.0.0:68 0.0.0.0:0 7 0 912",
		"[::]:22 [::]:0 10 0 1234",
		"[fe80::1234:5678:9abc:def0]:546 [::]:0 7 100 77",
		"[::ffff:10.0.0.1]:80 [::ffff:10.0.0.2]:4242 1 33 4294967295",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzParseSocketLine(f *testing.F) {
	f.Add([]byte("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0 100 0 0 10 0"))
	f.Add([]byte("   1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 5"))
	f.Add([]byte("socket:[4294967295]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseSocketLine(b); ok && (!s.Src.IsValid() || !s.Dst.IsValid() || s.State > 31) {
			t.Errorf("%q: got %+v", b, s)
		}
		if n := socketInode(b); n != 0 && string(b) != fmt.Sprintf("socket:[%0*d]", len(b)-len("socket:[]"), n) {
			t.Errorf("%q: got inode %d", b, n)
		}
	})
}

func TestPortMetrics(t *testing.T) {
	v := &Ports{List: onePerAddress([]Port{
		{Protocol: "tcp", Address: "0.0.0.0", Port: 22, State: "LISTEN", PID: 1, Process: "sshd"},
		{Protocol: "tcp", Address: "0.0.0.0", Port: 3000, State: "LISTEN", PID: 7, Process: "web", Service: "shop"},
		{Protocol: "tcp", Address: "0.0.0.0", Port: 3000, State: "LISTEN", PID: 8, Process: "web", Service: "shop"},
		{Protocol: "udp", Address: "0.0.0.0", Port: 3000, State: "NONE"},
		{Protocol: "tcp", Address: "::", Port: 9000, State: "LISTEN", PID: 9, Process: "x"},
		{Protocol: "tcp", Address: "::", Port: 9001, State: "LISTEN"},
	}), OwnerUnknown: 2, Unreadable: 5}
	st := DefaultSettings()
	p := newPorts(testOptions("/proc", "/sys", &st))
	defer p.Close()
	got := emitPart(t, p, v, st)
	want := map[string]float64{
		"controlcenter_port_listening{protocol=tcp,address=0.0.0.0,port=3000,process=web,service=shop}": 1,
		"controlcenter_port_owner_pid{protocol=tcp,address=0.0.0.0,port=3000,process=web,service=shop}": 7,
		"controlcenter_port_listening{protocol=udp,address=0.0.0.0,port=3000,process=,service=}":        1,
		"controlcenter_port_listening{protocol=tcp,address=::,port=9000,process=x,service=}":            1,
		"controlcenter_port_owner_pid{protocol=tcp,address=::,port=9000,process=x,service=}":            9,
		"controlcenter_ports_listening{}":            3,
		"controlcenter_ports_owner_unknown{}":        1,
		"controlcenter_ports_unreadable_processes{}": 5,
	}
	for k, w := range want {
		if g, ok := got[k]; !ok || g != w {
			t.Errorf("%s is %v (%v), want %v", k, g, ok, w)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s is not wanted", k)
		}
	}
}

func BenchmarkPorts(b *testing.B) {
	for _, n := range []int{8, 1000} {
		b.Run(fmt.Sprintf("%d listeners", n), func(b *testing.B) {
			for range n {
				listen(b, "tcp4", "127.0.0.1:0")
			}
			r := newTestSockets(b)
			readPorts(b, r)
			b.ReportAllocs()
			rows := 0
			report := threadCPU(b)
			for b.Loop() {
				rows = len(readPorts(b, r).List)
			}
			report()
			b.ReportMetric(float64(rows), "rows")
			b.ReportMetric(float64(r.owners.walks), "walks")
		})
	}
}

func BenchmarkPortsWalk(b *testing.B) {
	listen(b, "tcp4", "127.0.0.1:0")
	r := newTestSockets(b)
	b.ReportAllocs()
	for b.Loop() {
		clear(r.owners.byInode)
		readPorts(b, r)
	}
}
