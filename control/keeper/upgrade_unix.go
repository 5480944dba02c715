//go:build unix

package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// handoverVersion is the form of handover. A binary goes on from its own and older ones.
const handoverVersion = 1

// handover is all that a binary leaves to the one that takes its place in the same process. Descriptors are by number.
type handover struct {
	Version  int                  `json:"version"`
	Began    time.Time            `json:"began"`
	Listener int                  `json:"listener"`
	Lock     int                  `json:"lock"`
	Journal  int                  `json:"journal"`
	Peer     int                  `json:"peer"`
	Unread   []byte               `json:"unread,omitempty"` // of the daemon's connection
	Request  uint64               `json:"request"`
	Runs     []handedRun          `json:"runs"`
	Services map[string]handedLog `json:"services"`
}

type handedRun struct {
	ID      string              `json:"id"`
	Service string              `json:"service"`
	Gen     uint64              `json:"gen"`
	At      time.Time           `json:"at"`
	Raw     bool                `json:"raw,omitempty"`
	Foster  bool                `json:"foster,omitempty"`
	Mine    bool                `json:"mine,omitempty"`
	Told    *ending             `json:"told,omitempty"`
	Spec    *control.LaunchSpec `json:"spec,omitempty"`
	PID     int                 `json:"pid"`
	Ticks   uint64              `json:"ticks"`
	Group   string              `json:"group,omitempty"`
	Out     int                 `json:"out,omitempty"`
	Err     int                 `json:"err,omitempty"`
	PidFD   int                 `json:"pidfd,omitempty"`
	Rest    [2][]byte           `json:"rest,omitempty"`
	Logged  bool                `json:"logged,omitempty"`
	Exit    *control.Exit       `json:"exit,omitempty"`
}

type handedLog struct {
	Held   bool          `json:"held,omitempty"`
	Streak int           `json:"streak,omitempty"`
	Drop   bool          `json:"drop,omitempty"`
	Open   bool          `json:"open,omitempty"`
	Conf   logs.Settings `json:"settings"`
	State  logs.State    `json:"state"`
}

// checkBinary asks a binary whether it can go on from here.
func (k *keeper) checkBinary(path string) error {
	k.mu.Lock()
	k.spawning++ // its end is not a stray's
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		k.spawning--
		k.settled.Broadcast()
		k.mu.Unlock()
		k.kickReaper()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "keep", "-check").Output() //nolint:gosec // the daemon is this user
	if err != nil {
		return fmt.Errorf("ask %s what it can go on from: %w", path, err)
	}
	var c check
	if err := json.Unmarshal(out, &c); err != nil {
		return fmt.Errorf("ask %s what it can go on from: %w", path, err)
	}
	if c.Handover < handoverVersion || c.Protocol < protocol {
		return fmt.Errorf("%s is older: it goes on from form %d, this is %d", path, c.Handover, handoverVersion)
	}
	return nil
}

// upgrade becomes another binary in the same process: children stay children, descriptors stay open. It returns only when
// that fails, and then everything goes on as before.
func (k *keeper) upgrade(c *conn, m *message) error {
	if m.Path == "" {
		return errors.New("upgrade without a path")
	}
	if err := k.checkBinary(m.Path); err != nil {
		return err
	}
	if err := k.journal.reserve(); err != nil {
		return err
	}
	k.launching.Wait() // those that came before; this goroutine is the one that reads requests
	k.mu.Lock()
	for deadline := time.Now().Add(checkTime); (k.spawning > 0 || k.finishing > 0) && time.Now().Before(deadline); {
		k.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		k.mu.Lock()
	}
	if k.spawning > 0 || k.finishing > 0 {
		k.mu.Unlock()
		return errors.New("services are being started or ended all the time")
	}
	k.frozen = true
	close(k.freeze)
	live := make([]*run, 0, len(k.runs))
	for _, r := range k.runs {
		live = append(live, r)
	}
	k.mu.Unlock()

	past := time.Now()
	_ = k.listener.SetDeadline(past)
	for _, r := range live {
		for _, f := range []*os.File{r.out, r.err} {
			if f != nil && r.exit == nil {
				_ = f.SetReadDeadline(past)
			}
		}
	}
	for _, r := range live {
		r.pumps.Wait()
	}
	err := k.become(c, m, live)
	k.thaw(live)
	return err
}

