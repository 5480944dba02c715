package api

import (
	"context"
	"math"
	"net/http"
	"os"
	"time"
)

// HealthState is empty in a good answer; in a bad one it makes the body an error of the one shape as well.
type HealthState struct {
	Success bool         `json:"success" doc:"false with status 503"`
	Error   string       `json:"error,omitempty"`
	Detail  string       `json:"detail,omitempty"`
	Code    string       `json:"code,omitempty"`
	Errors  []FieldError `json:"errors,omitzero"`
}

func healthy() HealthState { return HealthState{Success: true} }

func unhealthy(text string) HealthState {
	return HealthState{false, text, text, codeOf(http.StatusServiceUnavailable), []FieldError{}}
}

// HealthBody is the answer of GET /health.
type HealthBody struct {
	HealthState
	Status    string `json:"status" doc:"healthy, or starting before the first samples" example:"healthy"`
	Database  string `json:"database" doc:"connected or disconnected" example:"connected"`
	Caching   string `json:"caching" example:"enabled"`
	Timestamp string `json:"timestamp" format:"date-time"`
	Version   string `json:"version"`
	Uptime    num    `json:"uptime_seconds" doc:"Of this program"`
}

// HealthDetailedBody is the answer of GET /health/detailed.
type HealthDetailedBody struct {
	HealthState
	Status           string       `json:"status" doc:"healthy, warning from 90 %, critical from 95 % of CPU, memory or main disk; starting before the first samples"`
	System           HealthSystem `json:"system"`
	Database         string       `json:"database"`
	ProcessID        int          `json:"process_id" doc:"0 for callers without a role"`
	WorkingDirectory string       `json:"working_directory" doc:"Empty for callers without a role"`
	Python           string       `json:"python_version" doc:"n/a, kept for older clients"`
	Timestamp        string       `json:"timestamp" format:"date-time"`
	Version          string       `json:"version"`
	Uptime           num          `json:"uptime_seconds"`
}

// HealthSystem is the machine in short.
type HealthSystem struct {
	CPUPercent      num `json:"cpu_percent"`
	CPUCount        int `json:"cpu_count"`
	MemoryPercent   num `json:"memory_percent"`
	MemoryUsed      num `json:"memory_used_gb"`
	MemoryAvailable num `json:"memory_available_gb"`
	MemoryTotal     num `json:"memory_total_gb"`
	DiskPercent     num `json:"disk_percent"`
	DiskUsed        num `json:"disk_used_gb"`
	DiskFree        num `json:"disk_free_gb"`
	DiskTotal       num `json:"disk_total_gb"`
}

// ReadyBody is the answer of GET /health/ready.
type ReadyBody struct {
	HealthState
	Ready     bool        `json:"ready"`
	Status    string      `json:"status" enum:"ready,not_ready"`
	Checks    ReadyChecks `json:"checks"`
	Timestamp string      `json:"timestamp" format:"date-time"`
}

// ReadyChecks are the parts of readiness.
type ReadyChecks struct {
	Service  bool `json:"service" doc:"The program serves"`
	System   bool `json:"system" doc:"Every collector was tried once"`
	Database bool `json:"database" doc:"The store can be read"`
}

