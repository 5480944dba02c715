package keeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// passes says whether descriptors can be handed to the daemon.
const passes = true

// runMark is the variable in the environment of each process of a run by which those are recognised that have left its group.
const runMark = "CONTROLCENTER_RUN"

// BootID names the machine's boot; "" when it cannot be known.
func BootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

var errNoSubreaper = errors.New("macOS gives orphans to launchd only")

func becomeParent() error { return errNoSubreaper }

// proc is what is kept of a run's main process: macOS has no descriptors for processes, number and start time name one.
type proc struct{}

func (p *proc) handle() *os.File { return nil }
func (p *proc) release()         {}
func (p *proc) restore(int)      {}

func (p *proc) better(handle *os.File) { _ = handle.Close() }

func (p *proc) adopt(r *run, _ *os.File) bool { return startTicks(r.pid) == r.ticks }

func (p *proc) signal(r *run, name string) error {
	sig := unix.SignalNum(name)
	if sig == 0 {
		return fmt.Errorf("signal %s is not known here", name)
	}
	if startTicks(r.pid) != r.ticks {
		return nil // it has ended
	}
	if err := unix.Kill(r.pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to pid %d: %w", name, r.pid, err)
	}
	return nil
}

// waitForeign blocks until a process that is not our child has ended.
func (p *proc) waitForeign(pid int, ticks uint64) {
	for startTicks(pid) == ticks {
		time.Sleep(200 * time.Millisecond)
	}
}

// foreignEnd says nothing: only the parent learns it here.
func (p *proc) foreignEnd() *ending { return nil }

// memoryFile opens a file without a name.
func memoryFile() (int, error) {
	f, err := os.CreateTemp("", "controlcenter-")
	if err != nil {
		return 0, err //nolint:wrapcheck // the caller says what was being done
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return 0, err //nolint:wrapcheck // the caller says what was being done
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD, 10) //nolint:wrapcheck // the caller says what was being done
}

// watchEnds waits for children that end.
func (k *keeper) watchEnds(ctx context.Context) {
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, unix.SIGCHLD)
	k.kickReaper()
	go func() {
		defer signal.Stop(chld)
		for {
			select {
			case <-ctx.Done():
				return
			case <-chld:
			case <-k.kick:
			}
			k.reapAll()
		}
	}()
}

func (k *keeper) kickReaper() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

func (k *keeper) reapAll() {
	k.mu.Lock()
	var live []*run
	for _, r := range k.runs {
		if r.exit == nil && r.pid != 0 && isClosed(r.begun) {
			live = append(live, r)
		}
	}
	frozen := k.frozen
	k.mu.Unlock()
	if frozen {
		return
	}
	for _, r := range live {
		var ws unix.WaitStatus
		var usage unix.Rusage
		k.mu.Lock() // who signals by number holds it too
		pid, err := unix.Wait4(r.pid, &ws, unix.WNOHANG, &usage)
		k.mu.Unlock()
		if err != nil || pid != r.pid {
			continue
		}
		e := &ending{}
		if ws.Exited() {
			code := ws.ExitStatus()
			e.Code = &code
		} else {
			e.Signal = unix.SignalName(ws.Signal())
		}
		e.Usage.UserSeconds = float64(usage.Utime.Nano()) / 1e9
		e.Usage.SystemSeconds = float64(usage.Stime.Nano()) / 1e9
		e.Usage.MaxRSSBytes = usage.Maxrss
		for !k.ended(r, e, nil) {
			time.Sleep(time.Millisecond) // the binary could not be replaced, or is about to be
		}
	}
}

// startTicks returns the start time of a process in microseconds since 1970; 0 = there is none, or it waits to be reaped.
func startTicks(pid int) uint64 {
	kp, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || kp.Proc.P_stat == zombie {
		return 0
	}
	return uint64(kp.Proc.P_starttime.Sec)*1_000_000 + uint64(kp.Proc.P_starttime.Usec) //nolint:gosec // times after 1970
}

const zombie = 5 // SZOMB of sys/proc.h

