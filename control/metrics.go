package control

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func newRestartHistogram() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:                            "controlcenter_service_restart_duration_seconds",
		Help:                            "Time from the death of a service to its new process, in seconds, with the wait of its back-off; restarts made by this process.",
		Buckets:                         []float64{.005, .01, .025, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	})
}

// family is one metric family over the published statuses. emit is called for each service.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	emit func(st *Status, m *Manager, put func(v float64, labels ...string))
}

func fam(name, help string, kind prometheus.ValueType, labels []string, emit func(*Status, *Manager, func(float64, ...string))) family {
	return family{prometheus.NewDesc(name, help, labels, nil), kind, emit}
}

func bool01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// counted are the results of runs that jobs count; each is present at 0 from the beginning.
var counted = []Result{ResultSuccess, ResultFailure, ResultTimeout, ResultStopped, ResultSkipped, ResultUnknown, ResultNotStarted}

// families is the table of all families but the histogram.
func families() []family {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	service := []string{"service"}
	job := []string{"job"}
	type put = func(float64, ...string)
	return []family{
		fam("controlcenter_service_up", "1 = the service has a process and is up.", gauge, service, func(s *Status, _ *Manager, p put) { p(bool01(s.State == Running), s.ID) }),
		fam("controlcenter_service_wanted", "1 = the service is meant to run.", gauge, service, func(s *Status, _ *Manager, p put) { p(bool01(s.Wanted), s.ID) }),
		fam("controlcenter_service_state", "State of the service: 1 for the present one, 0 for the others.", gauge, []string{"service", "state"}, func(s *Status, _ *Manager, p put) {
			for _, st := range States() {
				p(bool01(s.State == st), s.ID, st.String())
			}
		}),
		fam("controlcenter_service_info", "What the service is; always 1. port is its first one, empty if it has none.", gauge, []string{"service", "display_name", "driver", "port", "type"}, func(s *Status, _ *Manager, p put) {
			port := ""
			if len(s.Spec.Ports) > 0 {
				port = strconv.Itoa(int(s.Spec.Ports[0]))
			}
			p(1, s.ID, s.Spec.DisplayName, "local", port, string(s.Spec.Type))
		}),
		fam("controlcenter_service_start_time_seconds", "When the present process was started, in seconds since 1970; absent when there is none.", gauge, service, func(s *Status, _ *Manager, p put) {
			if s.PID != 0 {
				p(unix(s.StartedAt), s.ID)
			}
		}),
		fam("controlcenter_service_starts_total", "Processes started since the service was defined.", counter, service, func(s *Status, _ *Manager, p put) { p(float64(s.Starts), s.ID) }),
		fam("controlcenter_service_restarts_total", "Starts made by the restart policy since the service was defined.", counter, service, func(s *Status, _ *Manager, p put) { p(float64(s.Restarts), s.ID) }),
		fam("controlcenter_service_crashes_total", "Ends that nobody asked for, by a signal or with a code that is no success code, since the service was defined.", counter, service,
			func(s *Status, _ *Manager, p put) { p(float64(s.Crashes), s.ID) }),
		fam("controlcenter_service_last_exit_code", "Exit code of the last run that ended; absent when a signal ended it or nobody knows.", gauge, service, func(s *Status, _ *Manager, p put) {
			if s.LastExit != nil && s.LastExit.Code != nil {
				p(float64(*s.LastExit.Code), s.ID)
			}
		}),
		fam("controlcenter_service_last_exit_timestamp_seconds", "When the last run ended, in seconds since 1970, and how.", gauge, []string{"service", "reason"}, func(s *Status, _ *Manager, p put) {
			if s.LastExit != nil {
				p(unix(s.LastExit.At), s.ID, string(s.LastExit.Result))
			}
		}),
		fam("controlcenter_service_healthy", "What the readiness probe says: 1 healthy, 0 not; absent when nobody knows.", gauge, service, func(s *Status, _ *Manager, p put) {
			if s.Health != HealthUnknown {
				p(bool01(s.Health == Healthy), s.ID)
			}
		}),
		fam("controlcenter_service_probe_success", "Last answer of a probe: 1 well, 0 not; absent before the first.", gauge, []string{"service", "probe"}, func(s *Status, _ *Manager, p put) {
			for name, r := range s.Probes {
				p(bool01(r.OK), s.ID, name)
			}
		}),
		fam("controlcenter_service_probe_duration_seconds", "How long the last answer of a probe took, in seconds.", gauge, []string{"service", "probe"}, func(s *Status, _ *Manager, p put) {
			for name, r := range s.Probes {
				p(r.TookSeconds, s.ID, name)
			}
		}),
		fam("controlcenter_service_port_listening", "1 = somebody listens on a TCP port of the service's definition. Refreshed every 5 s; absent when the ports collector is off or fails.", gauge, []string{"service", "port"}, func(s *Status, m *Manager, p put) {
			if m.o.Listening == nil {
				return
			}
			for _, port := range s.Spec.Ports {
				if listening, known := m.o.Listening(port); known {
					p(bool01(listening), s.ID, strconv.Itoa(int(port)))
				}
			}
		}),
		resource("controlcenter_service_cpu_seconds_total", "CPU time of the service's processes, in seconds.", counter, func(r Resources) float64 { return r.CPUSeconds }),
		resource("controlcenter_service_resident_memory_bytes", "Resident memory of the service's processes, in bytes.", gauge, func(r Resources) float64 { return r.ResidentBytes }),
		resource("controlcenter_service_open_fds", "Open file descriptors of the service's processes.", gauge, func(r Resources) float64 { return r.OpenFDs }),
		resource("controlcenter_service_processes", "Processes of the service.", gauge, func(r Resources) float64 { return r.Processes }),
		logged("controlcenter_service_log_bytes_total", "Bytes the service has written to its log.", func(l LogCounts) float64 { return l.Bytes }),
		logged("controlcenter_service_log_lines_total", "Lines the service has written to its log.", func(l LogCounts) float64 { return l.Lines }),
		logged("controlcenter_service_log_dropped_total", "Lines of the service that could not be kept.", func(l LogCounts) float64 { return l.Dropped }),
		fam("controlcenter_service_log_write_error", "1 = the log of the service cannot be written (a full disk, say); with when_full: block the service then waits as soon as it writes. 0 when it has ended.", gauge, service, func(s *Status, m *Manager, p put) {
			if fault, known := m.logFault(s); known {
				p(bool01(fault != ""), s.ID)
			}
		}),
		fam("controlcenter_job_runs_total", "Runs of a job by how they ended, since it was defined.", counter, []string{"job", "result"}, func(s *Status, _ *Manager, p put) {
			if s.Job != nil {
				for _, r := range counted {
					p(float64(s.Job.Results[r]), s.ID, string(r))
				}
			}
		}),
		fam("controlcenter_job_last_success_timestamp_seconds", "When a run of the job last ended well, in seconds since 1970; absent before the first.", gauge, job, func(s *Status, _ *Manager, p put) {
			if s.Job != nil && !s.Job.LastSuccess.IsZero() {
				p(unix(s.Job.LastSuccess), s.ID)
			}
		}),
		fam("controlcenter_job_next_run_timestamp_seconds", "When the job is due next, in seconds since 1970; absent when it has no schedule.", gauge, job, func(s *Status, _ *Manager, p put) {
			if s.Job != nil && !s.Job.NextRun.IsZero() {
				p(unix(s.Job.NextRun), s.ID)
			}
		}),
	}
}

