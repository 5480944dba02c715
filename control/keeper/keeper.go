package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"controlcenter/control/logs"
	"controlcenter/internal/private"
)

// keeper is the process. Its lock is held for moments only: never while something is spawned, written to a socket or waited
// for.
type keeper struct {
	dir, logDir string
	build       string
	boot        string
	began       time.Time
	log         *slog.Logger
	journal     *journal
	lock        *os.File
	listener    *net.UnixListener
	buffers     chan []byte // what pumps read with
	framing     *logs.Buffers

	spare     spare
	launching sync.WaitGroup // launches that are being carried out
	kick      chan struct{}  // look for processes that have ended

	mu        sync.Mutex
	settled   *sync.Cond // spawning or finishing has fallen
	runs      map[string]*run
	services  map[string]*service
	peer      *conn     // the daemon; nil = it is away
	spawning  int       // processes being started: a child nobody knows may be one of them
	finishing int       // ends being dealt with
	frozen    bool      // the binary is being replaced
	given     bool      // of runs taken up, the daemon has handed over what it held
	lostAt    time.Time // they were taken up, or the daemon has handed over one since
	freeze    chan struct{}
	quit      chan struct{} // closed: end, nothing runs
	idleSince time.Time
	stir      uint64  // counts starts and ends
	group     *string // folder of our control groups, "" = none; nil = not looked for yet
}

const (
	socketName  = "keeper.sock"
	lockName    = "keeper.lock"
	journalName = "journal"
	// idleAfter is how long a keeper that nobody needs stays: a daemon that restarts finds the same one.
	idleAfter  = 10 * time.Second
	bufferSize = 256 << 10
	// syncAfter is how long an entry may be in the kernel only, which outlives this process but not the machine.
	syncAfter = 50 * time.Millisecond
)

func newKeeper(dir, logDir, build string, log *slog.Logger) *keeper {
	k := &keeper{
		dir: dir, logDir: logDir, build: build, boot: BootID(), began: time.Now().UTC(), log: log,
		buffers: make(chan []byte, 2), framing: &logs.Buffers{}, kick: make(chan struct{}, 1),
		runs: map[string]*run{}, services: map[string]*service{}, freeze: make(chan struct{}), quit: make(chan struct{}),
	}
	k.settled = sync.NewCond(&k.mu)
	for range cap(k.buffers) {
		k.buffers <- make([]byte, bufferSize)
	}
	return k
}

// Config is what a keeper process is started with.
type Config struct {
	Dir      string // its folder: socket, lock, journal
	LogDir   string // of what services write
	Build    string // names the binary; a daemon of another build replaces it
	Log      *slog.Logger
	NoGroups bool // trees are found by descent and mark, as where there are no control groups
	Resume   int  // descriptor of what the last binary handed over; 0 = none
}

// errLocked is why a second keeper of a folder ends.
var errLocked = errors.New("another keeper works in this folder")

