package exporter

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	minAge     = 250 * time.Millisecond // no part is read more often than this, whoever asks
	primeGap   = 250 * time.Millisecond // between the two first readings of a part with rates
	firstPause = 800 * time.Millisecond // a first read under way this long counts as tried
	idleAfter  = time.Minute            // without a reader for this long, dear parts slow down
	idleEvery  = 30 * time.Second       // cadence of dear parts then, and of parts with nothing to read
	flushAfter = 100 * time.Millisecond // a round of fast parts is published at the latest after this
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

type result struct {
	part int
	v    any
	err  error
	took time.Duration
	cpu  float64
	at   time.Time
}

// loop is the state of Run; only its goroutine touches it.
type loop struct {
	s       *Sampler
	ctx     context.Context //nolint:containedctx // lives exactly as long as Run's call
	parts   []partBase
	busy    []time.Time // when the read under way was started; zero = none
	gone    []bool      // that read was abandoned
	due     []time.Time
	work    []Reading
	asks    []*ask
	results chan result
	started time.Time
	applied time.Time // when settings were last put in force
	round   bool      // a regular round of fast parts is under way
	dirty   bool
	isReady bool
	seq     uint64
}

// Run samples until ctx ends, waits up to a second for reads under way, closes the parts and returns the cause.
func (s *Sampler) Run(ctx context.Context) error {
	now := time.Now()
	n := len(s.sources)
	l := &loop{
		s: s, ctx: ctx, started: now,
		parts: make([]partBase, n), busy: make([]time.Time, n), gone: make([]bool, n), due: make([]time.Time, n),
		work: slices.Clone(s.current.Load().Readings), results: make(chan result, n),
	}
	for i, src := range s.sources {
		l.parts[i] = src.base()
		l.due[i] = now
	}
	s.demand.CompareAndSwap(0, now.UnixNano())
	interval := s.Settings().Interval
	tick := time.NewTicker(interval)
	defer tick.Stop()
	wake := time.NewTimer(0) // everything that is due between ticks
	defer wake.Stop()
	defer close(s.ended)
	for {
		select {
		case <-ctx.Done():
			l.stop()
			return context.Cause(ctx)
		case now = <-tick.C:
			l.tick(now)
		case <-wake.C:
			now = time.Now()
		case <-s.applied:
			now = time.Now()
			if st := s.Settings(); st.Interval != interval {
				interval = st.Interval
				tick.Reset(interval)
				s.history.reset(interval)
			}
			l.dirty, l.applied = true, now // what was read under the old settings is read again
		case a := <-s.asks:
			now = time.Now()
			l.ask(a, now)
		case r := <-l.results:
			now = time.Now()
			l.finish(r, now)
		}
		l.abandon(now)
		l.startDue(now)
		l.publish(now)
		wake.Reset(l.next(now))
	}
}

func (l *loop) idle(now time.Time) bool {
	return now.Sub(time.Unix(0, l.s.demand.Load())) > idleAfter
}

// every is the interval in force of a part.
func (l *loop) every(i int, now time.Time) time.Duration {
	b := &l.parts[i]
	switch {
	case b.kind == Fast:
		return l.s.Settings().Interval
	case b.kind == OnDemand:
		return 5 * time.Second
	case l.work[i].Absent() || l.idle(now):
		return max(idleEvery, b.every)
	default:
		return b.every
	}
}

func (l *loop) tick(now time.Time) {
	l.round = true
	for i := range l.parts {
		if l.parts[i].kind == Fast {
			l.start(i, now)
		}
	}
}

func (l *loop) start(i int, now time.Time) {
	st := l.s.Settings()
	if !l.busy[i].IsZero() || st.Disabled(l.parts[i].name) {
		return
	}
	l.busy[i], l.gone[i] = now, false
	src, deadline := l.s.sources[i], l.parts[i].deadline
	go func() {
		ctx, cancel := context.WithTimeout(l.ctx, deadline)
		defer cancel()
		v, took, cpu, err := timed(ctx, src)
		l.results <- result{i, v, err, took, cpu, time.Now()} // has room for one result of each part
	}()
}

// startDue starts what its cadence asks for. Fast parts are started by tick alone, but for their first reads.
func (l *loop) startDue(now time.Time) {
	for i := range l.parts {
		b := &l.parts[i]
		if b.kind == OnDemand || l.busy[i] != (time.Time{}) || l.due[i].IsZero() && b.kind == Fast {
			continue
		}
		if b.kind == Dear && !l.work[i].Attempted.IsZero() && !l.isPriming(i) {
			l.due[i] = l.work[i].Attempted.Add(l.every(i, now))
			if l.work[i].Attempted.Before(l.applied) {
				l.due[i] = l.applied
			}
		}
		if !now.Before(l.due[i]) {
			l.start(i, now)
		}
	}
}

func (l *loop) isPriming(i int) bool { return l.parts[i].prime && l.work[i].Attempts < 2 }

func (l *loop) finish(r result, now time.Time) {
	i := r.part
	was := l.busy[i]
	l.busy[i] = time.Time{}
	l.dirty = true
	w := &l.work[i]
	w.CPUSeconds += r.cpu
	if l.gone[i] { // its outcome was settled at the deadline; the value is too old to be the newest
		l.gone[i] = false
		l.due[i] = now.Add(minAge)
		return
	}
	w.Took = r.took
	if r.v != nil && (r.err == nil || errors.Is(r.err, ErrPartial)) {
		w.Value, w.At = r.v, r.at
	}
	if r.err == nil {
		w.LastSuccess = r.at
	}
	l.settle(i, r.err, now)
	switch {
	case l.isPriming(i):
		l.due[i] = was.Add(primeGap)
	case l.parts[i].kind == Fast:
		l.due[i] = time.Time{}
	}
}

