package kb

import (
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestMergingWaitsForALull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLull()
		waited := func() time.Duration {
			start := time.Now()
			l.wait()
			return time.Since(start)
		}
		check(t, "before any batch", waited(), time.Duration(0))
		done := l.busy(2)
		go func() {
			time.Sleep(10 * time.Second)
			done()
		}()
		if d := waited(); d < 10*time.Second+lullAfter || d > 10*time.Second+2*lullAfter {
			t.Errorf("waited %s for a batch of 10 s", d)
		}
		check(t, "in the lull", waited(), time.Duration(0))
		done = l.busy(mostParts)
		check(t, "with many segments", waited(), time.Duration(0))
		done()
		defer l.busy(1)()
		go func() {
			time.Sleep(3 * time.Second)
			l.close()
		}()
		check(t, "until it is closed", waited(), 3*time.Second)
	})
}

func TestLargeScanLeavesTheRuntimeAsItWas(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(77)
	defer debug.SetGCPercent(percent)
	thrifty(manyFiles - 1)()
	end := thrifty(manyFiles)
	within := debug.SetMemoryLimit(-1)
	end()
	if within > max(scanMemory, memoryInUse()+2*scanSpare) {
		t.Errorf("the limit of a large scan is %d", within)
	}
	check(t, "limit", debug.SetMemoryLimit(-1), limit, "percent", debug.SetGCPercent(77), 77)
	debug.SetMemoryLimit(100 << 20)
	defer debug.SetMemoryLimit(limit)
	end = thrifty(manyFiles)
	check(t, "a lower limit stays", debug.SetMemoryLimit(-1), int64(100<<20))
	end()
}
