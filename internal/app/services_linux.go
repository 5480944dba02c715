package app

import (
	"os"
	"strconv"
)

// filesOf counts the descriptors of a process; NaN when they may not be seen.
func filesOf(pid int) float64 {
	d, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return unknown
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return unknown
	}
	return float64(len(names))
}
