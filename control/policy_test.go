package control

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// effective fills in a definition given as JSON without its name.
func effective(t testing.TB, text string) *Spec {
	t.Helper()
	s, err := ParseSpec([]byte(text))
	if err == nil {
		if s.ID == "" {
			s.ID = "svc"
		}
		s, err = s.Effective()
	}
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crashes plays ends of the given lengths of run and writes down what the policy says to each.
func crashes(s *Spec, ok bool, ran ...time.Duration) string {
	now, k := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), streak{}
	var got []string
	for _, d := range ran {
		now = now.Add(d)
		var v verdict
		var wait time.Duration
		v, wait, k = s.decide(k, runEnd{now: now, ran: d, ok: ok, draw: 0.5})
		now = now.Add(wait)
		switch v {
		case later:
			got = append(got, wait.String())
		case again:
			got = append(got, "now")
		default:
			got = append(got, v.String())
		}
	}
	return strings.Join(got, " ")
}

func TestRestartPolicy(t *testing.T) {
	short, long := time.Second, 11*time.Second
	repeat := func(d time.Duration, n int) (all []time.Duration) {
		for range n {
			all = append(all, d)
		}
		return all
	}
	for _, c := range []struct {
		name, spec string
		ok         bool
		ran        []time.Duration
		want       string
	}{
		{"grows to its cap", `{"restart": {"max": "6s", "limit": {"attempts": 0}}}`, false, repeat(short, 6), "1s 2s 4s 6s 6s 6s"},
		{"recovers after a healthy run", `{"restart": {"limit": {"attempts": 0}}}`, false, []time.Duration{short, short, long, short}, "1s 2s now 1s"},
		{"healthy runs restart at once", `{"restart": {"limit": {"attempts": 0}}}`, false, repeat(long, 3), "now now now"},
		{"gives up at the limit", `{"restart": {"limit": {"attempts": 3}}}`, false, repeat(short, 4), "1s 2s 4s given up"},
		{"healthy runs count for the limit", `{"restart": {"limit": {"attempts": 2}}}`, false, repeat(long, 3), "now now given up"},
		{"old restarts do not count", `{"restart": {"limit": {"attempts": 2, "window": "1m"}}}`, false, repeat(40*time.Second, 5), "now now now now now"},
		{"no restart", `{"restart": {"policy": "no"}}`, false, repeat(short, 1), "given up"},
		{"no restart needed", `{"restart": {"policy": "on-failure"}}`, true, repeat(short, 1), "done"},
		{"always restarts a success", `{"restart": {"policy": "always"}}`, true, repeat(short, 2), "1s 2s"},
		{"unless-stopped restarts a success", `{"restart": {"policy": "unless-stopped"}}`, true, repeat(long, 1), "now"},
		{"a failed job stays failed", `{"type": "job"}`, false, repeat(short, 1), "given up"},
		{"a job is retried", `{"type": "job", "schedule": {"every": "1h", "retries": 2}}`, false, repeat(long, 3), "1s 2s given up"},
		{"a job ends well", `{"type": "job", "schedule": {"every": "1h", "retries": 2}}`, true, repeat(short, 1), "done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := effective(t, strings.Replace(c.spec, "{", `{"command": ["x"], `, 1))
			if got := crashes(s, c.ok, c.ran...); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestJitterStaysWithinItsShare(t *testing.T) {
	r := effective(t, `{"command": ["x"], "restart": {"jitter": 0.2}}`).Restart
	for draw, want := range map[float64]string{0: "800ms", 0.5: "1s", 1: "1.2s"} {
		if got := fmt.Sprint(r.delay(1, draw)); got != want {
			t.Errorf("draw %g: got %s, want %s", draw, got, want)
		}
	}
	if got := r.delay(5000, 0.5); got != time.Minute {
		t.Errorf("5000th restart: got %s, want the cap of 1m", got)
	}
}
