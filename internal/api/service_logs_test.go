//go:build unix

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestLogsAreReadFilteredAndPaged(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", `i=0; while [ $i -lt 20 ]; do echo "line $i"; i=$((i+1)); done; echo "bad thing: error" >&2; printf 'a\033[31mred\n'; exec sleep 1000`, ""))
	m := p.want(200, "GET", "/api/services/web/logs", "")
	if len(m["logs"].([]any)) != 0 || m["message"] == nil || m["total_lines"] != 0.0 {
		t.Errorf("before it wrote: %v", m)
	}
	if r := p.get("/api/services/web/logs?download=true&format=text"); r.StatusCode != 200 || len(r.body) != 0 {
		t.Errorf("download before it wrote: %d %s", r.StatusCode, r.body)
	}
	p.want(200, "POST", "/api/services/web/start", "")
	p.says("web", `a\x1b[31mred`)

	lines := func(query string) string {
		m := p.want(200, "GET", "/api/services/WEB/logs?"+query, "")
		out := []string{}
		for i, l := range m["logs"].([]any) {
			out = append(out, l.(string))
			wantAt(t, m, l, "entries", i, "text")
		}
		return strings.Join(out, ",")
	}
	for query, want := range map[string]string{
		"stream=stderr":                    "bad thing: error",
		"lines=2&stream=stdout":            "line 19,a\x1b[31mred",
		"grep=ine+1&lines=3":               "line 17,line 18,line 19",
		"grep=BAD&ignore_case=true":        "bad thing: error",
		"grep=BAD":                         "",
		"level=warn":                       "bad thing: error",
		"level=info&lines=1&stream=stdout": "a\x1b[31mred",
		"regex=%5Eline+%5B01%5D%24":        "line 0,line 1",
		"after=0&lines=3&stream=stdout":    "line 0,line 1,line 2",
		"since=1h&lines=1&grep=line":       "line 19",
		"until=1h":                         "",
		"before=0":                         "",
		"run=nope":                         "",
		"regex=LINE+19&ignore_case=on":     "",
	} {
		if query == "regex=LINE+19&ignore_case=on" {
			wantProblem(t, p.get("/api/services/web/logs?"+query), 422, "ignore_case")
			continue
		}
		if got := lines(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	// Forward and backward, page by page, each line once.
	seen, after := 0, "0"
	for range 20 {
		m = p.want(200, "GET", "/api/services/web/logs?lines=4&stream=stdout&after="+after, "")
		seen += len(m["logs"].([]any))
		after = fmt.Sprintf("%.0f", m["next"])
		if m["truncated"] != true {
			break
		}
	}
	if seen != 21 {
		t.Errorf("forward: %d lines, want 21", seen)
	}
	m = p.want(200, "GET", "/api/services/web/logs?lines=5&stream=stdout", "")
	wantAt(t, m, 22.0, "total_lines")
	wantAt(t, m, true, "truncated")
	pos := at(t, m, "entries", 0, "pos").(float64)
	if got := lines(fmt.Sprintf("lines=2&stream=stdout&before=%.0f", pos)); got != "line 14,line 15" {
		t.Errorf("backward: %q", got)
	}

	r := p.get("/api/services/web/logs?format=text&lines=2&stream=stdout")
	if r.Header.Get("Content-Type") != textType || string(r.body) != "line 19\na\\x1b[31mred\n" {
		t.Errorf("text: %s %q", r.Header.Get("Content-Type"), r.body)
	}
	r = p.get("/api/services/web/logs?format=text&download=true&stream=stdout")
	if !strings.HasSuffix(string(r.body), "line 19\na\x1b[31mred\n") || strings.Count(string(r.body), "\n") != 21 || r.Header.Get("Content-Disposition") != `attachment; filename="web.log"` {
		t.Errorf("download: %v %q", r.Header, r.body)
	}
	run := p.want(200, "GET", "/api/services/web", "")["run"].(string)
	p.want(200, "POST", "/api/services/web/restart", "")
	waitFor(t, "the second run to write", func() bool {
		return strings.Count(string(p.get("/api/services/web/logs?format=text").body), "bad thing") == 2
	})
	m = p.want(200, "GET", "/api/services/web/runs/"+run+"/logs?stream=stderr", "")
	wantAt(t, m, 1.0, "total_lines")

	for query, text := range map[string]string{
		"level=grave": "debug, info, warn, error", "lines=0": "between 1 and 10000", "lines=10001": "between 1 and 10000", "stream=both": "stdout, stderr", "format=xml": "json, text",
		"regex=(": "missing closing", "since=then": "RFC 3339", "after=x": "whole number", "after=1&before=2": "together", "download=perhaps": "true or false",
	} {
		wantProblem(t, p.get("/api/services/web/logs?"+query), 422, text)
	}
}

// events reads server-sent events of a log.
type events struct {
	t    *testing.T
	in   *bufio.Scanner
	stop context.CancelFunc
}

func (p *plant) follow(query string, headers ...string) *events {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	p.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", p.url+"/api/services/web/logs/follow"+query, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		p.t.Fatalf("follow: %d %s", res.StatusCode, ct)
	}
	p.t.Cleanup(func() { _ = res.Body.Close() })
	return &events{p.t, bufio.NewScanner(res.Body), cancel}
}

// next returns the next event: its kind, id and data.
func (e *events) next() (kind, id string, data map[string]any) {
	e.t.Helper()
	for e.in.Scan() {
		key, value, _ := strings.Cut(e.in.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				e.t.Fatal(err)
			}
		case "":
			if kind != "" {
				return kind, id, data
			}
		}
	}
	e.t.Fatalf("the stream ended: %v", e.in.Err())
	return "", "", nil
}

