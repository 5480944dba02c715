package exporter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// procFile is a file of /proc or /sys that is read again and again: it stays open, and each read is a pread into one buffer.
// Opening costs several times what reading does. Not safe for concurrent use.
type procFile struct {
	path string
	fd   int
	open bool
	buf  []byte
}

// read returns the whole file. The bytes are good until the next read. A file that went away and came back under the same
// name (a device unplugged and plugged) is opened anew.
func (p *procFile) read() ([]byte, error) {
	again := p.open
	b, err := p.readOnce()
	if err != nil && again {
		b, err = p.readOnce()
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.path, err)
	}
	return b, nil
}

func (p *procFile) readOnce() ([]byte, error) {
	if !p.open {
		fd, err := unix.Open(p.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		p.fd, p.open = fd, true
	}
	if p.buf == nil {
		p.buf = make([]byte, 8<<10)
	}
	n := 0
	for {
		if n == len(p.buf) {
			p.buf = append(p.buf, make([]byte, len(p.buf))...)
		}
		// A seq_file hands over a page or so at a time, so only an empty read is the end.
		got, err := unix.Pread(p.fd, p.buf[n:], int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			p.close() //nolint:errcheck // the read error says more
			return nil, err
		case got <= 0:
			return p.buf[:n], nil
		default:
			n += got
		}
	}
}

// close frees the file; the next read opens it again.
func (p *procFile) close() error {
	if !p.open {
		return nil
	}
	p.open = false
	return unix.Close(p.fd)
}

// closeAll closes several files and joins their errors.
func closeAll(files ...*procFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// readSmall reads a file of /sys that holds one short value, without its white space. Broken drivers answer EAGAIN for ever,
// which os.ReadFile would wait for; this does not.
func readSmall(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	var b [256]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return "", &os.PathError{Op: "read", Path: path, Err: err}
	}
	return strings.TrimSpace(string(b[:max(n, 0)])), nil
}

// readSmallNumber reads a number from a file of /sys; NaN when there is none.
func readSmallNumber(path string) float64 {
	s, err := readSmall(path)
	if err != nil {
		return unknown()
	}
	return parseFloatString(s)
}

// absent says that an error means "this kernel or machine has none of it".
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}
