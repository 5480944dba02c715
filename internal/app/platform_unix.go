//go:build unix

package app

import (
	"os"
	"syscall"
)

func reloadSignal() os.Signal { return syscall.SIGHUP }

// privateUmask makes files created until the returned function is called the user's alone: a socket must never be open to
// others, not even for the moment between its making and a chmod. The mask is the process's: call it at start only.
func privateUmask() (restore func()) {
	old := syscall.Umask(0o177)
	return func() { syscall.Umask(old) }
}

// isOurs says whether a file belongs to the user that this process is.
func isOurs(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

func addressInUse(error) bool { return false }
