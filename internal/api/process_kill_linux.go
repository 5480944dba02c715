package api

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// processStart returns the start of a process in kernel ticks since boot: /proc/PID/stat field 22.
func processStart(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err //nolint:wrapcheck // killError reads the kind
	}
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")) // a name may have blanks and brackets
	fields := bytes.Fields(rest)
	const start = 22 - 3 // the first of these is field 3
	if len(fields) <= start {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	ticks, err := strconv.ParseUint(string(fields[start]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: start time: %w", pid, err)
	}
	return ticks, nil
}
