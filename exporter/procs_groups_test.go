package exporter

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var groupStart = time.Unix(1_700_000_000, 0)

// round gives one reading to the groups: name -> gain, one process each with equal memory.
func groupRound(g *processGroups, now time.Time, top int, gains map[string]float64) map[string]ProcessGroup {
	g.begin()
	for name, gain := range gains {
		g.add(processSample{name, gain, 1, 1})
	}
	shown := map[string]ProcessGroup{}
	for _, s := range g.end(now, top) {
		shown[s.Name] = s
	}
	return shown
}

// A random machine: names come, go, return, change their appetite; the number of series changes. Whatever happens, the
// increases of the shown series add up to all gains, no counter falls, and the set stays within its size.
func TestGroupSumsHoldForRandomMachines(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		g := newProcessGroups()
		names := 3 + rnd.IntN(60)
		top := rnd.IntN(12)
		now := groupStart
		lastSeen := map[string]float64{} // highest value ever shown, and so where a returned name goes on
		before := map[string]float64{}
		for round := range 300 {
			now = now.Add(time.Duration(rnd.IntN(90)) * time.Second)
			if rnd.IntN(50) == 0 {
				top = rnd.IntN(12)
			}
			var gained float64
			g.begin()
			present := map[string]int{}
			for n := range names {
				if (round/(n+1))%3 == 1 && n%2 == 0 { // away for a while
					continue
				}
				name := fmt.Sprintf("p%d", n)
				if n == 2 {
					name = "other"
				}
				for range 1 + rnd.IntN(3) {
					s := processSample{name, float64(rnd.IntN(1 + n*rnd.IntN(40))), float64(rnd.IntN(1000)), 1 + rnd.IntN(4)}
					gained += s.gain
					present[name]++
					g.add(s)
				}
			}
			groups := g.end(now, top)
			if len(groups)-1 > top {
				t.Fatalf("seed %d round %d: %d series of their own, want at most %d", seed, round, len(groups)-1, top)
			}
			after := map[string]float64{}
			var increase float64
			instances := 0
			for i, s := range groups {
				if _, twice := after[s.Name]; twice || (s.Name == "other") != (i == len(groups)-1) {
					t.Fatalf("seed %d round %d: %q is shown twice or not last", seed, round, s.Name)
				}
				after[s.Name] = s.CPUSeconds
				instances += s.Instances
				if s.CPUSeconds < lastSeen[s.Name] {
					t.Fatalf("seed %d round %d: %q fell from %v to %v", seed, round, s.Name, lastSeen[s.Name], s.CPUSeconds)
				}
				if old, was := before[s.Name]; was || s.Name == "other" {
					increase += s.CPUSeconds - old
				} else if s.CPUSeconds != lastSeen[s.Name] {
					t.Fatalf("seed %d round %d: %q returned at %v, left at %v", seed, round, s.Name, s.CPUSeconds, lastSeen[s.Name])
				}
				lastSeen[s.Name] = s.CPUSeconds
			}
			if math.Abs(increase-gained) > 1e-6 {
				t.Fatalf("seed %d round %d: series increased by %v, processes gained %v", seed, round, increase, gained)
			}
			total, withheld := 0, 0
			for name, n := range present {
				total += n
				if _, own := after[name]; !own || name == "other" {
					withheld++
				}
			}
			if instances != total || g.withheld != withheld {
				t.Fatalf("seed %d round %d: %d instances and %d withheld, want %d and %d", seed, round, instances, g.withheld, total, withheld)
			}
			before = after
		}
	}
}

func TestNameKeepsItsSeriesForTheHoldTime(t *testing.T) {
	g := newProcessGroups()
	now := groupStart
	step := func(d time.Duration, gains map[string]float64) map[string]ProcessGroup {
		now = now.Add(d)
		return groupRound(g, now, 1, gains)
	}
	step(0, map[string]float64{"a": 0, "b": 0})
	step(time.Second, map[string]float64{"a": 5, "b": 1})
	shown := step(time.Second, map[string]float64{"a": 1, "b": 9})
	if _, ok := shown["a"]; !ok {
		t.Fatalf("a lost its series at once: %v", shown)
	}
	shown = step(groupHold-time.Second, map[string]float64{"a": 1, "b": 9})
	if _, ok := shown["a"]; !ok {
		t.Fatalf("a lost its series before its hold time: %v", shown)
	}
	shown = step(time.Second, map[string]float64{"a": 1, "b": 9})
	if _, ok := shown["b"]; !ok || len(shown) != 2 {
		t.Fatalf("b did not get the series after the hold time: %v", shown)
	}
	if got := shown["b"].CPUSeconds; got != 0 {
		t.Errorf("b starts at %v, want 0: its gains before belong to other", got)
	}
	// a had gained 5 + 1 + 1 when it left; it goes on there.
	step(time.Second, map[string]float64{"a": 9, "b": 0.5})
	shown = step(groupHold, map[string]float64{"a": 9, "b": 0.5})
	if got := shown["a"].CPUSeconds; got != 7 {
		t.Errorf("a returned at %v, want 7", got)
	}
}

func TestEndedNameIsShownWithoutInstancesForTheHoldTime(t *testing.T) {
	g := newProcessGroups()
	groupRound(g, groupStart, 2, map[string]float64{"a": 1, "b": 1})
	groupRound(g, groupStart.Add(time.Second), 2, map[string]float64{"a": 1, "b": 1})
	groupRound(g, groupStart.Add(2*time.Second), 2, map[string]float64{"a": 1, "b": 3})
	shown := groupRound(g, groupStart.Add(3*time.Second), 2, map[string]float64{"a": 1})
	if b, ok := shown["b"]; !ok || b.Instances != 0 || b.MemoryBytes != 0 || b.CPUSeconds != 4 {
		t.Errorf("b just ended is shown as %+v, %v; want no instances and 4 s", b, ok)
	}
	shown = groupRound(g, groupStart.Add(3*time.Second+groupHold), 2, map[string]float64{"a": 1})
	if b, ok := shown["b"]; ok {
		t.Errorf("b is still shown after the hold time: %+v", b)
	}
}

func TestRememberedNamesAreBounded(t *testing.T) {
	g := newProcessGroups()
	now := groupStart
	g.remember = 40
	for i := range 3 * g.remember {
		name := fmt.Sprintf("n%d", i)
		for range 4 {
			now = now.Add(groupHold)
			groupRound(g, now, 1, map[string]float64{name: 1})
		}
	}
	if n := len(g.byName); n > g.remember+2 || n < g.remember {
		t.Errorf("%d names are remembered, want about %d", n, g.remember)
	}
}
