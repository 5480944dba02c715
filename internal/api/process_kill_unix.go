//go:build unix

package api

import (
	"errors"
	"os"
	"syscall"
)

// signals that may be sent, by name.
func signals() map[string]os.Signal {
	return map[string]os.Signal{
		"SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL, "SIGINT": syscall.SIGINT, "SIGHUP": syscall.SIGHUP, "SIGQUIT": syscall.SIGQUIT,
		"SIGUSR1": syscall.SIGUSR1, "SIGUSR2": syscall.SIGUSR2, "SIGSTOP": syscall.SIGSTOP, "SIGCONT": syscall.SIGCONT,
	}
}

// gone says that an error means that there is no such process.
func gone(err error) bool { return errors.Is(err, syscall.ESRCH) }
