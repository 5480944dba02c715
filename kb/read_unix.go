//go:build unix

package kb

import (
	"errors"
	"io/fs"
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
