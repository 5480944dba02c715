package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"controlcenter/kb"
)

func (s *Server) knowledgeScanRows() []*row {
	g := knowledgeGroup()
	jobs := knowledgePrefix + "/jobs"
	said := about("Scans, newest first: those of this program, runs of the outside scan command, and those that the logs of the older pipeline tell of.")
	return []*row{
		typed(s, "POST", knowledgePrefix+"/scan", operator, "Scan for changes", s.knowledgeScan, g, about(
			"Parameters may stand in the query or in a JSON body; none are needed. Where `knowledge.scan.command` is configured that command runs first, as the job "+
				"`kb-scan`, and the files are read after it. While a scan runs, its job is returned and `already_running` is true.")),
		typed(s, "GET", jobs, viewer, "Scans, newest first", s.knowledgeJobs, g, said),
		typed(s, "GET", jobs+"/history", viewer, "Scans, newest first", s.knowledgeJobs, g, said),
		typed(s, "GET", jobs+"/{job_id}", viewer, "A scan", s.knowledgeJob, g),
		typed(s, "POST", jobs+"/{job_id}/cancel", operator, "Cancel a scan that waits or runs", s.knowledgeCancel, g, about(
			"What was indexed stays. 409 when the scan has ended.")),
		typed(s, "GET", knowledgePrefix+"/held", viewer, "Deletions that wait for a confirmation", s.knowledgeHeld, g, about(
			"When more than half of a root's files, and over 100, vanish at once, their records stay until somebody confirms that they are really gone.")),
		typed(s, "POST", knowledgePrefix+"/held/confirm", operator, "Make the deletions that were held", s.knowledgeConfirm, g),
	}
}

// KnowledgeScanInput says what to scan.
type KnowledgeScanInput struct {
	Creator   string `query:"creator_id" doc:"Only this creator; at most 100 letters, digits, _ or -"`
	Priority  string `query:"priority" doc:"Only creators of this tier: critical, high, medium or low"`
	Force     bool   `query:"force_rescan" doc:"Read also what seems unchanged"`
	MaxVideos int    `query:"max_videos" minimum:"1" maximum:"100" doc:"For the outside scan command; 10 when not given"`
	Root      string `query:"root" doc:"Only this root"`
	Body      *KnowledgeScanBody
}

// KnowledgeScanBody is the same as JSON.
type KnowledgeScanBody struct {
	Creator   string `json:"creator_id,omitempty"`
	All       bool   `json:"scan_all,omitempty" doc:"Every creator; the same as naming none"`
	Priority  string `json:"priority,omitempty"`
	Force     bool   `json:"force_rescan,omitempty"`
	MaxVideos int    `json:"max_videos,omitempty" minimum:"1" maximum:"100"`
	Root      string `json:"root,omitempty"`
}

// KnowledgeScanStarted is its answer.
type KnowledgeScanStarted struct {
	Success   bool         `json:"success"`
	Status    string       `json:"status" enum:"started,already_running"`
	Already   bool         `json:"already_running"`
	PID       int          `json:"pid" doc:"Of the process that scans: this one, or the outside scan command"`
	Command   string       `json:"command" doc:"What runs, as one would type it"`
	Message   string       `json:"message"`
	Timestamp string       `json:"timestamp" format:"date-time"`
	JobID     string       `json:"job_id"`
	Job       KnowledgeJob `json:"job"`
}

// KnowledgeJob is a scan.
type KnowledgeJob struct {
	kb.Job
	LogFile   string `json:"log_file" doc:"Empty for a scan of this program"`
	Error     string `json:"error" doc:"Empty when there was none"`
	Timestamp string `json:"timestamp" format:"date-time" doc:"Of the end, or of the start of one that runs"`
	PID       *int   `json:"pid" doc:"Of an outside scan command that runs, else null"`
	Command   string `json:"command,omitempty" doc:"Of an outside scan command"`
}

func knowledgeJob(j *kb.Job) KnowledgeJob {
	at := j.Started
	if j.Finished != nil {
		at = *j.Finished
	}
	out := KnowledgeJob{Job: *j, LogFile: j.LogFile, Error: j.Error, Timestamp: stamp(at)}
	out.Errors, out.Log = list(j.Errors), list(j.Log)
	return out
}

func knowledgeRun(r *ScanRun) KnowledgeJob {
	out := knowledgeJob(&r.Job)
	out.PID, out.Command = given(r.PID), r.Command
	return out
}

