package logs

import (
	"fmt"
	"time"
)

// quiet is how long an unfinished line waits for its rest before it is written as a part.
const quiet = 100 * time.Millisecond

// part is the unfinished line of a stream.
type part struct {
	text []byte
	at   time.Time // of its last byte
	open bool      // the last line on disk is a part of it
	skip bool      // its beginning was dropped: the rest goes too
}

// Append writes what was read from a stream of the service, as lines read at now. It says how many bytes of data it took,
// all of them unless there is an error. A failed write leaves no torn line behind: what was not taken can be appended again
// or given to Drop.
func (w *Writer) Append(stream Stream, data []byte, now time.Time) (int, error) {
	if stream > Stderr || w.set.Raw {
		return 0, fmt.Errorf("append to log: stream %s cannot be appended to here", stream)
	}
	p := &w.part[stream]
	skipped := 0
	if p.skip {
		if skipped = w.skip(p, data); p.skip {
			return skipped, nil
		}
		data = data[skipped:]
	}
	fr := framer{head: p.text, data: data}
	u, some := fr.next()
	if !some { // the common case of small writes; nothing goes to disk
		w.hold(p, fr, now)
		return skipped + len(data), nil
	}
	if err := w.ready(now); err != nil {
		return skipped, err
	}
	buf := w.set.Buffers.get()
	defer w.set.Buffers.put(buf)
	out := (*buf)[:0]
	var head [prefixLen]byte
	appendPrefix(head[:0], now, stream, 'F')
	from := u.before(data) // what out starts with
	lines, flag := 0, byte('F')
	var err error
	for ; some; u, some = fr.next() {
		full := w.full(int64(len(out) + u.size()))
		if full || len(out)+u.size() > cap(out) {
			if from, err = w.commit(p, from, u.before(data), out, lines, flag); err == nil && full {
				err = w.Rotate()
			}
			if err == nil {
				err = w.ready(now)
			}
			if err != nil {
				return skipped + w.back(p, from, now), err
			}
			out, lines = out[:0], 0
		}
		if flag = u.flag; flag == 'F' {
			lines++
		}
		head[prefixLen-2] = flag
		out = append(out, head[:]...)
		out = append(out, u.head...)
		out = append(out, u.body...)
		out = append(out, '\n')
	}
	if from, err = w.commit(p, from, fr, out, lines, flag); err != nil {
		return skipped + w.back(p, from, now), err
	}
	w.hold(p, fr, now)
	return skipped + len(data), nil
}

// full says whether n more bytes need a file of their own.
func (w *Writer) full(n int64) bool {
	return w.set.MaxSize > 0 && w.size+n > w.set.MaxSize && (w.size > w.head || n > w.set.MaxSize)
}

// commit writes out, which are the lines of stretch from to to, and counts what is on disk. When not all of them are, the
// framer it gives back stands at the first that is not.
func (w *Writer) commit(p *part, from, to framer, out []byte, lines int, flag byte) (framer, error) {
	if len(out) == 0 {
		return to, nil
	}
	kept, err := w.write(out)
	if err == nil {
		w.state.Bytes += int64(len(from.head) + to.off - from.off)
		w.state.Lines += int64(lines)
		p.open = flag == 'P'
		return to, nil
	}
	for sum := 0; sum < kept; {
		u, _ := from.next()
		sum += u.size()
		w.state.Bytes += int64(len(u.head) + len(u.body))
		if p.open = u.flag == 'P'; !p.open {
			w.state.Bytes++
			w.state.Lines++
		}
	}
	return from, err
}

// hold keeps the unfinished line a framer has come to.
func (w *Writer) hold(p *part, fr framer, now time.Time) {
	rest := fr.data[fr.off:]
	if len(fr.head) == 0 {
		if p.text = p.text[:0]; len(rest) == 0 && cap(p.text) > 256 || cap(p.text) > 2*len(rest)+1024 {
			p.text = nil
		}
	}
	if len(rest) > 0 {
		p.text = append(p.text, rest...)
		p.at = now
	}
}

// back makes a part what it was when the framer stood there, and says how much of its data was taken.
func (w *Writer) back(p *part, fr framer, now time.Time) int {
	if len(fr.head) == 0 {
		w.hold(p, framer{}, now)
	}
	return fr.off
}

// Pending says whether there is an unfinished line, so that Flush should be called 100 ms from now.
func (w *Writer) Pending() bool { return len(w.part[Stdout].text) > 0 || len(w.part[Stderr].text) > 0 }

// Flush writes unfinished lines that nothing was added to for 100 ms as parts, and rotates a file that is too old. Call it
// now and then (a minute apart will do) when nothing is pending.
func (w *Writer) Flush(now time.Time) error {
	for i := range w.part {
		p := &w.part[i]
		if len(p.text) == 0 || now.Sub(p.at) < quiet && !now.Before(p.at) {
			continue
		}
		if err := w.end(p, Stream(i), 'P', now); err != nil {
			return err
		}
	}
	if w.old(now) {
		return w.Rotate()
	}
	return nil
}

// Finish ends unfinished lines: the service has closed its output. Call it before the mark that ends a run.
func (w *Writer) Finish(now time.Time) error {
	for i := range w.part {
		p := &w.part[i]
		if len(p.text) > 0 || p.open {
			if err := w.end(p, Stream(i), 'F', now); err != nil {
				return err
			}
		}
		p.skip = false
	}
	return nil
}

func (w *Writer) end(p *part, stream Stream, flag byte, now time.Time) error {
	if err := w.ready(now); err != nil {
		return err
	}
	if w.full(int64(prefixLen + len(p.text) + 1)) {
		if err := w.Rotate(); err != nil {
			return err
		}
	}
	if err := w.put(stream, flag, p.text, now); err != nil {
		return err
	}
	w.state.Bytes += int64(len(p.text))
	if p.open = flag == 'P'; !p.open {
		w.state.Lines++
	}
	w.hold(p, framer{}, now)
	return nil
}
