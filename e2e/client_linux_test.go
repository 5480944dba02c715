package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// clientOrigin is where the existing React client runs; it sends a content type with every call, so that each is preflighted.
const clientOrigin = "http://localhost:3001"

// clientCalls is what that client calls, page by page, and every field it reads in the answers: the table of the wire contract
// without its row for language models. Where the client takes the first of several names, all of them are here. A field is
// path:type; [] goes through a list, which must not be empty; ? allows null beside the type. Names in the path of a call are
// those of the test's own services.
var clientCalls = []struct{ page, method, path, body, fields string }{
	{"login", "POST", "/api/auth/login", `{"username":"somebody","password":"anything at all"}`, "access_token:string token_type:string expires_in:int"},
	{"session", "GET", "/api/auth/me", "", "username:string role:string id:int is_active:bool email:string? full_name:string? created_at:time? last_login:time?"},
	{"dashboard", "GET", "/api/services", "", "services[].name:string services[].status:string services[].port:int? services[].description:string?"},
	{"dashboard", "GET", "/api/agents/stats", "", "total:int l1_count:int l2_count:int l3_count:int"},
	{"dashboard", "GET", "/api/knowledge/recent?limit=5", "", "files[].title:string files[].name:string files[].filename:string files[].agent:string files[].type:string files[].modified:time files[].timestamp:time"},
	{"dashboard", "GET", "/api/events", "", "events[].id:int|string events[].title:string events[].description:string events[].type:string events[].timestamp:time"},
	{"services", "GET", "/api/services", "", "services[].name:string services[].description:string? services[].status:string services[].port:int? services[].pid:int? services[].uptime_seconds:number? services[].last_run_time:time? services[].env:object"},
	{"services", "GET", "/api/services/client-web/logs?lines=500", "", "success:bool logs[]:string total_lines:int"},
	{"services", "POST", "/api/services/client-idle/start", "", "success:bool pid:int message:string"},
	{"services", "POST", "/api/services/client-idle/restart", "", "success:bool pid:int message:string"},
	{"services", "POST", "/api/services/client-idle/stop", "", "success:bool message:string"},
	{"system", "GET", "/api/system/processes", "", "count:int processes[].pid:int processes[].name:string processes[].cpu_percent:number? processes[].cpu:number? processes[].memory_percent:number processes[].memory:number processes[].status:string"},
	{"system", "GET", "/api/system/ports", "", "ports[].port:int ports[].protocol:string ports[].service:string? ports[].process:string? ports[].pid:int? ports[].status:string"},
	{"system", "GET", "/api/system/info", "", "platform:string arch:string hostname:string totalMemory:int cpuCores:int uptime:int"},
	{"knowledge", "GET", "/api/knowledge/stats", "", "total_files:int by_type.document:int by_type.video:int last_scan:time?"},
	{"knowledge", "GET", "/api/knowledge/files?page=1&limit=20&type=&sort=date_desc", "", "total:int " + clientFile("files[]")},
	{"knowledge", "POST", "/api/knowledge/search", `{"query":"light"}`, "results[].file:object " + clientFile("results[].file")},
	{"knowledge", "POST", "/api/knowledge/scan", "", "success:bool status:string message:string timestamp:time job_id:string"},
	{"agents", "GET", "/api/agents", "", "agents[].id:string agents[].name:string agents[].category:string agents[].knowledge_files:int agents[].sub_agents:int agents[].description:string"},
	{"agents", "GET", "/api/agents/stats", "", "by_level:object by_level.L1:int by_level.L2:int by_level.L3:int"},
	{"agents", "GET", "/api/agents/art-director/knowledge", "", "files[].name:string files[].filename:string files[].category:string files[].size:int"},
	// Written in the client but not shown by it.
	{"creators", "GET", "/api/knowledge/creators", "", "creators[].id:string creators[].name:string creators[].priority:string creators[].channel_url:string? creators[].channel_name:string? creators[].videos_scanned:int? creators[].last_scan:time?"},
	{"widget", "GET", "/api/knowledge/stats", "", "total_videos:int total_creators:int"},
	{"files tab", "GET", "/api/knowledge/files", "", "files[].confidence:number?"},
	{"job history", "GET", "/api/knowledge/jobs/history?limit=10", "", "total:int jobs[].id:int|string jobs[].status:string jobs[].started_at:time? jobs[].finished_at:time? jobs[].videos_processed:int jobs[].insights_extracted:int"},
}

