package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"controlcenter/internal/event"
)

// attachMsg brings all that the launcher knows of the service's runs when this process starts.
type attachMsg struct {
	runs  []RunState
	reply chan bool // whether it must be started
}

// attach takes up the service where the last process left it: what lives goes on untouched, what ended meanwhile is booked,
// once.
func (s *service) attach(ctx context.Context, msg attachMsg) {
	// What lives comes last: at most one may.
	slices.SortFunc(msg.runs, func(a, b RunState) int {
		if (a.Exit == nil) != (b.Exit == nil) {
			if a.Exit == nil {
				return 1
			}
			return -1
		}
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Run, b.Run))
	})
	if !s.rec.Wanted && s.spec.Type == TypeService && s.ended.result == "" {
		s.ended = end{result: ResultStopped, why: "stop asked for"}
	}
	ended, alive := false, false
	for i := range msg.runs {
		switch r := &msg.runs[i]; {
		case r.Exit == nil && i < len(msg.runs)-1:
			s.stray(ctx, r)
		case r.Exit == nil:
			if r.Run != s.rec.Run {
				s.adopt(r)
			} else if s.rec.PID == 0 {
				s.began(r.Started)
			}
			s.settle.Stop()
			s.settled, alive = true, true
			if s.spec.Probes.Startup != nil && s.rec.State == Starting {
				s.mach = machine{state: Starting, proc: live, gen: s.rec.Gen}
				continue
			}
			s.said.Load().ready.Store(true) // it was up; it will not say so again
			s.mach = machine{state: Running, proc: live, gen: s.rec.Gen}
		case r.Run == s.rec.Run && s.cur.EndedAt != nil: // booked before, but not acknowledged
			s.pending.acks = append(s.pending.acks, r.Run)
		case r.Run != s.rec.Run && !r.At.After(s.rec.StartedAt):
			s.oldExit(ctx, r.Exit)
		default:
			if r.Run != s.rec.Run {
				s.adopt(r)
			} else if s.rec.PID == 0 {
				s.began(r.Started)
			}
			s.settle.Stop()
			s.rec.Reason = s.account(r.Exit)
			s.pending.acks = append(s.pending.acks, r.Run)
			ended = true
		}
	}
	switch {
	case alive:
		s.note(event.Info, "service.reattached", fmt.Sprintf("%s went on while nobody was watching, pid %d", s.spec.DisplayName, s.rec.PID), cause{}, map[string]string{"run": s.rec.Run})
		effects := []effect{doWatch}
		if s.mach.state == Starting {
			effects = []effect{doArm, doWatch}
		}
		s.perform(ctx, true, effects)
		if !s.rec.Wanted && s.spec.Type == TypeService {
			s.stopLeft(ctx)
		}
	case ended: // the policy decides as if it had now
		if s.rec.Wanted || s.spec.Type == TypeJob {
			s.mach = machine{state: Running, proc: live, gen: s.rec.Gen}
			s.news(ctx, sigExited, cause{actor: system, why: s.rec.Reason, trigger: "restart"})
		} else {
			s.mach = machine{state: Stopped, gen: s.rec.Gen}
			s.rec.State, s.dirty = Stopped, true
		}
	default:
		s.restore()
	}
	if s.mach.state != Unknown && s.rec.State != s.mach.state {
		s.rec.State, s.rec.Since, s.dirty = s.mach.state, time.Now().UTC(), true
	}
	s.catchUp(ctx)
	rebooted := s.rec.BootID != s.m.o.BootID && s.rec.BootID != ""
	start := s.rec.Wanted && s.spec.Type == TypeService && (s.mach.state == Stopped || rebooted && s.mach.state.Final())
	s.show, s.tell = true, true
	s.answers = append(s.answers, func() { msg.reply <- start })
}

// stopLeft ends what was being stopped when the last process ended.
func (s *service) stopLeft(ctx context.Context) {
	s.ended = end{result: ResultStopped, why: "stop asked for"}
	effects, err := s.move(input{sig: sigStop}, cause{actor: system, why: "it was being stopped"})
	if err == nil {
		s.perform(ctx, true, effects)
	}
}

// adopt opens the books for a run that the launcher started while nobody was connected.
func (s *service) adopt(r *RunState) {
	switch {
	case s.cur.EndedAt != nil || s.cur.ID == "":
	case s.rec.PID == 0: // it was about to be launched when the last process ended, and the launcher was never told: no crash
		s.finishRun(ResultNotStarted, "the server ended before it was started", r.At.UTC())
	default:
		s.account(&Exit{Run: s.cur.ID, Unknown: true, At: r.At})
	}
	s.rec.Gen = max(s.rec.Gen+1, r.Gen)
	s.rec.Run, s.rec.Trigger, s.rec.BootID, s.rec.PID = r.Run, "launcher", s.m.o.BootID, 0
	s.rec.Restarts++
	s.ended = end{}
	s.said.Store(&notice{})
	s.cur = Run{ID: r.Run, Service: s.rec.Spec.ID, Gen: s.rec.Gen, Trigger: "launcher", Actor: "launcher", Result: ResultRunning, Reason: "restarted while nobody was watching"}
	s.began(r.Started)
	s.settle.Stop()
}

// stray ends a second living run; none should ever be.
func (s *service) stray(ctx context.Context, r *RunState) {
	s.note(event.Error, "service.stray", s.spec.DisplayName+": a second copy was found and is killed", cause{}, map[string]string{"run": r.Run, "pid": itoa(r.PID)})
	s.async(func() {
		ctx, cancel := context.WithTimeout(ctx, killTime)
		defer cancel()
		if err := s.m.o.Launcher.KillTree(ctx, r.Run); err != nil && ctx.Err() == nil {
			s.m.o.Log.Error("kill second copy", "service", s.key, "run", r.Run, "err", err)
		}
	})
}

// restore sets the state of a service of which the launcher knows nothing new. A run that should have lived was lost with
// the machine or the launcher: that is no crash of the service, and nobody knows how it ended.
func (s *service) restore() {
	state := s.rec.State
	if s.cur.ID != "" && s.cur.EndedAt == nil {
		now, why := time.Now().UTC(), "its run is not known any more"
		if s.rec.BootID != s.m.o.BootID {
			why = "the machine was restarted"
		}
		if s.rec.PID == 0 {
			s.finishRun(ResultNotStarted, why, now)
		} else {
			s.finishRun(ResultUnknown, why, now)
			s.rec.LastExit = &LastExit{Run: s.rec.Run, Result: ResultUnknown, Unknown: true, Reason: why, At: now}
			s.note(event.Warning, "service.lost", s.spec.DisplayName+" was lost: "+why, cause{why: why}, map[string]string{"run": s.rec.Run})
		}
		s.rec.Reason, state = why, Stopped
	}
	if !state.Final() {
		state = Stopped
	}
	s.mach = machine{state: state, gen: s.rec.Gen}
	s.rec.PID, s.rec.StartTicks, s.ended = 0, 0, end{}
}
