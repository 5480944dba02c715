package logs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"controlcenter/internal/private"
)

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

// File is the live file, for a service that writes it itself; nil when it could not be created after a rotation. It belongs
// to the writer.
func (w *Writer) File() *os.File { return w.f }

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
