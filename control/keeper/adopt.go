package keeper

import (
	"fmt"
	"os"
	"time"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// Waits for the ends of runs that are not our children.
const (
	// unknownAfter is how long such an end may stay untold, when nobody is known to be the parent, before it is unknown: the
	// kernel tells it once whoever is the parent has reaped, which is moments.
	unknownAfter = 3 * time.Second
	// givenWithin is how long a daemon may take to hand over what it holds. Before that nothing is booked: the last lines of a
	// run that has ended are in a pipe which only the daemon has.
	givenWithin = 30 * time.Second
	// askEvery is the interval of looking again.
	askEvery = 5 * time.Millisecond
)

// takeUp goes on from the journal of a keeper that was killed. Its runs are nobody's children here: their ends are seen, and
// how they ended is asked of the kernel or told by the daemon.
func (k *keeper) takeUp(all []*entryRun) {
	k.lostAt = time.Now()
	for _, known := range all {
		b := known.begin
		r := &run{id: b.Run, service: b.Service, gen: b.Gen, at: b.At, raw: b.Raw, foster: true, over: make(chan struct{})}
		here := b.BootID == k.boot
		if known.pid != nil && here { // of another boot the numbers are somebody else's by now, the start time may be the same
			r.pid, r.ticks, r.group = known.pid.PID, known.pid.Ticks, known.pid.Group
		}
		if e := known.end; e != nil {
			r.exit = &control.Exit{Run: r.id, Service: r.service, Code: e.Code, Signal: e.Signal, Unknown: e.Unknown, Usage: e.Usage, At: e.At}
			k.put(r)
			go k.finishOld(r)
			continue
		}
		if !here {
			k.put(r)
			k.ended(r, nil, nil)
			continue
		}
		if r.pid == 0 {
			r.pid, r.ticks = findMarked(r.id)
		}
		if r.pid == 0 {
			_ = k.journal.append(entry{Op: jNone, Run: r.id}) // it was about to be started
			continue
		}
		k.put(r)
		k.foster(r, nil)
	}
}

func (k *keeper) put(r *run) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs[r.id] = r
}

// finishOld ends what a run left behind whose end the last keeper wrote down but perhaps did not finish.
func (k *keeper) finishOld(r *run) {
	if r.pid == 0 || k.boot == "" {
		return
	}
	k.endStrays(r)
	k.removeGroup(r)
}

// foster watches over a run that is not our child. handle is a descriptor of its process that was open before it ended; nil =
// one is opened.
func (k *keeper) foster(r *run, handle *os.File) {
	svc := k.serviceOf(r.service)
	conf := logs.Settings{}
	if r.spec != nil {
		conf = settings(&r.spec.Logs)
	}
	if err := svc.openWriter(conf, r); err != nil {
		k.log.Error("open log", "service", r.service, "err", err)
	}
	alive := r.proc.adopt(r, handle)
	go func() {
		if alive {
			r.proc.waitForeign(r.pid, r.ticks)
		}
		k.bookForeign(r, time.Now())
	}()
}

// bookForeign books the end of a run that is not our child, which was seen at some time: what its parent tells, else what the
// kernel knows, else unknown.
func (k *keeper) bookForeign(r *run, seen time.Time) {
	for ; ; time.Sleep(askEvery) {
		k.mu.Lock()
		over := r.exit != nil
		given := k.given || time.Since(k.lostAt) > givenWithin
		e, mine := r.told, r.mine && k.peer != nil
		k.mu.Unlock()
		switch {
		case over:
			return
		case !given, e == nil && mine: // the daemon has its pipes, or will tell
			continue
		case e == nil:
			e = r.proc.foreignEnd()
		}
		if (e != nil || time.Since(seen) > unknownAfter) && k.ended(r, e, nil) {
			return
		}
	}
}

// handedOver notes that the daemon has handed over all it held, or holds nothing.
func (k *keeper) handedOver() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.given = true
}

// adopt takes the descriptors of a run that the daemon held.
func (k *keeper) adopt(m *message, files []*os.File) {
	if m.State == nil {
		closeAll(files)
		return
	}
	k.mu.Lock()
	k.lostAt = time.Now()
	r := k.runs[m.State.Run]
	for r != nil && r.ending {
		k.settled.Wait()
	}
	if r == nil { // it ended and was acknowledged, but what it wrote last may not have been read
		r = &run{id: m.State.Run, service: m.State.Service, at: m.State.At, foster: true, over: make(chan struct{}), exit: &control.Exit{}}
	}
	if r.out != nil || r.err != nil || !r.foster {
		k.mu.Unlock()
		closeAll(files) // it is ours, or was handed over before
		return
	}
	r.mine = m.Mine
	if !m.Status.unknown() {
		r.told = m.Status
	}
	if r.spec == nil {
		r.spec = m.Launch
	}
	var handle *os.File
	for i, name := range m.FDs {
		switch name {
		case "out":
			r.out = files[i]
		case "err":
			r.err = files[i]
		case "pid":
			handle = files[i]
		default:
			_ = files[i].Close()
		}
	}
	over := r.exit != nil
	if handle != nil && !over {
		r.proc.better(handle)
	} else if handle != nil {
		_ = handle.Close()
	}
	k.mu.Unlock()
	svc := k.serviceOf(r.service)
	if over { // its end is known, what it wrote last is not read yet
		if r.out == nil && r.err == nil {
			return
		}
		conf := logs.Settings{}
		if r.spec != nil {
			conf = settings(&r.spec.Logs) // another run of it may write already
		}
		if err := svc.openWriter(conf, r); err != nil {
			k.log.Error("read what a run wrote last", "run", r.id, "err", err)
			closeAll([]*os.File{r.out, r.err})
			return
		}
		svc.mark(fmt.Sprintf("gap why=keeper-lost run=%s", r.id))
		k.pump(r)
		k.drain(r)
		if r.exit.Run != "" { // the last keeper wrote it into the journal, and was killed before it came to the log
			svc.mark("end run=" + r.id + " " + endWord(r.exit))
		}
		svc.close(r)
		return
	}
	if r.spec != nil {
		svc.mu.Lock()
		svc.drop = r.spec.Logs.WhenFull == "drop"
		if svc.w != nil {
			if err := svc.settle(settings(&r.spec.Logs)); err != nil {
				k.log.Error("adopt run", "run", r.id, "err", err)
			}
		}
		svc.mu.Unlock()
	}
	if r.out != nil || r.err != nil {
		svc.mark(fmt.Sprintf("gap why=keeper-lost run=%s", r.id))
		k.pump(r)
	}
}

// reaped is told by a daemon that was the parent of a run; nil = somebody else was faster.
func (k *keeper) reaped(id string, e *ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.runs[id]; r != nil && r.foster {
		r.mine = false
		if !e.unknown() {
			r.told = e
		}
	}
}
