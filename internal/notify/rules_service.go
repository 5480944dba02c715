package notify

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"controlcenter/control"
	"controlcenter/exporter"
)

// yes and no are the values of findings that have no number: with a limit of 1, yes is an alert.
const (
	yes = 1.0
	no  = 0.0
)

func truth(b bool) float64 {
	if b {
		return yes
	}
	return no
}

// serviceRules look at services, jobs, the keeper, the store and the knowledge base.
func serviceRules() []Rule {
	return []Rule{
		{
			Name: "service_down", Severity: Critical, For: 5 * time.Minute, Limit: 1,
			Summary: "A service is meant to run and does not", Description: "It waits for another service, is starting for long, or nobody can tell. Failed and stuck ones have rules of their own.",
			check: services(func(st *control.Status, f *finding) bool {
				down := st.Wanted && !slices.Contains([]control.State{control.Running, control.Failed, control.Stuck}, st.State)
				f.value, f.summary, f.text = truth(down), fmt.Sprintf("%s is down though it is meant to run (%s)", st.Spec.DisplayName, st.State), st.Reason
				if st.Waiting != "" {
					f.text = "waits for " + st.Waiting
				}
				return true
			}),
		},
		{
			Name: "service_unhealthy", Severity: Warning, For: time.Minute, Limit: 1,
			Summary: "A service runs but is not ready", Description: "Its readiness probe fails.",
			check: services(func(st *control.Status, f *finding) bool {
				f.value, f.summary, f.text = truth(st.State == control.Running && st.Health == control.Unhealthy), st.Spec.DisplayName+" is unhealthy", st.Probes["readiness"].Reason
				return true
			}),
		},
		{
			Name: "probe_failing", Severity: Warning, For: time.Minute, Limit: 1,
			Summary: "A probe of a service fails", Description: "Any probe but readiness, which has service_unhealthy. A liveness probe ends the service before this fires.",
			check: func(_ *memory, r *Reading) ([]finding, bool) {
				var out []finding
				for _, st := range r.Services {
					for name, p := range st.Probes {
						if name != "readiness" && p.Known {
							out = append(out, finding{subject: st.ID + "/" + name, service: st.ID, value: truth(st.State == control.Running && !p.Well), summary: fmt.Sprintf("The %s probe of %s fails", name, st.Spec.DisplayName), text: p.Reason})
						}
					}
				}
				return out, r.Services != nil
			},
		},
		{
			Name: "port_not_listening", Severity: Warning, For: 2 * time.Minute, Limit: 1,
			Summary: "Nobody listens on a port of a running service", Description: "The ports of its definition are compared with the listening sockets of this machine.",
			check: portsNotListening,
		},
		{
			Name: "job_overdue", Severity: Warning, For: 5 * time.Minute, Limit: 1,
			Summary: "A job was due and has not begun", Description: "The run before may go on, or the job waits for others.",
			check: func(m *memory, r *Reading) ([]finding, bool) {
				var out []finding
				for _, st := range r.Services {
					if st.Job == nil {
						continue
					}
					late := !st.Job.NextRun.IsZero() && m.now.Sub(st.Job.NextRun) > time.Minute || st.Job.Queued > 0 && st.State.Final()
					out = append(out, finding{subject: st.ID, service: st.ID, value: truth(late), summary: st.Spec.DisplayName + " is overdue", text: "it was due at " + st.Job.NextRun.UTC().Format(time.RFC3339)})
				}
				return out, r.Services != nil
			},
		},
		{
			Name: "keeper_lost", Severity: Critical, For: 30 * time.Second, Limit: 1,
			Summary: "The keeper, the parent of all services, is not there", Description: "Services go on but cannot be started; docs/services.md.",
			check: func(_ *memory, r *Reading) ([]finding, bool) {
				if r.Keeper == nil {
					return nil, false
				}
				return []finding{{value: truth(!*r.Keeper), summary: "The keeper is not connected"}}, true
			},
		},
		{
			Name: "store_damaged", Severity: Critical, Limit: 1,
			Summary: "The state file was found damaged", Description: "It was put aside and the last good backup restored, or single records were left out. \"controlcenter doctor\" says which.",
			check: func(_ *memory, r *Reading) ([]finding, bool) {
				if r.Store == nil {
					return nil, false
				}
				f := finding{value: truth(r.Store.QuarantinedNow != "" || r.Store.DamagedRecords > 0), summary: "The state file was damaged"}
				switch {
				case r.Store.QuarantinedNow != "":
					f.text = "it was put aside as " + r.Store.QuarantinedNow
				case r.Store.DamagedRecords > 0:
					f.text = strconv.Itoa(r.Store.DamagedRecords) + " records are left out"
				}
				return []finding{f}, true
			},
		},
		{
			Name: "knowledge_scan_overdue", Severity: Warning, For: time.Minute, Limit: 1,
			Summary: "The knowledge base was not scanned for long", Description: "No scan ended in three times the interval, an hour at least.",
			check: func(m *memory, r *Reading) ([]finding, bool) {
				k := r.Knowledge
				if !k.Known {
					return nil, false
				}
				last, text := k.LastScan, "the last scan ended at "+k.LastScan.UTC().Format(time.RFC3339)
				if last.IsZero() {
					last, text = k.Since, "no scan has ended yet"
				}
				late := m.now.Sub(last) > max(3*k.Every, time.Hour)
				return []finding{{value: truth(late), summary: "The scan of the knowledge base is overdue", text: text}}, true
			},
		},
		{
			Name: "knowledge_deletions_held", Severity: Warning, Limit: 1,
			Summary: "Many knowledge files vanished; their deletion waits for a person", Description: "A folder may not be mounted. \"controlcenter kb scan --confirm\" deletes them from the index.",
			check: func(_ *memory, r *Reading) ([]finding, bool) {
				f := finding{value: truth(r.Knowledge.Held > 0), summary: fmt.Sprintf("%d knowledge files vanished, their deletion is held", r.Knowledge.Held)}
				return []finding{f}, r.Knowledge.Known
			},
		},
	}
}

// services makes a check that asks about each service, and no job.
func services(ask func(*control.Status, *finding) bool) func(*memory, *Reading) ([]finding, bool) {
	return func(_ *memory, r *Reading) ([]finding, bool) {
		var out []finding
		for _, st := range r.Services {
			f := finding{subject: st.ID, service: st.ID}
			if st.Job == nil && ask(st, &f) {
				out = append(out, f)
			}
		}
		return out, r.Services != nil
	}
}

func portsNotListening(_ *memory, r *Reading) ([]finding, bool) {
	if r.Services == nil || r.Machine == nil {
		return nil, false
	}
	ports := exporter.Get[exporter.Ports](r.Machine)
	if ports == nil {
		return nil, false
	}
	heard := map[int]bool{}
	for i := range ports.List {
		heard[ports.List[i].Port] = true
	}
	var out []finding
	for _, st := range r.Services {
		for _, port := range st.Spec.Ports {
			out = append(out, finding{
				subject: st.ID + ":" + strconv.Itoa(int(port)), service: st.ID, value: truth(st.State == control.Running && !heard[int(port)]),
				summary: fmt.Sprintf("%s runs, but nobody listens on port %d", st.Spec.DisplayName, port),
			})
		}
	}
	return out, true
}
