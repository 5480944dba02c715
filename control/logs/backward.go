package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// backward calls visit with stretches of whole lines, the last first, from position before (or the end, if that is earlier)
// down to position from. The first stretch has about first bytes, the next are larger. A stretch does not begin with the rest of
// a line cut on disk, unless its beginning is in another file or more than 1 MiB before. It ends when visit says false.
func (d *Dir) backward(ctx context.Context, service string, from, before int64, first int, visit func(b []byte, pos int64, o *opened) (bool, error)) error {
	segs, live, err := d.view(service)
	if err != nil {
		return err
	}
	if live == nil && len(segs) == 0 {
		return ErrNone
	}
	w := back{from: from, size: first, visit: visit}
	if live != nil {
		more, err := w.file(ctx, live, before)
		if err = errors.Join(err, live.Close()); err != nil || !more {
			return err
		}
	}
	for _, s := range slices.Backward(segs) {
		if s.start >= before {
			continue
		}
		if s.end() <= from {
			return nil
		}
		if s.forms&(plain|packed) == 0 {
			continue
		}
		o, err := d.openSegment(service, s)
		if errors.Is(err, fs.ErrNotExist) { // removed, or packed between two looks
			o, err = d.openSegment(service, s)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		more, err := w.file(ctx, o, before)
		if err = errors.Join(err, o.Close()); err != nil || !more {
			return err
		}
	}
	return nil
}

type back struct {
	from  int64
	size  int
	buf   []byte
	visit func(b []byte, pos int64, o *opened) (bool, error)
}

// file goes through one file.
func (w *back) file(ctx context.Context, o *opened, before int64) (more bool, err error) {
	end := o.end
	if end < 0 {
		st, err := o.live.Stat()
		if err != nil {
			return false, fmt.Errorf("read log: %w", err)
		}
		end = o.start + st.Size()
	}
	// The live file may end inside a line, and so may what a time was found to be before.
	if inside := before < end; !inside && o.end < 0 || inside && !o.raw {
		if end, err = w.lastLine(o, min(end, before)); err != nil {
			return false, err
		}
	}
	end = min(end, before)
	low := max(o.start, w.from)
	size := w.size
	for end > low {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		start := max(o.start, end-int64(size))
		b, err := w.read(o, start, end)
		if err != nil {
			return false, err
		}
		if len(b) == 0 {
			end = start
			continue
		}
		at := 0
		if start > o.start {
			at = firstWhole(b, o)
			if at < 0 && size < maxJoined {
				size = min(2*size, maxJoined)
				continue
			}
			if at = max(at, bytes.IndexByte(b, '\n')+1); at == len(b) {
				at = 0 // a line longer than what readers get in one piece
			}
		}
		pos := start + int64(at)
		if cut := low - pos; cut > 0 {
			at, pos = at+int(min(cut, int64(len(b)-at))), low
		}
		if more, err := w.visit(b[at:], pos, o); err != nil || !more {
			return false, err
		}
		end = pos
		size = min(2*w.size, maxJoined)
		w.size = size
	}
	return w.from < o.start, nil
}

func (w *back) read(o *opened, start, end int64) ([]byte, error) {
	if n := int(end - start); cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	b := w.buf[:end-start]
	n, err := o.ReadAt(b, start-o.start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log: %w", err)
	}
	return b[:n], nil
}

// lastLine finds the end of the last whole line before end.
func (w *back) lastLine(o *opened, end int64) (int64, error) {
	for size := int64(4096); ; size *= 16 {
		start := max(o.start, end-size)
		if start >= end {
			return start, nil
		}
		b, err := w.read(o, start, end)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 || start == o.start {
			return start + int64(i) + 1, nil
		}
		if size > maxJoined {
			return end, nil
		}
	}
}

// firstWhole finds the first line behind one that is known to be whole, in bytes that may begin inside a line; -1 = none.
func firstWhole(b []byte, o *opened) int {
	at := bytes.IndexByte(b, '\n') + 1
	for at > 0 && at < len(b) {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 || at+n+1 == len(b) {
			return -1
		}
		if r := parse(b[at:at+n], o.raw, o.changed); !r.partial {
			return at + n + 1
		}
		at += n + 1
	}
	return -1
}