// marked says whether a process carries the mark of a run in the environment it was started with.
func marked(pid int, id string) bool {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return false
	}
	want := []byte(runMark + "=" + id)
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if bytes.Equal(v, want) {
			return true
		}
	}
	return false
}

func findMarked(id string) (int, uint64) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return 0, 0
	}
	best, bestTicks := 0, uint64(0)
	for i := range all {
		pid := int(all[i].Proc.P_pid)
		if marked(pid, id) {
			if ticks := startTicks(pid); ticks != 0 && (best == 0 || ticks < bestTicks) {
				best, bestTicks = pid, ticks
			}
		}
	}
	return best, bestTicks
}

// members lists the processes of a run that live: its group, what descends from it, and what carries its mark.
func (k *keeper) members(r *run) []int {
	if r.pid == 0 {
		return nil
	}
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	parents := map[int]int{}
	var found []int
	for i := range all {
		p := &all[i]
		pid := int(p.Proc.P_pid)
		if p.Proc.P_stat == zombie || pid == os.Getpid() {
			continue
		}
		parents[pid] = int(p.Eproc.Ppid)
		if pid == r.pid && startTicks(pid) == r.ticks || int(p.Eproc.Pgid) == r.pid || marked(pid, r.id) {
			found = append(found, pid)
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if slices.Contains(found, parent) && !slices.Contains(found, pid) {
				found, grown = append(found, pid), true
			}
		}
	}
	return found
}

func (k *keeper) signalMember(r *run, pid int, name string) {
	if slices.Contains(k.members(r), pid) {
		_ = unix.Kill(pid, unix.SignalNum(name))
	}
}

func (k *keeper) killTree(ctx context.Context, r *run) int {
	for {
		all := k.members(r)
		if len(all) == 0 {
			return 0
		}
		for _, pid := range all {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return len(k.members(r))
		case <-time.After(3 * time.Millisecond):
		}
	}
}

func (k *keeper) removeGroup(*run) {}

func adjustOOMScore(int) error { return errors.New("macOS has no such thing") }

func noNewPrivileges() error { return errors.New("macOS has no such thing") }

// checkPeer refuses who is neither this user nor root.
func checkPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("look at peer: %w", err)
	}
	var cred *unix.Xucred
	var cerr error
	if err := raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED) }); err != nil {
		return fmt.Errorf("look at peer: %w", err)
	}
	if cerr != nil {
		return fmt.Errorf("look at peer: %w", cerr)
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return fmt.Errorf("peer is user %d, not %d", cred.Uid, os.Geteuid())
	}
	return nil
}

func growPipe(*os.File) {} // pipes grow by themselves here

// spawn starts the process of a run in a session of its own.
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
		_ = unix.SetNonblock(int(f.Fd()), false)
	}
	for _, w := range []struct {
		name string
		set  bool
	}{{"memory", l.Limits.Memory > 0}, {"cpu", l.Limits.CPU > 0}, {"pids", l.Limits.Pids > 0}} {
		if w.set {
			r.warnings = append(r.warnings, "limits."+w.name+" is not in force: macOS has no control groups")
		}
	}
	path, argv := plan.Path, l.Argv
	if plan.needed() {
		if path, argv, err = plan.command(l.Argv); err != nil {
			return err
		}
	}
	attr := &syscall.ProcAttr{Dir: l.Dir, Env: markEnv(l.Env, r.id), Files: []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}}
	pid, _, err := syscall.StartProcess(path, argv, attr)
	if err != nil {
		return explain(path, err)
	}
	k.mu.Lock()
	r.pid, r.ticks = pid, startTicks(pid)
	k.mu.Unlock()
	return nil
}

func childOfOurs(int) bool { return false }

func waitChild(int, *os.File) *ending { return nil }

func reapStrays(ctx context.Context, _ func(int) bool) { <-ctx.Done() }

// shutDoors keeps every descriptor that this process has, also those it was born with, out of what it starts.
func shutDoors() {
	for fd := 3; fd < 1024; fd++ {
		syscall.CloseOnExec(fd)
	}
}
