package exporter

import (
	"bytes"
	"strings"
	"unicode"
)

const (
	commLength    = 15  // the kernel cuts names to TASK_COMM_LEN - 1 bytes
	maxNameLength = 200 // bytes of a name that are kept
)

// processName is the name of a process: comm, or where the kernel cut that, the whole base name of the program or script that
// its arguments (separated by NUL) begin with. args is asked for only when it is needed. The name is valid UTF-8 and never "".
func processName(comm []byte, args func() []byte) string {
	if len(comm) > 0 && len(comm) != commLength {
		return cleanName(comm)
	}
	rest := args()
	for range 2 { // a script's name is in the second argument, behind its interpreter's
		var arg []byte
		arg, rest, _ = bytes.Cut(rest, []byte{0})
		// A program may have written a title with its arguments over them: the program's name ends before.
		if base := baseName(arg, len(comm)); len(base) > 0 && bytes.HasPrefix(base, comm) {
			return cleanName(base)
		}
	}
	if len(comm) == 0 {
		return "unknown"
	}
	return cleanName(comm)
}

// baseName is the last element of the path that an argument begins with. What follows a blank or a colon behind the first
// keep bytes of the element is no part of it.
func baseName(arg []byte, keep int) []byte {
	ends := func(r rune) bool { return unicode.IsSpace(r) || r == ':' }
	// The path may hold blanks itself, so try the last slash first, then the last one before any blank.
	for _, head := range [][]byte{arg, arg[:max(0, indexOrLen(arg, ends))]} {
		base := head[bytes.LastIndexByte(head, '/')+1:]
		if len(base) < keep || len(base) == 0 {
			continue
		}
		if i := bytes.IndexFunc(base[keep:], ends); i >= 0 && keep+i > 0 {
			return base[:keep+i]
		}
		return base
	}
	return nil
}

func indexOrLen(b []byte, f func(rune) bool) int {
	if i := bytes.IndexFunc(b, f); i >= 0 {
		return i
	}
	return len(b)
}

func cleanName(b []byte) string {
	return plain(string(b[:min(len(b), maxNameLength)]))
}

// seriesName is the name whose series a process counts in: its own, but for the kernel's threads the part before the first
// slash, because the rest (kworker/3:1-events) names a moment's work and would make names without end.
func seriesName(name string, kernel bool) string {
	if kernel {
		name, _, _ = strings.Cut(name, "/")
	}
	return name
}
