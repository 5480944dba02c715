package keeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"controlcenter/control"
	"controlcenter/control/logs"
	"controlcenter/internal/private"
)

const (
	passes          = false // sockets carry no handles here
	deadlines       = false // anonymous pipes know none: they are closed instead
	runMark         = "CONTROLCENTER_RUN"
	handoverVersion = 1
)

// BootID names the machine's boot by its time, to ten seconds: the clock is set now and then.
func BootID() string {
	up := time.Duration(windows.DurationSinceBoot())
	return strconv.FormatInt(time.Now().Add(-up).Unix()/10, 10)
}

func becomeParent() error { return errors.New("windows gives orphans to nobody") }

// proc is the job object with a run's whole tree, and its main process.
type proc struct {
	mu      sync.Mutex
	job     windows.Handle
	process windows.Handle
}

func (p *proc) handle() *os.File { return nil }
func (p *proc) restore(int)      {}

func (p *proc) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range []*windows.Handle{&p.job, &p.process} {
		if *h != 0 {
			_ = windows.CloseHandle(*h)
			*h = 0
		}
	}
}

func (p *proc) better(handle *os.File) { _ = handle.Close() }

// adopt opens a process that another keeper started; its job is lost with that keeper's handle.
func (p *proc) adopt(r *run, _ *os.File) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_TERMINATE, false, uint32(r.pid)) //nolint:gosec // a pid
	if err != nil {
		return false
	}
	if ticksOf(h) != r.ticks {
		_ = windows.CloseHandle(h)
		return false
	}
	p.mu.Lock()
	p.process = h
	p.mu.Unlock()
	return true
}

func (p *proc) waitForeign(int, uint64) {
	p.mu.Lock()
	h := p.process
	p.mu.Unlock()
	if h != 0 {
		_, _ = windows.WaitForSingleObject(h, windows.INFINITE)
	}
}

// foreignEnd reads the exit code: here any handle of a process tells it.
func (p *proc) foreignEnd() *ending {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end()
}

func (p *proc) end() *ending {
	if p.process == 0 {
		return nil
	}
	var code uint32
	if windows.GetExitCodeProcess(p.process, &code) != nil || code == stillActive {
		return nil
	}
	n := int(code)
	return &ending{Code: &n}
}

const stillActive = 259 // STILL_ACTIVE of winbase.h

// signal: windows knows none. SIGTERM is Ctrl-Break to the group of the process, SIGKILL ends it.
func (p *proc) signal(r *run, name string) error {
	switch name {
	case "SIGKILL":
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.process == 0 {
			return nil
		}
		return windows.TerminateProcess(p.process, 1) //nolint:wrapcheck // the only thing it can be
	case "SIGTERM", "SIGINT":
		if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(r.pid)); err != nil { //nolint:gosec // a pid
			return fmt.Errorf("send Ctrl-Break to pid %d: %w", r.pid, err)
		}
		return nil
	}
	return fmt.Errorf("signal %s is not known on Windows, only SIGTERM, SIGINT and SIGKILL", name)
}

func ticksOf(h windows.Handle) uint64 {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &created, &exited, &kernel, &user) != nil {
		return 0
	}
	return uint64(created.Nanoseconds()) //nolint:gosec // after 1970
}

func (k *keeper) watchEnds(context.Context) {} // each run has a goroutine that waits

func (k *keeper) kickReaper() {}

func findMarked(string) (int, uint64) { return 0, 0 } // environments of others cannot be read

// members lists the processes in the job of a run.
func (k *keeper) members(r *run) []int {
	r.proc.mu.Lock()
	defer r.proc.mu.Unlock()
	if r.proc.job == 0 {
		return nil
	}
	var list struct {
		assigned, inList uint32
		pids             [1024]uintptr
	}
	err := windows.QueryInformationJobObject(r.proc.job, windows.JobObjectBasicProcessIdList, uintptr(unsafe.Pointer(&list)), uint32(unsafe.Sizeof(list)), nil) //nolint:gosec // the only way to this call
	if err != nil {
		return nil
	}
	var pids []int
	for _, pid := range list.pids[:min(int(list.inList), len(list.pids))] {
		pids = append(pids, int(pid))
	}
	return pids
}

func (k *keeper) signalMember(r *run, _ int, name string) {
	if name == "SIGKILL" {
		r.proc.mu.Lock()
		defer r.proc.mu.Unlock()
		if r.proc.job != 0 {
			_ = windows.TerminateJobObject(r.proc.job, 1)
		}
	}
}

