package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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
	if got := s.asked(); got != "POST /api/services/a/kill?signal=HUP" {
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

func TestLogsOfSeveralServicesAreInOrder(t *testing.T) {
	s := newStub(t).
		on("GET /api/services/web/logs", replies(`{"success":true,"logs":["one","three"],"total_lines":2,"entries":[{"pos":0,"next":4,"time":"2026-01-01T00:00:01Z","stream":"stdout","text":"one"},{"pos":4,"next":9,"time":"2026-01-01T00:00:03Z","stream":"stderr","text":"three"}],"next":9}`)).
		on("GET /api/services/database/logs", replies(`{"success":true,"logs":["two"],"total_lines":1,"entries":[{"pos":0,"next":4,"time":"2026-01-01T00:00:02Z","stream":"stdout","text":"two\u001b[2J"}],"next":4}`)).
		on("GET /api/services/new/logs", replies(`{"success":true,"logs":[],"message":"nothing was written yet"}`))
	check(t, "one", s.run("logs", "web"), ExitOK, "one\nthree\n", "")
	check(t, "two", s.run("logs", "web", "database"), ExitOK, "web      | one\ndatabase | two\x1b[2J\nweb      | three\n", "")
	check(t, "nothing yet", s.run("logs", "new"), ExitOK, "", "controlcenter: new: nothing was written yet\n")
	s.asked()
	r := s.run("logs", "database", "-o", "json", "--grep", "a b", "-i", "--stream", "stdout", "--run", "r1", "--since", "2026-01-01T00:00:00Z", "-n", "5")
	check(t, "json", r, ExitOK, `{"service":"database","pos":0,"time":"2026-01-01T00:00:02Z","stream":"stdout","text":"two\u001b[2J"}`+"\n", "")
	if got := s.asked(); got != "GET /api/services/database/logs?grep=a+b&ignore_case=true&lines=5&run=r1&since=2026-01-01T00%3A00%3A00Z&stream=stdout" {
		t.Error(got)
	}
	if r := s.run("logs", "web", "-t"); !regexp.MustCompile(`^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.000 one\n`).MatchString(r.out) {
		t.Errorf("with times: %q", r.out)
	}
	if r := s.run("logs", "nosuch"); r.code != ExitNotFound {
		t.Errorf("unknown: %+v", r)
	}
}

func TestControlCharactersOfLinesAreEscapedOnTerminals(t *testing.T) {
	var out strings.Builder
	e := &env{o: Options{Stdout: &out}, format: formatTable}
	w := e.newLogWriter([]string{"a"}, false)
	w.raw = false
	if err := w.write(&logEntry{Text: "a\tb\x1b[31m\r"}); err != nil || out.String() != "a\tb\\x1b[31m\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestLogsAreFollowedOverARestartOfTheDaemon(t *testing.T) {
	stream := func(lines string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hello\n\n"+lines)
		}
	}
	line := func(next, text string) string {
		return "id: " + next + "\nevent: line\ndata: {\"pos\":1,\"time\":\"2026-01-01T00:00:00Z\",\ndata: \"stream\":\"stdout\",\"text\":\"" + text + "\"}\n\n"
	}
	s := newStub(t).
		on("GET /api/services/web/logs", replies(`{"success":true,"logs":["zero"],"entries":[{"pos":0,"next":5,"time":"2026-01-01T00:00:01Z","stream":"stdout","text":"zero"}],"next":5}`)).
		on("GET /api/services/web/logs/follow", stream(line("9", "one")+line("13", "two")), problem(503, "starting", "unavailable"),
			func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Last-Event-ID"); got != "13" {
					t.Errorf("resumed at %q", got)
				}
				stream("event: gap\ndata: {}\n\n"+line("17", "three")+line("21", "last")+"event: line\ndata: {\"text\":\"torn")(w, r)
			})
	r := s.follow("last\n", "logs", "web", "-f", "--grep", "x")
	if r.code != ExitOK || r.out != "zero\none\ntwo\nthree\nlast\n" {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(r.err, "starting; waiting for the daemon") || !strings.Contains(r.err, "web: lines were lost here") {
		t.Errorf("stderr %q", r.err)
	}
	got := strings.Split(s.asked(), "\n")
	if len(got) < 4 || got[1] != "GET /api/services/web/logs/follow?after=5&grep=x" || got[3] != "GET /api/services/web/logs/follow?after=13&grep=x" {
		t.Errorf("%q", got)
	}
	s.on("GET /api/services/web/logs/follow", problem(403, "not yours", "denied"))
	if r := s.run("logs", "web", "-f"); r.code != ExitRefused || !strings.Contains(r.err, "not yours") {
		t.Errorf("refused: %+v", r)
	}
	s.on("GET /api/services/web/logs/follow", stream(line("9", "fresh")))
	if r := s.follow("fresh", "logs", "web", "-f", "-n", "0", "-o", "json"); r.code != ExitOK || strings.Contains(r.out, "zero") {
		t.Errorf("new ones only: %+v", r)
	}
}

