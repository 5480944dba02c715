package kb

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// errChanged says that a file was another one, or had changed, when it had been read.
var errChanged = errors.New("changed while it was read")

// readRegular reads a regular file below root, of at most limit bytes. Nothing but a regular file is ever opened, so a FIFO
// cannot hold it up nor a device notice it; should one take the file's place in between, it is opened without waiting and
// closed at once. What is returned was the file's content at one moment: when it changes meanwhile it is read again, twice.
// Errors are a [RejectError].
func readRegular(root *os.Root, name string, limit int64, between func()) ([]byte, fs.FileInfo, error) {
	var err error
	for range 3 {
		var data []byte
		var info fs.FileInfo
		if data, info, err = readOnce(root, name, limit, between); err == nil {
			return data, info, nil
		}
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return nil, nil, rejectionOf(err)
}

// folder reads files of one folder after the other. It keeps the folder open: to walk to it anew for each look at each file would
// be most of the calls to the system.
type folder struct {
	root *os.Root
	dir  string   // below root
	at   *os.Root // dir; nil = none is open
}

// read is readRegular of a file in a folder below root.
func (d *folder) read(dir, name string, limit int64, between func()) ([]byte, fs.FileInfo, error) {
	if d.enter(dir) {
		data, info, err := readRegular(d.at, name, limit, between)
		if !d.perhapsLinked(err) {
			return data, info, err
		}
	}
	return readRegular(d.root, below(dir, name), limit, between)
}

// open is openRegular of a file in a folder below root.
func (d *folder) open(dir, name string) (*os.File, error) {
	if d.enter(dir) {
		f, err := openRegular(d.at, name)
		if err == nil || !d.perhapsLinked(rejectionOf(err)) {
			return f, err
		}
	}
	return openRegular(d.root, below(dir, name))
}

// enter opens a folder below root, or says that it cannot be.
func (d *folder) enter(dir string) bool {
	if d.at == nil || d.dir != dir {
		d.leave()
		if at, err := d.root.OpenRoot(cmp.Or(dir, ".")); err == nil {
			d.at, d.dir = at, dir
		}
	}
	return d.at != nil
}

// perhapsLinked says that the file may be a link that leaves the folder, and not the root.
func (*folder) perhapsLinked(err error) bool {
	r, ok := errors.AsType[*RejectError](err)
	return ok && (r.Reason == LinkOutsideRoot || r.Reason == Unreadable)
}

func (d *folder) leave() {
	if d.at != nil {
		_ = d.at.Close()
		d.at = nil
	}
}

// folders is a folder that is open for each root. The zero value has none open; leave closes all.
type folders map[string]*folder

// open opens the file of a row if it is a regular one.
func (all *folders) open(b *Base, r *row) (*os.File, error) {
	if *all == nil {
		*all = folders{}
	}
	in := (*all)[r.root]
	if in == nil {
		in = &folder{}
		if root, ok := b.rootOf(r.root); ok {
			in.root, _ = os.OpenRoot(root.Path)
		}
		(*all)[r.root] = in
	}
	if in.root == nil {
		return nil, fmt.Errorf("open %s: %w", r.path(), ErrNotFound)
	}
	return in.open(r.dir, r.name)
}

func (all *folders) leave() {
	for _, in := range *all {
		if in.root != nil {
			in.leave()
			_ = in.root.Close()
		}
	}
}

// openRegular opens a file below root if it is a regular one.
func openRegular(root *os.Root, name string) (*os.File, error) {
	before, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &RejectError{NotRegular, before.Mode().Type().String()}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &RejectError{NotRegular, info.Mode().Type().String()}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func readOnce(root *os.Root, name string, limit int64, between func()) (data []byte, info fs.FileInfo, err error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if info.Size() > limit {
		return nil, nil, tooLarge(info.Size(), limit)
	}
	data = make([]byte, 0, min(info.Size(), limit)+1)
	if data, err = appendAll(data, io.LimitReader(f, limit+1)); err != nil {
		return nil, nil, err
	}
	if between != nil {
		between()
	}
	if int64(len(data)) > limit {
		return nil, nil, tooLarge(int64(len(data)), limit)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	now, err := root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !os.SameFile(info, now) || after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) || int64(len(data)) != info.Size() {
		return nil, nil, errChanged
	}
	return data, info, nil
}

func tooLarge(size, limit int64) error {
	return &RejectError{TooLarge, fmt.Sprintf("%d bytes, at most %d are read", size, limit)}
}

// appendAll is io.ReadAll into a buffer of the size that is known.
func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// rejectionOf turns an error of opening or reading into a reason.
func rejectionOf(err error) error {
	if r, ok := errors.AsType[*RejectError](err); ok {
		return r
	}
	text := err.Error()
	switch {
	case errors.Is(err, errChanged):
		return &RejectError{ChangedWhileReading, ""}
	case strings.Contains(text, "path escapes"): // the os package has no name for it
		return &RejectError{LinkOutsideRoot, ""}
	case isLinkLoop(err) || strings.Contains(text, "too many symlinks"):
		return &RejectError{LinkLoop, ""}
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		text = pe.Err.Error() // without the path, which stands beside it
	}
	return &RejectError{Unreadable, text}
}
