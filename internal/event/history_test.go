package event

import (
	"fmt"
	"testing"
	"time"

	"controlcenter/internal/store"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestHistoryIsPagedNewestFirst(t *testing.T) {
	s := open(t)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1200 {
			r := Row{Type: "service.started", Level: Info, Subject: fmt.Sprint("s", i%3)}
			if i%100 == 0 {
				r.Type, r.Level = "job.failed", Error
			}
			if err := Append(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func(q Query) (n int, last uint64) {
		t.Helper()
		err := s.View(t.Context(), func(tx *store.Tx) error {
			for {
				rows, next, err := List(tx, q)
				if err != nil {
					return err
				}
				for _, r := range rows {
					if last != 0 && r.Seq >= last {
						t.Fatalf("row %d after %d: not newest first", r.Seq, last)
					}
					last = r.Seq
				}
				n += len(rows)
				if next == 0 {
					return nil
				}
				q.Before = next
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, last
	}
	for _, c := range []struct {
		name string
		q    Query
		want int
	}{
		{"all", Query{Limit: 7}, 1200},
		{"one subject", Query{Subject: "s1"}, 400},
		{"a family of types", Query{Type: "service"}, 1188},
		{"a level", Query{Level: Error, Limit: 5}, 12},
		{"newer than", Query{After: 1190}, 10},
		{"nothing", Query{Subject: "nobody"}, 0},
		{"up to a time long gone", Query{Until: time.Now().Add(-time.Hour)}, 0},
		{"up to a time to come", Query{Until: time.Now().Add(time.Hour), Level: Error}, 12},
		{"from a time to come", Query{Since: time.Now().Add(time.Hour)}, 0},
	} {
		if got, _ := count(c.q); got != c.want {
			t.Errorf("%s: got %d rows, want %d", c.name, got, c.want)
		}
	}
	for deleted := -1; deleted != 0; {
		if err := s.Update(t.Context(), func(tx *store.Tx) (err error) { deleted, err = Prune(tx, 50); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if n, oldest := count(Query{}); n != 50 || oldest != 1151 {
		t.Errorf("after pruning: %d rows, oldest %d, want 50 and 1151", n, oldest)
	}
}
