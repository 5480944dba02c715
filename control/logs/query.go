package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"
)

const (
	defaultLimit = 1000
	maxPage      = 16 << 20 // bytes of text in a page
)

// Page is what a read gives.
type Page struct {
	Lines     []Line `json:"lines"`     // never nil
	Next      int64  `json:"next"`      // where to go on: behind these lines, or, newest first, before them
	Truncated bool   `json:"truncated"` // a limit has ended it; there may be more
	Scanned   int64  `json:"scanned"`   // bytes read through
}

// Query is a search.
type Query struct {
	Filter

	From     int64         // go on behind this position, or, newest first, before it; 0 = from the first or the last line
	Limit    int           // lines; 0 = 1000. Lines whose parts lie between each other come together, even beyond it
	Newest   bool          // newest first
	MaxBytes int64         // to read through; 0 = no limit
	MaxTime  time.Duration // to take; 0 = no limit
}

func (q Query) check() error {
	switch {
	case q.From < 0:
		return fmt.Errorf("from is %d: must be 0 or more", q.From)
	case q.Limit < 0:
		return fmt.Errorf("limit is %d: must be 0 (%d lines) or more", q.Limit, defaultLimit)
	case q.MaxBytes < 0:
		return fmt.Errorf("max bytes is %d: must be 0 (no limit) or more", q.MaxBytes)
	case q.MaxTime < 0:
		return fmt.Errorf("max time is %s: must be 0 (no limit) or more", q.MaxTime)
	}
	return nil
}

// Tail gives the last n lines the filter lets through, oldest first; it reads from the end. Next is where Follow goes on
// without missing or repeating a line; Truncated says that there are older ones.
func (d *Dir) Tail(ctx context.Context, service string, n int, f Filter) (Page, error) {
	if n < 1 {
		return Page{}, fmt.Errorf("lines is %d: must be 1 or more", n)
	}
	page, end, err := d.back(ctx, service, Query{Filter: f, Limit: n}, 32<<10)
	slices.Reverse(page.Lines)
	page.Next = end
	return page, err
}

// Range gives up to limit lines (0 = 1000), oldest first, from a position on. From 0 it starts with the oldest line there is;
// where lines behind a position were removed unread it says so with a mark "gap why=removed".
func (d *Dir) Range(ctx context.Context, service string, from int64, limit int, f Filter) (Page, error) {
	return d.Search(ctx, service, Query{Filter: f, From: from, Limit: limit})
}

