package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const errQuota = windows.ERROR_DISK_QUOTA_EXCEEDED

// mapReserve is 0: Windows makes the file as large as its map.
const mapReserve = 0

// tryLock takes the exclusive lock of an open file; false when another process holds it. The locked byte lies far behind the
// content, because a locked range cannot be read by others.
func tryLock(f *os.File) (bool, error) {
	at := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// syncDir does nothing: NTFS journals names and a directory cannot be flushed.
func syncDir(string) error { return nil }
