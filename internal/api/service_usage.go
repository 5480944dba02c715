package api

import (
	"context"
	"time"

	"controlcenter/exporter"
)

// ServicesUsageInput are the parameters of GET /api/services/usage.
type ServicesUsageInput struct {
	Since string `query:"since" maxLength:"40" doc:"With the past too: seconds back (1 to 900), or an RFC 3339 time"`
}

// ServicesUsageBody is its answer.
type ServicesUsageBody struct {
	Success   bool                   `json:"success"`
	Timestamp string                 `json:"timestamp" format:"date-time" doc:"Of the reading of the processes"`
	Services  map[string]ServiceLoad `json:"services" doc:"By name; only those with a process"`
	History   *ServicesUsageHistory  `json:"history,omitempty" doc:"When since was given"`
}

// ServiceLoad is what all processes of a service take together.
type ServiceLoad struct {
	CPUPercent num `json:"cpu_percent" doc:"100 = one core"`
	Memory     num `json:"memory" doc:"Resident bytes; pages that processes share count in each"`
	Processes  int `json:"processes"`
	Threads    int `json:"threads"`
}

// ServicesUsageHistory are columns of one length.
type ServicesUsageHistory struct {
	Timestamps []int64                     `json:"timestamps" doc:"Unix milliseconds, rising; 5 s apart while somebody reads, up to 30 s else"`
	Services   map[string]ServiceLoadCurve `json:"services" doc:"By name; those that had a process in the last 15 minutes"`
}

// ServiceLoadCurve is what a service took at each time; null where it had no process.
type ServiceLoadCurve struct {
	CPUPercent []num `json:"cpu_percent" doc:"100 = one core"`
	Memory     []num `json:"memory" doc:"Resident bytes"`
}

func (s *Server) serviceUsageRows() []*row {
	return []*row{
		typed(s, "GET", "/api/services/usage", viewer, "Processor and memory of each service", s.servicesUsage, group("Services"),
			about("Sums over the processes of each service, from the newest reading of all processes; with since also those of the last 15 minutes.")),
	}
}

func (s *Server) servicesUsage(ctx context.Context, in *ServicesUsageInput) (*answerOf[ServicesUsageBody], error) {
	if _, err := s.control(); err != nil {
		return nil, err
	}
	var from time.Time
	if in.Since != "" {
		var err error
		if from, err = sinceOf(in.Since, time.Now()); err != nil {
			return nil, err
		}
	}
	snap := s.fresh(ctx)
	b := ServicesUsageBody{Success: true, Timestamp: stamp(snap.At), Services: map[string]ServiceLoad{}}
	if v := exporter.Get[exporter.Processes](snap); v != nil {
		for name, sum := range v.Services() {
			b.Services[name] = ServiceLoad{CPUPercent: round1(sum.CPUPercent), Memory: whole(sum.MemoryBytes), Processes: sum.Processes, Threads: sum.Threads}
		}
	}
	if in.Since != "" {
		past := s.o.Sampler.History().Services(from)
		b.History = &ServicesUsageHistory{Timestamps: past.Times, Services: make(map[string]ServiceLoadCurve, len(past.Services))}
		for name, c := range past.Services {
			b.History.Services[name] = ServiceLoadCurve{CPUPercent: nums(c.CPUPercent, round1), Memory: nums(c.MemoryBytes, whole)}
		}
	}
	return ok(b), nil
}

func nums(values []float32, rounded func(float64) num) []num {
	out := make([]num, len(values))
	for i, v := range values {
		out[i] = rounded(float64(v))
	}
	return out
}
