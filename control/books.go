package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"controlcenter/internal/event"
)

// commit writes what the last message changed and publishes it. What the store does not take is kept and tried again.
func (s *service) commit(ctx context.Context) {
	changed := s.dirty || !s.pending.empty()
	if changed {
		s.unsaved = append(s.unsaved, s.take())
	}
	// A disk that hangs costs writeTimeout at each attempt; meanwhile exits must be taken.
	for len(s.unsaved) > 0 && (!s.lost || s.retry) {
		if err := s.save(ctx, s.unsaved[0]); err != nil {
			s.notSaved(err)
			break
		}
		s.acknowledge(ctx, s.unsaved[0].acks)
		s.unsaved = slices.Delete(s.unsaved, 0, 1)
		if len(s.unsaved) == 0 && s.lost {
			s.lost, s.retry = false, false
			s.m.o.Log.Info("service recorded again", "service", s.key)
		}
	}
	if changed || s.show {
		s.publish(changed || s.tell)
	}
	for _, answer := range s.answers {
		answer()
	}
	for _, r := range s.reports {
		s.report(ctx, r)
	}
	s.answers, s.reports = nil, nil
}

// save writes a change, also when the daemon is told to end meanwhile: what was handled nobody will handle again. The writer goes
// on until every owner has ended, and its timeout bounds a disk that hangs.
func (s *service) save(ctx context.Context, c *change) error {
	return s.m.writer.save(context.WithoutCancel(ctx), c)
}

// answer gives a caller its answer at the end of the present message.
func (s *service) answer(reply chan<- error, err error) {
	s.answers = append(s.answers, func() { reply <- err })
}

func (s *service) notSaved(err error) {
	s.retry = false
	if !s.lost {
		s.lost = true
		s.m.o.Log.Error("record service", "service", s.key, "err", err)
	}
	if extra := len(s.unsaved) - unsavedMax; extra > 0 {
		s.unsaved = slices.Delete(s.unsaved, 0, extra)
	}
	s.flush.Reset(flushTime)
}

// take turns the books into a change.
func (s *service) take() *change {
	rec := s.rec
	c := s.pending
	c.key, c.rec = s.key, &rec
	s.pending, s.dirty = change{}, false
	return &c
}

func (s *service) describe() *Status {
	st := &Status{
		given: s.rec.Spec, Number: s.rec.Number, ID: s.rec.Spec.ID, Key: s.key, Spec: s.spec, Origin: s.rec.Origin, CreatedAt: s.rec.CreatedAt, UpdatedAt: s.rec.UpdatedAt,
		State: s.mach.state, Since: s.rec.Since, Reason: s.rec.Reason, Waiting: s.waiting, Wanted: s.rec.Wanted, Health: s.health, Settled: s.settled,
		RestartNeeded: s.changed && s.mach.proc != none, Gen: s.rec.Gen, Run: s.rec.Run, PID: s.rec.PID, StartTicks: s.rec.StartTicks, StartedAt: s.rec.StartedAt,
		RetryAt: s.retryAt, LogError: s.logError, Starts: s.rec.Starts, Restarts: s.rec.Restarts, Crashes: s.rec.Crashes, LastExit: s.rec.LastExit, Probes: s.probes,
		readiness: s.spec.Probes.Readiness != nil,
	}
	if s.rec.Starts == 0 && s.rec.PID == 0 {
		st.StartedAt = time.Time{}
	}
	if s.mach.proc == none { // what was well is not there any more
		st.Health, st.Probes = HealthUnknown, nil
	}
	if s.spec.Type == TypeJob {
		st.Job = &JobStatus{NextRun: s.nextRun, LastSuccess: s.rec.LastSuccess, Results: s.rec.Results, Queued: s.queued}
	}
	return st
}

func (s *service) publish(tell bool) {
	st := s.describe()
	old := s.pub.Swap(&published{st, make(chan struct{})})
	if old != nil {
		close(old.next)
	}
	s.show, s.tell = false, false
	if tell {
		s.m.o.Bus.Publish(Changed{st})
	}
}

// acknowledge tells the launcher that the ends of runs are recorded.
func (s *service) acknowledge(ctx context.Context, ids []string) {
	for _, id := range ids {
		s.async(func() {
			ctx, cancel := context.WithTimeout(ctx, launchTimeout)
			defer cancel()
			if err := s.m.o.Launcher.Ack(ctx, id); err != nil && ctx.Err() == nil {
				s.m.o.Log.Warn("acknowledge exit", "service", s.key, "run", id, "err", err)
			}
		})
	}
}

// note adds a row to the history.
func (s *service) note(level, kind, title string, c cause, data map[string]string) {
	if c.actor == "" {
		c.actor = system
	}
	s.pending.rows = append(s.pending.rows, event.Row{
		At: time.Now().UTC(), Type: kind, Level: level, Subject: s.rec.Spec.ID, Actor: c.actor, Title: title, Why: c.why, Data: data,
	})
}

// log writes down a move that people want to know of.
func (s *service) log(before machine, in input, c cause) {
	name := s.spec.DisplayName
	data := map[string]string{"from": before.state.String(), "to": s.mach.state.String(), "type": string(s.spec.Type)}
	if s.rec.Run != "" {
		data["run"] = s.rec.Run
	}
	if in.sig.command() {
		s.note(event.Info, "service."+in.sig.String(), fmt.Sprintf("%s: %s asked for", name, in.sig), c, data)
		return
	}
	if s.mach.state == before.state {
		return
	}
	switch s.mach.state {
	case Running:
		s.note(event.Success, "service.up", name+" is up", c, data)
	case Stuck:
		s.note(event.Error, "service.stuck", name+" cannot be ended", c, data)
	case Unknown:
		s.note(event.Warning, "service.unknown", "nobody can tell whether "+name+" runs", c, data)
	case Failed:
		title := name + " has failed and is not started again"
		if s.spec.Type == TypeJob { // its next run is due in any case
			title = name + " has failed"
		}
		s.note(event.Error, "service.failed", title, c, data)
	case Killing:
		s.note(event.Warning, "service.killing", name+" is killed", c, data)
	}
}
