package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// readEvents calls f for each event of a stream until it says stop or the stream ends.
func readEvents(t *testing.T, res *http.Response, f func(name string, frame map[string]any) (stop bool)) {
	t.Helper()
	defer res.Body.Close()
	name := ""
	for sc := bufio.NewScanner(res.Body); sc.Scan(); {
		line := sc.Text()
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var frame map[string]any
			if err := json.Unmarshal([]byte(data), &frame); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if f(name, frame) {
				return
			}
		}
	}
}

func (k *knowledgeSite) events(query string) *http.Response {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), "GET", k.url+"/api/knowledge/events"+query, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	res, err := k.http.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" || res.Header.Get("Content-Encoding") != "" {
		k.t.Fatalf("%d %s", res.StatusCode, ct)
	}
	return res
}

func (k *knowledgeSite) socket(query string) *websocket.Conn {
	k.t.Helper()
	conn, res, err := websocket.DefaultDialer.DialContext(k.t.Context(), "ws"+strings.TrimPrefix(k.url, "http")+"/api/knowledge/ws"+query, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	_ = res.Body.Close()
	k.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	return conn
}

func TestProgressOfScansIsStreamed(t *testing.T) {
	k := startKnowledge(t, nil)
	res, conn := k.events(""), k.socket("?client_id=ignored")
	_ = conn.WriteJSON(map[string]string{"type": "subscribe"}) // clients say things that nobody asked for
	waitFor(t, "both to listen", func() bool { return k.bus.Subscribers() == 2 })
	id := k.send("POST", "/api/knowledge/scan?force_rescan=true", "").done(t)["job_id"].(string)

	statuses, changed := map[string]bool{}, false
	note := func(name string, f map[string]any) bool {
		switch name {
		case "knowledge_scan":
			job := f["job"].(map[string]any)
			if job["id"] != id || f["timestamp"] == nil || job["files_seen"] == nil || job["eta_seconds"] != nil && job["status"] != "running" {
				t.Errorf("frame %v", f)
			}
			statuses[job["status"].(string)] = true
		case "knowledge_changed":
			changed = changed || f["put"].(float64) > 0
		default:
			t.Errorf("%s %v", name, f)
		}
		return statuses["completed"]
	}
	readEvents(t, res, note)
	if !statuses["running"] || !changed {
		t.Errorf("events: %v, changed %v", statuses, changed)
	}
	clear(statuses)
	changed = false
	for {
		var f map[string]any
		if err := conn.ReadJSON(&f); err != nil {
			t.Fatal(err)
		}
		if note(f["type"].(string), f) {
			break
		}
	}
	if !statuses["running"] || !changed {
		t.Errorf("frames: %v, changed %v", statuses, changed)
	}

	// Of one scan that has ended: its end, then the end of the stream.
	var names []string
	readEvents(t, k.events("?job="+id), func(name string, _ map[string]any) bool {
		names = append(names, name)
		return false
	})
	if got := strings.Join(names, " "); got != "knowledge_scan end" {
		t.Errorf("events of a scan that has ended: %s", got)
	}
	one := k.socket("?job=" + id)
	var f map[string]any
	if err := one.ReadJSON(&f); err != nil || at(t, f, "job", "status") != "completed" {
		t.Errorf("%v %v", f, err)
	}
	if _, _, err := one.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after the end: %v", err)
	}
	wantProblem(t, k.get("/api/knowledge/ws?job=none", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), 404, "Job 'none' not found.")
}

func TestStreamsOfKnowledgeEndWithTheServer(t *testing.T) {
	k := startKnowledge(t, nil)
	res, conn := k.events(""), k.socket("")
	waitFor(t, "both to listen", func() bool { return k.bus.Subscribers() == 2 })
	k.CloseStreams()
	readEvents(t, res, func(string, map[string]any) bool { return false })
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("got %v", err)
	}
	waitFor(t, "subscriptions to end", func() bool { return k.bus.Subscribers() == 0 })
	wantProblem(t, k.get("/api/knowledge/events"), 503, "streams are closed")
	waitFor(t, "places to be given back", func() bool {
		k.hub.caps.mu.Lock()
		defer k.hub.caps.mu.Unlock()
		return k.hub.caps.n == 0
	})
}

func TestClientThatGoesEndsItsStream(t *testing.T) {
	k := startKnowledge(t, nil)
	res, conn := k.events(""), k.socket("")
	waitFor(t, "both to listen", func() bool { return k.bus.Subscribers() == 2 })
	_ = res.Body.Close()
	_ = conn.Close()
	waitFor(t, "subscriptions to end", func() bool { return k.bus.Subscribers() == 0 })
}
