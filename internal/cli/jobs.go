package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const jobsPath = "/api/jobs"

// jobPath is the path of one job, and what is below it.
func jobPath(name string, below ...string) string {
	return jobsPath + "/" + url.PathEscape(name) + strings.Join(append([]string{""}, below...), "/")
}

// jobRow is what the table shows of a job.
type jobRow struct {
	service
	Schedule *struct {
		Cron  string `json:"cron"`
		Every string `json:"every"`
		At    string `json:"at"`
	} `json:"schedule"`
	LastSuccess *time.Time `json:"last_success"`
	LastExit    *struct {
		Result string    `json:"result"`
		Reason string    `json:"reason"`
		At     time.Time `json:"at"`
	} `json:"last_exit"`
}

// jobRun is one run of a job.
type jobRun struct {
	ID        string     `json:"id"`
	Trigger   string     `json:"trigger"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"finished_at"`
	Seconds   float64    `json:"duration_seconds"`
	Result    string     `json:"result"`
	Code      *int       `json:"exit_code"`
	Reason    string     `json:"reason"`
}

func isJob(s *service) bool { return s.Type == "job" }

func (e *env) jobsCmd() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:   "jobs [NAME]",
		Short: "Show jobs, or the runs of one",
		Example: `  controlcenter jobs
  controlcenter jobs kb-scheduler    # its runs, newest first
  controlcenter logs kb-scheduler --run RUN`,
		Args:              maxArgs(1),
		ValidArgsFunction: e.completeServices(isJob),
		RunE: e.run(func(c *call) error {
			if limit < 1 || limit > 1000 {
				return usagef("--limit: must be between 1 and 1000")
			}
			if len(c.args) == 0 {
				return e.listJobs(c)
			}
			var body struct {
				Runs []jobRun `json:"runs"`
			}
			raw, err := c.client.decode(c.ctx, withQuery(jobPath(c.args[0], "runs"), url.Values{"limit": {strconv.Itoa(limit)}}), &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error { return e.writeRuns(body.Runs) })
		}, needDaemon),
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "runs shown at most, 1-1000")
	return cmd
}

func (e *env) listJobs(c *call) error {
	var body struct {
		Jobs []jobRow `json:"jobs"`
	}
	raw, err := c.client.decode(c.ctx, jobsPath, &body)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		t := newTable("NAME", "STATE", "SCHEDULE", "NEXT RUN", "LAST RUN", "RESULT", "REASON")
		for _, j := range body.Jobs {
			schedule, last, result, reason := "by hand", "", "", j.Reason
			if s := j.Schedule; s != nil {
				switch {
				case s.Cron != "":
					schedule = s.Cron
				case s.Every != "":
					schedule = "every " + s.Every
				default:
					schedule = "at " + s.At
				}
			}
			if j.LastExit != nil {
				last, result, reason = shownTime(&j.LastExit.At), j.LastExit.Result, j.LastExit.Reason
			}
			t.add(j.Name, j.State, schedule, shownTime(j.NextRun), last, result, shorten(reason, 80))
		}
		return t.write(e.o.Stdout, e.styled())
	})
}

func shownTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func (e *env) writeRuns(runs []jobRun) error {
	t := newTable("RUN", "STARTED", "TOOK>", "RESULT", "CODE>", "TRIGGER", "REASON")
	for _, r := range runs {
		took := ""
		if r.EndedAt != nil {
			took = time.Duration(r.Seconds * float64(time.Second)).Round(time.Millisecond).String()
		}
		t.add(r.ID, shownTime(&r.StartedAt), took, r.Result, number(r.Code), r.Trigger, shorten(r.Reason, 80))
	}
	return t.write(e.o.Stdout, e.styled())
}

func (e *env) runCmd() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "run JOB",
		Short: "Run a job now",
		Long: `Run a job now. With --wait its output is shown and the exit code tells how it ended: 0
well, 1 otherwise. An interrupt ends the waiting, not the job.`,
		Example: `  controlcenter run kb-scheduler
  controlcenter run kb-scheduler --wait`,
		Args:              exactArgs("JOB"),
		ValidArgsFunction: e.completeServices(isJob),
		RunE: e.run(func(c *call) error {
			var body struct {
				Run     json.RawMessage `json:"run"`
				Message string          `json:"message"`
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPost, jobPath(c.args[0], "run"), nil, &body)
			if err != nil {
				return err
			}
			id := runID(body.Run)
			if !wait {
				return e.print(raw, func() error {
					text := body.Message
					if text == "" {
						text = c.args[0] + ": run " + id
					}
					_, err := fmt.Fprintln(e.o.Stdout, clean(text))
					return err
				})
			}
			if id == "" {
				return fmt.Errorf("%s: %s", c.args[0], body.Message)
			}
			return e.awaitRun(c, id)
		}, needDaemon),
	}
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "show its output and wait for its end")
	return cmd
}

