package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
)

// What a service takes is there from before anybody asked: a page opens with a curve.
func TestUsageOfServicesHasAPast(t *testing.T) {
	s := newServices(t)
	s.add("busy", []string{"sh", "-c", "while :; do :; done"})
	s.add("ends", []string{"true"})
	d := s.serve()
	var got struct {
		Services map[string]struct {
			Memory    float64
			Processes int
		}
		History struct {
			Timestamps []int64
			Services   map[string]struct {
				CPU    []*float64 `json:"cpu_percent"`
				Memory []*float64
			}
		}
	}
	d.waitFor("two points of a busy service", func() bool {
		code, body := d.get("/api/services/usage?since=900")
		if code != http.StatusOK {
			t.Fatalf("%d %s", code, body)
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		points := 0
		for _, cpu := range got.History.Services["busy"].CPU {
			if cpu != nil && *cpu > 0 {
				points++
			}
		}
		return points >= 2
	})
	h := got.History
	for name, c := range h.Services {
		if len(c.CPU) != len(h.Timestamps) || len(c.Memory) != len(h.Timestamps) {
			t.Errorf("%s: %d and %d values for %d times", name, len(c.CPU), len(c.Memory), len(h.Timestamps))
		}
	}
	for i := 1; i < len(h.Timestamps); i++ {
		if h.Timestamps[i] <= h.Timestamps[i-1] {
			t.Errorf("times do not rise: %v", h.Timestamps)
		}
	}
	if last := h.Services["busy"].Memory[len(h.Timestamps)-1]; last == nil || *last <= 0 {
		t.Errorf("memory of the newest point: %v", last)
	}
	if now := got.Services["busy"]; now.Processes != 1 || now.Memory <= 0 {
		t.Errorf("now: %+v", now)
	}
	if _, there := got.Services["ends"]; there {
		t.Error("a service without a process takes something")
	}
}
