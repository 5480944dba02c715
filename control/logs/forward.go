package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

const (
	chunkSize = 128 << 10
	maxJoined = 1 << 20 // of a line as readers get it
)

// cursor reads a service's log forward from a position, from file to file, up to what is written so far; then it can be asked
// again. It never skips or repeats a byte, except what was removed before it came there: that it counts.
type cursor struct {
	d       *Dir
	service string
	pos     int64
	segs    []segment // as listed last
	file    *opened   // nil before the first and between two
	buf     []byte
	inside  bool  // pos was given by somebody and may be inside a line
	missing int64 // bytes removed unread, not yet told
	raw     bool  // of the file the last chunk is from
	changed time.Time
	one     bool // read only the file it was given, which stays open
}

func (d *Dir) from(service string, pos int64) *cursor {
	return &cursor{d: d, service: service, pos: max(pos, 0), inside: pos > 0}
}

func (c *cursor) close() {
	if c.file != nil {
		if !c.one {
			_ = c.file.Close() // read only
		}
		c.file = nil
	}
}

// chunk gives the next whole lines with the position of the first; the last of a file may lack its newline, and what has
// none for 1 MiB is cut there. Nothing is the end for now. The bytes are good until the next call.
func (c *cursor) chunk(ctx context.Context) (b []byte, pos int64, err error) {
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, 0, err
		}
		if c.file == nil {
			if c.one {
				return nil, c.pos, nil
			}
			if err := c.open(ctx); err != nil || c.file == nil {
				return nil, c.pos, err
			}
		}
		o := c.file
		c.raw, c.changed = o.raw, o.changed
		room := int64(len(c.buf))
		if o.end >= 0 {
			room = min(room, o.end-c.pos)
		}
		n, err := o.ReadAt(c.buf[:max(room, 0)], c.pos-o.start)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, fmt.Errorf("read log: %w", err)
		}
		b, pos = c.buf[:n], c.pos
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			b = b[:i+1]
		} else if n == len(c.buf) && n < maxJoined {
			c.buf = make([]byte, 2*n)
			continue
		} else if n < len(c.buf) && o.end < 0 {
			if c.one {
				return nil, c.pos, nil
			}
			// The end of the live file. If it is not live any more, its writer had ended before: look once more.
			if live, err := c.d.isLive(o); err != nil || live {
				return nil, c.pos, err
			}
			if err := c.settle(); err != nil {
				return nil, 0, err
			}
			continue
		}
		if len(b) == 0 { // what its name says and a crash of the machine took is missing
			c.missing += o.end - c.pos
			c.pos = o.end
		}
		c.pos += int64(len(b))
		if c.pos == o.end {
			c.close()
		}
		if c.inside { // the end of a line somebody pointed into
			c.inside = false
			i := bytes.IndexByte(b, '\n') + 1
			b, pos = b[i:], pos+int64(i)
		}
		if len(b) > 0 {
			return b, pos, nil
		}
	}
}

// settle finds where a file ends that was live when it was opened.
func (c *cursor) settle() error {
	st, err := c.file.live.Stat()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	c.file.end = c.file.start + st.Size()
	if !c.file.raw {
		return nil
	}
	// What a service wrote after its file was put aside has no position: the name says where the next one starts.
	segs, err := rotated(c.d.dir, c.service)
	for _, s := range segs {
		if s.start == c.file.start {
			c.file.end = s.end()
		}
	}
	c.file.end = max(c.file.end, c.pos)
	return err
}

