package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"
)

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
