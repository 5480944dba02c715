//go:build unix

package api

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// row returns the row of a process, once there is one.
func (p *plant) row(pid int) map[string]any {
	p.t.Helper()
	var found map[string]any
	waitFor(p.t, "the process to be listed", func() bool {
		m := p.want(200, "GET", "/api/system/processes?limit=500&sort=pid&search=sleep", "")
		for _, r := range m["processes"].([]any) {
			if at(p.t, r, "pid") == float64(pid) {
				found, _ = r.(map[string]any)
			}
		}
		return found != nil
	})
	return found
}

func startSleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func endedBy(t *testing.T, c *exec.Cmd) syscall.Signal {
	t.Helper()
	_ = c.Wait() // its error says the same
	return c.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

func TestProcessIsKilledOnlyWhenItIsTheOneMeant(t *testing.T) {
	p := startPlant(t, nil)
	one, two := startSleeper(t), startSleeper(t)
	row := p.row(one.Process.Pid)
	path := fmt.Sprintf("/api/system/processes/%d/kill", one.Process.Pid)
	ticks := row["start_ticks"].(float64)
	wantProblem(t, p.json("POST", path, fmt.Sprintf(`{"start_ticks":%.0f}`, ticks+1)), 409, "another process")
	wantProblem(t, p.json("POST", path, `{"start_time":"2001-02-03T04:05:06Z"}`), 409, "another process")
	wantProblem(t, p.json("POST", path, `{}`), 422, "start_ticks")
	wantProblem(t, p.ask("POST", path, nil), 400, "body")
	wantProblem(t, p.json("POST", path, `{"start_ticks":1,"signal":"SIGNOPE"}`), 422, "SIGTERM")
	wantProblem(t, p.json("POST", path, `{"start_time":"now"}`), 422, "RFC 3339")
	wantProblem(t, p.json("POST", "/api/system/processes/0/kill", `{"start_ticks":1}`), 422, "between 1 and")
	if err := syscall.Kill(one.Process.Pid, 0); err != nil {
		t.Fatalf("it was killed all the same: %v", err)
	}
	p.want(200, "POST", path, fmt.Sprintf(`{"start_ticks":%.0f}`, ticks))
	if got := endedBy(t, one); got != syscall.SIGTERM {
		t.Errorf("ended by %v, want SIGTERM", got)
	}
	wantProblem(t, p.json("POST", path, fmt.Sprintf(`{"start_ticks":%.0f}`, ticks)), 404, "gone")

	row = p.row(two.Process.Pid)
	path = fmt.Sprintf("/api/system/processes/%d/kill", two.Process.Pid)
	p.want(200, "POST", path, fmt.Sprintf(`{"start_time":%q,"signal":"kill"}`, row["start_time"]))
	if got := endedBy(t, two); got != syscall.SIGKILL {
		t.Errorf("ended by %v, want SIGKILL", got)
	}
	m := p.want(200, "GET", "/api/events?part=process", "")
	wantAt(t, m, fmt.Sprintf("SIGKILL was sent to process %d", two.Process.Pid), "events", 0, "title")
	wantAt(t, m, "owner", "events", 0, "actor")
}

func TestSomeProcessesAreNotKilledByPid(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", "exec sleep 1000", ""))
	p.define(shell("scan", "exec sleep 1000", `,"type":"job"`))
	pid := int(p.want(200, "POST", "/api/services/web/start", "")["pid"].(float64))
	p.want(202, "POST", "/api/jobs/scan/run", "")
	p.is("scan", "running")
	st, err := p.manager.Get("scan")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pid, status int
		text        string
	}{
		{1, 403, "runs the machine"},
		{os.Getpid(), 403, "the server itself"},
		{p.keeper.Peer().PID, 403, "the keeper"},
		{pid, 409, "POST /api/services/web/stop"},
		{st.PID, 409, "POST /api/jobs/scan/cancel"},
	} {
		wantProblem(t, p.json("POST", fmt.Sprintf("/api/system/processes/%d/kill", c.pid), `{"start_ticks":1}`), c.status, c.text)
	}
}