func (e *env) cancelCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel JOB",
		Short: "End the run of a job",
		Long: `End the run of a job, and drop the runs that wait for it. Its schedule goes on. A job that does not run is
left as it is.`,
		Example:           `  controlcenter cancel kb-scheduler`,
		Args:              exactArgs("JOB"),
		ValidArgsFunction: e.completeServices(isJob),
		RunE: e.run(func(c *call) error {
			var body struct {
				Message string `json:"message"`
			}
			raw, err := c.client.exchange(c.ctx, http.MethodPost, jobPath(c.args[0], "cancel"), nil, &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				_, err := fmt.Fprintln(e.o.Stdout, clean(body.Message))
				return err
			})
		}, needDaemon),
	}
}

// runID reads a run that is given by its id or whole.
func runID(raw json.RawMessage) string {
	var run jobRun
	if json.Unmarshal(raw, &run) == nil {
		return run.ID
	}
	return position(raw)
}

// runPoll is how often a run is asked whether it has ended, and for its lines.
const runPoll = 250 * time.Millisecond

// awaitRun shows the lines of a run until it has ended. Its logs are asked for once more after that, so that none is missed.
func (e *env) awaitRun(c *call, id string) error {
	name := c.args[0]
	out := e.newLogWriter(c.args, false)
	after := ""
	tick := time.NewTicker(runPoll)
	defer tick.Stop()
	for {
		var body struct {
			Run *jobRun `json:"run"`
			jobRun
		}
		raw, err := c.client.decode(c.ctx, jobPath(name, "runs", url.PathEscape(id)), &body)
		if err != nil && !e.patientWith(c.ctx, err, out) {
			return err
		}
		run := &body.jobRun
		if body.Run != nil {
			run = body.Run
		}
		over := err == nil && run.EndedAt != nil
		if err == nil {
			if after, err = e.writeRunLines(c, out, id, after); err != nil && !e.patientWith(c.ctx, err, out) {
				return err
			}
		}
		if over && err == nil {
			return e.runEnded(name, run, raw)
		}
		select {
		case <-c.ctx.Done():
			return fmt.Errorf("interrupted; the run %s goes on", id)
		case <-tick.C:
		}
	}
}

// patientWith says whether an error is one that passes: the daemon is away, or what was asked for is only about to be recorded.
func (e *env) patientWith(ctx context.Context, err error, out *logWriter) bool {
	ee, ok := errors.AsType[*exitError](err)
	if !ok || ctx.Err() != nil || ee.code != ExitUnreachable {
		return false
	}
	out.waiting(err)
	return true
}

// writeRunLines shows the lines of a run behind a position and returns the next one.
func (e *env) writeRunLines(c *call, out *logWriter, id, after string) (string, error) {
	for {
		q := url.Values{"lines": {"10000"}}
		if after != "" {
			q.Set("after", after)
		}
		page, err := c.client.logs(c.ctx, jobPath(c.args[0], "runs", url.PathEscape(id), "logs"), c.args[0], q)
		if isStatus(err, http.StatusNotFound) {
			return after, nil // nothing was written yet
		}
		if err != nil {
			return after, err
		}
		if e.format == formatTable {
			for i := range page.Entries {
				if err := out.write(&page.Entries[i]); err != nil {
					return after, err
				}
			}
		}
		if next := position(page.Next); next != "" {
			after = next
		}
		if len(page.Entries) < 10000 {
			return after, nil
		}
	}
}

func (e *env) runEnded(name string, run *jobRun, raw json.RawMessage) error {
	if e.format != formatTable {
		if err := e.print(raw, nil); err != nil {
			return err
		}
	}
	if run.Result == "success" {
		return nil
	}
	reason := run.Reason
	if reason == "" {
		reason = run.Result
	}
	return fmt.Errorf("%s: %s", name, reason)
}
