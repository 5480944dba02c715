package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/unit"
)

// Spec is one probe as users write it: exactly one of HTTP, TCP, Exec, Log and Notify, and when to ask.
type Spec struct {
	HTTP   string   `json:"http,omitempty" yaml:"http,omitempty"`     // URL; 200..399 is well unless Status says otherwise
	TCP    string   `json:"tcp,omitempty" yaml:"tcp,omitempty"`       // host:port that must accept a connection
	Exec   []string `json:"exec,omitempty" yaml:"exec,omitempty"`     // command; exit code 0 is well
	Log    string   `json:"log,omitempty" yaml:"log,omitempty"`       // RE2 that a line of this run must match, once
	Notify bool     `json:"notify,omitempty" yaml:"notify,omitempty"` // the service says READY=1 over $NOTIFY_SOCKET, once

	Status []int  `json:"status,omitempty" yaml:"status,omitempty"` // HTTP status codes that are well
	Body   string `json:"body,omitempty" yaml:"body,omitempty"`     // RE2 that the HTTP body must match

	Delay    unit.Duration `json:"delay,omitempty" yaml:"delay,omitempty"`       // before the first question
	Interval unit.Duration `json:"interval,omitempty" yaml:"interval,omitempty"` // between questions; default 10s
	Timeout  unit.Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`   // for one answer; default 2s
	Success  int           `json:"success,omitempty" yaml:"success,omitempty"`   // good answers in a row until well; default 1
	Failure  int           `json:"failure,omitempty" yaml:"failure,omitempty"`   // bad answers in a row until unwell; default 3
}

// Args returns the command of a probe that has one, also of no probe.
func (s *Spec) Args() []string {
	if s == nil {
		return nil
	}
	return s.Exec
}

// Target is the run of a service that a probe is about.
type Target struct {
	Dir string   // working directory of commands
	Env []string // their environment
	// User and Group whose commands they are; "" = this process' own.
	User, Group string
	// Lines returns what the run has logged behind a position (0 = its first line) and the next position. nil = unknown.
	Lines func(ctx context.Context, after int64) (lines []string, next int64, err error)
	// Notified tells whether the run has said READY=1. nil = unknown.
	Notified func() bool
}

// Prober asks once. nil = well; an error says what is wrong, in words a user understands. It returns soon after ctx ends.
type Prober func(ctx context.Context) error

// kind is one kind of probe. given tells whether a Spec is of this kind, check what is wrong with it, make builds it.
type kind struct {
	name  string
	given func(*Spec) bool
	check func(*Spec) error
	make  func(*Spec, Target) Prober
}

// kinds is the table of all kinds.
func kinds() []kind {
	return []kind{httpKind, tcpKind, execKind, logKind, notifyKind}
}

func (s *Spec) kind() (kind, error) {
	var found []kind
	var names, got []string
	for _, k := range kinds() {
		names = append(names, k.name)
		if k.given(s) {
			found, got = append(found, k), append(got, k.name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return kind{}, fmt.Errorf("must have one of %s", strings.Join(names, ", "))
	}
	return kind{}, fmt.Errorf("must have one kind, has %s", strings.Join(got, " and "))
}

// Kind returns the name of the probe's kind, "" when the Spec is not valid.
func (s *Spec) Kind() string { k, _ := s.kind(); return k.name }

// WithDefaults returns a copy in which every number has a value.
func (s Spec) WithDefaults() Spec {
	set := func(d *unit.Duration, v time.Duration) {
		if *d == 0 {
			*d = unit.Duration(v)
		}
	}
	set(&s.Interval, 10*time.Second)
	set(&s.Timeout, 2*time.Second)
	if s.Success == 0 {
		s.Success = 1
	}
	if s.Failure == 0 {
		s.Failure = 3
	}
	return s
}

// Check returns all that is wrong with a Spec after [Spec.WithDefaults], as pairs of field and message; "" is the probe itself.
func (s *Spec) Check() (wrong [][2]string) {
	add := func(field, msg string) { wrong = append(wrong, [2]string{field, msg}) }
	if k, err := s.kind(); err != nil {
		add("", err.Error())
	} else if err := k.check(s); err != nil {
		add(k.name, err.Error())
	}
	if s.HTTP == "" && (len(s.Status) > 0 || s.Body != "") {
		add("", "status and body are for http")
	}
	if slices.ContainsFunc(s.Status, func(c int) bool { return c < 100 || c > 599 }) {
		add("status", "must be HTTP status codes, 100 to 599")
	}
	if s.Interval < unit.Duration(100*time.Millisecond) {
		add("interval", "must be at least 100ms")
	}
	if s.Timeout <= 0 {
		add("timeout", "must be more than 0s")
	}
	if s.Success < 1 {
		add("success", "must be at least 1")
	}
	if s.Failure < 1 {
		add("failure", "must be at least 1")
	}
	return wrong
}

// New builds a checked probe.
func New(s Spec, t Target) (Prober, error) {
	k, err := s.kind()
	if err != nil {
		return nil, err
	}
	return k.make(&s, t), nil
}

// Result is one answer and the verdict so far.
type Result struct {
	Well    bool          // the verdict
	Changed bool          // the verdict is another one than before, or the first
	OK      bool          // this answer
	Reason  string        // why it was not OK
	Took    time.Duration // of this answer
	At      time.Time     // when it came
}

// Run asks until ctx ends and reports every answer, in order, from this goroutine; it then waits for the report to return.
// Before the first verdict nothing is changed: Success or Failure answers in a row are needed for that one too. What is said
// once, a line or a notice, is also listened for between the questions, so that it counts when it is said.
func Run(ctx context.Context, s Spec, ask Prober, report func(Result)) {
	known, well, streak := false, false, 0
	timer := time.NewTimer(s.Delay.Std())
	defer timer.Stop()
	for {
		if !s.await(ctx, timer.C, known && well, ask) {
			return
		}
		start := time.Now()
		err := askOnce(ctx, s.Timeout.Std(), ask)
		if ctx.Err() != nil {
			return
		}
		r := Result{OK: err == nil, Took: time.Since(start), At: time.Now().UTC()}
		if err != nil {
			r.Reason = err.Error()
		}
		if streak == 0 || (streak > 0) == r.OK {
			streak += sign(r.OK)
		} else {
			streak = sign(r.OK)
		}
		// Clamped, so that it counts up to the thresholds and cannot overflow.
		streak = min(max(streak, -s.Failure), s.Success)
		switch {
		case streak == s.Success && (!known || !well):
			known, well, r.Changed = true, true, true
		case streak == -s.Failure && (!known || well):
			known, well, r.Changed = true, false, true
		}
		r.Well = well
		report(r)
		// From the beginning of the question: a slow answer must not stretch the interval.
		timer.Reset(max(s.Interval.Std()-time.Since(start), 0))
	}
}

// listenEvery is the interval at which is looked for what a service says once.
const listenEvery = 200 * time.Millisecond

// await waits for the next question; false = ctx has ended. It is over early when what is said once has been said.
func (s *Spec) await(ctx context.Context, due <-chan time.Time, well bool, ask Prober) bool {
	var listen <-chan time.Time
	if !well && s.Delay == 0 && (s.Notify || s.Log != "") {
		tick := time.NewTicker(listenEvery)
		defer tick.Stop()
		listen = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return true
		case <-listen:
			if askOnce(ctx, s.Timeout.Std(), ask) == nil {
				return true
			}
		}
	}
}

func sign(ok bool) int {
	if ok {
		return 1
	}
	return -1
}

func askOnce(ctx context.Context, timeout time.Duration, ask Prober) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer in %s", unit.Duration(timeout)))
	defer cancel()
	err := ask(ctx)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

var errUnknown = errors.New("cannot be known here")
