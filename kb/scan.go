package kb

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Deletions are held when more than heldFiles and more than half of a root's files are gone at once.
const heldFiles = 100

// scan is a job at work on one root.
type scan struct {
	b    *Base
	j    *running
	root Root
	dir  *os.Root
	mark uint32
	w    *walker

	gone    map[[16]byte][]*row
	lost    []*row
	makers  map[string]string // name, handle or id of a creator to the id in the database, all lower case
	adopted map[*row]bool     // of lost: found again elsewhere
	batch   batch
}

// scanRoot brings record and index to what one root holds. It returns the first error that is not about a single file.
func (b *Base) scanRoot(ctx context.Context, j *running, root Root) error {
	job := j.snapshot()
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return fmt.Errorf("root %s cannot be opened, nothing was deleted: %w", root.ID, err)
	}
	defer func() { _ = dir.Close() }()
	b.nextMark++
	s := &scan{b: b, j: j, root: root, dir: dir, mark: b.nextMark, adopted: map[*row]bool{}, batch: batch{most: b.batchMost}}
	if j.hint == nil {
		b.readLists(ctx, s)
	}
	s.makers = b.creatorNames()
	if err := s.walk(ctx, &job); err != nil {
		return err
	}
	unmounted, err := s.missing(&job)
	if err != nil {
		return err
	}
	if err := s.readAll(ctx); err != nil {
		return err
	}
	if err := s.deleteLost(ctx, &job, unmounted); err != nil {
		return err
	}
	if job.Kind == ScanFull || job.Kind == ScanIncremental && j.hint == nil {
		return b.rootDone(ctx, s)
	}
	return nil
}

// walk lists what there is and what changed.
func (s *scan) walk(ctx context.Context, job *Job) error {
	st := s.b.currentState()
	dirty := s.b.dirtyIDs()
	s.w = &walker{
		root: s.dir, id: s.root.ID, cat: s.b.cat, mark: s.mark, recursive: s.j.hint == nil, known: s.b.watched(s.root.ID),
		suspect: func(r *row) bool {
			return job.Force || job.Kind == ScanFull || r.gen < st.RebuildBelow || len(dirty) > 0 && isDirty(dirty, r)
		},
		progress: func(files, unchanged int) {
			s.j.update(func(c *Job) { c.Seen += files; c.Unchanged += unchanged })
		},
	}
	if job.Kind == ScanCreator || job.Kind == ScanTier {
		s.w.wanted = s.b.creatorFilter(job)
	}
	dirs := []string{""}
	if s.j.hint != nil {
		dirs = s.j.hint
	}
	if err := s.w.walk(ctx, dirs...); err != nil {
		return err
	}
	s.j.reject(s.w.rejected...)
	if len(s.w.unlisted) > 0 && s.w.unlisted[0] == "" {
		return fmt.Errorf("root %s cannot be listed, nothing was deleted", s.root.ID)
	}
	s.b.watch(s.root, s.w.dirs, s.j.hint != nil)
	return nil
}

// missing finds the rows whose file was not seen. unmounted says that they are to be kept because the root looks like the mount
// point of a file system that is not there.
func (s *scan) missing(job *Job) (unmounted bool, err error) {
	known := 0
	s.gone = map[[16]byte][]*row{}
	inScope := s.scope(job)
	s.b.cat.all(s.root.ID, func(r *row) {
		known++
		if r.mark != s.mark && inScope(r) {
			s.lost = append(s.lost, r)
		}
	})
	if len(s.lost) == 0 {
		return false, nil
	}
	slices.SortFunc(s.lost, func(a, b *row) int {
		return strings.Compare(a.dir+"/"+a.name, b.dir+"/"+b.name)
	})
	for _, r := range s.lost {
		s.gone[r.hash] = append(s.gone[r.hash], r)
	}
	info, err := s.dir.Stat(".")
	if err != nil {
		return false, fmt.Errorf("root %s cannot be read, nothing was deleted: %w", s.root.ID, err)
	}
	device, inode := identityOf(info)
	before := s.b.currentState().Roots[s.root.ID]
	unmounted = len(s.lost) == known && before.Inode != 0 && (device != before.Device || inode != before.Inode)
	return unmounted, nil
}

// scope says which rows this scan may miss.
func (s *scan) scope(job *Job) func(*row) bool {
	switch {
	case s.j.hint != nil:
		listed, gone := map[string]bool{}, s.w.gone
		for _, d := range s.w.dirs {
			listed[d] = true
		}
		return func(r *row) bool {
			return listed[r.dir] || slices.ContainsFunc(gone, func(d string) bool { return r.dir == d || strings.HasPrefix(r.dir, d+"/") })
		}
	case s.w.wanted != nil:
		wanted := s.w.wanted
		return func(r *row) bool { return wanted(r.dir, r.name, r) }
	}
	return func(*row) bool { return true }
}

