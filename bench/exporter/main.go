// Command exporter measures our server beside what people use today for the same: node_exporter (the host), process-exporter
// (processes) and a psutil and FastAPI backend (ports, processes, stats), all on this machine in one run, first at rest and
// then with 2,000 more processes, 1,000 listeners and 500 connected loopback pairs, which it makes and removes itself.
//
// It prints one report in Markdown and, with -o, puts it into that file's section. Everything is bounded: about six minutes,
// -quick two. It starts every program itself, on free ports of 127.0.0.1, and ends them all, also after Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

type options struct {
	binary, nodeExporter, processExporter, python, standin, output string
	quick                                                          bool

	settle, idle        time.Duration // before and during the idle measurement
	scrapes             int           // spaced scrapes per exposition
	requests            int           // spaced requests per JSON path
	spacing             time.Duration
	burst               int           // requests of a burst, at most
	burstFor            time.Duration // and its longest time
	processes, pairs    int
	listeners, children int // listeners are spread over so many processes
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/controlcenter", "our binary")
	flag.StringVar(&o.nodeExporter, "node-exporter", "", "node_exporter binary (default: the newest, installed once with go install; else Debian's)")
	flag.StringVar(&o.processExporter, "process-exporter", "prometheus-process-exporter", "process-exporter binary")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "Python with fastapi, uvicorn and psutil")
	flag.StringVar(&o.standin, "standin", "bench/standin", "folder of the stand-in's app.py")
	flag.StringVar(&o.output, "o", "", "Markdown file whose section to replace")
	flag.BoolVar(&o.quick, "quick", false, "a fifth of everything: to see that it works, not to quote")
	flag.Parse()
	o.settle, o.idle = 62*time.Second, 30*time.Second // a minute without a reader slows the dear parts down
	o.scrapes, o.requests, o.spacing, o.burst, o.burstFor = 40, 15, 300*time.Millisecond, 300, 2*time.Second
	o.processes, o.listeners, o.children, o.pairs = 2000, 1000, 10, 500
	if o.quick {
		o.settle, o.idle, o.scrapes, o.requests, o.burst, o.burstFor = 5*time.Second, 5*time.Second, 10, 5, 60, time.Second
		o.processes, o.listeners, o.pairs = 400, 200, 100
	}
	if role := os.Getenv(childRole); role != "" {
		os.Exit(childMain())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	rig.RaiseFileLimit(16384)
	dir, err := os.MkdirTemp("", "controlcenter-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	peers, err := startPeers(ctx, o, dir)
	defer func() { stopPeers(peers) }()
	if err != nil {
		return err
	}

	say("waiting %v until nobody has read for a minute, then measuring idle for %v", o.settle, o.idle)
	idle, err := measureIdle(ctx, o, peers)
	if err != nil {
		return err
	}
	say("measuring at rest")
	rest, err := measure(ctx, o, peers)
	if err != nil {
		return err
	}
	say("starting %d processes, %d listeners, %d pairs", o.processes, o.listeners, o.pairs)
	load, err := startLoad(ctx, o)
	defer load.stop()
	if err != nil {
		return err
	}
	if err := pause(ctx, 6*time.Second); err != nil { // one cadence of the dear parts
		return err
	}
	say("measuring under load")
	loaded, err := measure(ctx, o, peers)
	if err != nil {
		return err
	}
	text := report(o, peers, idle, rest, loaded)
	fmt.Println(text)
	return rig.WriteSection(o.output, "exporter", text)
}

func say(format string, a ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", a...) }

// pause waits, or returns the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return errors.Join(errors.New("interrupted"), context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}
