package control

import (
	"time"
)

// Health is what the readiness probe says.
type Health string

const (
	HealthUnknown Health = "unknown"
	Healthy       Health = "healthy"
	Unhealthy     Health = "unhealthy"
)

// Result is how a run ended.
type Result string

const (
	ResultRunning    Result = "running"
	ResultSuccess    Result = "success"
	ResultFailure    Result = "failure"     // crash: by a signal or with a code that is no success code
	ResultStopped    Result = "stopped"     // it was asked for
	ResultUnhealthy  Result = "unhealthy"   // a probe or limit ended it
	ResultTimeout    Result = "timeout"     // of a job
	ResultUnknown    Result = "unknown"     // nobody could learn it
	ResultNotStarted Result = "not_started" // there was no process
	ResultSkipped    Result = "skipped"     // of a job, by its overlap rule
)

// LastExit is how the last run that ended did.
type LastExit struct {
	Run     string    `json:"run"`
	Result  Result    `json:"result"`
	Code    *int      `json:"code"` // null when a signal ended it or nobody knows
	Signal  string    `json:"signal,omitempty"`
	Unknown bool      `json:"unknown,omitempty"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
	Usage   Usage     `json:"usage"`
}

// ProbeStatus is the last answer of a probe.
type ProbeStatus struct {
	Well        bool      `json:"well"`   // the verdict, after its thresholds
	Known       bool      `json:"known"`  // there is a verdict
	OK          bool      `json:"ok"`     // the last answer
	Reason      string    `json:"reason"` // why it was not ok
	TookSeconds float64   `json:"took_seconds"`
	At          time.Time `json:"at"`
}

// Status is what is known of a service at one moment. It is immutable: never change what a *Status points to.
type Status struct {
	Number    uint64 // counts definitions from 1; the "id" of the wire
	ID        string // as it was defined
	Key       string
	Spec      *Spec  // effective
	Origin    string // "file:line" when the configuration file owns it; "" = it was made through the API
	CreatedAt time.Time
	UpdatedAt time.Time

	State         State
	Since         time.Time // of State
	Reason        string    // why it is in this state, for people
	Waiting       string    // what a wanted service that is down waits for
	Wanted        bool
	Health        Health
	Settled       bool // the present run has lived its first 300 ms
	RestartNeeded bool // the definition has changed in a way that the present run does not know
	Gen           uint64
	Run           string // id of the present or last run
	PID           int    // 0 = none
	StartTicks    uint64 // of PID
	StartedAt     time.Time
	RetryAt       time.Time // of backoff: when it starts again
	LogError      string    // why its log cannot be written

	Starts, Restarts, Crashes uint64
	LastExit                  *LastExit
	Probes                    map[string]ProbeStatus
	Job                       *JobStatus // nil for a service

	readiness bool  // it has a readiness probe
	given     *Spec // as it was defined
}

// Given returns the definition as it was made, for people: values in env that look like secrets are masked. See [Mask].
func (s *Status) Given() *Spec { return s.given.shown() }

// Effective returns the definition with everything filled in, masked as in [Status.Given].
func (s *Status) Effective() *Spec { return s.Spec.shown() }

// JobStatus is what a job has besides.
type JobStatus struct {
	NextRun     time.Time         // zero = none
	LastSuccess time.Time         // end of the last run that went well
	Results     map[Result]uint64 // runs by how they ended, since the job was defined
	Queued      int
}

// Wire returns the coarse state that clients know: running, stopped, starting, stopping, error, unknown.
func (s State) Wire() string {
	switch s {
	case Stopped, Exited:
		return "stopped"
	case Starting, Backoff:
		return "starting"
	case Stopping, Killing:
		return "stopping"
	case Failed, Stuck:
		return "error"
	case Running:
		return "running"
	}
	return "unknown"
}

// UptimeSeconds is for how long the present process has lived at the time given; 0 when there is none.
func (s *Status) UptimeSeconds(now time.Time) int64 {
	if s.PID == 0 {
		return 0
	}
	return max(int64(now.Sub(s.StartedAt).Seconds()), 0)
}

// Object is a service as the API shows it.
type Object struct {
	ID            uint64                 `json:"id"`
	Name          string                 `json:"name"`
	DisplayName   string                 `json:"display_name"`
	Description   *string                `json:"description"`
	Type          Type                   `json:"type"`
	Driver        string                 `json:"driver"`
	Status        string                 `json:"status"`
	State         State                  `json:"state"`
	SubState      State                  `json:"sub_state"`
	Reason        string                 `json:"reason"`
	Waiting       string                 `json:"waiting,omitempty"`
	LogError      string                 `json:"log_error,omitempty" doc:"Why its log cannot be written; absent when it can. With when_full: block the service waits as soon as it writes"`
	Health        Health                 `json:"health"`
	Wanted        bool                   `json:"wanted"`
	Autostart     bool                   `json:"autostart"`
	PID           *int                   `json:"pid"`
	Port          *uint16                `json:"port"`
	Ports         []uint16               `json:"ports"`
	Tags          []string               `json:"tags"`
	Run           string                 `json:"run,omitempty"`
	Generation    uint64                 `json:"generation"`
	RestartNeeded bool                   `json:"restart_needed"`
	IsSystem      bool                   `json:"is_system"`
	Origin        string                 `json:"origin"` // "api" or where in the file
	CreatedAt     time.Time              `json:"created_at"`
	UpdatedAt     time.Time              `json:"updated_at"`
	Since         time.Time              `json:"since"`
	UptimeSeconds int64                  `json:"uptime_seconds"`
	LastRunTime   *time.Time             `json:"last_run_time"`
	RetryAt       *time.Time             `json:"retry_at,omitempty"`
	NextRun       *time.Time             `json:"next_run,omitempty"`
	Restarts      uint64                 `json:"restarts"`
	Crashes       uint64                 `json:"crashes"`
	Starts        uint64                 `json:"starts"`
	ExitCode      *int                   `json:"exit_code"`
	LastExit      *LastExit              `json:"last_exit,omitempty"`
	Probes        map[string]ProbeStatus `json:"probes,omitempty"`
	DependsOn     []string               `json:"depends_on"`
	Env           map[string]string      `json:"env"`
}

// Object returns the status in the shape of the API, at the time given.
func (s *Status) Object(now time.Time) Object {
	o := Object{
		ID: s.Number, Name: s.ID, DisplayName: s.Spec.DisplayName, Type: s.Spec.Type, Driver: "local",
		Status: s.State.Wire(), State: s.State, SubState: s.State, Reason: s.Reason, Waiting: s.Waiting, LogError: s.LogError, Health: s.Health,
		Wanted: s.Wanted, Autostart: s.Spec.Autostart, Ports: append([]uint16{}, s.Spec.Ports...), Tags: append([]string{}, s.Spec.Tags...),
		Run: s.Run, Generation: s.Gen, RestartNeeded: s.RestartNeeded, Origin: s.Origin, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
		Since: s.Since, Restarts: s.Restarts, Crashes: s.Crashes, Starts: s.Starts, LastExit: s.LastExit, Probes: s.Probes,
		DependsOn: append([]string{}, s.Spec.Needs()...), Env: s.Spec.ShownEnv(),
	}
	if s.Origin == "" {
		o.Origin = "api"
	}
	if s.Spec.Description != "" {
		o.Description = &s.Spec.Description
	}
	if s.PID != 0 {
		o.PID = &s.PID
		o.UptimeSeconds = s.UptimeSeconds(now)
	}
	if len(s.Spec.Ports) > 0 {
		o.Port = &s.Spec.Ports[0]
	}
	if s.LastExit != nil {
		o.ExitCode = s.LastExit.Code
	}
	optional := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	o.LastRunTime, o.RetryAt = optional(s.StartedAt), optional(s.RetryAt)
	if s.Job != nil {
		o.NextRun = optional(s.Job.NextRun)
	}
	return o
}

// Changed is the event of a status that was published; it carries the whole of it.
type Changed struct{ Status *Status }

// Topic is "service.status".
func (Changed) Topic() string { return "service.status" }

// Removed is the event of a service that is no more.
type Removed struct{ ID, Key string }

// Topic is "service.removed".
func (Removed) Topic() string { return "service.removed" }
