package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rounds is how often a fault is repeated: the second number where CC_SOAK is set.
func rounds(few, soak int) int {
	if os.Getenv("CC_SOAK") != "" {
		return soak
	}
	return few
}

// load is services of every kind that a fault of the control plane must not touch: such that only live (steadyN), that write
// numbered lines into a pipe (linesN), and that end with code 7 again and again (crashN).
type load struct {
	*services
	each int
	work string // where the crashing ones note each end, before it comes
}

func newLoad(t *testing.T, each int) *load {
	t.Helper()
	l := &load{services: newServices(t), each: each, work: t.TempDir()}
	for i := range each {
		l.add(fmt.Sprintf("steady%d", i), []string{"sleep", "100000"})
		l.add(fmt.Sprintf("lines%d", i), []string{binary, "demo", "lines", "--every", "1ms"})
		// It exits with 7 again and again, and notes each time in a file of its own, until it is told to settle.
		l.add(fmt.Sprintf("crash%d", i), []string{"sh", "-c", fmt.Sprintf("[ -e %s/settle ] && exec sleep 100000; echo begun; sleep 0.%d; echo x >> %s/exits%d; exit 7", l.work, i+1, l.work, i)},
			"restart: {policy: always, initial: 20ms, max: 100ms, limit: {attempts: 0}}")
	}
	return l
}

// settle makes the crashing services live on from their next start.
func (l *load) settle() { write(l.t, filepath.Join(l.work, "settle"), "") }

// noted counts the ends of crashN that the service itself noted.
func (l *load) noted(i int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("%s/exits%d", l.work, i))
	return float64(bytes.Count(b, []byte("x")))
}

// identities names the main process of each service that never ends, for good: by its number and the time it was started.
func (l *load) identities() map[string]string {
	type process struct {
		pid   int
		ticks uint64
	}
	oldest := map[string]process{}
	for pid, env := range marked("E2E_STATE=" + l.dir + "\x00") {
		id, p := variable(env, "E2E_SERVICE"), process{pid, startTicks(pid)}
		if strings.HasPrefix(id, "crash") || p.ticks == 0 {
			continue
		}
		if o, ok := oldest[id]; !ok || cmp.Or(cmp.Compare(p.ticks, o.ticks), cmp.Compare(p.pid, o.pid)) < 0 {
			oldest[id] = p
		}
	}
	out := map[string]string{}
	for id, p := range oldest {
		out[id] = fmt.Sprintf("%d started at %d", p.pid, p.ticks)
	}
	return out
}

// startTicks returns when a process was started, in ticks since boot; 0 = it is not there.
func startTicks(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // its name may have blanks in it
	n, _ := strconv.ParseUint(f[19], 10, 64)
	return n
}

// untouched checks that the services that never end are the same processes as before.
func (l *load) untouched(before map[string]string) {
	l.t.Helper()
	if after := l.identities(); !maps.Equal(after, before) {
		l.t.Errorf("the services were %v and are %v", before, after)
	}
}

// everyExitIsKnown waits until each end of the crashing services is counted, once, and checks that each stands in the log with
// its code. The services must have been told to settle.
func (l *load) everyExitIsKnown(d *daemon) {
	l.t.Helper()
	for i := range l.each {
		series := fmt.Sprintf(`controlcenter_service_crashes_total{service="crash%d"}`, i)
		noted, counted := 0.0, 0.0
		waitFor(l.t, fmt.Sprintf("every exit of crash%d is counted, once", i), func() bool {
			noted = l.noted(i)
			counted, _ = d.metric(series)
			return counted == noted
		}, func() string { return fmt.Sprintf("noted %v, counted %v\n%s", noted, counted, d.log) })
		ends := 0.0
		l.lines(fmt.Sprintf("crash%d", i), func(stream, text string) {
			if stream == "keeper" && strings.HasPrefix(text, "end ") {
				if ends++; !strings.HasSuffix(text, " code=7") {
					l.t.Errorf("crash%d: %s", i, text)
				}
			}
		})
		if ends != l.noted(i) || ends == 0 {
			l.t.Errorf("crash%d: %v ends in the log, %v exits", i, ends, l.noted(i))
		}
	}
}

// lineNumber returns the number of a line of "demo lines", 0 = it is not whole.
func lineNumber(text string) int {
	number, _, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	if err != nil || len(text) != 99 {
		return 0
	}
	return n
}

// everyLineIsThere checks that the lines of linesN are in their logs, each once, whole and in order.
func (l *load) everyLineIsThere() {
	l.t.Helper()
	for i := range l.each {
		l.numbered(fmt.Sprintf("lines%d", i), 100, lineNumber)
	}
}

// numbered checks that a log has numbered lines, at least so many, each once, whole and in order. number reads the number of a
// line, 0 = it is not whole.
func (s *services) numbered(id string, least int, number func(text string) int) {
	s.t.Helper()
	next := 1
	s.lines(id, func(stream, text string) {
		if stream != "stdout" {
			return
		}
		n := number(text)
		if n != next {
			s.t.Errorf("%s: %q where number %d was due", id, text, next)
		}
		next = n + 1
	})
	if next <= least {
		s.t.Errorf("%s: only %d lines", id, next-1)
	}
}

// halves is a program whose lines are unfinished most of the time.
var halves = []string{"sh", "-c", `n=0; while :; do n=$((n+1)); printf "begin $n"; sleep 0.02; echo " end $n"; done`}

// halvesNumber returns the number of a line of halves, 0 = it is not whole.
func halvesNumber(text string) int {
	begin, end := 0, 0
	if _, err := fmt.Sscanf(text, "begin %d end %d", &begin, &end); err != nil || text != fmt.Sprintf("begin %d end %d", begin, begin) {
		return 0
	}
	return begin
}
