package audit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/store"
)

const (
	window     = time.Minute // refusals of one kind within it are one row
	mostKinds  = 64          // kinds of refusals told apart in a window; the others are summed up together
	queued     = 1024        // rows that wait for the disk
	pruneEvery = time.Hour
)

// Settings may change while the server runs.
type Settings struct {
	Keep   int           // rows of changes kept; of refusals a quarter of it. 0 = 100,000
	MaxAge time.Duration // 0 = a year
}

// Log writes rows.
type Log struct {
	store    *store.Store
	log      *slog.Logger
	settings func() Settings
	queue    chan Row
	lost     atomic.Uint64
	written  *prometheus.CounterVec
	dropped  prometheus.Counter

	mu    sync.Mutex
	kinds map[kind]*Row // refusals of this window that were written already; their counts are what follows
	other Row           // those without a place
	began time.Time
}

// kind is what makes two refusals the same.
type kind struct {
	who, from, action string
	status            int
}

// New returns a log; without [Log.Run] only riders write.
func New(st *store.Store, log *slog.Logger, settings func() Settings) *Log {
	l := &Log{store: st, log: log, settings: settings, queue: make(chan Row, queued), kinds: map[kind]*Row{}}
	l.written = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "controlcenter_audit_entries_total", Help: "Calls that the audit log has taken, by result; refusals that were summed up count each.",
	}, []string{"result"})
	for _, r := range []string{Changed, OK, Failed, Denied} {
		l.written.WithLabelValues(r)
	}
	l.dropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "controlcenter_audit_dropped_total", Help: "Rows that could not be written because the disk took none.",
	})
	return l
}

// Begin returns what puts a row into the transaction of a change. row is asked when there is one.
func (l *Log) Begin(row func() Row) *store.Rider {
	return store.NewRider(func(tx *store.Tx) error {
		r := row()
		r.Result, r.Status = Changed, 0
		return Append(tx, r)
	})
}

// End notes how a call ended. rode says that the row of [Log.Begin] is on disk.
func (l *Log) End(r Row, rode bool) {
	if rode {
		l.written.WithLabelValues(Changed).Inc()
		if r.Result == OK {
			return
		}
	}
	l.written.WithLabelValues(r.Result).Inc()
	if r.At.IsZero() {
		r.At = time.Now().UTC()
	}
	if r.Result == Denied && l.sumUp(&r) {
		return
	}
	l.put(r)
}

func (l *Log) put(r Row) {
	select {
	case l.queue <- r:
	default:
		l.dropped.Inc()
		if l.lost.Add(1) == 1 {
			l.log.Error("audit rows are lost: the disk is too slow or takes nothing")
		}
	}
}

// sumUp says whether a refusal was counted to one that is written already.
func (l *Log) sumUp(r *Row) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		l.began = r.At
	}
	k := kind{r.Subject + "\n" + r.Who, r.From, r.Action, r.Status}
	if first := l.kinds[k]; first != nil {
		first.Count++
		first.Until, first.Request, first.Target, first.Detail = r.At, r.Request, r.Target, r.Detail
		return true
	}
	if len(l.kinds) >= mostKinds {
		if l.other.Count == 0 {
			l.other = Row{At: r.At, Who: "various", From: "various", Action: "various", Result: Denied, Detail: "refusals of more kinds than are told apart in a minute"}
		}
		l.other.Count++
		l.other.Until, l.other.Status = r.At, r.Status
		return true
	}
	next := *r
	next.At = time.Time{}
	l.kinds[k] = &next
	return false
}

// closeWindow returns the sums of the window that has ended; all = also of one that has not.
func (l *Log) closeWindow(now time.Time, all bool) []Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() || !all && now.Sub(l.began) < window {
		return nil
	}
	var out []Row
	for _, r := range l.kinds {
		if r.Count > 0 {
			r.At = l.began
			out = append(out, *r)
		}
	}
	if l.other.Count > 0 {
		out = append(out, l.other)
	}
	l.kinds, l.other, l.began = map[kind]*Row{}, Row{}, time.Time{}
	return out
}

// Run writes what [Log.End] was given until ctx ends, and removes old rows.
func (l *Log) Run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	tick := time.NewTicker(window / 4)
	defer tick.Stop()
	pruned := time.Time{}
	for {
		select {
		case <-ctx.Done():
			for {
				select {
				case r := <-l.queue:
					l.write(lasting, r)
				default:
					l.write(lasting, l.closeWindow(time.Now(), true)...)
					return context.Cause(ctx)
				}
			}
		case r := <-l.queue:
			rows := []Row{r}
			for len(rows) < 256 && len(l.queue) > 0 {
				rows = append(rows, <-l.queue)
			}
			l.write(lasting, rows...)
		case now := <-tick.C:
			l.write(lasting, l.closeWindow(now, false)...)
			if now.Sub(pruned) >= pruneEvery {
				pruned = now
				l.prune(lasting, now)
			}
		}
	}
}

func (l *Log) write(ctx context.Context, rows ...Row) {
	if len(rows) == 0 {
		return
	}
	err := l.store.Update(ctx, func(tx *store.Tx) error { return Append(tx, rows...) })
	switch {
	case err == nil:
		if n := l.lost.Swap(0); n > 0 {
			l.log.Warn("the audit log is written again", "rows_lost", n)
		}
	default:
		l.dropped.Add(float64(len(rows)))
		if l.lost.Add(uint64(len(rows))) == uint64(len(rows)) {
			l.log.Error("write audit log", "err", err)
		}
	}
}

func (l *Log) prune(ctx context.Context, now time.Time) {
	st := l.settings()
	keep, age := cmp.Or(st.Keep, 100_000), cmp.Or(st.MaxAge, 365*24*time.Hour)
	for t, most := range map[store.Table[Row]]int{changes: keep, refusals: max(keep/4, 1)} {
		for {
			n := 0
			err := l.store.Update(ctx, func(tx *store.Tx) (err error) { n, err = prune(tx, t, most, now.Add(-age)); return err })
			if err != nil {
				l.log.Error("remove old audit rows", "table", t.Name(), "err", err)
			}
			if err != nil || n < 1000 {
				break
			}
		}
	}
}

// List returns rows; see [List].
func (l *Log) List(ctx context.Context, q Query) (rows []Row, next uint64, err error) {
	err = l.store.View(ctx, func(tx *store.Tx) (err error) { rows, next, err = List(tx, q); return err })
	if err != nil {
		return nil, 0, fmt.Errorf("read audit log: %w", err)
	}
	return rows, next, nil
}

// Describe implements prometheus.Collector.
func (l *Log) Describe(c chan<- *prometheus.Desc) {
	l.written.Describe(c)
	l.dropped.Describe(c)
}

// Collect implements prometheus.Collector.
func (l *Log) Collect(c chan<- prometheus.Metric) {
	l.written.Collect(c)
	l.dropped.Collect(c)
}
