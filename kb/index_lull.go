package kb

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

// Merging segments while large batches follow each other would take the CPU from them, and merge what is merged again soon. So
// it waits for a lull, but not for ever: many segments make searches slower.
const (
	lullAfter = time.Second // without a large batch
	mostParts = 250         // segments that may be added before merging goes on nevertheless
)

// lull knows when an index may merge.
type lull struct {
	working atomic.Int32 // large batches under way
	last    atomic.Int64 // Unix nanoseconds when the last one ended
	parts   atomic.Int32 // segments they added since merging last went on
	once    sync.Once
	closed  chan struct{}
	merged  chan struct{} // one token: the engine has looked whether to merge, which it does after each batch
}

func newLull() *lull { return &lull{closed: make(chan struct{}), merged: make(chan struct{}, 1)} }

// busy notes that a large batch of some segments begins. Use: defer l.busy(n)().
func (l *lull) busy(parts int) func() {
	l.working.Add(1)
	l.parts.Add(int32(parts))
	return func() {
		l.last.Store(time.Now().UnixNano())
		l.working.Add(-1)
	}
}

// close ends all waiting, for good.
func (l *lull) close() { l.once.Do(func() { close(l.closed) }) }

// wait returns when it is time to merge.
func (l *lull) wait() {
	t := time.NewTicker(lullAfter / 4)
	defer t.Stop()
	for l.parts.Load() < mostParts && (l.working.Load() > 0 || time.Since(time.Unix(0, l.last.Load())) < lullAfter) {
		select {
		case <-l.closed:
			return
		case <-t.C:
		}
	}
	l.parts.Store(0)
}

// lullEvents names the function that the storage engine calls before it merges; it takes one for all indexes of the program.
const lullEvents = "controlcenter"

var lulls sync.Map // *scorch.Scorch to *lull

func init() {
	scorch.RegistryEventCallbacks[lullEvents] = func(e scorch.Event) bool {
		found, ok := lulls.Load(e.Scorch)
		if !ok {
			return true
		}
		switch l := found.(*lull); e.Kind {
		case scorch.EventKindPreMergeCheck:
			l.wait()
		case scorch.EventKindMergerProgress:
			select {
			case l.merged <- struct{}{}:
			default:
			}
		}
		return true
	}
}
