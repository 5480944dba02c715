package cli

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatusOfServices(t *testing.T) {
	s := newStub(t).on("GET /api/services", list(
		object("comfyui", "running", `,"health":"healthy","port":8188`),
		object("kb_scan", "backoff", `,"reason":"exit code 3","retry_at":"2000-01-01T00:00:00Z"`),
	))
	r := s.run("status", "KB-Scan", "comfyui")
	want := `NAME     STATE    HEALTH   PID  PORT  UPTIME  RESTARTS  REASON
kb_scan  backoff  unknown    -     -       -         2  exit code 3; again in 0s
comfyui  running  healthy   42  8188    1h2m         2  -
`
	check(t, "two", r, ExitOK, want, "")
	r = s.run("status", "comfyui", "comfy")
	if r.code != ExitNotFound || !strings.Contains(r.out, "\ncomfyui  running") || r.err != "controlcenter: status: there is no service \"comfy\"; did you mean comfyui?\n" {
		t.Errorf("one that is not there: %+v", r)
	}
	var body struct {
		Services []struct{ Name, Health string }
	}
	r = s.run("status", "comfyui", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &body); err != nil || len(body.Services) != 1 || body.Services[0].Health != "healthy" {
		t.Errorf("json: %+v", r)
	}
	if r = s.run("status", "comfyui", "-o", "yaml"); !strings.HasPrefix(r.out, "services:\n  - id: 1\n    name: comfyui\n") {
		t.Errorf("yaml: %+v", r)
	}
}

func TestListIsReadPageByPage(t *testing.T) {
	page := func(name string) http.HandlerFunc {
		return replies(`{"total":2,"services":[` + object(name, "stopped", "") + `]}`)
	}
	s := newStub(t).on("GET /api/services", page("a"), page("b"))
	if r := s.run("status", "b"); r.code != ExitOK || !strings.Contains(r.out, "\nb ") {
		t.Errorf("%+v", r)
	}
	if got := strings.Join(s.requests, " "); got != "GET /api/services?limit=100&offset=0 GET /api/services?limit=100&offset=1" {
		t.Error(got)
	}
}

func TestGraphAsTreeAndForGraphviz(t *testing.T) {
	s := newStub(t).on("GET /api/services/graph", replies(threeLevels))
	check(t, "tree", s.run("graph"), ExitOK, "web  failed\n├─ db [healthy, not met]  stopped\n└─ cache [started, met]  running\n", "")
	r := s.run("graph", "-o", "dot")
	if r.code != ExitOK || !strings.HasPrefix(r.out, "digraph services {") || !strings.Contains(r.out, `"web" -> "db" [label="healthy", style=dashed];`) {
		t.Errorf("dot: %+v", r)
	}
	if r = s.run("graph", "-o", "json"); !json.Valid([]byte(r.out)) {
		t.Errorf("json: %+v", r)
	}
	if r = s.run("graph", "-o", "svg"); r.code != ExitUsage || !strings.Contains(r.err, "table, json, yaml and dot") {
		t.Errorf("svg: %+v", r)
	}
}

func TestEventsAreShownOldestFirst(t *testing.T) {
	row := func(id, title, more string) string {
		return `{"id":` + id + `,"title":"` + title + `","description":"","type":"info","timestamp":"2026-01-02T03:04:05Z"` + more + `}`
	}
	s := newStub(t).on("GET /api/events",
		replies(`{"success":true,"events":[`+row("10", "web was stopped", `,"actor":"owner","why":"asked"`)+`,`+row("9", "web was started", `,"actor":"system"`)+`],"next":9}`),
		replies(`{"success":true,"events":[],"next":0}`), replies(`{"success":true,"events":[`+row("11", "last", "")+`],"next":0}`))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Local().Format(time.DateTime)
	r := s.follow("last\n", "events", "-f", "--service", "web", "--severity", "info", "-n", "2")
	check(t, "followed", r, ExitOK, at+"  info     web was started\n"+at+"  info     web was stopped: asked (owner)\n"+at+"  info     last\n", "")
	if got := s.asked(); got != "GET /api/events?limit=2&service=web&severity=info\nGET /api/events?after=10&limit=1000&service=web&severity=info\nGET /api/events?after=10&limit=1000&service=web&severity=info" {
		t.Error(got)
	}
	if r := s.run("events", "-o", "json"); r.code != ExitOK || !json.Valid([]byte(r.out)) {
		t.Errorf("json: %+v", r)
	}
}

