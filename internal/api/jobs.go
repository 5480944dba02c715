package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"controlcenter/control"
)

// JobsBody is the answer of GET /api/jobs.
type JobsBody struct {
	Success bool     `json:"success"`
	Total   int      `json:"total"`
	Count   int      `json:"count" doc:"Same as total"`
	Jobs    []JobRow `json:"jobs" doc:"By name"`
}

// JobRow is a job: a service that runs and ends, with what it has besides.
type JobRow struct {
	control.Object
	Schedule    *control.Schedule         `json:"schedule" doc:"null = it runs by hand only"`
	NextRun     *time.Time                `json:"next_run"`
	LastSuccess *time.Time                `json:"last_success" doc:"End of the last run that went well"`
	Results     map[control.Result]uint64 `json:"results" doc:"How many runs ended how, since the job was defined"`
	Queued      int                       `json:"queued" doc:"Runs that wait for the one before"`
}

// JobInput names a job.
type JobInput struct {
	ID string `path:"id" doc:"Name or display name, in any letter case; _ and - are the same"`
}

// RunsPage are the parameters of lists of runs.
type RunsPage struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"Most runs"`
	Before string `query:"before" maxLength:"40" doc:"Only runs older than the one with this id: next of the page before"`
}

// RunsInput are the parameters of GET /api/services/{name}/runs.
type RunsInput struct {
	ServiceInput
	RunsPage
}

// JobRunsInput are the parameters of GET /api/jobs/{id}/runs.
type JobRunsInput struct {
	JobInput
	RunsPage
}

// RunsBody is the answer of both.
type RunsBody struct {
	Success bool          `json:"success"`
	Runs    []control.Run `json:"runs" doc:"Newest first"`
	Next    *string       `json:"next" doc:"For before, to read on; null = there is nothing older"`
}

// RunInput names a run of a service.
type RunInput struct {
	ServiceInput
	Run string `path:"run"`
}

// JobRunInput names a run of a job.
type JobRunInput struct {
	JobInput
	Run string `path:"run"`
}

// RunBody is the answer of both.
type RunBody struct {
	Success bool `json:"success"`
	control.Run
}

// JobStartedBody is the answer of POST /api/jobs/{id}/run.
type JobStartedBody struct {
	Success bool   `json:"success"`
	Run     string `json:"run" doc:"Id of the run"`
	Message string `json:"message"`
}

func (s *Server) jobRows() []*row {
	g, services := group("Jobs"), group("Services")
	return []*row{
		typed(s, "GET", "/api/jobs", viewer, "All jobs, by name", s.jobs, g),
		typed(s, "GET", "/api/jobs/{id}/runs", viewer, "Runs of a job, newest first", func(ctx context.Context, in *JobRunsInput) (*answerOf[RunsBody], error) {
			return s.runs(ctx, s.job, in.ID, &in.RunsPage)
		}, g),
		typed(s, "GET", "/api/jobs/{id}/runs/{run}", viewer, "One run of a job", func(ctx context.Context, in *JobRunInput) (*answerOf[RunBody], error) {
			return s.oneRun(ctx, s.job, in.ID, in.Run)
		}, g),
		typed(s, "POST", "/api/jobs/{id}/run", operator, "Run a job now", s.runJob, g, answers(http.StatusAccepted),
			about("Answers as soon as it is recorded that it starts. 409 while it runs.")),
		typed(s, "POST", "/api/jobs/{id}/cancel", operator, "End the run of a job, and those that wait", s.cancelJob, g, about("One that does not run is a success.")),
		typed(s, "GET", "/api/services/{name}/runs", viewer, "Runs of a service, newest first", func(ctx context.Context, in *RunsInput) (*answerOf[RunsBody], error) {
			return s.runs(ctx, s.service, in.Name, &in.RunsPage)
		}, services),
		typed(s, "GET", "/api/services/{name}/runs/{run}", viewer, "One run of a service", func(ctx context.Context, in *RunInput) (*answerOf[RunBody], error) {
			return s.oneRun(ctx, s.service, in.Name, in.Run)
		}, services),
	}
}

// job finds a job, as service finds a service.
func (s *Server) job(id string) (*control.Manager, *control.Status, error) {
	m, st, err := s.service(id)
	if err == nil && st.Spec.Type != control.TypeJob {
		return nil, nil, problemf(http.StatusNotFound, "%q is a service, not a job: see /api/services/%s", st.ID, st.ID)
	}
	return m, st, err
}

type lookUp func(name string) (*control.Manager, *control.Status, error)

func (s *Server) jobs(context.Context, *noInput) (*answerOf[JobsBody], error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	b := JobsBody{Success: true, Jobs: []JobRow{}}
	now := time.Now()
	for _, st := range m.List() {
		if st.Spec.Type != control.TypeJob {
			continue
		}
		j := JobRow{Object: st.Object(now), Schedule: st.Spec.Schedule, Results: map[control.Result]uint64{}}
		j.NextRun = j.Object.NextRun
		if st.Job != nil {
			if st.Job.Results != nil {
				j.Results = st.Job.Results
			}
			if !st.Job.LastSuccess.IsZero() {
				j.LastSuccess = &st.Job.LastSuccess
			}
			j.Queued = st.Job.Queued
		}
		b.Jobs = append(b.Jobs, j)
	}
	b.Total, b.Count = len(b.Jobs), len(b.Jobs)
	return ok(b), nil
}

func (s *Server) runs(ctx context.Context, find lookUp, name string, page *RunsPage) (*answerOf[RunsBody], error) {
	m, st, err := find(name)
	if err != nil {
		return nil, err
	}
	list, err := m.Runs(ctx, st.Key, page.Before, page.Limit+1)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	b := RunsBody{Success: true, Runs: list}
	if len(list) > page.Limit {
		b.Runs = list[:page.Limit]
		b.Next = &b.Runs[page.Limit-1].ID
	}
	return ok(b), nil
}

func (s *Server) oneRun(ctx context.Context, find lookUp, name, run string) (*answerOf[RunBody], error) {
	m, st, err := find(name)
	if err != nil {
		return nil, err
	}
	r, err := m.FindRun(ctx, st.Key, run)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(RunBody{true, r}), nil
}

func (s *Server) runJob(ctx context.Context, in *JobInput) (*answerOf[JobStartedBody], error) {
	m, st, err := s.job(in.ID)
	if err != nil {
		return nil, err
	}
	st, err = m.Do(ctx, control.Command{Service: st.Key, Verb: control.VerbStart, Actor: actor(ctx), Wait: control.WaitNot})
	if _, refused := errors.AsType[*control.RefusedError](err); refused {
		return nil, fmt.Errorf("%s, run %s: %w", st.ID, st.Run, err)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return &answerOf[JobStartedBody]{http.StatusAccepted, JobStartedBody{true, st.Run, st.Spec.DisplayName + " is being run"}}, nil
}

func (s *Server) cancelJob(ctx context.Context, in *JobInput) (*answerOf[ActionBody], error) {
	_, st, err := s.job(in.ID)
	if err != nil {
		return nil, err
	}
	return s.do(ctx, control.Command{Service: st.Key, Verb: control.VerbStop}, "was cancelled")
}
