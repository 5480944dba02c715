package kb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"controlcenter/internal/store"
)

// deleteLost removes what is gone, or holds that back.
func (s *scan) deleteLost(ctx context.Context, job *Job, unmounted bool) error {
	s.lost = slices.DeleteFunc(s.lost, func(r *row) bool { return s.adopted[r] })
	whole := s.j.hint == nil && s.w.wanted == nil
	wait := len(s.w.unlisted) == 0 && s.wait(job)
	if len(s.lost) == 0 {
		return s.b.setHeld(ctx, s.root.ID, nil, whole)
	}
	known := 0
	s.b.cat.all(s.root.ID, func(*row) { known++ })
	why := ""
	switch {
	case len(s.w.unlisted) > 0:
		s.j.note("root %s: %d files are missing, but %d folders could not be listed: nothing is deleted", s.root.ID, len(s.lost), len(s.w.unlisted))
		return nil
	case wait:
		s.j.note("root %s: %d files are gone; they are looked for once more before they are deleted", s.root.ID, len(s.lost))
		return s.deleteReplaced(ctx)
	case job.Confirm:
	case unmounted:
		why = "the folder is empty and is not the one it was: its file system may not be mounted"
	case len(s.lost) > heldFiles && len(s.lost)*2 > known:
		why = "more than half of all files vanished at once"
	}
	if why != "" {
		held := &Held{At: time.Now().UTC(), Root: s.root.ID, Count: len(s.lost), Of: known, Why: why}
		for _, r := range s.lost[:min(10, len(s.lost))] {
			held.Sample = append(held.Sample, r.path())
		}
		s.j.update(func(c *Job) { c.Held = held })
		s.j.note("root %s: deletion of %d of %d files is held: %s", s.root.ID, held.Count, held.Of, why)
		if err := s.deleteReplaced(ctx); err != nil {
			return err
		}
		return s.b.setHeld(ctx, s.root.ID, held, true)
	}
	for _, r := range s.lost {
		if err := s.remove(ctx, r); err != nil {
			return err
		}
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return s.b.setHeld(ctx, s.root.ID, nil, whole || job.Confirm)
}

// deleteReplaced removes those of the missing files whose id another file has by now: two records must not have the same.
func (s *scan) deleteReplaced(ctx context.Context) error {
	for _, r := range s.lost {
		if now := s.b.cat.byID(r.id()); now == nil || now.key == r.key {
			continue
		}
		if err := s.remove(ctx, r); err != nil {
			return err
		}
	}
	return s.flush(ctx)
}

// rootDone writes what a complete scan of a root leaves: when it ended, which folder it was, and its agents.
func (b *Base) rootDone(ctx context.Context, s *scan) error {
	info, err := s.dir.Stat(".")
	if err != nil {
		return fmt.Errorf("read root %s: %w", s.root.ID, err)
	}
	device, inode := identityOf(info)
	b.setAgents(s)
	return b.changeState(ctx, func(st *baseState) {
		rs := st.Roots[s.root.ID]
		if rs.Held == nil {
			rs.Device, rs.Inode = device, inode
		}
		rs.LastScan = time.Now().UTC()
		st.Roots[s.root.ID] = rs
	})
}

// allDone ends what only a complete scan of all roots can end: doubts about documents that a crash left, and a rebuild.
// It knows of reviews up to the number given, and of the intents given.
func (b *Base) allDone(ctx context.Context, reviewed uint64, intents []string) error {
	b.mu.Lock()
	var orphans []string
	for id, n := range b.dirty {
		if n <= reviewed {
			orphans = append(orphans, id)
		}
	}
	rebuilding := b.state.RebuildBelow
	b.mu.Unlock()
	settled := slices.Clone(orphans)
	orphans = slices.DeleteFunc(orphans, func(id string) bool { return b.cat.byID(id) != nil })
	if len(intents) == 0 && rebuilding == 0 {
		return nil
	}
	if len(orphans) > 0 { // in the index without a record
		gen := b.currentState().Generation + 1
		if err := b.o.Index.Apply(ctx, gen, nil, orphans); err != nil {
			return fmt.Errorf("remove %d documents from the index: %w", len(orphans), err)
		}
		b.mu.Lock()
		b.state.Generation = gen
		b.mu.Unlock()
	}
	err := b.changeState(ctx, func(st *baseState) { st.RebuildBelow = 0 }, func(tx *store.Tx) error {
		for _, key := range intents {
			if err := intentTable.Delete(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.intents = slices.DeleteFunc(b.intents, func(k string) bool { return slices.Contains(intents, k) })
	for _, id := range settled {
		if b.dirty[id] <= reviewed {
			delete(b.dirty, id)
		}
	}
	return nil
}

func isDirty(dirty map[string]uint64, r *row) bool {
	_, ok := dirty[r.id()]
	return ok
}

// changeState changes the state row; only the scanning goroutine does.
func (b *Base) changeState(ctx context.Context, change func(*baseState), more ...func(*store.Tx) error) error {
	st := b.currentState()
	st.Roots = maps.Clone(st.Roots)
	change(&st)
	err := b.o.Store.Update(ctx, func(tx *store.Tx) error {
		for _, fn := range more {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return stateTable.Put(tx, stateKey, st)
	})
	if err != nil {
		return fmt.Errorf("write the state of the knowledge base: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = st
	return nil
}

// setHeld remembers or forgets deletions that wait.
func (b *Base) setHeld(ctx context.Context, root string, h *Held, wholeRoot bool) error {
	was := b.currentState().Roots[root].Held
	if was == nil && h == nil || h == nil && !wholeRoot {
		return nil
	}
	if was != nil && h != nil && was.Count == h.Count {
		return nil
	}
	var event func(*store.Tx) error
	if h != nil {
		event = heldEvent(root, h)
	} else {
		event = func(*store.Tx) error { return nil }
	}
	return b.changeState(ctx, func(st *baseState) {
		rs := st.Roots[root]
		rs.Held = h
		st.Roots[root] = rs
	}, event)
}