func TestNamesAreCompletedFromTheDaemon(t *testing.T) {
	s := newStub(t).on("GET /api/services", list(object("web", "running", `,"tags":["x","y"]`), object("scan", "exited", `,"type":"job","tags":["y"]`)))
	for _, c := range []struct{ args, want []string }{
		{[]string{"stop", ""}, []string{"web\trunning WEB", "scan\texited SCAN"}},
		{[]string{"stop", "web", ""}, []string{"scan\texited SCAN"}},
		{[]string{"logs", ""}, []string{"web\trunning WEB", "scan\texited SCAN"}},
		{[]string{"run", ""}, []string{"scan\texited SCAN"}},
		{[]string{"start", "--tag", ""}, []string{"x", "y"}},
	} {
		r := s.run(append([]string{"__complete"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if got := lines[:len(lines)-1]; r.code != ExitOK || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q (%s)", c.args, got, c.want, r.err)
		}
	}
	if r := runCLI(t, []string{"CC_URL=http://127.0.0.1:1"}, "__complete", "stop", ""); r.code != ExitOK || strings.Contains(r.out, "web") {
		t.Errorf("without a daemon: %+v", r)
	}
}

func TestWrongUseOfServiceVerbs(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"start"}, "missing argument NAME; --tag and --all name several"},
		{[]string{"stop", "a", "--all"}, "--all and names or --tag exclude each other"},
		{[]string{"stop", "a", "--grace", "6m"}, "--grace: must be a duration between 1s and 5m"},
		{[]string{"down", "a"}, `unexpected argument "a"`},
		{[]string{"logs"}, "missing argument NAME"},
		{[]string{"logs", "a", "-n", "0"}, "--lines: must be between 1 and 10000"},
		{[]string{"logs", "a", "-f", "--until", "1h"}, "--follow and --until"},
		{[]string{"logs", "a", "--grep", "x", "--regex", "y"}, "--grep and --regex exclude each other"},
		{[]string{"logs", "a", "--stream", "out"}, `--stream: "out" is none of stdout, stderr`},
		{[]string{"logs", "a", "--since", "yesterday"}, `--since: "yesterday" is neither a duration`},
		{[]string{"logs", "a", "b", "--download", "x"}, "--download: one service at a time"},
		{[]string{"events", "-n", "1001"}, "--lines: must be between 1 and 1000"},
		{[]string{"jobs", "a", "-n", "0"}, "--limit: must be between 1 and 1000"},
		{[]string{"run"}, "missing argument JOB"},
		{[]string{"cancel"}, "missing argument JOB"},
		{[]string{"add"}, "missing argument NAME or --file"},
		{[]string{"add", "a"}, "missing the command: add a -- COMMAND..."},
		{[]string{"add", "a", "b"}, `unexpected argument "b"; the command stands behind --`},
		{[]string{"add", "a", "--port", "99999", "--", "x"}, `ports: "99999" is out of range; accepted: 1 to 65535`},
		{[]string{"add", "a", "--env", "A", "--", "x"}, `--env: "A" is not of the form NAME=value`},
		{[]string{"add", "-f", "x", "--port", "1"}, "exclude each other"},
		{[]string{"edit", "a", "--set", "x"}, `--set: "x" is not of the form key=value`},
		{[]string{"rm"}, "missing argument NAME"},
		{[]string{"secret", "set", "a"}, "missing argument KEY"},
		{[]string{"secret", "lst"}, `unknown verb "lst"; did you mean set or list?`},
	} {
		r := runCLI(t, []string{"CC_URL=http://127.0.0.1:1"}, c.args...)
		if r.code != ExitUsage || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%v: got %+v, want %q", c.args, r, c.want)
		}
	}
	for _, args := range [][]string{{"start", "a"}, {"up"}, {"down"}, {"logs", "a"}, {"logs", "a", "-f"}, {"events"}, {"run", "a"}, {"jobs"}, {"add", "a", "--", "x"}, {"edit", "a"}, {"rm", "a"}, {"graph"}, {"status", "a"}, {"secret", "list", "a"}} {
		if r := runCLI(t, []string{"CC_URL=http://127.0.0.1:1"}, args...); r.code != ExitUnreachable {
			t.Errorf("%v without a daemon: %+v", args, r)
		}
	}
}
