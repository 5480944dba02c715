package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
)

// patience is how long a test waits for something that normally takes milliseconds.
const patience = 3 * time.Minute

var binary string

func TestMain(m *testing.M) {
	binary = os.Getenv("CC_TEST_BINARY")
	var dir string
	if binary == "" {
		var err error
		if dir, err = os.MkdirTemp("", "controlcenter-e2e"); err != nil {
			panic(err)
		}
		binary = filepath.Join(dir, "controlcenter")
		build := exec.Command("go", "build", "-o", binary, "controlcenter")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// need finds a program or skips the test; where CI=true nothing may be missing.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("SKIPPED: %s is not installed", program)
	return ""
}

// daemon is one running `controlcenter serve`.
type daemon struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	dir  string // storage path
	sock string
	log  *buffer
	done chan struct{} // closed when the process has ended
	err  error
}

// buffer is a bytes.Buffer that two goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }

func (b *buffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// launch describes a daemon to start. Zero fields mean: a storage of its own, a free port, no configuration file.
type launch struct {
	dir  string
	addr string
	args []string
	env  []string
	cwd  string
	wrap []string // command put before the binary
	// binary is another build to start; "" = the one under test.
	binary string
}

// start starts a daemon and waits until it printed where it listens.
func start(t *testing.T, l launch) *daemon {
	t.Helper()
	if l.dir == "" {
		l.dir = filepath.Join(t.TempDir(), "state")
	}
	if l.addr == "" {
		l.addr = "127.0.0.1:0"
	}
	if l.cwd == "" {
		l.cwd = t.TempDir()
	}
	args := append([]string{"serve", "--storage.path=" + l.dir, "--web.listen-address=" + l.addr}, l.args...)
	all := append(append(l.wrap, cmp.Or(l.binary, binary)), args...)
	d := &daemon{t: t, dir: l.dir, sock: filepath.Join(l.dir, "controlcenter.sock"), log: &buffer{}, done: make(chan struct{})}
	d.cmd = exec.Command(all[0], all[1:]...)
	d.cmd.Dir = l.cwd
	d.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.cwd}, l.env...)
	d.cmd.Stderr = d.log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	url := make(chan string, 1)
	go func() {
		defer close(d.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "Control Center runs at "); ok {
				url <- strings.Fields(rest)[0]
			}
		}
		d.err = d.cmd.Wait()
	}()
	select {
	case d.url = <-url:
	case <-d.done:
	case <-time.After(patience):
		t.Fatalf("no greeting; log:\n%s", d.log)
	}
	return d
}

// serve starts a daemon that must come up and be healthy.
func serve(t *testing.T, l launch) *daemon {
	t.Helper()
	d := start(t, l)
	if d.url == "" {
		t.Fatalf("the daemon ended: %v\n%s", d.err, d.log)
	}
	d.waitFor("/health answers 200", func() bool {
		code, _ := d.get("/health")
		return code == http.StatusOK
	})
	return d
}

// fails starts a daemon that must refuse to start, and returns its exit code and what it said.
func fails(t *testing.T, l launch) (int, string) {
	t.Helper()
	d := start(t, l)
	if d.url != "" {
		t.Fatalf("the daemon started at %s", d.url)
	}
	return d.cmd.ProcessState.ExitCode(), d.log.String()
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// stop ends the daemon as a user would and returns its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.t.Fatal(err)
	}
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatalf("does not stop; log:\n%s", d.log)
	}
	return d.cmd.ProcessState.ExitCode()
}

func (d *daemon) get(path string) (int, []byte) {
	d.t.Helper()
	resp, err := http.Get(d.url + path)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, body
}

// send sends a body, if there is one, and returns the status, 0 = no answer, and the answer.
func (d *daemon) send(method, path, body string) (int, []byte) {
	d.t.Helper()
	req, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

// json gets path, which must answer 200, into v.
func (d *daemon) json(path string, v any) {
	d.t.Helper()
	code, body := d.get(path)
	if code != http.StatusOK {
		d.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		d.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// metric returns the value of one series of /metrics, written as in the text format.
func (d *daemon) metric(series string) (float64, bool) {
	d.t.Helper()
	_, body := d.get("/metrics")
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				d.t.Fatal(err)
			}
			return v, true
		}
	}
	return 0, false
}

func (d *daemon) waitFor(what string, ok func() bool) {
	d.t.Helper()
	waitFor(d.t, what, ok, func() string { return d.log.String() })
}

// waitFor asks again and again until ok, at most for patience.
func waitFor(t *testing.T, what string, ok func() bool, more func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s\n%s", what, more())
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
