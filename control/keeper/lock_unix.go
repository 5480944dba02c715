//go:build unix

package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"controlcenter/internal/private"
)

// lockFile takes the lock of a folder; errLocked when somebody has it.
func lockFile(path string) (*os.File, error) {
	f, err := private.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// socketPath returns a path of the socket that fits into an address (107 bytes): a long one goes through the open folder. done
// must be called after use.
func socketPath(dir string) (path string, done func(), err error) {
	if path = filepath.Join(dir, socketName); len(path) < 100 {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open folder: %w", err)
	}
	if via := "/proc/self/fd/" + strconv.Itoa(int(d.Fd())); exists(via) {
		return filepath.Join(via, socketName), func() { _ = d.Close() }, nil
	}
	_ = d.Close()
	return "", nil, fmt.Errorf("the path %s is too long for a socket", path)
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// listenSocket listens in a folder that is locked: a socket that is there is nobody's.
func listenSocket(dir string) (*net.UnixListener, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // another keeper may have made its own by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	return l, nil
}

func dialSocket(dir string) (*net.UnixConn, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}) //nolint:wrapcheck // the caller says what was being done
}

// duplicate returns a second descriptor of a file.
func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was being done
	}
	var fd int
	var derr error
	if err := raw.Control(func(old uintptr) { fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) }); err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was being done
	}
	if derr != nil {
		return nil, derr //nolint:wrapcheck // the caller says what was being done
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
