package exporter

import (
	"bytes"
	"errors"
)

// procStat is what /proc/PID/stat tells of a process (proc_pid_stat(5)).
type procStat struct {
	pid, ppid int
	comm      []byte // part of the bytes that were parsed
	state     byte
	flags     uint64 // PF_* of the kernel's include/linux/sched.h
	ticks     uint64 // utime + stime
	threads   int
	start     uint64 // ticks since boot
	rssPages  int64
}

const kernelThread = 0x00200000 // PF_KTHREAD

var errStat = errors.New("not a line of /proc/PID/stat")

// parseProcStat reads the one line of /proc/PID/stat. The name in it may hold anything, blanks, parentheses and newlines too; it
// ends at the last closing parenthesis, as what follows is one letter and numbers.
func parseProcStat(b []byte, s *procStat) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 2 || end < open || b[open-1] != ' ' || end+3 >= len(b) || b[end+1] != ' ' || b[end+3] != ' ' {
		return errStat
	}
	pid, n := parseDigits(b)
	if n != open-1 {
		return errStat
	}
	*s = procStat{pid: int(pid), comm: b[open+1 : end], state: b[end+2]}
	rest := b[end+4:]
	for field := 4; field <= 24; field++ { // numbered as in the manual page
		negative := len(rest) > 0 && rest[0] == '-'
		if negative {
			rest = rest[1:]
		}
		v, n := parseDigits(rest)
		if n == 0 || n < len(rest) && rest[n] != ' ' && rest[n] != '\n' {
			return errStat
		}
		rest = rest[min(n+1, len(rest)):]
		switch field {
		case 4:
			s.ppid = int(v)
		case 9:
			s.flags = v
		case 14, 15:
			s.ticks += v
		case 20:
			s.threads = int(v)
		case 22:
			s.start = v
		case 24:
			s.rssPages = int64(v)
			if negative {
				s.rssPages = 0
			}
		}
	}
	return nil
}

// parseDigits reads a decimal number at the start of b and says how many bytes it has; 0 also when it is too large.
func parseDigits(b []byte) (v uint64, n int) {
	for n < len(b) && b[n]-'0' <= 9 {
		v = v*10 + uint64(b[n]-'0')
		n++
	}
	if n > 19 {
		return 0, 0
	}
	return v, n
}

// statusOf is the kernel's letter as an index of statusNames.
func statusOf(letter byte) int {
	switch letter {
	case 'R':
		return statusRunning
	case 'S':
		return statusSleeping
	case 'D':
		return statusDiskSleep
	case 'Z':
		return statusZombie
	case 'T', 't':
		return statusStopped
	case 'I':
		return statusIdle
	default:
		return statusOther
	}
}
