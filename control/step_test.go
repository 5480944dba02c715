package control

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/services-states.md anew")

// world is what can be true outside the machine: which processes of which generation there are.
type world struct {
	m        machine
	alive    map[uint64]bool // processes
	inFlight map[uint64]bool // launches not answered yet
	armed    bool
}

// take gives one signal to the machine if the world could produce it now, and checks everything that must always hold.
func (w *world) take(sig signal, v verdict, starts bool) error {
	in := input{sig: sig, gen: w.m.gen, verdict: v}
	switch sig {
	case sigLaunched, sigNotStarted, sigLost:
		if !w.inFlight[w.m.gen] {
			return nil
		}
		delete(w.inFlight, w.m.gen)
		if sig == sigLaunched || sig == sigLost && starts {
			w.alive[w.m.gen] = true
		}
	case sigExited, sigLeftover:
		if !w.alive[w.m.gen] {
			return nil
		}
		if sig == sigExited {
			delete(w.alive, w.m.gen)
		}
	case sigFound, sigUp, sigUnhealthy:
		if !w.alive[w.m.gen] {
			return nil
		}
	case sigGone:
		if w.alive[w.m.gen] || w.inFlight[w.m.gen] {
			return nil
		}
	case sigDeadline:
		if !w.armed {
			return nil
		}
	}
	if v == rest || v >= numVerdicts {
		in.verdict = giveUp // a policy never answers "asked for"
	}
	before := w.m
	next, effects, err := step(w.m, in)
	if err != nil {
		if next != before || effects != nil {
			return fmt.Errorf("%s refused %s and changed", before.state, sig)
		}
		return nil
	}
	if next != before && !(next.state == before.state && next.proc == before.proc) {
		w.armed = false
	}
	w.m = next
	for _, e := range effects {
		switch e {
		case doLaunch:
			if len(w.alive) > 0 || len(w.inFlight) > 0 {
				return fmt.Errorf("%s on %s launches a second copy (alive %v, under way %v)", before.state, sig, w.alive, w.inFlight)
			}
			if next.gen != before.gen+1 {
				return fmt.Errorf("launch with generation %d after %d", next.gen, before.gen)
			}
			w.inFlight[next.gen] = true
		case doTerm, doKill, doReload:
			if next.proc != live && next.proc != maybe {
				return fmt.Errorf("%s on %s signals nobody", before.state, sig)
			}
		case doArm:
			w.armed = true
		}
	}
	return w.check(before.state, sig)
}

func (w *world) check(was State, sig signal) error {
	m := w.m
	switch {
	case (m.state.Final() || m.state == Backoff) && (len(w.alive) > 0 || len(w.inFlight) > 0):
		return fmt.Errorf("%s on %s: %s with a process", was, sig, m.state)
	case m.state.Final() != (m.proc == none) && m.state != Backoff:
		return fmt.Errorf("%s on %s: %s with proc %d", was, sig, m.state, m.proc)
	case m.state != Running && !m.state.Final() && !w.armed:
		return fmt.Errorf("%s on %s: %s has no deadline", was, sig, m.state)
	case m.state == Running && m.proc != live:
		return fmt.Errorf("%s on %s: running without a process", was, sig)
	}
	return nil
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{byte(sigStart), byte(sigLaunched), byte(sigUp), byte(sigExited) | 0x40, byte(sigDeadline)})
	f.Add([]byte{byte(sigStart), byte(sigLost) | 0x80, byte(sigStop), byte(sigDeadline), byte(sigDeadline), byte(sigExited)})
	f.Add([]byte{byte(sigStart), byte(sigStop), byte(sigRestart), byte(sigLaunched), byte(sigKill), byte(sigDeadline), byte(sigExited)})
	f.Fuzz(func(t *testing.T, in []byte) {
		w := world{alive: map[uint64]bool{}, inFlight: map[uint64]bool{}}
		for i, b := range in {
			// Low 4 bits signal, next 3 verdict, highest whether a lost launch started something.
			if err := w.take(signal(b&0xf)%numSignals, verdict(b>>4&7), b&0x80 != 0); err != nil {
				t.Fatalf("%x: step %d: %v", in, i, err)
			}
		}
	})
}

// All that can be reached is reached here: a search over every world, not a sample.
func TestEveryReachableWorldIsSafe(t *testing.T) {
	type node struct {
		state    State
		proc     proc
		then     verdict
		armed    bool
		alive    bool
		inFlight bool
	}
	seen := map[node]bool{}
	queue := []node{{}}
	reached := map[State]bool{}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if seen[n] {
			continue
		}
		seen[n] = true
		reached[n.state] = true
		wayOn := false
		for sig := range numSignals {
			for v := range numVerdicts {
				for _, starts := range []bool{false, true} {
					w := world{m: machine{n.state, n.proc, 1, n.then}, armed: n.armed, alive: map[uint64]bool{}, inFlight: map[uint64]bool{}}
					if n.alive {
						w.alive[1] = true
					}
					if n.inFlight {
						w.inFlight[1] = true
					}
					if err := w.take(sig, v, starts); err != nil {
						t.Fatal(err)
					}
					next := node{w.m.state, w.m.proc, w.m.then, w.armed, w.alive[w.m.gen], w.inFlight[w.m.gen]}
					if next != n {
						queue = append(queue, next)
						wayOn = wayOn || !sig.command()
					}
				}
			}
		}
		if !wayOn && !n.state.Final() {
			// The one exception repeats a deadline until the launcher tells something new.
			t.Errorf("%+v: nothing but a command leads on", n)
		}
	}
	for _, s := range States() {
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
	}
	t.Logf("%d worlds", len(seen))
}

