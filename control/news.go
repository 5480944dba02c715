package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// runNews takes what the launcher says about a run.
func (s *service) runNews(ctx context.Context, msg newsMsg) {
	switch msg.sig {
	case sigLaunched, sigNotStarted, sigLost:
		s.launches--
	}
	if msg.run != s.rec.Run {
		if msg.exit != nil {
			s.oldExit(ctx, msg.exit)
		}
		return
	}
	c := cause{actor: system, trigger: "restart"}
	switch msg.sig {
	case sigLaunched:
		if s.mach.proc == pending || s.mach.proc == maybe {
			s.began(msg.started)
		}
	case sigFound:
		if s.mach.state == Unknown {
			s.began(msg.started)
			c.why = "it was found alive"
		}
	case sigNotStarted:
		if s.cur.EndedAt != nil {
			return
		}
		c.why = msg.err.Error()
		l, _ := errors.AsType[*LaunchError](msg.err)
		s.last = runEnd{never: l == nil || !l.Temporary}
		s.finishRun(ResultNotStarted, c.why, time.Now().UTC())
		s.note(event.Error, "service.start_failed", s.spec.DisplayName+" could not be started", cause{actor: s.cur.Actor, why: c.why}, map[string]string{"run": msg.run, "type": string(s.spec.Type)})
		err := &Error{Kind: ErrFailed, Text: fmt.Sprintf("start %q: %s", s.rec.Spec.ID, c.why), Cause: msg.err}
		s.resolve(waitSettled, err)
		s.resolve(waitReady, err)
	case sigLost:
		c.why = "the launcher's answer was lost: " + msg.err.Error()
	case sigGone:
		if s.launches > 0 || s.mach.proc == live && s.mach.state != Killing {
			return // the question was older than the answer
		}
		msg.exit = &Exit{Run: msg.run, Service: s.key, Unknown: true, At: time.Now().UTC()}
		c.why = s.account(msg.exit)
	case sigExited:
		if msg.exit.Left > 0 {
			msg.sig = sigLeftover
		}
		c.why = s.account(msg.exit)
		s.pending.acks = append(s.pending.acks, msg.run)
	}
	if msg.sig == sigExited && s.mach.proc == none {
		return // the second report of it
	}
	s.news(ctx, msg.sig, c)
}

// began notes the process of the present run.
func (s *service) began(st Started) {
	first := s.rec.PID == 0
	s.rec.PID, s.rec.StartTicks = st.PID, st.StartTicks
	if !st.At.IsZero() {
		s.rec.StartedAt = st.At.UTC()
	}
	s.cur.PID, s.cur.StartedAt = st.PID, s.rec.StartedAt
	s.pending.runs = append(s.pending.runs, s.cur)
	s.dirty = true
	if !first {
		return
	}
	s.rec.Starts++
	s.settle.Reset(max(settleTime-time.Since(s.rec.StartedAt), 0))
	if !s.diedAt.IsZero() {
		s.m.restartSeconds.Observe(max(s.rec.StartedAt.Sub(s.diedAt).Seconds(), 0))
		s.diedAt = time.Time{}
	}
	s.note(event.Info, "service.started", fmt.Sprintf("%s was started, pid %d", s.spec.DisplayName, st.PID), cause{actor: s.cur.Actor, why: s.cur.Reason},
		map[string]string{"run": s.rec.Run, "trigger": s.rec.Trigger})
	for _, w := range st.Warnings {
		s.note(event.Warning, "service.warning", s.spec.DisplayName+": "+w, cause{}, map[string]string{"run": s.rec.Run})
	}
}

// account books the end of the present run, once, and returns why it ended.
func (s *service) account(e *Exit) string {
	if s.cur.EndedAt != nil {
		return s.cur.Reason
	}
	at := e.At.UTC()
	if at.IsZero() {
		at = time.Now().UTC()
	}
	ok := s.spec.succeeded(e)
	ran := max(at.Sub(s.rec.StartedAt), 0)
	s.last = runEnd{ran: ran, ok: ok}
	result, why := s.ended.result, e.String()
	crash := false
	switch {
	case result != "":
		why = s.ended.why + "; " + why
	case ok:
		result = ResultSuccess
	case e.Unknown:
		result, crash = ResultUnknown, true
	default:
		result, crash = ResultFailure, true
	}
	s.cur.Code, s.cur.Signal, s.cur.Usage = e.Code, e.Signal, e.Usage
	s.finishRun(result, why, at)
	s.rec.LastExit = &LastExit{Run: s.rec.Run, Result: result, Code: e.Code, Signal: e.Signal, Unknown: e.Unknown, Reason: why, At: at, Usage: e.Usage}
	s.rec.PID, s.rec.StartTicks = 0, 0
	data := map[string]string{"run": s.rec.Run, "seconds": fmt.Sprintf("%.3f", ran.Seconds()), "result": string(result), "type": string(s.spec.Type)}
	if e.Code != nil {
		data["exit_code"] = itoa(*e.Code)
	}
	if e.Signal != "" {
		data["signal"] = e.Signal
	}
	c := cause{why: why}
	switch {
	case crash:
		s.rec.Crashes++
		s.diedAt = at
		s.note(event.Error, "service.crashed", s.spec.DisplayName+" crashed: "+e.String(), c, data)
	case result == ResultSuccess:
		s.diedAt = at
		s.note(event.Info, "service.exited", s.spec.DisplayName+" ended: "+e.String(), c, data)
	default:
		if result == ResultUnhealthy {
			s.diedAt = at
		}
		s.note(event.Info, "service.stopped", s.spec.DisplayName+" ended: "+e.String(), c, data)
	}
	s.answerEnd(result, why)
	if crash || result == ResultUnhealthy || result == ResultTimeout {
		s.reports = append(s.reports, s.cur)
	}
	return why
}

