package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

const (
	batch    = 500              // events looked at in one transaction
	lookTime = 10 * time.Second // between two looks at readings
	lag      = 1000             // events that no rule wants may be passed over before the cursor is written
	// gatherTime is how long events are gathered before they are looked at.
	gatherTime = 100 * time.Millisecond
)

// gapEvent tells of events that were pruned before rules had looked at them.
const gapEvent = "notify.gap"

// Options are what a notifier is built with.
type Options struct {
	Store *store.Store    // required
	Log   *slog.Logger    // required
	Read  func() *Reading // the present, asked for at each look; must not block. nil = rules over readings say nothing
}

// Notifier looks at events and readings and tells people. See the package comment.
type Notifier struct {
	o        Options
	log      *slog.Logger
	m        *metrics
	settings atomic.Pointer[Settings]
	shown    atomic.Pointer[[]Alert] // pending, firing and resolved, for readers
	reload   chan struct{}

	bellMu sync.Mutex
	bells  map[string]chan struct{} // by channel

	// Of Run's goroutine alone, once it runs.
	policy *policy
	alerts *alerts
	cursor uint64 // the last event that was looked at
	saved  uint64 // what of it is in the store
	broken bool   // the last write failed
}

// New opens the notifier on a store. The first time, rules begin with what happens from now on. Errors: those of
// [Settings.Check] and of the store.
func New(ctx context.Context, o Options, st Settings) (*Notifier, error) {
	if err := st.Check(); err != nil {
		return nil, err
	}
	n := &Notifier{o: o, log: o.Log, m: newMetrics(), reload: make(chan struct{}, 1), bells: map[string]chan struct{}{}}
	n.settings.Store(&st)
	n.shown.Store(&[]Alert{})
	n.policy = newPolicy(time.Now(), &st)
	if err := n.load(ctx); err != nil {
		return nil, fmt.Errorf("notifications: %w", err)
	}
	n.m.apply(&st)
	n.publish()
	return n, nil
}

// load reads the alerts and the place in the history, and sets that to the end where there is none.
func (n *Notifier) load(ctx context.Context) error {
	fresh := false
	all := newAlerts()
	err := n.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := alertTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		for _, row := range rows {
			all.all[row.Value.key()] = &row.Value
		}
		n.cursor, err = stateTable.Get(tx, cursorKey)
		if fresh = errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged); fresh {
			_, n.cursor, err = event.Bounds(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	if fresh {
		// A store that cannot be written keeps nothing from starting: the place is written with the next change.
		err := n.o.Store.Update(ctx, func(tx *store.Tx) error { return stateTable.Put(tx, cursorKey, n.cursor) })
		if err != nil {
			n.log.Error("record where the event history is read from", "err", err)
		}
	}
	n.alerts, n.saved = all, n.cursor
	return nil
}

// Apply puts other settings in force. They must have passed [Settings.Check].
func (n *Notifier) Apply(st Settings) {
	n.settings.Store(&st)
	n.m.apply(&st)
	select {
	case n.reload <- struct{}{}:
	default:
	}
}

// Run looks and sends until ctx ends; it returns the cause after all attempts have ended or were abandoned.
func (n *Notifier) Run(ctx context.Context) error {
	watch := n.o.Store.Watch(event.HistoryTable(), store.AllTables, muteTable.Name())
	defer watch.Close()
	for ctx.Err() == nil {
		st := n.settings.Load()
		n.policy.apply(st)
		n.dropOrphans(ctx, st)
		inner, cancel := context.WithCancelCause(ctx)
		var wg sync.WaitGroup
		for i := range st.Channels {
			w := newWorker(n, st, &st.Channels[i])
			wg.Go(func() { w.run(inner) })
		}
		n.loop(ctx, st, watch)
		n.keepPlace(context.WithoutCancel(ctx))
		cancel(errors.New("other settings are put in force"))
		wg.Wait()
	}
	return context.Cause(ctx)
}

// keepPlace writes how far the history was looked at, so that rules which are put in force later do not find what happened before.
func (n *Notifier) keepPlace(ctx context.Context) {
	if n.cursor == n.saved {
		return
	}
	if err := n.o.Store.Update(ctx, func(tx *store.Tx) error { return stateTable.Put(tx, cursorKey, n.cursor) }); err != nil {
		n.failed(ctx, "record where the event history is read from", err)
		return
	}
	n.saved = n.cursor
}

// loop looks at events as they come and at readings at each tick, until ctx ends or settings change.
func (n *Notifier) loop(ctx context.Context, st *Settings, watch *store.Watch) {
	tick := time.NewTicker(cmp.Or(st.Look, lookTime))
	defer tick.Stop()
	n.events(ctx, st)
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.reload:
			return
		case <-watch.C:
			select { // a crash and the start after it are looked at together, and not while the start wants the processor
			case <-ctx.Done():
				return
			case <-time.After(gatherTime):
			}
			if slices.Contains(watch.Changed(), store.AllTables) { // a backup was restored
				if err := n.load(ctx); err != nil {
					n.log.Error("read alerts again", "err", err)
				}
				n.ringAll()
			}
			n.events(ctx, st)
		case <-tick.C:
			n.events(ctx, st) // what a failed write left
			n.look(ctx, st)
		}
	}
}