// serve is the keeper. It returns nil when nobody needs it any more.
func serve(ctx context.Context, c Config) error {
	debug.SetGCPercent(50) // a few MiB more or less are what this process is judged by
	for _, dir := range []string{c.Dir, c.LogDir} {
		if err := private.Dir(dir); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	k := newKeeper(c.Dir, c.LogDir, c.Build, c.Log)
	k.spare.fill() // first, so that their numbers are low
	if c.NoGroups {
		k.group = new(string)
	}
	if err := becomeParent(); err != nil {
		k.log.Warn("strays of services will not be seen", "err", err)
	}
	var handed *handover
	var err error
	if c.Resume != 0 {
		handed, err = k.resume(c.Resume)
	} else {
		err = k.open()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if handed != nil {
		k.goOn(handed)
	} else {
		k.takeUp(slices.Clone(k.journal.book.order)) // which it strikes runs from
	}
	k.watchEnds(ctx) // not before its pipes are read: an end closes them once nobody reads any more
	go k.accept()
	go k.keepJournal(ctx)
	go k.watchIdle(ctx)
	select {
	case <-ctx.Done():
	case <-k.quit:
	}
	// Whoever connects from here on starts another keeper, as soon as the lock is free.
	_ = k.listener.Close()
	k.journal.sync()
	return nil
}

// open takes the folder: at most one keeper has it.
func (k *keeper) open() error {
	var err error
	if k.lock, err = lockFile(filepath.Join(k.dir, lockName)); err != nil {
		return err
	}
	if k.journal, _, err = openJournal(filepath.Join(k.dir, journalName)); err != nil {
		return err
	}
	if k.listener, err = listenSocket(k.dir); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// living returns a run that has a process, nil when it has ended or is not known.
func (k *keeper) livingLocked(id string) *run {
	r := k.runs[id]
	if r == nil || r.pid == 0 || r.exit != nil {
		return nil
	}
	return r
}

func (k *keeper) signal(id, name string, tree bool) error {
	k.mu.Lock()
	r := k.livingLocked(id)
	k.mu.Unlock()
	if r == nil {
		return nil
	}
	if tree {
		for _, pid := range k.members(r) {
			k.signalMember(r, pid, name)
		}
		return nil
	}
	// A process that is not reaped keeps its number, and reaping takes the same lock.
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.exit != nil {
		return nil
	}
	return r.proc.signal(r, name)
}

// kill ends the tree of a run, and what is left of one whose main process has ended.
func (k *keeper) kill(id string) error {
	k.mu.Lock()
	r := k.runs[id]
	k.mu.Unlock()
	if r == nil || r.pid == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	if left := k.killTree(ctx, r); left > 0 {
		return fmt.Errorf("%d processes of run %s have not ended %s after SIGKILL", left, id, killWait)
	}
	k.nothingLeft(r)
	return nil
}

// nothingLeft tells the daemon that the rest of a run, which could not be ended at first, is gone.
func (k *keeper) nothingLeft(r *run) {
	k.mu.Lock()
	if r.exit == nil || r.ending || r.exit.Left == 0 {
		k.mu.Unlock()
		return
	}
	told := *r.exit
	told.Left = 0
	r.exit = &told
	peer := k.peer
	k.mu.Unlock()
	k.removeGroup(r)
	if peer != nil {
		_ = peer.send(&message{Op: pushExit, Exit: &told}) // a daemon that is away asks when it is back
	}
}

func (k *keeper) hold(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.services[id]; s != nil {
		s.held = true
		if s.pending != nil {
			s.pending.Stop()
			s.pending = nil
		}
	}
}

func (k *keeper) ack(id string) {
	k.mu.Lock()
	r := k.runs[id]
	if r == nil || r.exit == nil || r.ending {
		k.mu.Unlock()
		return
	}
	delete(k.runs, id)
	k.mu.Unlock()
	if err := k.journal.append(entry{Op: jAck, Run: id}); err != nil {
		k.log.Error("journal", "run", id, "err", err) // it will be reported once more
	}
}

// needed says whether anything depends on this process.
func (k *keeper) neededLocked() bool {
	if k.spawning > 0 || k.finishing > 0 || k.frozen {
		return true
	}
	for _, r := range k.runs {
		if r.exit == nil {
			return true
		}
	}
	for _, s := range k.services {
		if s.pending != nil {
			return true
		}
	}
	return false
}

// leave ends the keeper if nothing runs.
func (k *keeper) leave() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.neededLocked() {
		return errors.New("services run")
	}
	k.frozen = true
	close(k.quit)
	return nil
}

func (k *keeper) watchIdle(ctx context.Context) {
	tick := time.NewTicker(idleAfter / 4)
	defer tick.Stop()
	var stirred, tidied uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.mu.Lock()
		if k.peer != nil || k.neededLocked() {
			k.idleSince = time.Time{}
		} else if k.idleSince.IsZero() {
			k.idleSince = time.Now()
		}
		done := !k.idleSince.IsZero() && time.Since(k.idleSince) >= idleAfter
		stir := k.stir
		k.mu.Unlock()
		// What many starts at once took is given back when it is calm again: by itself the runtime would keep it.
		if stir == stirred && stir != tidied {
			runtime.GC() // pools are emptied by the second collection only
			debug.FreeOSMemory()
			tidied = stir
		}
		stirred = stir
		if done && k.leave() == nil {
			return
		}
	}
}

// keepJournal brings appended entries to the disk and keeps the file short.
func (k *keeper) keepJournal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.journal.dirty:
			time.Sleep(syncAfter) // an end, a begin and a pid come together
			k.journal.sync()
			if k.journal.large() {
				if err := k.journal.compact(); err != nil {
					k.log.Error("journal", "err", err)
				}
			}
		}
	}
}

// freezing is closed while the binary is being replaced.
func (k *keeper) freezing() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.freeze
}
