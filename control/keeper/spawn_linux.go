package keeper

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts the process of a run, in a session and, where that can be had, a control group of its own. Only standard input
// (empty), output and error are open in it.
func (k *keeper) spawn(r *run, stdout, stderr *os.File) error {
	l := r.spec
	plan, err := planOf(l)
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer null.Close()
	for _, f := range []*os.File{stdout, stderr} {
		_ = unix.SetNonblock(int(f.Fd()), false) // programs do not expect their output to be anything else
	}
	pidfd := -1
	sys := &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	group, warnings := k.makeGroup(r)
	if group != nil {
		defer group.Close()
		sys.UseCgroupFD, sys.CgroupFD = true, int(group.Fd())
	}
	r.warnings = warnings
	attr := &syscall.ProcAttr{Dir: l.Dir, Env: markEnv(l.Env, r.id), Files: []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()}, Sys: sys}
	path, argv := plan.Path, l.Argv
	var said *os.File
	if plan.needed() {
		var tell *os.File
		if said, tell, err = os.Pipe(); err != nil {
			return fmt.Errorf("open pipe: %w", err)
		}
		defer said.Close()
		defer tell.Close()
		if path, argv, err = plan.command(l.Argv); err != nil {
			return err
		}
		attr.Files = append(attr.Files, tell.Fd())
		pid, herr := k.fork(r, path, argv, attr, &pidfd)
		_ = tell.Close()
		if herr != nil {
			return herr
		}
		if text, _ := io.ReadAll(io.LimitReader(said, 4096)); len(text) > 0 {
			_, _ = unix.Wait4(pid, nil, 0, nil) // it says so last; nobody else reaps while something is spawned
			r.proc.release()
			k.removeGroup(r)
			return execError(string(text))
		}
	} else if _, err := k.fork(r, path, argv, attr, &pidfd); err != nil {
		return err
	}
	_ = null.Close() // reading needs a descriptor, and there may be no other
	_, _, ticks := procStat(r.pid)
	k.mu.Lock()
	r.ticks = ticks // not reaped: the number is its own, also when it has ended already
	k.mu.Unlock()
	return nil
}

func (k *keeper) fork(r *run, path string, argv []string, attr *syscall.ProcAttr, pidfd *int) (int, error) {
	pid, _, err := syscall.StartProcess(path, argv, attr)
	if err != nil && attr.Sys.UseCgroupFD { // clone3 may be filtered, or the group vanish under us
		k.removeGroup(r)
		r.group, attr.Sys.UseCgroupFD = "", false
		r.warnings = unkept(r.spec.Limits, "the process cannot be started in a cgroup: "+err.Error())
		pid, _, err = syscall.StartProcess(path, argv, attr)
	}
	if err != nil {
		return 0, explain(path, err)
	}
	if *pidfd >= 0 {
		r.proc.mu.Lock()
		r.proc.fd = pidfdFile(*pidfd)
		r.proc.mu.Unlock()
	}
	k.mu.Lock()
	r.pid = pid
	k.mu.Unlock()
	return pid, nil
}
