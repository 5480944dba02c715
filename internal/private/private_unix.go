//go:build unix

package private

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// noFollow: a pipe that somebody has put there must not hold us either.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// isLink: what O_NOFOLLOW answers differs between systems.
func isLink(err error) bool { return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) }

// owned says whether a file is of this user or of root, who can do all anyhow.
func owned(st os.FileInfo) (uint32, bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return s.Uid, s.Uid == 0 || int(s.Uid) == os.Geteuid()
}

func checkDir(path string, st os.FileInfo) error {
	if uid, ok := owned(st); !ok {
		return unsafe(path, fmt.Sprintf("it belongs to user %d, and this process is user %d", uid, os.Geteuid()))
	}
	if st.Mode()&0o002 != 0 && st.Mode()&os.ModeSticky == 0 { // sticky: what they make there is not taken for ours, and ours they cannot replace
		return unsafe(path, fmt.Sprintf("it has mode %04o; take their right to write with: chmod o-w %s", st.Mode().Perm(), quote(path)))
	}
	return nil
}

// checkFile also takes from others what they may read of a file that was made, or restored, with another mode.
func checkFile(path string, f *os.File, st os.FileInfo) error {
	if !st.Mode().IsRegular() {
		return unsafe(path, "it is not a regular file")
	}
	if uid, ok := owned(st); !ok {
		return unsafe(path, fmt.Sprintf("it belongs to user %d, and this process is user %d", uid, os.Geteuid()))
	}
	if st.Mode()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil && !errors.Is(err, os.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return err //nolint:wrapcheck // names the path
		}
	}
	return nil
}

func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