func (in *KnowledgeScanInput) arguments() (kb.ScanRequest, ScanArguments) {
	b := KnowledgeScanBody{}
	if in.Body != nil {
		b = *in.Body
	}
	r := kb.ScanRequest{
		Creator: cmp.Or(b.Creator, in.Creator), Tier: strings.ToLower(cmp.Or(b.Priority, in.Priority)), Root: cmp.Or(b.Root, in.Root), Force: b.Force || in.Force,
		Trigger: "api",
	}
	if b.All {
		r.Creator, r.Tier = "", ""
	}
	return r, ScanArguments{Creator: r.Creator, Priority: r.Tier, Root: r.Root, Force: r.Force, MaxVideos: cmp.Or(b.MaxVideos, in.MaxVideos, 10)}
}

// checkScanWords refuses what neither an argument of a command nor a filter may be.
func checkScanWords(r *kb.ScanRequest) error {
	if len(r.Creator) > 100 || strings.Trim(r.Creator, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return invalidQuery("creator_id", "value", "must have at most 100 letters, digits, _ or -")
	}
	if r.Tier != "" && !slices.Contains([]string{"critical", "high", "medium", "low"}, r.Tier) {
		return invalidQuery("priority", "enum", "must be one of critical, high, medium, low")
	}
	return nil
}

func (s *Server) knowledgeScan(ctx context.Context, in *KnowledgeScanInput) (*answerOf[KnowledgeScanStarted], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	r, args := in.arguments()
	if err := checkScanWords(&r); err != nil {
		return nil, err
	}
	if len(k.Roots) == 0 {
		return nil, problem(http.StatusConflict, "there is nothing to scan: no knowledge.roots are configured")
	}
	r.Actor = actor(ctx)
	if k.Command != nil && k.Command.Configured() {
		args.Actor = r.Actor
		run, already, err := k.Command.Start(ctx, args)
		if err != nil {
			return nil, kbProblem(err)
		}
		return ok(scanStarted(knowledgeRun(&run), already, cmp.Or(run.PID, os.Getpid()), run.Command)), nil
	}
	job, already, err := k.Base.Scan(ctx, r)
	if err != nil {
		return nil, kbProblem(err)
	}
	return ok(scanStarted(knowledgeJob(&job), already, os.Getpid(), scanWords(&r))), nil
}

// scanWords is a scan of our own as one would type it.
func scanWords(r *kb.ScanRequest) string {
	words := "controlcenter kb scan"
	if r.Creator != "" {
		words += " --creator " + r.Creator
	}
	if r.Tier != "" {
		words += " --priority " + r.Tier
	}
	if r.Force {
		words += " --force"
	}
	return words
}

func scanStarted(j KnowledgeJob, already bool, pid int, command string) KnowledgeScanStarted {
	out := KnowledgeScanStarted{
		Success: true, Status: "started", Already: already, PID: pid, Command: command, Timestamp: stamp(time.Now()), JobID: j.ID, Job: j,
		Message: "Scan started. Its progress: GET /api/knowledge/jobs/" + j.ID,
	}
	if already {
		out.Status, out.Message = "already_running", "A scan runs already. Its progress: GET /api/knowledge/jobs/"+j.ID
	}
	return out
}

// KnowledgeJobsInput says how many scans are wanted.
type KnowledgeJobsInput struct {
	Limit int `query:"limit" default:"20" minimum:"1" maximum:"200"`
}

// KnowledgeJobsBody are scans.
type KnowledgeJobsBody struct {
	Success bool           `json:"success"`
	Total   int            `json:"total" doc:"Scans that are remembered"`
	Count   int            `json:"count"`
	Jobs    []KnowledgeJob `json:"jobs"`
	Message string         `json:"message,omitempty" doc:"When there are none"`
}

