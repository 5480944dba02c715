package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Proc is a program that is measured.
type Proc struct {
	Name string
	PID  int

	cmd  *exec.Cmd
	done chan struct{}
	out  tail
}

// Start starts a program, in a process group of its own so that Ctrl-C reaches only the benchmark, which then stops it.
func Start(name string, cmd *exec.Cmd) (*Proc, error) {
	p := &Proc{Name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.WaitDelay = time.Second // what it has started may keep its output open
	OwnGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.PID = cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Stop ends the program: SIGTERM, and SIGKILL after 5 s. It waits for its end.
func (p *Proc) Stop() {
	_ = interrupt(p.cmd.Process)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Ready waits until a URL answers 200, at most a minute; it fails at once when the program ends.
func (p *Proc) Ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %s", p.Name, p.out.String())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s at %s: %w: %s", p.Name, url, context.Cause(ctx), p.out.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// CPU returns the CPU time of the process so far: the first field of schedstat (ns on a CPU) summed over its threads. Threads
// that ended are not in the sum; none of the programs measured ends threads while it is measured.
func (p *Proc) CPU() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("read CPU time of %s: no threads in /proc (Linux only)", p.Name)
	}
	var sum time.Duration
	for _, file := range files {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := bytes.Cut(b, []byte(" "))
		ns, err := strconv.ParseInt(string(first), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// Memory is the memory of a process in bytes, from smaps_rollup.
type Memory struct{ RSS, PSS uint64 }

// Memory reads the process' memory.
func (p *Proc) Memory() (m Memory, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "Rss:":
			m.RSS = kb << 10
		case "Pss:":
			m.PSS = kb << 10
		}
	}
	return m, nil
}

// FreePort returns a TCP port of 127.0.0.1 that is free now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// CleanEnv is our environment without what would configure the server under test.
func CleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "CC_"), name == "HOST", name == "PORT", name == "DEBUG", name == "CORS_ORIGINS",
			strings.HasPrefix(name, "PORT_SCAN_"), name == "WS_UPDATE_INTERVAL", name == "DATABASE_URL":
		default:
			env = append(env, kv)
		}
	}
	return env
}

// Server starts our server in a directory of its own and waits until it is healthy. The returned URL has no slash at its end.
func Server(ctx context.Context, binary, dir string) (p *Proc, url string, err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return nil, "", err
	}
	port, err := FreePort()
	if err != nil {
		return nil, "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(binary, "serve", "--storage.path="+filepath.Join(dir, "state"), "--web.listen-address="+addr, "--web.socket=")
	cmd.Dir, cmd.Env = dir, append(CleanEnv(), "XDG_CONFIG_HOME="+dir) // no configuration of the user
	if p, err = Start("controlcenter", cmd); err != nil {
		return nil, "", err
	}
	if err := p.Ready(ctx, "http://"+addr+"/health"); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, "http://" + addr, nil
}

// tail keeps the last few kilobytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - most; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
