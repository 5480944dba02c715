//go:build unix

package kb

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep a FIFO or a device that took a file's place from holding up the scan.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

func isLinkLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }

// identityOf returns the file system and the inode of a file.
func identityOf(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}

// keepOwner gives a file the owner and group of another, where they differ.
func keepOwner(f *os.File, was fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, ok := info.Sys().(*syscall.Stat_t)
	old, wasOK := was.Sys().(*syscall.Stat_t)
	if !ok || !wasOK || now.Uid == old.Uid && now.Gid == old.Gid {
		return nil
	}
	return f.Chown(int(old.Uid), int(old.Gid))
}