func (e *events) wantLine(text string) (id string) {
	e.t.Helper()
	kind, id, data := e.next()
	if n, err := strconv.ParseFloat(id, 64); kind != "line" || data["text"] != text || err != nil || data["next"] != n {
		e.t.Fatalf("got %s %s %v, want line %q", kind, id, data, text)
	}
	return id
}

// A pipe that is opened while its last writer has not closed it yet ends at once: then it is opened again.
const ticker = `echo one; echo two; until read x < "$PIPE"; do :; done; echo three; until read x < "$PIPE"; do :; done; echo four; exec sleep 1000`

// startTicker defines and starts a service that writes its third and fourth line when told to.
func startTicker(t *testing.T) (*plant, func()) {
	t.Helper()
	p := startPlant(t, nil)
	pipe := newPipe(t)
	p.define(shell("web", ticker, `,"env":{"PIPE":"`+pipe+`"}`))
	p.want(200, "POST", "/api/services/web/start", "")
	p.says("web", "two")
	return p, func() { writePipe(t, pipe) }
}

func TestFollowedLogGoesOnWhereTheClientStopped(t *testing.T) {
	p, tell := startTicker(t)
	e := p.follow("")
	e.wantLine("one")
	id := e.wantLine("two")
	tell()
	e.wantLine("three")
	e.stop()
	tell()

	e = p.follow("", "Last-Event-ID", id) // as if three had not come
	e.wantLine("three")
	id = e.wantLine("four")
	if e = p.follow("?after=" + id + "&lines=5"); true {
		p.want(200, "POST", "/api/services/web/restart", "")
		e.wantLine("one")
		e.wantLine("two")
	}
	e = p.follow("?lines=0&grep=e")
	tell()
	e.wantLine("three")
	e = p.follow("?lines=1&stream=stdout&regex=^t")
	e.wantLine("three")

	wantProblem(t, p.get("/api/services/web/logs/follow", "Last-Event-ID", "abc"), 422, "position")
	wantProblem(t, p.get("/api/services/web/logs/follow?regex=("), 422, "missing closing")
	wantProblem(t, p.get("/api/services/web/logs/follow?lines=-1"), 422, "between 0 and 10000")
	wantProblem(t, p.get("/api/services/nope/logs/follow"), 404, "nope")
}

func TestFollowedLogEndsWithTheServer(t *testing.T) {
	p, _ := startTicker(t)
	e := p.follow("?lines=1")
	e.wantLine("two")
	c := p.dial("/api/services/web/logs/ws?lines=1")
	next(t, c)
	p.CloseStreams()
	for e.in.Scan() { // until its end
	}
	_, _, err := c.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("socket ended with %v", err)
	}
	wantProblem(t, p.get("/api/services/web/logs/follow"), 503, "stopping")
}

func TestLogSocketSendsWhatIsThereAndWhatComes(t *testing.T) {
	p, tell := startTicker(t)
	c := p.dial("/api/services/WEB/logs/ws")
	m := next(t, c)
	wantAt(t, m, "log", "type")
	wantAt(t, m, "web", "service")
	wantAt(t, m, "one", "entries", 0, "text")
	wantAt(t, m, "two", "entries", 1, "text")
	wantAt(t, m, at(t, m, "entries", 1, "next"), "next")
	after := m["next"].(float64)
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	tell()
	wantAt(t, next(t, c), "three", "entries", 0, "text")

	c = p.dial(fmt.Sprintf("/api/services/web/logs/ws?after=%.0f", after))
	m = next(t, c)
	for len(m["entries"].([]any)) == 0 { // the first frame comes at once
		m = next(t, c)
	}
	wantAt(t, m, "three", "entries", 0, "text")
	c = p.dial("/api/services/web/logs/ws?grep=nothing-like-it")
	if m = next(t, c); len(m["entries"].([]any)) != 0 {
		t.Errorf("first frame: %v", m)
	}
	wantProblem(t, p.get("/api/services/web/logs/ws"), 426, "WebSocket")
	wantProblem(t, p.get("/api/services/nope/logs/ws"), 404, "nope")
	wantProblem(t, p.get("/api/services/web/logs/ws?nonsense=1"), 422, "unknown parameter")
}

func TestServiceStreamSendsAllAtOnceAndEachChange(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", "exec sleep 1000", ""))
	one, two := p.dial("/api/services/ws?token=null"), p.dial("/api/services/ws")
	for _, c := range []*websocket.Conn{one, two} {
		m := next(t, c)
		wantAt(t, m, "service_status", "type")
		wantAt(t, m, nil, "authenticated_user")
		wantAt(t, m, "filed", "services", 0, "name")
		wantAt(t, m, "stopped", "services", 1, "status")
		if m["timestamp"] == nil {
			t.Error("no timestamp")
		}
	}
	p.want(200, "POST", "/api/services/web/start", "")
	until := func(c *websocket.Conn, what string, done func(services []any) bool) {
		t.Helper()
		for range 50 {
			if done(next(t, c)["services"].([]any)) {
				return
			}
		}
		t.Errorf("no frame says %s", what)
	}
	for _, c := range []*websocket.Conn{one, two} {
		until(c, "web runs", func(s []any) bool { return at(t, s, 1, "status") == "running" && at(t, s, 1, "pid") != nil })
	}
	p.want(200, "DELETE", "/api/services/web", "")
	until(one, "web is gone", func(s []any) bool { return len(s) == 1 })
	next(t, one) // without a change, after 2 s at most
	wantProblem(t, p.get("/api/services/ws"), 426, "WebSocket")
}