// events looks at all events that came since the last time.
func (n *Notifier) events(ctx context.Context, st *Settings) {
	for ctx.Err() == nil {
		var rows []event.Row
		var oldest, newest uint64
		err := n.o.Store.View(ctx, func(tx *store.Tx) (err error) {
			if rows, err = event.Next(tx, n.cursor, batch); err == nil {
				oldest, newest, err = event.Bounds(tx)
			}
			return err
		})
		if err != nil {
			n.failed(ctx, "read the event history", err)
			return
		}
		lost := uint64(0)
		switch {
		case newest < n.cursor: // of a file that was repaired, the last rows are gone; all that are there were looked at
			n.cursor, n.saved = newest, newest
			continue
		case oldest > n.cursor+1:
			lost = oldest - n.cursor - 1
		}
		if len(rows) == 0 || !n.take(ctx, st, rows, lost) {
			return
		}
	}
}

// take applies the rules to rows and writes what came of it, with the place in the history. It says whether to go on.
func (n *Notifier) take(ctx context.Context, st *Settings, rows []event.Row, lost uint64) bool {
	last := rows[len(rows)-1].Seq
	interesting := slices.ContainsFunc(rows, func(r event.Row) bool { return n.policy.wants(&r) })
	if !interesting && lost == 0 && last-n.saved < lag {
		n.cursor = last // a few may be looked at again after a restart
		return true
	}
	all := n.alerts.clone()
	var items []Item
	for i := range rows {
		items = append(items, n.policy.event(&rows[i], all)...)
	}
	return n.commit(ctx, st, all, items, last, lost)
}

// look applies the rules to a reading.
func (n *Notifier) look(ctx context.Context, st *Settings) {
	now := time.Now().UTC()
	r := &Reading{}
	if n.o.Read != nil {
		r = n.o.Read()
	}
	all := n.alerts.clone()
	items := n.policy.look(now, r, all)
	items = append(items, n.policy.remind(now, st.Repeat, items, all)...)
	n.commit(ctx, st, all, items, n.cursor, 0)
}

