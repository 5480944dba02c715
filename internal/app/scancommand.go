package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"controlcenter/control"
	"controlcenter/control/logs"
	"controlcenter/internal/api"
	"controlcenter/internal/config"
	"controlcenter/internal/event"
	"controlcenter/kb"
)

// scanCommand runs knowledge.scan.command as the job kb-scan, which the configuration owns, and has the files read after each of
// its runs. It implements api.ScanCommand.
type scanCommand struct {
	d    *daemonState
	seen string // the newest run that ended and was followed

	mu       sync.Mutex
	finished map[string]kb.Job      // runs that ended, by id: their logs need not be read again
	started  map[string]startedScan // by run, of this process
}

// newScanCommand must be called before services run: a run that ended while no daemon was there is to be followed too.
func newScanCommand(d *daemonState) *scanCommand {
	s := &scanCommand{d: d}
	s.seen = s.lastEnded()
	return s
}

// startedScan is what a run of the command was asked for.
type startedScan struct {
	command string
	api.ScanArguments
}

// maxScanRuns bounds what is kept of runs in memory; the job keeps as many.
const maxScanRuns = 100

// definitions are those of the configuration file, and the job of the scan command.
func definitions(l *config.Loaded, argv []string) []control.Definition {
	defs := l.Definitions()
	c := &l.Config.Knowledge
	if len(c.Scan.Command) == 0 || len(c.Roots) == 0 {
		return defs
	}
	if argv == nil {
		argv = scanArgv(c.Scan.Command, api.ScanArguments{MaxVideos: 10})
	}
	return append(defs, control.Definition{
		Origin: cmp.Or(l.Sources["knowledge.scan.command"].Detail, "knowledge.scan.command"),
		Spec: &control.Spec{
			ID: config.ScanJob, DisplayName: "Knowledge scan command", Description: "knowledge.scan.command of the configuration; started by a scan",
			Type: control.TypeJob, Command: argv, Cwd: c.Roots[0].Path, Env: map[string]string{"AI_AGENTS_ROOT": c.Roots[0].Path},
			Tags: []string{"knowledge"},
		},
	})
}

// scanArgv fills the placeholders of the template. An argument whose placeholder has no value is left out, and with it the option
// right before it; {force} as a whole argument is --force or nothing.
func scanArgv(template []string, a api.ScanArguments) []string {
	force := ""
	if a.Force {
		force = "--force"
	}
	values := map[string]string{"{creator}": a.Creator, "{priority}": a.Priority, "{force}": force, "{max_videos}": strconv.Itoa(a.MaxVideos)}
	var out []string
	for i, arg := range template {
		empty, filled := false, arg
		for name, v := range values {
			if strings.Contains(arg, name) {
				empty = empty || v == ""
				filled = strings.ReplaceAll(filled, name, v)
			}
		}
		switch {
		case !empty:
			out = append(out, filled)
		case arg != "{force}" && i > 1 && strings.HasPrefix(template[i-1], "-") && !strings.Contains(template[i-1], "{"):
			out = out[:len(out)-1]
		}
	}
	return out
}

// Configured implements api.ScanCommand.
func (s *scanCommand) Configured() bool {
	c := &s.d.loaded.Load().Config.Knowledge
	return len(c.Scan.Command) > 0 && len(c.Roots) > 0
}

// Start implements api.ScanCommand.
func (s *scanCommand) Start(ctx context.Context, a api.ScanArguments) (api.ScanRun, bool, error) {
	d, m := s.d, s.d.services.manager
	d.reloading.Lock() // the definition is the configuration's
	defer d.reloading.Unlock()
	if st, err := m.Get(config.ScanJob); err == nil && !st.State.Final() && st.Run != "" {
		run, err := s.Run(ctx, st.Run)
		if err != nil || run.Finished == nil { // an end is stored before the state says so
			return run, true, err
		}
	}
	l := d.loaded.Load()
	argv := scanArgv(l.Config.Knowledge.Scan.Command, a)
	if err := m.Sync(ctx, definitions(l, argv), cmp.Or(a.Actor, "system")); err != nil {
		return api.ScanRun{}, false, fmt.Errorf("define the job %s: %w", config.ScanJob, err)
	}
	st, err := m.Do(ctx, control.Command{
		Service: config.ScanJob, Verb: control.VerbStart, Actor: cmp.Or(a.Actor, "system"), Why: "knowledge scan", Wait: control.WaitNot,
	})
	if err != nil {
		return api.ScanRun{}, false, fmt.Errorf("start the job %s: %w", config.ScanJob, err)
	}
	s.mu.Lock()
	if s.started == nil || len(s.started) > maxScanRuns {
		s.started = map[string]startedScan{}
	}
	s.started[st.Run] = startedScan{strings.Join(argv, " "), a}
	s.mu.Unlock()
	run, err := s.Run(ctx, st.Run)
	return run, false, err
}

