package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"controlcenter/control"
)

// passes says whether descriptors can be handed to the daemon.
const passes = true

// runMark is the variable in the environment of each process of a run by which those are recognised that have left its group.
const runMark = "CONTROLCENTER_RUN"

// BootID names the machine's boot; "" when it cannot be known.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// becomeParent makes this process the parent of all descendants whose parents end.
func becomeParent() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// proc is what is kept of a run's main process: a descriptor that means this process and no other, whatever becomes of its
// number.
type proc struct {
	mu sync.Mutex
	fd *os.File // pidfd; nil on kernels without
}

func (p *proc) handle() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fd
}

func (p *proc) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd != nil {
		_ = p.fd.Close()
		p.fd = nil
	}
}

// restore takes a descriptor that was kept open over an upgrade.
func (p *proc) restore(fd int) { p.fd = pidfdFile(fd) }

// memoryFile opens a file that is on no disk and survives execve: environments are written into it.
func memoryFile() (int, error) {
	return unix.MemfdCreate("controlcenter-handover", 0) //nolint:wrapcheck // the caller says what was being done
}

func pidfdFile(fd int) *os.File {
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pidfd")
}

// control calls f with the number of the descriptor while it is open for sure.
func (p *proc) control(f func(fd int) error) error {
	h := p.handle()
	if h == nil {
		return unix.ENOSYS
	}
	raw, err := h.SyscallConn()
	if err != nil {
		return err //nolint:wrapcheck // the callers say what was being done
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err //nolint:wrapcheck // the callers say what was being done
	}
	return ferr
}

func (p *proc) signal(r *run, name string) error {
	sig := unix.SignalNum(name)
	if sig == 0 {
		return fmt.Errorf("signal %s is not known here", name)
	}
	err := p.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, os.ErrClosed) {
		if err = unix.ESRCH; startTicks(r.pid) == r.ticks {
			err = unix.Kill(r.pid, sig)
		}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to pid %d: %w", name, r.pid, err)
	}
	return nil
}

// adopt opens a descriptor of a process that is not our child and says whether it lives.
func (p *proc) adopt(r *run, handle *os.File) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd = handle; handle != nil {
		return startTicks(r.pid) == r.ticks
	}
	fd, err := unix.PidfdOpen(r.pid, unix.PIDFD_NONBLOCK)
	// The descriptor is open: from here on the number cannot be given away without it being seen. One that has ended and waits
	// for its parent is still itself.
	if _, _, born := procStat(r.pid); born != r.ticks {
		if err == nil {
			_ = unix.Close(fd) // a stranger has the number
		}
		return false
	}
	if err == nil {
		p.fd = pidfdFile(fd)
	}
	return startTicks(r.pid) == r.ticks
}

