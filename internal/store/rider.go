package store

import (
	"context"
	"sync/atomic"
)

// Rider is a record that goes with a change: whoever answers for a request puts one into its context, and the first transaction
// made with that context that changes anything also runs it. So the record is on disk exactly when the change is, and the
// packages that change things need not know of it. One value rides once; it may be asked from any goroutine.
type Rider struct {
	write func(*Tx) error
	rode  atomic.Bool
}

// NewRider returns a rider that writes by fn. fn may run more than once when a transaction fails; only one commit counts.
func NewRider(fn func(*Tx) error) *Rider { return &Rider{write: fn} }

// Rode says whether the record is on disk.
func (r *Rider) Rode() bool { return r != nil && r.rode.Load() }

type riderKey struct{}

// WithRider returns a context whose first change takes r along.
func WithRider(ctx context.Context, r *Rider) context.Context {
	return context.WithValue(ctx, riderKey{}, r)
}

// RiderOf returns the rider of a context, nil when there is none. A part that writes in another goroutine than its caller's
// hands it over, see [Rider.With].
func RiderOf(ctx context.Context) *Rider {
	r, _ := ctx.Value(riderKey{}).(*Rider)
	return r
}

// With writes the record in tx, if it is not on disk yet. Whoever calls it calls [Rider.Landed] after the commit.
func (r *Rider) With(tx *Tx) error {
	if r == nil || r.rode.Load() {
		return nil
	}
	return r.write(tx)
}

// Landed notes that a transaction which ran With is on disk.
func (r *Rider) Landed() {
	if r != nil {
		r.rode.Store(true)
	}
}

// Close lets the rider ride no more and says whether it had: the request has been answered, and what it left running in the
// background must not take the record along much later.
func (r *Rider) Close() bool { return r.rode.Swap(true) }
