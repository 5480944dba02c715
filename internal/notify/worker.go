package notify

import (
	"context"
	"errors"
	"time"

	"controlcenter/internal/store"
)

const (
	idle       = time.Hour       // between two looks at an outbox that nobody rang for
	storePause = 2 * time.Second // after a write that failed
)

// worker sends the messages of one channel, one after another.
type worker struct {
	n    *Notifier
	st   *Settings
	c    *ChannelSettings
	ch   channel
	bell chan struct{}
}

func newWorker(n *Notifier, st *Settings, c *ChannelSettings) *worker {
	w := &worker{n: n, st: st, c: c, bell: n.bell(c.Name)}
	w.ch, _ = openChannel(c) // Check has opened it before
	return w
}

// run sends until ctx ends.
func (w *worker) run(ctx context.Context) {
	if w.ch == nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.bell:
		case <-timer.C:
		}
		wait := w.work(ctx)
		timer.Reset(wait)
	}
}

// work sends all that is due and returns how long nothing is.
func (w *worker) work(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		d, wait, err := w.next(ctx)
		if err != nil || d == nil {
			return wait
		}
		if !w.deliver(ctx, d) {
			return storePause
		}
	}
	return idle
}

// next claims the oldest message that is due: from then on no item joins it. nil = none is, for as long as it says.
func (w *worker) next(ctx context.Context) (*Delivery, time.Duration, error) {
	var rows []Delivery
	if err := w.n.o.Store.View(ctx, func(tx *store.Tx) (err error) { rows, err = waitingRows(tx); return err }); err != nil {
		return nil, storePause, err
	}
	now := time.Now()
	wait := idle
	for i := range rows {
		d := &rows[i]
		if d.Channel != w.c.Name {
			continue
		}
		if left := d.NotBefore.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		var claimed Delivery
		err := w.n.o.Store.Update(ctx, func(tx *store.Tx) (err error) {
			if claimed, err = waiting.Get(tx, rowKey(d.ID)); err != nil {
				return err
			}
			claimed.Sending = true
			claimed.Attempts++
			return waiting.Put(tx, rowKey(d.ID), claimed)
		})
		if errors.Is(err, store.ErrNotFound) { // dropped meanwhile
			continue
		}
		if err != nil {
			return nil, storePause, err
		}
		return &claimed, 0, nil
	}
	return nil, wait, nil
}

// deliver makes one attempt and records how it went. It says whether the store took that.
func (w *worker) deliver(ctx context.Context, d *Delivery) bool {
	sent := attempt(ctx, w.ch, w.c, messageOf(d, w.st.Host))
	now := time.Now().UTC()
	result := Delivered
	switch {
	case sent == nil:
	case ctx.Err() != nil: // the process or the settings end: it was no failure of the channel
		result = ""
	case now.Sub(d.Time) >= w.st.GiveUp:
		result = Failed
	default:
		result = retried
	}
	record := func(tx *store.Tx) error {
		switch result {
		case Delivered, Failed:
			d.LastError = errorText(sent, "")
			return finish(tx, d, result, now)
		case "":
			d.Attempts--
		default:
			wait := w.st.retryAfter(d.Attempts)
			if e, ok := errors.AsType[*sendError](sent); ok {
				wait = max(wait, e.after)
			}
			d.LastError, d.NotBefore = errorText(sent, d.LastError), now.Add(wait)
		}
		d.Sending = false
		return waiting.Put(tx, rowKey(d.ID), *d)
	}
	// What was sent must be noted even when the process is asked to stop at this moment: else it is sent again.
	lasting := context.WithoutCancel(ctx)
	for first := true; ; first = false {
		err := w.n.o.Store.Update(lasting, record)
		if err == nil {
			break
		}
		if first {
			w.n.log.Error("record the delivery of a notification", "channel", w.c.Name, "delivery", d.ID, "err", err)
		}
		select {
		case <-ctx.Done():
			return false // it will be sent again
		case <-time.After(storePause):
		}
	}
	if result != "" {
		w.n.m.count(w.c.Name, result, 1)
	}
	w.logResult(d, result, sent)
	return true
}

func (w *worker) logResult(d *Delivery, result string, sent error) {
	switch {
	case result == Failed:
		w.n.log.Error("a notification was given up", "channel", w.c.Name, "delivery", d.ID, "attempts", d.Attempts, "err", sent)
	case result == retried && d.Attempts == 1:
		w.n.log.Warn("a notification could not be delivered and is tried again", "channel", w.c.Name, "delivery", d.ID, "err", sent)
	case result == Delivered && d.Attempts > 1:
		w.n.log.Info("a notification was delivered at last", "channel", w.c.Name, "delivery", d.ID, "attempts", d.Attempts)
	}
}

func errorText(err error, other string) string {
	if err == nil {
		return other
	}
	return err.Error()
}