// Search is Range with limits on what it costs, and if asked for newest first.
func (d *Dir) Search(ctx context.Context, service string, q Query) (Page, error) {
	if err := q.check(); err != nil {
		return Page{}, err
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if q.Newest {
		page, _, err := d.back(ctx, service, q, 256<<10)
		return page, err
	}
	page := Page{Lines: []Line{}}
	size := 0
	var err error
	page.Next, page.Scanned, page.Truncated, err = d.forward(ctx, service, q, func(r *record) (bool, error) {
		page.Lines = append(page.Lines, r.line())
		size += len(r.text)
		return len(page.Lines) < q.Limit && size < maxPage, nil
	})
	return page, err
}

// Download writes the text of all lines the filter lets through, one per line, oldest first, with what was written when it
// began. With Filter.Times each starts with its time and stream.
func (d *Dir) Download(ctx context.Context, service string, w io.Writer, f Filter) error {
	b := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	_, _, _, err := d.forward(ctx, service, Query{Filter: f}, func(r *record) (bool, error) {
		line = line[:0]
		if f.Times {
			line = appendPrefix(line, r.time(), r.stream, 'F')
			line = append(line[:len(line)-len("F ")], r.text...)
		} else {
			line = append(line, r.text...)
		}
		line = append(line, '\n')
		_, err := b.Write(line)
		return true, err
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// span turns the parts of a filter that are about time and run into positions: nothing outside needs to be read.
func (d *Dir) span(ctx context.Context, service string, f Filter) (from, to int64, err error) {
	from, to = 0, math.MaxInt64
	if f.Run != "" {
		if from, to, err = d.findRun(ctx, service, f.Run); err != nil {
			return 0, 0, err
		}
	}
	if !f.Since.IsZero() {
		at, _, err := d.findTime(ctx, service, f.Since.Add(-slack))
		if err != nil {
			return 0, 0, err
		}
		from = max(from, at)
	}
	if !f.Until.IsZero() {
		_, at, err := d.findTime(ctx, service, f.Until.Add(slack))
		if err != nil {
			return 0, 0, err
		}
		to = min(to, at)
	}
	return from, to, nil
}

// forward calls visit with each line from q.From on that the filter lets through, until visit says false.
func (d *Dir) forward(ctx context.Context, service string, q Query, visit func(*record) (bool, error)) (next, scanned int64, truncated bool, err error) {
	if err := checkService(service); err != nil {
		return 0, 0, false, err
	}
	m, err := q.matcher()
	if err != nil {
		return 0, 0, false, err
	}
	_, end, err := d.Bounds(ctx, service)
	if err != nil {
		return 0, 0, false, err
	}
	from, to, err := d.span(ctx, service, q.Filter)
	if err != nil {
		return 0, 0, false, err
	}
	if q.Limit == 0 {
		end = min(end, to) // a download ends, however fast the log grows
	} else {
		end = to
	}
	began := time.Now()
	more := true
	var failed error
	j := joiner{emit: func(r *record) {
		if failed == nil && m.match(r) {
			var ok bool
			if ok, failed = visit(r); !ok {
				more = false
			}
		}
	}}
	c := d.from(service, max(q.From, from))
	defer c.close()
	next = c.pos
	for (more || len(j.held) > 0) && failed == nil && c.pos < end {
		if q.MaxBytes > 0 && scanned >= q.MaxBytes || q.MaxTime > 0 && time.Since(began) >= q.MaxTime {
			j.flush()
			return next, scanned, true, failed
		}
		b, pos, raw, changed, err := c.read(ctx)
		if err != nil {
			return next, scanned, false, err
		}
		if c.missing > 0 {
			j.emit(c.gap(pos))
		}
		if len(b) == 0 {
			if len(j.held) == 0 {
				next = c.pos
			}
			break
		}
		late := false
		lines(b, pos, raw, changed, func(r record) bool {
			if r.pos >= end || m.late(&r) {
				late = true
				return false
			}
			j.add(&r)
			scanned += r.next - r.pos
			if len(j.held) == 0 {
				next = r.next
			}
			return (more || len(j.held) > 0) && failed == nil
		})
		if late {
			break
		}
	}
	if len(j.held) > 0 {
		next = j.held[len(j.held)-1].next
		j.flush()
	}
	return next, scanned, !more, failed
}

// read is chunk with what is to be known of its file.
func (c *cursor) read(ctx context.Context) (b []byte, pos int64, raw bool, changed time.Time, err error) {
	b, pos, err = c.chunk(ctx)
	return b, pos, c.raw, c.changed, err
}

// gap is the mark for what was removed before it was read.
func (c *cursor) gap(pos int64) *record {
	r := &record{pos: pos, next: pos, stream: Keeper, text: fmt.Appendf(nil, "gap why=removed bytes=%d", c.missing)}
	c.missing = 0
	return r
}

// back collects lines newest first, and says where the newest it looked at ends.
func (d *Dir) back(ctx context.Context, service string, q Query, first int) (Page, int64, error) {
	page := Page{Lines: []Line{}}
	if err := checkService(service); err != nil {
		return page, 0, err
	}
	m, err := q.matcher()
	if err != nil {
		return page, 0, err
	}
	_, end, err := d.Bounds(ctx, service)
	if err != nil {
		return page, 0, err
	}
	from, to, err := d.span(ctx, service, q.Filter)
	if err != nil {
		return page, 0, err
	}
	if q.From > 0 {
		to = min(to, q.From)
	}
	began := time.Now()
	seen, size := false, 0
	var some []Line
	j := joiner{emit: func(r *record) {
		if m.match(r) {
			some = append(some, r.line())
		}
	}}
	page.Next = from
	err = d.backward(ctx, service, from, to, first, func(b []byte, pos int64, o *opened) (bool, error) {
		if !seen {
			seen, end = true, pos+int64(len(b))
		}
		some = some[:0]
		early := false
		lines(b, pos, o.raw, o.changed, func(r record) bool {
			if r.pos == pos {
				early = m.early(&r)
			}
			j.add(&r)
			return true
		})
		j.flush()
		page.Scanned += int64(len(b))
		for i, l := range slices.Backward(some) {
			page.Lines = append(page.Lines, l)
			size += len(l.Text)
			apart := i == 0 || some[i-1].Next > some[i-1].Pos // it is not one of several whose parts lie between each other
			if apart && (len(page.Lines) >= q.Limit || size >= maxPage) {
				page.Next, page.Truncated = l.Pos, true
				return false, nil
			}
		}
		if q.MaxBytes > 0 && page.Scanned >= q.MaxBytes || q.MaxTime > 0 && time.Since(began) >= q.MaxTime {
			page.Next, page.Truncated = pos, true
			return false, nil
		}
		return !early, nil
	})
	if errors.Is(err, ErrNone) { // removed since
		err = nil
	}
	return page, end, err
}

// Bounds gives the position of the oldest byte that is there and of the end, which the next line will have or lie behind.
func (d *Dir) Bounds(ctx context.Context, service string) (first, end int64, err error) {
	if err := errors.Join(context.Cause(ctx), checkService(service)); err != nil {
		return 0, 0, err
	}
	segs, live, err := d.view(service)
	if err != nil {
		return 0, 0, err
	}
	end = endOf(segs)
	first = end
	if i := holding(segs, 0); i >= 0 {
		first = segs[i].start
	}
	if live == nil {
		if len(segs) == 0 {
			err = ErrNone
		}
		return first, end, err
	}
	defer live.Close()
	st, err := live.live.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("read log: %w", err)
	}
	return first, end + st.Size(), nil
}

// Size is what the log of a service takes on disk, in bytes of its files.
func (d *Dir) Size(ctx context.Context, service string) (int64, error) {
	if err := errors.Join(context.Cause(ctx), checkService(service)); err != nil {
		return 0, err
	}
	var size int64
	found := false
	err := d.each(service, func(root *os.Root, name string) error {
		st, err := root.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read size of log: %w", err)
		}
		found = true
		size += st.Size()
		return nil
	})
	if err == nil && !found {
		err = ErrNone
	}
	return size, err
}

// Remove deletes all log files of a service, which must have no writer. Whoever reads one reads it to its end. Positions
// start again from 0.
func (d *Dir) Remove(ctx context.Context, service string) error {
	if err := errors.Join(context.Cause(ctx), checkService(service)); err != nil {
		return err
	}
	d.runs.forget(service)
	d.lines.forget(service)
	return d.each(service, func(root *os.Root, name string) error {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove log: %w", err)
		}
		return nil
	})
}

// each calls do with the name of each file of a service.
func (d *Dir) each(service string, do func(root *os.Root, name string) error) error {
	var all []string
	err := names(d.dir, func(name string) {
		if of, _, ok := parseSegment(name); ok && of == service || name == liveName(service, false) || name == liveName(service, true) {
			all = append(all, name)
		}
	})
	if err != nil || len(all) == 0 {
		return err
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	var errs []error
	for _, name := range all {
		errs = append(errs, do(root, name))
	}
	return errors.Join(errs...)
}