func (s *Server) knowledgeJobs(ctx context.Context, in *KnowledgeJobsInput) (*answerOf[KnowledgeJobsBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	jobs, total, err := k.jobs(ctx, in.Limit)
	if err != nil {
		return nil, kbProblem(err)
	}
	out := KnowledgeJobsBody{Success: true, Total: total, Count: len(jobs), Jobs: jobs}
	if total == 0 {
		out.Message = "No scan has been made yet"
	}
	return ok(out), nil
}

// jobs are scans of this program and runs of the outside command together, newest first.
func (k *Knowledge) jobs(ctx context.Context, limit int) ([]KnowledgeJob, int, error) {
	own, total, err := k.Base.Jobs(ctx, limit)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // kb says what was being done
	}
	jobs := make([]KnowledgeJob, 0, len(own))
	for i := range own {
		jobs = append(jobs, knowledgeJob(&own[i]))
	}
	if k.Command != nil {
		runs, n, err := k.Command.Runs(ctx, limit)
		if err != nil {
			return nil, 0, fmt.Errorf("read runs of the scan command: %w", err)
		}
		for i := range runs {
			jobs = append(jobs, knowledgeRun(&runs[i]))
		}
		total += n
		slices.SortStableFunc(jobs, func(a, b KnowledgeJob) int { return b.Started.Compare(a.Started) })
	}
	return jobs[:min(limit, len(jobs))], total, nil
}

// job is one scan, wherever it ran.
func (k *Knowledge) job(ctx context.Context, id string) (KnowledgeJob, error) {
	own, err := k.Base.Job(ctx, id)
	if err == nil {
		return knowledgeJob(&own), nil
	}
	if k.Command != nil && errors.Is(err, kb.ErrNotFound) {
		var run ScanRun
		if run, err = k.Command.Run(ctx, id); err == nil {
			return knowledgeRun(&run), nil
		}
	}
	if errors.Is(err, kb.ErrNotFound) {
		return KnowledgeJob{}, notFound("Job", id)
	}
	return KnowledgeJob{}, err
}

// KnowledgeJobInput names a scan.
type KnowledgeJobInput struct {
	ID string `path:"job_id" maxLength:"200"`
}

// KnowledgeJobBody is a scan.
type KnowledgeJobBody struct {
	Success bool   `json:"success"`
	Message string `json:"message,omitempty"`
	KnowledgeJob
	Inner KnowledgeJob `json:"job" doc:"The same"`
}

func (s *Server) knowledgeJob(ctx context.Context, in *KnowledgeJobInput) (*answerOf[KnowledgeJobBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	j, err := k.job(ctx, in.ID)
	if err != nil {
		return nil, kbProblem(err)
	}
	return ok(KnowledgeJobBody{Success: true, KnowledgeJob: j, Inner: j}), nil
}

func (s *Server) knowledgeCancel(ctx context.Context, in *KnowledgeJobInput) (*answerOf[KnowledgeJobBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	j, err := k.job(ctx, in.ID)
	if err != nil {
		return nil, kbProblem(err)
	}
	err = k.Base.Cancel(ctx, in.ID)
	if errors.Is(err, kb.ErrNotFound) && k.Command != nil {
		err = k.Command.Stop(ctx, in.ID, actor(ctx))
	}
	switch {
	case errors.Is(err, kb.ErrNotFound):
		return nil, problemf(http.StatusConflict, "job %s has ended: %s", j.ID, j.Status)
	case err != nil:
		return nil, kbProblem(err)
	}
	if now, err := k.job(ctx, in.ID); err == nil {
		j = now
	}
	return ok(KnowledgeJobBody{Success: true, Message: "The scan is being cancelled; what was indexed stays", KnowledgeJob: j, Inner: j}), nil
}

// KnowledgeHeldBody are deletions that wait.
type KnowledgeHeldBody struct {
	Success bool      `json:"success"`
	Count   int       `json:"count"`
	Held    []kb.Held `json:"held"`
}

func (s *Server) knowledgeHeld(context.Context, *struct{}) (*answerOf[KnowledgeHeldBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	held := list(k.Base.Held())
	return ok(KnowledgeHeldBody{Success: true, Count: len(held), Held: held}), nil
}

// KnowledgeConfirmInput names the root whose deletions are to be made.
type KnowledgeConfirmInput struct {
	Root string `query:"root" doc:"Id of the root; all when not given"`
}

func (s *Server) knowledgeConfirm(ctx context.Context, in *KnowledgeConfirmInput) (*answerOf[KnowledgeScanStarted], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(k.Base.Held(), func(h kb.Held) bool { return in.Root == "" || h.Root == in.Root }) {
		return nil, problem(http.StatusConflict, "no deletions wait for a confirmation")
	}
	r := kb.ScanRequest{Root: in.Root, Confirm: true, Trigger: "confirm", Actor: actor(ctx)}
	job, already, err := k.Base.Scan(ctx, r)
	if err != nil {
		return nil, kbProblem(err)
	}
	return ok(scanStarted(knowledgeJob(&job), already, os.Getpid(), "controlcenter kb scan --confirm-deletions")), nil
}