func TestLogsAreDownloaded(t *testing.T) {
	s := newStub(t).on("GET /api/services/web/logs", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "raw \x1b[31m\n") })
	file := filepath.Join(t.TempDir(), "web.log")
	if r := s.run("logs", "web", "--download", file); r.code != ExitOK || !strings.HasPrefix(r.out, "wrote ") {
		t.Errorf("%+v", r)
	}
	if got := s.asked(); got != "GET /api/services/web/logs?download=true&format=text" {
		t.Error(got)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "raw \x1b[31m\n" {
		t.Errorf("%q, %v", b, err)
	}
	if r := s.run("logs", "web", "--download", file); r.code != ExitRefused {
		t.Errorf("again: %+v", r)
	}
	check(t, "to stdout", s.run("logs", "web", "--download", "-", "-n", "3"), ExitOK, "raw \x1b[31m\n", "")
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

func TestAddMakesADefinitionOfFlags(t *testing.T) {
	s := newStub(t).on("POST /api/services", replies(`{"success":true}`)).on("PUT /api/services/web", replies(`{"success":true}`)).
		on("POST /api/services/web/start", replies(`{"success":true}`))
	for _, c := range []struct {
		args []string
		want string
	}{
		{
			[]string{
				"add", "web", "--port", "8000", "--ready-http", "http://127.0.0.1:8000/", "--autostart", "-e", "A=b=c,d", "--secret", "KEY", "--tag", "ai,x", "--needs", "db:healthy", "--needs", "cache",
				"--restart", "always", "--cwd", "srv", "--memory", "2GiB", "--set", "restart.limit.attempts=3", "--", "python3", "-m", "http.server", "--bind", "a b",
			},
			`POST /api/services {"autostart":true,"command":["python3","-m","http.server","--bind","a b"],"cwd":"/work dir/srv","depends_on":{"cache":{"condition":"started"},"db":{"condition":"healthy"}},"env":{"A":"b=c,d"},"limits":{"memory":"2GiB"},"name":"web","ports":[8000],"probes":{"readiness":{"http":"http://127.0.0.1:8000/"}},"restart":{"limit":{"attempts":3},"policy":"always"},"secrets":["KEY"],"tags":["ai","x"]}`,
		},
		{[]string{"add", "tidy", "--cron", "0 3 * * *", "--", "./tidy.sh"}, `POST /api/services {"command":["./tidy.sh"],"cwd":"/work dir","name":"tidy","schedule":{"cron":"0 3 * * *"},"type":"job"}`},
		{[]string{"add", "comfyui", "--template", "comfyui"}, `POST /api/services {"name":"comfyui","template":"comfyui"}`},
		{[]string{"add", "web", "--replace", "--start", "--", "x"}, `PUT /api/services/web {"command":["x"],"cwd":"/work dir","name":"web"}` + "\nPOST /api/services/web/start?wait=ready"},
	} {
		if r := s.run(c.args...); r.code != ExitOK {
			t.Errorf("%v: %+v", c.args, r)
		}
		if got := s.asked(); got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.args, got, c.want)
		}
	}
	s.on("POST /api/services", problem(409, "there is a service \"web\" already", "conflict"))
	check(t, "exists", s.run("add", "web", "--", "x"), ExitRefused, "", "controlcenter: add: there is a service \"web\" already\n")
	s.on("POST /api/services", problem(422, "cwd: must exist", "validation"))
	if r := s.run("add", "web", "--", "x"); r.code != ExitUsage {
		t.Errorf("invalid: %+v", r)
	}
}