// become writes everything down and execs. Pumps stand still, nothing is spawned, nothing is booked.
func (k *keeper) become(c *conn, m *message, live []*run) error {
	syscall.ForkLock.Lock() // nobody forks while descriptors may be inherited
	defer syscall.ForkLock.Unlock()
	c.wmu.Lock() // no message is half out
	defer c.wmu.Unlock()
	k.journal.mu.Lock() // and it stays the same file
	defer k.journal.mu.Unlock()
	var kept []int
	keep := func(f syscall.Conn) (int, error) {
		raw, err := f.SyscallConn()
		if err != nil {
			return 0, fmt.Errorf("keep descriptor: %w", err)
		}
		fd := 0
		var kerr error
		if err := raw.Control(func(n uintptr) { fd, kerr = unix.FcntlInt(n, unix.F_DUPFD, 10) }); err != nil {
			return 0, fmt.Errorf("keep descriptor: %w", err)
		}
		if kerr != nil {
			return 0, fmt.Errorf("keep descriptor: %w", kerr)
		}
		kept = append(kept, fd)
		return fd, nil
	}
	defer func() {
		for _, fd := range kept {
			_ = unix.Close(fd)
		}
	}()
	h := &handover{Version: handoverVersion, Began: k.began, Request: m.ID, Unread: c.rbuf, Services: map[string]handedLog{}}
	var errs [4]error
	h.Listener, errs[0] = keep(k.listener)
	h.Lock, errs[1] = keep(k.lock)
	h.Journal, errs[2] = keep(k.journal.f)
	h.Peer, errs[3] = keep(c.nc)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, r := range live {
		n := handedRun{
			ID: r.id, Service: r.service, Gen: r.gen, At: r.at, Raw: r.raw, Foster: r.foster, Mine: r.mine, Told: r.told, Spec: r.spec, PID: r.pid, Ticks: r.ticks,
			Group: r.group, Rest: r.rest, Logged: r.logged, Exit: r.exit,
		}
		if r.exit == nil {
			for f, into := range map[*os.File]*int{r.out: &n.Out, r.err: &n.Err, r.proc.handle(): &n.PidFD} {
				if f == nil {
					continue
				}
				var err error
				if *into, err = keep(f); err != nil {
					return err
				}
			}
		}
		h.Runs = append(h.Runs, n)
	}
	for id, s := range k.services {
		h.Services[id] = s.handOver()
	}
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode handover: %w", err)
	}
	mem, err := memoryFile()
	if err != nil {
		return fmt.Errorf("make handover: %w", err)
	}
	kept = append(kept, mem)
	for rest := body; len(rest) > 0; {
		n, err := unix.Write(mem, rest)
		if err != nil {
			return fmt.Errorf("write handover: %w", err)
		}
		rest = rest[n:]
	}
	if _, err := unix.Seek(mem, 0, io.SeekStart); err != nil {
		return fmt.Errorf("write handover: %w", err)
	}
	argv := []string{"controlcenter", "keep", "-dir", k.dir, "-logs", k.logDir, "-resume", strconv.Itoa(mem), "-groups=" + strconv.FormatBool(k.group == nil || *k.group != "")}
	if err := syscall.Exec(m.Path, argv, os.Environ()); err != nil { //nolint:gosec // the daemon is this user
		return fmt.Errorf("become %s: %w", m.Path, err)
	}
	return nil
}

// thaw goes on after a binary that could not be become.
func (k *keeper) thaw(live []*run) {
	k.mu.Lock()
	k.freeze = make(chan struct{})
	for _, s := range k.services {
		s.mu.Lock()
		s.flushLater()
		s.mu.Unlock()
	}
	k.mu.Unlock()
	for _, r := range live {
		if r.exit != nil {
			continue
		}
		for _, f := range []*os.File{r.out, r.err} {
			if f != nil {
				_ = f.SetReadDeadline(time.Time{})
			}
		}
		k.pump(r)
	}
	k.mu.Lock()
	k.frozen = false // ends may be booked again: their pipes are read
	k.mu.Unlock()
	_ = k.listener.SetDeadline(time.Time{})
	go k.accept()
	k.kickReaper()
}

