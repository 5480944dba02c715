package keeper

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// adjustOOMScore makes the kernel, when memory is out, prefer (above 0) or spare (below 0, root only) this process and its children.
func adjustOOMScore(n int) error {
	return os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(n)), 0) //nolint:wrapcheck // the caller says what was being done
}

func noNewPrivileges() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) //nolint:wrapcheck // the caller says what was being done
}
