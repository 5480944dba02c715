package kb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Root is a folder that holds knowledge.
type Root struct {
	ID   string // part of the ids of its documents: never change it. Letters, digits, "_" and "-", at most 50
	Path string // absolute
}

// Options configures a [Base].
type Options struct {
	Store       *store.Store
	Bus         *event.Bus // nil = nobody is told
	Roots       []Root
	Index       Indexer
	Log         *slog.Logger
	MaxFileSize int64         // bytes; larger files are not read; 0 = 8 MiB
	Every       time.Duration // between rescans; 0 = 10 minutes, negative = never
	Watch       bool          // look at folders as soon as the system says that they changed
	WriteBack   bool          // write decisions on whole Markdown files into them

	quiet time.Duration // in tests: instead of leavingQuiet
}

// Base is the knowledge base: the record of all documents and the scans that keep record and index in step with the files.
//
// Run owns all goroutines. Every method may be called from any goroutine, also before Run and after it has ended; what is read
// then is the state as it was recorded. The first call after New reads the records of all files, about a second for 100,000.
type Base struct {
	o   Options
	log *slog.Logger
	m   *metrics

	loading sync.Mutex // held while the store is read, for the first time
	loaded  atomic.Bool
	cat     *catalog // filled by load
	texts   shownTexts

	nextMark     uint32              // of the scanning goroutine
	leaving      map[string]*leaving // by root; of the scanning goroutine
	betweenReads func()              // in tests: called between the two looks at a file that is read
	batchMost    int                 // in tests: documents of a batch; 0 = batchDocuments

	wake    chan struct{} // a job was queued
	writing chan struct{} // holds a token of who changes records and catalog

	mu       sync.Mutex
	state    baseState         // changed by the scanning goroutine only
	dirty    map[string]uint64 // documents that must be read again, and the number of the review that asks for it, 0 = none does
	reviewed uint64            // number of the last review
	reviews  reviewsOf
	rejected map[Reason]int // of the last complete scan; nil = there was none yet
	hints    []hint         // of our own
	rebuild  bool           // the index was lost while it was in use
	intents  []string
	creators []Creator
	lists    map[string]lists
	agents   []Agent
	related  relatedCache
	counted  statsCache
	begun    bool // the scan of the start is queued
	queue    []*running
	current  *running
	watcher  *watcher
	oldLogs  map[string]oldLog
	dupes    duplicateCache
}

// New checks the options. It reads nothing.
func New(o Options) (*Base, error) {
	if o.Store == nil || o.Index == nil {
		return nil, errors.New("knowledge base: a store and an index are needed")
	}
	if o.MaxFileSize == 0 {
		o.MaxFileSize = 8 << 20
	}
	if o.MaxFileSize < 1 || o.MaxFileSize > 1<<30 {
		return nil, fmt.Errorf("%w: max_file_size: must be between 1 byte and 1 GiB, is %d bytes", ErrInvalid, o.MaxFileSize)
	}
	if o.Every == 0 {
		o.Every = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Roots = slices.Clone(o.Roots)
	for i, r := range o.Roots {
		if r.ID == "" || len(r.ID) > 50 || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return nil, fmt.Errorf("%w: roots: id %q must have 1 to 50 letters, digits, _ or -", ErrInvalid, r.ID)
		}
		if !filepath.IsAbs(r.Path) {
			return nil, fmt.Errorf("%w: roots: path %q of root %s must be absolute", ErrInvalid, r.Path, r.ID)
		}
		o.Roots[i].Path = filepath.Clean(r.Path)
		for _, other := range o.Roots[:i] {
			if other.ID == r.ID {
				return nil, fmt.Errorf("%w: roots: id %q is given twice", ErrInvalid, r.ID)
			}
		}
	}
	return &Base{
		o: o, log: o.Log.With("component", "kb"), m: newMetrics(), cat: newCatalog(), wake: make(chan struct{}, 1), writing: make(chan struct{}, 1),
		dirty: map[string]uint64{}, reviews: reviewsOf{}, oldLogs: map[string]oldLog{}, leaving: map[string]*leaving{},
	}, nil
}

