package keeper

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/control"
)

// TestMain is also the keeper and the programs that the tests run: everything below is real processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keep":
			os.Exit(Main(os.Args[2:], os.Getenv("KEEPER_BUILD")+"test", os.Stdout, os.Stderr))
		case "lines":
			lines(os.Args[2:])
		case "flood":
			flood(os.Args[2:])
		}
	}
	os.Exit(m.Run())
}

// lines writes numbered lines, one every so often, to both streams in turn, until it has written n; then it exits with a code.
func lines(args []string) {
	n, _ := strconv.Atoi(args[0])
	every, _ := time.ParseDuration(args[1])
	code, _ := strconv.Atoi(args[2])
	for i := range n {
		out := os.Stdout
		if i%5 == 4 {
			out = os.Stderr
		}
		fmt.Fprintf(out, "line %d\n", i)
		if every > 0 {
			time.Sleep(every)
		}
	}
	os.Exit(code)
}

// rig is a keeper in a folder of its own and the clients of a test.
type rig struct {
	t      *testing.T
	dir    string
	logs   string
	client *Client
	stop   func()
	opts   ClientOptions

	mu    sync.Mutex
	exits map[string]control.Exit
	wake  chan struct{}
}

func newRig(t *testing.T, change ...func(*ClientOptions)) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: filepath.Join(dir, "keeper"), logs: filepath.Join(dir, "logs"), exits: map[string]control.Exit{}, wake: make(chan struct{}, 1)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r.opts = ClientOptions{Dir: r.dir, LogDir: r.logs, Binary: self, Build: "test", Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&r.opts)
	}
	r.connect()
	t.Cleanup(func() {
		r.killAll()
		r.stop()
	})
	return r
}

// connect starts a daemon's side.
func (r *rig) connect() {
	c := NewClient(r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case x := <-c.Exits():
				r.mu.Lock()
				r.exits[x.Run] = x
				r.mu.Unlock()
				select {
				case r.wake <- struct{}{}:
				default:
				}
			}
		}
	})
	r.client = c
	r.stop = func() { cancel(); wg.Wait() }
}

func (r *rig) killAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	all, err := r.client.Runs(ctx)
	if err != nil {
		r.t.Error("runs:", err)
	}
	for _, s := range all {
		_ = r.client.Hold(ctx, s.Service)
		if s.Exit == nil {
			_ = r.client.KillTree(ctx, s.Run)
		}
	}
	for ctx.Err() == nil && r.client.Quit(ctx) != nil { // ends are being dealt with
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	r.t.Cleanup(cancel)
	return ctx
}

func spec(service string, argv ...string) control.LaunchSpec {
	return control.LaunchSpec{Run: control.NewRunID(), Service: service, Gen: 1, Argv: argv, Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}}
}

func (r *rig) launch(l control.LaunchSpec) control.Started {
	r.t.Helper()
	st, err := r.client.Launch(r.ctx(), l)
	if err != nil {
		r.t.Fatalf("launch %s: %v", l.Service, err)
	}
	return st
}

// exit waits for the end of a run.
func (r *rig) exit(run string) control.Exit {
	r.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		r.mu.Lock()
		x, ok := r.exits[run]
		r.mu.Unlock()
		if ok {
			return x
		}
		select {
		case <-r.wake:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			r.t.Fatalf("run %s has not ended", run)
		}
	}
}

// text returns the lines of a service's log, "stream text", marks left out, oldest file first.
func (r *rig) text(service string) []string {
	r.t.Helper()
	var out []string
	r.lines(service, func(stream, text string) { out = append(out, stream+" "+text) })
	return out
}

// numbered checks that the log holds lines 0..n-1 once each, in order within each stream, whole.
func (r *rig) numbered(service string, n int) {
	r.t.Helper()
	seen := make([]int, n)
	last := map[string]int{"stdout": -1, "stderr": -1}
	for _, l := range r.text(service) {
		stream, text, _ := strings.Cut(l, " ")
		num, err := strconv.Atoi(strings.TrimPrefix(text, "line "))
		if err != nil || num < 0 || num >= n {
			r.t.Errorf("%s: torn line %q", service, l)
			continue
		}
		if num <= last[stream] {
			r.t.Errorf("%s: line %d of %s behind %d", service, num, stream, last[stream])
		}
		last[stream] = num
		seen[num]++
	}
	for i, c := range seen {
		if c != 1 {
			r.t.Errorf("%s: line %d is there %d times", service, i, c)
			return
		}
	}
}

// oneGap checks that of lines 0..n-1 at most one stretch of each stream is missing, which is what one read had, that the gap
// is on record, and that nothing is torn, doubled or out of order.
func (r *rig) oneGap(service string, n int) {
	r.t.Helper()
	last := map[string]int{"stdout": -1, "stderr": -1}
	gaps := map[string]int{}
	for _, l := range append(r.text(service), fmt.Sprintf("stdout line %d", n+n%5), fmt.Sprintf("stderr line %d", n+4)) {
		stream, text, _ := strings.Cut(l, " ")
		num, err := strconv.Atoi(strings.TrimPrefix(text, "line "))
		if err != nil || num <= last[stream] {
			r.t.Fatalf("%s: %q behind line %d", service, l, last[stream])
		}
		if between := (num - 1) - last[stream] - (num/5 - (last[stream]+1)/5); stream == "stdout" && between > 0 || stream == "stderr" && num-last[stream] > 5 {
			gaps[stream]++
			r.t.Logf("%s: of %s the lines between %d and %d are lost", service, stream, last[stream], num)
		}
		last[stream] = num
	}
	if gaps["stdout"] > 1 || gaps["stderr"] > 1 {
		r.t.Errorf("%s: gaps: %v", service, gaps)
	}
	if b, _ := os.ReadFile(filepath.Join(r.logs, service+".log")); len(gaps) > 0 && !strings.Contains(string(b), "gap why=keeper-lost") {
		r.t.Errorf("%s: the gap is not on record", service)
	}
}

func (r *rig) self() string { return r.opts.Binary }

func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("it never was so: %s", what)
		}
	}
}

// processesOf finds the processes that carry a run's mark and live.
func processesOf(run string) []int {
	var out []int
	for _, pid := range processes() {
		if startTicks(pid) != 0 && marked(pid, run) {
			out = append(out, pid)
		}
	}
	return out
}

// lines calls visit with the lines of a service's log, marks left out, oldest file first; parts of a line are put together.
func (r *rig) lines(service string, visit func(stream, text string)) {
	r.t.Helper()
	files, _ := filepath.Glob(filepath.Join(r.logs, service+".*log*"))
	slices.SortFunc(files, func(a, b string) int { // "s.000…-n.log" before "s.log"
		return strings.Compare(strings.TrimSuffix(a, "log")+"~", strings.TrimSuffix(b, "log")+"~")
	})
	open := map[string]string{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			r.t.Fatal(err)
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			part := strings.SplitN(in.Text(), " ", 4)
			if len(part) < 4 || part[1] == "keeper" {
				continue
			}
			open[part[1]] += part[3]
			if part[2] == "P" {
				continue
			}
			visit(part[1], open[part[1]])
			open[part[1]] = ""
		}
		_ = f.Close()
	}
}
