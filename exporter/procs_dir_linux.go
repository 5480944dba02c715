package exporter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// procDir is /proc kept open. All reads go through system calls relative to it, so that a reading of thousands of processes
// leaves no garbage and does not pass through the runtime's poller. It is not safe for concurrent use.
type procDir struct {
	root string
	fd   int // -1 = not open
	dent []byte
	path []byte // scratch: "PID/stat\x00"
}

func newProcDir(root string) procDir { return procDir{root: root, fd: -1} }

func (d *procDir) open() error {
	if d.fd >= 0 {
		return nil
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(d.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return fmt.Errorf("open %s: %w", d.root, err)
	}
	d.fd = fd
	if d.dent == nil {
		d.dent = make([]byte, 32<<10)
	}
	return nil
}

func (d *procDir) close() {
	if d.fd >= 0 {
		unix.Close(d.fd) //nolint:errcheck // nothing was written
		d.fd = -1
	}
}

// pids appends the ids of all processes to dst, ascending.
func (d *procDir) pids(dst []int) ([]int, error) {
	if err := d.open(); err != nil {
		return dst, err
	}
	dst, err := listNumbers(d.fd, d.dent, dst)
	if err != nil {
		return dst, fmt.Errorf("list %s: %w", d.root, err)
	}
	if !slices.IsSorted(dst) {
		slices.Sort(dst)
	}
	return dst, nil
}

// sub is the path of a process's file relative to the kept directory; valid until the next call.
func (d *procDir) sub(pid int, file string) string {
	d.path = strconv.AppendInt(d.path[:0], int64(pid), 10)
	if file != "" {
		d.path = append(append(d.path, '/'), file...)
	}
	return string(d.path)
}

func (d *procDir) openFile(pid int, file string, flags int) (int, error) {
	path := d.sub(pid, file)
	return retry(func() (int, error) { return unix.Openat(d.fd, path, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0) })
}

// readFile reads what fits into buf of a process's file.
func (d *procDir) readFile(pid int, file string, buf []byte) ([]byte, error) {
	fd, err := d.openFile(pid, file, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	return readFull(fd, buf)
}

// readFull reads until buf is full or the file ends; one read is enough for a small file of /proc, a second one tells.
func readFull(fd int, buf []byte) ([]byte, error) {
	n := 0
	for n < len(buf) {
		m, err := retry(func() (int, error) { return unix.Pread(fd, buf[n:], int64(n)) })
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return buf[:n], nil
}

// listNumbers appends the entries of a directory that are numbers, from its start.
func listNumbers(fd int, buf []byte, dst []int) ([]int, error) {
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return dst, err
	}
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil || n == 0 {
			return dst, err
		}
		for b := buf[:n]; len(b) > 19; { // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name
			size := int(binary.NativeEndian.Uint16(b[16:]))
			if size < 19 || size > len(b) {
				break
			}
			if v, digits := parseDigits(b[19:size]); digits > 0 && 19+digits < size && b[19+digits] == 0 {
				dst = append(dst, int(v))
			}
			b = b[size:]
		}
	}
}

// gone says that an error means that the process has ended.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// retry repeats a call that a signal interrupted.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR { //nolint:errorlint // a bare errno of a system call
			return n, err
		}
	}
}

// fdBudget is how many descriptors may be kept: most, or the given share of the limit in force when that is less.
func fdBudget(most, share int) int {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil || lim.Cur > 1<<30 {
		return most
	}
	return min(most, int(lim.Cur)/share)
}