// answerEnd tells who waits for the start of this run that it has ended.
func (s *service) answerEnd(result Result, why string) {
	id := s.rec.Spec.ID
	switch result {
	case ResultSuccess:
		s.resolve(waitSettled, nil)
		s.resolve(waitReady, nil)
	case ResultStopped: // arrived answers
	default:
		err := errorf(ErrFailed, "start %q: it ended at once: %s", id, why)
		s.resolve(waitSettled, err)
		s.resolve(waitReady, errorf(ErrFailed, "start %q: it ended before it was ready: %s", id, why))
	}
}

// finishRun closes the row of the present run.
func (s *service) finishRun(result Result, why string, at time.Time) {
	s.cur.Result, s.cur.Reason, s.cur.EndedAt = result, why, &at
	if result != ResultNotStarted {
		s.cur.Seconds = max(at.Sub(s.cur.StartedAt).Seconds(), 0)
	}
	s.pending.runs = append(s.pending.runs, s.cur)
	s.pending.keep, s.pending.before = runsKeptOfService, time.Time{}
	s.dirty = true
	if s.spec.Type != TypeJob {
		return
	}
	s.count(result)
	if result == ResultSuccess {
		s.rec.LastSuccess = at
	}
	if p := s.spec.Schedule; p != nil {
		s.pending.keep, s.pending.before = p.Keep, time.Now().Add(-p.KeepFor.Std())
	}
}

// count counts a run of a job.
func (s *service) count(r Result) {
	all := maps.Clone(s.rec.Results)
	if all == nil {
		all = map[Result]uint64{}
	}
	all[r]++
	s.rec.Results = all
	s.dirty = true
}

// reportLines of output are kept of a run that ended badly.
const reportLines = 50

// report adds the last lines of a run to its row.
func (s *service) report(ctx context.Context, r Run) {
	if s.m.o.Tail == nil {
		return
	}
	s.async(func() {
		select {
		case <-ctx.Done():
		case <-time.After(reportAfter):
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		lines, err := s.m.o.Tail(limited, s.key, r.ID, reportLines)
		if err != nil || len(lines) == 0 {
			return
		}
		r.Lines = lines
		_ = s.post(limited, linesMsg{r}) // also when all are being stopped: see run
	})
}

// verdict asks the policy what comes after an end that nobody asked for.
func (s *service) verdict(sig signal) verdict {
	e := s.last
	if sig == sigUnhealthy || sig == sigDeadline {
		e = runEnd{ran: time.Since(s.rec.StartedAt)}
	}
	e.now, e.draw = time.Now().UTC(), rand.Float64() // #nosec G404 -- jitter, not a secret
	v, wait, k := s.spec.decide(s.rec.Streak, e)
	s.rec.Streak, s.backoff, s.dirty = k, wait, true
	return v
}

// oldExit books the end of a run that is not the present one: a report that came late or a second time.
func (s *service) oldExit(ctx context.Context, e *Exit) {
	var row Run
	err := s.m.o.Store.View(ctx, func(tx *store.Tx) (err error) { row, err = runs.Get(tx, s.key+"/"+e.Run); return err })
	if err == nil && (row.EndedAt == nil || row.Result == ResultUnknown && !e.Unknown) {
		row.Code, row.Signal, row.Usage = e.Code, e.Signal, e.Usage
		at := e.At.UTC()
		row.EndedAt, row.Seconds = &at, max(at.Sub(row.StartedAt).Seconds(), 0)
		if row.Result = ResultUnknown; !e.Unknown {
			row.Result = ResultFailure
			if s.spec.succeeded(e) {
				row.Result = ResultSuccess
			}
		}
		row.Reason = e.String()
		s.pending.runs = append(s.pending.runs, row)
	}
	if err == nil || errors.Is(err, store.ErrNotFound) {
		s.pending.acks = append(s.pending.acks, e.Run)
	}
}
