// Command ws measures our server's WebSocket stream: hundreds to thousands of clients of /api/system/ws, one in a hundred of
// which never reads, and then one client that dials again after every frame.
//
// For each number of clients it reports the server's CPU per client and frame, its memory, the cadence as a few clients see it,
// the frames good clients missed, and when the ones that do not read were cut off. For the re-dialling client it reports the
// latency of REST requests with and without it, in alternating stretches of one run.
//
// It prints one report in Markdown and, with -o, puts it into that file's section. Server and clients share the machine; the
// server's CPU time is its own all the same. About five minutes, -quick two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

type options struct {
	binary, output string
	quick, large   bool

	sizes  []int
	ticks  int           // frames measured per size
	storm  time.Duration // length of one stretch
	rounds int           // pairs of stretches
}

// interval is the stream's default; the benchmark starts the server without a configuration.
const interval = 2 * time.Second

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/controlcenter", "our binary")
	flag.StringVar(&o.output, "o", "", "Markdown file whose section to replace")
	flag.BoolVar(&o.quick, "quick", false, "fewer clients and frames: to see that it works, not to quote")
	flag.BoolVar(&o.large, "large", false, "10,000 clients too (needs a limit of 20,100 open files)")
	flag.Parse()
	o.sizes, o.ticks, o.storm, o.rounds = []int{100, 1000, 5000}, 10, 10*time.Second, 3
	if o.large {
		o.sizes = append(o.sizes, 10000)
	}
	if o.quick {
		o.sizes, o.ticks, o.storm, o.rounds = []int{100, 500}, 4, 4*time.Second, 1
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
	most := o.sizes[len(o.sizes)-1]
	if got := rig.RaiseFileLimit(uint64(2*most + 100)); got != 0 && got < uint64(most+200) {
		return fmt.Errorf("%d open files are allowed, %d clients need %d: raise the hard limit (ulimit -Hn)", got, most, most+200)
	}
	dir, err := os.MkdirTemp("", "controlcenter-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, url, err := rig.Server(ctx, o.binary, dir)
	if err != nil {
		return err
	}
	defer server.Stop()

	say("one client, for comparison")
	base, err := fanOut(ctx, o, server, url, 1, 0)
	if err != nil {
		return err
	}
	var all []*fanned
	for _, n := range o.sizes {
		say("%d clients", n)
		f, err := fanOut(ctx, o, server, url, n, n/100)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	say("a client that dials again after every frame")
	st, err := storm(ctx, o, url)
	if err != nil {
		return err
	}
	text := report(o, base, all, st)
	fmt.Println(text)
	return rig.WriteSection(o.output, "websocket", text)
}

func report(o *options, base *fanned, all []*fanned, st *stormed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## WebSocket\n\n%s\n", rig.Machine())
	if o.quick {
		b.WriteString("\n**A quick run. Do not quote it.**\n")
	}
	fmt.Fprintf(&b, "\nClients of `/api/system/ws` on the same machine; one in a hundred never reads. %d frames of %d bytes each per line. "+
		"CPU is the server's, less what it used in the same time with one client (%s ms a frame). Cadence is the time between frames as %d clients see it.\n\n",
		o.ticks, base.frameBytes, rig.Ms(base.cpuPerTick), watchers)
	t := rig.NewTable("clients", "CPU µs per client and frame", "CPU ms per frame", "RSS MiB", "PSS MiB", "KiB per client", "cadence median s", "largest deviation ms",
		"good clients: missed at most", "good clients lost", "not reading", "cut off", "after s")
	for _, f := range all {
		extra := max(0, f.cpuPerTick-base.cpuPerTick)
		after := "–"
		if f.cutAfter > 0 {
			after = fmt.Sprintf("%.0f", f.cutAfter.Seconds())
		}
		t.Row(fmt.Sprint(f.clients), fmt.Sprintf("%.1f", float64(extra.Nanoseconds())/1e3/float64(f.clients)), rig.Ms(extra),
			rig.MiB(f.mem.RSS), rig.MiB(f.mem.PSS), fmt.Sprintf("%.1f", float64(int64(f.mem.RSS)-int64(base.mem.RSS))/1024/float64(f.clients)),
			fmt.Sprintf("%.3f", f.intervals.Quantile(.5).Seconds()), rig.Ms(f.deviation()), fmt.Sprint(f.missed), fmt.Sprint(f.lost),
			fmt.Sprint(f.slow), fmt.Sprint(f.cut), after)
	}
	b.WriteString(t.String())
	b.WriteString("\nTargets: at most 15 µs per client and frame, 2.000 s ± 20 ms, at most 1 frame missed, those that do not read cut off within 10 s of falling behind, 400 MiB at 10,000 clients. " +
		"A client that does not read falls behind when the kernel's buffers are full; until then it costs nobody anything.\n")

	b.WriteString("\n### A client that dials again after every frame\n\n")
	t = rig.NewTable("", "requests", "p50 ms", "p99 ms", "largest ms")
	for _, row := range []struct {
		name string
		l    rig.Latencies
	}{{"without it", st.without}, {"with it", st.with}} {
		t.Row(row.name, fmt.Sprint(len(row.l)), rig.Ms(row.l.Quantile(.5)), rig.Ms(row.l.Quantile(.99)), rig.Ms(row.l.Quantile(1)))
	}
	b.WriteString(t.String())
	fmt.Fprintf(&b, "\n`GET /api/system/stats` 50 times a second, in %d alternating stretches of %v each; the client opened %.0f sockets a second, some ten times what the worst known one does.\n",
		2*o.rounds, o.storm, st.rate)
	return b.String()
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
