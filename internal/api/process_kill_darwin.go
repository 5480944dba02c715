package api

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// processStart returns the start of a process in milliseconds of Unix time, as the collector of processes counts it.
func processStart(pid int) (uint64, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		if errors.Is(err, unix.EIO) { // what comes back for no process is too short
			return 0, os.ErrProcessDone
		}
		return 0, fmt.Errorf("read process %d: %w", pid, err)
	}
	at := k.Proc.P_starttime
	return uint64(at.Sec)*1000 + uint64(at.Usec)/1000, nil
}