func TestAddReadsFiles(t *testing.T) {
	s := newStub(t).on("POST /api/services", replies(`{"success":true}`))
	block := "services:\n  a: {command: [\"${self}\"], cwd: sub, depends_on: {b: {}}}\n  b: {command: [y]}\n"
	file := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, "block", s.run("add", "-f", file), ExitOK, "b: added\na: added\n", "")
	want := `POST /api/services {"command":["y"],"name":"b"}` + "\n" + `POST /api/services {"command":["/bin/controlcenter"],"cwd":"` + filepath.Join(filepath.Dir(file), "sub") + `","depends_on":{"a":{}},"name":"a"}`
	if got := s.asked(); got != strings.Replace(want, `{"a":{}}`, `{"b":{}}`, 1) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	check(t, "one from stdin", s.runWith(t.Context(), "command: [x]\n", nil, "add", "c", "-f", "-"), ExitOK, "c: added\n", "")
	if got := s.asked(); got != `POST /api/services {"command":["x"],"name":"c"}` {
		t.Error(got)
	}
	r := s.runWith(t.Context(), "services: {a: {comand: [x]}}\n", nil, "add", "-f", "-")
	if r.code != ExitUsage || !strings.Contains(r.err, "stdin:1:16: services.a.comand: unknown key; did you mean command?\n    1 | services: {a: {comand: [x]}}\n      |                ^") {
		t.Errorf("wrong key: %+v", r)
	}
	if r := s.run("add", "-f", file+"x"); r.code != ExitNotFound {
		t.Errorf("no file: %+v", r)
	}
	if got := s.asked(); got != "" {
		t.Errorf("asked %s", got)
	}
}

const webDefinition = `{"success":true,"name":"web","origin":"api","definition":{"name":"web","command":["run","8080"],"env":{"API_TOKEN":"********","KEY":"********","LANG":"C"},"secrets":["KEY"],"stop":{"grace":"5s"}},"effective":{},"secrets":{"KEY":true}}`

func TestEditBySet(t *testing.T) {
	s := newStub(t).on("PATCH /api/services/web", replies(`{"success":true,"service":{"restart_needed":true}}`))
	r := s.run("edit", "web", "--set", "restart.policy=always", "--set", "ports=1,2", "--set", "limits.memory=", "--set", "env.A=x")
	check(t, "set", r, ExitOK, "web: changed; what runs does not know it yet, see \"controlcenter restart web\"\n", "")
	if got := s.asked(); got != `PATCH /api/services/web {"env":{"A":"x"},"limits":{"memory":null},"ports":[1,2],"restart":{"policy":"always"}}` {
		t.Error(got)
	}
	r = s.run("edit", "web", "--set", "restart.polcy=always")
	check(t, "wrong key", r, ExitUsage, "", "controlcenter: edit: --set: restart.polcy: unknown key; did you mean restart.policy? (see \"controlcenter edit --help\")\n")
	s.on("PATCH /api/services/web", problem(409, "\"web\" is defined in the configuration file, at /x:3; change it there", "conflict"))
	if r = s.run("edit", "web", "--set", "nice=1"); r.code != ExitRefused || !strings.Contains(r.err, "/x:3") {
		t.Errorf("of the file: %+v", r)
	}
}

