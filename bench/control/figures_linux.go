package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// figures are what was measured of one supervisor: values by name, one a run, and what was seen.
type figures struct {
	values map[string][]float64
	seen   map[string]string
	failed []string
}

func newFigures() *figures {
	return &figures{values: map[string][]float64{}, seen: map[string]string{}}
}

func (f *figures) add(name string, v float64) { f.values[name] = append(f.values[name], v) }

// spread adds p50 and p99 of a set, in milliseconds.
func (f *figures) spread(name string, l rig.Latencies) {
	f.add(name+" p50", ms(l.Quantile(.5)))
	f.add(name+" p99", ms(l.Quantile(.99)))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// median is that of all runs; ok is false when there is none.
func (f *figures) median(name string) (v float64, ok bool) {
	s := slices.Sorted(slices.Values(f.values[name]))
	if len(s) == 0 {
		return 0, false
	}
	if n := len(s) / 2; len(s)%2 == 0 {
		return (s[n-1] + s[n]) / 2, true
	}
	return s[len(s)/2], true
}

// cell prints medians, with a slash between.
func (f *figures) cell(names ...string) string {
	var parts []string
	for _, name := range names {
		if v, ok := f.median(name); ok {
			parts = append(parts, short(v))
		} else {
			parts = append(parts, "–")
		}
	}
	return strings.Join(parts, " / ")
}

// sum prints the sum over all runs.
func (f *figures) sum(names ...string) string {
	var parts []string
	for _, name := range names {
		if len(f.values[name]) == 0 {
			parts = append(parts, "–")
			continue
		}
		total := 0.0
		for _, v := range f.values[name] {
			total += v
		}
		parts = append(parts, fmt.Sprintf("%.0f", total))
	}
	return strings.Join(parts, " / ")
}

// short prints three significant digits.
func short(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// noise is what others on the machine do while we measure.
type noise struct {
	quit chan struct{}
	done chan rig.Latencies
	busy [3]float64
}

// listenToNoise asks, all the time, how late a sleep of a millisecond ends.
func listenToNoise() *noise {
	n := &noise{quit: make(chan struct{}), done: make(chan rig.Latencies)}
	n.busy[0], n.busy[1], n.busy[2] = machineTime()
	go func() {
		var late rig.Latencies
		for {
			select {
			case <-n.quit:
				n.done <- late
				return
			case <-time.After(100 * time.Millisecond):
			}
			begin := time.Now()
			time.Sleep(time.Millisecond)
			late = append(late, time.Since(begin)-time.Millisecond)
		}
	}()
	return n
}

func (n *noise) stop() string {
	close(n.quit)
	late := <-n.done
	busy, stolen, all := machineTime()
	all -= n.busy[2]
	return fmt.Sprintf("While this ran the CPUs were busy %.0f %% of the time and %.1f %% was stolen by the host; a sleep of 1 ms ended %s ms late in the median, %s ms at p99.",
		100*(busy-n.busy[0])/all, 100*(stolen-n.busy[1])/all, rig.Ms(late.Quantile(.5)), rig.Ms(late.Quantile(.99)))
}
