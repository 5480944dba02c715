package exporter

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

func cpuSecondsStart() float64 { return 0 }

// timed runs one read and measures it. The CPU time is the thread's (CLOCK_THREAD_CPUTIME_ID), so the goroutine stays on one
// thread meanwhile; goroutines that the read itself starts are not counted.
func timed(ctx context.Context, src Source) (v any, took time.Duration, cpu float64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var a, b unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &a)
	begin := time.Now()
	v, err = src.read(ctx)
	took = time.Since(begin)
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &b)
	return v, took, time.Duration(b.Nano() - a.Nano()).Seconds(), err
}
