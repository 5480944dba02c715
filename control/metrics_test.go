package control

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsAreThereBeforeTheFirstCrashAndCountOn(t *testing.T) {
	bubble(t, map[string]string{
		"a": `{"ports": [8188, 8189], "display_name": "A", "restart": {"jitter": 0}, "probes": {"readiness": {"log": "ready", "interval": "1s"}}}`,
		"j": `{"type": "job", "schedule": {"every": "1h"}}`,
	}, func(r *rig) {
		r.edit = func(o *Options) {
			o.Resources = func(string) (Resources, bool) {
				return Resources{CPUSeconds: 12.5, ResidentBytes: 4096, OpenFDs: 7, Processes: 2}, true
			}
			o.LogCounts = func(string) (LogCounts, bool) { return LogCounts{Bytes: 100, Lines: 10, Dropped: 0}, true }
			o.PortOwner = func(uint16) (string, bool) { return "", false }
			o.Listening = func(port uint16) (bool, bool) { return port == 8188, port != 8189 }
		}
		r.restart(nil)
		compare := func(want string, names ...string) {
			t.Helper()
			if err := testutil.CollectAndCompare(r.Collector(), strings.NewReader(strings.ReplaceAll(want, "\t", "")), names...); err != nil {
				t.Error(err)
			}
		}
		text := func(name, kind, help string) string {
			return "# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n"
		}
		crashesHead := text("controlcenter_service_crashes_total", "counter", "Ends that nobody asked for, by a signal or with a code that is no success code, since the service was defined.")
		jobHead := text("controlcenter_job_runs_total", "counter", "Runs of a job by how they ended, since it was defined.")
		compare(crashesHead+`controlcenter_service_crashes_total{service="a"} 0
			controlcenter_service_crashes_total{service="j"} 0
			`, "controlcenter_service_crashes_total")
		compare(jobHead+`controlcenter_job_runs_total{job="j",result="failure"} 0
			controlcenter_job_runs_total{job="j",result="not_started"} 0
			controlcenter_job_runs_total{job="j",result="skipped"} 0
			controlcenter_job_runs_total{job="j",result="stopped"} 0
			controlcenter_job_runs_total{job="j",result="success"} 0
			controlcenter_job_runs_total{job="j",result="timeout"} 0
			controlcenter_job_runs_total{job="j",result="unknown"} 0
			`, "controlcenter_job_runs_total")
		r.say("a", "ready")
		r.must("start a")
		r.wait(time.Minute)
		r.f.crash("a", 7)
		r.wait(2 * time.Second)
		compare(crashesHead+`controlcenter_service_crashes_total{service="a"} 1
			controlcenter_service_crashes_total{service="j"} 0
			`, "controlcenter_service_crashes_total")
		want := map[string]string{
			"controlcenter_service_up": "a 1 j 0", "controlcenter_service_wanted": "a 1 j 0", "controlcenter_service_starts_total": "a 2 j 0", "controlcenter_service_restarts_total": "a 1 j 0",
			"controlcenter_service_last_exit_code": "a 7", "controlcenter_service_healthy": "a 1", "controlcenter_service_cpu_seconds_total": "a 12.5", "controlcenter_service_processes": "a 2",
			"controlcenter_service_log_lines_total": "a 10 j 10", "controlcenter_service_port_listening": "a 1", "controlcenter_service_probe_success": "a 1",
		}
		reg := prometheus.NewRegistry()
		if err := reg.Register(r.Collector()); err != nil {
			t.Fatal(err)
		}
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		states, seen := 0, 0
		for _, mf := range all {
			var got []string
			for _, m := range mf.GetMetric() {
				v := m.GetGauge().GetValue() + m.GetCounter().GetValue()
				for _, l := range m.GetLabel() {
					if l.GetName() == "service" {
						got = append(got, l.GetValue(), strconv.FormatFloat(v, 'g', -1, 64))
					}
				}
				if mf.GetName() == "controlcenter_service_state" && v == 1 {
					states++
				}
				if mf.GetName() == "controlcenter_service_restart_duration_seconds" && m.GetHistogram().GetSampleCount() != 1 {
					t.Errorf("%d restarts timed, want 1", m.GetHistogram().GetSampleCount())
				}
			}
			if w, ok := want[mf.GetName()]; ok {
				seen++
				if g := strings.Join(got, " "); g != w {
					t.Errorf("%s: got %q, want %q", mf.GetName(), g, w)
				}
			}
		}
		if seen != len(want) || states != 2 {
			t.Errorf("%d of %d families seen; %d states are 1, want one for each service", seen, len(want), states)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
		r.restart(nil)
		compare(crashesHead+`controlcenter_service_crashes_total{service="a"} 1
			controlcenter_service_crashes_total{service="j"} 0
			`, "controlcenter_service_crashes_total")
	})
}
