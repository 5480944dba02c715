package api

import (
	"context"
	"math"

	"controlcenter/exporter"
)

// ServicesUsageBody is the answer of GET /api/services/usage.
type ServicesUsageBody struct {
	Success   bool                   `json:"success"`
	Timestamp string                 `json:"timestamp" format:"date-time" doc:"Of the reading of the processes"`
	Services  map[string]ServiceLoad `json:"services" doc:"By name; only those with a process"`
}

// ServiceLoad is what all processes of a service take together.
type ServiceLoad struct {
	CPUPercent num `json:"cpu_percent" doc:"100 = one core"`
	Memory     num `json:"memory" doc:"Resident bytes; pages that processes share count in each"`
	Processes  int `json:"processes"`
	Threads    int `json:"threads"`
}

func (s *Server) serviceUsageRows() []*row {
	return []*row{
		typed(s, "GET", "/api/services/usage", viewer, "Processor and memory of each service", s.servicesUsage, group("Services"),
			about("Sums over the processes of each service, from the newest reading of all processes.")),
	}
}

func (s *Server) servicesUsage(ctx context.Context, _ *struct{}) (*answerOf[ServicesUsageBody], error) {
	if _, err := s.control(); err != nil {
		return nil, err
	}
	snap := s.fresh(ctx)
	b := ServicesUsageBody{Success: true, Timestamp: stamp(snap.At), Services: map[string]ServiceLoad{}}
	if v := exporter.Get[exporter.Processes](snap); v != nil {
		for i := range v.List {
			p := &v.List[i]
			if p.Service == "" {
				continue
			}
			sum := b.Services[p.Service]
			if !math.IsNaN(p.CPUPercent) { // of a process that was read only once nothing is known yet
				sum.CPUPercent = round1(float64(sum.CPUPercent) + p.CPUPercent)
			}
			if !math.IsNaN(p.MemoryBytes) {
				sum.Memory += whole(p.MemoryBytes)
			}
			sum.Processes++
			sum.Threads += p.Threads
			b.Services[p.Service] = sum
		}
	}
	return ok(b), nil
}