// Run scans once, goes on with a scan that was cut off, and then keeps the record in step with the files until ctx ends; it
// returns after all that it started has ended. An error says that the store cannot be read.
func (b *Base) Run(ctx context.Context) error {
	if err := b.load(ctx); err != nil {
		return err
	}
	if err := b.resume(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	hints := make(chan hint, 16)
	if b.o.Watch {
		w, err := newWatcher(b)
		if err != nil {
			b.log.Warn("folders are not watched; changes are found by rescans", "err", err)
		} else {
			b.mu.Lock()
			b.watcher = w
			b.mu.Unlock()
			wg.Go(func() { w.run(ctx, hints) })
		}
	}
	var rescan <-chan time.Time
	if b.o.Every > 0 {
		t := time.NewTicker(b.o.Every)
		defer t.Stop()
		rescan = t.C
	}
	if _, _, err := b.Scan(ctx, ScanRequest{Trigger: "start"}); err != nil {
		b.log.Error("first scan", "err", err)
	}
	b.mu.Lock()
	b.begun = true
	b.mu.Unlock()
	var tidy <-chan time.Time
	for first := true; ; {
		for j := b.next(); j != nil; j = b.next() {
			b.work(ctx, j)
			if ctx.Err() != nil {
				return nil
			}
			if first {
				first = false
				if rows := b.cat.ordered(byFolder); b.cat.shadows.files.Load() <= wholeMost {
					wg.Go(func() { b.warm(ctx, rows) })
				}
			}
			if t := tidyTime(j.snapshot()); t != nil {
				tidy = t
			}
		}
		for _, h := range b.ownHints() {
			b.hinted(ctx, h)
		}
		if b.rebuildWaits() { // it was asked for while a scan ran that had begun before
			if _, _, err := b.Scan(ctx, ScanRequest{Trigger: "rebuild"}); err != nil {
				b.log.Error("queue a rebuild of the index", "err", err)
			} else {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		case <-rescan:
			if _, _, err := b.Scan(ctx, ScanRequest{Trigger: "rescan"}); err != nil {
				b.log.Error("queue a rescan", "err", err)
			}
		case h := <-hints:
			b.hinted(ctx, h)
		case <-tidy:
			b.tidy()
		case <-b.nextLeaving():
			b.lookAtLeaving(ctx)
		}
	}
}

// ScanRequest says what to scan. The zero value is an incremental scan of all roots.
type ScanRequest struct {
	Root    string // id, "" = all
	Creator string // only this creator's files
	Tier    string // only the files of this tier's creators: critical, high, medium, low
	Force   bool   // read also what seems unchanged
	Confirm bool   // make the deletions that were held
	After   string // run of an outside command that may just have written files: a scan that is under way does not do
	Trigger string // "manual" when empty
	Actor   string
}

// Scan queues a scan and returns its job at once. While a scan that covers one of the same roots is queued or runs, that one is
// returned and already is true. Errors: [ErrInvalid] for a request that cannot be, [ErrNotFound] for a root or creator that is
// not known, one that is store.ErrUnavailable when the job cannot be recorded.
func (b *Base) Scan(ctx context.Context, r ScanRequest) (job Job, already bool, err error) {
	if err := b.checkScan(ctx, &r); err != nil {
		return Job{}, false, err
	}
	now := time.Now().UTC()
	j := &running{progress: func(j Job) { b.publish(ScanProgress{j}) }}
	j.job = Job{
		ID: newJobID(now), Kind: ScanIncremental, Trigger: r.Trigger, Actor: r.Actor, Status: JobQueued, Root: r.Root, Creator: r.Creator,
		Tier: r.Tier, Force: r.Force, Confirm: r.Confirm, After: r.After, Started: now, Errors: []FileError{}, Log: []string{},
	}
	switch {
	case r.Creator != "":
		j.job.Kind = ScanCreator
	case r.Tier != "":
		j.job.Kind = ScanTier
	case r.Force:
		j.job.Kind = ScanFull
	}
	b.mu.Lock()
	for _, other := range append([]*running{b.current}, b.queue...) {
		if other == nil || other.hint != nil {
			continue
		}
		if o := other.snapshot(); o.Status != JobRunning && o.Status != JobQueued || o.Root != "" && r.Root != "" && o.Root != r.Root {
			continue
		} else if !o.Confirm && r.Confirm || r.After != "" {
			continue // it must follow, or nobody would make the deletions, or see what was written where the other scan has been
		} else if (r.Trigger == "start" || r.Trigger == "rescan") && (o.Kind == ScanCreator || o.Kind == ScanTier) {
			continue // these are for all that was missed, and that one looks at a part
		} else {
			b.mu.Unlock()
			return o, true, nil
		}
	}
	b.queue = append(b.queue, j)
	b.mu.Unlock()
	job = j.snapshot()
	if job.Trigger != "rescan" {
		if err := b.o.Store.Update(ctx, func(tx *store.Tx) error { return putJob(tx, &job) }); err != nil {
			b.mu.Lock()
			b.queue = slices.DeleteFunc(b.queue, func(q *running) bool { return q == j })
			b.mu.Unlock()
			return Job{}, false, fmt.Errorf("record the scan: %w", err)
		}
	}
	b.rouse()
	return job, false, nil
}

// rouse wakes the scanning goroutine.
func (b *Base) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Base) checkScan(ctx context.Context, r *ScanRequest) error {
	if err := b.load(ctx); err != nil {
		return err
	}
	if r.Trigger == "" {
		r.Trigger = "manual"
	}
	r.Tier = strings.ToLower(r.Tier)
	if r.Root != "" {
		if _, ok := b.rootOf(r.Root); !ok {
			return fmt.Errorf("root %q: %w", r.Root, ErrNotFound)
		}
	}
	if len(r.Creator) > 100 || strings.Trim(r.Creator, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return fmt.Errorf("%w: creator_id: must have at most 100 letters, digits, _ or -", ErrInvalid)
	}
	if r.Tier != "" && !slices.Contains([]string{"critical", "high", "medium", "low"}, r.Tier) {
		return fmt.Errorf("%w: priority: must be one of critical, high, medium, low", ErrInvalid)
	}
	return nil
}

// next takes the next job of the queue.
func (b *Base) next() *running {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return nil
	}
	b.current, b.queue = b.queue[0], b.queue[1:]
	return b.current
}

