package logs

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// hints tells followers that files of their service have changed. It is only a hint: where the platform cannot watch, or not
// another folder, followers look by themselves. One watcher and one goroutine serve all; they are there while somebody is.
type hints struct {
	dir string

	mu      sync.Mutex
	watcher *fsnotify.Watcher
	done    chan struct{}                         // closed when the goroutine of watcher has ended
	waiting map[string]map[chan struct{}]struct{} // by service
}

// join gives a channel that gets a value when a file of the service changes, and a function that gives it back.
func (h *hints) join(service string) (hint <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[string]map[chan struct{}]struct{}{}
	}
	if h.waiting[service] == nil {
		h.waiting[service] = map[chan struct{}]struct{}{}
	}
	h.waiting[service][c] = struct{}{}
	if h.watcher == nil {
		h.startLocked()
	}
	return c, func() { h.leave(service, c) }
}

func (h *hints) startLocked() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	if err := w.Add(h.dir); err != nil {
		_ = w.Close()
		return
	}
	done := make(chan struct{})
	h.watcher, h.done = w, done
	go func() {
		defer close(done)
		h.pass(w)
	}()
}

// pass hands on what the watcher says until it is closed.
func (h *hints) pass(w *fsnotify.Watcher) {
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			service, _, _ := strings.Cut(filepath.Base(e.Name), ".")
			h.wake(service)
		case _, ok := <-w.Errors: // too many events: anybody may have missed one
			if !ok {
				return
			}
			h.wake("")
		}
	}
}

// wake tells the followers of a service, or all.
func (h *hints) wake(service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tell := func(some map[chan struct{}]struct{}) {
		for c := range some {
			select {
			case c <- struct{}{}:
			default: // it was told already
			}
		}
	}
	if service != "" {
		tell(h.waiting[service])
		return
	}
	for _, some := range h.waiting {
		tell(some)
	}
}

func (h *hints) leave(service string, c chan struct{}) {
	h.mu.Lock()
	delete(h.waiting[service], c)
	if len(h.waiting[service]) == 0 {
		delete(h.waiting, service)
	}
	w, done := h.watcher, h.done
	last := len(h.waiting) == 0 && w != nil
	if last {
		h.watcher = nil
	}
	h.mu.Unlock()
	if last {
		_ = w.Close()
		<-done
	}
}
