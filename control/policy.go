package control

import (
	"math"
	"time"
)

// streak is what the restart policy remembers of a service; it is stored with it.
type streak struct {
	Failures int         `json:"failures,omitempty"` // restarts since the last healthy run
	Recent   []time.Time `json:"recent,omitempty"`   // restarts within the window
}

// runEnd is what the policy looks at.
type runEnd struct {
	now   time.Time
	ran   time.Duration // 0 = it never ran
	ok    bool          // it ended by itself with a success code
	never bool          // a retry cannot help: no such program, no such folder ...
	draw  float64       // random, 0..1
}

// decide says what comes after an end nobody asked for, how long to wait before a restart, and the streak to remember.
func (r *Restart) decide(s streak, e runEnd) (verdict, time.Duration, streak) {
	switch {
	case e.never:
		return giveUp, 0, s
	case r.Policy == RestartNo, r.Policy == RestartOnFailure && e.ok:
		if e.ok {
			return finish, 0, streak{}
		}
		return giveUp, 0, s
	}
	recent := make([]time.Time, 0, len(s.Recent)+1)
	for _, t := range s.Recent {
		if e.now.Sub(t) < r.Limit.Window.Std() {
			recent = append(recent, t)
		}
	}
	s.Recent = recent
	limit := *r.Limit.Attempts
	if limit > 0 && len(s.Recent) >= limit {
		return giveUp, 0, s
	}
	if limit > 0 { // without a limit nobody asks, and the list must not grow
		s.Recent = append(s.Recent, e.now)
	}
	if e.ran >= r.HealthyAfter.Std() && e.ran > 0 {
		s.Failures = 0
		return again, 0, s
	}
	s.Failures++
	return later, r.delay(s.Failures, e.draw), s
}

// delay is the wait before the nth restart in a row without a healthy run between.
func (r *Restart) delay(n int, draw float64) time.Duration {
	d := min(float64(*r.Initial)*math.Pow(r.Factor, float64(n-1)), float64(*r.Max))
	d *= 1 + *r.Jitter*(2*draw-1)
	return time.Duration(d)
}

// retry is decide for a job: up to Retries more runs after a failed one, with the waits of the restart back-off.
func (s *Spec) retry(k streak, e runEnd) (verdict, time.Duration, streak) {
	switch {
	case e.ok:
		return finish, 0, streak{}
	case e.never || s.Schedule == nil || k.Failures >= s.Schedule.Retries:
		return giveUp, 0, streak{}
	}
	k.Failures++
	return later, s.Restart.delay(k.Failures, e.draw), k
}

func (s *Spec) decide(k streak, e runEnd) (verdict, time.Duration, streak) {
	if s.Type == TypeJob {
		return s.retry(k, e)
	}
	return s.Restart.decide(k, e)
}

// succeeded says whether an exit is a success.
func (s *Spec) succeeded(e *Exit) bool {
	if e.Unknown || e.Signal != "" || e.Code == nil {
		return false
	}
	for _, c := range s.SuccessCodes {
		if c == *e.Code {
			return true
		}
	}
	return false
}
