package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestEveryAcknowledgedWriteSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	next := 1
	rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	for round := range 20 {
		c := startChild(t, "write", dir, fmt.Sprintf("STORE_TEST_FROM=%d", next))
		acked := next - 1
		stopAfter := acked + 1 + rng.IntN(40)
		for c.out.Scan() {
			n, err := strconv.Atoi(c.out.Text())
			if err != nil {
				t.Fatalf("child: %s", c.out.Text())
			}
			if acked = n; acked == stopAfter {
				// The child is somewhere in the next transactions now.
				_ = c.cmd.Process.Kill()
			}
		}
		if err := c.cmd.Wait(); err == nil {
			t.Fatal("child ended by itself")
		}
		checkFile(t, dir+"/"+fileName)
		s, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if info := s.Info(); info.RestoredFrom != "" || len(info.Quarantined) > 0 {
			t.Errorf("round %d: a kill was taken for damage: %+v", round, info)
		}
		err = s.View(t.Context(), func(tx *Tx) error {
			last, err := latest.Get(tx, "latest")
			if err != nil {
				return err
			}
			if last < acked {
				t.Errorf("round %d: %d was acknowledged, %d is the last on disk", round, acked, last)
			}
			for i := 1; i <= last; i++ {
				v, err := items.Get(tx, fmt.Sprintf("%09d", i))
				deleted := i%3 == 0 && i+3 <= last
				if deleted && !errors.Is(err, ErrNotFound) || !deleted && (err != nil || v.N != i) {
					t.Errorf("round %d, last %d: record %d = %v, %v", round, last, i, v, err)
				}
			}
			if _, err := items.Get(tx, fmt.Sprintf("%09d", last+1)); !errors.Is(err, ErrNotFound) {
				t.Errorf("round %d: half of transaction %d is on disk", round, last+1)
			}
			next = last + 1
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		runs, err := s.LastRuns(t.Context(), 0)
		if err != nil || len(runs) != round+1 {
			t.Errorf("round %d: %d runs, %v", round, len(runs), err)
		}
		for i, r := range runs {
			if r.Clean || r.EndedAt != nil || (i > 0) != (r.Reason == reasonLost) {
				t.Errorf("round %d: run %d of %d: %+v", round, i, len(runs), r)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
