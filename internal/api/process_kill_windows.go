package api

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// signals that may be sent, by name: Windows only ends a process.
func signals() map[string]os.Signal {
	return map[string]os.Signal{"SIGTERM": os.Kill, "SIGKILL": os.Kill}
}

// gone says that an error means that there is no such process.
func gone(err error) bool { return errors.Is(err, windows.ERROR_INVALID_PARAMETER) }

// processStart returns the start of a process in milliseconds of Unix time, as the collector of processes counts it.
func processStart(pid int) (uint64, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return 0, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer windows.CloseHandle(h)
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return 0, fmt.Errorf("read times of process %d: %w", pid, err)
	}
	return uint64(created.Nanoseconds() / 1e6), nil
}