// clientFile are the fields of a file row of the knowledge base.
func clientFile(at string) string {
	var b strings.Builder
	for f := range strings.FieldsSeq("id:string filename:string type:string size_bytes:int modified_at:time created_at:time path:string metadata:object metadata.creator:string? metadata.duration:any? metadata.has_transcript:bool") {
		b.WriteString(at + "." + f + " ")
	}
	return b.String()
}

// clientFrame are the fields of a frame of /ws.
const clientFrame = "type:string cpu.usage_percent:number cpu.usage:number memory.percent:number disk.percent:number"

func TestEveryFieldTheExistingClientReadsIsThere(t *testing.T) {
	s := newServices(t)
	port := freePort(t)
	knowledge, err := filepath.Abs("../examples/knowledge")
	if err != nil {
		t.Fatal(err)
	}
	s.add("client-web", []string{"${self}", "demo", "steady", "--port", fmt.Sprint(port)}, fmt.Sprintf("ports: [%d]", port), "description: answers on a port")
	s.yaml.WriteString("  client-idle:\n    command: [\"${self}\", demo, tree]\n")
	// Open, as the older backend was: the client logs in with whatever is typed, and sends no token afterwards.
	fmt.Fprintf(&s.yaml, "auth: {mode: open}\nknowledge:\n  roots: [{id: examples, path: %q}]\nexporter:\n  ports: {start: %d, end: %d}\n", knowledge, port, port)
	d := s.serve()
	c := existingClient{t: t, d: d}

	d.waitFor("the service writes, its port and the knowledge base are known", func() bool {
		var logs struct{ Logs []string }
		var ports struct{ Ports []struct{ Service *string } }
		var stats struct {
			Total int    `json:"total_files"`
			Last  string `json:"last_scan"`
		}
		d.json("/api/services/client-web/logs", &logs)
		d.json("/api/system/ports", &ports)
		d.json("/api/knowledge/stats", &stats)
		return len(logs.Logs) > 0 && len(ports.Ports) > 0 && ports.Ports[0].Service != nil && stats.Total > 0 && stats.Last != ""
	})
	for _, call := range clientCalls {
		answer := c.call(call.method, call.path, call.body, http.StatusOK)
		for f := range strings.FieldsSeq(call.fields) {
			if wrong := lacks(answer, f); wrong != "" {
				t.Errorf("%s: %s %s: %s", call.page, call.method, call.path, wrong)
			}
		}
		if t.Failed() {
			short, _ := json.Marshal(answer)
			t.Logf("%s %s answered %.1500s", call.method, call.path, short)
		}
	}

	// What one running service shows is no null.
	all := c.call("GET", "/api/services", "", http.StatusOK)
	for _, row := range all["services"].([]any) {
		row := row.(map[string]any)
		if row["name"] != "client-web" {
			continue
		}
		for f := range strings.FieldsSeq("description:string port:int pid:int uptime_seconds:number last_run_time:time env.E2E_SERVICE:string") {
			if wrong := lacks(row, f); wrong != "" {
				t.Errorf("of the running service: %s", wrong)
			}
		}
		if row["status"] != "running" {
			t.Errorf("its status is %v", row["status"])
		}
	}
	// The client calls string methods on detail.
	for f := range strings.FieldsSeq("detail:string error:string success:bool") {
		for path, status := range map[string]int{"/api/services/nobody/start": http.StatusNotFound, "/api/services/client-web/start": http.StatusConflict} {
			if wrong := lacks(c.call("POST", path, "", status), f); wrong != "" {
				t.Errorf("POST %s: %s", path, wrong)
			}
		}
		if wrong := lacks(c.call("GET", "/api/services/client-web/logs?lines=0", "", http.StatusUnprocessableEntity), f); wrong != "" {
			t.Errorf("a wrong number of lines: %s", wrong)
		}
	}

	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.url, "http")+"/ws", http.Header{"Origin": {clientOrigin}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	for range 2 {
		var frame map[string]any
		if err := ws.ReadJSON(&frame); err != nil {
			t.Fatal(err)
		}
		for f := range strings.FieldsSeq(clientFrame) {
			if wrong := lacks(frame, f); wrong != "" {
				t.Errorf("/ws: %s", wrong)
			}
		}
		if frame["type"] != "system_stats" {
			t.Errorf("/ws: type %v", frame["type"])
		}
	}
}

