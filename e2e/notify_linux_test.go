package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// inbox is an outside party that takes webhooks; now and then it is unwell.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	well   bool // it always answers
	events map[uint64]int
	total  int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{events: map[uint64]int{}}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		switch n := rand.IntN(10); {
		case err != nil:
			return
		case in.well:
		case n == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case n == 1: // it took the message, but its answer is lost
			defer panic(http.ErrAbortHandler)
		}
		var m struct {
			Items []struct {
				Event     uint64 `json:"event"`
				EventType string `json:"event_type"`
			} `json:"items"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%v in %s", err, body)
		}
		for _, it := range m.Items {
			if it.EventType == "service.crashed" {
				in.events[it.Event]++
				in.total++
			}
		}
	}))
	t.Cleanup(in.Close)
	return in
}

// crashes returns the numbers of all crashes in the history.
func (d *daemon) crashes() map[uint64]bool {
	d.t.Helper()
	out := map[uint64]bool{}
	for before := uint64(0); ; {
		var page struct {
			Events []struct {
				ID   uint64 `json:"id"`
				Kind string `json:"kind"`
			} `json:"events"`
			Next *uint64 `json:"next"`
		}
		path := "/api/events?limit=1000&part=service"
		if before > 0 {
			path += fmt.Sprintf("&before=%d", before)
		}
		d.json(path, &page)
		for _, e := range page.Events {
			if e.Kind == "service.crashed" {
				out[e.ID] = true
			}
		}
		if page.Next == nil {
			return out
		}
		before = *page.Next
	}
}

// The daemon is killed again and again while services crash and the receiver is unwell. Each crash that is in the history must
// have reached the receiver.
func TestKilledDaemonLosesNoNotification(t *testing.T) {
	rounds := 30
	if os.Getenv("CC_SOAK") != "" {
		rounds = 1000
	}
	if testing.Short() {
		rounds = 5
	}
	in := newInbox(t)
	s := newServices(t)
	for i := range 3 {
		s.add(fmt.Sprintf("storm%d", i), []string{"sh", "-c", "sleep 0.0" + fmt.Sprint(i+2) + "; exit 3"}, "restart: {policy: always, initial: 20ms, max: 50ms, limit: {attempts: 0}}")
	}
	fmt.Fprintf(&s.yaml, "notify:\n  group_wait: 20ms\n  group_interval: 20ms\n  channels: {inbox: {url: %q}}\n  rules: {defaults: false, enable: [service_crashed]}\n", in.URL+"/in")
	d := s.serve()
	for range rounds {
		had := len(d.crashes())
		d.waitFor("crashes in this life", func() bool { return len(d.crashes()) > had })
		// At any moment of the work: between an event and its notification, in the middle of an attempt, before it is noted.
		select {
		case <-d.done:
			t.Fatalf("the daemon ended by itself: %s", d.log)
		case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
		}
		d.kill()
		d = s.serve()
	}
	for i := range 3 {
		d.post(fmt.Sprintf("/api/services/storm%d/stop", i))
	}
	in.mu.Lock()
	in.well = true
	in.mu.Unlock()
	var all map[uint64]bool
	var missing []uint64
	d.waitFor("every crash to arrive", func() bool {
		all = d.crashes()
		in.mu.Lock()
		defer in.mu.Unlock()
		missing = slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(id uint64) bool { return in.events[id] > 0 })
		return len(missing) == 0 && len(all) >= rounds
	})
	in.mu.Lock()
	for id := range in.events {
		if !all[id] {
			t.Errorf("event %d was told and is not in the history", id)
		}
	}
	t.Logf("%d kills, %d crashes, all told; %d told more than once in %d", rounds, len(all), in.total-len(in.events), in.total)
	in.mu.Unlock() // the inbox takes what is still to come
	var pending struct {
		Notifications []any `json:"notifications"`
	}
	d.waitFor("an empty outbox", func() bool {
		d.json("/api/notifications?state=pending", &pending)
		return len(pending.Notifications) == 0
	})
	if _, body := d.get("/metrics"); !strings.Contains(string(body), "controlcenter_notify_events_lost_total 0\n") {
		t.Error("events were lost, or the metric is missing")
	}
}

func (d *daemon) post(path string) {
	d.t.Helper()
	resp, err := http.Post(d.url+path, "application/json", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		d.t.Fatalf("POST %s: %d %s", path, resp.StatusCode, body)
	}
}

// A crash is told within seconds by the defaults, and a reload puts another channel in force.
func TestCrashOfAServiceIsToldByTheDefaults(t *testing.T) {
	first, second := newInbox(t), newInbox(t)
	first.well, second.well = true, true
	s := newServices(t)
	s.add("web", []string{"sh", "-c", "sleep 1000"})
	channels := func(in *inbox) string {
		return "notify: {channels: {ops: {url: \"http://${INBOX}/in\"}, other: {url: \"" + in.URL + "\"}}}\n"
	}
	write(t, s.conf, s.yaml.String()+channels(first))
	d := serve(t, launch{dir: s.dir, addr: s.addr, args: []string{"--config.file=" + s.conf}, env: []string{"INBOX=" + strings.TrimPrefix(first.URL, "http://")}})
	crash := func() time.Time {
		var st struct {
			PID int `json:"pid"`
		}
		d.waitFor("the service", func() bool { d.json("/api/services/web", &st); return st.PID > 0 })
		p, err := os.FindProcess(st.PID)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	told := func(in *inbox) int { in.mu.Lock(); defer in.mu.Unlock(); return in.total }
	at := crash()
	d.waitFor("the crash on both channels", func() bool { return told(first) == 2 })
	t.Logf("told %.1f s after the kill", time.Since(at).Seconds())
	write(t, s.conf, s.yaml.String()+channels(second))
	d.post("/-/reload")
	var list struct {
		Channels []struct {
			Name, URL string
		} `json:"channels"`
	}
	d.json("/api/notify/channels", &list)
	if len(list.Channels) != 2 || list.Channels[1].URL != second.URL+"/********" {
		t.Errorf("after the reload: %+v", list)
	}
	d.post("/api/notify/channels/other/test")
	write(t, s.conf, s.yaml.String()+"notify: {channels: {ops: {url: \"http://${NOSUCH}/in\"}}}\n")
	resp, err := http.Post(d.url+"/-/reload", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "notify.channels.ops.url: the environment has no variable NOSUCH") {
		t.Errorf("a bad channel: %d %s", resp.StatusCode, body)
	}
}
