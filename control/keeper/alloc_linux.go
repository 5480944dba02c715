package keeper

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file n bytes of disk behind offset without changing its size.
func allocate(f *os.File, offset, n int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err //nolint:wrapcheck // the caller says what was being done
	}
	var aerr error
	if err := raw.Control(func(fd uintptr) { aerr = unix.Fallocate(int(fd), unix.FALLOC_FL_KEEP_SIZE, offset, n) }); err != nil {
		return err //nolint:wrapcheck // the caller says what was being done
	}
	if errors.Is(aerr, unix.EOPNOTSUPP) || errors.Is(aerr, unix.ENOSYS) {
		return nil // a file system without it: the write itself will tell
	}
	return aerr //nolint:wrapcheck // the caller says what was being done
}
