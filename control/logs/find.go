package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"
)

// findTime gives two positions, near each other: all lines before the first are earlier than t, all from the second on are
// not. It trusts that times grow.
func (d *Dir) findTime(ctx context.Context, service string, t time.Time) (before, from int64, err error) {
	segs, live, err := d.view(service)
	if err != nil {
		return 0, 0, err
	}
	from = math.MaxInt64
	if live != nil {
		st, err := live.live.Stat()
		if err == nil {
			before, from, err = within(live, st.Size(), t, from)
		}
		if err = errors.Join(err, live.Close()); err != nil || before > 0 {
			return before, from, err
		}
	}
	for _, s := range slices.Backward(segs) {
		if err := context.Cause(ctx); err != nil {
			return 0, 0, err
		}
		o, err := d.openSegment(service, s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		before, from, err = within(o, s.size, t, from)
		if err = errors.Join(err, o.Close()); err != nil || before > 0 {
			return before, from, err
		}
	}
	return 0, from, nil
}

// within looks for t in one file. A first position of 0 says that all of it is later.
func within(o *opened, size int64, t time.Time, after int64) (before, from int64, err error) {
	if size == 0 {
		return 0, after, nil
	}
	first, ok, err := stampAt(o, 0)
	if err != nil {
		return 0, 0, err
	}
	if o.raw || !ok {
		first = o.changed
	}
	if !first.Before(t) {
		return 0, o.start, nil
	}
	if o.raw || !ok {
		return max(o.start+size, 1), after, nil
	}
	lo, hi := int64(0), size
	for hi-lo > 64<<10 {
		mid := lo + (hi-lo)/2
		at, ok, err := stampAt(o, mid)
		if err != nil {
			return 0, 0, err
		}
		if ok && at.Before(t) {
			lo = mid
		} else {
			hi = mid
		}
	}
	if hi < size {
		after = o.start + hi + 2*maxText // a stamp looked for at hi may be of the line behind
	}
	return max(o.start+lo, 1), after, nil
}

// stampAt reads the time of the first line that starts at off or behind it.
func stampAt(o *opened, off int64) (time.Time, bool, error) {
	for size := 4 << 10; size <= 2*maxText; size *= 4 {
		b := make([]byte, size)
		n, err := o.ReadAt(b, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return time.Time{}, false, fmt.Errorf("read log: %w", err)
		}
		b = b[:n]
		if off > 0 {
			b = b[bytes.IndexByte(b, '\n')+1:]
		}
		for line := range bytes.Lines(b) {
			if len(line) > prefixLen {
				if t, ok := parseStamp(line[:stampLen]); ok {
					return t, true, nil
				}
			}
		}
	}
	return time.Time{}, false, nil
}

// runCache remembers where runs are: a run is asked for again and again, and where its start is does not change.
type runCache struct {
	mu   sync.Mutex
	runs []cachedRun // last used last
}

type cachedRun struct {
	service, run string
	from, to     int64 // to is 0 while no end was seen
	seen         int64 // there is no end before
}

const maxCached = 64

func (c *runCache) get(service, run string) (cachedRun, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.runs {
		if r.service == service && r.run == run {
			return r, true
		}
	}
	return cachedRun{}, false
}

func (c *runCache) put(r cachedRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = slices.DeleteFunc(c.runs, func(old cachedRun) bool { return old.service == r.service && old.run == r.run })
	if len(c.runs) >= maxCached {
		c.runs = slices.Delete(c.runs, 0, 1)
	}
	c.runs = append(c.runs, r)
}

func (c *runCache) forget(service string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = slices.DeleteFunc(c.runs, func(old cachedRun) bool { return old.service == service })
}

var (
	startMark = []byte(" keeper F start run=")
	inMark    = []byte(" keeper F in run=")
	endMark   = []byte(" keeper F end run=")
)

// findRun gives the stretch of a run: from its start mark, or the oldest line when that is removed, to behind its end mark, to
// the next start, or without limit while it goes on. A run that is not there is an empty stretch.
func (d *Dir) findRun(ctx context.Context, service, run string) (from, to int64, err error) {
	r, ok := d.runs.get(service, run)
	if !ok {
		r = cachedRun{service: service, run: run, from: -1}
		if err := d.findStart(ctx, &r); err != nil {
			return 0, 0, err
		}
		if r.from < 0 {
			return 0, 0, nil
		}
	}
	if r.to == 0 {
		if err := d.findEnd(ctx, &r); err != nil {
			return 0, 0, err
		}
		d.runs.put(r)
	}
	if r.to == 0 {
		return r.from, math.MaxInt64, nil
	}
	return r.from, r.to, nil
}

// findStart looks backward for marks of a run, down to its start. A file with the mark "in" for it at its top is not looked
// through.
func (d *Dir) findStart(ctx context.Context, r *cachedRun) error {
	before := int64(math.MaxInt64)
	for {
		// One file at a time: the top of each is looked at first.
		o, err := d.lastBefore(r.service, before)
		if err != nil || o == nil {
			return err
		}
		top := make([]byte, prefixLen+512)
		n, err := o.ReadAt(top, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(fmt.Errorf("read log: %w", err), o.Close())
		}
		line, _, _ := bytes.Cut(top[:n], []byte{'\n'})
		rec := parse(line, o.raw, o.changed)
		verb, id := mark(rec.text)
		if rec.stream == Keeper && verb == "in" && id == r.run {
			// What of the run is in this file is looked through by findEnd.
			if r.from < 0 {
				r.seen = o.start
			}
			r.from, before = o.start, o.start
			if err := o.Close(); err != nil {
				return fmt.Errorf("read log: %w", err)
			}
			continue
		}
		found, err := d.startIn(ctx, o, r)
		before = o.start
		if err = errors.Join(err, o.Close()); err != nil || found || r.from >= 0 {
			return err
		}
	}
}

// lastBefore opens the newest file that starts before a position; nil is none.
func (d *Dir) lastBefore(service string, before int64) (*opened, error) {
	segs, live, err := d.view(service)
	if err != nil {
		return nil, err
	}
	if live != nil {
		if live.start < before {
			return live, nil
		}
		_ = live.Close()
	}
	for _, s := range slices.Backward(segs) {
		if s.start >= before || s.forms&(plain|packed) == 0 {
			continue
		}
		o, err := d.openSegment(service, s)
		if errors.Is(err, fs.ErrNotExist) {
			if o, err = d.openSegment(service, s); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		return o, err
	}
	return nil, nil
}

// startIn looks through one file for the start of a run. A run whose end alone is there started before.
func (d *Dir) startIn(ctx context.Context, o *opened, r *cachedRun) (found bool, err error) {
	w := back{size: maxJoined, visit: func(b []byte, pos int64, o *opened) (bool, error) {
		lastMark(b, startMark, r.run, o, func(at, _ int) {
			if r.from < 0 {
				r.seen = pos + int64(at)
			}
			r.from, found = pos+int64(at), true
		})
		if !found && r.from < 0 {
			lastMark(b, endMark, r.run, o, func(_, next int) {
				r.to = pos + int64(next)
			})
		}
		return !found, nil
	}}
	if _, err := w.file(ctx, o, math.MaxInt64); err != nil {
		return false, err
	}
	if !found && r.to > 0 {
		r.from = min(o.start, r.to)
		if older, err := d.lastBefore(r.service, o.start); older != nil || err != nil {
			if older != nil {
				_ = older.Close()
				r.from = -1 // its start may be there
			}
			return false, err
		}
	}
	return found, nil
}

// lastMark calls hit with the last line that is this mark of this run.
func lastMark(b, kind []byte, run string, o *opened, hit func(at, next int)) {
	needle := append(bytes.Clone(kind), run...)
	for end := len(b); end > 0; {
		i := bytes.LastIndex(b[:end], needle)
		if i < 0 {
			return
		}
		at, next := bytes.LastIndexByte(b[:i], '\n')+1, len(b)
		if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
			next = i + n + 1
		}
		rec := parse(bytes.TrimSuffix(b[at:next], []byte{'\n'}), o.raw, o.changed)
		if _, id := mark(rec.text); rec.stream == Keeper && id == run {
			hit(at, next)
			return
		}
		end = i
	}
}

// findEnd looks forward for the end of a run from where it was last looked for.
func (d *Dir) findEnd(ctx context.Context, r *cachedRun) error {
	c := d.from(r.service, r.seen)
	defer c.close()
	for r.to == 0 {
		b, pos, raw, changed, err := c.read(ctx)
		if err != nil || len(b) == 0 {
			return err
		}
		if !bytes.Contains(b, endMark) && !bytes.Contains(b, startMark) && !bytes.Contains(b, inMark) {
			r.seen = pos + int64(len(b))
			continue
		}
		lines(b, pos, raw, changed, func(rec record) bool {
			r.seen = rec.next
			if rec.stream == Keeper {
				switch verb, id := mark(rec.text); {
				case verb == "end" && id == r.run:
					r.to = rec.next
				case (verb == "start" || verb == "in") && id != r.run:
					r.to = rec.pos
				}
			}
			return r.to == 0
		})
	}
	return nil
}
