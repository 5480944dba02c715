package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"controlcenter/internal/event"
)

const (
	// clockCheck bounds how long a schedule relies on a timer: timers do not notice when somebody sets the clock or the
	// machine sleeps.
	clockCheck = time.Minute
	// queueMax bounds runs that wait and runs made up for after downtime.
	queueMax = 100
	// missedMax bounds how many missed runs are counted.
	missedMax = 10_000
)

func sameJSON(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// schedule sets the timer for the next run of a job. It is called after every change of the definition.
func (s *service) schedule() {
	s.sched.Stop()
	s.nextRun = time.Time{}
	if s.spec.Schedule == nil {
		return
	}
	now := time.Now()
	from := now
	// The clock was set back: what ran does not run again. Unless it had been far ahead, which must not stop the job for good.
	if s.rec.LastDue.After(now) && s.rec.LastDue.Sub(now) < 3*time.Hour {
		from = s.rec.LastDue
	}
	s.nextRun = s.spec.Schedule.Next(from, s.rec.Anchor)
	s.show = true
	if !s.nextRun.IsZero() {
		s.sched.Reset(min(max(s.nextRun.Sub(now), 0), clockCheck))
	}
}

// due starts a scheduled run, by the rule for what overlaps. It is called at nextRun or before.
func (s *service) due(ctx context.Context) {
	if s.spec.Schedule == nil {
		return
	}
	now := time.Now()
	if at := s.nextRun; !at.IsZero() && !now.Before(at) {
		s.rec.LastDue, s.dirty = at.UTC(), true
		s.trigger(ctx, cause{actor: "schedule", why: "due at " + at.Format(time.RFC3339), trigger: "schedule"})
	}
	s.schedule()
}

// trigger starts a run of a job now, or does what its overlap rule says.
func (s *service) trigger(ctx context.Context, c cause) {
	switch st := s.mach.state; {
	case st.Final():
		s.startItself(ctx, c)
	case st == Stuck || st == Unknown || s.spec.Schedule.Overlap == "skip" || s.queued >= queueMax:
		s.count(ResultSkipped)
		s.note(event.Warning, "job.skipped", s.spec.DisplayName+" was skipped: the run before goes on", c, map[string]string{"run": s.rec.Run})
	case s.spec.Schedule.Overlap == "queue":
		s.queued++
		s.show, s.tell = true, true
		s.note(event.Info, "job.queued", s.spec.DisplayName+" waits for the run before", c, map[string]string{"run": s.rec.Run})
	default:
		if s.mach.proc != none {
			s.ended = end{result: ResultStopped, why: "replaced by the next run", next: c}
		}
		before := s.mach
		effects, err := s.move(input{sig: sigRestart}, c)
		if err == nil {
			s.perform(ctx, s.mach != before, effects)
		}
	}
}

// catchUp deals with the runs that were due while this process was away.
func (s *service) catchUp(ctx context.Context) {
	p := s.spec.Schedule
	if p == nil {
		return
	}
	now := time.Now()
	last, missed := s.rec.LastDue, 0
	if last.IsZero() {
		last = s.rec.Anchor
	}
	for at := p.Next(last, s.rec.Anchor); !at.IsZero() && !at.After(now) && missed < missedMax; at = p.Next(at, s.rec.Anchor) {
		last = at
		missed++
	}
	if missed == 0 {
		s.schedule()
		return
	}
	// The one-shot and the last of many lie in the past; whatever is left over after missedMax is passed over too.
	s.rec.LastDue, s.dirty = last.UTC(), true
	if missed == missedMax {
		s.rec.LastDue = now.UTC()
	}
	n := 0
	switch p.CatchUp {
	case "once":
		n = 1
	case "all":
		n = min(missed, queueMax)
	}
	c := cause{actor: "schedule", why: fmt.Sprintf("%d runs were due while nobody was watching, the last at %s", missed, last.Format(time.RFC3339)), trigger: "catch-up"}
	s.note(event.Info, "job.missed", fmt.Sprintf("%s: %d missed, %d made up for", s.spec.DisplayName, missed, n), c, nil)
	if n > 0 && s.mach.state.Final() {
		s.startItself(ctx, c)
		n--
	} else if n > 0 && p.Overlap == "skip" {
		n = 0 // it runs already
	}
	s.queued += n
	s.schedule()
}
