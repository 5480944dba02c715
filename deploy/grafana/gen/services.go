package main

import (
	"fmt"
	"strings"
)

// serviceStates are the states of control/table.go, with the numbers that stateCode gives them.
var serviceStates = []meaning{
	{1, "stopped", "gray"},
	{2, "starting", "light-blue"},
	{3, "running", "green"},
	{4, "stopping", "yellow"},
	{5, "killing", "orange"},
	{6, "backoff", "orange"},
	{7, "exited", "gray"},
	{8, "failed", "red"},
	{9, "stuck", "dark-red"},
	{10, "unknown", "purple"},
}

// stateCode asks for the number of each service's state: of its series, one for each state, exactly one is 1.
func stateCode(selector string) string {
	parts := make([]string, len(serviceStates))
	for i, s := range serviceStates {
		parts[i] = fmt.Sprintf(`%d * sum by (service) (controlcenter_service_state{%s, state=%q})`, s.value, selector, s.text)
	}
	return strings.Join(parts, "\n+ ")
}

var yesNo = []meaning{{0, "no", "red"}, {1, "yes", "green"}}

// services is the services and jobs of one machine.
func services() *dashboard {
	return newDashboard("controlcenter-services", "Control Center / Services", "Services and jobs: states, crashes, restarts, resources, probes, runs.", withServices(machine()),
		section("Now",
			beside(4,
				stat("Up", "Chosen services that run.", "none", always, ask(`sum(controlcenter_service_up{$svc})`, "up")),
				stat("Wanted but down", "Services that are meant to run and do not.", "none", anyBad,
					ask(`sum(clamp_min(controlcenter_service_wanted{$svc} - on (job, instance, service) controlcenter_service_up{$svc}, 0))`, "down")),
				stat("Not healthy", "Services whose readiness probe fails.", "none", anyBad, ask(`count(controlcenter_service_healthy{$svc} == 0) or vector(0)`, "not healthy")),
				stat("Crashes in 24 h", "Ends that nobody asked for.", "none", anyBad, ask(`sum(increase(controlcenter_service_crashes_total{$svc}[24h]))`, "crashes")),
				stat("Restarts in 24 h", "Starts made by the restart policy.", "none", anyBad, ask(`sum(increase(controlcenter_service_restarts_total{$svc}[24h]))`, "restarts")),
				stat("Memory", "Resident memory of all processes of the chosen services.", "bytes", always, ask(`sum(controlcenter_service_resident_memory_bytes{$svc})`, "resident")),
			),
		),
		section("States",
			beside(10, timeline("States", "State of each service over time.", serviceStates, ask(stateCode(`$svc`), "{{service}}"))),
			beside(7,
				timeline("Health", "What the readiness probe said over time. Services without one are not shown.", []meaning{{0, "not healthy", "red"}, {1, "healthy", "green"}},
					ask(`max by (service) (controlcenter_service_healthy{$svc})`, "{{service}}")),
				table("Last end", "How and when the last run of each service ended.", []column{{"service", "Service", ""}, {"reason", "How", ""}, {"Value #A", "When", "dateTimeFromNow"}, {"Value #B", "Exit code", "none"}},
					ask(`max by (service, reason) (controlcenter_service_last_exit_timestamp_seconds{$svc}) * 1000`, ""), ask(`max by (service) (controlcenter_service_last_exit_code{$svc})`, "")),
			),
			beside(7,
				graph("Crashes", "Crashes within the last five minutes.", "none", ask(`increase(controlcenter_service_crashes_total{$svc}[5m])`, "{{service}}")),
				graph("Restarts", "Starts made by the restart policy within the last five minutes.", "none", ask(`increase(controlcenter_service_restarts_total{$svc}[5m])`, "{{service}}")),
				graph("Time to restart", "From the death of a service to its new process, with the wait of its back-off: median and 95th percentile.", "s",
					ask(`histogram_quantile(0.5, sum by (le) (increase(controlcenter_service_restart_duration_seconds_bucket{$sel}[$__range])))`, "half"),
					ask(`histogram_quantile(0.95, sum by (le) (increase(controlcenter_service_restart_duration_seconds_bucket{$sel}[$__range])))`, "95 %")),
			),
		),
		section("Resources",
			beside(8,
				graph("Processor", "Processors used by each service; 1 is one processor all the time.", "none", ask(`rate(controlcenter_service_cpu_seconds_total{$svc}[$__rate_interval])`, "{{service}}")).stacked(),
				graph("Memory", "Resident memory of each service's processes.", "bytes", ask(`controlcenter_service_resident_memory_bytes{$svc}`, "{{service}}")).stacked(),
			),
			beside(7,
				graph("Processes", "Processes of each service.", "none", ask(`controlcenter_service_processes{$svc}`, "{{service}}")),
				graph("Open files", "Open file descriptors of each service's processes.", "none", ask(`controlcenter_service_open_fds{$svc}`, "{{service}}")),
				graph("Time since start", "Age of the present process; it falls to zero with each start.", "s", ask(`time() - controlcenter_service_start_time_seconds{$svc}`, "{{service}}")),
			),
		),
		section("Probes, ports and logs",
			beside(7,
				timeline("Probes", "Last answer of each probe over time.", []meaning{{0, "failed", "red"}, {1, "well", "green"}}, ask(`max by (service, probe) (controlcenter_service_probe_success{$svc})`, "{{service}} {{probe}}")),
				graph("Answer time of probes", "How long the last answer of each probe took.", "s", ask(`controlcenter_service_probe_duration_seconds{$svc}`, "{{service}} {{probe}}")),
				table("Ports", "Ports of the definitions and whether somebody listens on them.", []column{{"service", "Service", ""}, {"port", "Port", ""}, {"Value", "Listening", "none"}},
					ask(`max by (service, port) (controlcenter_service_port_listening{$svc})`, "")).colored("Listening", yesNo),
			),
			beside(7,
				graph("Log lines", "Lines each service writes per second.", "cps", ask(`rate(controlcenter_service_log_lines_total{$svc}[$__rate_interval])`, "{{service}}")),
				graph("Log bytes", "Bytes each service writes to its log per second.", "Bps", ask(`rate(controlcenter_service_log_bytes_total{$svc}[$__rate_interval])`, "{{service}}")),
				graph("Log lines lost", "Lines that could not be kept, within five minutes.", "none", ask(`increase(controlcenter_service_log_dropped_total{$svc}[5m])`, "{{service}}")),
				text("Where the lines are", "How to read the logs themselves.", "Metrics count lines; the lines are in Control Center:\n\n```\ncontrolcenter logs -f ${service:text}\ncontrolcenter events --service NAME --since 1h\n```\n\nor `GET /api/services/NAME/logs`."),
			),
		),
		section("Jobs",
			beside(8,
				graph("Runs", "Runs of jobs by how they ended, within the last hour.", "none", ask(`sum by (exported_job, result) (increase(controlcenter_job_runs_total{$sel}[1h]))`, "{{exported_job}} {{result}}")),
				table("Jobs", "When each job last ended well and when it is due next. Prometheus renames the label job to exported_job.", []column{
					{"exported_job", "Job", ""}, {"Value #A", "Last success", "dateTimeFromNow"}, {"Value #B", "Due", "dateTimeFromNow"}, {"Value #C", "Runs", "none"},
				}, ask(`max by (exported_job) (controlcenter_job_last_success_timestamp_seconds{$sel}) * 1000`, ""), ask(`max by (exported_job) (controlcenter_job_next_run_timestamp_seconds{$sel}) * 1000`, ""),
					ask(`sum by (exported_job) (controlcenter_job_runs_total{$sel})`, "")),
			),
		),
	)
}
