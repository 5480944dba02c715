package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// Tx is one transaction. It is valid inside the function it was given to, in that goroutine.
type Tx struct {
	store   *Store
	bolt    *bbolt.Tx
	touched map[string]struct{}
}

// Writable says whether the transaction may change anything.
func (t *Tx) Writable() bool { return t.bolt.Writable() }

// View runs fn on one consistent state. It never waits for an update, only (for milliseconds) for a restore. fn should be
// short: pages freed meanwhile cannot be reused until it returns. It returns fn's error, or one that is ErrUnavailable.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	if err := s.gate.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer s.gate.Release(1)
	b, err := s.begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = b.Rollback() }()
	s.m.transactions.WithLabelValues("view").Inc()
	return fn(&Tx{store: s, bolt: b})
}

// Update runs fn in a transaction that is on disk when Update returns nil, and has changed nothing otherwise. Updates run one
// at a time; waiting for the turn ends with ctx. Errors: fn's own, ctx's, or one that is ErrUnavailable (disk full, broken,
// read-only); that one also means that no reader will see the change.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := s.healIfSuspect(ctx); err != nil {
		return err
	}
	if err := s.gate.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer s.gate.Release(1)
	tx, err := s.update(ctx, fn)
	if err == nil {
		s.notify(tx.touched)
	}
	return err
}

// update is one write transaction. The caller is the writer and holds the gate.
func (s *Store) update(ctx context.Context, fn func(*Tx) error) (*Tx, error) {
	b, err := s.begin(true)
	if err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done { // fn failed or panicked
			_ = guard("roll back", b.Rollback)
		}
	}()
	tx := &Tx{store: s, bolt: b, touched: map[string]struct{}{}}
	if err := fn(tx); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(tx.touched) == 0 {
		return tx, nil
	}
	rider := RiderOf(ctx)
	if err := rider.With(tx); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := guard("commit", b.Commit); err != nil {
		return nil, s.writeFailed(err)
	}
	done = true
	s.m.commitSeconds.Observe(time.Since(start).Seconds())
	s.m.transactions.WithLabelValues("update").Inc()
	s.writeWorked()
	rider.Landed()
	return tx, nil
}

func (s *Store) begin(write bool) (*bbolt.Tx, error) {
	db := s.db.Load()
	if db == nil {
		if s.closed.Load() {
			return nil, ErrClosed
		}
		return nil, unavailable("open "+s.path, errNotOpen)
	}
	var b *bbolt.Tx
	err := guard("begin", func() (err error) {
		b, err = db.Begin(write)
		return err
	})
	if err != nil {
		s.suspect.Store(true)
		return nil, unavailable("begin transaction", err)
	}
	return b, nil
}

// guard runs bbolt code on pages that may be damaged: its assertions panic, and a page that the disk cannot read or that lies
// behind the file's end faults. Both become errors. Nothing of our callers runs inside.
func guard(op string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %w: %v", op, ErrDamaged, p)
		}
	}()
	return fn()
}

// guard is the function guard for the operations of a transaction: damage found makes the store check the file before the
// next update.
func (t *Tx) guard(op string, fn func() error) error {
	var inner error
	if err := guard(op, func() error { inner = fn(); return nil }); err != nil {
		t.store.suspect.Store(true)
		return unavailable(op, err)
	}
	return inner
}