// result is a file that was read.
type result struct {
	f    found
	doc  *Parsed
	info fs.FileInfo
	at   time.Time
	err  error
	size int64 // reserved of the memory for files under way
	done chan struct{}
}

const (
	inFlightBytes = 16 << 20 // bounds the content of files that were read and are in no batch yet
	readAhead     = 512      // and their number: while a batch is written, the next is read
)

// readAll reads what changed with some workers and writes it in order, in batches.
func (s *scan) readAll(ctx context.Context) error {
	files := s.w.changed
	s.j.reading(len(files))
	if len(files) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	defer thrifty(len(files))()
	workers := max(2, min(8, runtime.GOMAXPROCS(0)))
	room := semaphore.NewWeighted(inFlightBytes)
	order, work := make(chan *result, readAhead), make(chan *result)
	wg.Go(func() {
		defer close(order)
		defer close(work)
		for _, f := range files {
			r := &result{f: f, size: min(inFlightBytes, f.size+4096), done: make(chan struct{})}
			if room.Acquire(ctx, r.size) != nil {
				return
			}
			select { // in order first, so that what is worked on will be waited for
			case order <- r:
			case <-ctx.Done():
				return
			}
			select {
			case work <- r:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			at := folder{root: s.dir}
			defer at.leave()
			for r := range work {
				s.read(r, &at)
				close(r.done)
			}
		})
	}
	for r := range order {
		select {
		case <-r.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.take(ctx, r); err != nil {
			cancel(err)
			return err
		}
		room.Release(r.size)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.flush(ctx)
}

// read reads and parses one file.
func (s *scan) read(r *result, at *folder) {
	name := r.f.path()
	r.at = time.Now().UTC()
	data, info, err := at.read(r.f.dir, r.f.name, s.b.o.MaxFileSize, s.b.betweenReads)
	if err != nil {
		r.err = err
		return
	}
	var side []byte
	if r.f.sidecar != "" {
		if side, _, err = at.read(r.f.dir, r.f.sidecar, s.b.o.MaxFileSize, nil); err != nil {
			side = nil
		}
	}
	r.info = info
	r.doc, r.err = Parse(Input{Root: s.root.ID, Path: name, Data: data, Sidecar: side, Size: info.Size(), Modified: info.ModTime()})
	if r.doc != nil && side == nil && r.f.sidecar != "" {
		r.doc.Warnings = append(r.doc.Warnings, string(Unreadable)+": sidecar "+clip(r.f.sidecar, maxName))
	}
}

// take turns a file that was read into a put, in the order of paths.
func (s *scan) take(ctx context.Context, r *result) error {
	if r.err != nil {
		return s.refuse(ctx, r)
	}
	d := r.doc
	d.Scanned, d.Transcript = r.at, ""
	if r.f.transcript != "" {
		d.Transcript = path.Join(r.f.dir, r.f.transcript)
	}
	_, d.Inode = identityOf(r.info)
	s.warnings(d)
	// A slug of the name, perhaps: the database may know it under another id.
	d.Source = cmp.Or(s.makers[creatorKey(d.Source)], s.makers[creatorKey(d.Creator)], d.Source)
	p := &put{rec: &record{Beside: r.f.beside}, doc: d, old: r.f.old}
	s.name(p)
	p.seen = s.b.applyReviews(&d.Document)
	p.rec.Document = d.Document
	p.rec.Packed, p.rec.AllTags = packInsights(&d.Document), allTags(d)
	s.j.update(func(c *Job) { c.Parsed++; c.Bytes += r.info.Size() })
	if s.same(p) {
		p.doc = nil
		p.rec.Generation = r.f.old.gen
		s.j.update(func(c *Job) { c.Unchanged++ })
		if !r.f.old.has(flagRacy) || p.rec.Scanned.Sub(p.rec.Modified) >= 2*time.Second || r.f.old.mtime != p.rec.Modified.UnixNano() {
			s.batch.add(p) // what the record says of the file changed, what the index says did not
		}
	} else {
		s.batch.add(p)
	}
	if s.batch.full() {
		return s.flush(ctx)
	}
	return nil
}

// same says whether the index has this very document already.
func (s *scan) same(p *put) bool {
	old := p.old
	if old == nil || s.w.suspect(old) || old.beside != p.rec.Beside || old.id() != p.rec.ID {
		return false
	}
	sum, err := hex.DecodeString(p.rec.Hash)
	return err == nil && [16]byte(sum) == old.hash && old.mtime == p.rec.Modified.UnixNano()
}

// name gives a document its id: that of its front matter if nobody else has it, that of the file it was before it was moved, or
// that of its path.
func (s *scan) name(p *put) {
	d := p.doc
	taken := func(id string) bool {
		if other := s.batch.ids[id]; other != nil {
			return other.rec.Path != d.Path
		}
		r := s.b.cat.byID(id)
		return r != nil && (r.root != d.Root || r.path() != d.Path) && !slices.ContainsFunc(s.gone[r.hash], func(g *row) bool { return g.key == r.key })
	}
	if d.ID != "" && taken(d.ID) {
		d.warn(IDNotUnique, d.ID)
		d.ID = ""
	}
	if p.old == nil {
		s.adopt(p)
	}
	switch {
	case d.ID != "":
	case p.moved != nil:
		d.ID = p.moved.id()
	case p.old != nil && strings.HasPrefix(p.old.id(), "p-"):
		d.ID = p.old.id()
	default:
		if d.ID = keyOf(d.Root, d.Path).id(); taken(d.ID) {
			d.ID = freeID(d.Root, d.Path, taken)
		}
	}
}

func (p *Parsed) warn(r Reason, detail string) {
	p.Warnings = append(p.Warnings, string(r)+": "+detail)
}

// adopt finds the file that this new one was before somebody moved or renamed it: one that is gone, with the same content.
func (s *scan) adopt(p *put) {
	sum, err := hex.DecodeString(p.doc.Hash)
	if err != nil || len(sum) < 16 {
		return
	}
	key := [16]byte(sum)
	choice := s.gone[key]
	if len(choice) == 0 || p.doc.Size == 0 {
		return
	}
	best := 0
	for i, r := range choice {
		if r.name == path.Base(p.doc.Path) {
			best = i
			break
		}
	}
	p.moved = choice[best]
	s.gone[key] = slices.Delete(slices.Clone(choice), best, best+1)
	s.adopted[p.moved] = true
}

// refuse notes a file that is no document. What was known of it goes, unless it may be read the next time.
func (s *scan) refuse(ctx context.Context, r *result) error {
	rejected, ok := errors.AsType[*RejectError](r.err)
	if !ok {
		return r.err
	}
	s.j.reject(FileError{Path: r.f.path(), Root: s.root.ID, Reason: rejected.Reason, Detail: rejected.Detail})
	s.j.update(func(c *Job) { c.Parsed++ })
	if rejected.Reason == Unreadable && strings.Contains(rejected.Detail, "no such file") {
		return nil // deleted since it was listed; the next scan misses it
	}
	if r.f.old != nil && rejected.Reason != Unreadable && rejected.Reason != ChangedWhileReading {
		return s.remove(ctx, r.f.old)
	}
	return nil
}

func (s *scan) remove(ctx context.Context, r *row) error {
	s.batch.removed = append(s.batch.removed, r)
	if now := s.b.cat.byID(r.id()); now != nil && now.key == r.key && s.batch.ids[r.id()] == nil { // else another file has the id by now
		s.batch.deletes = append(s.batch.deletes, r.id())
	}
	if s.batch.full() {
		return s.flush(ctx)
	}
	return nil
}

func (s *scan) flush(ctx context.Context) error {
	if s.batch.empty() {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := s.b.commit(ctx, &s.batch, s.j)
	s.batch = batch{most: s.b.batchMost}
	return err
}

// warnings lists in the job what was odd about a document that was read.
func (s *scan) warnings(d *Parsed) {
	for _, text := range d.Warnings {
		reason, detail, _ := strings.Cut(text, ": ")
		s.j.fail(FileError{Path: d.Path, Root: d.Root, Reason: Reason(reason), Detail: detail})
	}
}

func allTags(d *Parsed) []string {
	tags := slices.Clone(d.Tags)
	for _, e := range d.Entries {
		for _, in := range e.Insights {
			for _, t := range in.Tags {
				if len(tags) < maxTags && !slices.Contains(tags, t) {
					tags = append(tags, t)
				}
			}
		}
	}
	return tags
}

// rootOf finds a root by its id.
func (b *Base) rootOf(id string) (Root, bool) {
	i := slices.IndexFunc(b.o.Roots, func(r Root) bool { return r.ID == id })
	if i < 0 {
		return Root{}, false
	}
	return b.o.Roots[i], true
}

// absolute is the path of a file as the old interface shows it.
func (b *Base) absolute(root, name string) string {
	r, ok := b.rootOf(root)
	if !ok {
		return name
	}
	return filepath.ToSlash(filepath.Join(r.Path, filepath.FromSlash(name)))
}
