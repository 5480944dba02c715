package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"controlcenter/internal/private"
)

// quiet is how long an unfinished line waits for its rest before it is written as a part.
const quiet = 100 * time.Millisecond

// Settings say when a log is rotated and how many rotated files stay.
type Settings struct {
	MaxSize int64         // bytes of a file before the next is begun; 0 = no limit. Only a line longer than that makes a file longer
	MaxAge  time.Duration // of a file's first line, looked at when something is written and by Flush; 0 = no limit
	Keep    int           // rotated files; 0 = none, below 0 = all
	Raw     bool          // the service writes the file itself (direct mode); it is rotated by Rotate only
	Buffers *Buffers      // shared with other writers; nil = its own
}

func (s Settings) check() error {
	switch {
	case s.MaxSize < 0:
		return fmt.Errorf("max size is %d: must be 0 (no limit) or more bytes", s.MaxSize)
	case s.MaxAge < 0:
		return fmt.Errorf("max age is %s: must be 0 (no limit) or more", s.MaxAge)
	}
	return nil
}

// Writer appends to the log of one service. One goroutine may use it; no other writer may have the same service open. It
// blocks as long as the disk does.
type Writer struct {
	dir, service string
	set          Settings
	f            *os.File  // the live file; nil when it could not be created after a rotation
	rotated      []segment // oldest first
	start        int64     // position of the live file
	size         int64     // of the live file; unknown when raw
	head         int64     // of it, the mark at its top
	born         time.Time // of its first line
	torn         bool      // there is more than size in it, which has to go first
	run          string    // that is going on
	state        State
	part         [2]part
}

// part is the unfinished line of a stream.
type part struct {
	text []byte
	at   time.Time // of its last byte
	open bool      // the last line on disk is a part of it
	skip bool      // its beginning was dropped: the rest goes too
}

// State is what a writer knows that is not on disk, for the one that takes its place after an execve.
type State struct {
	Parts     [2]PartState `json:"parts"` // of stdout and stderr
	Run       string       `json:"run,omitempty"`
	Bytes     int64        `json:"bytes"` // taken from the service, newlines too
	Lines     int64        `json:"lines"`
	LostBytes int64        `json:"lost_bytes,omitempty"` // dropped, in all
	LostLines int64        `json:"lost_lines,omitempty"`
	MarkBytes int64        `json:"mark_bytes,omitempty"` // dropped and not yet told of in the log
	MarkLines int64        `json:"mark_lines,omitempty"`
}

