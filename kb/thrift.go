package kb

import (
	"runtime/debug"
	rtmetrics "runtime/metrics"
)

// manyFiles is from how many files on a scan is a large one.
const manyFiles = 2_000

// Of each file that is indexed some ten times its size becomes garbage. Collecting it rarely saves a tenth of all work, so a large
// scan lets garbage grow to as much as is in use, but all of it together not far beyond scanMemory.
const (
	scanGarbage = 100 // percent
	scanMemory  = 336 << 20
	scanSpare   = 192 << 20 // where much is in use already
)

// thrifty sets how the runtime collects garbage during a large scan; what it returns sets that back, and gives memory back to
// the system. Only one scan runs at a time. A lower limit of the administrator (GOMEMLIMIT) stays. Use: defer thrifty(n)().
func thrifty(files int) func() {
	if files < manyFiles {
		return func() {}
	}
	limit := debug.SetMemoryLimit(-1)
	if ours := max(scanMemory, memoryInUse()+scanSpare); ours < limit {
		debug.SetMemoryLimit(ours)
	}
	percent := debug.SetGCPercent(scanGarbage)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		debug.FreeOSMemory()
	}
}

// memoryInUse is what the memory limit of the runtime counts, as it was after the last collection.
func memoryInUse() int64 {
	s := []rtmetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	rtmetrics.Read(s)
	n := int64(0)
	for _, m := range s {
		if m.Value.Kind() == rtmetrics.KindUint64 {
			n += int64(m.Value.Uint64())
		}
	}
	return n
}
