//go:build unix

package api

import (
	"math"
	"syscall"
)

// descriptors is how many files the process may have open.
func descriptors() int {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return math.MaxInt
	}
	return int(min(uint64(lim.Cur), math.MaxInt)) //nolint:gosec // bounded
}