// PartState is the unfinished line of one stream.
type PartState struct {
	Text []byte    `json:"text,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Open bool      `json:"open,omitempty"`
	Skip bool      `json:"skip,omitempty"`
}

// OpenWriter opens the log of a service for appending. It creates the folder (0700) and the live file (0600) as needed,
// ends a line that a crash has torn, and rotates away a live file of the other mode.
func OpenWriter(dir, service string, s Settings) (*Writer, error) {
	w := &Writer{dir: dir, service: service}
	if err := checkService(service); err != nil {
		return nil, err
	}
	if err := w.SetSettings(s); err != nil {
		return nil, err
	}
	if err := private.Dir(dir); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	segs, err := rotated(dir, service)
	if err != nil {
		return nil, err
	}
	w.rotated, w.start = append([]segment(nil), segs...), endOf(segs)

	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	if _, err := root.Stat(liveName(service, !s.Raw)); err == nil {
		w.set.Raw = !s.Raw
		if err = w.openLive(root); err == nil {
			err = w.rename(root)
		}
		w.set.Raw = s.Raw
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.openLive(root); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// openLive opens the live file, or creates it.
func (w *Writer) openLive(root *os.Root) error {
	name := liveName(w.service, w.set.Raw)
	f, err := root.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open log: %w", err), f.Close())
	}
	w.f, w.size, w.head, w.born, w.torn = f, st.Size(), 0, st.ModTime(), false
	if w.size == 0 {
		return nil
	}
	var first [stampLen]byte
	if _, err := f.ReadAt(first[:], 0); err == nil {
		if t, ok := parseStamp(first[:]); ok {
			w.born = t
		}
	}
	if w.set.Raw {
		return nil // the service may be in the middle of a line
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], w.size-1); err != nil {
		return fmt.Errorf("read end of log: %w", err)
	}
	if last[0] != '\n' {
		if _, err := w.write([]byte{'\n'}); err != nil {
			return err
		}
	}
	return nil
}

// SetSettings changes when the log is rotated from now on. Raw cannot be changed: open another Writer.
func (w *Writer) SetSettings(s Settings) error {
	if err := s.check(); err != nil {
		return err
	}
	if w.f != nil && s.Raw != w.set.Raw {
		return errors.New("the mode of an open log cannot be changed")
	}
	if s.Buffers == nil {
		if s.Buffers = w.set.Buffers; s.Buffers == nil {
			s.Buffers = &Buffers{}
		}
	}
	w.set = s
	return nil
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

// write appends whole lines to the live file. After a failure only whole lines of them are in the file: kept bytes.
func (w *Writer) write(b []byte) (kept int, err error) {
	n, err := w.f.Write(b)
	if err == nil {
		w.size += int64(n)
		return n, nil
	}
	if w.set.Raw {
		return 0, fmt.Errorf("write log: %w", err) // the service may have written behind it
	}
	kept = bytes.LastIndexByte(b[:n], '\n') + 1
	w.size += int64(kept)
	if n > kept {
		w.torn = true
		w.mend()
	}
	return kept, fmt.Errorf("write log: %w", err)
}

// mend cuts off half a line that a failed write has left.
func (w *Writer) mend() {
	if w.f.Truncate(w.size) == nil {
		w.torn = false
		return
	}
	// Windows does not let a file that is open for appending be cut.
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return
	}
	defer root.Close()
	f, err := root.OpenFile(liveName(w.service, w.set.Raw), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	w.torn = f.Truncate(w.size) != nil
	_ = f.Close()
}

// ready makes the live file one that can be appended to, and writes down what was dropped.
func (w *Writer) ready(now time.Time) error {
	if w.f != nil && w.torn {
		if w.mend(); w.torn {
			return errors.New("write log: half a line of a failed write cannot be removed")
		}
	}
	if w.old(now) {
		if err := w.Rotate(); err != nil {
			return err
		}
	}
	if w.f == nil {
		if err := w.Rotate(); err != nil {
			return err
		}
	}
	if w.size == 0 {
		w.born = now
		if w.run != "" { // a run that goes on here is found without the files before
			if err := w.put(Keeper, 'F', []byte("in run="+w.run), now); err != nil {
				return err
			}
			w.head = w.size
		}
	}
	if w.state.MarkBytes > 0 {
		lines, n := w.state.MarkLines, w.state.MarkBytes
		if err := w.put(Keeper, 'F', fmt.Appendf(nil, "dropped lines=%d bytes=%d", lines, n), now); err != nil {
			return err
		}
		w.state.MarkLines, w.state.MarkBytes = 0, 0
		w.part[Stdout].open, w.part[Stderr].open = false, false // readers join nothing across it
	}
	return nil
}

func (w *Writer) old(now time.Time) bool {
	return w.set.MaxAge > 0 && !w.set.Raw && w.size > w.head && now.Sub(w.born) >= w.set.MaxAge
}

// put writes one line.
func (w *Writer) put(stream Stream, flag byte, text []byte, now time.Time) error {
	buf := w.set.Buffers.get()
	defer w.set.Buffers.put(buf)
	b := (*buf)[:0]
	if w.set.Raw && w.midLine() {
		b = append(b, '\n')
	}
	b = append(append(appendPrefix(b, now, stream, flag), text...), '\n')
	_, err := w.write(b)
	return err
}

// midLine says whether the service's own last line has no end yet.
func (w *Writer) midLine() bool {
	st, err := w.f.Stat()
	if err != nil || st.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = w.f.ReadAt(last[:], st.Size()-1)
	return err == nil && last[0] != '\n'
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

// Drop counts data as lost, with the line it belongs to: what of it was not yet written, and what is still to come. The next
// write says so in the log.
func (w *Writer) Drop(stream Stream, data []byte) {
	if stream > Stderr || len(data) == 0 {
		return
	}
	p := &w.part[stream]
	w.lose(len(p.text)+len(data), bytes.Count(data, []byte{'\n'}))
	p.text = nil
	p.skip = data[len(data)-1] != '\n'
}

// skip drops the rest of a line whose beginning was dropped.
func (w *Writer) skip(p *part, data []byte) int {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		w.lose(len(data), 0)
		return len(data)
	}
	w.lose(i+1, 1)
	p.skip = false
	return i + 1
}

func (w *Writer) lose(n, lines int) {
	w.state.LostBytes += int64(n)
	w.state.LostLines += int64(lines)
	w.state.MarkBytes += int64(n)
	w.state.MarkLines += int64(lines)
}

// Mark writes a line of the stream keeper: see the package comment. Newlines in text become blanks; it is cut at 4 KiB.
func (w *Writer) Mark(text string, now time.Time) error {
	if len(text) > 4096 {
		text = text[:4096]
	}
	text = strings.ReplaceAll(text, "\n", " ")
	verb, run := mark([]byte(text))
	if verb == "start" {
		w.run = "" // the top of a new file is not in it yet
	}
	if err := w.ready(now); err != nil {
		return err
	}
	if !w.set.Raw && w.full(int64(prefixLen+len(text)+1)) {
		if err := w.Rotate(); err != nil {
			return err
		}
	}
	if err := w.put(Keeper, 'F', []byte(text), now); err != nil {
		return err
	}
	switch verb {
	case "start":
		w.run = run
	case "end":
		w.run = ""
	}
	w.part[Stdout].open, w.part[Stderr].open = false, false
	return nil
}

// Position is that of the next byte to be written.
func (w *Writer) Position() int64 {
	if w.set.Raw && w.f != nil {
		if st, err := w.f.Stat(); err == nil {
			return w.start + st.Size()
		}
	}
	return w.start + w.size
}

// Counts are the bytes and whole lines written for the service since the log was opened, or since the first of the writers
// that handed their State on. In direct mode they are 0.
func (w *Writer) Counts() (bytes, lines int64) { return w.state.Bytes, w.state.Lines }

// Dropped are the bytes and lines given to Drop, counted as in Counts.
func (w *Writer) Dropped() (bytes, lines int64) { return w.state.LostBytes, w.state.LostLines }

// File is the live file, for a service that writes it itself; nil when it could not be created after a rotation. It belongs
// to the writer.
func (w *Writer) File() *os.File { return w.f }

// State is what Restore needs. It shares memory with the writer, which must not be used after.
func (w *Writer) State() State {
	s := w.state
	s.Run = w.run
	for i, p := range w.part {
		s.Parts[i] = PartState{Text: p.text, At: p.at, Open: p.open, Skip: p.skip}
	}
	return s
}

// Restore goes on where another writer of the same log has stopped. It fails when an unfinished line is longer than 64 KiB.
func (w *Writer) Restore(s State) error {
	for i, p := range s.Parts {
		if len(p.Text) > maxText {
			return fmt.Errorf("restore log: unfinished line of %d bytes: must be at most %d", len(p.Text), maxText)
		}
		w.part[i] = part{text: p.Text, at: p.At, open: p.Open, skip: p.Skip}
	}
	w.run = s.Run
	w.state = s
	w.state.Parts, w.state.Run = [2]PartState{}, ""
	return nil
}

// Close closes the file. Unfinished lines are lost unless Finish was called or State taken.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	if err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
