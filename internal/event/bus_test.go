package event

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

type note struct{ n int }

func (note) Topic() string { return "note" }

type other struct{}

func (other) Topic() string { return "other" }

func TestSubscriberSeesItsTopicsInOrder(t *testing.T) {
	var b Bus
	all, notes := b.Subscribe(8), b.Subscribe(8, "note")
	b.Publish(note{1})
	b.Publish(other{})
	b.Publish(note{2})
	b.Close()
	read := func(s *Subscription) (got string) {
		for e := range s.Events() {
			got += fmt.Sprintf("%d:%s ", e.Seq, e.Data.Topic())
		}
		return got
	}
	if got, want := read(all), "1:note 2:other 3:note "; got != want {
		t.Errorf("all topics: got %q, want %q", got, want)
	}
	if got, want := read(notes), "1:note 3:note "; got != want {
		t.Errorf("one topic: got %q, want %q", got, want)
	}
	if err := all.Err(); !errors.Is(err, ErrClosed) {
		t.Errorf("after close of the bus: got %v, want %v", err, ErrClosed)
	}
	if _, err := b.Subscribe(1).Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("subscription to a closed bus: got %v, want %v", err, ErrClosed)
	}
}

func TestSlowSubscriberIsCutAndHoldsUpNobody(t *testing.T) {
	var b Bus
	slow, fast := b.Subscribe(2), b.Subscribe(100)
	for i := range 50 {
		b.Publish(note{i})
	}
	for want := range 2 {
		e, err := slow.Next(t.Context())
		if err != nil || e.Data != (note{want}) {
			t.Fatalf("queued event: got %v, %v, want %d", e, err, want)
		}
	}
	if _, err := slow.Next(t.Context()); !errors.Is(err, ErrLagged) {
		t.Errorf("got %v, want %v", err, ErrLagged)
	}
	slow.Close() // must not close twice
	if got := len(fast.Events()); got != 50 {
		t.Errorf("fast subscriber has %d events, want 50", got)
	}
	if b.Lagged() != 1 || b.Subscribers() != 1 {
		t.Errorf("lagged %d, subscribers %d, want 1 and 1", b.Lagged(), b.Subscribers())
	}
}

// Readers that take a snapshot at any moment must end with the last value.
func TestNothingFallsBetweenSnapshotAndSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const last = 2000
		var b Bus
		var mu sync.Mutex
		value := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 1; i <= last; i++ {
				mu.Lock()
				value = i
				mu.Unlock()
				b.Publish(note{i})
			}
		})
		for range 20 {
			wg.Go(func() {
				have, s := Snapshot(&b, func() int { mu.Lock(); defer mu.Unlock(); return value }, last)
				defer s.Close()
				for have < last {
					e, err := s.Next(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					if n := e.Data.(note).n; n > have+1 {
						t.Errorf("jumped from %d to %d", have, n)
						return
					} else if n > have {
						have = n
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	var b Bus
	s := b.Subscribe(1)
	why := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := s.Next(ctx); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func BenchmarkPublishTo100(b *testing.B) {
	var bus Bus
	var wg sync.WaitGroup
	for range 100 {
		s := bus.Subscribe(1024)
		wg.Go(func() {
			for range s.Events() {
			}
		})
	}
	for b.Loop() {
		bus.Publish(note{1})
	}
	bus.Close()
	wg.Wait()
}
