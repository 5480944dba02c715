package control

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestALogThatCannotBeWrittenIsShown(t *testing.T) {
	bubble(t, map[string]string{"a": `{}`, "b": `{}`}, func(r *rig) {
		const full = "write a.log: no space left on device"
		var fault atomic.Value
		fault.Store("")
		var unknown atomic.Bool
		r.edit = func(o *Options) {
			o.LogCounts = func(key string) (LogCounts, bool) {
				l := LogCounts{}
				if key == "a" {
					l.Fault = fault.Load().(string)
				}
				return l, !unknown.Load()
			}
		}
		r.restart(nil)
		r.must("start a", "start b")
		told := r.o.Bus.Subscribe(100, Changed{}.Topic())
		defer told.Close()

		check := func(when, want, metric string) {
			t.Helper()
			st := r.status("a")
			text, err := json.Marshal(st.Object(time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			var o map[string]any
			if err := json.Unmarshal(text, &o); err != nil {
				t.Fatal(err)
			}
			got, there := o["log_error"].(string)
			if st.LogError != want || got != want || there != (want != "") {
				t.Errorf("%s: status %q, object %q; want %q", when, st.LogError, got, want)
			}
			if other := r.status("b"); other.LogError != "" {
				t.Errorf("%s: the other service has %q", when, other.LogError)
			}
			if g := logErrors(t, r.Collector()); g != metric {
				t.Errorf("%s: metric %q, want %q", when, g, metric)
			}
		}
		check("in the beginning", "", "a 0 b 0")
		before := r.status("a")
		fault.Store(full)
		r.wait(logTime)
		check("full", full, "a 1 b 0")
		if r.status("a") == before {
			t.Error("the status is the same one: what is kept of it encoded would be shown")
		}
		seen := false
		for len(told.Events()) > 0 {
			c, ok := (<-told.Events()).Data.(Changed)
			seen = seen || ok && c.Status.LogError == full
		}
		if !seen {
			t.Error("nobody was told")
		}
		r.wait(5 * logTime)
		unknown.Store(true) // the launcher does not answer: nothing new is known
		r.wait(2 * logTime)
		check("unknown", full, "")
		unknown.Store(false)
		fault.Store("")
		r.wait(logTime)
		check("free again", "", "a 0 b 0")
		if got := r.history("a"); strings.Count(got, "log_error") != 2 || !strings.HasSuffix(got, "log_error log_error_over") {
			t.Errorf("history: %s", got)
		}

		// Who was stopped writes nothing: its last fault is none any more.
		fault.Store(full)
		r.wait(logTime)
		r.must("stop a")
		unknown.Store(true) // also when the launcher has forgotten it
		r.wait(logTime)
		check("stopped", "", "")
		unknown.Store(false)
		check("stopped, and the launcher tells its last fault", "", "a 0 b 0")
	})
}

// logErrors returns the metric as "a 0 b 1".
func logErrors(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewRegistry()
	if err := reg.Register(c); err != nil {
		t.Fatal(err)
	}
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, mf := range all {
		if mf.GetName() != "controlcenter_service_log_write_error" {
			continue
		}
		for _, m := range mf.GetMetric() {
			v := "0"
			if m.GetGauge().GetValue() == 1 {
				v = "1"
			}
			out = append(out, m.GetLabel()[0].GetValue(), v)
		}
	}
	return strings.Join(out, " ")
}
