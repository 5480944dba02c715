package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lastRun is the newest run of a service in its history.
type lastRun struct {
	Result, Signal, Reason string
	Code                   *int `json:"exit_code"`
}

func (d *daemon) lastRun(id string) lastRun {
	d.t.Helper()
	var history struct{ Runs []lastRun }
	d.json("/api/services/"+id+"/runs?limit=1", &history)
	if len(history.Runs) == 0 {
		return lastRun{}
	}
	return history.Runs[0]
}

// wrote returns what a service wrote, in order.
func (s *services) wrote(id string) (out []string) {
	s.t.Helper()
	s.lines(id, func(stream, text string) {
		if stream == "stdout" {
			out = append(out, text)
		}
	})
	return out
}

// A service that says which signal it gets and ends by none of them, but when a file is there.
const obstinate = `for s in TERM INT USR1; do trap "echo got $s" $s; done; echo ready; while [ ! -e "$END" ]; do sleep 0.02; done; echo asked to end`

// A service that ends by the first signal it gets.
const obedient = `for s in TERM INT USR1; do trap "echo got $s; exit 0" $s; done; echo ready; while :; do sleep 0.02; done`

func TestStopCommandAsksFirstAndWhatItDoesNotEndIsSignalledOrKilled(t *testing.T) {
	s := newServices(t)
	work := t.TempDir()
	end := filepath.Join(work, "end")
	s.add("asked", []string{"sh", "-c", "END=" + end + "; " + obstinate},
		// In the directory and environment of the service.
		`stop: {grace: 1m, command: [sh, -c, 'echo "$E2E_SERVICE in $PWD" > end']}`, "cwd: "+work)
	s.add("fails", []string{"sh", "-c", obedient}, `stop: {grace: 1m, command: [sh, -c, "exit 3"]}`)
	s.add("fails-int", []string{"sh", "-c", obedient}, `stop: {grace: 1m, signal: INT, command: [sh, -c, "exit 3"]}`)
	s.add("missing", []string{"sh", "-c", obedient}, `stop: {grace: 1m, signal: USR1, command: [/not/here]}`)
	s.add("nothing", []string{"sh", "-c", obstinate}, `stop: {grace: 300ms, command: ["true"]}`)
	s.add("hangs", []string{"sh", "-c", obstinate}, `stop: {grace: 300ms, command: [sleep, "100000"]}`)
	d := s.serve()
	zero := 0
	for _, c := range []struct {
		id   string
		run  lastRun
		said []string // after "ready"
	}{
		{"asked", lastRun{Code: &zero}, []string{"asked to end"}},
		{"fails", lastRun{Code: &zero}, []string{"got TERM"}},
		{"fails-int", lastRun{Code: &zero}, []string{"got INT"}},
		{"missing", lastRun{Code: &zero}, []string{"got USR1"}},
		{"nothing", lastRun{Signal: "SIGKILL"}, nil},
		{"hangs", lastRun{Signal: "SIGKILL"}, nil},
	} {
		t.Run(c.id, func(t *testing.T) {
			d.waitFor("it is ready", func() bool { return slices.Contains(s.wrote(c.id), "ready") && d.stateOf(c.id) == "running" })
			if code, body := d.send("POST", "/api/services/"+c.id+"/stop", ""); code != http.StatusOK || d.stateOf(c.id) != "stopped" {
				t.Errorf("stop: %d %s", code, body)
			}
			got := d.lastRun(c.id)
			if (got.Code == nil) != (c.run.Code == nil) || got.Code != nil && *got.Code != *c.run.Code || got.Signal != c.run.Signal || got.Result != "stopped" {
				t.Errorf("its run: %+v", got)
			}
			said := s.wrote(c.id)[1:]
			// The command that hangs is ended when the grace is over; whether the signal comes before the kill then is all one.
			if c.id == "hangs" {
				said = slices.DeleteFunc(said, func(l string) bool { return l == "got TERM" })
			}
			if !slices.Equal(said, c.said) {
				t.Errorf("it said %q, not %q", said, c.said)
			}
			d.waitFor("nothing of it is left", func() bool { return len(marked("E2E_SERVICE="+c.id+"\x00")) == 0 })
		})
	}
	if b, _ := os.ReadFile(end); strings.TrimSpace(string(b)) != "asked in "+work {
		t.Errorf("the command had another directory or environment: %q", b)
	}
}

// A service begins with no signal ignored, whatever the daemon and its keeper do with theirs: what is ignored at the beginning a
// shell cannot trap, and a stop or reload by that signal would do nothing.
func TestAServiceBeginsWithNoSignalIgnored(t *testing.T) {
	s := newServices(t)
	s.add("plain", []string{"sleep", "100000"})
	s.add("planned", []string{"sleep", "100000"}, `umask: "027"`) // by way of our own binary
	l := s.launch()
	l.wrap = []string{"sh", "-c", `trap "" HUP INT QUIT PIPE USR2; exec "$0" "$@"`} // as nohup and a shell's & do, and more
	d := serve(t, l)
	for _, id := range []string{"plain", "planned"} {
		d.waitFor("it runs", func() bool { return d.stateOf(id) == "running" && d.pidOf(id) != 0 })
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pidOf(id)))
		if err != nil {
			t.Fatal(err)
		}
		// Signals 32 and up are the C library's own; what starts the tests may leave one ignored.
		if !regexp.MustCompile(`SigIgn:\t[0-9a-f]{8}[08]0000000\n`).Match(b) || !bytes.Contains(b, []byte("SigBlk:\t0000000000000000\n")) {
			t.Errorf("%s: %q", id, regexp.MustCompile(`Sig\w+:.*`).FindAll(b, -1))
		}
	}
	s.stopAll(d)
}
