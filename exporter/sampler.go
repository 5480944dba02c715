package exporter

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	minAge      = 250 * time.Millisecond // no part is read more often than this, whoever asks
	primeGap    = 250 * time.Millisecond // between the two first readings of a part with rates
	firstPause  = 800 * time.Millisecond // a first read under way this long counts as tried
	idleAfter   = time.Minute            // without a reader for this long, dear parts slow down
	idleEvery   = 30 * time.Second       // cadence of dear parts then, and of parts with nothing to read
	flushAfter  = 100 * time.Millisecond // a round of fast parts is published at the latest after this
	rescueAfter = 50 * time.Millisecond  // a lane that stands still this long gets another worker
)

// Sampler owns every read of the machine. One goroutine, [Sampler.Run], starts the reads and publishes the snapshots; all
// other methods may be called from any goroutine at any time.
type Sampler struct {
	sources  []Source
	log      *slog.Logger
	settings atomic.Pointer[Settings]
	current  atomic.Pointer[Snapshot]
	demand   atomic.Int64 // unix nanoseconds of the last reader
	asks     chan *ask
	applied  chan struct{}
	ready    chan struct{} // closed when every part's first sample was tried
	ended    chan struct{} // closed when Run returns
	history  *History
	pool     *sync.Pool
	nodePool *sync.Pool

	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// ask is a caller that waits for readings younger than age.
type ask struct {
	age     time.Duration // of fast parts
	name    string        // an on-demand part, or ""
	pending map[int]bool  // parts still waited for
	done    chan struct{}
}

// NewSampler builds the parts of this platform; nothing is read before [Sampler.Run].
func NewSampler(o Options) *Sampler {
	o.fill()
	s := newSampler(o.Settings, o.Logger)
	o.Current = s.Settings
	s.setSources(table(&o))
	return s
}

func newSampler(st Settings, log *slog.Logger) *Sampler {
	newPool := func() *sync.Pool { return &sync.Pool{New: func() any { return newEmitter() }} }
	s := &Sampler{
		log:     log,
		asks:    make(chan *ask),
		applied: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		ended:   make(chan struct{}),
		history: newHistory(st.Interval),
		pool:    newPool(), nodePool: newPool(),
		subs: map[*Subscription]struct{}{},
	}
	s.settings.Store(&st)
	s.current.Store(&Snapshot{Settings: st})
	return s
}

func (s *Sampler) setSources(src []Source) {
	s.sources = src
	snap := &Snapshot{Settings: *s.Settings(), Readings: make([]Reading, len(src))}
	for i := range src {
		b := src[i].base()
		snap.Readings[i] = Reading{Name: b.name, Every: b.every, CPUSeconds: cpuSecondsStart()}
	}
	s.current.Store(snap)
}

// Settings returns the settings in force; the value must not be changed.
func (s *Sampler) Settings() *Settings { return s.settings.Load() }

// Apply puts new settings in force. Reads under way end with the old ones.
func (s *Sampler) Apply(st Settings) {
	s.settings.Store(&st)
	select {
	case s.applied <- struct{}{}:
	default:
	}
}

// Snapshot returns the newest snapshot at once and counts as a reader: dear parts keep their full cadence for a minute.
// It does not wait for anything; after an idle time the dear parts in it may be up to 30 s old (see [Sampler.Fresh]).
func (s *Sampler) Snapshot() *Snapshot {
	s.demand.Store(time.Now().UnixNano())
	return s.current.Load()
}

// Ready is closed when the first sample of every part was tried (or hangs for 800 ms) and rates are known.
func (s *Sampler) Ready() <-chan struct{} { return s.ready }

// History returns the ring of the last 15 minutes.
func (s *Sampler) History() *History { return s.history }

// Collectors returns the names of all parts of this platform, in table order.
func (s *Sampler) Collectors() []string {
	names := make([]string, len(s.sources))
	for i, src := range s.sources {
		names[i] = src.base().name
	}
	return names
}

// Families lists every metric family the sampler can write, ours or (node) node_exporter's.
func (s *Sampler) Families(node bool) []*Desc {
	var all []*Desc
	for _, src := range s.sources {
		if b := src.base(); node {
			all = append(all, b.node...)
		} else {
			all = append(all, b.metrics...)
		}
	}
	return all
}

// Fresh returns a snapshot whose fast parts are at most age old (never asking the machine more than four times a second) and
// whose dear parts are as old as their cadence allows, refreshing what is not, for all callers at once. When ctx ends first
// the newest snapshot is returned as it is; Fresh never fails.
func (s *Sampler) Fresh(ctx context.Context, age time.Duration) *Snapshot {
	return s.fresh(ctx, &ask{age: max(age, minAge)})
}

// FreshPart is [Sampler.Fresh] for one on-demand part.
func (s *Sampler) FreshPart(ctx context.Context, name string) *Snapshot {
	return s.fresh(ctx, &ask{age: time.Hour, name: name})
}

func (s *Sampler) fresh(ctx context.Context, a *ask) *Snapshot {
	now := time.Now()
	snap := s.Snapshot()
	if a.name == "" && !s.stale(snap, now, a) {
		return snap
	}
	a.done = make(chan struct{})
	select {
	case s.asks <- a:
	case <-ctx.Done():
		return s.current.Load()
	case <-s.ended:
		return s.current.Load()
	}
	select {
	case <-a.done:
	case <-ctx.Done():
	case <-s.ended:
	}
	return s.current.Load()
}

// stale says whether any part would have to be read for a.
func (s *Sampler) stale(snap *Snapshot, now time.Time, a *ask) bool {
	for i, src := range s.sources {
		if b := src.base(); s.wants(&b, &snap.Readings[i], now, a) {
			return true
		}
	}
	return false
}

// wants says whether part b, last read as r, is too old for a.
func (s *Sampler) wants(b *partBase, r *Reading, now time.Time, a *ask) bool {
	if s.Settings().Disabled(b.name) {
		return false
	}
	old := now.Sub(r.Attempted)
	switch b.kind {
	case Fast:
		return old > a.age
	case Dear:
		if r.Absent() {
			return false
		}
		return old > b.every+b.every/2
	default:
		return a.name == b.name && old > minAge
	}
}

// Subscription receives a snapshot after each regular round of fast parts.
type Subscription struct {
	C <-chan *Snapshot // capacity one: a slow reader finds the newest, not a queue
	c chan *Snapshot
	s *Sampler
}

// Subscribe returns a subscription to regular rounds, one per Settings.Interval. A subscriber that is slow misses rounds; it
// never slows the sampler. It does not count as a reader of dear parts unless it calls [Sampler.Snapshot].
func (s *Sampler) Subscribe() *Subscription {
	c := make(chan *Snapshot, 1)
	sub := &Subscription{C: c, c: c, s: s}
	s.mu.Lock()
	s.subs[sub] = struct{}{}
	s.mu.Unlock()
	return sub
}

// Close ends the subscription; C is not closed.
func (u *Subscription) Close() {
	u.s.mu.Lock()
	delete(u.s.subs, u)
	u.s.mu.Unlock()
}

func (s *Sampler) notify(snap *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range s.subs {
		select {
		case <-u.c: // only Run sends, so after this the place is free
		default:
		}
		select {
		case u.c <- snap:
		default:
		}
	}
}
