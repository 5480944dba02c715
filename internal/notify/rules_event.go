package notify

import (
	"cmp"
	"slices"
	"time"

	"controlcenter/control"
	"controlcenter/internal/event"
)

const (
	// calm is how long a service must be up after its last crash until the alert of it is over: the default limit of
	// restarts looks at the same time.
	calm = 5 * time.Minute
	// loopWindow and the limit beside it are what the Prometheus rules of deploy/prometheus say too.
	loopWindow = 15 * time.Minute
)

// eventRules look at the event history.
func eventRules() []Rule {
	return []Rule{
		{
			Name: "service_crashed", Severity: Warning,
			Summary: "A service ended though nobody asked for it", Description: "It is restarted by its policy. Its log and the run's last lines say why; docs/services.md.",
			on: func(e *event.Row) *finding { return ofService(e, "service.crashed", "service.start_failed") }, clears: recovered,
		},
		{
			Name: "service_crash_loop", Severity: Critical, Limit: 3, Unit: "crashes in 15 minutes", window: loopWindow,
			Summary: "A service crashes again and again", Description: "More than the limit of crashes in 15 minutes. Look at its log; \"controlcenter stop\" ends the loop.",
			on:     func(e *event.Row) *finding { return ofService(e, "service.crashed") },
			clears: func(_ *Reading, a *Alert, now time.Time) bool { return now.Sub(a.Last) > loopWindow },
		},
		{
			Name: "service_failed", Severity: Critical,
			Summary: "A service has failed and is not started again", Description: "The limit of restarts is used up, or it cannot be started. Mend the cause, then \"controlcenter start\" it.",
			on:     func(e *event.Row) *finding { return ofService(e, "service.failed") },
			clears: stateIsNot(control.Failed),
		},
		{
			Name: "service_stuck", Severity: Critical,
			Summary: "A service cannot be ended", Description: "It was killed and is still there, mostly because a disk or driver hangs. It is not started again until it is gone.",
			on:     func(e *event.Row) *finding { return of(e, "service.stuck") },
			clears: stateIsNot(control.Stuck),
		},
		{
			Name: "service_ended_unhealthy", Severity: Warning,
			Summary: "A service was restarted because a probe or watchdog failed", Description: "Its liveness probe or watchdog gave it up, so it was ended and is restarted by its policy.",
			on: func(e *event.Row) *finding {
				if e.Data["result"] != string(control.ResultUnhealthy) {
					return nil
				}
				return of(e, "service.stopped")
			}, clears: recovered,
		},
		{
			Name: "job_failed", Severity: Warning,
			Summary: "A run of a job failed, could not start or took too long", Description: "The run's last lines say why: \"controlcenter jobs\". It is over when a run of the job succeeds.",
			on: func(e *event.Row) *finding {
				if e.Data["type"] != string(control.TypeJob) || e.Type == "service.stopped" && e.Data["result"] != string(control.ResultTimeout) {
					return nil
				}
				return of(e, "service.crashed", "service.start_failed", "service.stopped")
			},
			clears: func(r *Reading, a *Alert, _ time.Time) bool {
				st := r.service(a.Service)
				return st == nil || st.Job == nil || st.Job.LastSuccess.After(a.Last)
			},
		},
		{
			Name: "job_missed", Severity: Warning,
			Summary: "Runs of a job were due while nobody was watching", Description: "The machine or the daemon was down. Its catch_up rule says how many are made up for.",
			on: func(e *event.Row) *finding { return of(e, "job.missed") },
		},
		{
			Name: "job_skipped", Severity: Warning, Off: true,
			Summary: "A run of a job was skipped because the one before goes on", Description: "The job takes longer than the time between its runs.",
			on: func(e *event.Row) *finding { return of(e, "job.skipped") },
		},
		{
			Name: "job_completed", Severity: Info, Off: true,
			Summary: "A run of a job ended well", Description: "",
			on: func(e *event.Row) *finding {
				if e.Data["type"] != string(control.TypeJob) {
					return nil
				}
				return of(e, "service.exited")
			},
		},
		{
			Name: "knowledge_scan_failed", Severity: Warning,
			Summary: "A scan of the knowledge base failed", Description: "Searches go on over what was indexed before. \"controlcenter events --part knowledge\" says why.",
			on: func(e *event.Row) *finding {
				f := of(e, "knowledge.scan_failed")
				if f != nil {
					f.subject, f.service = "", "" // the subject is the scan
				}
				return f
			},
			clears: func(r *Reading, a *Alert, _ time.Time) bool { return r.Knowledge.LastScan.After(a.Last) },
		},
		{
			Name: "budget_warning", Severity: Warning,
			Summary: "80 percent of a budget for outside APIs are used", Description: "See \"controlcenter usage\".",
			on: func(e *event.Row) *finding { return budget(e, "80") },
		},
		{
			Name: "budget_exceeded", Severity: Critical,
			Summary: "A budget for outside APIs is used up", Description: "Nothing is stopped by it. See \"controlcenter usage\".",
			on: func(e *event.Row) *finding { return budget(e, "100") },
		},
		{
			Name: "events_lost", Severity: Critical,
			Summary: "Events were thrown away before rules had looked at them", Description: "More happened at once than the history keeps. What was lost cannot be told.",
			on: func(e *event.Row) *finding { return of(e, gapEvent) },
		},
		{
			Name: "alertmanager", Severity: Info, Off: true,
			Summary: "An Alertmanager reported an alert here", Description: "Alertmanager tells people by itself; enable this to have its alerts pass through these channels too.",
			on: func(e *event.Row) *finding {
				f := of(e, alertFiring, alertResolved)
				if f != nil {
					f.service, f.level = e.Data["service"], Info
					if e.Type == alertFiring {
						f.level = levels[e.Level]
					}
				}
				return f
			},
		},
	}
}

var levels = map[string]Severity{event.Error: Critical, event.Warning: Warning, event.Info: Info, event.Success: Info}

// of is the finding of an event of one of these types, about its subject.
func of(e *event.Row, types ...string) *finding {
	if !slices.Contains(types, e.Type) {
		return nil
	}
	return &finding{subject: e.Subject, service: e.Subject, summary: e.Title, text: e.Why}
}

// ofService is of, but for jobs: of their runs the rules of jobs tell.
func ofService(e *event.Row, types ...string) *finding {
	if e.Data["type"] == string(control.TypeJob) {
		return nil
	}
	return of(e, types...)
}

func budget(e *event.Row, percent string) *finding {
	if e.Data["percent"] != percent {
		return nil
	}
	f := of(e, "usage.budget")
	if f != nil {
		f.service = ""
	}
	return f
}

// recovered says that a service runs again and has for a while, or is meant to be down.
func recovered(r *Reading, a *Alert, now time.Time) bool {
	st := r.service(a.Service)
	switch {
	case r.Services == nil:
		return false
	case st == nil:
		return true
	case st.State == control.Running:
		return now.Sub(st.Since) >= calm && now.Sub(a.Last) >= calm
	}
	// After an end that nobody asked for it is in backoff or failed, not in these.
	return st.State == control.Stopped || st.State == control.Exited && !st.Since.Before(a.Last)
}

func stateIsNot(s control.State) func(*Reading, *Alert, time.Time) bool {
	return func(r *Reading, a *Alert, _ time.Time) bool {
		st := r.service(a.Service)
		return r.Services != nil && (st == nil || st.State != s)
	}
}

// levelOr returns the finding's own severity or the rule's.
func levelOr(f *finding, s Severity) Severity { return cmp.Or(f.level, s) }