// LiveBody is the answer of GET /health/live.
type LiveBody struct {
	Alive     bool   `json:"alive"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

// StartupBody is the answer of GET /health/startup.
type StartupBody struct {
	HealthState
	Complete  bool   `json:"startup_complete"`
	Timestamp string `json:"timestamp" format:"date-time"`
	Version   string `json:"version"`
}

type answerOf[B any] struct {
	Status int
	Body   B
}

func ok[B any](body B) *answerOf[B] { return &answerOf[B]{http.StatusOK, body} }

type noInput struct{}

func (s *Server) healthRows() []*row {
	g, open := group("Health"), openAs(GroupHealth)
	return []*row{
		typed(s, "GET", "/health", anonymous, "Whether the server works", s.health, g, open, about("503 until every collector was tried once.")),
		typed(s, "GET", "/health/detailed", anonymous, "Health with the machine in short", s.healthDetailed, g, open),
		typed(s, "GET", "/health/ready", anonymous, "Whether requests may be sent here", s.healthReady, g, open, about("503 when not ready.")),
		typed(s, "GET", "/health/live", anonymous, "Whether the process answers", s.healthLive, g, open),
		typed(s, "GET", "/health/startup", anonymous, "Whether the start is complete", s.healthStartup, g, open, about("503 before.")),
	}
}

const startingText = "starting: not every collector was tried yet"

func (s *Server) isReady() bool {
	select {
	case <-s.o.Sampler.Ready():
		return true
	default:
		return false
	}
}

// database asks the store; half a second is enough for a file that works.
func (s *Server) database(ctx context.Context) string {
	if s.o.Store == nil {
		return "disconnected"
	}
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if s.o.Store.Ping(ctx) != nil {
		return "disconnected"
	}
	return "connected"
}

func (s *Server) uptime() num { return round2(time.Since(s.o.Started).Seconds()) }

func (s *Server) health(ctx context.Context, _ *noInput) (*answerOf[HealthBody], error) {
	out := ok(HealthBody{healthy(), "healthy", s.database(ctx), "enabled", stamp(time.Now()), s.o.Version, s.uptime()})
	if !s.isReady() {
		out.Status, out.Body.Status, out.Body.HealthState = http.StatusServiceUnavailable, "starting", unhealthy(startingText)
	}
	return out, nil
}

func (s *Server) healthDetailed(ctx context.Context, _ *noInput) (*answerOf[HealthDetailedBody], error) {
	st := s.statsOf(s.fresh(ctx))
	b := HealthDetailedBody{
		HealthState: healthy(),
		Status:      overall(float64(st.CPU.UsagePercent), float64(st.Memory.Percent), float64(st.Disk.Percent)),
		System: HealthSystem{
			st.CPU.UsagePercent, st.CPU.Count, st.Memory.Percent, st.Memory.UsedGB, st.Memory.AvailableGB, st.Memory.TotalGB,
			st.Disk.Percent, st.Disk.UsedGB, st.Disk.FreeGB, st.Disk.TotalGB,
		},
		Database: s.database(ctx), Python: "n/a", Timestamp: stamp(time.Now()), Version: s.o.Version, Uptime: s.uptime(),
	}
	if infoOf(ctx).caller.role > anonymous {
		b.ProcessID = os.Getpid()
		b.WorkingDirectory, _ = os.Getwd() // "" when it was removed
	}
	out := ok(b)
	if !s.isReady() {
		out.Status, out.Body.Status, out.Body.HealthState = http.StatusServiceUnavailable, "starting", unhealthy(startingText)
	}
	return out, nil
}

// overall is the worst of the given percents: warning from 90, critical from 95. Unknown ones do not count.
func overall(percents ...float64) string {
	worst := 0.0
	for _, p := range percents {
		if !math.IsNaN(p) {
			worst = max(worst, p)
		}
	}
	switch {
	case worst >= 95:
		return "critical"
	case worst >= 90:
		return "warning"
	}
	return "healthy"
}

func (s *Server) healthReady(ctx context.Context, _ *noInput) (*answerOf[ReadyBody], error) {
	checks := ReadyChecks{true, s.isReady(), s.database(ctx) == "connected"}
	out := ok(ReadyBody{healthy(), true, "ready", checks, stamp(time.Now())})
	why := ""
	switch {
	case !checks.System:
		why = startingText
	case !checks.Database:
		why = "the store cannot be read"
	}
	if why != "" {
		out.Status = http.StatusServiceUnavailable
		out.Body.Ready, out.Body.Status, out.Body.HealthState = false, "not_ready", unhealthy(why)
	}
	return out, nil
}

func (s *Server) healthLive(context.Context, *noInput) (*answerOf[LiveBody], error) {
	return ok(LiveBody{true, stamp(time.Now())}), nil
}

func (s *Server) healthStartup(context.Context, *noInput) (*answerOf[StartupBody], error) {
	out := ok(StartupBody{healthy(), true, stamp(time.Now()), s.o.Version})
	if !s.isReady() {
		out.Status = http.StatusServiceUnavailable
		out.Body.Complete, out.Body.HealthState = false, unhealthy(startingText)
	}
	return out, nil
}
