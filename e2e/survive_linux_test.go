package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// pidOf returns the number of the main process that the daemon knows of a service, 0 = there is none.
func (d *daemon) pidOf(id string) int {
	d.t.Helper()
	var s struct{ PID int }
	d.json("/api/services/"+id+"/status", &s)
	return s.PID
}

// killBoth kills the daemon and its keeper, either one first, and waits until both are gone.
func (s *services) killBoth(d *daemon, keeperFirst bool) {
	s.t.Helper()
	keeper := keeperPID(s.dir)
	if keeper == 0 {
		s.t.Fatalf("there is no keeper\n%s", d.log)
	}
	if !keeperFirst {
		d.kill()
	}
	if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	d.kill()
	waitFor(s.t, "no keeper is left", func() bool { // the daemon may have begun another one
		if pid := keeperPID(s.dir); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			return false
		}
		return true
	}, d.log.String)
}

// With logs.mode direct a service needs nobody: it lives and writes on with daemon and keeper dead.
func TestKilledDaemonAndKeeperLeaveADirectServiceAsItIs(t *testing.T) {
	s := newServices(t)
	s.add("direct", []string{binary, "demo", "lines", "--every", "1ms"}, "logs: {mode: direct}")
	s.add("quiet", []string{"sleep", "100000"})
	// It writes into a pipe nobody reads any more, and ends of that.
	s.add("piped", []string{binary, "demo", "lines", "--every", "1ms"}, "restart: {policy: always, initial: 20ms, max: 100ms, limit: {attempts: 0}}")
	d := s.serve()
	running := func(ids ...string) func() bool {
		return func() bool {
			for _, id := range ids {
				if d.stateOf(id) != "running" || d.pidOf(id) == 0 {
					return false
				}
			}
			return true
		}
	}
	d.waitFor("all run", running("direct", "quiet", "piped"))
	direct, quiet := d.pidOf("direct"), d.pidOf("quiet")
	born := [...]uint64{startTicks(direct), startTicks(quiet)}
	stop := s.copies()
	for i := range rounds(4, 30) {
		s.killBoth(d, i%2 == 0)
		wrote := s.direct("direct")
		waitFor(t, "it goes on writing", func() bool { return s.direct("direct") > wrote+10 }, func() string { return "" })
		d = s.serve()
		d.waitFor("all run", running("direct", "quiet", "piped"))
		if a, b := d.pidOf("direct"), d.pidOf("quiet"); a != direct || b != quiet {
			t.Fatalf("round %d: they were %d and %d and are %d and %d\n%s", i, direct, quiet, a, b, d.log)
		}
	}
	stop()
	if now := [...]uint64{startTicks(direct), startTicks(quiet)}; now != born {
		t.Errorf("they were started at %v, now at %v", born, now)
	}
	for how, n := range d.ends("piped") { // of its own accord, by code 1, or by SIGPIPE
		if how == "0" {
			t.Errorf("piped ended %d times with 0, on record", n)
		}
	}
	for _, id := range []string{"direct", "quiet"} {
		if ends := d.ends(id); len(ends) > 0 {
			t.Errorf("%s has ended, on record: %v", id, ends)
		}
	}
	s.stopAll(d)
	s.direct("direct")
}

// Ctrl-C goes to every process of the terminal's foreground group.
func TestCtrlCEndsTheDaemonAndNoService(t *testing.T) {
	s := newLoad(t, 2)
	s.add("direct0", []string{binary, "demo", "lines", "--every", "1ms"}, "logs: {mode: direct}")
	l := s.launch()
	l.wrap = []string{need(t, "setsid")} // the daemon leads a group, as when a shell has started it
	d := serve(t, l)
	d.waitFor("the steady services run", func() bool { return len(s.identities()) == 2*s.each+1 })
	before := s.identities()
	stop := s.copies()
	for range rounds(2, 20) {
		if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		d.waitFor("the daemon ends", func() bool {
			select {
			case <-d.done:
				return true
			default:
				return false
			}
		})
		if code := d.cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(d.log.String(), `services go on, \"controlcenter down\" stops them`) {
			t.Errorf("the daemon ended with %d\n%s", code, d.log)
		}
		s.untouched(before)
		d = serve(t, l)
	}
	stop()
	s.settle()
	s.everyExitIsKnown(d)
	s.untouched(before)
	s.everyLineIsThere()
	if n := s.direct("direct0"); n < 100 {
		t.Errorf("direct0: only %d lines", n)
	}
	for id, was := range before {
		if pid := d.pidOf(id); !strings.HasPrefix(was, fmt.Sprintf("%d ", pid)) {
			t.Errorf("%s was %s, the daemon knows %d", id, was, pid)
		}
	}
	s.stopAll(d)
}
