package keeper

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"controlcenter/control"
)

// held is what the daemon keeps of a run, so that it outlives the keeper.
type held struct {
	state control.RunState
	spec  *control.LaunchSpec
	fds   map[string]int // out, err, pid
	mine  bool           // its keeper is dead and this process is its parent now
	ended *ending        // how it ended, if we were its parent
}

func (h *held) close() {
	for _, fd := range h.fds {
		closeFDs(fd)
	}
	h.fds = nil
}

// hold keeps the descriptors of a run. Those it has had longer stay: they are the same pipes, and an older handle of a process
// knows all that a newer one does.
func (c *Client) hold(m *message, fds []int) {
	if m.State == nil {
		closeFDs(fds...)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[m.State.Run]
	if h == nil {
		h = &held{fds: map[string]int{}}
		c.held[m.State.Run] = h
	}
	if m.State.PID != 0 || h.state.Run == "" {
		h.state = *m.State
	}
	if m.Launch != nil {
		h.spec = m.Launch
	}
	for i, name := range m.FDs {
		if _, had := h.fds[name]; had {
			closeFDs(fds[i])
		} else {
			h.fds[name] = fds[i]
		}
	}
}

// keeps says whether a process is the main one of a run that is held.
func (c *Client) keeps(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		if h.state.PID == pid {
			return true
		}
	}
	return false
}

// dropOthers closes what is held of runs that the keeper does not know: they never began.
func (c *Client) dropOthers(known []control.RunState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for run, h := range c.held {
		if !slices.ContainsFunc(known, func(s control.RunState) bool { return s.Run == run }) {
			delete(c.held, run)
			h.close()
		}
	}
}

// drop closes what is held of a run that has ended.
func (c *Client) drop(run string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[run]; h != nil {
		delete(c.held, run)
		h.close()
	}
}

// giveOver hands the runs of a keeper that is dead to the one that took its place, and tells it when that is all.
func (c *Client) giveOver(ctx context.Context, cn *conn, to keeperID) error {
	c.mu.Lock()
	done := c.given == to
	runs := slices.Collect(maps.Keys(c.held))
	if !c.met {
		runs = nil // what is held came from this one
	}
	c.met = true
	c.mu.Unlock()
	if done {
		return nil
	}
	if len(runs) > 0 { // a run whose beginning was not told in time has its number from the new keeper
		answer, err := c.ask(ctx, cn, &message{Op: opRuns})
		if err != nil {
			return err
		}
		for i := range answer.States {
			c.number(&answer.States[i])
		}
	}
	for _, run := range runs {
		m, files := c.adoption(ctx, run)
		if m == nil {
			continue
		}
		_, err := c.ask(ctx, cn, m, files...)
		closeAll(files)
		if err != nil {
			return err
		}
	}
	_, err := c.ask(ctx, cn, &message{Op: opGiven})
	if errors.Is(err, control.ErrNotConnected) || ctx.Err() != nil {
		return err
	}
	c.mu.Lock() // a keeper that does not know the word waits for nothing
	defer c.mu.Unlock()
	c.given = to
	return nil
}

// number notes which process a held run is.
func (c *Client) number(s *control.RunState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.held[s.Run]; h != nil && h.state.PID == 0 {
		h.state = *s
		h.state.Exit = nil
	}
}

// adoption makes the message that hands a run over, with second descriptors which the caller closes; nil = it is held no more.
// If this process is the parent of the run now, it begins to wait for its end.
func (c *Client) adoption(ctx context.Context, run string) (*message, []*os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[run]
	if h == nil {
		return nil, nil
	}
	if !h.mine && childOfOurs(h.state.PID) {
		h.mine = true
		var own *os.File // without one a thread waits
		if fd, ok := h.fds["pid"]; ok {
			own, _ = duplicateFD(fd)
		}
		go c.tellEnd(ctx, run, h.state.PID, own)
	}
	state := h.state
	m := &message{Op: opAdopt, State: &state, Launch: h.spec, Mine: h.mine, Status: h.ended}
	var files []*os.File
	for name, fd := range h.fds {
		if d, err := duplicateFD(fd); err == nil {
			m.FDs, files = append(m.FDs, name), append(files, d)
		}
	}
	return m, files
}

// tellEnd waits for the end of a run whose parent this process became, and tells the keeper how it ended.
func (c *Client) tellEnd(ctx context.Context, run string, pid int, handle *os.File) {
	e := waitChild(pid, handle)
	c.mu.Lock()
	if h := c.held[run]; h != nil { // the next keeper is told too, should this one die before it has written it down
		h.ended, h.mine = e, e != nil
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := c.call(ctx, &message{Op: opReaped, Run: run, Status: e}); err == nil {
			return
		}
	}
}
