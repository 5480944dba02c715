package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"controlcenter/internal/store"
)

// Wait says how long a command is waited for.
type Wait string

const (
	WaitDone  Wait = ""      // started and lived 300 ms; stopped with all its tree
	WaitReady Wait = "ready" // healthy, 8 s at most
	WaitNot   Wait = "none"  // only until it is recorded
)

// readyTime is the longest wait for WaitReady; clients give up after 10 s.
const readyTime = 8 * time.Second

// Command is something done to a service.
type Command struct {
	Service string
	Verb    Verb
	Actor   string // who
	Why     string
	Wait    Wait
	Grace   time.Duration // of a stop, instead of the definition's; 0 = that one
	Force   bool          // a stop that kills at once
	Cascade bool          // a stop also stops what needs the service

	trigger string
}

// Do carries a command out and returns the status after it. Start first starts what the service needs and waits until it
// is there. Errors: ErrNotFound, ErrInvalid (no such verb), ErrConflict (already running, stuck, needed by others),
// ErrFailed with the reason and the last lines, ErrTimeout, store.ErrUnavailable. When ctx ends the command goes on; only the
// waiting ends.
func (m *Manager) Do(ctx context.Context, c Command) (*Status, error) {
	sig, ok := c.Verb.signal()
	if !ok {
		return nil, errorf(ErrInvalid, "%q is none of start, stop, restart, reload, kill", c.Verb)
	}
	s, err := m.find(c.Service)
	if err != nil {
		return nil, err
	}
	if err := m.taken(ctx); err != nil {
		return nil, err
	}
	if c.trigger == "" {
		c.trigger = "command"
	}
	if c.Actor == "" {
		c.Actor = system
	}
	wait := waitSettled
	switch {
	case c.Wait == WaitNot || sig == sigReload:
		wait = waitNothing
	case sig == sigStop || sig == sigKill:
		wait = waitDown
	case c.Wait == WaitReady:
		wait = waitReady
	}
	switch sig {
	case sigStart, sigRestart:
		if st := s.status(); sig == sigRestart || st.State.Final() || st.State == Backoff {
			if err := m.needs(ctx, s, &c, false); err != nil {
				return s.status(), err
			}
		}
	case sigStop, sigKill:
		if err := m.stopDependents(ctx, s, &c); err != nil {
			return s.status(), err
		}
		if c.Force {
			sig = sigKill
		}
	}
	err = m.send(ctx, s, &c, sig, wait)
	if e, failed := errors.AsType[*Error](err); failed && errors.Is(e.Kind, ErrFailed) && m.o.Tail != nil {
		with := *e
		if st := s.status(); st.LastExit != nil && st.LastExit.Run == st.Run { // not those of a run before
			with.Lines, _ = m.o.Tail(ctx, s.key, st.LastExit.Run, reportLines)
		}
		err = &with
	}
	return s.status(), err
}

// send gives the owner a command and waits for its answer.
func (m *Manager) send(ctx context.Context, s *service, c *Command, sig signal, wait waitKind) error {
	msg := commandMsg{sig: sig, cause: cause{c.Actor, c.Why, c.trigger}, grace: c.Grace, wait: wait, rider: store.RiderOf(ctx), reply: make(chan error, 1)}
	spec := s.status().Spec
	limit := launchTimeout + writeTimeout
	if sig == sigStop || sig == sigRestart {
		limit += cmpOr(c.Grace, spec.Stop.Grace.Std()) + killTime
	}
	what := "answered"
	if wait == waitReady {
		limit += readyTime
		what = "become ready"
	}
	if sig == sigStart && wait == waitReady {
		limit = readyTime
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, errorf(ErrTimeout, "%s %q: it has not %s in %s", sig, spec.ID, what, limit))
	defer cancel()
	if err := s.post(limited, msg); err != nil {
		return err
	}
	select {
	case err := <-msg.reply:
		return err
	case <-s.done:
		select {
		case err := <-msg.reply:
			return err
		default:
			return ErrEnded
		}
	case <-limited.Done():
		return context.Cause(limited)
	}
}

func cmpOr(a, b time.Duration) time.Duration {
	if a != 0 {
		return a
	}
	return b
}

