package event

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrLagged ends a subscription whose reader was slower than its buffer: start again from a snapshot.
	ErrLagged = errors.New("subscriber lagged behind")
	// ErrClosed ends the subscriptions of a bus, or one, that was closed.
	ErrClosed = errors.New("subscription closed")
)

// Data is what an event says. Each kind of event is a type of its own, immutable once published.
type Data interface {
	// Topic names the kind, "service.state"; it is the same for all values of a type.
	Topic() string
}

// Event is a published Data. Seq counts the events of a bus from 1 without a gap, so a reader that chose some topics sees
// rising numbers, and one that chose all sees each.
type Event struct {
	Seq  uint64
	At   time.Time // UTC
	Data Data
}

// Bus hands events to subscriptions in the order of Publish. The zero Bus is ready to use.
type Bus struct {
	lagged atomic.Uint64

	mu     sync.Mutex
	seq    uint64
	closed bool
	subs   map[*Subscription]struct{}
}

// Subscription is one reader's queue. Read it by [Subscription.Next], or by [Subscription.Events] and then [Subscription.Err].
type Subscription struct {
	bus    *Bus
	topics []string // none = all
	events chan Event
	err    error // set under the bus's mutex before events is closed
}

// Publish gives d to every subscription that wants it and returns its sequence number. It never blocks. Change what readers
// look at before publishing that it changed: see [Snapshot].
func (b *Bus) Publish(d Data) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.seq
	}
	b.seq++
	e := Event{Seq: b.seq, At: time.Now().UTC(), Data: d}
	topic := d.Topic()
	for s := range b.subs {
		if len(s.topics) > 0 && !slices.Contains(s.topics, topic) {
			continue
		}
		select {
		case s.events <- e:
		default:
			b.lagged.Add(1)
			s.endLocked(ErrLagged)
		}
	}
	return b.seq
}

// Subscribe begins a queue of at most buffer events (at least 1) of the topics given, all when none is. The caller ends it
// with [Subscription.Close].
func (b *Bus) Subscribe(buffer int, topics ...string) *Subscription {
	s := &Subscription{bus: b, topics: topics, events: make(chan Event, max(buffer, 1))}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[*Subscription]struct{}{}
	}
	b.subs[s] = struct{}{}
	if b.closed {
		s.endLocked(ErrClosed)
	}
	return s
}

// Snapshot subscribes and then reads the present state, in one step: a change is in the state read, or comes as an event, or
// both, but never falls between. That holds because publishers change the state first. Events that tell a whole new value
// (all of ours do) may so be applied to the snapshot in any case.
func Snapshot[S any](b *Bus, read func() S, buffer int, topics ...string) (S, *Subscription) {
	s := b.Subscribe(buffer, topics...)
	return read(), s
}

// Events returns the queue. It is closed when the subscription ends; Err then says why.
func (s *Subscription) Events() <-chan Event { return s.events }

// Err says why the subscription ended: ErrLagged or ErrClosed; nil while it goes on.
func (s *Subscription) Err() error {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	return s.err
}

// Next waits for the next event. Events that were in the queue of a subscription that ended are still delivered, in order;
// then comes ErrLagged or ErrClosed. It returns ctx's cause when ctx ends first.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			return Event{}, s.Err()
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, context.Cause(ctx)
	}
}

// Close ends the subscription; a second call does nothing.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.endLocked(ErrClosed)
}

func (s *Subscription) endLocked(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	close(s.events)
	delete(s.bus.subs, s)
}

// Close ends all subscriptions with ErrClosed. Later events are dropped.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subs {
		s.endLocked(ErrClosed)
	}
}

// Lagged returns how many subscriptions ended because their reader was too slow (the counter events_lagged_total).
func (b *Bus) Lagged() uint64 { return b.lagged.Load() }

// Subscribers returns how many subscriptions there are.
func (b *Bus) Subscribers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs)
}