func resource(name, help string, kind prometheus.ValueType, of func(Resources) float64) family {
	return fam(name, help, kind, []string{"service"}, func(s *Status, m *Manager, p func(float64, ...string)) {
		if m.o.Resources == nil || s.PID == 0 {
			return
		}
		if r, ok := m.o.Resources(s.Key); ok {
			p(of(r), s.ID)
		}
	})
}

func logged(name, help string, of func(LogCounts) float64) family {
	return fam(name, help, prometheus.CounterValue, []string{"service"}, func(s *Status, m *Manager, p func(float64, ...string)) {
		if m.o.LogCounts == nil {
			return
		}
		if l, ok := m.o.LogCounts(s.Key); ok {
			p(of(l), s.ID)
		}
	})
}

// Collector returns the metrics of all services and jobs, read from their published statuses: collecting waits for nobody.
func (m *Manager) Collector() prometheus.Collector { return &collector{m, families()} }

type collector struct {
	m   *Manager
	all []family
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.all {
		ch <- c.all[i].desc
	}
	c.m.restartSeconds.Describe(ch)
}

// Collect implements prometheus.Collector. A value that is NaN is not known and left out.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	list := c.m.List()
	for i := range c.all {
		f := &c.all[i]
		for _, st := range list {
			f.emit(st, c.m, func(v float64, labels ...string) {
				if v == v { //nolint:gocritic // false for NaN only
					ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
				}
			})
		}
	}
	c.m.restartSeconds.Collect(ch)
}