// The editor is a script that changes the file, another way at each call.
func TestEditInAnEditor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the editor of this test is a shell script")
	}
	dir := t.TempDir()
	editor := func(steps ...string) []string {
		t.Helper()
		script := "#!/bin/sh\nn=$(cat " + dir + "/n 2>/dev/null || echo 0)\necho $((n+1)) >" + dir + "/n\ncp \"$1\" " + dir + "/seen.$n\ncase $n in\n"
		for i, step := range steps {
			script += string(rune('0'+i)) + ") " + step + ";;\n"
		}
		_ = os.Remove(filepath.Join(dir, "n"))
		if err := os.WriteFile(filepath.Join(dir, "ed"), []byte(script+"esac\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return []string{"EDITOR=" + filepath.Join(dir, "ed")}
	}
	seen := func(n string) string {
		b, _ := os.ReadFile(filepath.Join(dir, "seen."+n))
		return string(b)
	}
	s := newStub(t).on("GET /api/services/web", replies(webDefinition)).
		on("PATCH /api/services/web", problem(422, "nice: must be -20 to 19", "validation"), replies(`{"success":true,"service":{}}`))
	r := s.runWith(t.Context(), "", editor(`sed -i 's/command:/comand:/' "$1"`, `sed -i 's/comand:/command:/; s/grace: .*/grace: 9s/' "$1"`, `echo 'nice: 3' >>"$1"`), "edit", "web")
	check(t, "third time right", r, ExitOK, "web: changed\n", "")
	if got := seen("0"); !strings.Contains(got, "command:\n  - run\n  - \"8080\"\nenv:\n  API_TOKEN: \"********\"\n  LANG: C\nsecrets:\n  - KEY\nstop:\n  grace: \"5s\"\n") {
		t.Errorf("the file was\n%s", got)
	}
	if got := seen("1"); !strings.HasPrefix(got, "#! web.yaml:3:1: comand: unknown key; did you mean command?\n#!     3 | comand:\n") {
		t.Errorf("the second time\n%s", got)
	}
	if got := seen("2"); !strings.HasPrefix(got, "#! nice: must be -20 to 19\n") {
		t.Errorf("the third time\n%s", got)
	}
	if got := s.asked(); got != "GET /api/services/web\n"+`PATCH /api/services/web {"stop":{"grace":"9s"}}`+"\n"+`PATCH /api/services/web {"nice":3,"stop":{"grace":"9s"}}` {
		t.Error(got)
	}
	check(t, "untouched", s.runWith(t.Context(), "", editor("true"), "edit", "web"), ExitOK, "web: nothing changed\n", "")
	check(t, "emptied", s.runWith(t.Context(), "", editor(`echo '# no' >"$1"`), "edit", "web"), ExitOK, "web: nothing changed\n", "")
	if r := s.runWith(t.Context(), "", editor(`echo 'x: 1' >"$1"`, "true"), "edit", "web"); r.code != ExitUsage || !strings.Contains(r.err, "web.yaml:1:1: x: unknown key") {
		t.Errorf("given up: %+v", r)
	}
	if r := s.runWith(t.Context(), "", []string{"EDITOR=/no/such/editor"}, "edit", "web"); r.code != ExitFailed || !strings.Contains(r.err, "use --set") {
		t.Errorf("no editor: %+v", r)
	}
	s.asked()
	s.on("GET /api/services/web", replies(strings.Replace(webDefinition, `"origin":"api"`, `"origin":"/etc/cc.yaml:7"`, 1)))
	check(t, "of the file", s.runWith(t.Context(), "", editor("true"), "edit", "web"), ExitRefused, "", "controlcenter: edit: web is defined in the configuration file, at /etc/cc.yaml:7; change it there\n")
}

func TestRemoveAndSecrets(t *testing.T) {
	s := newStub(t).on("DELETE /api/services/a", replies(`{"success":true,"message":"removed"}`)).on("DELETE /api/services/b", problem(409, "\"b\" is needed by c", "conflict")).
		on("PUT /api/services/a/secrets/KEY", replies(`{"success":true}`)).on("DELETE /api/services/a/secrets/KEY", replies(`{"success":true}`)).
		on("GET /api/services/a/secrets", replies(`{"success":true,"secrets":{"KEY":true,"A":false}}`))
	check(t, "rm", s.run("rm", "a", "b"), ExitRefused, "a: removed\nb: \"b\" is needed by c\n", "controlcenter: rm: 1 of 2 services: see above\n")
	s.asked()
	check(t, "set", s.runWith(t.Context(), "hush hush\n", nil, "secret", "set", "a", "KEY"), ExitOK, "a: KEY is set; in force from its next start\n", "")
	if got := s.asked(); got != `PUT /api/services/a/secrets/KEY {"value":"hush hush"}` {
		t.Error(got)
	}
	if r := s.run("secret", "set", "a", "KEY"); r.code != ExitUsage || s.asked() != "" {
		t.Errorf("empty: %+v", r)
	}
	check(t, "list", s.run("secret", "list", "a"), ExitOK, "SECRET  VALUE\nA       not set\nKEY     set\n", "")
	check(t, "secret rm", s.run("secret", "rm", "a", "KEY"), ExitOK, "a: KEY is forgotten\n", "")
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