// existingClient calls as a page of the client's origin in a browser does.
type existingClient struct {
	t *testing.T
	d *daemon
}

func (c existingClient) call(method, path, body string, status int) map[string]any {
	c.t.Helper()
	for _, m := range []string{http.MethodOptions, method} {
		req, err := http.NewRequest(m, c.d.url+path, strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Origin", clientOrigin)
		if m == http.MethodOptions {
			req.Header.Set("Access-Control-Request-Method", method)
			req.Header.Set("Access-Control-Request-Headers", "content-type")
		} else {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); err != nil || got != clientOrigin {
			c.t.Errorf("%s %s: %v, pages of %q may read it, want %s", m, path, err, got, clientOrigin)
		}
		if m == http.MethodOptions {
			if resp.StatusCode/100 != 2 {
				c.t.Errorf("the question before %s %s: %d %s", method, path, resp.StatusCode, raw)
			}
			continue
		}
		if resp.StatusCode != status {
			c.t.Errorf("%s %s: %d %s, want %d", method, path, resp.StatusCode, raw, status)
		}
		var answer map[string]any
		if err := json.Unmarshal(raw, &answer); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
		return answer
	}
	return nil
}

// lacks says what is wrong with a field, path:type as in clientCalls; nothing when it is as it should be.
func lacks(in any, field string) string {
	path, want, _ := strings.Cut(field, ":")
	want, nullable := strings.CutSuffix(want, "?")
	var walk func(v any, rest, at string) string
	walk = func(v any, rest, at string) string {
		if rest == "" {
			if v == nil && nullable {
				return ""
			}
			for kind := range strings.SplitSeq(want, "|") {
				if isKind(v, kind) {
					return ""
				}
			}
			return fmt.Sprintf("%s is %v (%T), want %s", at, v, v, want)
		}
		if list, ok := strings.CutPrefix(rest, "[]"); ok {
			all, ok := v.([]any)
			if !ok || len(all) == 0 {
				return fmt.Sprintf("%s is %v (%T), want a list with something in it", at, v, v)
			}
			for i, e := range all {
				if wrong := walk(e, strings.TrimPrefix(list, "."), fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
					return wrong
				}
			}
			return ""
		}
		name := rest
		if i := strings.IndexAny(rest, ".["); i >= 0 {
			name = rest[:i]
		}
		object, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v (%T), want an object", at, v, v)
		}
		value, ok := object[name]
		at = strings.TrimPrefix(at+"."+name, ".")
		if !ok {
			return at + " is missing"
		}
		return walk(value, strings.TrimPrefix(rest[len(name):], "."), at)
	}
	return walk(in, path, "")
}

func isKind(v any, kind string) bool {
	switch kind {
	case "any":
		return v != nil
	case "string":
		_, ok := v.(string)
		return ok
	case "bool":
		_, ok := v.(bool)
		return ok
	case "number":
		_, ok := v.(float64)
		return ok
	case "int":
		n, ok := v.(float64)
		return ok && n == math.Trunc(n)
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "time": // with an explicit zone: browsers read one without as local
		s, ok := v.(string)
		_, err := time.Parse(time.RFC3339Nano, s)
		return ok && err == nil
	}
	return false
}

func TestLacksTellsWhatIsMissing(t *testing.T) {
	var v any
	_ = json.Unmarshal([]byte(`{"a":[{"b":1,"c":null},{"b":1.5,"c":"x"}],"e":[],"t":"2026-01-02T03:04:05"}`), &v)
	for field, fine := range map[string]bool{
		"a[].b:number": true, "a[].b:int": false, "a[].c:string?": true, "a[].c:string": false, "a[].d:any?": false, "e[].b:int": false, "a.b:int": false, "t:string": true, "t:time": false, "a[].c:int|string?": true,
	} {
		if got := lacks(v, field); (got == "") != fine {
			t.Errorf("%s: %q", field, got)
		}
	}
}