// commit writes alerts, outbox rows and the place in the history in one transaction, and only then counts them as done.
func (n *Notifier) commit(ctx context.Context, st *Settings, all *alerts, items []Item, cursor, lost uint64) bool {
	now := time.Now().UTC()
	var drop []string
	var dropped map[string]int
	var pass []Item
	if len(items) > 0 || len(all.dirty) > 0 || lost > 0 || cursor-n.saved >= lag || n.stale(now) {
		err := n.o.Store.Update(ctx, func(tx *store.Tx) error {
			mutes, err := validMutes(tx, now)
			if err != nil {
				return err
			}
			pass = n.policy.gate(now, items, st.muting(now, mutes), all)
			drop = tidy(now, all)
			for _, key := range drop {
				if err := alertTable.Delete(tx, key); err != nil {
					return err
				}
			}
			for key := range all.dirty {
				if err := alertTable.Put(tx, key, *all.all[key]); err != nil {
					return err
				}
			}
			if lost > 0 {
				if err := event.Append(tx, gapRow(now, lost)); err != nil {
					return err
				}
			}
			if dropped, err = st.enqueue(tx, now, pass); err != nil {
				return err
			}
			return stateTable.Put(tx, cursorKey, cursor)
		})
		if err != nil {
			n.failed(ctx, "record notifications", err)
			return false
		}
		n.saved = cursor
	}
	if n.broken {
		n.broken = false
		n.log.Info("notifications are recorded again")
	}
	n.cursor = cursor
	clear(all.dirty)
	n.alerts = all
	n.m.gaps.Add(float64(lost))
	for name, k := range dropped {
		n.m.count(name, Dropped, k)
	}
	n.publish()
	if len(pass) > 0 {
		n.ringAll()
	}
	return true
}

// stale says whether an alert in the store is to be forgotten.
func (n *Notifier) stale(now time.Time) bool {
	for _, a := range n.alerts.all {
		if a.State == Resolved && now.Sub(*a.EndedAt) > keepEnded {
			return true
		}
	}
	return false
}

func gapRow(now time.Time, lost uint64) event.Row {
	return event.Row{
		At: now, Type: gapEvent, Level: event.Error, Actor: "system", Title: fmt.Sprintf("%d events were thrown away before notification rules had looked at them", lost),
		Why: "more happened than the history keeps", Data: map[string]string{"lost": fmt.Sprint(lost)},
	}
}

// failed logs a failure when it begins.
func (n *Notifier) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !n.broken {
		n.broken = true
		n.log.Error(what, "err", err)
	}
}

// publish shows the alerts to readers.
func (n *Notifier) publish() {
	list := make([]Alert, 0, len(n.alerts.all)+len(n.policy.pending))
	for _, from := range []map[string]*Alert{n.alerts.all, n.policy.pending} {
		for _, a := range from {
			if a.State != watching {
				c := *a
				c.Times = nil
				list = append(list, c)
			}
		}
	}
	order := map[string]int{Firing: 0, Pending: 1, Resolved: 2}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(order[a.State], order[b.State]), cmp.Compare(slices.Index(severities, b.Severity), slices.Index(severities, a.Severity)),
			b.Since.Compare(a.Since), cmp.Compare(a.key(), b.key()))
	})
	n.shown.Store(&list)
}

// bell is what wakes the worker of a channel.
func (n *Notifier) bell(channel string) chan struct{} {
	n.bellMu.Lock()
	defer n.bellMu.Unlock()
	b := n.bells[channel]
	if b == nil {
		b = make(chan struct{}, 1)
		n.bells[channel] = b
	}
	return b
}

func (n *Notifier) ringAll() {
	n.bellMu.Lock()
	defer n.bellMu.Unlock()
	for _, b := range n.bells {
		select {
		case b <- struct{}{}:
		default:
		}
	}
}

// dropOrphans gives up messages to channels that are no more.
func (n *Notifier) dropOrphans(ctx context.Context, st *Settings) {
	gone := func(d Delivery) bool {
		return !slices.ContainsFunc(st.Channels, func(c ChannelSettings) bool { return c.Name == d.Channel })
	}
	var rows []Delivery
	err := n.o.Store.View(ctx, func(tx *store.Tx) (err error) { rows, err = waitingRows(tx); return err })
	if err != nil || !slices.ContainsFunc(rows, gone) {
		return
	}
	now := time.Now().UTC()
	err = n.o.Store.Update(ctx, func(tx *store.Tx) error {
		for i := range rows {
			if gone(rows[i]) {
				rows[i].LastError = "the configuration has no such channel any more"
				if err := finish(tx, &rows[i], Dropped, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		n.log.Error("drop messages to channels that are no more", "err", err)
	}
}
