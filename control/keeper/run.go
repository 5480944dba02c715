package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"controlcenter/control"
)

// run is one process with everything it starts. Fields without a word are set before the run is in the keeper's table and never
// changed; the others belong to the keeper's lock.
type run struct {
	id      string
	service string
	gen     uint64
	at      time.Time
	raw     bool                // it writes its log file itself
	spec    *control.LaunchSpec // nil for a run taken up without it
	foster  bool                // another keeper started it: this process is not its parent

	pid   int    // 0 = it is being started
	ticks uint64 // start time of pid
	group string // folder of its control group; "" = none
	proc  proc   // what the platform keeps of it
	mine  bool   // of a foster run: the daemon is its parent and will tell how it ended

	told *ending // of a foster run: how it ended, from the daemon

	out, err *os.File // what it writes; nil = none
	pumps    sync.WaitGroup
	rest     [2][]byte     // read and not yet taken by the log, by stream: only while no pump runs
	begun    chan struct{} // closed when its pipes are read: its end is not booked before, for that closes them; nil for a foster run
	over     chan struct{} // closed when its tree is gone: what the log does not take now is dropped

	warnings []string // of its start
	logged   bool     // it has a part in its service's log

	ending bool          // somebody deals with its end
	exit   *control.Exit // how it ended; nil = it lives
}

func (r *run) state() control.RunState {
	s := control.RunState{Started: control.Started{Run: r.id, PID: r.pid, StartTicks: r.ticks, At: r.at}, Service: r.service, Gen: r.gen}
	if r.exit != nil && !r.ending {
		s.Exit = r.exit
	}
	return s
}

