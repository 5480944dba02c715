//go:build unix

package keeper

import (
	"os"
	"syscall"
)

var ignored = []os.Signal{syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT}
