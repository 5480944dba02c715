package store

import (
	"maps"
	"slices"
	"sync"
)

// Watch tells its owner that tables changed. It is lossy on purpose: many changes wake it once, and it says which tables, not
// what; the owner then reads what it needs. So a slow owner costs nothing and a publisher never waits.
type Watch struct {
	// C holds at most one wake-up. It is never closed.
	C <-chan struct{}

	store  *Store
	wake   chan struct{}
	tables []string

	mu      sync.Mutex
	changed map[string]struct{}
}

// Watch begins to watch tables, all of them when none is named. A wake-up is sent after the change is on disk, so reading
// after it sees the change; a restore changes every table. To miss nothing, begin to watch before the first read.
func (s *Store) Watch(tables ...string) *Watch {
	w := &Watch{store: s, wake: make(chan struct{}, 1), tables: tables, changed: map[string]struct{}{}}
	w.C = w.wake
	s.mu.Lock()
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	return w
}

// AllTables is what Changed tells a watch of all tables after a restore.
const AllTables = "*"

// Changed returns the names of the tables that changed since the last call, sorted; empty after a wake-up that was already
// answered.
func (w *Watch) Changed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := slices.Sorted(maps.Keys(w.changed))
	clear(w.changed)
	return names
}

// Close ends the watch.
func (w *Watch) Close() {
	w.store.mu.Lock()
	delete(w.store.watches, w)
	w.store.mu.Unlock()
}

func (s *Store) notify(touched map[string]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		w.tell(touched)
	}
}

// notifyAll tells every watch that all it watches changed: the file was exchanged.
func (s *Store) notifyAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		all := map[string]struct{}{AllTables: {}}
		for _, name := range w.tables {
			all[name] = struct{}{}
		}
		w.tell(all)
	}
}

func (w *Watch) tell(touched map[string]struct{}) {
	w.mu.Lock()
	hit := false
	for name := range touched {
		if len(w.tables) == 0 || slices.Contains(w.tables, name) {
			w.changed[name] = struct{}{}
			hit = true
		}
	}
	w.mu.Unlock()
	if !hit {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
