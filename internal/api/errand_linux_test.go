package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"controlcenter/exporter"
)

// Users of the tests. Nobody needs to know them; they only must differ.
const (
	ann = 61234
	bob = 61235
)

// errand is what a process of another user does for a test: the test binary starts itself with this in its environment.
type errand struct {
	Do       string // ask, hammer, reset, pass, use, serve
	Network  string // tcp4, tcp6, unix, or mapped: IPv4 spoken by a socket of IPv6
	Addr     string
	Source   int // port; 0 = any
	Times    int
	Requests []string // "POST /-/reload" and headers after blanks, "X-A=b"
}

const errandEnv = "CC_TEST_ERRAND"

// runErrand is what TestMain does instead of tests when this process is one.
func runErrand() (errands bool, err error) {
	text := os.Getenv(errandEnv)
	if text == "" {
		return false, nil
	}
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return true, err
	}
	return true, e.run()
}

// process prepares an errand as another user. The binary is started through /proc, as its folder may be closed to that user.
func process(t testing.TB, uid uint32, e errand) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can become another user")
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = []string{errandEnv + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// as runs an errand to its end and returns what it printed.
func as(t testing.TB, uid uint32, e errand, files ...*os.File) string {
	t.Helper()
	cmd := process(t, uid, e)
	cmd.ExtraFiles = files
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s as uid %d: %v\n%s", e.Do, uid, err, said.String())
	}
	return strings.TrimSpace(string(out))
}

func (e errand) run() error {
	switch e.Do {
	case "ask":
		return e.ask()
	case "hammer":
		return e.hammer()
	case "reset":
		c, err := e.dial()
		if err != nil {
			return err
		}
		return sendAndReset(c)
	case "pass":
		return e.pass()
	case "use":
		c, err := net.FileConn(os.NewFile(3, "passed"))
		if err != nil {
			return err
		}
		return e.on(c)
	case "serve":
		return e.serve()
	}
	return fmt.Errorf("no errand %q", e.Do)
}

// dial connects as the errand says.
func (e errand) dial() (net.Conn, error) {
	if e.Network == "mapped" {
		return dialMapped(e.Addr)
	}
	d := net.Dialer{}
	if e.Source != 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: e.Source}
	}
	switch e.Network {
	case "mptcp":
		d.SetMultipathTCP(true)
		return d.Dial("tcp", e.Addr)
	case "lo":
		d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			return firstError(raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), "lo") }), err)
		}
		return d.Dial("tcp", e.Addr)
	}
	return d.Dial(e.Network, e.Addr)
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// dialMapped talks IPv4 through a socket of IPv6, which net.Dial never does.
func dialMapped(addr string) (net.Conn, error) {
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "mapped")
	defer f.Close()
	sa := &unix.SockaddrInet6{Port: to.Port}
	copy(sa.Addr[:], to.IP.To16())
	if err := unix.Connect(fd, sa); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// ask prints the status of each request, all on one connection.
func (e errand) ask() error {
	c, err := e.dial()
	if err != nil {
		return err
	}
	return e.on(c)
}

func (e errand) on(c net.Conn) error {
	defer c.Close()
	codes, err := askOn(c, e.Requests...)
	fmt.Println(codes)
	return err
}

// askOn sends requests over one connection and returns the statuses.
func askOn(c net.Conn, requests ...string) ([]int, error) {
	var codes []int
	back := bufio.NewReader(c)
	for _, text := range requests {
		words := strings.Fields(text)
		r, err := http.NewRequest(words[0], "http://localhost"+words[1], http.NoBody)
		if err != nil {
			return codes, err
		}
		for _, h := range words[2:] {
			name, value, _ := strings.Cut(h, "=")
			r.Header.Set(name, value)
		}
		if err := r.Write(c); err != nil {
			return codes, err
		}
		resp, err := http.ReadResponse(back, r)
		if err != nil {
			return codes, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return codes, err
		}
		codes = append(codes, resp.StatusCode)
	}
	return codes, nil
}

const reloadRequest = "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

// sendAndReset leaves a request in the server's buffer and no socket behind.
func sendAndReset(c net.Conn) error {
	if _, err := io.WriteString(c, reloadRequest); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}

// hammer sends requests and goes at once, in each way there is.
func (e errand) hammer() error {
	var wg sync.WaitGroup
	failed := make(chan error, 4)
	for worker := range 4 {
		wg.Go(func() {
			for i := range e.Times {
				c, err := e.dial()
				if err != nil {
					failed <- err
					return
				}
				switch t := c.(*net.TCPConn); (i + worker) % 3 {
				case 0: // an orphan in FIN_WAIT, then TIME_WAIT
					_, _ = io.WriteString(c, reloadRequest)
				case 1:
					_ = sendAndReset(c)
				case 2:
					_, _ = io.WriteString(c, reloadRequest)
					_ = t.CloseWrite()
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// pass opens a connection and hands it to whoever has the other end of descriptor 3.
func (e errand) pass() error {
	c, err := e.dial()
	if err != nil {
		return err
	}
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	return unix.Sendmsg(3, []byte("x"), unix.UnixRights(int(f.Fd())), nil, 0)
}

// serve is the server as this user: it prints its address, logs to standard error, and ends with standard input.
func (e errand) serve() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	sampler := exporter.NewSampler(exporter.Options{Logger: log})
	s, err := newServer(Options{
		Sampler: sampler, Registry: prometheus.NewRegistry(), Log: log, Reload: func(context.Context) error { return nil },
	}, probes)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = sampler.Run(ctx) })
	wg.Go(func() { _ = s.Run(ctx) })
	<-sampler.Ready()
	l, err := net.Listen(e.Network, e.Addr)
	if err != nil {
		return err
	}
	if e.Network == "unix" {
		if err := os.Chmod(e.Addr, 0o777); err != nil { // what the daemon never does: its file keeps strangers out
			return err
		}
	}
	hs := &http.Server{Handler: s.Handler(), ConnContext: s.ConnContext}
	wg.Go(func() { _ = hs.Serve(l) })
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	_ = hs.Close()
	wg.Wait()
	return nil
}

// serveAs runs a server as another user until the test ends, and returns where it listens and what it logs.
func serveAs(t *testing.T, uid uint32, network, addr string) (string, *lockedBuffer) {
	t.Helper()
	cmd := process(t, uid, errand{Do: "serve", Network: network, Addr: addr})
	logs := &lockedBuffer{}
	cmd.Stderr = logs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if err != nil {
		t.Fatalf("the server as uid %d: %v\n%s", uid, err, logs)
	}
	return strings.TrimSpace(line), logs
}
