package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Due says whether the live file is so large or so old that it should be rotated. Other than in direct mode, where the owner
// asks before each start, writing rotates by itself.
func (w *Writer) Due(now time.Time) bool {
	n := w.Position() - w.start
	return n > w.head && (w.set.MaxSize > 0 && n >= w.set.MaxSize || w.set.MaxAge > 0 && now.Sub(w.born) >= w.set.MaxAge)
}

// Rotate puts the live file aside, removes rotated ones beyond Keep and begins another. Nothing happens to an empty one. In
// direct mode the service must not be running, as it would go on writing to the old one.
func (w *Writer) Rotate() error {
	if w.f != nil && w.Position() == w.start+w.head {
		return nil // nothing but the mark at its top
	}
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	defer root.Close()
	if w.f != nil {
		if err := w.rename(root); err != nil {
			return err
		}
	}
	return w.openLive(root)
}

// rename gives the live file its name for good, closes it and prunes.
func (w *Writer) rename(root *os.Root) error {
	if w.torn {
		if w.mend(); w.torn {
			return errors.New("rotate log: half a line of a failed write cannot be removed")
		}
	}
	live := liveName(w.service, w.set.Raw)
	seg := segment{start: w.start, size: w.Position() - w.start, forms: plain, raw: w.set.Raw}
	var err error
	if seg.size == 0 {
		err = root.Remove(live)
	} else {
		err = root.Rename(live, seg.name(w.service, plain))
	}
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	err = w.f.Close()
	w.f, w.size, w.head = nil, 0, 0
	if seg.size > 0 {
		w.start = seg.end()
		w.rotated = append(w.rotated, seg)
	}
	if err != nil {
		return fmt.Errorf("close rotated log: %w", err)
	}
	return w.prune(root)
}

// prune removes rotated files beyond Keep. The newest leaves an empty file, so that its position is not used again.
func (w *Writer) prune(root *os.Root) error {
	n := len(w.rotated) - w.set.Keep
	if w.set.Keep < 0 || n <= 0 {
		return nil
	}
	var errs []error
	newest := len(w.rotated) - 1
	for i, seg := range w.rotated[:n] {
		if err := discard(root, w.service, seg, i == newest); err != nil {
			errs = append(errs, err)
		}
	}
	if n > newest {
		n = newest
	}
	w.rotated = append(w.rotated[:0], w.rotated[n:]...)
	return errors.Join(errs...)
}

// discard removes a rotated file under whichever names it has. Instead of the newest an empty file stays.
func discard(root *os.Root, service string, seg segment, newest bool) error {
	var errs []error
	if newest {
		f, err := root.OpenFile(seg.name(service, gone), os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("mark removed log: %w", err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("mark removed log: %w", err)
		}
	} else {
		errs = append(errs, root.Remove(seg.name(service, gone)))
	}
	errs = append(errs, root.Remove(seg.name(service, plain)), root.Remove(seg.name(service, packed)))
	for _, err := range errs {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove rotated log: %w", err)
		}
	}
	return nil
}
