package e2e

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestVerbsOfTheProgramActOnServices runs the verbs as a user does: what the program asks for must be what the daemon takes.
func TestVerbsOfTheProgramActOnServices(t *testing.T) {
	s := newServices(t)
	// It ends when its child does, and not by SIGTERM: a restart takes as long as its grace.
	s.add("trapper", []string{"sh", "-c", `trap 'echo got usr1' USR1; trap '' TERM; sleep 100000 & c=$!; echo ready; while kill -0 $c; do wait $c; done`},
		"stop: {grace: 10m}", "restart: {policy: no}")
	d := s.serve()
	cli := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"--storage.path=" + d.dir}, args...)...)
		cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Fatalf("%v: %v, said %q, want %q\n%s", args, err, out, want, d.log)
		}
	}
	type state struct {
		Status string
		PID    int
	}
	status := func() (st state) {
		t.Helper()
		d.json("/api/services/trapper/status", &st)
		return st
	}
	wrote := func(line string) (n int) {
		s.lines("trapper", func(stream, text string) {
			if stream == "stdout" && text == line {
				n++
			}
		})
		return n
	}
	d.waitFor("the service is ready", func() bool { return wrote("ready") == 1 && status().Status == "running" })
	first := status()

	cli("trapper: SIGUSR1 sent\n", "kill", "trapper", "--signal", "SIGUSR1")
	d.waitFor("the signal has come", func() bool { return wrote("got usr1") == 1 })
	if now := status(); now != first {
		t.Errorf("before the signal %+v, after it %+v", first, now)
	}

	began := time.Now()
	cli("trapper: restarted\n", "restart", "trapper", "--grace", "1s")
	second := status()
	if took := time.Since(began); took < time.Second || second.Status != "running" || second.PID == first.PID {
		t.Errorf("restart: took %s, %+v, before %+v", took, second, first)
	}

	cli("trapper: stopped\n", "stop", "trapper", "--grace", "1s")
	if now := status(); now.Status != "stopped" {
		t.Errorf("stop: %+v", now)
	}
	cli("trapper: started\n", "start", "trapper")
	if now := status(); now.Status != "running" || now.PID == second.PID {
		t.Errorf("start: %+v", now)
	}
	cli("trapper: killed\n", "kill", "trapper")
	if now := status(); now.Status != "stopped" {
		t.Errorf("kill: %+v", now)
	}
}