// Runs implements api.ScanCommand.
func (s *scanCommand) Runs(ctx context.Context, limit int) ([]api.ScanRun, int, error) {
	runs, err := s.d.services.manager.Runs(ctx, config.ScanJob, "", 0)
	if errors.Is(err, control.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the runs of %s: %w", config.ScanJob, err)
	}
	out := make([]api.ScanRun, 0, min(limit, len(runs)))
	for i := range runs[:min(limit, len(runs))] {
		out = append(out, s.scanRun(ctx, &runs[i]))
	}
	return out, len(runs), nil
}

// Run implements api.ScanCommand.
func (s *scanCommand) Run(ctx context.Context, id string) (api.ScanRun, error) {
	runs, err := s.d.services.manager.Runs(ctx, config.ScanJob, "", 0)
	if err != nil && !errors.Is(err, control.ErrNotFound) {
		return api.ScanRun{}, fmt.Errorf("read the runs of %s: %w", config.ScanJob, err)
	}
	if i := slices.IndexFunc(runs, func(r control.Run) bool { return r.ID == id }); i >= 0 {
		return s.scanRun(ctx, &runs[i]), nil
	}
	return api.ScanRun{}, fmt.Errorf("run %q of the scan command: %w", id, kb.ErrNotFound)
}

// scanRun is a run in the shape of a scan: its exit code and output are the scan's.
func (s *scanCommand) scanRun(ctx context.Context, r *control.Run) api.ScanRun {
	s.mu.Lock()
	job, known := s.finished[r.ID]
	command := s.started[r.ID].command
	s.mu.Unlock()
	if !known {
		job = s.read(ctx, r)
	}
	out := api.ScanRun{Job: job, Command: command}
	if r.EndedAt == nil {
		out.PID = r.PID
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished == nil || len(s.finished) > maxScanRuns {
		s.finished = map[string]kb.Job{}
	}
	s.finished[r.ID] = job
	return out
}

func (s *scanCommand) read(ctx context.Context, r *control.Run) kb.Job {
	job := kb.Job{
		ID: r.ID, Kind: "command", Trigger: r.Trigger, Actor: r.Actor, Started: r.StartedAt, Finished: r.EndedAt, ExitCode: r.Code,
		LogFile: config.ScanJob + ".log", Errors: []kb.FileError{}, Log: []string{},
	}
	switch r.Result {
	case control.ResultRunning:
		job.Status = kb.JobRunning
	case control.ResultSuccess:
		job.Status = kb.JobCompleted
	case control.ResultStopped, control.ResultSkipped:
		job.Status, job.Error = kb.JobCancelled, r.Reason
	case control.ResultUnknown:
		job.Status, job.Error = kb.JobUnknown, r.Reason
	default:
		job.Status, job.Error = kb.JobFailed, r.Reason
	}
	page, err := s.d.services.logs.Tail(ctx, config.ScanJob, 10_000, logs.Filter{Run: r.ID})
	if err != nil { // it wrote nothing, or its log is gone
		return job
	}
	for i := range page.Lines {
		line := page.Lines[i].Text
		job.Size += int64(len(line)) + 1
		job.Videos += strings.Count(line, "Processing video:")
		job.Insights += strings.Count(line, "Insight extracted:")
	}
	const shown = 100
	job.Log = texts(page.Lines[max(0, len(page.Lines)-shown):])
	return job
}

// Stop implements api.ScanCommand.
func (s *scanCommand) Stop(ctx context.Context, id, actor string) error {
	st, err := s.d.services.manager.Get(config.ScanJob)
	if err != nil || st.State.Final() || st.Run != id {
		return fmt.Errorf("run %q of the scan command does not run: %w", id, kb.ErrNotFound)
	}
	_, err = s.d.services.manager.Do(ctx, control.Command{Service: config.ScanJob, Verb: control.VerbStop, Actor: actor, Why: "scan cancelled"})
	if err != nil {
		return fmt.Errorf("stop the job %s: %w", config.ScanJob, err)
	}
	return nil
}

// Topic implements api.ScanCommand.
func (s *scanCommand) Topic() string { return control.Changed{}.Topic() }

// Mine implements api.ScanCommand.
func (s *scanCommand) Mine(data event.Data) (run string, mine bool) {
	if c, ok := data.(control.Changed); ok && c.Status.Key == control.Key(config.ScanJob) {
		return c.Status.Run, true
	}
	return "", false
}

// run has the files read after each run of the command, and starts the command, or a scan where there is none, by the schedules of
// the tiers.
func (s *scanCommand) run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	looked := time.Now()
	var due []string // tiers that wait: the command runs once at a time
	for {
		sub := s.d.bus.Subscribe(64, s.Topic())
		for open := true; open; {
			if ended := s.lastEnded(); ended != s.seen {
				s.seen = ended
				s.rescan(ctx, ended)
			}
			due = s.startNext(ctx, due)
			select {
			case <-ctx.Done():
				sub.Close()
				return context.Cause(ctx)
			case now := <-tick.C:
				due = s.nowDue(ctx, due, looked, now)
				looked = now
			case _, open = <-sub.Events(): // closed: it lagged behind; the state is looked at above
			}
		}
		sub.Close()
		if !errors.Is(sub.Err(), event.ErrLagged) { // nobody publishes any more
			<-ctx.Done()
			return context.Cause(ctx)
		}
	}
}