func (k *keeper) killTree(ctx context.Context, r *run) int {
	for {
		k.signalMember(r, 0, "SIGKILL")
		_ = r.proc.signal(r, "SIGKILL")
		n := len(k.members(r))
		if n == 0 || ctx.Err() != nil {
			return n
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (k *keeper) removeGroup(*run) {}

func checkPeer(*net.UnixConn) error { return nil } // the folder's access list decides

func growPipe(*os.File) {}

func isTemporary(err error) bool {
	return errors.Is(err, windows.ERROR_NOT_ENOUGH_MEMORY) || errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
}

// spawn starts the process of a run, suspended until it is in a job object of its own, so that nothing of its tree gets away.
func (k *keeper) spawn(r *run, stdout, stderr *os.File) error {
	l := r.spec
	if l.User != "" || l.Group != "" {
		return errors.New("user, group: Windows starts services as the user of the daemon only")
	}
	path := l.Argv[0]
	if !strings.ContainsAny(path, `/\`) {
		found, err := exec.LookPath(path)
		if err != nil {
			return fmt.Errorf("command: %w", err)
		}
		path = found
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(l.Dir, path)
	}
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("make job object: %w", err)
	}
	r.warnings = limitJob(job, l)
	cmd := exec.Command(path, l.Argv[1:]...) //nolint:gosec,noctx // what the definition says; it outlives requests
	cmd.Args[0] = l.Argv[0]
	cmd.Dir, cmd.Env = l.Dir, append(append([]string{}, l.Env...), runMark+"="+r.id)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
	if err := cmd.Start(); err != nil {
		_ = windows.CloseHandle(job)
		return fmt.Errorf("command: %w", err)
	}
	h, err := windows.OpenProcess(windows.PROCESS_ALL_ACCESS, false, uint32(cmd.Process.Pid)) //nolint:gosec // a pid
	if err == nil {
		err = windows.AssignProcessToJobObject(job, h)
	}
	if err == nil {
		err = resumeProcess(h)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = windows.CloseHandle(job)
		return fmt.Errorf("put process into its job object: %w", err)
	}
	r.proc.job, r.proc.process = job, h
	k.mu.Lock()
	r.pid, r.ticks = cmd.Process.Pid, ticksOf(h)
	k.mu.Unlock()
	go func() {
		err := cmd.Wait()
		e := &ending{}
		if st := cmd.ProcessState; st != nil {
			code := st.ExitCode()
			e.Code = &code
			e.Usage = control.Usage{UserSeconds: st.UserTime().Seconds(), SystemSeconds: st.SystemTime().Seconds()}
		} else {
			k.log.Error("wait for process", "run", r.id, "err", err)
		}
		<-r.begun
		k.ended(r, e, nil)
	}()
	return nil
}

// limitJob sets the limits a job object can keep.
func limitJob(job windows.Handle, l *control.LaunchSpec) []string {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	if l.Limits.Memory > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		info.JobMemoryLimit = uintptr(l.Limits.Memory)
	}
	if l.Limits.Pids > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS
		info.BasicLimitInformation.ActiveProcessLimit = uint32(l.Limits.Pids) //nolint:gosec // checked when it was defined
	}
	var warnings []string
	if err := setJob(job, windows.JobObjectExtendedLimitInformation, &info); err != nil {
		warnings = append(warnings, "limits are not in force: "+err.Error())
	}
	if l.Nice != 0 { // by itself: that it is refused costs no other limit
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_PRIORITY_CLASS
		info.BasicLimitInformation.PriorityClass = priorityClass(l.Nice)
		if err := setJob(job, windows.JobObjectExtendedLimitInformation, &info); err != nil {
			warnings = append(warnings, "nice is not in force: "+err.Error())
		}
	}
	if l.Limits.CPU > 0 {
		rate := cpuRate{Flags: cpuRateEnable | cpuRateHardCap, Rate: uint32(min(max(l.Limits.CPU/float64(runtime.NumCPU())*10_000, 1), 10_000))}
		if err := setJob(job, windows.JobObjectCpuRateControlInformation, &rate); err != nil {
			warnings = append(warnings, "limits.cpu is not in force: "+err.Error())
		}
	}
	for _, x := range []struct {
		name string
		set  bool
	}{{"limits.nofile", l.Limits.Nofile > 0}, {"umask", l.Umask != ""}, {"oom_score_adjust", l.OOM != 0}, {"no_new_privs", l.NoNew}} {
		if x.set {
			warnings = append(warnings, x.name+" is not in force: Windows has nothing like it here")
		}
	}
	return warnings
}

func setJob[T any](job windows.Handle, class uint32, info *T) error {
	var pin runtime.Pinner // a stack that grows meanwhile would move it
	pin.Pin(info)
	defer pin.Unpin()
	_, err := windows.SetInformationJobObject(job, class, uintptr(unsafe.Pointer(info)), uint32(unsafe.Sizeof(*info))) //nolint:gosec // the only way to this call
	return err                                                                                                         //nolint:wrapcheck // the caller says what was being done
}

// cpuRate is JOBOBJECT_CPU_RATE_CONTROL_INFORMATION with a cap: Rate is in hundredths of a percent of all processors.
type cpuRate struct{ Flags, Rate uint32 }

const cpuRateEnable, cpuRateHardCap = 1, 4

// priorityClass is the class of Windows that comes closest to a nice value.
func priorityClass(nice int) uint32 {
	switch {
	case nice >= 15:
		return windows.IDLE_PRIORITY_CLASS
	case nice > 0:
		return windows.BELOW_NORMAL_PRIORITY_CLASS
	case nice > -10:
		return windows.ABOVE_NORMAL_PRIORITY_CLASS
	default:
		return windows.HIGH_PRIORITY_CLASS
	}
}

// resumeProcess lets a process begin that was created suspended.
func resumeProcess(h windows.Handle) error {
	r, _, _ := windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess").Call(uintptr(h))
	if r != 0 {
		return fmt.Errorf("resume process: %w", windows.NTStatus(r))
	}
	return nil
}

// pump moves what a run writes into its log, in a goroutine a stream.
func (k *keeper) pump(r *run) {
	for i, f := range []*os.File{r.out, r.err} {
		if f == nil {
			continue
		}
		stream := logs.Stdout
		if i == 1 {
			stream = logs.Stderr
		}
		r.pumps.Add(1)
		go func() {
			defer r.pumps.Done()
			svc := k.serviceOf(r.service)
			buf := make([]byte, 32<<10)
			for {
				n, err := f.Read(buf)
				for rest := buf[:n]; len(rest) > 0; {
					if rest = svc.take(stream, rest); len(rest) == 0 {
						break
					}
					select {
					case <-r.over:
						svc.giveUp(stream, rest)
						return
					case <-time.After(200 * time.Millisecond):
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
}

func execPlan(string, []string) error { return errors.New("windows needs no such step") }

// upgrade: a process cannot become another binary here.
func (k *keeper) upgrade(*conn, *message) error {
	return errors.New("windows cannot replace a running keeper: it is replaced when no service runs")
}

type handover struct{}

func (k *keeper) resume(int) (*handover, error) { return nil, errors.New("windows hands nothing over") }
func (k *keeper) goOn(*handover)                {}

func childOfOurs(int) bool { return false }

func waitChild(int, *os.File) *ending { return nil }

func reapStrays(ctx context.Context, _ func(int) bool) { <-ctx.Done() }

// lockFile takes the lock of a folder; errLocked when somebody has it.
func lockFile(path string) (*os.File, error) {
	f, err := private.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if err != nil {
		_ = f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

func listenSocket(dir string) (*net.UnixListener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

func dialSocket(dir string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(dir, socketName), Net: "unix"}) //nolint:wrapcheck // the caller says what was being done
}

func duplicate(f *os.File) (*os.File, error) {
	self := windows.CurrentProcess()
	var h windows.Handle
	if err := windows.DuplicateHandle(self, windows.Handle(f.Fd()), self, &h, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, fmt.Errorf("duplicate handle: %w", err)
	}
	return os.NewFile(uintptr(h), f.Name()), nil
}

// startKeeper starts a keeper process that has no part in our console. ended is closed when it has ended.
func (c *Client) startKeeper() (ended <-chan struct{}, err error) {
	if err := private.Dir(c.o.Dir); err != nil {
		return nil, fmt.Errorf("make keeper's folder: %w", err)
	}
	path, err := c.binary()
	if err != nil {
		return nil, err
	}
	log, err := keeperLog(c.o.Dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, c.arguments()...) //nolint:gosec,noctx // our own binary, which is to outlive us
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_BREAKAWAY_FROM_JOB, HideWindow: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	over := make(chan struct{})
	go func() { defer close(over); _ = cmd.Wait() }() // it outlives us, or ends because it is not needed
	return over, nil
}

func shutDoors() {} // only what is named is inherited here
