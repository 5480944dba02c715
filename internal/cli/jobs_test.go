package cli

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestJobsAndTheirRuns(t *testing.T) {
	job := strings.TrimSuffix(object("scan", "exited", `,"next_run":"2026-01-05T09:00:00Z","last_exit":{"run":"r1","result":"failure","code":3,"reason":"exit code 3","at":"2026-01-02T03:04:05Z"}`), "}")
	s := newStub(t).on("GET /api/jobs", replies(`{"success":true,"total":1,"count":1,"jobs":[`+job+`,"schedule":{"cron":"0 9 * * MON"},"last_success":null,"results":{"failure":1},"queued":0}]}`)).
		on("GET /api/jobs/scan/runs", replies(`{"success":true,"runs":[{"id":"r1","service":"scan","trigger":"schedule","actor":"schedule","started_at":"2026-01-02T03:04:05Z","finished_at":"2026-01-02T03:04:07Z","duration_seconds":2.0004,"result":"failure","exit_code":3,"reason":"exit code 3"}],"next":""}`))
	r := s.run("jobs")
	if r.code != ExitOK || !regexp.MustCompile(`(?m)^scan +exited +0 9 \* \* MON +2026-01-0\d \d\d:00:00 +2026-01-0\d \d\d:04:05 +failure +exit code 3$`).MatchString(r.out) {
		t.Errorf("jobs: %+v", r)
	}
	if r = s.run("jobs", "scan"); r.code != ExitOK || !regexp.MustCompile(`(?m)^r1 +\S+ \S+ +2s +failure +3 +schedule +exit code 3$`).MatchString(r.out) {
		t.Errorf("runs: %+v", r)
	}
	if r = s.run("jobs", "nosuch"); r.code != ExitNotFound {
		t.Errorf("unknown: %+v", r)
	}
}

func TestRunWaitsForItsJob(t *testing.T) {
	run := func(more string) http.HandlerFunc {
		return replies(`{"success":true,"id":"r7","service":"scan","started_at":"2026-01-02T03:04:05Z",` + more + `}`)
	}
	page := func(next, lines string) http.HandlerFunc {
		return replies(`{"success":true,"logs":[],"entries":[` + lines + `],"next":` + next + `}`)
	}
	s := newStub(t).on("POST /api/jobs/scan/run", replies(`{"success":true,"run":"r7","message":"scan was started"}`)).
		on("POST /api/jobs/scan/cancel", replies(`{"success":true,"message":"scan was cancelled"}`)).
		on("GET /api/jobs/scan/runs/r7", run(`"finished_at":null,"result":"running"`), run(`"finished_at":"2026-01-02T03:04:06Z","result":"failure","exit_code":3,"reason":"exit code 3"`)).
		on("GET /api/jobs/scan/runs/r7/logs", page("4", `{"pos":0,"time":"2026-01-02T03:04:05Z","stream":"stdout","text":"one"}`), page("8", `{"pos":4,"time":"2026-01-02T03:04:06Z","stream":"stdout","text":"two"}`))
	check(t, "not waited for", s.run("run", "scan"), ExitOK, "scan was started\n", "")
	s.asked()
	check(t, "cancelled", s.run("cancel", "scan"), ExitOK, "scan was cancelled\n", "")
	check(t, "no such job", s.run("cancel", "nosuch"), ExitNotFound, "", "controlcenter: cancel: Not Found\n")
	check(t, "fails", s.run("run", "scan", "--wait"), ExitFailed, "one\ntwo\n", "controlcenter: run: scan: exit code 3\n")
	if got := s.asked(); !strings.HasSuffix(got, "/logs?after=4&lines=10000") {
		t.Error(got)
	}
	s.on("GET /api/jobs/scan/runs/r7", run(`"finished_at":"2026-01-02T03:04:06Z","result":"success","exit_code":0,"reason":""`)).on("GET /api/jobs/scan/runs/r7/logs", problem(404, "none", "not_found"))
	check(t, "ends well, silently", s.run("run", "scan", "-w"), ExitOK, "", "")
	s.on("POST /api/jobs/scan/run", problem(409, "scan runs already", "conflict"))
	check(t, "runs already", s.run("run", "scan"), ExitRefused, "", "controlcenter: run: scan runs already\n")
}
