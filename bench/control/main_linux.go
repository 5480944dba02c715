package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

type options struct {
	binary, output, cache string
	only, parts           []string
	quick                 bool

	runs, fleets, kills, services, megabytes int
	settle, idle                             time.Duration // before and while nothing happens in the fleet
}

// parts of the benchmark, in their order.
var parts = []string{"crash", "logs", "stop", "kill", "fleet"}

func (o *options) wants(part string) bool { return len(o.parts) == 0 || slices.Contains(o.parts, part) }

func main() {
	var o options
	list := func(name, usage string, into *[]string, accepted []string) {
		flag.Func(name, usage+": "+strings.Join(accepted, ","), func(s string) error {
			*into = strings.Split(s, ",")
			for _, word := range *into {
				if !slices.Contains(accepted, word) {
					return fmt.Errorf("%q is none of %s", word, strings.Join(accepted, ", "))
				}
			}
			return nil
		})
	}
	flag.StringVar(&o.binary, "binary", "bin/controlcenter", "our binary")
	flag.StringVar(&o.output, "o", "", "Markdown file whose section to replace")
	flag.StringVar(&o.cache, "cache", "bin/bench-control", "folder in which pm2 is installed")
	flag.BoolVar(&o.quick, "quick", false, "one run, fewer kills, services and lines: to see that it works, not to quote")
	list("only", "measure only these", &o.only, []string{"controlcenter", "supervisord", "pm2", "runit", "s6"})
	list("parts", "measure only this", &o.parts, parts)
	flag.IntVar(&o.runs, "runs", 3, "figures are the medians of so many runs")
	flag.IntVar(&o.fleets, "fleets", 2, "and those of the fleet of so many, which take longest")
	flag.IntVar(&o.services, "services", 200, "services of the fleet")
	flag.IntVar(&o.megabytes, "megabytes", 200, "lines through a log pipe")
	flag.Parse()
	o.kills, o.settle, o.idle = 50, 6*time.Second, 4*time.Second // the keeper tidies up 5 s after the last start
	if o.quick {
		o.runs, o.kills, o.services, o.megabytes, o.settle, o.idle = 1, crashing, min(o.services, 40), min(o.megabytes, 50), time.Second, time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o *options) error {
	rig.RaiseFileLimit(16384)
	root, err := os.MkdirTemp("", "ccbench-") // short: names of sockets are
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	defer sweep(root)
	helper := filepath.Join(root, "child")
	build := exec.CommandContext(ctx, "cc", "-O2", "-Wall", "-static", "-o", helper, "bench/control/child/child.c")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the helper: %w: %s", err, out)
	}
	all, err := contestants(ctx, o)
	if err != nil {
		return err
	}
	n := listenToNoise()
	res := map[string]*figures{}
	for _, c := range all {
		res[c.name] = newFigures()
	}
	begin := time.Now()
	for round := range o.runs {
		for _, c := range all {
			for _, set := range []struct {
				name    string
				wanted  bool
				measure func(context.Context, *options, *stand, *figures) error
			}{
				{"a few services", o.wants("crash") || !c.bare && o.wants("logs") || round == 0 && (o.wants("stop") || o.wants("kill")), func(ctx context.Context, o *options, s *stand, f *figures) error {
					return few(ctx, o, s, f, round == 0)
				}},
				{fmt.Sprintf("%d services", o.services), o.wants("fleet") && round < o.fleets, fleet},
			} {
				if !set.wanted {
					continue
				}
				say("run %d of %d, %s: %s (%v so far)", round+1, o.runs, c.name, set.name, time.Since(begin).Round(time.Second))
				s, err := newStand(root, helper, c)
				if err == nil {
					err = set.measure(ctx, o, s, res[c.name])
					s.close()
				}
				if ctx.Err() != nil {
					return errors.Join(errors.New("interrupted"), context.Cause(ctx))
				}
				if err != nil {
					say("%s: %v", c.name, err)
					res[c.name].failed = append(res[c.name].failed, err.Error())
				}
			}
		}
	}
	text := report(o, all, res, n.stop(), time.Since(begin))
	fmt.Println(text)
	return rig.WriteSection(o.output, "services", text)
}

// stand is a supervisor set up for one measurement.
type stand struct {
	contestant
	m      manager
	dir    string
	bell   *bell
	helper string
}

func newStand(root, helper string, c contestant) (*stand, error) {
	dir, err := os.MkdirTemp(root, "")
	if err != nil {
		return nil, err
	}
	b, err := newBell(filepath.Join(dir, "bell"))
	if err != nil {
		return nil, err
	}
	return &stand{contestant: c, m: c.make(helper), dir: dir, bell: b, helper: helper}, nil
}

func (s *stand) service(id, mode string, args ...string) service {
	return service{id: id, args: append([]string{s.helper, s.bell.path, id, mode}, args...), autostart: true, restart: true}
}

func (s *stand) close() {
	s.m.close()
	s.bell.close()
	sweep(s.dir)
	_ = os.RemoveAll(s.dir)
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