// open opens the file that pos is in. When there is none yet, it opens nothing.
func (c *cursor) open(ctx context.Context) error {
	for range 1000 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		var live *opened
		var err error
		i := holding(c.segs, c.pos)
		if i < 0 || c.segs[i].start > c.pos { // not in what was listed last
			if c.segs, live, err = c.d.view(c.service); err != nil {
				return err
			}
			i = holding(c.segs, c.pos)
		}
		if i >= 0 {
			if live != nil {
				_ = live.Close() // read only
			}
			c.file, err = c.d.openSegment(c.service, c.segs[i])
			if errors.Is(err, fs.ErrNotExist) {
				c.segs = nil
				continue // removed since
			}
			if err != nil {
				return err
			}
			c.jump(c.segs[i].start)
			return c.align()
		}
		if live == nil {
			return nil
		}
		st, err := live.live.Stat()
		if err != nil {
			return errors.Join(fmt.Errorf("read log: %w", err), live.Close())
		}
		if c.pos > live.start+st.Size() { // all logs were removed, and others begun
			c.pos = live.start
		}
		c.file = live
		c.jump(live.start)
		return c.align()
	}
	return errors.New("read log: its files change faster than they can be opened")
}

// holding finds the file pos is in, or the first behind it, among those that have content.
func holding(segs []segment, pos int64) int {
	return slices.IndexFunc(segs, func(s segment) bool { return s.end() > pos && s.forms&(plain|packed) != 0 })
}

// jump goes over what was removed.
func (c *cursor) jump(start int64) {
	if start > c.pos {
		if c.pos > 0 {
			c.missing += start - c.pos
		}
		c.pos, c.inside = start, false
	}
}

// align looks whether a given position is the start of a line.
func (c *cursor) align() error {
	if !c.inside || c.file.raw { // of a long raw line every MiB is a start
		c.inside = false
		return nil
	}
	var last [1]byte
	off := c.pos - c.file.start
	if off == 0 {
		c.inside = false
		return nil
	}
	if _, err := c.file.ReadAt(last[:], off-1); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log: %w", err)
	}
	c.inside = last[0] != '\n'
	return nil
}

// lines calls visit with each line of a chunk, until that says false. The record is good until visit returns.
func lines(b []byte, pos int64, raw bool, changed time.Time, visit func(*record) bool) {
	var r record // one for all, as it moves to the heap
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		next, text := n+1, n
		if n < 0 {
			next, text = len(b), len(b)
		}
		r = parse(b[:text], raw, changed)
		if n < 0 && len(b) >= maxJoined {
			r.partial = true
		}
		r.pos, r.next = pos, pos+int64(next)
		if !visit(&r) {
			return
		}
		b, pos = b[next:], r.next
	}
}

// joiner puts the parts of lines together. While parts of a line are open it holds back the lines of the other stream, so
// that what it has given is always all up to a position.
type joiner struct {
	emit func(*record)
	held []record
	open [2]int // index+1 of the unfinished record of each stream
	size int
}

// maxHeld is how many lines may stand between the parts of one.
const maxHeld = 256

func (j *joiner) add(r *record) {
	if len(j.held) == 0 && !r.partial {
		j.emit(r)
		return
	}
	if r.stream == Keeper {
		if verb, _ := mark(r.text); verb != "in" { // a run, or the bytes, ended there
			j.flush()
			j.emit(r)
			return
		}
	}
	j.size += len(r.text)
	if r.stream != Keeper && j.open[r.stream] > 0 {
		h := &j.held[j.open[r.stream]-1]
		h.text = append(h.text, r.text...)
		if h.partial = r.partial; !h.partial {
			j.open[r.stream] = 0
		}
	} else {
		h := *r
		h.text, h.stamp = bytes.Clone(r.text), bytes.Clone(r.stamp)
		j.held = append(j.held, h)
		if r.partial && r.stream != Keeper {
			j.open[r.stream] = len(j.held)
		}
	}
	j.held[len(j.held)-1].next = max(j.held[len(j.held)-1].next, r.next)
	if j.open == [2]int{} || len(j.held) >= maxHeld || j.size >= maxJoined {
		j.flush()
	}
}

// flush gives what is held, unfinished lines as they are.
func (j *joiner) flush() {
	for i := range j.held {
		if i < len(j.held)-1 {
			j.held[i].next = j.held[0].pos
		}
		j.emit(&j.held[i])
	}
	clear(j.held)
	j.held, j.open, j.size = j.held[:0], [2]int{}, 0
}
