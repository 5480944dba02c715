//go:build unix

package api

import (
	"fmt"
	"testing"
)

func TestJobsRunOnDemandAndTellTheirHistory(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("scan", "echo scanning; sleep 0.2; echo found 3", `,"type":"job","schedule":{"cron":"0 9 * * MON"}`))
	p.define(shell("long", "echo on it; exec sleep 1000", `,"type":"job"`))
	m := p.want(202, "POST", "/api/jobs/SCAN/run", "")
	run, _ := m["run"].(string)
	p.is("scan", "exited")
	waitFor(t, "the run to be recorded", func() bool {
		return p.want(200, "GET", "/api/jobs/scan/runs/"+run, "")["result"] == "success"
	})
	m = p.want(200, "GET", "/api/jobs", "")
	wantAt(t, m, 2.0, "total")
	wantAt(t, m, "long", "jobs", 0, "name")
	wantAt(t, m, nil, "jobs", 0, "schedule")
	wantAt(t, m, "0 9 * * MON", "jobs", 1, "schedule", "cron")
	wantAt(t, m, 1.0, "jobs", 1, "results", "success")
	if at(t, m, "jobs", 1, "next_run") == nil || at(t, m, "jobs", 1, "last_success") == nil {
		t.Errorf("no next run or last success: %v", at(t, m, "jobs", 1))
	}
	m = p.want(200, "GET", "/api/jobs/scan/runs/"+run+"/logs", "")
	wantAt(t, m, "scanning", "logs", 0)
	wantAt(t, m, "found 3", "logs", 1)
	wantAt(t, m, 2.0, "total_lines")

	first := p.want(202, "POST", "/api/jobs/long/run", "")["run"].(string)
	p.says("long", "on it")
	wantProblem(t, p.ask("POST", "/api/jobs/long/run", nil), 409, first)
	p.want(200, "POST", "/api/jobs/long/cancel", "")
	p.want(200, "POST", "/api/jobs/long/cancel", "") // again
	waitFor(t, "the run to be recorded", func() bool {
		return p.want(200, "GET", "/api/jobs/long/runs/"+first, "")["result"] == "stopped"
	})
	p.want(202, "POST", "/api/jobs/long/run", "")
	m = p.want(200, "GET", "/api/jobs/long/runs?limit=1", "")
	next, _ := m["next"].(string)
	m = p.want(200, "GET", "/api/services/long/runs?limit=1&before="+next, "")
	wantAt(t, m, first, "runs", 0, "id")
	wantAt(t, m, "owner", "runs", 0, "actor")
	wantAt(t, m, nil, "next")
}

func TestEventsTellWhatHappenedAndByWhom(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", "exec sleep 1000", ""))
	p.define(shell("crash", "exit 3", `,"restart":{"policy":"no"}`))
	p.want(200, "POST", "/api/services/web/start", "")
	p.ask("POST", "/api/services/crash/start", nil)
	p.is("crash", "failed")
	m := p.want(200, "GET", "/api/services/WEB/events", "")
	last := len(m["events"].([]any)) - 1
	wantAt(t, m, "service.defined", "events", last, "kind")
	wantAt(t, m, "service", "events", last, "part")
	wantAt(t, m, "by owner", "events", last, "description")
	wantAt(t, m, "web", "events", 0, "subject")
	waitFor(t, "the crash to be told", func() bool {
		m = p.want(200, "GET", "/api/events?severity=error&part=service&since=1h", "")
		return len(m["events"].([]any)) > 0
	})
	wantAt(t, m, "crash", "events", 0, "subject")
	wantAt(t, m, "error", "events", 0, "type")

	m = p.want(200, "GET", "/api/events?limit=2", "")
	next, newest := m["next"].(float64), at(t, m, "events", 0, "id").(float64)
	m = p.want(200, "GET", fmt.Sprintf("/api/events?limit=2&before=%.0f", next), "")
	if id := at(t, m, "events", 0, "id").(float64); id >= next {
		t.Errorf("the next page begins with %v, behind %v", id, next)
	}
	if m = p.want(200, "GET", fmt.Sprintf("/api/events?after=%.0f", newest), ""); len(m["events"].([]any)) != 0 || m["next"] != nil {
		t.Errorf("newer than the newest: %v", m)
	}
	if m = p.want(200, "GET", "/api/events?until=1h", ""); len(m["events"].([]any)) != 0 {
		t.Errorf("an hour ago: %v", m)
	}
	p.want(200, "DELETE", "/api/services/crash", "")
	if m = p.want(200, "GET", "/api/events?service=crash", ""); len(m["events"].([]any)) == 0 {
		t.Error("what was removed has no history")
	}
}
