package exporter

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// lane is a row of reads that one worker does one after the other, on one thread: waking a thread for each of a dozen reads of
// some microseconds would cost more than the reads. When a read hangs, a second worker goes on with the rest of the lane.
type lane struct {
	parts   []int
	next    atomic.Int32 // the first part no worker has taken
	started time.Time
	workers int
}

type result struct {
	part int
	v    any
	err  error
	took time.Duration
	cpu  float64
	at   time.Time
}

// start begins the reads of parts, but for those under way and those switched off: fast ones in one lane, each other in a
// lane of its own.
func (l *loop) start(now time.Time, parts ...int) {
	st := l.s.Settings()
	var fast []int
	for _, i := range parts {
		switch {
		case !l.busy[i].IsZero() || st.Disabled(l.parts[i].name):
			continue
		case l.parts[i].kind == Fast:
			fast = append(fast, i)
		default:
			l.open(now, []int{i})
		}
		l.busy[i], l.gone[i] = now, false
	}
	if len(fast) > 0 {
		l.open(now, fast)
	}
}

func (l *loop) open(now time.Time, parts []int) {
	a := &lane{parts: parts, started: now}
	if len(parts) > 1 {
		l.lanes = append(l.lanes, a)
	}
	l.addWorker(a)
}

// addWorker starts a worker of a lane. It ends when no part is left, or when the read it hangs in returns.
func (l *loop) addWorker(a *lane) {
	a.workers++
	go func() {
		for i := a.next.Add(1) - 1; int(i) < len(a.parts); i = a.next.Add(1) - 1 {
			part := a.parts[i]
			ctx, cancel := context.WithTimeout(l.ctx, l.parts[part].deadline)
			v, took, cpu, err := timed(ctx, l.s.sources[part])
			cancel()
			l.results <- result{part, v, err, took, cpu, time.Now()} // has room for one result of each part
		}
	}()
}

// rescue gives lanes that stand still another worker and forgets those whose parts are all taken.
func (l *loop) rescue(now time.Time) {
	l.lanes = slices.DeleteFunc(l.lanes, func(a *lane) bool {
		if int(a.next.Load()) >= len(a.parts) {
			return true
		}
		if now.Sub(a.started) >= time.Duration(a.workers)*rescueAfter {
			l.addWorker(a)
		}
		return false
	})
}