// isOver says whether its tree is gone, so that its pipes get nothing more of it.
func (r *run) isOver() bool { return isClosed(r.over) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// launch starts a run. An error is a control.LaunchError: then nothing was started.
func (k *keeper) launch(l *control.LaunchSpec) (control.Started, error) {
	r := &run{
		id: l.Run, service: l.Service, gen: l.Gen, at: time.Now().UTC(), raw: l.Logs.Mode == "direct",
		spec: l, begun: make(chan struct{}), over: make(chan struct{}),
	}
	if err := k.enter(r); err != nil {
		return control.Started{}, err
	}
	if err := k.start(r); err != nil {
		k.mu.Lock()
		delete(k.runs, r.id)
		k.mu.Unlock()
		closeAll([]*os.File{r.out, r.err})
		if jerr := k.journal.append(entry{Op: jNone, Run: r.id}); jerr != nil {
			k.log.Error("journal", "run", r.id, "err", jerr) // a run without a pid is looked for, and not found, at the next start
		}
		return control.Started{}, launchError(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	started := r.state().Started
	started.Warnings = r.warnings
	return started, nil
}

// enter puts a run into the table unless its service has one that lives, or that is not over.
func (k *keeper) enter(r *run) error {
	if len(r.spec.Argv) == 0 || r.id == "" || r.service == "" || strings.ContainsAny(r.service, "/\x00") {
		return &control.LaunchError{Reason: "launch needs a run, a service and a command"}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.frozen {
		return &control.LaunchError{Reason: "the keeper is being replaced", Temporary: true}
	}
	if k.runs[r.id] != nil {
		return &control.LaunchError{Reason: "run " + r.id + " was started before"}
	}
	for _, other := range k.runs {
		if other.service == r.service && (other.exit == nil || other.ending) {
			return &control.LaunchError{Reason: fmt.Sprintf("%s runs already, pid %d", r.service, other.pid), Temporary: other.ending}
		}
	}
	k.runs[r.id] = r
	k.stir++
	return nil
}

func (k *keeper) start(r *run) error {
	if err := k.room(); err != nil {
		return temporary(err)
	}
	if err := k.journal.reserve(); err != nil {
		return temporary(err)
	}
	if err := k.journal.append(entry{Op: jBegin, Run: r.id, Service: r.service, Gen: r.gen, BootID: k.boot, Raw: r.raw, At: r.at}); err != nil {
		return temporary(err)
	}
	svc := k.serviceOf(r.service)
	stdout, stderr, err := svc.open(r)
	if err != nil {
		return temporary(err)
	}
	k.mu.Lock()
	k.spawning++
	peer := k.peer
	k.mu.Unlock()
	k.passPipes(peer, r)
	err = k.spawn(r, stdout, stderr)
	closeAll([]*os.File{stdout, stderr})
	if err != nil {
		k.mu.Lock()
		k.spawning--
		k.mu.Unlock()
		svc.close(r)
		k.kickReaper()
		return err
	}
	jerr := k.journal.append(entry{Op: jPID, Run: r.id, PID: r.pid, Ticks: r.ticks, Group: r.group})
	if jerr != nil {
		k.log.Error("journal", "run", r.id, "err", jerr) // the space is reserved; if not, the process is found by the mark in its environment
	}
	svc.mark(fmt.Sprintf("start run=%s pid=%d", r.id, r.pid))
	svc.started(r)
	k.pump(r)
	close(r.begun)
	k.mu.Lock()
	k.spawning--
	now := k.peer
	k.mu.Unlock()
	if now == peer {
		k.passHandle(peer, r)
	} else {
		k.pass(now, r)
	}
	k.kickReaper()
	return nil
}

// temporary marks an error as one that may pass.
func temporary(err error) error {
	return &control.LaunchError{Reason: err.Error(), Temporary: true, Cause: err}
}

// launchError turns what a start failed with into what users read.
func launchError(err error) error {
	if already, ok := errors.AsType[*control.LaunchError](err); ok {
		return already
	}
	return &control.LaunchError{Reason: err.Error(), Temporary: isTemporary(err), Cause: err}
}

// ended deals with the end of a run's main process: it is written down at once, then what it left behind is ended, what it
// wrote is read to the end, and the daemon is told. reap takes the process out of the system. It returns false, and has done
// nothing, while the binary is being replaced: the next one sees the same end.
func (k *keeper) ended(r *run, e *ending, reap func()) bool {
	k.mu.Lock()
	if k.frozen {
		k.mu.Unlock()
		return false
	}
	if r.ending || r.exit != nil {
		k.mu.Unlock()
		return true
	}
	r.ending = true
	exit := &control.Exit{Run: r.id, Service: r.service, At: time.Now().UTC()}
	if e.unknown() {
		exit.Unknown = true
	} else {
		exit.Code, exit.Signal, exit.Usage = e.Code, e.Signal, e.Usage
	}
	r.exit = exit
	k.finishing++
	k.stir++
	k.mu.Unlock()

	k.writeEnd(exit)
	if reap != nil {
		k.mu.Lock() // who signals by number holds the lock too
		reap()
		k.mu.Unlock()
	}
	go k.finish(r, exit)
	return true
}

// writeEnd writes an end into the journal. When even the reserved space is not to be had it stays in memory, is reported as
// ever, and is written once that works.
func (k *keeper) writeEnd(x *control.Exit) {
	err := k.journal.append(entry{Op: jEnd, Run: x.Run, Code: x.Code, Signal: x.Signal, Unknown: x.Unknown, Usage: x.Usage, At: x.At})
	if err != nil {
		k.log.Error("journal", "run", x.Run, "err", err)
	}
}

// Times of an end.
const (
	strayGrace = 500 * time.Millisecond // what a main process leaves behind gets SIGTERM, and this long
	killWait   = 2 * time.Second        // processes that SIGKILL has not ended by then are counted as left
	drainWait  = 300 * time.Millisecond // what is in the pipes of a tree that is gone is read in far less
)

func (k *keeper) finish(r *run, exit *control.Exit) {
	left := k.endStrays(r)
	svc := k.serviceOf(r.service)
	k.drain(r)
	svc.mark("end run=" + r.id + " " + endWord(exit))
	svc.close(r)
	k.removeGroup(r)

	k.mu.Lock()
	if left > 0 {
		told := *exit
		told.Left = left
		exit = &told
		r.exit = exit
	}
	r.ending = false
	peer := k.peer
	r.proc.release()
	k.settled.Broadcast()
	k.mu.Unlock()
	defer func() { // only now: another binary would not tell it
		k.mu.Lock()
		k.finishing--
		k.mu.Unlock()
	}()
	if peer != nil {
		if err := peer.send(&message{Op: pushExit, Exit: exit}); err == nil {
			return
		}
	}
	k.considerAway(r)
}

func endWord(x *control.Exit) string {
	switch {
	case x.Code != nil:
		return fmt.Sprintf("code=%d", *x.Code)
	case x.Signal != "":
		return "signal=" + x.Signal
	}
	return "unknown"
}

// endStrays ends what the main process left behind, and says how many could not be ended.
func (k *keeper) endStrays(r *run) int {
	members := k.members(r)
	if len(members) == 0 {
		return 0
	}
	for _, pid := range members {
		k.signalMember(r, pid, "SIGTERM")
	}
	for deadline := time.Now().Add(strayGrace); time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		if len(k.members(r)) == 0 {
			return 0
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	return k.killTree(ctx, r)
}

// drain waits until everything that was written has been read. Its pipes may still be held by somebody who is no member of
// the tree; what comes after drainWait from there is not this run's. What was in them by then is, also on a machine so busy
// that nobody has read it yet.
func (k *keeper) drain(r *run) {
	done := make(chan struct{})
	go func() { r.pumps.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(drainWait):
		close(r.over)
		past := time.Now()
		for _, f := range []*os.File{r.out, r.err} {
			if f != nil {
				_ = f.SetReadDeadline(past)
				if !deadlines {
					_ = f.Close()
				}
			}
		}
		<-done
	}
	closeAll([]*os.File{r.out, r.err})
}
