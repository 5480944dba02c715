package store

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockHolder returns the process that has the flock of a file, from /proc/locks; 0 when it is not listed (another pid
// namespace).
func lockHolder(path string) (pid int, command string) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, ""
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, ""
	}
	if pid = flockHolder(locks, fmt.Sprintf("%02x:%02x", unix.Major(sys.Dev), unix.Minor(sys.Dev)), sys.Ino); pid == 0 {
		return 0, ""
	}
	return pid, commandLine(pid)
}

// flockHolder finds the holder in the text of /proc/locks ("1: FLOCK  ADVISORY  WRITE 4242 fe:00:131 0 EOF"). Some file
// systems show another device there than stat does, so the inode alone decides when no device agrees.
func flockHolder(locks []byte, device string, inode uint64) int {
	byInode := 0
	for line := range bytes.Lines(locks) {
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != "FLOCK" { // a waiter has "->" as second field
			continue
		}
		dev, ino, ok := cutLast(f[5], ":")
		if n, err := strconv.ParseUint(ino, 10, 64); !ok || err != nil || n != inode {
			continue
		}
		pid, err := strconv.Atoi(f[4])
		if err != nil || pid <= 0 {
			continue
		}
		if dev == device {
			return pid
		}
		byInode = pid
	}
	return byInode
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// commandLine returns a process' command line, at most 120 bytes; "" when it cannot be read.
func commandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return shorten(strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " ")))
}
