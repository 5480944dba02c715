package keeper

import (
	"fmt"
	"os"
	"time"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// unknownAfter is how long the end of a run that is not our child may stay untold before it is unknown: the daemon, if it is
// the parent now, tells within moments.
const unknownAfter = 3 * time.Second

// takeUp goes on from the journal of a keeper that was killed. Its runs are nobody's children here: their ends are seen, and
// how they ended is asked of the kernel or told by the daemon.
func (k *keeper) takeUp(all []*entryRun) {
	for _, known := range all {
		b := known.begin
		r := &run{id: b.Run, service: b.Service, gen: b.Gen, at: b.At, raw: b.Raw, foster: true, over: make(chan struct{})}
		if known.pid != nil {
			r.pid, r.ticks, r.group = known.pid.PID, known.pid.Ticks, known.pid.Group
		}
		if e := known.end; e != nil {
			r.exit = &control.Exit{Run: r.id, Service: r.service, Code: e.Code, Signal: e.Signal, Unknown: e.Unknown, Usage: e.Usage, At: e.At}
			k.put(r)
			go k.finishOld(r)
			continue
		}
		if b.BootID != k.boot {
			k.put(r)
			r.group = "" // it was of another boot
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
		// Who was its parent may know, or the kernel.
		for deadline := time.Now().Add(unknownAfter); ; time.Sleep(10 * time.Millisecond) {
			k.mu.Lock()
			over := r.exit != nil
			k.mu.Unlock()
			if over {
				return
			}
			e := r.proc.foreignEnd()
			if (e != nil || time.Now().After(deadline)) && k.ended(r, e, nil) {
				return
			}
		}
	}()
}

// adopt takes the descriptors of a run that the daemon held.
func (k *keeper) adopt(m *message, files []*os.File) {
	if m.State == nil {
		closeAll(files)
		return
	}
	k.mu.Lock()
	r := k.runs[m.State.Run]
	if r == nil || r.out != nil || r.err != nil || !r.foster {
		k.mu.Unlock()
		closeAll(files) // it ended and was acknowledged, or it is ours
		return
	}
	r.mine = m.Mine
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
		if err := svc.openWriter(logs.Settings{}, r); err == nil {
			k.pump(r)
			k.drain(r)
			svc.close(r)
		}
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

// reaped is told by a daemon that was the parent of a run.
func (k *keeper) reaped(id string, e *ending) {
	k.mu.Lock()
	r := k.runs[id]
	k.mu.Unlock()
	if r != nil && r.foster {
		k.ended(r, e, nil)
	}
}
