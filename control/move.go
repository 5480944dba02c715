package control

import (
	"context"
	"slices"
	"time"

	"controlcenter/internal/event"
)

// move gives the machine a signal and keeps the books of what follows from it. It carries nothing out and writes nothing.
func (s *service) move(in input, c cause) ([]effect, error) {
	in.gen = s.mach.gen
	rule := find(s.mach, in)
	if rule != nil && rule.asksPolicy() {
		in.verdict = s.verdict(in.sig)
	}
	before := s.mach
	next, effects, err := step(s.mach, in)
	if err != nil || rule == nil {
		return nil, err
	}
	s.mach, s.dirty = next, s.dirty || next != before
	if next.state != before.state {
		s.rec.State, s.rec.Since, s.rec.Reason = next.state, time.Now().UTC(), c.why
		s.retryAt = time.Time{}
	}
	if slices.Contains(effects, doLaunch) {
		s.newRun(c, before)
	}
	if next.state.Final() {
		s.rec.PID, s.rec.StartTicks = 0, 0
	}
	s.log(before, in, c)
	return effects, nil
}

// newRun prepares the books for a launch of the generation the machine has counted to.
func (s *service) newRun(c cause, before machine) {
	if before.proc != none && s.ended.next.trigger != "" {
		c = s.ended.next // the second half of a restart that was asked for
	}
	if s.spec.Type == TypeJob && c.trigger == "restart" {
		c.trigger = "retry"
	}
	if c.trigger == "restart" || c.trigger == "retry" {
		s.rec.Restarts++
	} else {
		s.diedAt = time.Time{}
	}
	s.rec.Gen, s.rec.Run, s.rec.Trigger = s.mach.gen, NewRunID(), c.trigger
	s.rec.PID, s.rec.StartTicks, s.rec.BootID = 0, 0, s.m.o.BootID
	s.rec.StartedAt = time.Now().UTC()
	s.ended, s.settled, s.changed, s.waiting, s.grace = end{}, false, false, "", 0
	s.health, s.probes = HealthUnknown, nil
	s.said.Store(&notice{})
	s.cur = Run{
		ID: s.rec.Run, Service: s.rec.Spec.ID, Gen: s.rec.Gen, Trigger: c.trigger, Actor: c.actor, StartedAt: s.rec.StartedAt, Result: ResultRunning, Reason: c.why,
	}
	s.pending.runs = append(s.pending.runs, s.cur)
}

// perform carries effects out. What could block runs beside the owner and reports to its inbox.
func (s *service) perform(ctx context.Context, moved bool, effects []effect) {
	if moved {
		s.deadline.Stop()
	}
	for _, e := range effects {
		switch e {
		case doArm:
			s.deadline.Reset(s.allowed())
		case doLaunch:
			s.launch(ctx)
		case doTerm:
			s.term(ctx)
		case doKill:
			s.kill(ctx)
		case doReload:
			s.tellSignal(ctx, s.spec.Reload)
		case doAsk:
			s.ask(ctx)
		case doWatch:
			s.watch(ctx)
		}
	}
	if s.mach.proc == none {
		s.endWatch()
		s.settle.Stop()
	}
}

// allowed is how long the state may last.
func (s *service) allowed() time.Duration {
	switch s.mach.state {
	case Starting:
		if s.mach.proc == pending {
			return launchTimeout + time.Second
		}
		if p := s.spec.Probes.Startup; p != nil {
			// The probe itself says "unwell" at its threshold; this is for one that never says anything.
			return p.Delay.Std() + time.Duration(p.Failure+p.Success)*max(p.Interval.Std(), p.Timeout.Std()) + 10*time.Second
		}
		return settleTime + 10*time.Second // settle comes first
	case Stopping:
		if s.mach.proc == pending {
			return launchTimeout + time.Second
		}
		if s.grace > 0 {
			return s.grace
		}
		return s.spec.Stop.Grace.Std()
	case Backoff:
		s.retryAt = time.Now().UTC().Add(s.backoff)
		return s.backoff
	case Killing:
		return killTime
	}
	return askTime
}

func (s *service) deadlineText() string {
	switch s.mach.state {
	case Starting:
		if s.mach.proc == pending {
			return "the launcher has not answered in " + launchTimeout.String()
		}
		return "it did not come up in time"
	case Stopping:
		return "it did not end within its grace of " + s.allowed().String()
	case Killing:
		return "it was killed and has not gone in " + killTime.String()
	case Backoff:
		return "restarted after a wait of " + s.backoff.Round(time.Millisecond).String()
	}
	return s.rec.Reason
}

// news moves by a signal that is not a command, carries out what follows and writes it down after that: a restart never
// waits for the store.
func (s *service) news(ctx context.Context, sig signal, c cause) {
	before := s.mach
	effects, _ := s.move(input{sig: sig}, c)
	s.perform(ctx, s.mach.state != before.state || s.mach.proc != before.proc || slices.Contains(effects, doArm), effects)
	s.arrived(ctx, before.state)
}

// arrived resolves who waits for the state that was entered, and starts a job's next queued run.
func (s *service) arrived(ctx context.Context, before State) {
	switch {
	case s.mach.state == before:
		return
	case s.mach.state == Stuck:
		s.resolve(waitDown, errorf(ErrTimeout, "stop %q: %s", s.rec.Spec.ID, s.rec.Reason))
	case s.mach.state.Final() || s.mach.state == Backoff:
		s.resolve(waitDown, nil)
		if s.mach.state == Stopped {
			s.resolve(waitSettled, errorf(ErrConflict, "it was stopped meanwhile"))
			s.resolve(waitReady, errorf(ErrConflict, "it was stopped meanwhile"))
		}
	}
	if s.mach.state.Final() && s.queued > 0 {
		s.queued--
		s.startItself(ctx, cause{actor: system, why: "it was due while the run before went on", trigger: "queue"})
	}
}

// startItself starts a job's run by itself.
func (s *service) startItself(ctx context.Context, c cause) {
	before := s.mach
	effects, err := s.move(input{sig: sigStart}, c)
	if err != nil {
		s.note(event.Warning, "job.skipped", "not started: "+err.Error(), c, nil)
		return
	}
	s.perform(ctx, s.mach != before, effects)
}