// lastEnded is the id of the newest run that ended, "" when there is none.
func (s *scanCommand) lastEnded() string {
	st, err := s.d.services.manager.Get(config.ScanJob)
	if err != nil || st.LastExit == nil {
		return ""
	}
	return st.LastExit.Run
}

// rescan looks at the files after a run of the command. One that was to read everything again does so with those it was about.
func (s *scanCommand) rescan(ctx context.Context, run string) {
	s.mu.Lock()
	asked := s.started[run]
	s.mu.Unlock()
	r := kb.ScanRequest{Root: asked.Root, After: run, Trigger: "command", Actor: "system"}
	if asked.Force {
		r.Force, r.Creator, r.Tier = true, asked.Creator, asked.Priority
	}
	if _, _, err := s.d.knowledge.base.Scan(ctx, r); err != nil && ctx.Err() == nil {
		s.d.log.Error("scan after the scan command", "component", "kb", "err", err)
	}
}

// nowDue adds the tiers of creators whose schedule came due between two times.
func (s *scanCommand) nowDue(ctx context.Context, due []string, from, to time.Time) []string {
	if len(s.d.loaded.Load().Config.Knowledge.Roots) == 0 {
		return nil
	}
	list, err := s.d.knowledge.base.Creators(ctx, "", "")
	if err != nil {
		return due // the scans say what is wrong with the store
	}
	for _, tier := range []string{"critical", "high", "medium", "low"} {
		cron, ok := kb.ScheduleOf(list.Schedule[tier])
		if !ok || slices.Contains(due, tier) {
			continue
		}
		if next := (&control.Schedule{Cron: cron}).Next(from, from); !next.IsZero() && !next.After(to) {
			due = append(due, tier)
		}
	}
	return due
}

// startNext starts the command, or a scan where there is none, for the first tier that waits, if none runs.
func (s *scanCommand) startNext(ctx context.Context, due []string) []string {
	if len(due) == 0 {
		return due
	}
	if !s.Configured() {
		_, already, err := s.d.knowledge.base.Scan(ctx, kb.ScanRequest{Tier: due[0], Trigger: "schedule", Actor: "system"})
		if err != nil && ctx.Err() == nil {
			s.d.log.Error("scan by the schedule of a tier", "component", "kb", "tier", due[0], "err", err)
		}
		if already {
			return due
		}
		return due[1:]
	}
	if st, err := s.d.services.manager.Get(config.ScanJob); err == nil && !st.State.Final() {
		return due
	}
	if _, _, err := s.Start(ctx, api.ScanArguments{Priority: due[0], MaxVideos: 10, Actor: "schedule"}); err != nil && ctx.Err() == nil {
		s.d.log.Error("scan by the schedule of a tier", "component", "kb", "tier", due[0], "err", err)
	}
	return due[1:]
}