// settle records the outcome of an attempt and lets go of who waited for it.
func (l *loop) settle(i int, err error, now time.Time) {
	w := &l.work[i]
	name := l.parts[i].name
	switch {
	case errors.Is(err, ErrNoData):
		w.Value = nil
	case err != nil && w.Err == nil:
		l.s.log.Warn("collector began to fail", "collector", name, "err", err)
	case err == nil && w.Err != nil && !w.Absent():
		l.s.log.Info("collector works again", "collector", name)
	}
	w.Attempts++
	w.Attempted, w.Err = now, err
	w.Every = l.every(i, now)
	for _, a := range l.asks {
		delete(a.pending, i)
	}
	l.dirty = true
}

func (l *loop) abandon(now time.Time) {
	for i := range l.parts {
		if l.busy[i].IsZero() || l.gone[i] || now.Sub(l.busy[i]) < l.parts[i].deadline+20*time.Millisecond {
			continue
		}
		l.gone[i] = true
		l.work[i].Timeouts++
		l.work[i].Took = now.Sub(l.busy[i])
		l.settle(i, errTimeout, now)
		if l.parts[i].kind == Fast {
			l.due[i] = time.Time{}
		}
	}
}

var errTimeout = errors.New("read passed its deadline and was abandoned; it is not started again before it returns")

func (l *loop) ask(a *ask, now time.Time) {
	a.pending = map[int]bool{}
	for i := range l.parts {
		switch {
		case !l.s.wants(&l.parts[i], &l.work[i], now, a) || l.gone[i]:
		case l.busy[i].IsZero() && now.Sub(l.work[i].Attempted) < minAge:
		default:
			l.start(i, now)
			a.pending[i] = true
		}
	}
	l.asks = append(l.asks, a)
	l.dirty = true // answered by the next publish
}

// publish makes the work visible. A round of fast parts is shown in one piece, unless one of them lags.
func (l *loop) publish(now time.Time) {
	if !l.isReady && l.tried(now) {
		l.isReady = true
		defer close(l.s.ready)
		l.dirty = true
	}
	if !l.dirty {
		return
	}
	for i := range l.parts {
		if l.parts[i].kind == Fast && !l.busy[i].IsZero() && now.Sub(l.busy[i]) < flushAfter {
			return
		}
	}
	l.dirty = false
	l.seq++
	for i := range l.work {
		if l.parts[i].kind == Dear {
			l.work[i].Every = max(l.work[i].Every, l.every(i, now))
		}
	}
	snap := &Snapshot{Seq: l.seq, At: now, Settings: *l.s.Settings(), Readings: slices.Clone(l.work)}
	for i := range snap.Readings {
		if snap.Settings.Disabled(snap.Readings[i].Name) {
			snap.Readings[i].Value = nil
		}
	}
	l.s.current.Store(snap)
	if l.round && l.isReady {
		l.round = false
		l.s.history.add(snap)
		l.s.notify(snap)
	}
	l.asks = slices.DeleteFunc(l.asks, func(a *ask) bool {
		if len(a.pending) == 0 {
			close(a.done)
			return true
		}
		return false
	})
}

func (l *loop) tried(now time.Time) bool {
	for i := range l.parts {
		switch {
		case l.parts[i].kind == OnDemand || l.s.Settings().Disabled(l.parts[i].name):
		case l.gone[i] || l.work[i].Absent() || l.work[i].Err != nil && l.work[i].Attempts > 0:
		case now.Sub(l.started) >= firstPause && !l.busy[i].IsZero():
		case l.work[i].Attempts == 0 || l.isPriming(i):
			return false
		}
	}
	return true
}

// next is the time until something between two ticks has to be done.
func (l *loop) next(now time.Time) time.Duration {
	d := 10 * time.Second
	sooner := func(t time.Time) { d = min(d, max(time.Millisecond, t.Sub(now))) }
	for i := range l.parts {
		switch {
		case !l.busy[i].IsZero() && !l.gone[i]:
			sooner(l.busy[i].Add(l.parts[i].deadline + 20*time.Millisecond))
			if !l.isReady {
				sooner(l.started.Add(firstPause))
			}
			if l.parts[i].kind == Fast && l.dirty {
				sooner(l.busy[i].Add(flushAfter))
			}
		case l.busy[i].IsZero() && !l.due[i].IsZero() && l.parts[i].kind != OnDemand && !l.s.Settings().Disabled(l.parts[i].name):
			sooner(l.due[i])
		}
	}
	return d
}

// stop waits a second at most for reads under way, then closes the parts that are at rest: a hung read may still use its own.
func (l *loop) stop() {
	deadline := time.NewTimer(time.Second)
	defer deadline.Stop()
	for l.anyBusy() {
		select {
		case r := <-l.results:
			l.busy[r.part] = time.Time{}
		case <-deadline.C:
			l.closeParts()
			return
		}
	}
	l.closeParts()
}

func (l *loop) anyBusy() bool {
	return slices.ContainsFunc(l.busy, func(t time.Time) bool { return !t.IsZero() })
}

func (l *loop) closeParts() {
	for i, src := range l.s.sources {
		if !l.busy[i].IsZero() {
			continue
		}
		if err := src.close(); err != nil {
			l.s.log.Warn("close collector", "collector", l.parts[i].name, "err", err)
		}
	}
}
