package control

import (
	"context"
	"errors"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Verb is a command to a service.
type Verb string

const (
	VerbStart   Verb = "start"
	VerbStop    Verb = "stop"
	VerbRestart Verb = "restart"
	VerbReload  Verb = "reload"
	VerbKill    Verb = "kill"
)

func (v Verb) signal() (signal, bool) {
	switch v {
	case VerbStart:
		return sigStart, true
	case VerbStop:
		return sigStop, true
	case VerbRestart:
		return sigRestart, true
	case VerbReload:
		return sigReload, true
	case VerbKill:
		return sigKill, true
	}
	return 0, false
}

// what a caller waits for.
type waitKind uint8

const (
	waitNothing waitKind = iota
	waitSettled          // it has lived 300 ms
	waitReady            // it is healthy
	waitDown             // nothing of it is left
)

type waiter struct {
	kind  waitKind
	gen   uint64 // of the run that is waited for; ignored by waitDown
	reply chan<- error
}

type commandMsg struct {
	sig   signal
	cause cause
	grace time.Duration
	wait  waitKind
	rider *store.Rider
	reply chan error // buffered
}

// command carries a command out. What must not start unless it is recorded is stored first; stop and kill go on when the
// store takes nothing.
func (s *service) command(ctx context.Context, msg commandMsg) {
	if msg.sig == sigReload && s.spec.Reload == "" {
		msg.reply <- errorf(ErrConflict, "%q has no reload signal", s.rec.Spec.ID)
		return
	}
	saved, before := s.life, s.mach
	effects, err := s.move(input{sig: msg.sig}, msg.cause)
	if err != nil {
		msg.reply <- err
		return
	}
	starting := msg.sig == sigStart || msg.sig == sigRestart
	if s.spec.Type == TypeService && msg.sig != sigReload {
		s.rec.Wanted = starting
	}
	if starting {
		s.rec.Streak = streak{}
	} else if msg.sig != sigReload {
		s.queued = 0
	}
	if s.mach.proc != none && before.proc != none && msg.sig != sigReload && msg.sig != sigStart {
		s.ended, s.grace = end{result: ResultStopped, why: msg.sig.String() + " asked for by " + msg.cause.actor}, msg.grace
		if msg.sig == sigRestart {
			s.ended.next = msg.cause
		}
	}
	if !s.lost || starting {
		c := s.take()
		c.rider = msg.rider
		if err := s.saveAll(ctx, c); err != nil {
			if starting {
				s.life, s.pending = saved, change{}
				s.dirty = errors.Is(err, store.ErrUnavailable) // it may land yet: what is true comes behind it
				msg.reply <- err
				return
			}
			s.unsaved = append(s.unsaved, c)
			s.notSaved(err)
		}
		s.show, s.tell = true, true
	}
	if msg.wait == waitReady && s.spec.Probes.Readiness == nil && s.spec.Probes.Startup == nil {
		msg.wait = waitSettled
	}
	gen := s.mach.gen
	if msg.sig == sigRestart && s.mach.proc != none && before.proc != none {
		gen++ // the one that comes after what is being ended now
	}
	s.perform(ctx, s.mach.state != before.state || s.mach.proc != before.proc, effects)
	switch {
	case msg.wait == waitNothing, msg.wait == waitDown && s.mach.proc == none:
		s.answer(msg.reply, nil)
	default:
		s.waiters = append(s.waiters, waiter{msg.wait, gen, msg.reply})
	}
	s.arrived(ctx, before.state)
}

// saveAll writes what is still unsaved, in order, and then c.
func (s *service) saveAll(ctx context.Context, c *change) error {
	for len(s.unsaved) > 0 {
		if err := s.save(ctx, s.unsaved[0]); err != nil {
			return err
		}
		s.acknowledge(ctx, s.unsaved[0].acks)
		s.unsaved = s.unsaved[1:]
	}
	return s.save(ctx, c)
}

// resolve answers who waits for kind in the present generation or an older one.
func (s *service) resolve(kind waitKind, err error) {
	left := s.waiters[:0]
	for _, w := range s.waiters {
		if w.kind == kind && (w.gen <= s.mach.gen || kind == waitDown || s.mach.state == Stopped) {
			s.answer(w.reply, err)
			continue
		}
		left = append(left, w)
	}
	s.waiters = left
}

// defineMsg brings a new definition of the service.
type defineMsg struct {
	given  *Spec
	spec   *Spec // effective
	origin string
	cause  cause
	rider  *store.Rider
	reply  chan error
}

func (s *service) define(ctx context.Context, msg defineMsg) {
	saved, old := s.life, s.spec
	now := time.Now().UTC()
	s.rec.Spec, s.rec.Origin = msg.given, msg.origin
	if !sameJSON(old, msg.spec) {
		s.rec.UpdatedAt = now
		s.note(event.Info, "service.changed", msg.spec.DisplayName+": its definition was changed", msg.cause, nil)
	}
	if !sameJSON(old.Schedule, msg.spec.Schedule) {
		s.rec.Anchor, s.rec.LastDue = now, now
	}
	s.spec = msg.spec
	if s.spec.Type == TypeJob {
		s.rec.Wanted = false
	}
	c := s.take()
	c.rider = msg.rider
	if err := s.saveAll(ctx, c); err != nil {
		s.life, s.spec, s.pending, s.dirty = saved, old, change{}, false
		msg.reply <- err
		return
	}
	if s.mach.proc != none {
		s.changed = s.changed || launchDiffers(old, msg.spec)
		if s.mach.state == Running && (!sameJSON(old.Probes, msg.spec.Probes) || old.Watchdog != msg.spec.Watchdog || old.Limits.RestartAbove != msg.spec.Limits.RestartAbove) {
			s.health, s.probes = HealthUnknown, nil
			s.watch(ctx)
		}
	}
	s.schedule()
	s.listen(ctx)
	s.show, s.tell = true, true
	s.answer(msg.reply, nil)
}

// launchDiffers says whether a running process would have been started in another way.
func launchDiffers(a, b *Spec) bool {
	strip := func(s *Spec) Spec {
		c := *s
		c.DisplayName, c.Description, c.Template, c.Tags, c.Autostart, c.Reload = "", "", "", nil, false, ""
		c.Stop, c.DependsOn, c.Probes, c.Schedule, c.SuccessCodes, c.Ports = Stop{}, nil, Probes{}, nil, nil, nil
		c.Restart = Restart{}
		c.Limits.RestartAbove = 0
		return c
	}
	return !sameJSON(strip(a), strip(b))
}

// removeMsg ends the service, which must be down, and forgets it.
type removeMsg struct {
	cause cause
	rider *store.Rider
	reply chan error
}

func (s *service) remove(ctx context.Context, msg removeMsg) {
	if s.mach.proc != none {
		msg.reply <- errorf(ErrConflict, "%q still runs", s.rec.Spec.ID)
		return
	}
	s.note(event.Warning, "service.removed", s.spec.DisplayName+" was removed", msg.cause, nil)
	c := s.pending
	s.pending = change{}
	c.key, c.rider, c.also = s.key, msg.rider, func(tx *store.Tx) error {
		if err := services.Delete(tx, s.key); err != nil {
			return err
		}
		old, err := runs.List(tx, s.key+"/", "", 0)
		if err != nil {
			return err
		}
		for _, r := range old {
			if err := runs.Delete(tx, r.Key); err != nil {
				return err
			}
		}
		values, err := secrets.List(tx, s.key+"/", "", 0)
		for _, v := range values {
			if err := secrets.Delete(tx, v.Key); err != nil {
				return err
			}
		}
		return err
	}
	if err := s.saveAll(ctx, &c); err != nil {
		msg.reply <- err
		return
	}
	s.gone, s.dirty = true, false
	s.m.o.Bus.Publish(Removed{s.rec.Spec.ID, s.key})
	msg.reply <- nil
}