// needs starts what a service depends on and waits until every condition is met. boot = at the start of this process, when
// each wanted service is waited for, not driven.
func (m *Manager) needs(ctx context.Context, s *service, c *Command, boot bool) error {
	st := s.status()
	for _, key := range st.Spec.Needs() {
		dep := m.index.Load().byKey[key]
		if dep == nil {
			return errorf(ErrConflict, "%q needs %q, which does not exist", st.ID, key)
		}
		d := st.Spec.dependency(key)
		if err := m.need(ctx, st.ID, dep, d, c, boot); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) need(ctx context.Context, who string, dep *service, d Dependency, c *Command, boot bool) error {
	now := dep.status()
	if d.Condition.met(now) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout.Std(), errorf(ErrConflict, "%q needs %q to be %s, which it was not within %s", who, now.ID, d.Condition, d.Timeout))
	defer cancel()
	if now.State.Final() && !(boot && now.Wanted) {
		sub := Command{Service: dep.key, Verb: VerbStart, Actor: c.Actor, Why: "needed by " + who, trigger: c.trigger}
		if err := m.needs(ctx, dep, &sub, boot); err != nil {
			return err
		}
		// Somebody else may have started it meanwhile; whether it is there decides, not who did it.
		if err := m.send(ctx, dep, &sub, sigStart, waitNothing); err != nil && !errors.Is(err, ErrConflict) {
			return fmt.Errorf("start %q, which %q needs: %w", now.ID, who, err)
		}
	}
	began := now.Gen
	last, err := dep.await(ctx, func(st *Status) bool {
		return d.Condition.met(st) || hopeless(st, d.Condition, began, boot)
	})
	switch {
	case err != nil:
		return err
	case d.Condition.met(last):
		return nil
	}
	return errorf(ErrConflict, "%q needs %q to be %s, but it is %s: %s", who, last.ID, d.Condition, last.State, last.Reason)
}

// hopeless says that a dependency will not come to meet its condition by itself.
func hopeless(st *Status, c Condition, began uint64, boot bool) bool {
	switch st.State {
	case Failed, Stuck:
		return st.State == Stuck || st.Gen > began || boot
	case Exited:
		return c != ConditionCompleted && (st.Gen > began || boot)
	default:
		return false
	}
}

// stopDependents refuses to stop what running services need, or stops them first.
func (m *Manager) stopDependents(ctx context.Context, s *service, c *Command) error {
	x := m.index.Load()
	var up []*service
	var names []string
	for _, key := range x.graph().AllDependents(s.key) {
		if d := x.byKey[key]; d != nil && !d.status().State.Final() && d.status().Spec.dependency(s.key).Condition != ConditionCompleted {
			up = append(up, d)
			names = append(names, d.status().ID)
		}
	}
	if len(up) == 0 {
		return nil
	}
	if !c.Cascade {
		return errorf(ErrConflict, "%q is needed by %s; stop those first, or all together (cascade)", s.status().ID, strings.Join(names, ", "))
	}
	for _, d := range up {
		sub := *c
		sub.Service, sub.Why = d.key, strings.TrimPrefix(c.Why+"; it needs "+s.status().ID, "; ")
		if err := m.send(ctx, d, &sub, sigStop, waitDown); err != nil {
			return fmt.Errorf("stop %q first: %w", d.status().ID, err)
		}
	}
	return nil
}

// Outcome is what a command on many services did to one.
type Outcome struct {
	Service string
	Status  *Status
	Err     error
}

// DoAll does the same to many services at once, in the order of their dependencies: start from the bottom up, stop from the
// top down. ids are services; tags choose all that have one of them; neither chooses all,
// but starts no jobs.
func (m *Manager) DoAll(ctx context.Context, c Command, ids, tags []string) ([]Outcome, error) {
	if _, ok := c.Verb.signal(); !ok {
		return nil, errorf(ErrInvalid, "%q is none of start, stop, restart, reload, kill", c.Verb)
	}
	chosen := map[string]*service{}
	for _, id := range ids {
		s, err := m.find(id)
		if err != nil {
			return nil, err
		}
		chosen[s.key] = s
	}
	x := m.index.Load()
	for _, s := range x.list {
		hasTag := slices.ContainsFunc(s.status().Spec.Tags, func(t string) bool { return slices.Contains(tags, t) })
		everything := len(ids) == 0 && len(tags) == 0 && (s.status().Spec.Type == TypeService || c.Verb == VerbStop || c.Verb == VerbKill)
		if hasTag || everything {
			chosen[s.key] = s
		}
	}
	order := x.graph().Order()
	order = slices.DeleteFunc(order, func(k string) bool { return chosen[k] == nil })
	out := make([]Outcome, len(order))
	done := map[string]chan struct{}{}
	for _, k := range order {
		done[k] = make(chan struct{})
	}
	g := x.graph()
	var wg sync.WaitGroup
	for i, k := range order {
		wg.Go(func() {
			defer close(done[k])
			one := c
			one.Service = k
			if c.Verb == VerbStop || c.Verb == VerbKill {
				for _, d := range g.AllDependents(k) {
					if done[d] != nil {
						<-done[d]
					}
				}
			}
			s := chosen[k]
			st := s.status()
			if up := !st.State.Final(); c.Verb == VerbStart && up {
				out[i] = Outcome{st.ID, st, nil} // by itself, or as a dependency of another one
				return
			}
			next, err := m.Do(ctx, one)
			if r, ok := errors.AsType[*RefusedError](err); ok && c.Verb == VerbStart && (r.State == Starting || r.State == Running) {
				// It was started meanwhile because another one needs it.
				limited, cancel := context.WithTimeout(ctx, launchTimeout)
				next, err = s.await(limited, func(st *Status) bool { return st.State != Starting })
				cancel()
			}
			out[i] = Outcome{st.ID, next, err}
		})
	}
	wg.Wait()
	return out, nil
}
