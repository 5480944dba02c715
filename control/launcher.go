package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"controlcenter/internal/unit"
)

// Launcher starts processes and watches over them; it outlives this process. Every method may be called from any goroutine
// and returns soon after its context ends.
//
// A run is one process with everything it starts. Its id is chosen by the caller, so that it can be asked about and killed
// even when the answer to Launch got lost. Runs is answered after every Launch that was sent before it has been decided.
type Launcher interface {
	// Launch starts a run. A [LaunchError] is certain: nothing was started. After any other error something may have been.
	Launch(ctx context.Context, l LaunchSpec) (Started, error)
	// Signal sends a signal by name to the main process of a run, or to its whole tree. A run that has ended is no error.
	Signal(ctx context.Context, run, signal string, tree bool) error
	// KillTree kills everything that belongs to a run.
	KillTree(ctx context.Context, run string) error
	// Hold makes the launcher restart the service no more by itself, whatever [LaunchSpec.Away] of its last launch said.
	Hold(ctx context.Context, service string) error
	// Runs lists what lives and what has ended and was not acknowledged.
	Runs(ctx context.Context) ([]RunState, error)
	// Exits delivers ends as they happen, each at least once. It is read by one goroutine, all the time.
	Exits() <-chan Exit
	// Ack says that the end of a run is safely recorded; it is reported no more. Unknown runs are no error.
	Ack(ctx context.Context, run string) error
}

// LaunchSpec is all a launcher needs to start a run.
type LaunchSpec struct {
	Run     string // id, never used twice
	Service string
	Gen     uint64
	Argv    []string
	Dir     string
	Env     []string // complete
	User    string
	Group   string
	Umask   string
	Nice    int
	OOM     int  // oom_score_adj
	NoNew   bool // no new privileges
	Limits  Limits
	Logs    Logs
	Away    *Away // nil = it does not restart this
}

// Away is how the launcher restarts a service while nobody is connected to it.
type Away struct {
	Policy       Policy
	SuccessCodes []int
	Initial, Max unit.Duration
	HealthyAfter unit.Duration
	Attempts     int // restarts in a row before it gives up; 0 = any number
}

// Started describes a run that began.
type Started struct {
	Run        string
	PID        int
	StartTicks uint64 // start time of the process as the platform counts it; with PID it names the process for good
	At         time.Time
	Warnings   []string `json:",omitempty"` // what the platform could not do of what the definition asks: "limits.memory is not in force: …"
}

// Exit tells how a run ended. Exactly one of Code, Signal and Unknown is set.
type Exit struct {
	Run     string
	Service string
	Code    *int
	Signal  string // name, "SIGKILL"
	Unknown bool   // nobody could learn it
	At      time.Time
	Left    int // processes of its tree that could not be ended
	Usage   Usage
}

// String describes the end in words.
func (e *Exit) String() string {
	switch {
	case e.Code != nil:
		return fmt.Sprintf("exit code %d", *e.Code)
	case e.Signal != "":
		return "killed by " + e.Signal
	}
	return "ended, nobody knows how"
}

// Usage is what a run had consumed when it ended; zero = not known.
type Usage struct {
	UserSeconds   float64 `json:"user_seconds"`
	SystemSeconds float64 `json:"system_seconds"`
	MaxRSSBytes   int64   `json:"max_rss_bytes" doc:"Most memory that a process of it held; 0 = not known: on Linux all that is less than what the keeper itself has held"`
}

// RunState is what a launcher knows of a run.
type RunState struct {
	Started
	Service string
	Gen     uint64 // 0 = started by the launcher itself while nobody was connected
	Exit    *Exit  // nil = it lives
}

// LaunchError says why nothing was started.
type LaunchError struct {
	Reason    string // for users: "/opt/x: no such file or directory"
	Temporary bool   // a later attempt may work: out of memory, processes or file descriptors
	Full      bool   // of those: a disk is full
	Cause     error
}

func (e *LaunchError) Error() string { return e.Reason }

func (e *LaunchError) Unwrap() error { return e.Cause }

// ErrNotConnected is returned by launchers that cannot be reached now.
var ErrNotConnected = errors.New("launcher not connected")
