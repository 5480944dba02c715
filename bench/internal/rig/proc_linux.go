package rig

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnGroup gives a program a process group of its own, so that Ctrl-C does not reach it, and ends it with us.
func OwnGroup(cmd *exec.Cmd) {
	// Pdeathsig: what we started must not outlive us, however we end. It is sent when the starting thread ends; Go ends a
	// thread only with a goroutine locked to it, and there is none here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// RaiseFileLimit asks for n open files for this process and those it starts, and returns how many it got.
func RaiseFileLimit(n uint64) uint64 {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	// syscall, not unix: the standard library otherwise gives started processes the former soft limit back.
	for _, want := range []syscall.Rlimit{{Cur: max(n, r.Cur), Max: max(n, r.Max)}, {Cur: r.Max, Max: r.Max}} {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) == nil {
			return want.Cur
		}
	}
	return r.Cur
}
