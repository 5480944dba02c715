//go:build unix

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"controlcenter/control"
	"controlcenter/internal/audit"
	"controlcenter/internal/store"
)

func TestServiceIsDefinedStartedStoppedAndRemoved(t *testing.T) {
	p := startPlant(t, nil)
	r := p.json("POST", "/api/services", `{"id":"KB_Web","display_name":"The Web","command":["sleep","1000"],"ports":[39999],"tags":["a"],"env":{"API_TOKEN":"hush","PLAIN":"x"},"secrets":["KEY"]}`)
	if r.StatusCode != 201 || r.Header.Get("Location") != "/api/services/KB_Web" {
		t.Fatalf("create: %d, location %q: %s", r.StatusCode, r.Header.Get("Location"), r.body)
	}
	wantProblem(t, p.json("POST", "/api/services", `{"name":"kb-web","command":["x"]}`), 409, "already")

	m := p.want(200, "GET", "/api/services/kb-web", "")
	for _, c := range []struct {
		want any
		path []any
	}{
		{"KB_Web", []any{"name"}},
		{"The Web", []any{"display_name"}},
		{"stopped", []any{"status"}},
		{nil, []any{"pid"}},
		{39999.0, []any{"port"}},
		{control.Mask, []any{"env", "API_TOKEN"}},
		{"x", []any{"env", "PLAIN"}},
		{control.Mask, []any{"env", "KEY"}},
		{control.Mask, []any{"definition", "env", "API_TOKEN"}},
		{"x", []any{"definition", "env", "PLAIN"}},
		{"10s", []any{"effective", "stop", "grace"}},
		{false, []any{"secrets", "KEY"}},
		{true, []any{"success"}},
	} {
		wantAt(t, m, c.want, c.path...)
	}
	if m["definition"].(map[string]any)["stop"] != nil || strings.Contains(fmt.Sprint(m), "hush") {
		t.Errorf("definition is not as given, or shows a secret: %v", m)
	}

	wantProblem(t, p.ask("POST", "/api/services/kb-web/start", nil), 500, "secret KEY has no value yet")
	p.want(200, "PUT", "/api/services/kb_web/secrets/KEY", `{"value":"s3cret"}`)
	wantAt(t, p.want(200, "GET", "/api/services/kb_web/secrets", ""), true, "secrets", "KEY")
	wantProblem(t, p.json("PUT", "/api/services/kb_web/secrets/OTHER", `{"value":"x"}`), 422, "OTHER")

	m = p.want(200, "POST", "/api/services/The%20Web/start", "")
	pid, _ := m["pid"].(float64)
	if pid < 2 || syscall.Kill(int(pid), 0) != nil || !strings.Contains(m["message"].(string), "The Web was started") {
		t.Fatalf("start: %v", m)
	}
	wantAt(t, m, "running", "service", "status")
	wantProblem(t, p.ask("POST", "/api/services/KB-WEB/start", nil), 409, "KB_Web: already running")
	wantAt(t, p.want(200, "GET", "/api/services/Kb_wEb/status", ""), pid, "pid")
	wantProblem(t, p.ask("POST", "/api/services/kb-web/reload", nil), 409, "no reload signal")

	m = p.want(200, "POST", "/api/services/kb-web/restart?wait=ready", "")
	if m["pid"] == pid || m["pid"] == nil {
		t.Errorf("restart: pid %v, before %v", m["pid"], pid)
	}
	m = p.want(200, "POST", "/api/services/kb-web/stop?timeout=5", "")
	wantAt(t, m, "stopped", "service", "status")
	wantAt(t, p.want(200, "POST", "/api/services/kb-web/stop", ""), true, "success") // again
	if err := syscall.Kill(int(pid), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("after stop: %v", err)
	}
	p.want(200, "POST", "/api/services/kb-web/start?wait=none", "")
	p.is("kb-web", "running")
	p.want(200, "POST", "/api/services/kb-web/kill", "")

	wantAt(t, p.want(200, "DELETE", "/api/services/kb-web/secrets/KEY", ""), true, "success")
	p.want(200, "DELETE", "/api/services/kb-web", "")
	wantProblem(t, p.get("/api/services/kb-web"), 404, `no service "kb-web"`)
}