func TestNewsOfAnOlderGenerationIsDropped(t *testing.T) {
	for sig := sigLaunched; sig < sigDeadline; sig++ {
		for _, s := range States() {
			for _, p := range []proc{none, pending, live, maybe} {
				m := machine{s, p, 7, again}
				if got, effects, err := step(m, input{sig: sig, gen: 6, verdict: again}); got != m || effects != nil || err != nil {
					t.Errorf("%s on old %s: got %+v %v %v", s, sig, got, effects, err)
				}
			}
		}
	}
}

func TestCommandsThatCannotBeAreRefusedWithTheirReason(t *testing.T) {
	for _, c := range []struct {
		m    machine
		sig  signal
		want string
	}{
		{machine{state: Running, proc: live}, sigStart, "already running"},
		{machine{state: Starting, proc: live}, sigStart, "cannot start while starting"},
		{machine{state: Stopping, proc: live}, sigStart, "cannot start while stopping"},
		{machine{state: Stuck, proc: maybe}, sigStart, "cannot start: it was killed but is not gone; a second copy is never started"},
		{machine{state: Stuck, proc: maybe}, sigRestart, "cannot restart: it was killed but is not gone; a second copy is never started"},
		{machine{state: Unknown, proc: maybe}, sigRestart, "cannot restart: it cannot be known now whether it still runs; a second copy is never started"},
		{machine{state: Stopped}, sigReload, "cannot reload while stopped"},
	} {
		_, _, err := step(c.m, input{sig: c.sig})
		if !errors.Is(err, ErrConflict) || err.Error() != c.want {
			t.Errorf("%s on %s: got %v, want %q", c.m.state, c.sig, err, c.want)
		}
	}
}

func TestStopAndKillAreNeverRefused(t *testing.T) {
	for _, s := range States() {
		p := []proc{live}
		switch {
		case s.Final() || s == Backoff:
			p = []proc{none}
		case s == Starting || s == Stopping:
			p = []proc{pending, live}
		case s == Killing:
			p = []proc{live, maybe}
		case s == Stuck || s == Unknown:
			p = []proc{maybe}
		}
		for _, p := range p {
			for _, sig := range []signal{sigStop, sigKill} {
				if _, _, err := step(machine{state: s, proc: p}, input{sig: sig}); err != nil {
					t.Errorf("%s: %v", s, err)
				}
			}
		}
	}
}

// edges returns from state to state the labels of the rules that lead there.
func edges() map[State]map[State][]string {
	out := map[State]map[State][]string{}
	add := func(from, to State, label string) {
		if out[from] == nil {
			out[from] = map[State][]string{}
		}
		if from != to && !slices.Contains(out[from][to], label) {
			out[from][to] = append(out[from][to], label)
		}
	}
	for _, r := range rules {
		for _, from := range r.from {
			switch {
			case r.to.keep:
			case r.to.settle && r.to.byInput:
				for _, v := range []verdict{finish, giveUp, again, later} {
					s, _, _ := v.after()
					add(from, s, r.on.String()+": "+v.String())
				}
			case r.to.settle:
				for v := range numVerdicts {
					s, _, _ := v.after()
					add(from, s, r.on.String()+": "+v.String())
				}
			default:
				add(from, r.to.state, r.on.String())
			}
		}
	}
	return out
}

func TestStatesDocIsCurrent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# States of a service\n\nPrinted from the table in `control/table.go` by a test, which also keeps it current (`go test ./control -run Current -update`).\n\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	all := edges()
	for _, from := range States() {
		for _, dst := range States() {
			if labels := all[from][dst]; len(labels) > 0 {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", from, dst, strings.ReplaceAll(strings.Join(labels, ", "), ": ", " - "))
			}
		}
	}
	b.WriteString("```\n\nA label is what happens; behind a dash stands what the restart policy, or the command that ended the process, says about it.\n" +
		"What is not in the table is refused (commands) or dropped (news). News of an older process is always dropped.\n\n" +
		"| in | process | on | leads to | effects |\n|---|---|---|---|---|\n")
	procNames := map[proc]string{none: "none", pending: "launch under way", live: "alive", maybe: "may be alive"}
	for _, r := range rules {
		var from, procs, effects []string
		for _, s := range r.from {
			from = append(from, s.String())
		}
		for _, p := range r.procs {
			procs = append(procs, procNames[p])
		}
		for _, e := range r.to.effects {
			effects = append(effects, e.String())
		}
		dst := r.to.state.String()
		switch {
		case r.to.keep:
			dst = "the same"
		case r.to.settle && r.to.byInput:
			dst = "what the restart policy says"
		case r.to.settle:
			dst = "what it was ended for"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.Join(from, ", "), strings.Join(procs, ", "), r.on, dst, strings.Join(effects, ", "))
	}
	const name = "../docs/services-states.md"
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not current: go test ./control -run Current -update", name)
	}
}
