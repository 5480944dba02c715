//go:build unix

package keeper

import (
	"os"
	"syscall"
)

var unheeded = []os.Signal{syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT}