func TestWrongRequestsToServicesAreRefused(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", "exec sleep 1000", ""))
	for _, c := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/api/services/none", "", 404, "none"},
		{"GET", "/api/services/none/status", "", 404, "none"},
		{"POST", "/api/services/none/start", "", 404, "none"},
		{"GET", "/api/services/none/logs", "", 404, "none"},
		{"GET", "/api/services/none/runs", "", 404, "none"},
		{"GET", "/api/services/none/events", "", 404, "none"},
		{"GET", "/api/services/" + strings.Repeat("a", 101), "", 422, "1 to 100 letters"},
		{"POST", "/api/services/a@b/start", "", 422, "1 to 100 letters"},
		{"POST", "/api/services/a%3Bb/start", "", 422, "1 to 100 letters"},
		{"POST", "/api/services/a%2Fb/start", "", 404, "Not Found"},
		{"POST", "/api/services/web/stop?timeout=301", "", 422, "between 1 and 300"},
		{"POST", "/api/services/web/stop?timeout=soon", "", 422, "timeout"},
		{"POST", "/api/services/web/restart?timeout=301", "", 422, "between 1 and 300"},
		{"POST", "/api/services/web/kill?signal=SIGUSR1", "", 409, "does not run"},
		{"POST", "/api/services/web/start?wait=long", "", 422, "one of started, ready, none"},
		{"POST", "/api/services/web/start?force=true", "", 422, "unknown parameter"},
		{"POST", "/api/services/web/kill?signal=SIGNOPE", "", 422, "signal: must be one of SIGHUP, SIGINT"},
		{"GET", "/api/services?status=odd", "", 422, "running, stopped"},
		{"GET", "/api/services?page=0", "", 422, "page"},
		{"GET", "/api/services?limit=501", "", 422, "between 1 and 500"},
		{"GET", "/api/services/web/runs/nope", "", 404, "no run"},
		{"GET", "/api/services/web/runs?limit=0", "", 422, "limit"},
		{"POST", "/api/services", `{"name":"ws","command":["x"]}`, 422, "paths"},
		{"POST", "/api/services", `{"name":"a b","command":["x"]}`, 422, "must match"},
		{"POST", "/api/services", `{"name":"x","comand":["x"]}`, 422, "comand: unknown field"},
		{"POST", "/api/services", `{"name":"x","command":"x"}`, 422, "command"},
		{"POST", "/api/services", `{"name":`, 422, ""},
		{"POST", "/api/services", `{"name":"x","command":["x"],"env":{"API_TOKEN":"********"}}`, 422, "env.API_TOKEN: is the mask"},
		{"PUT", "/api/services/web", `{"name":"other","command":["x"]}`, 422, "as in the path"},
		{"PATCH", "/api/services/web", `[1]`, 422, "object"},
		{"PATCH", "/api/services/web", `{"name":"other"}`, 422, "cannot be changed"},
		{"PUT", "/api/services/filed", `{"command":["x"]}`, 409, "controlcenter.yaml:7"},
		{"DELETE", "/api/services/filed", "", 409, "controlcenter.yaml:7"},
		{"POST", "/api/services/actions/dance", `{"all":true}`, 422, "start, stop"},
		{"POST", "/api/services/actions/start", `{}`, 422, "names or tags"},
		{"POST", "/api/services/actions/start", `{"names":["none"]}`, 404, "none"},
		{"POST", "/api/jobs/web/run", "", 404, "a service, not a job"},
		{"GET", "/api/jobs/none/runs", "", 404, "none"},
		{"GET", "/api/events?limit=1001", "", 422, "between 1 and 1000"},
		{"GET", "/api/events?severity=bad", "", 422, "info, success"},
		{"GET", "/api/events?since=yesterday", "", 422, "RFC 3339"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			var body *strings.Reader
			r := reply{}
			if c.body != "" {
				body = strings.NewReader(c.body)
				r = p.ask(c.method, c.path, body, "Content-Type", "application/json")
			} else {
				r = p.ask(c.method, c.path, nil)
			}
			wantProblem(t, r, c.status, c.text)
		})
	}
	r := p.json("POST", "/api/services", `{"name":"bad","command":[],"restart":{"policy":"perhaps"},"stop":{"signal":"SIGNOPE"},"depends_on":{"nobody":{}}}`)
	m := wantProblem(t, r, 422, "restart.policy")
	var places []string
	for _, e := range m["errors"].([]any) {
		places = append(places, fmt.Sprint(at(t, e, "loc")))
	}
	for _, want := range []string{"[body command]", "[body restart policy]", "[body stop signal]", "[body depends_on nobody]"} {
		if !slices.Contains(places, want) {
			t.Errorf("no error at %s, only %v", want, places)
		}
	}
	r = p.ask("POST", "/api/services", strings.NewReader("name=x"), "Content-Type", "application/x-www-form-urlencoded")
	wantProblem(t, r, 415, "application/json")
}

