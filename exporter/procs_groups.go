package exporter

import (
	"cmp"
	"slices"
	"time"
)

const (
	otherName      = "other"         // the group that sums every name without a series of its own
	groupHold      = 5 * time.Minute // a name keeps its series this long after it left the top or ended
	groupsRemember = 4096            // names whose old totals are kept after their processes ended
)

// processSample is what one process adds to its name in one reading.
type processSample struct {
	name    string
	gain    float64 // CPU seconds used since the last reading
	memory  float64
	threads int
}

// processGroups decides which process names have series of their own and attributes what they gain. A gain goes to the
// name's own total only when the name had its series before and after the interval it was made in; every other gain goes to
// "other". So the increases of all shown series add up to the gains of all processes, and no total is ever moved.
// It is not safe for concurrent use.
type processGroups struct {
	byName   map[string]*nameGroup
	other    float64 // CPU seconds
	round    uint64
	ranked   []*nameGroup // kept for its memory
	shown    []*nameGroup
	withheld int
	remember int // names without processes whose totals are kept
}

type nameGroup struct {
	name  string
	total float64 // CPU seconds gained while it had its series
	own   bool    // has a series
	outAt time.Time
	seen  uint64 // round of its last process
	// of this round
	gain, memory       float64
	instances, threads int
	score              float64
	wasOwn             bool
}

func newProcessGroups() *processGroups {
	return &processGroups{byName: map[string]*nameGroup{}, remember: groupsRemember}
}

// begin starts a reading; then add each process, then end.
func (t *processGroups) begin() {
	t.round++
	for _, g := range t.byName {
		g.gain, g.memory, g.instances, g.threads, g.score, g.wasOwn = 0, 0, 0, 0, 0, g.own
	}
}

func (t *processGroups) add(s processSample) {
	g := t.byName[s.name]
	if g == nil {
		g = &nameGroup{name: s.name}
		t.byName[s.name] = g
	}
	g.seen = t.round
	g.gain += s.gain
	g.memory += s.memory
	g.instances++
	g.threads += s.threads
}

// end ranks the names by the greater of their shares of CPU gained and of resident memory, deals out at most top series, and
// returns the groups, "other" last.
func (t *processGroups) end(now time.Time, top int) []ProcessGroup {
	t.rank()
	t.deal(now, max(0, top))
	rest := ProcessGroup{Name: otherName}
	t.withheld = 0
	for _, g := range t.ranked {
		if g.own && g.wasOwn {
			g.total += g.gain
		} else {
			t.other += g.gain
		}
		if !g.own {
			t.withheld++
			rest.MemoryBytes += g.memory
			rest.Instances += g.instances
			rest.Threads += g.threads
		}
	}
	rest.CPUSeconds = t.other
	out := make([]ProcessGroup, 0, len(t.shown)+1)
	for _, g := range t.shown {
		out = append(out, ProcessGroup{g.name, g.total, g.memory, g.instances, g.threads})
	}
	t.forget()
	return append(out, rest)
}

// rank sorts the names that have processes, highest first.
func (t *processGroups) rank() {
	t.ranked = t.ranked[:0]
	var gain, memory float64
	for _, g := range t.byName {
		if g.seen == t.round {
			t.ranked = append(t.ranked, g)
			gain += g.gain
			memory += g.memory
		}
	}
	for _, g := range t.ranked {
		if gain > 0 {
			g.score = g.gain / gain
		}
		if memory > 0 {
			g.score = max(g.score, g.memory/memory)
		}
	}
	slices.SortFunc(t.ranked, byScore)
}

func byScore(a, b *nameGroup) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.name, b.name))
}

// deal frees series whose hold ended and gives free ones to the highest names without.
func (t *processGroups) deal(now time.Time, top int) {
	for i, g := range t.ranked {
		if i < top {
			g.outAt = time.Time{}
		} else if g.outAt.IsZero() {
			g.outAt = now
		}
	}
	t.shown = t.shown[:0]
	for _, g := range t.byName {
		if !g.own {
			continue
		}
		if g.seen != t.round && g.outAt.IsZero() {
			g.outAt = now
		}
		// Of the first reading no gains are known, so its choice is made again once they are; nothing was counted yet.
		if t.round <= 2 || !g.outAt.IsZero() && now.Sub(g.outAt) >= groupHold {
			g.own = false
			continue
		}
		t.shown = append(t.shown, g)
	}
	slices.SortFunc(t.shown, byScore)
	for len(t.shown) > top { // the setting was lowered
		t.shown[len(t.shown)-1].own = false
		t.shown = t.shown[:len(t.shown)-1]
	}
	for i := 0; i < min(top, len(t.ranked)) && len(t.shown) < top; i++ {
		// A process that calls itself "other" cannot have a series beside the sum of that name.
		if g := t.ranked[i]; !g.own && g.name != otherName {
			g.own = true
			t.shown = append(t.shown, g)
		}
	}
	slices.SortFunc(t.shown, byScore)
}

// forget drops names without processes that never had a series, and the oldest of the others beyond those to remember.
func (t *processGroups) forget() {
	old := 0
	for name, g := range t.byName {
		switch {
		case g.own || g.seen == t.round:
		case g.total == 0:
			delete(t.byName, name)
		default:
			old++
		}
	}
	if old <= t.remember {
		return
	}
	gone := make([]*nameGroup, 0, old)
	for _, g := range t.byName {
		if !g.own && g.seen != t.round {
			gone = append(gone, g)
		}
	}
	slices.SortFunc(gone, func(a, b *nameGroup) int { return cmp.Compare(a.seen, b.seen) })
	for _, g := range gone[:old-t.remember] {
		delete(t.byName, g.name)
	}
}
