package mcp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// Service is a service or job as an agent sees it.
type Service struct {
	Name        string     `json:"name"`
	DisplayName string     `json:"display_name"`
	Description string     `json:"description,omitempty"`
	Type        string     `json:"type" jsonschema:"service or job"`
	Status      string     `json:"status" jsonschema:"running, stopped, starting, stopping, error or unknown"`
	State       string     `json:"state"`
	Health      string     `json:"health" jsonschema:"healthy, unhealthy or unknown"`
	Reason      string     `json:"reason,omitempty"`
	PID         int        `json:"pid,omitempty"`
	Ports       []uint16   `json:"ports"`
	Since       time.Time  `json:"since"`
	Restarts    uint64     `json:"restarts"`
	ExitCode    *int       `json:"exit_code"`
	NextRun     *time.Time `json:"next_run,omitempty"`
}

func service(st *control.Status) Service {
	o := st.Object(time.Now())
	s := Service{
		Name: o.Name, DisplayName: o.DisplayName, Type: string(o.Type), Status: o.Status, State: o.State.String(), Health: string(o.Health),
		Reason: o.Reason, PID: st.PID, Ports: o.Ports, Since: o.Since, Restarts: o.Restarts, ExitCode: o.ExitCode, NextRun: o.NextRun,
	}
	if o.Description != nil {
		s.Description = *o.Description
	}
	return s
}

type named struct {
	Name string `json:"name" jsonschema:"name of the service or job, as services_list shows it"`
}

func (o *Options) serviceTools(s *mcp.Server, operate bool) {
	m := o.Services
	if m == nil {
		return
	}
	reads(s, "services_list", "Services", "All managed services and jobs with their state.", func(context.Context, none) (struct {
		Services []Service `json:"services"`
	}, error,
	) {
		out := struct {
			Services []Service `json:"services"`
		}{[]Service{}}
		for _, st := range m.List() {
			out.Services = append(out.Services, service(st))
		}
		return out, nil
	})
	reads(s, "service_status", "One service", "State, health and last exit of one service or job.", func(_ context.Context, in named) (Service, error) {
		st, err := m.Get(in.Name)
		if err != nil {
			return Service{}, err //nolint:wrapcheck // its text is for the reader
		}
		return service(st), nil
	})
	if o.Logs != nil {
		reads(s, "service_logs", "Logs of a service", "The last lines a service or job has written, or those of them that contain a text.", o.logs)
	}
	if !operate {
		return
	}
	for _, v := range []struct {
		verb               control.Verb
		title, description string
		destructive        bool
	}{
		{control.VerbStart, "Start", "Start a service, or run a job now. Answers when it has lived 300 ms.", false},
		{control.VerbStop, "Stop", "Stop a service with all its processes. It stays stopped until somebody starts it.", true},
		{control.VerbRestart, "Restart", "Stop a service and start it again.", true},
	} {
		acts(o, s, "service_"+string(v.verb), v.title, v.description, v.destructive, func(ctx context.Context, in named) (Service, error) {
			st, err := m.Do(ctx, control.Command{Service: in.Name, Verb: v.verb, Actor: o.Actor(ctx) + " (mcp)"})
			if err != nil {
				return Service{}, err //nolint:wrapcheck // its text is for the reader
			}
			return service(st), nil
		})
	}
}

type logQuery struct {
	Name     string `json:"name" jsonschema:"name of the service or job"`
	Lines    int    `json:"lines,omitempty" jsonschema:"1 to 1000, default 100"`
	Contains string `json:"contains,omitempty" jsonschema:"only lines with this text, in any case"`
	Level    string `json:"level,omitempty" jsonschema:"only lines at least so grave: debug, info, warn or error"`
}

type logLines struct {
	Lines []string `json:"lines" jsonschema:"oldest first"`
}

func (o *Options) logs(ctx context.Context, in logQuery) (logLines, error) {
	out := logLines{[]string{}}
	n, err := within("lines", in.Lines, 100, 1000)
	if err != nil {
		return out, err
	}
	st, err := o.Services.Get(in.Name)
	if err != nil {
		return out, err //nolint:wrapcheck // its text is for the reader
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	page, err := o.Logs.Tail(ctx, st.Key, n, logs.Filter{Contains: in.Contains, IgnoreCase: true, Level: in.Level})
	if errors.Is(err, logs.ErrNone) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read log of %s: %w", st.ID, err)
	}
	for i := range page.Lines {
		out.Lines = append(out.Lines, logs.Escape(page.Lines[i].Text))
	}
	return out, nil
}
