package exporter

import (
	"context"
	"errors"
	"slices"
	"time"
)

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
	lanes   []*lane // with parts that no worker has taken
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
		l.rescue(now)
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
	fast := make([]int, 0, len(l.parts))
	for i := range l.parts {
		if l.parts[i].kind == Fast {
			fast = append(fast, i)
		}
	}
	l.start(now, fast...)
}

// startDue starts what its cadence asks for. Fast parts are started by tick alone, but for their first reads.
func (l *loop) startDue(now time.Time) {
	var begin []int
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
			begin = append(begin, i)
		}
	}
	l.start(now, begin...)
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
	var begin []int
	for i := range l.parts {
		switch {
		case !l.s.wants(&l.parts[i], &l.work[i], now, a) || l.gone[i]:
		case l.busy[i].IsZero() && now.Sub(l.work[i].Attempted) < minAge:
		default:
			begin = append(begin, i)
			a.pending[i] = true
		}
	}
	l.start(now, begin...)
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
	for _, a := range l.lanes {
		sooner(a.started.Add(time.Duration(a.workers) * rescueAfter))
	}
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