// work carries out a job in the scanning goroutine.
func (b *Base) work(ctx context.Context, j *running) {
	jobCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.mu.Lock()
	j.cancel = cancel
	b.mu.Unlock()
	j.update(func(c *Job) { c.Status = JobRunning })
	b.publish(ScanProgress{j.snapshot()})
	start := time.Now()
	err := b.scanRoots(jobCtx, j)
	if ctx.Err() != nil && err != nil { // the program ends: the job goes on at the next start
		b.endCurrent(j)
		return
	}
	now := time.Now().UTC()
	j.update(func(c *Job) {
		c.Finished = &now
		code := 0
		switch {
		case err == nil:
			c.Status = JobCompleted
		case errors.Is(err, errCancelled):
			c.Status, c.Error, code = JobCancelled, errCancelled.Error(), 1
		default:
			c.Status, c.Error, code = JobFailed, err.Error(), 1
		}
		c.ExitCode = &code
	})
	done := j.snapshot()
	b.m.ended(&done, time.Since(start))
	b.record(ctx, &done)
	b.endCurrent(j)
	b.publish(ScanProgress{done})
}

func (b *Base) endCurrent(j *running) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == j {
		b.current = nil
	}
}

// scanRoots scans the roots of a job. A root that fails does not keep the others from being scanned.
func (b *Base) scanRoots(ctx context.Context, j *running) error {
	job := j.snapshot()
	b.mu.Lock()
	reviewed, intents := b.reviewed, slices.Clone(b.intents)
	b.mu.Unlock()
	if err := b.beginRebuild(ctx); err != nil {
		return err
	}
	var errs []error
	for _, root := range b.o.Roots {
		if job.Root != "" && job.Root != root.ID {
			continue
		}
		if err := b.scanRoot(ctx, j, root); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			j.note("%v", err)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if job.Root == "" && (job.Kind == ScanFull || job.Kind == ScanIncremental) && j.hint == nil {
		b.mu.Lock()
		if b.rejected = j.snapshot().Reasons; b.rejected == nil {
			b.rejected = map[Reason]int{}
		}
		b.mu.Unlock()
		return b.allDone(ctx, reviewed, intents)
	}
	return nil
}

func (b *Base) rebuildWaits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rebuild
}

func (b *Base) ownHints() []hint {
	b.mu.Lock()
	defer b.mu.Unlock()
	hints := b.hints
	b.hints = nil
	return hints
}

// Rebuild says that the index holds nothing any more and must be made again: every document is read and indexed anew, and until
// that is done [Base.Generation] says that it is degraded. It returns at once.
func (b *Base) Rebuild(ctx context.Context) error {
	b.mu.Lock()
	b.rebuild = true
	b.mu.Unlock()
	_, _, err := b.Scan(ctx, ScanRequest{Trigger: "rebuild"})
	return err
}

// beginRebuild makes every record one that must be indexed again, if Rebuild was called since.
func (b *Base) beginRebuild(ctx context.Context) error {
	b.mu.Lock()
	asked := b.rebuild
	b.rebuild = false
	b.mu.Unlock()
	if !asked {
		return nil
	}
	return b.changeState(ctx, func(st *baseState) { st.RebuildBelow = st.Generation + 1 })
}

// Held returns the deletions that wait for a [ScanRequest] with Confirm.
func (b *Base) Held() []Held {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Held{}
	for _, root := range b.o.Roots {
		if h := b.state.Roots[root.ID].Held; h != nil {
			out = append(out, *h)
		}
	}
	return out
}

// Committed returns the generation in which a document was recorded. A search drops hits of a later one: the index is
// ahead of the record for the time between the two, and after a crash.
func (b *Base) Committed(id string) (generation uint64, ok bool) {
	r := b.cat.byID(id)
	if r == nil {
		return 0, false
	}
	return r.gen, true
}

// Generation returns that of the newest batch, and whether the index is being made again, so that searches miss documents.
func (b *Base) Generation() (generation uint64, degraded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Generation, b.state.RebuildBelow > 0 || b.rebuild
}

func (b *Base) dirtyIDs() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.dirty)
}

func (b *Base) publish(d event.Data) {
	if b.o.Bus != nil {
		b.o.Bus.Publish(d)
	}
}