func (s *service) handOver() handedLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := handedLog{Held: s.held, Streak: s.streak, Drop: s.drop, State: s.state}
	s.flushNever()
	if s.w != nil {
		h.Open, h.Conf, h.State = true, s.conf, s.w.State()
		h.Conf.Buffers = nil
	}
	return h
}

// resume reads what the last binary handed over. Every descriptor gets its close-on-exec mark before anything can be spawned.
func (k *keeper) resume(mem int) (*handover, error) {
	f := os.NewFile(uintptr(mem), "handover")
	body, err := io.ReadAll(f)
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("read handover: %w", err)
	}
	h := &handover{}
	if err := json.Unmarshal(body, h); err != nil {
		return nil, fmt.Errorf("decode handover: %w", err)
	}
	fds := []int{h.Listener, h.Lock, h.Journal, h.Peer}
	for _, r := range h.Runs {
		fds = append(fds, r.Out, r.Err, r.PidFD)
	}
	for _, fd := range fds {
		if fd > 0 {
			unix.CloseOnExec(fd)
		}
	}
	k.began = h.Began
	k.lock = os.NewFile(uintptr(h.Lock), lockName)
	if k.journal, err = resumeJournal(k.dir+"/"+journalName, os.NewFile(uintptr(h.Journal), journalName)); err != nil {
		return nil, err
	}
	lf := os.NewFile(uintptr(h.Listener), "listener")
	l, err := net.FileListener(lf)
	_ = lf.Close()
	if err != nil {
		return nil, fmt.Errorf("take listener over: %w", err)
	}
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.New("take listener over: it is no unix socket")
	}
	ul.SetUnlinkOnClose(false)
	k.listener = ul
	for id, hs := range h.Services {
		s := k.serviceOf(id)
		s.held, s.streak, s.drop, s.state, s.conf = hs.Held, hs.Streak, hs.Drop, hs.State, hs.Conf
		if hs.Open {
			s.conf.Buffers = k.framing
			w, err := logs.OpenWriter(k.logDir, id, s.conf)
			if err != nil {
				k.log.Error("open log", "service", id, "err", err)
				continue
			}
			w.Restore(hs.State)
			s.w = w
			s.flushLater()
		}
	}
	for i := range h.Runs {
		n := &h.Runs[i]
		r := &run{
			id: n.ID, service: n.Service, gen: n.Gen, at: n.At, raw: n.Raw, foster: n.Foster, mine: n.Mine, told: n.Told, spec: n.Spec, pid: n.PID, ticks: n.Ticks,
			group: n.Group, rest: n.Rest, logged: n.Logged, exit: n.Exit, over: make(chan struct{}),
		}
		if !r.foster { // no end is looked for before all of these are read again
			r.begun = make(chan struct{})
			close(r.begun)
		}
		if n.Out > 0 {
			r.out = os.NewFile(uintptr(n.Out), "stdout")
		}
		if n.Err > 0 {
			r.err = os.NewFile(uintptr(n.Err), "stderr")
		}
		if n.PidFD > 0 {
			r.proc.restore(n.PidFD)
		}
		if r.logged {
			k.serviceOf(r.service).used++
		}
		k.runs[r.id] = r
	}
	return h, nil
}

// goOn starts what stood still during the change of the binary, and answers who asked for it.
func (k *keeper) goOn(h *handover) {
	k.given = true // or whoever asked for the change would have done it first
	c := k.daemonAgain(h)
	for _, r := range slices.Collect(maps.Values(k.runs)) { // from the first foster run on, ends come beside this
		if r.exit != nil {
			continue
		}
		k.pump(r)
		if r.foster {
			k.foster(r, r.proc.handle())
		}
	}
	if c != nil {
		go k.talk(c, &message{ID: h.Request, Protocol: protocol, Build: k.build, PID: os.Getpid()})
	}
}

// daemonAgain takes the daemon's connection over, before anything can end that the daemon has to be told of. nil = it cannot be
// had; the daemon connects again.
func (k *keeper) daemonAgain(h *handover) *conn {
	f := os.NewFile(uintptr(h.Peer), "daemon")
	nc, err := net.FileConn(f)
	_ = f.Close()
	uc, ok := nc.(*net.UnixConn)
	if err != nil || !ok {
		k.log.Error("take connection over", "err", err)
		return nil
	}
	c := newConn(uc)
	c.rbuf = h.Unread
	k.mu.Lock()
	k.peer = c
	k.mu.Unlock()
	return c
}
