package control

import "fmt"

// State of a service.
type State uint8

const (
	Stopped  State = iota // nobody wants it, nothing runs
	Starting              // launched; not yet up
	Running               // up
	Stopping              // asked to end, within its grace
	Killing               // killed, its end is awaited
	Backoff               // waits before it is started again
	Exited                // ended by itself, well
	Failed                // ended badly and is not started again until someone acts
	Stuck                 // killed but not gone: start is refused
	Unknown               // nobody can tell now whether it runs: start is refused
	numStates
)

var stateNames = [numStates]string{"stopped", "starting", "running", "stopping", "killing", "backoff", "exited", "failed", "stuck", "unknown"}

func (s State) String() string { return stateNames[s] }

// MarshalText writes the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *State) UnmarshalText(text []byte) error {
	for i, n := range stateNames {
		if n == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a state", text)
}

// States returns all states.
func States() []State {
	all := make([]State, numStates)
	for i := range all {
		all[i] = State(i)
	}
	return all
}

// Final says whether a service stays in the state until someone acts.
func (s State) Final() bool { return s == Stopped || s == Exited || s == Failed }

// signal is what happens to a service: commands, news of its process, and time. (Not "event": that is what others are told.)
type signal uint8

const (
	sigStart      signal = iota // command
	sigStop                     // command
	sigRestart                  // command
	sigKill                     // command
	sigReload                   // command
	sigLaunched                 // its process has been started
	sigNotStarted               // certain: no process was started
	sigLost                     // the launcher's answer was lost: a process may have been started
	sigFound                    // the launcher says: it lives
	sigExited                   // its process is gone and nothing of its tree is left
	sigLeftover                 // its process is gone, some of its tree cannot be ended
	sigGone                     // the launcher knows nothing of such a run any more
	sigUp                       // it has lived its first 300 ms, or its startup probe is well
	sigUnhealthy                // startup or liveness probe, watchdog or memory limit say it must not go on
	sigDeadline                 // the deadline of the state has passed
	numSignals
)

var signalNames = [numSignals]string{
	"start", "stop", "restart", "kill", "reload", "launched", "not started", "answer lost", "found alive", "exited",
	"left something behind", "gone", "up", "unhealthy", "deadline",
}

func (s signal) String() string { return signalNames[s] }

func (s signal) command() bool { return s <= sigReload }

// effect is what the owner must do, in the order given, after a step.
type effect uint8

const (
	doLaunch effect = iota // start a process of a new generation
	doTerm                 // ask it to end: stop signal or command
	doKill                 // kill its tree
	doReload               // send the reload signal
	doAsk                  // ask the launcher whether the run lives
	doArm                  // set the deadline of the new state; the one of the old state is void with every change of state
	doWatch                // probes of a process that is new to us
	numEffects
)

var effectNames = [numEffects]string{"launch", "term", "kill", "reload", "ask", "arm", "watch"}

func (e effect) String() string { return effectNames[e] }

// proc is what is known of the process of the present generation.
type proc uint8

const (
	none    proc = iota // there is none
	pending             // a launch is under way
	live                // there is one
	maybe               // there may be one
)

// verdict says what comes after an end, from the restart policy and what was asked for.
type verdict uint8

const (
	rest   verdict = iota // stay down: it was asked for
	finish                // stay down: it is done, well
	giveUp                // stay down: it failed and must not be tried again
	again                 // start again at once
	later                 // start again after a wait
	numVerdicts
)

var verdictNames = [numVerdicts]string{"asked for", "done", "given up", "again at once", "again later"}

func (v verdict) String() string { return verdictNames[v] }

// after returns the state and effects that a verdict leads to once no process is left.
func (v verdict) after() (State, proc, []effect) {
	switch v {
	case finish:
		return Exited, none, nil
	case giveUp:
		return Failed, none, nil
	case again:
		return Starting, pending, []effect{doLaunch, doArm}
	case later:
		return Backoff, none, []effect{doArm}
	}
	return Stopped, none, nil
}

// machine is the whole state that rules look at.
type machine struct {
	state State
	proc  proc
	gen   uint64  // of the last launch
	then  verdict // what comes when the process that is being ended is gone
}

// input is a signal with what the owner knows about it.
type input struct {
	sig     signal
	gen     uint64  // of the process that the signal is news of; ignored for commands and deadlines
	verdict verdict // of exits, failed launches and bad health: what the policy says
}

// RefusedError says that a command is not possible in a state; it is an ErrConflict.
type RefusedError struct {
	Command string
	State   State
}

func (e *RefusedError) Error() string {
	switch {
	case e.State == Stuck:
		return "cannot " + e.Command + ": it was killed but is not gone; a second copy is never started"
	case e.State == Unknown:
		return "cannot " + e.Command + ": it cannot be known now whether it still runs; a second copy is never started"
	case e.State == Running && e.Command == "start":
		return "already running"
	}
	return "cannot " + e.Command + " while " + e.State.String()
}

// Is makes every RefusedError match ErrConflict.
func (e *RefusedError) Is(target error) bool { return target == ErrConflict }

// find returns the rule that applies, nil if none does.
func find(m machine, in input) *rule {
	if !in.sig.command() && in.sig != sigDeadline && in.gen != m.gen {
		return nil
	}
	for i := range rules {
		if r := &rules[i]; r.on == in.sig && r.in(m) {
			return r
		}
	}
	return nil
}

// asksPolicy says whether the rule needs input.verdict.
func (r *rule) asksPolicy() bool { return r.to.byInput || r.to.plan == planInput }

// step is the whole policy of the life of a service; it touches nothing. A command that no rule lists is refused with a
// [RefusedError]. Other signals that no rule lists, and news of an older generation, are dropped: the same machine comes back
// with no effects.
func step(m machine, in input) (machine, []effect, error) {
	if r := find(m, in); r != nil {
		m, effects := r.apply(m, in)
		return m, effects, nil
	}
	if in.sig.command() {
		return m, nil, &RefusedError{in.sig.String(), m.state}
	}
	return m, nil, nil
}
