package keeper

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// childOfOurs says whether this process is the parent of another.
func childOfOurs(pid int) bool {
	_, parent, _ := procStat(pid)
	return parent == os.Getpid()
}

// waitChild blocks until a child has ended, takes it out of the system and returns how it ended; nil = somebody else did.
func waitChild(pid int, handle *os.File) *ending {
	if handle != nil { // without one the wait below blocks a thread, not only us
		p := proc{fd: handle}
		defer p.release()
		p.waitForeign(0, 0)
	}
	var ws unix.WaitStatus
	var usage unix.Rusage
	for {
		got, err := unix.Wait4(pid, &ws, unix.WALL, &usage)
		if err == unix.EINTR { //nolint:errorlint // a bare errno
			continue
		}
		if err != nil || got != pid {
			return nil
		}
		break
	}
	e := endingOf(ws)
	if e != nil {
		e.Usage = usageOf(&usage)
	}
	return e
}

// strayAge is how long a child that has ended may wait for whoever started it. What still waits then was left to us by a
// process that is no more.
const strayAge = 5 * time.Second

// reapStrays takes children out of the system that nobody waits for. Those of which kept says so are somebody's.
func reapStrays(ctx context.Context, kept func(pid int) bool) {
	tick := time.NewTicker(strayAge)
	defer tick.Stop()
	last := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pid, _ := peek(0)
		for pid != 0 && pid == last && !kept(pid) {
			reap(pid)
			pid, _ = peek(0)
		}
		last = pid
	}
}
