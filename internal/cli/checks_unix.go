//go:build unix

package cli

import (
	"os"
	"syscall"
)

// fdWarn is the soft limit below which a busy day may hit it: each WebSocket client, service pipe and log file needs one.
const fdWarn = 4096

// checkDescriptors reads RLIMIT_NOFILE. Go raises the soft limit to the hard one at start, so this is what serve gets.
func checkDescriptors() checkResult {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return verdict("file descriptors", checkInfo, "limit unknown: %v", err)
	}
	s := checkOK
	if l.Cur < fdWarn {
		s = checkWarn
	}
	return verdict("file descriptors", s, "limit %d", l.Cur)
}

// checkPermissions wants the data directory closed to others: it holds keys and the state of all services.
func checkPermissions(dir string, info os.FileInfo) checkResult {
	const name = "permissions"
	mode := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		return verdict(name, checkFail, "%s belongs to uid %d, this is uid %d", dir, st.Uid, os.Geteuid())
	}
	if mode&0o077 != 0 {
		return verdict(name, checkWarn, "%s is %04o: others may look in; chmod 700 it", dir, mode)
	}
	return verdict(name, checkOK, "%s is %04o", dir, mode)
}
