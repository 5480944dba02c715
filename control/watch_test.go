package control

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFailedLivenessRestarts(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	bubble(t, map[string]string{"a": `{"restart": {"jitter": 0}, "probes": {"liveness": {"tcp": "` + address + `", "interval": "5s", "failure": 2}}}`}, func(r *rig) {
		r.f.does("a", behaviour{ignoreTerm: true}, behaviour{})
		r.must("start a")
		r.wait(time.Minute)
		r.is("a running")
		if p := r.status("a").Probes["liveness"]; !p.Well || !p.OK {
			t.Errorf("probe: %+v", p)
		}
		l.Close()
		r.wait(6 * time.Second) // one failure is not enough
		r.is("a running")
		r.wait(5 * time.Second)
		r.is("a stopping")
		r.wait(10 * time.Second) // its grace; the run was a healthy one, so the restart is immediate
		r.is("a running")
		st := r.status("a")
		if st.Starts != 2 || st.Restarts != 1 || st.LastExit.Result != ResultUnhealthy || !strings.HasPrefix(st.LastExit.Reason, "its liveness probe failed: ") {
			t.Errorf("%+v %+v", st, st.LastExit)
		}
		if got, want := r.results("a"), "command:unhealthy restart:running"; got != want {
			t.Errorf("runs: got %q, want %q", got, want)
		}
		r.wait(time.Hour)
		r.is("a failed") // it stays closed: the window limit ends it
	})
}

func TestReadinessDecidesOverHealthOnly(t *testing.T) {
	l := listen(t)
	bubble(t, map[string]string{"a": `{"probes": {"readiness": {"tcp": "` + l.Addr().String() + `", "interval": "5s", "failure": 3}}}`}, func(r *rig) {
		r.must("start a")
		r.wait(time.Second)
		if h := r.status("a").Health; h != Healthy {
			t.Errorf("got %s", h)
		}
		l.Close()
		r.wait(11 * time.Second)
		if h := r.status("a").Health; h != Healthy {
			t.Errorf("after two failures of three: got %s", h)
		}
		r.wait(5 * time.Second)
		if st := r.status("a"); st.Health != Unhealthy || st.State != Running || st.Starts != 1 {
			t.Errorf("after three: %+v", st)
		}
		if got, want := r.history("a"), "start started healthy up unhealthy"; got != want && got != "start started up healthy unhealthy" {
			t.Errorf("history: got %q, want %q", got, want)
		}
	})
}

func TestStartupHoldsTheOtherProbesBack(t *testing.T) {
	bubble(t, map[string]string{
		"a": `{"restart": {"jitter": 0, "limit": {"attempts": 1}}, "probes": {"startup": {"log": "loaded", "interval": "2s", "failure": 10}, "readiness": {"log": "ready", "interval": "1s"}}}`,
	}, func(r *rig) {
		r.must("start a")
		r.is("a starting")
		r.say("a", "ready")
		r.wait(10 * time.Second)
		if st := r.status("a"); st.State != Starting || st.Health != HealthUnknown || !st.Settled {
			t.Errorf("before it is loaded: %+v", st)
		}
		r.say("a", "loaded")
		r.wait(3 * time.Second)
		if st := r.status("a"); st.State != Running || st.Health != Healthy {
			t.Errorf("after: %+v", st)
		}
		r.mu.Lock()
		clear(r.lines)
		r.mu.Unlock()
		r.must("restart a")
		r.wait(19 * time.Second) // ten failures, two seconds apart
		if st := r.status("a"); st.Starts != 3 || st.LastExit.Result != ResultUnhealthy || st.LastExit.Reason != `its startup probe failed: no line has matched "loaded" yet; killed by SIGTERM` {
			t.Errorf("never loaded: %+v %+v", st, st.LastExit)
		}
		r.wait(time.Minute)
		r.is("a failed")
	})
}

func TestStartWaitsForReadiness(t *testing.T) {
	bubble(t, map[string]string{"a": `{"probes": {"readiness": {"log": "ready", "interval": "1s"}}}`, "plain": `{}`}, func(r *rig) {
		time.AfterFunc(4500*time.Millisecond, func() { r.say("a", "ready") })
		start := func(name string) (time.Duration, error) {
			begin := time.Now()
			_, err := r.Do(r.t.Context(), Command{Service: name, Verb: VerbStart, Wait: WaitReady})
			return time.Since(begin), err
		}
		if took, err := start("a"); err != nil || took != 4600*time.Millisecond { // its line is looked for between the questions too
			t.Errorf("took %s, %v, want 4.6s", took, err)
		}
		if took, err := start("plain"); err != nil || took != settleTime {
			t.Errorf("without probes: took %s, %v", took, err)
		}
		r.must("stop a")
		r.mu.Lock()
		clear(r.lines)
		r.mu.Unlock()
		if took, err := start("a"); !errors.Is(err, ErrTimeout) || took != readyTime {
			t.Errorf("never ready: took %s, %v, want a timeout after %s", took, err, readyTime)
		}
		r.is("a running")
	})
}

func TestWatchdogAndNotify(t *testing.T) {
	bubble(t, map[string]string{"a": `{"watchdog": "10s", "restart": {"jitter": 0}, "probes": {"startup": {"notify": true, "interval": "1s", "failure": 100}}}`}, func(r *rig) {
		r.must("start a")
		r.wait(5 * time.Second)
		r.is("a starting")
		r.Notify("A", "STATUS=loading\nREADY=1\n")
		r.wait(time.Second)
		r.is("a running")
		for range 5 {
			r.wait(8 * time.Second)
			r.Notify("a", "WATCHDOG=1")
		}
		r.is("a running")
		if n := r.f.times("a"); n != 1 {
			t.Errorf("%d launches", n)
		}
		r.wait(11 * time.Second)
		if st := r.status("a"); st.Starts != 2 || !strings.HasPrefix(st.LastExit.Reason, "no sign of life for 10s") {
			t.Errorf("%+v %+v", st, st.LastExit)
		}
		r.is("a starting") // the notice of the old run does not count for the new one
	})
}

func TestTooMuchMemoryRestarts(t *testing.T) {
	bubble(t, map[string]string{"a": `{"limits": {"restart_above": "1GiB"}}`}, func(r *rig) {
		var use atomic.Int64
		var measured atomic.Pointer[time.Time] // nil = now
		use.Store(100)
		r.edit = func(o *Options) {
			o.Resources = func(string) (Resources, bool) {
				at := time.Now()
				if m := measured.Load(); m != nil {
					at = *m
				}
				return Resources{ResidentBytes: float64(use.Load() << 20), At: at}, true
			}
		}
		r.restart(nil)
		r.must("start a")
		r.wait(time.Minute)
		if n := r.f.times("a"); n != 1 {
			t.Fatalf("%d launches", n)
		}
		use.Store(1500)
		r.wait(6 * time.Second)
		if st := r.status("a"); st.LastExit == nil || !strings.HasPrefix(st.LastExit.Reason, "its memory is 1500 MiB, above 1GiB") {
			t.Errorf("%+v %+v", st, st.LastExit)
		}
		ended := r.status("a").LastExit.At
		measured.Store(&ended) // an idle machine is measured seldom: this is still of the run before
		r.wait(time.Minute)
		if n := r.f.times("a"); n != 2 {
			t.Errorf("%d launches", n)
		}
	})
}
