package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// The ports of the listeners: the range that our server and the stand-in show by default.
const firstPort, lastPort = 3000, 9000

// childRole in the environment makes this program a holder of listeners: the value is "first,count".
const childRole = "CONTROLCENTER_BENCH_LISTEN"

// load is what is added to the machine.
type load struct {
	procs   []*exec.Cmd
	holders []*holder
	conns   []net.Conn
	l       net.Listener
}

type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// startLoad starts everything, also returning what it had started when it fails.
func startLoad(ctx context.Context, o *options) (*load, error) {
	l := &load{}
	next := firstPort
	for i := range o.children {
		share := o.listeners / o.children
		var err error
		if next, err = l.hold(next, share); err != nil {
			return l, fmt.Errorf("listeners of child %d: %w", i, err)
		}
	}
	if err := l.connect(o.pairs); err != nil {
		return l, fmt.Errorf("loopback pairs: %w", err)
	}
	for range o.processes {
		if ctx.Err() != nil {
			return l, context.Cause(ctx)
		}
		cmd := exec.Command("sleep", "3600")
		rig.OwnGroup(cmd)
		if err := cmd.Start(); err != nil {
			return l, fmt.Errorf("process %d: %w", len(l.procs), err)
		}
		l.procs = append(l.procs, cmd)
	}
	return l, nil
}

// hold starts a child that listens on count free ports from next on; it returns the port after the last one taken.
func (l *load) hold(next, count int) (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d,%d", childRole, next, count))
	cmd.Stderr = os.Stderr
	rig.OwnGroup(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	l.holders = append(l.holders, &holder{cmd, stdin})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// childMain listens, says the port after the last one it took, and stays until its stdin ends.
func childMain() int {
	first, n, _ := strings.Cut(os.Getenv(childRole), ",")
	port, _ := strconv.Atoi(first)
	count, _ := strconv.Atoi(n)
	listeners := make([]net.Listener, 0, count)
	for ; port <= lastPort && len(listeners) < count; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil { // taken ones are passed over
			listeners = append(listeners, l)
		}
	}
	if len(listeners) < count {
		fmt.Fprintf(os.Stderr, "bench: only %d of %d listeners\n", len(listeners), count)
		return 1
	}
	fmt.Println(port)
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, l := range listeners {
		_ = l.Close()
	}
	return 0
}

// connect makes pairs of connected sockets.
func (l *load) connect(pairs int) (err error) {
	if l.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	for range pairs {
		c, err := net.Dial("tcp", l.l.Addr().String())
		if err != nil {
			return err
		}
		l.conns = append(l.conns, c)
		s, err := l.l.Accept()
		if err != nil {
			return err
		}
		l.conns = append(l.conns, s)
	}
	return nil
}

// stop ends everything that was started and waits for it.
func (l *load) stop() {
	for _, c := range l.conns {
		_ = c.Close()
	}
	if l.l != nil {
		_ = l.l.Close()
	}
	for _, h := range l.holders {
		_ = h.stdin.Close()
	}
	for _, p := range l.procs {
		_ = p.Process.Kill()
	}
	for _, p := range l.procs {
		var exit *exec.ExitError
		if err := p.Wait(); err != nil && !errors.As(err, &exit) {
			say("end process %d: %v", p.Process.Pid, err)
		}
	}
	for _, h := range l.holders {
		timer := time.AfterFunc(5*time.Second, func() { _ = h.cmd.Process.Kill() })
		_ = h.cmd.Wait()
		timer.Stop()
	}
}
