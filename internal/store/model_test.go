package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestStoreBehavesLikeAMap does random things to a store and to a map, and compares them all the way: transactions that fail,
// reopening, backups and restores included.
func TestStoreBehavesLikeAMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir, BackupKeep: 2})
	model := map[string]item{}
	type saved struct {
		backup []byte
		model  map[string]item
	}
	var kept []saved
	key := func() string { return fmt.Sprintf("%c/%03d", 'a'+rng.IntN(3), rng.IntN(120)) }
	value := func() item { return item{strings.Repeat("v", rng.IntN(1+rng.IntN(6000))), rng.IntN(1000)} }

	steps := 600
	if testing.Short() {
		steps = 150
	}
	for step := range steps {
		switch op := rng.IntN(100); {
		case op < 70: // a transaction of a few changes; one in four fails and must leave nothing
			next := maps.Clone(model)
			fail := rng.IntN(4) == 0
			boom := errors.New("boom")
			err := s.Update(t.Context(), func(tx *Tx) error {
				for range 1 + rng.IntN(20) {
					k := key()
					if rng.IntN(3) == 0 {
						delete(next, k)
						if err := items.Delete(tx, k); err != nil {
							return err
						}
					} else {
						v := value()
						next[k] = v
						if err := items.Put(tx, k, v); err != nil {
							return err
						}
					}
					if got, err := items.Get(tx, k); err != nil && !errors.Is(err, ErrNotFound) || got != next[k] {
						t.Errorf("step %d: own change not seen: %v, %v", step, got, err)
					}
				}
				if fail {
					return boom
				}
				return nil
			})
			if fail != errors.Is(err, boom) || !fail && err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			if !fail {
				model = next
			}
		case op < 85: // a page of a listing, either way
			prefix, edge, limit := string(rune('a'+rng.IntN(3)))+"/", key(), rng.IntN(10)
			var want []string
			back := rng.IntN(2) == 0
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if strings.HasPrefix(k, prefix) && (!back && k > edge || back && k < edge) {
					want = append(want, k)
				}
			}
			if back {
				slices.Reverse(want)
			}
			if limit > 0 && len(want) > limit {
				want = want[:limit]
			}
			var got []string
			err := s.View(t.Context(), func(tx *Tx) error {
				list := items.List
				if back {
					list = items.Last
				}
				rows, err := list(tx, prefix, edge, limit)
				for _, r := range rows {
					got = append(got, r.Key)
					if r.Value != model[r.Key] {
						t.Errorf("step %d: %s has another value", step, r.Key)
					}
				}
				return err
			})
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("step %d: list %s from %s (back %v): %v, %v; want %v", step, prefix, edge, back, got, err, want)
			}
		case op < 92:
			kept = append(kept, saved{backupOf(t, s), maps.Clone(model)})
		case op < 96 && len(kept) > 0:
			from := kept[rng.IntN(len(kept))]
			if err := s.Restore(t.Context(), bytes.NewReader(from.backup)); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			model = maps.Clone(from.model)
		default:
			if err := s.Close(); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			checkFile(t, s.path)
			s = openTest(t, Options{Dir: dir, BackupKeep: 2})
		}
		if step%50 == 49 {
			compare(t, s, model, step)
		}
	}
	compare(t, s, model, steps)
}

func compare(t *testing.T, s *Store, model map[string]item, step int) {
	t.Helper()
	got := map[string]item{}
	err := s.View(t.Context(), func(tx *Tx) error {
		rows, err := items.List(tx, "", "", 0)
		for _, r := range rows {
			got[r.Key] = r.Value
		}
		return err
	})
	if err != nil || !maps.Equal(got, model) {
		t.Fatalf("step %d: %d records, %v; the model has %d", step, len(got), err, len(model))
	}
}
