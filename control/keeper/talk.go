package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"controlcenter/control"
)

func (k *keeper) accept() {
	for {
		nc, err := k.listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				return
			}
			k.log.Error("accept", "err", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors: it may pass
			continue
		}
		if err := checkPeer(nc); err != nil {
			k.log.Warn("refused a connection", "err", err)
			_ = nc.Close()
			continue
		}
		go k.talk(newConn(nc), nil)
	}
}

// talk answers one daemon until its connection ends.
func (k *keeper) talk(c *conn, first *message) {
	defer c.dropRest()
	defer k.hangUp(c)
	if first != nil {
		if err := c.send(first); err != nil {
			return
		}
	}
	for {
		m, fds, err := c.receive()
		if err != nil {
			return
		}
		if m.Op == opHello {
			closeFDs(fds...)
			k.greet(c, m)
			continue
		}
		k.mu.Lock()
		ours := k.peer == c
		k.mu.Unlock()
		if !ours {
			closeFDs(fds...)
			return // it has not said hello, or another daemon has since
		}
		k.handle(c, m, filesOf(fds))
	}
}

// greet makes a connection the daemon's. A newer one takes the place of an older one, which may hang.
func (k *keeper) greet(c *conn, m *message) {
	answer := &message{ID: m.ID, Protocol: protocol, Build: k.build, PID: os.Getpid(), BootID: k.boot, Started: k.began}
	if m.Protocol > protocol+100 || m.Protocol < 1 {
		answer.Error = &wireError{Text: fmt.Sprintf("protocol %d is not known here, only 1 to %d", m.Protocol, protocol)}
		_ = c.send(answer)
		return
	}
	k.mu.Lock()
	old := k.peer
	k.peer, k.lostAt = c, time.Now()
	k.back()
	var live []*run
	for _, r := range k.runs {
		r.mine = false // of this daemon: it will say so
		if r.exit == nil && r.pid != 0 {
			live = append(live, r)
		}
	}
	k.mu.Unlock()
	if old != nil && old != c {
		old.close()
	}
	if c.send(answer) != nil {
		return
	}
	for _, r := range live {
		k.pass(c, r)
	}
}

// pass gives the daemon second descriptors of a run, so that its pipes outlive this process.
func (k *keeper) pass(c *conn, r *run) { k.passSome(c, r, "out", "err", "pid") }

// passPipes gives it those of a run that is about to begin: were we killed in between, the run would write into nothing.
func (k *keeper) passPipes(c *conn, r *run) { k.passSome(c, r, "out", "err") }

// passHandle gives it the handle, and the number, of a run whose pipes it has.
func (k *keeper) passHandle(c *conn, r *run) { k.passSome(c, r, "pid") }

func (k *keeper) passSome(c *conn, r *run, names ...string) {
	if c == nil || !passes {
		return
	}
	m := &message{Op: pushRun}
	var files []*os.File
	k.mu.Lock()
	if r.exit != nil { // the daemon is told of the end, or was
		k.mu.Unlock()
		return
	}
	s := r.state()
	all := map[string]*os.File{"out": r.out, "err": r.err, "pid": r.proc.handle()}
	for _, name := range names {
		f := all[name]
		if f == nil {
			continue
		}
		if d, err := duplicate(f); err == nil { // ours may be closed at any moment
			m.FDs, files = append(m.FDs, name), append(files, d)
		}
		if name == "out" {
			m.Launch = r.spec
		}
	}
	k.mu.Unlock()
	m.State = &s
	_ = c.send(m, files...) // who cannot be told has hung up
	closeAll(files)
}

// hangUp notes that a daemon is gone. What ended and was not taken note of is now ours to restart.
func (k *keeper) hangUp(c *conn) {
	c.close()
	k.mu.Lock()
	if k.peer != c || k.frozen {
		k.mu.Unlock()
		return
	}
	k.peer = nil
	last := map[string]*run{}
	for _, r := range k.runs {
		r.mine = false // whose child it is now is not known
		if o := last[r.service]; o == nil || r.at.After(o.at) {
			last[r.service] = r
		}
	}
	k.mu.Unlock()
	for _, r := range last {
		k.considerAway(r)
	}
}

// handle carries out one request. What may take time does so beside the connection; answers carry the request's number.
func (k *keeper) handle(c *conn, m *message, files []*os.File) {
	beside := func(do func() *message) {
		k.launching.Add(1)
		go func() {
			defer k.launching.Done()
			answer := do()
			answer.ID = m.ID
			_ = c.send(answer) // the daemon asks again when it is back
		}()
	}
	switch m.Op {
	case opLaunch:
		if m.Launch == nil {
			_ = c.send(&message{ID: m.ID, Error: &wireError{Text: "launch without a definition", Certain: true}})
			return
		}
		beside(func() *message {
			started, err := k.launch(m.Launch)
			return &message{State: &control.RunState{Started: started}, Error: wire(err)}
		})
	case opRuns:
		// Every launch that came before is decided before the answer is made.
		go func() {
			k.launching.Wait()
			_ = c.send(&message{ID: m.ID, States: k.states()})
		}()
	case opSignal:
		_ = c.send(&message{ID: m.ID, Error: wire(k.signal(m.Run, m.Signal, m.Tree))})
	case opKill:
		beside(func() *message { return &message{Error: wire(k.kill(m.Run))} })
	case opHold:
		k.hold(m.Service)
		_ = c.send(&message{ID: m.ID})
	case opAck:
		k.ack(m.Run)
		_ = c.send(&message{ID: m.ID})
	case opCounts:
		_ = c.send(&message{ID: m.ID, Counts: k.counts()})
	case opAdopt:
		k.adopt(m, files)
		_ = c.send(&message{ID: m.ID})
	case opGiven:
		k.handedOver()
		_ = c.send(&message{ID: m.ID})
	case opReaped:
		k.reaped(m.Run, m.Status)
		_ = c.send(&message{ID: m.ID})
	case opUpgrade:
		if err := k.upgrade(c, m); err != nil {
			_ = c.send(&message{ID: m.ID, Error: wire(err)})
		}
	case opQuit:
		_ = c.send(&message{ID: m.ID, Error: wire(k.leave())})
	default:
		closeAll(files)
		_ = c.send(&message{ID: m.ID, Error: &wireError{Text: "request " + m.Op + " is not known here"}})
	}
}

func (k *keeper) states() []control.RunState {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]control.RunState, 0, len(k.runs))
	for _, r := range k.runs {
		if r.pid != 0 || r.exit != nil {
			all = append(all, r.state())
		}
	}
	slices.SortFunc(all, func(a, b control.RunState) int { return a.At.Compare(b.At) })
	return all
}

func (k *keeper) counts() map[string]control.LogCounts {
	k.mu.Lock()
	all := make([]*service, 0, len(k.services))
	for _, s := range k.services {
		all = append(all, s)
	}
	k.mu.Unlock()
	out := make(map[string]control.LogCounts, len(all))
	for _, s := range all {
		out[s.id] = s.counts()
	}
	return out
}
