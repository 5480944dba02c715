package api

import "testing"

func TestLiveStreamCarriesTheMachineAndTheServices(t *testing.T) {
	p := startPlant(t, nil)
	p.define(shell("web", "exec sleep 1000", ""))
	c := p.dial("/api/live")
	seen := map[any]int{}
	running := false
	hear := func() {
		m := next(t, c)
		seen[m["type"]]++
		if m["type"] == "service_status" {
			running = at(t, m, "services", 1, "status") == "running"
		}
	}
	for range 2 { // the first of both at once
		hear()
	}
	if seen["system_stats"] != 1 || seen["service_status"] != 1 {
		t.Fatalf("the first two frames were %v", seen)
	}
	p.want(200, "POST", "/api/services/web/start", "")
	for i := 0; i < 100 && (!running || seen["system_stats"] < 3); i++ {
		hear()
	}
	if !running || seen["system_stats"] < 3 {
		t.Errorf("running %v, frames %v", running, seen)
	}
	wantProblem(t, p.get("/api/live"), 426, "WebSocket")
}

func TestLiveStreamWithoutServices(t *testing.T) {
	s := start(t, nil, nil)
	c := s.dial("/api/live")
	for range 3 {
		wantAt(t, next(t, c), "system_stats", "type")
	}
}

func TestUsageOfServicesIsBySum(t *testing.T) {
	p := startPlant(t, nil)
	m := p.want(200, "GET", "/api/services/usage", "")
	if services, ok := m["services"].(map[string]any); !ok || m["timestamp"] == nil {
		t.Errorf("got %v %v", services, m)
	}
	if m["history"] != nil {
		t.Errorf("a past that nobody asked for: %v", m["history"])
	}
	past, _ := p.want(200, "GET", "/api/services/usage?since=900", "")["history"].(map[string]any)
	if _, ok := past["timestamps"].([]any); !ok {
		t.Errorf("the past is %v", past)
	}
	for _, wrong := range []string{"0", "901", "yesterday"} {
		wantProblem(t, p.get("/api/services/usage?since="+wrong), 422, "since")
	}
	s := start(t, nil, nil)
	wantProblem(t, s.get("/api/services/usage"), 503, "controls no services")
}