func TestSignalGoesToTheMainProcessAndIsNoStop(t *testing.T) {
	p := startPlant(t, nil)
	key, id := p.key("robot", "operator")
	p.define(shell("web", `trap 'echo got usr1' USR1; sleep 1000 & c=$!; echo ready; while kill -0 $c; do wait $c; done`, `,"restart":{"policy":"no"}`))
	pid := p.want(200, "POST", "/api/services/web/start", "")["pid"]
	p.says("web", "ready")
	var m map[string]any
	p.must(p.ask("POST", "/api/services/WEB/kill?signal=SIGUSR1", nil, bearer(key)...), 200, &m)
	wantAt(t, m, "web was sent SIGUSR1 (pid "+fmt.Sprint(pid)+")", "message")
	p.says("web", "got usr1")
	m = p.want(200, "GET", "/api/services/web/status", "")
	wantAt(t, m, pid, "pid")
	wantAt(t, m, "running", "status")
	m = p.want(200, "GET", "/api/services/web/events?limit=1", "")
	wantAt(t, m, "web: SIGUSR1 was sent", "events", 0, "title")
	wantAt(t, m, "service.signal", "events", 0, "kind")
	wantAt(t, m, "key robot", "events", 0, "actor")
	rows, _, err := p.o.Audit.List(t.Context(), audit.Query{Result: audit.Changed, Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Subject != "key:"+id || rows[0].Target != "web: SIGUSR1" {
		t.Errorf("audited as %+v, %v", rows, err)
	}
	viewer, _ := p.key("guest", "viewer")
	wantProblem(t, p.ask("POST", "/api/services/web/kill?signal=SIGUSR1", nil, bearer(viewer)...), 403, "")
	m = p.want(200, "POST", "/api/services/web/kill?signal=SIGKILL", "")
	wantAt(t, m, "stopped", "service", "status")
}

func TestRestartTakesATimeout(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", `trap "" TERM; echo ready; exec sleep 1000`, `,"stop":{"grace":"10m"}`))
	pid := p.want(200, "POST", "/api/services/web/start", "")["pid"]
	p.says("web", "ready")
	m := p.want(200, "POST", "/api/services/web/restart?timeout=1", "") // with the grace of its definition it would not answer
	if m["pid"] == pid || m["pid"] == nil {
		t.Errorf("pid %v, before %v", m["pid"], pid)
	}
}

func TestFailedStartTellsReasonAndLastLines(t *testing.T) {
	st := &Settings{}
	p := startPlant(t, func(o *Options) { o.Settings = func() *Settings { return st } })
	// Waiting for a probe that never passes, the answer does not depend on how soon the process ends.
	const pending = `,"restart":{"policy":"no"},"probes":{"startup":{"log":"never"}}`
	p.define(shell("crash", "echo first; echo the disk is purple >&2; exit 3", pending))
	p.define(`{"name":"absent","command":["/no/such/program"],"restart":{"policy":"no"}}`)
	p.define(shell("brief", "exit 0", pending))
	m := wantProblem(t, p.ask("POST", "/api/services/crash/start?wait=ready", nil), 500, "exit code 3")
	wantAt(t, m, "failed", "code")
	if lines, _ := m["lines"].([]any); len(lines) != 2 || !slices.Contains(lines, any("first")) || !slices.Contains(lines, any("the disk is purple")) { // two pipes: either may be read first
		t.Errorf("lines: %v", m["lines"])
	}
	if !strings.Contains(m["error"].(string), "\nthe disk is purple") {
		t.Errorf("the text has not the last lines: %q", m["error"])
	}
	wantProblem(t, p.ask("POST", "/api/services/absent/start", nil), 500, "no such file")
	m = p.want(200, "POST", "/api/services/brief/start?wait=ready", "")
	wantAt(t, m, "exited", "service", "state")

	st.LegacyStatus200 = true
	for path, text := range map[string]string{
		"POST /api/services/crash/start?wait=ready": "exit code 3", "POST /api/services/none/stop": "none", "GET /api/services/none/status": "none",
	} {
		method, path, _ := strings.Cut(path, " ")
		wantProblem(t, p.ask(method, path, nil), 200, text)
	}
	wantProblem(t, p.get("/api/services/none"), 404, "none") // not one of those that answered 200
	wantProblem(t, p.ask("POST", "/api/services/crash/stop?timeout=0", nil), 422, "timeout")
}

func TestSecretsSurviveADefinitionThatWasReadAndWrittenBack(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", `echo "token $API_TOKEN"; exec sleep 1000`, `,"env":{"API_TOKEN":"hush"}`))
	m := p.want(200, "GET", "/api/services/web", "")
	back, err := json.Marshal(m["definition"])
	if err != nil {
		t.Fatal(err)
	}
	wantAt(t, p.want(200, "PUT", "/api/services/web", string(back)), "web", "service", "name")
	r := p.ask("PATCH", "/api/services/web", strings.NewReader(`{"description":"new","env":{"MORE":"1"}}`), "Content-Type", "application/merge-patch+json")
	if r.StatusCode != 200 {
		t.Fatalf("patch: %d %s", r.StatusCode, r.body)
	}
	m = p.want(200, "GET", "/api/services/web", "")
	wantAt(t, m, "new", "description")
	wantAt(t, m, "1", "env", "MORE")
	p.want(200, "POST", "/api/services/web/start", "")
	p.says("web", "token hush")
	wantAt(t, p.want(201, "PUT", "/api/services/other", `{"command":["true"]}`), "other", "service", "name")
}

func TestServicesAreListedInPagesAndFiltered(t *testing.T) {
	p := startPlant(t, nil)
	for i := range 7 {
		p.define(shell(fmt.Sprintf("s%d", i), "exec sleep 1000", fmt.Sprintf(`,"tags":["t%d"],"description":"Number \"uptime_seconds\":0,%d"`, i%2, i)))
	}
	p.want(200, "POST", "/api/services/s3/start", "")
	names := func(query string) string {
		m := p.want(200, "GET", "/api/services"+query, "")
		out := []string{fmt.Sprint(m["total"], m["count"], m["limit"], m["offset"]), ""}
		for _, s := range m["services"].([]any) {
			out = append(out, at(t, s, "name").(string))
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{
		"":                        "8 8 500 0  filed s0 s1 s2 s3 s4 s5 s6",
		"?limit=3&offset=2":       "8 8 3 2  s1 s2 s3",
		"?page=2&page_size=3":     "8 8 3 3  s2 s3 s4",
		"?page=9&page_size=3":     "8 8 3 24 ",
		"?tag=t1":                 "3 3 500 0  s1 s3 s5",
		"?status=running":         "1 1 500 0  s3",
		"?status=stopped&limit=1": "7 7 1 0  filed",
		"?search=nUMBER":          "7 7 500 0  s0 s1 s2 s3 s4 s5 s6",
		"?search=S4&status=":      "1 1 500 0  s4",
	} {
		if got := names(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	m := p.want(200, "GET", "/api/services?page=2&page_size=3", "")
	for key, want := range map[string]any{"total": 8.0, "page": 2.0, "page_size": 3.0, "total_pages": 3.0, "has_next": true, "has_prev": true, "next_page": 3.0, "prev_page": 1.0} {
		wantAt(t, m, want, "meta", key)
	}
	wantAt(t, m, false, "cached")

	// The list is put together from encoded pieces: it must say what the encoder of the whole says.
	all := p.want(200, "GET", "/api/services", "")["services"].([]any)
	for i, st := range p.manager.List() {
		text, err := json.Marshal(st.Object(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		got := all[i].(map[string]any)
		delete(got, "uptime_seconds")
		delete(want, "uptime_seconds")
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("list has %v\nwant     %v", got, want)
		}
	}
}

func TestListedUptimeGoesOn(t *testing.T) {
	began := time.Now()
	port := uint16(80)
	st := &control.Status{Key: "x", ID: "x", Spec: &control.Spec{ID: "x", Ports: []uint16{port}, Env: map[string]string{"uptime_seconds": "0"}}, PID: 7, StartedAt: began}
	var c shownServices
	for _, after := range []time.Duration{0, 62 * time.Second} {
		var o control.Object
		if err := json.Unmarshal(c.append(nil, []*control.Status{st}, 1, began.Add(after)), &o); err != nil {
			t.Fatal(err)
		}
		if o.UptimeSeconds != int64(after.Seconds()) || o.Env["uptime_seconds"] != "0" || *o.PID != 7 {
			t.Errorf("after %s: %+v", after, o)
		}
	}
}

func TestManyServicesAreActedOnInTheOrderOfDependencies(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("db", "exec sleep 1000", `,"tags":["stack"]`))
	p.define(shell("app", "exec sleep 1000", `,"tags":["stack"],"depends_on":{"db":{}}`))
	p.define(`{"name":"bad","command":["/no/such/program"],"tags":["stack","broken"],"restart":{"policy":"no"}}`)
	m := p.want(200, "GET", "/api/services/graph", "")
	wantAt(t, m, "app", "edges", 0, "from")
	wantAt(t, m, "db", "edges", 0, "to")
	results := func(m map[string]any) (out []string) {
		for _, r := range m["results"].([]any) {
			out = append(out, fmt.Sprint(at(t, r, "name"), " ", at(t, r, "success"), " ", at(t, r, "status")))
		}
		return out
	}
	m = p.want(200, "POST", "/api/services/actions/start?tag=stack", "")
	got := results(m)
	if m["success"] != false || slices.Index(got, "db true running") > slices.Index(got, "app true running") || !slices.Contains(got, "bad false error") || len(got) != 3 {
		t.Errorf("start: %v %v", m["success"], got)
	}
	for _, r := range m["results"].([]any) {
		if at(t, r, "name") == "bad" {
			wantAt(t, r, "failed", "code")
		}
	}
	wantProblem(t, p.ask("POST", "/api/services/db/stop", nil), 409, "needed by app")
	wantProblem(t, p.ask("DELETE", "/api/services/db", nil), 409, "needed by app")
	m = p.want(200, "POST", "/api/services/actions/stop", `{"names":["APP","db"]}`)
	if got := results(m); m["success"] != true || fmt.Sprint(got) != "[app true stopped db true stopped]" {
		t.Errorf("stop: %v", got)
	}
	p.want(200, "POST", "/api/services/app/start", "")
	p.is("db", "running")
	p.want(200, "POST", "/api/services/db/stop?cascade=true&force=true", "")
	p.is("app", "stopped")
	m = p.want(200, "GET", "/api/services/templates", "")
	var names []string
	for _, x := range m["templates"].([]any) {
		names = append(names, at(t, x, "name").(string))
		if at(t, x, "description") == "" || at(t, x, "spec", "command", 0) == "" {
			t.Errorf("template %v says too little", x)
		}
	}
	if got := strings.Join(names, " "); got != "comfyui jupyter kb-scheduler n8n ollama" {
		t.Errorf("templates: %s", got)
	}
}

func TestServerWithoutServicesSaysSo(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/api/services", "/api/services/x", "/api/services/x/logs", "/api/services/x/logs/follow", "/api/services/ws", "/api/jobs", "/api/services/graph"} {
		wantProblem(t, s.get(path), 503, "controls no services")
	}
	wantProblem(t, s.ask("POST", "/api/services/x/start", nil), 503, "controls no services")
}

func TestEachKindOfErrorHasItsStatus(t *testing.T) {
	kind := func(kind error) error { return &control.Error{Kind: kind, Text: "because"} }
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{kind(control.ErrNotFound), 404, "not_found"},
		{kind(control.ErrInvalid), 422, "validation"},
		{kind(control.ErrConflict), 409, "conflict"},
		{&control.RefusedError{Command: "start", State: control.Running}, 409, "conflict"},
		{kind(control.ErrDenied), 403, "denied"},
		{kind(control.ErrFailed), 500, "failed"},
		{&control.Error{Kind: control.ErrFailed, Text: "because", Cause: &control.LaunchError{Reason: "no such file"}}, 500, "failed"},
		{&control.Error{Kind: control.ErrFailed, Text: "because", Cause: &control.LaunchError{Temporary: true}}, 503, "unavailable"},
		{&control.Error{Kind: control.ErrFailed, Text: "because", Cause: &control.LaunchError{Temporary: true, Full: true}}, 507, "storage_full"},
		{kind(control.ErrTimeout), 504, "timeout"},
		{control.ErrNotConnected, 503, "unavailable"},
		{control.ErrEnded, 503, "unavailable"},
		{fmt.Errorf("start: %w", &store.UnavailableError{Full: true}), 507, "storage_full"},
		{fmt.Errorf("start: %w", &store.UnavailableError{}), 503, "unavailable"},
		{errSecret, 500, "internal"},
	} {
		if p := problemOf(c.err); p.status != c.status || p.Code != c.code {
			t.Errorf("%v: %d %s, want %d %s", c.err, p.status, p.Code, c.status, c.code)
		}
	}
}

func TestRolesOfServiceRoutes(t *testing.T) {
	s := start(t, nil, nil)
	want := map[string]role{
		"GET /api/services": viewer, "GET /api/services/{name}/logs": viewer, "GET /api/services/{name}/logs/follow": viewer, "GET /api/services/{name}/logs/ws": viewer,
		"GET /api/services/ws": viewer, "GET /api/services/{name}/secrets": viewer, "GET /api/jobs": viewer, "GET /api/events": viewer,
		"POST /api/services": admin, "PUT /api/services/{name}": admin, "PATCH /api/services/{name}": admin, "DELETE /api/services/{name}": admin,
		"PUT /api/services/{name}/secrets/{key}": admin, "DELETE /api/services/{name}/secrets/{key}": admin, "POST /api/system/processes/{pid}/kill": admin,
		"POST /api/services/actions/{verb}": operator, "POST /api/jobs/{id}/run": operator, "POST /api/jobs/{id}/cancel": operator,
	}
	for _, verb := range []string{"start", "stop", "restart", "reload", "kill"} {
		want["POST /api/services/{name}/"+verb] = operator
	}
	for key, need := range want {
		if r := s.rows[key]; r == nil || r.role != need {
			t.Errorf("%s: %+v, want %s", key, r, need)
		}
	}
	wantProblem(t, s.ask("POST", "/api/services/x/start", nil, "X-Forwarded-For", "10.1.1.1"), http.StatusUnauthorized, "Not authenticated")
	wantProblem(t, s.ask("POST", "/api/services/x/start", nil, "Origin", "https://evil.example"), http.StatusForbidden, "origin")
}