// better takes a descriptor that was opened earlier than ours: it may know an end that ours does not.
func (p *proc) better(handle *os.File) {
	p.mu.Lock()
	old := p.fd
	p.fd = handle
	p.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// waitForeign blocks until the process has ended.
func (p *proc) waitForeign(pid int, ticks uint64) {
	for {
		h := p.handle()
		if h == nil { // a kernel, or a filter, without pidfds
			if startTicks(pid) != ticks {
				return
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		raw, err := h.SyscallConn()
		if err != nil {
			return
		}
		err = raw.Read(func(fd uintptr) bool {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor fits
			n, _ := unix.Poll(fds, 0)
			return n > 0
		})
		if err == nil {
			return
		}
		if p.handle() == h { // not closed because a better one came
			return
		}
	}
}

// pidfdInfo is struct pidfd_info of linux/pidfd.h, its first version with exit information (64 bytes).
type pidfdInfo struct {
	mask, cgroup                                                      uint64
	pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid uint32
	exitCode                                                          int32
}

const (
	pidfdGetInfo  = 0xc040ff0b // _IOWR(0xFF, 11, struct pidfd_info)
	pidfdInfoExit = 1 << 3
)

// foreignEnd asks the kernel how a process that is not our child ended (Linux 6.15 and newer); nil = it does not say (yet).
func (p *proc) foreignEnd() *ending {
	info := pidfdInfo{mask: pidfdInfoExit}
	err := p.control(func(fd int) error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pidfdGetInfo, uintptr(unsafe.Pointer(&info))); errno != 0 { // #nosec G103 -- the only way to this call
			return errno
		}
		return nil
	})
	if err != nil || info.mask&pidfdInfoExit == 0 {
		return nil
	}
	return endingOf(unix.WaitStatus(uint32(info.exitCode))) //nolint:gosec // bits, not a number
}

func endingOf(ws unix.WaitStatus) *ending {
	switch {
	case ws.Exited():
		code := ws.ExitStatus()
		return &ending{Code: &code}
	case ws.Signaled():
		return &ending{Signal: unix.SignalName(ws.Signal())}
	}
	return nil
}

// siginfo is the part of siginfo_t that waitid fills.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// peek looks at a child that has ended without taking it out of the system: its end is written down before it is lost. pid 0
// = any child. It returns 0 when there is none.
func peek(pid int) (int, *ending) {
	idtype := unix.P_PID
	if pid == 0 {
		idtype = unix.P_ALL
	}
	var info siginfo
	var usage unix.Rusage
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, uintptr(idtype), uintptr(pid), uintptr(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, uintptr(unsafe.Pointer(&usage)), 0) // #nosec G103 -- x/sys waits with its own, smaller type
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || info.pid == 0 {
			return 0, nil
		}
		break
	}
	e := &ending{}
	if info.code == cldExited {
		code := int(info.status)
		e.Code = &code
	} else {
		e.Signal = unix.SignalName(syscall.Signal(info.status))
	}
	e.Usage = usageOf(&usage)
	return int(info.pid), e
}

// usageOf reads what the kernel counted for a child. To the most memory it held belongs, for the kernel, what its parent held when it
// was started, because till its exec both share their memory: what is no more than that says nothing about the child.
func usageOf(u *unix.Rusage) control.Usage {
	out := control.Usage{UserSeconds: float64(u.Utime.Nano()) / 1e9, SystemSeconds: float64(u.Stime.Nano()) / 1e9}
	var own unix.Rusage // of this program and whoever it was before an exec: no less than at that time
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err == nil && u.Maxrss > own.Maxrss {
		out.MaxRSSBytes = u.Maxrss << 10
	}
	return out
}

const cldExited = 1 // CLD_EXITED of signal.h

func reap(pid int) { _, _ = unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil) }

// watchEnds waits for children that end.
func (k *keeper) watchEnds(ctx context.Context) {
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, unix.SIGCHLD)
	k.kickReaper() // those that ended before we listened
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

// reapAll deals with every child that has ended: runs are booked, strays vanish. A child that nobody knows is left alone
// while something is being started, because it may be that.
func (k *keeper) reapAll() {
	for {
		pid, e := peek(0)
		if pid == 0 {
			return
		}
		k.mu.Lock()
		r, waiting := k.byPIDLocked(pid), k.spawning > 0
		frozen := k.frozen
		k.mu.Unlock()
		switch {
		case frozen:
			return
		case r != nil:
			k.ended(r, e, func() { reap(pid) })
		case !waiting:
			reap(pid)
		default:
			k.reapKnown()
			return // the end of the start looks again
		}
	}
}

// reapKnown is reapAll while the first child that has ended is not known yet.
func (k *keeper) reapKnown() {
	k.mu.Lock()
	var live []*run
	for _, r := range k.runs {
		if r.exit == nil && r.pid != 0 && isClosed(r.begun) {
			live = append(live, r)
		}
	}
	k.mu.Unlock()
	for _, r := range live {
		if pid, e := peek(r.pid); pid != 0 {
			k.ended(r, e, func() { reap(pid) })
		}
	}
}

func (k *keeper) byPIDLocked(pid int) *run {
	for _, r := range k.runs {
		if r.pid == pid && r.exit == nil && isClosed(r.begun) {
			return r
		}
	}
	return nil
}

// unseen stands in a list of members for those that may be there when nobody can look.
const unseen = -1

// shutDoors keeps every descriptor that this process has, also those it was born with, out of what it starts.
func shutDoors() { _ = unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) }
