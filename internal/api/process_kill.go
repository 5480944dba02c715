package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"controlcenter/control"
	"controlcenter/exporter"
	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// KillProcessInput says which process is sent what.
type KillProcessInput struct {
	PID  int `path:"pid" minimum:"1" maximum:"2147483647"`
	Body KillProcessBody
}

// KillProcessBody names the process beyond its pid, which another process may have by now: by either time of its row in
// GET /api/system/processes.
type KillProcessBody struct {
	StartTicks uint64 `json:"start_ticks,omitempty" doc:"As in the row of the process; this or start_time is needed"`
	StartTime  string `json:"start_time,omitempty" maxLength:"40" doc:"As in the row of the process"`
	Signal     string `json:"signal,omitempty" maxLength:"20" default:"SIGTERM" doc:"SIGTERM, SIGKILL, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGSTOP or SIGCONT; on Windows the first two, which do the same"`
}

func (s *Server) processRows() []*row {
	return []*row{
		typed(s, "POST", "/api/system/processes/{pid}/kill", admin, "Send a process a signal", s.killProcess, group("System"),
			about("404 when it is gone, 409 when another process has this pid now or a service has it as its main process, 403 when it may not be ended.")),
	}
}

func processGone() error { return problem(http.StatusNotFound, "the process is gone") }

const otherProcess = "pid %d belongs to another process now, which began at another time"

func (s *Server) killProcess(ctx context.Context, in *KillProcessInput) (*answerOf[DoneBody], error) {
	pid := in.PID
	sig, name, err := signalOf(in.Body.Signal)
	if err != nil {
		return nil, err
	}
	if in.Body.StartTicks == 0 && in.Body.StartTime == "" {
		return nil, invalid(FieldError{Loc: []string{"body", "start_ticks"}, Msg: "must be given, or start_time: the pid alone may name another process by now", Type: "missing"})
	}
	if err := s.protected(pid); err != nil {
		return nil, err
	}
	p, err := os.FindProcess(pid) // holds the process itself where the platform can (pidfd, handle): a later one of this pid is never hit
	if err != nil {
		return nil, killError(pid, err)
	}
	defer func() { _ = p.Release() }()
	ticks, err := processStart(pid)
	if err != nil {
		return nil, killError(pid, err)
	}
	want := in.Body.StartTicks
	if want == 0 {
		if want, err = s.ticksOf(ctx, pid, in.Body.StartTime); err != nil {
			return nil, err
		}
	}
	if want != ticks {
		return nil, problemf(http.StatusConflict, otherProcess, pid)
	}
	if err := p.Signal(sig); err != nil {
		return nil, killError(pid, err)
	}
	text := fmt.Sprintf("%s was sent to process %d", name, pid)
	s.recordKill(ctx, pid, text)
	return ok(done(text)), nil
}

// protected refuses what must not be killed this way.
func (s *Server) protected(pid int) error {
	switch {
	case pid <= 1:
		return problemf(http.StatusForbidden, "process %d runs the machine", pid)
	case pid == os.Getpid():
		return problem(http.StatusForbidden, "this is the server itself: stop it with SIGTERM on the machine")
	case s.o.KeeperPID != nil && pid == s.o.KeeperPID():
		return problem(http.StatusForbidden, "this is the keeper, which runs all services: stop them, and it ends by itself")
	}
	if s.o.Services == nil {
		return nil
	}
	for _, st := range s.o.Services.List() {
		if st.PID != pid {
			continue
		}
		path := "/api/services/" + st.ID + "/stop"
		if st.Spec.Type == control.TypeJob {
			path = "/api/jobs/" + st.ID + "/cancel"
		}
		return problemf(http.StatusConflict, "process %d is %s, which would be started again or counted as crashed: use POST %s, or /api/services/%s/kill", pid, st.ID, path, st.ID)
	}
	return nil
}

// ticksOf turns the start time of a row into the exact number of the newest row of that process.
func (s *Server) ticksOf(ctx context.Context, pid int, given string) (uint64, error) {
	at, err := time.Parse(time.RFC3339Nano, given)
	if err != nil {
		return 0, invalid(FieldError{Loc: []string{"body", "start_time"}, Msg: "must be an RFC 3339 time, as in the row of the process", Type: "type"})
	}
	v := exporter.Get[exporter.Processes](s.fresh(ctx))
	if v == nil {
		return 0, problem(http.StatusServiceUnavailable, "processes cannot be read here or now")
	}
	i := slices.IndexFunc(v.List, func(p exporter.Process) bool { return p.PID == pid })
	if i < 0 {
		return 0, processGone()
	}
	const same = 0.5 // seconds; the boot time, from which it is counted, is not known better after the clock was set
	if math.Abs(v.List[i].StartSeconds-float64(at.UnixMicro())/1e6) > same {
		return 0, problemf(http.StatusConflict, otherProcess, pid)
	}
	return v.List[i].StartTicks, nil
}

func killError(pid int, err error) error {
	switch {
	case errors.Is(err, os.ErrProcessDone), errors.Is(err, fs.ErrNotExist), gone(err):
		return processGone()
	case errors.Is(err, fs.ErrPermission):
		return problemf(http.StatusForbidden, "process %d belongs to somebody else: the server may not signal it", pid)
	}
	return fmt.Errorf("signal process %d: %w", pid, err)
}

// signalOf finds a signal by name, with or without SIG; "" is SIGTERM.
func signalOf(given string) (os.Signal, string, error) {
	name := strings.ToUpper(given)
	if name == "" {
		name = "SIGTERM"
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	known := signals()
	sig, found := known[name]
	if !found {
		msg := "must be one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
		return nil, "", invalid(FieldError{Loc: []string{"body", "signal"}, Msg: msg, Type: "enum"})
	}
	return sig, name, nil
}

// recordKill writes who did it into the history. It was done: a store that cannot be written does not undo it.
func (s *Server) recordKill(ctx context.Context, pid int, text string) {
	s.log.Info("process was sent a signal", "pid", pid, "actor", actor(ctx), "request_id", infoOf(ctx).id)
	if s.o.Store == nil {
		return
	}
	err := s.o.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		return event.Append(tx, event.Row{Type: "process.signal", Level: event.Warning, Actor: actor(ctx), Title: text}) //nolint:wrapcheck // below
	})
	if err != nil {
		s.log.Error("record signal to process", "pid", pid, "err", err)
	}
}
