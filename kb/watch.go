package kb

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// hint is folders of one root in which something changed; none = the system lost count, look everywhere.
type hint struct {
	root string
	dirs []string
}

const (
	// settle is how long changes are collected before they are looked at: an editor's write and rename are one change.
	settle = 150 * time.Millisecond
	// maxHint is how many folders are looked at one by one; a rescan of everything costs less then.
	maxHint = 500
)

// watcher asks the system to tell of changes. That is a hint: it loses events under load and knows no network file systems, so
// the rescan is what is relied on.
type watcher struct {
	b  *Base
	fs *fsnotify.Watcher

	mu      sync.Mutex
	watched map[string]bool // root "\x00" folder
	full    bool            // the system takes no more
}

func newWatcher(b *Base) (*watcher, error) {
	fs, err := fsnotify.NewBufferedWatcher(4096)
	if err != nil {
		return nil, fmt.Errorf("watch folders: %w", err)
	}
	return &watcher{b: b, fs: fs, watched: map[string]bool{}}, nil
}

// watch begins to watch folders that a scan listed; those that are watched already cost nothing. What changed between listing and
// watching told nobody, so new folders are looked at once more.
func (b *Base) watch(root Root, dirs []string, hinted bool) {
	b.mu.Lock()
	w := b.watcher
	b.mu.Unlock()
	if w == nil {
		return
	}
	var fresh []string
	defer func() {
		if len(fresh) == 0 {
			return
		}
		again := hint{root: root.ID, dirs: fresh}
		if !hinted || len(fresh) > maxHint {
			again = hint{}
		}
		b.mu.Lock()
		b.hints = append(b.hints, again)
		b.mu.Unlock()
		b.rouse()
	}()
	for _, dir := range dirs {
		key := root.ID + "\x00" + dir
		w.mu.Lock()
		skip := w.watched[key] || w.full
		w.watched[key] = true
		w.mu.Unlock()
		if skip {
			continue
		}
		if err := w.fs.Add(filepath.Join(root.Path, filepath.FromSlash(dir))); err != nil {
			w.mu.Lock()
			delete(w.watched, key)
			first := !w.full
			w.full = !errors.Is(err, fsnotify.ErrClosed)
			w.mu.Unlock()
			if first {
				b.log.Warn("not every folder can be watched; changes there are found by rescans", "folder", dir, "err", err)
			}
			return
		}
		fresh = append(fresh, dir)
	}
}

// watched says which folders of a root need not be entered by a look at the folder above.
func (b *Base) watched(root string) func(dir string) bool {
	b.mu.Lock()
	w := b.watcher
	b.mu.Unlock()
	return func(dir string) bool {
		if w == nil {
			return false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.watched[root+"\x00"+dir]
	}
}

// run collects events into hints until ctx ends.
func (w *watcher) run(ctx context.Context, hints chan<- hint) {
	defer func() { _ = w.fs.Close() }()
	pending := map[string]map[string]bool{} // root to folders
	lost := false
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	armed := false
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if w.noteEvent(ev, pending) && !armed {
				timer.Reset(settle)
				armed = true
			}
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			w.b.log.Debug("watching folders", "err", err)
			if lost = true; !armed {
				timer.Reset(settle)
				armed = true
			}
		case <-timer.C:
			armed = false
			for _, h := range collect(pending, lost) {
				select {
				case hints <- h:
				case <-ctx.Done():
					return
				}
			}
			clear(pending)
			lost = false
		}
	}
}

func collect(pending map[string]map[string]bool, lost bool) []hint {
	if lost {
		return []hint{{}}
	}
	var out []hint
	for root, dirs := range pending {
		if len(dirs) > maxHint {
			return []hint{{}}
		}
		h := hint{root: root}
		for d := range dirs {
			h.dirs = append(h.dirs, d)
		}
		out = append(out, h)
	}
	return out
}

// noteEvent adds the folder that an event is about, and says whether it is about anything of ours.
func (w *watcher) noteEvent(ev fsnotify.Event, pending map[string]map[string]bool) bool {
	if ev.Op == fsnotify.Chmod {
		return false
	}
	name := filepath.ToSlash(ev.Name)
	for _, root := range w.b.o.Roots {
		rel, ok := relativeTo(filepath.ToSlash(root.Path), name)
		if !ok {
			continue
		}
		if base := path.Base(rel); alwaysSkipped(base) && base != ignoreFile {
			return false
		}
		dir := path.Dir(rel)
		if dir == "." {
			dir = ""
		}
		w.mu.Lock()
		removed := ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename)
		if folder := root.ID + "\x00" + rel; removed && w.watched[folder] { // a folder of this name that comes back is a new one
			for key := range w.watched {
				if key == folder || strings.HasPrefix(key, folder+"/") {
					delete(w.watched, key)
				}
			}
			w.mu.Unlock()
			add(pending, root.ID, rel)
		} else {
			w.mu.Unlock()
		}
		add(pending, root.ID, dir)
		return true
	}
	return false
}

func add(pending map[string]map[string]bool, root, dir string) {
	if pending[root] == nil {
		pending[root] = map[string]bool{}
	}
	pending[root][dir] = true
}

// hinted looks at the folders of a hint, in the scanning goroutine. Such a look is no job of the history.
func (b *Base) hinted(ctx context.Context, h hint) {
	if len(h.dirs) == 0 {
		if _, _, err := b.Scan(ctx, ScanRequest{Trigger: "watch"}); err != nil {
			b.log.Error("queue a scan", "err", err)
		}
		return
	}
	root, ok := b.rootOf(h.root)
	if !ok {
		return
	}
	h = b.together(h)
	j := &running{hint: h.dirs, job: Job{ID: newJobID(time.Now()), Kind: ScanIncremental, Trigger: "watch", Status: JobRunning, Started: time.Now().UTC()}}
	if err := b.scanRoot(ctx, j, root); err != nil && ctx.Err() == nil {
		b.log.Error("look at changed folders", "root", root.ID, "err", err)
	}
}
