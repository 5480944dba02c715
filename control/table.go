package control

import "slices"

// rule is one line of the table: in one of these states, with this knowledge of the process, on this signal.
type rule struct {
	from  []State
	procs []proc // nil = whatever is known
	on    signal
	to    outcome
}

// outcome is what a rule does. Exactly one of then and state decides where it leads.
type outcome struct {
	settle  bool // the process is gone: go where a verdict leads; the one kept in then, or in the input if byInput
	byInput bool
	state   State
	proc    proc
	keep    bool // the state, the deadline and proc stay as they are
	effects []effect
	plan    plan
}

// plan says what a rule writes into machine.then.
type plan uint8

const (
	planKeep  plan = iota
	planRest       // stop asked for
	planAgain      // restart asked for
	planInput      // what the policy says
)

func (r *rule) in(m machine) bool {
	return slices.Contains(r.from, m.state) && (r.procs == nil || slices.Contains(r.procs, m.proc))
}

func (r *rule) apply(m machine, in input) (machine, []effect) {
	switch r.to.plan {
	case planRest:
		m.then = rest
	case planAgain:
		m.then = again
	case planInput:
		m.then = in.verdict
	}
	effects := r.to.effects
	switch {
	case r.to.keep:
	case r.to.settle:
		v := m.then
		if r.to.byInput {
			v = in.verdict
		}
		m.state, m.proc, effects = v.after()
		m.then = rest
	default:
		m.state, m.proc = r.to.state, r.to.proc
	}
	if slices.Contains(effects, doLaunch) {
		m.gen++
		m.then = rest
	}
	return m, effects
}

func to(s State, p proc, effects ...effect) outcome {
	return outcome{state: s, proc: p, effects: effects}
}

func (o outcome) plans(p plan) outcome { o.plan = p; return o }

var (
	stay      = outcome{keep: true}
	byPolicy  = outcome{settle: true, byInput: true} // the process ended by itself
	byPlan    = outcome{settle: true}                // the process ended because it was to
	down      = []State{Stopped, Exited, Failed}
	up        = []State{Starting, Running}
	ending    = []State{Stopping, Killing, Stuck}
	isPending = []proc{pending}
	isLive    = []proc{live}
)

// rules is the machine. The first line that fits counts.
//
// Two things are kept true by every line: a launch happens only where proc is none, and a process is signalled only where
// proc is live or maybe (while a launch is pending, its answer is awaited first). FuzzStep checks both.
var rules = []rule{
	// Down.
	{down, nil, sigStart, to(Starting, pending, doLaunch, doArm)},
	{down, nil, sigRestart, to(Starting, pending, doLaunch, doArm)},
	{down, nil, sigStop, to(Stopped, none)},
	{down, nil, sigKill, to(Stopped, none)},

	// Waiting.
	{[]State{Backoff}, nil, sigDeadline, to(Starting, pending, doLaunch, doArm)},
	{[]State{Backoff}, nil, sigStart, to(Starting, pending, doLaunch, doArm)},
	{[]State{Backoff}, nil, sigRestart, to(Starting, pending, doLaunch, doArm)},
	{[]State{Backoff}, nil, sigStop, to(Stopped, none)},
	{[]State{Backoff}, nil, sigKill, to(Stopped, none)},

	// A launch is under way.
	{[]State{Starting}, isPending, sigLaunched, to(Starting, live, doArm, doWatch)},
	{[]State{Starting}, isPending, sigNotStarted, byPolicy},
	{[]State{Starting}, isPending, sigLost, to(Unknown, maybe, doAsk, doArm)},
	{[]State{Starting}, isPending, sigDeadline, to(Unknown, maybe, doAsk, doArm)},
	{[]State{Starting}, isPending, sigStop, to(Stopping, pending, doArm).plans(planRest)},
	{[]State{Starting}, isPending, sigKill, to(Stopping, pending, doArm).plans(planRest)},
	{[]State{Starting}, isPending, sigRestart, to(Stopping, pending, doArm).plans(planAgain)},
	{[]State{Stopping}, isPending, sigLaunched, to(Stopping, live, doTerm, doArm)},
	{[]State{Stopping}, isPending, sigNotStarted, byPlan},
	{[]State{Stopping}, isPending, sigLost, to(Killing, maybe, doKill, doArm)},
	{[]State{Stopping}, isPending, sigDeadline, to(Killing, maybe, doKill, doArm)},

	// Alive.
	{[]State{Starting}, isLive, sigUp, to(Running, live)},
	{[]State{Starting}, isLive, sigDeadline, to(Stopping, live, doTerm, doArm).plans(planInput)},
	{up, isLive, sigStop, to(Stopping, live, doTerm, doArm).plans(planRest)},
	{up, isLive, sigRestart, to(Stopping, live, doTerm, doArm).plans(planAgain)},
	{up, isLive, sigUnhealthy, to(Stopping, live, doTerm, doArm).plans(planInput)},
	{up, isLive, sigKill, to(Killing, live, doKill, doArm).plans(planRest)},
	{up, nil, sigExited, byPolicy},
	{up, nil, sigGone, byPolicy},
	{up, nil, sigLeftover, to(Stuck, maybe, doKill, doAsk, doArm).plans(planInput)},
	{[]State{Running}, isLive, sigReload, outcome{keep: true, effects: []effect{doReload}}},

	// Being ended.
	{[]State{Stopping}, isLive, sigDeadline, to(Killing, live, doKill, doArm)},
	{[]State{Stopping}, isLive, sigKill, to(Killing, live, doKill, doArm).plans(planRest)},
	{[]State{Stopping}, isPending, sigKill, stay.plans(planRest)},
	{[]State{Killing}, nil, sigDeadline, to(Stuck, maybe, doKill, doAsk, doArm)},
	{[]State{Killing, Stuck}, []proc{maybe}, sigLaunched, to(Killing, live, doKill, doArm)}, // its answer came late
	{[]State{Killing, Stuck}, []proc{maybe}, sigNotStarted, byPlan},
	{[]State{Killing, Stuck}, nil, sigKill, to(Killing, maybe, doKill, doArm).plans(planRest)},
	{ending, nil, sigStop, stay.plans(planRest)},
	{[]State{Stopping, Killing}, nil, sigRestart, stay.plans(planAgain)},
	{ending, nil, sigExited, byPlan},
	{[]State{Killing, Stuck}, nil, sigGone, byPlan},
	{[]State{Stopping, Killing}, nil, sigLeftover, to(Stuck, maybe, doKill, doAsk, doArm)},
	{[]State{Stuck}, nil, sigDeadline, to(Stuck, maybe, doKill, doAsk, doArm)},

	// Not known.
	{[]State{Unknown}, nil, sigFound, to(Running, live, doWatch)},
	{[]State{Unknown}, nil, sigLaunched, to(Starting, live, doArm, doWatch)},
	{[]State{Unknown}, nil, sigNotStarted, byPolicy},
	{[]State{Unknown}, nil, sigExited, byPolicy},
	{[]State{Unknown}, nil, sigLeftover, to(Stuck, maybe, doKill, doAsk, doArm).plans(planInput)},
	{[]State{Unknown}, nil, sigGone, byPolicy},
	{[]State{Unknown}, nil, sigStop, to(Killing, maybe, doKill, doArm).plans(planRest)},
	{[]State{Unknown}, nil, sigKill, to(Killing, maybe, doKill, doArm).plans(planRest)},
	{[]State{Unknown}, nil, sigDeadline, to(Unknown, maybe, doAsk, doArm)},
}
