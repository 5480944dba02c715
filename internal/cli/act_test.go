package cli

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
)

func TestVerbsAreOneCallWithAResultEach(t *testing.T) {
	s := newStub(t).on("POST /api/services/actions/start", replies(`{"success":false,"results":[{"name":"a","success":true},{"name":"b","success":false,"error":"b: exit code 1\nno \u001b[2Jport","code":"failed"},{"name":"c","success":false,"error":"there is no service \"c\"","code":"not_found"}]}`))
	r := s.run("start", "a", "b", "c")
	check(t, "some fail", r, ExitFailed, "a: started\nb: exit code 1\n  no \\x1b[2Jport\nc: there is no service \"c\"\n", "controlcenter: start: 2 of 3 services: see above\n")
	if got := s.asked(); got != `POST /api/services/actions/start {"names":["a","b","c"]}` {
		t.Error(got)
	}
	r = s.run("start", "--tag", "ai,web", "-o", "json")
	if r.code != ExitFailed || !strings.Contains(r.out, `"code": "not_found"`) {
		t.Errorf("json: %+v", r)
	}
	if got := s.asked(); got != `POST /api/services/actions/start {"tags":["ai","web"]}` {
		t.Error(got)
	}
	s.on("POST /api/services/actions/reload", replies(`{"success":true,"results":[]}`))
	check(t, "none", s.run("reload", "--all"), ExitOK, "nothing to do\n", "")
	if got := s.asked(); got != `POST /api/services/actions/reload {"all":true}` {
		t.Error(got)
	}
	for code, want := range map[string]int{"not_found": ExitNotFound, "conflict": ExitRefused, "validation": ExitUsage, "timeout": ExitFailed, "409": ExitRefused, "404": ExitNotFound, "": ExitFailed} {
		s.on("POST /api/services/actions/stop", replies(`{"success":false,"results":[{"name":"a","success":false,"error":"why","code":"`+code+`"}]}`))
		if r := s.run("stop", "a"); r.code != want || !strings.HasPrefix(r.err, "controlcenter: stop: why") || r.out != "" {
			t.Errorf("%q: %+v, want %d", code, r, want)
		}
	}
}

func TestVerbsWithOptionsAskForEach(t *testing.T) {
	s := newStub(t).on("GET /api/services", list(object("a", "running", `,"tags":["x"]`), object("b", "running", `,"type":"job","tags":["x"]`), object("c", "running", ""))).
		on("POST /api/services/a/stop", replies(`{"success":true,"message":"stopped"}`)).
		on("POST /api/services/b/stop", problem(504, "b did not end in 30s", "timeout")).
		on("POST /api/services/a/kill", replies(`{"success":false,"error":"legacy answer"}`))
	check(t, "stop", s.run("stop", "--tag", "x", "--grace", "30s", "--force"), ExitFailed, "a: stopped\nb: b did not end in 30s\n", "controlcenter: stop: 1 of 2 services: see above\n")
	if got := s.asked(); got != "POST /api/services/a/stop?force=true&timeout=30\nPOST /api/services/b/stop?force=true&timeout=30" {
		t.Error(got)
	}
	check(t, "a failure with status 200", s.run("kill", "a", "--signal", "HUP"), ExitFailed, "", "controlcenter: kill: legacy answer\n")
	if got := s.asked(); got != "POST /api/services/a/kill?signal=SIGHUP" {
		t.Error(got)
	}
	s.on("POST /api/services/a/kill", replies(`{"success":true}`))
	check(t, "a signal", s.run("kill", "a", "--signal", "sigusr1"), ExitOK, "a: SIGUSR1 sent\n", "")
	check(t, "the signal that ends it", s.run("kill", "a", "--signal", "kill"), ExitOK, "a: killed\n", "")
	if got := s.asked(); got != "POST /api/services/a/kill?signal=SIGUSR1\nPOST /api/services/a/kill?signal=SIGKILL" {
		t.Error(got)
	}
}

const threeLevels = `{"success":true,"nodes":[{"id":"db","state":"stopped","status":"stopped","health":"unknown","level":0},{"id":"cache","state":"running","status":"running","health":"healthy","level":0},{"id":"web","state":"failed","status":"error","health":"unknown","level":1}],
"edges":[{"from":"web","to":"db","condition":"healthy","met":false},{"from":"web","to":"cache","condition":"started","met":true}]}`

func TestUpStartsInOrderAndWaits(t *testing.T) {
	s := newStub(t).on("GET /api/services", list(
		object("cache", "running", `,"autostart":true`), object("db", "stopped", `,"autostart":true`), object("later", "stopped", ""),
		object("nightly", "stopped", `,"autostart":true,"type":"job"`), object("web", "stopped", `,"autostart":true,"tags":["x"]`),
	)).on("GET /api/services/graph", replies(threeLevels)).
		on("POST /api/services/db/start", replies(`{"success":true,"pid":7}`)).
		on("POST /api/services/web/start", replies(`{"success":true,"pid":8}`), problem(500, "web: exit code 1\nlast words", "failed"))
	check(t, "autostart", s.run("up"), ExitOK, "cache: runs already\ndb: started\nweb: started\n", "")
	if got := s.asked(); got != "POST /api/services/db/start?wait=ready\nPOST /api/services/web/start?wait=ready" {
		t.Error(got)
	}
	check(t, "by tag, fails", s.run("up", "--tag", "x"), ExitFailed, "web: exit code 1\n  last words\n", "controlcenter: up: web: exit code 1\n  last words\n")
	check(t, "unknown", s.run("up", "nosuch"), ExitNotFound, "", "controlcenter: up: there is no service \"nosuch\"\n")
	s.on("GET /api/services", list(object("later", "stopped", "")))
	if r := s.run("up"); r.code != ExitOK || !strings.HasPrefix(r.out, "nothing to start: no service has autostart") {
		t.Errorf("nothing: %+v", r)
	}
}

func TestUpStartsThoseOfOneLevelAtTheSameTime(t *testing.T) {
	both := make(chan struct{}, 2)
	meet := func(w http.ResponseWriter, r *http.Request) {
		both <- struct{}{}
		for len(both) < 2 { // each waits for the other
			select {
			case <-r.Context().Done():
				return
			default:
				runtime.Gosched()
			}
		}
		replies(`{"success":true}`)(w, r)
	}
	s := newStub(t).on("GET /api/services", list(object("cache", "stopped", ""), object("db", "stopped", ""), object("web", "stopped", ""))).
		on("GET /api/services/graph", replies(threeLevels)).on("POST /api/services/db/start", meet).on("POST /api/services/cache/start", meet).
		on("POST /api/services/web/start", replies(`{"success":true}`))
	r := s.run("up", "web", "db", "cache")
	if lines := strings.Split(r.out, "\n"); r.code != ExitOK || len(lines) != 4 || lines[2] != "web: started" {
		t.Errorf("%+v", r)
	}
}

func TestDownStopsAllAndSaysThatTheDaemonRunsOn(t *testing.T) {
	s := newStub(t).on("GET /api/services", list(object("a", "running", ""), object("b", "stopped", ""))).
		on("POST /api/services/actions/stop", replies(`{"success":true,"results":[{"name":"a","success":true},{"name":"b","success":true}]}`))
	check(t, "down", s.run("down"), ExitOK, "a: stopped\nall services are stopped; the daemon runs on\n", "")
	if got := s.asked(); got != `POST /api/services/actions/stop {"all":true}` {
		t.Error(got)
	}
}
