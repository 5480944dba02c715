package store

import (
	"errors"
	"log/slog"
	"testing"
)

func TestRiderGoesWithTheFirstChangeAndOnlyOnce(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	things, rows := NewTable[string]("things"), NewTable[string]("rows")
	count := func() (n int) {
		err := s.View(t.Context(), func(tx *Tx) error {
			list, err := rows.List(tx, "", "", 0)
			n = len(list)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ran := 0
	r := NewRider(func(tx *Tx) error {
		ran++
		id, err := rows.NextID(tx)
		if err != nil {
			return err
		}
		return rows.Put(tx, string(rune('a'+id)), "row")
	})
	ctx := WithRider(t.Context(), r)
	if err := s.Update(ctx, func(*Tx) error { return nil }); err != nil || ran != 0 || r.Rode() {
		t.Errorf("a transaction without a change took it: %v, ran %d", err, ran)
	}
	broken := errors.New("broken")
	if err := s.Update(ctx, func(tx *Tx) error { return errors.Join(things.Put(tx, "k", "v"), broken) }); !errors.Is(err, broken) || ran != 0 || r.Rode() {
		t.Errorf("a transaction that failed took it: %v, ran %d", err, ran)
	}
	for range 3 {
		if err := s.Update(ctx, func(tx *Tx) error { return things.Put(tx, "k", "v") }); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 1 || ran != 1 || !r.Rode() {
		t.Errorf("%d rows, ran %d", n, ran)
	}
	// A rider that cannot write takes the change with it: no change without its record.
	bad := WithRider(t.Context(), NewRider(func(*Tx) error { return broken }))
	if err := s.Update(bad, func(tx *Tx) error { return things.Put(tx, "other", "v") }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	err = s.View(t.Context(), func(tx *Tx) error { _, err := things.Get(tx, "other"); return err })
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("the change is there without its record: %v", err)
	}
	closed := NewRider(func(*Tx) error { ran++; return nil })
	if closed.Close() {
		t.Error("it says it rode")
	}
	if err := s.Update(WithRider(t.Context(), closed), func(tx *Tx) error { return things.Put(tx, "k", "w") }); err != nil || ran != 1 {
		t.Errorf("a closed rider rode: %v", err)
	}
}
