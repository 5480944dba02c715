package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
	"controlcenter/internal/unit"
)

// EventsInput are the parameters of GET /api/events.
type EventsInput struct {
	Limit    int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most rows"`
	After    uint64 `query:"after" doc:"Only rows newer than the one with this id"`
	Before   uint64 `query:"before" doc:"Only rows older than the one with this id: next of the page before"`
	Service  string `query:"service" maxLength:"200" doc:"Only of this service or job"`
	Part     string `query:"part" maxLength:"50" doc:"Only of this part: service, job, process, ..."`
	Severity string `query:"severity" enum:"info,success,warning,error" doc:"Only of this severity"`
	Since    string `query:"since" maxLength:"40" doc:"Only of then or later: RFC 3339, or a time ago such as 10m or 7d"`
	Until    string `query:"until" maxLength:"40" doc:"Only before then, as since"`
}

// ServiceEventsInput are the parameters of GET /api/services/{name}/events.
type ServiceEventsInput struct {
	ServiceInput
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most rows"`
	After  uint64 `query:"after" doc:"Only rows newer than the one with this id"`
	Before uint64 `query:"before" doc:"Only rows older than the one with this id: next of the page before"`
}

// EventsBody is the answer of both.
type EventsBody struct {
	Success bool       `json:"success"`
	Events  []EventRow `json:"events" doc:"Newest first"`
	Next    *uint64    `json:"next" doc:"For before, to read on; null = there is nothing older"`
}

// EventRow is one thing that happened.
type EventRow struct {
	ID          uint64            `json:"id" doc:"Rises, is never used twice"`
	Title       string            `json:"title"`
	Description string            `json:"description" doc:"Why, and by whom"`
	Type        string            `json:"type" enum:"info,success,warning,error"`
	Severity    string            `json:"severity" doc:"Same as type"`
	Kind        string            `json:"kind" example:"service.started"`
	Part        string            `json:"part" example:"service" doc:"First word of kind"`
	Subject     string            `json:"subject" doc:"Name of the service, job, ... it is about"`
	Timestamp   string            `json:"timestamp" format:"date-time"`
	Actor       string            `json:"actor"`
	Why         string            `json:"why"`
	Data        map[string]string `json:"data"`
}

func (s *Server) eventRows() []*row {
	return []*row{
		typed(s, "GET", "/api/events", viewer, "What happened, newest first", s.events, group("Events"),
			about("Starts, ends, crashes, changes of definitions, runs of jobs, and who did it.")),
		typed(s, "GET", "/api/services/{name}/events", viewer, "What happened to a service, newest first", s.serviceEvents, group("Services")),
	}
}

func (s *Server) events(ctx context.Context, in *EventsInput) (*answerOf[EventsBody], error) {
	q := event.Query{Limit: in.Limit, After: in.After, Before: in.Before, Subject: in.Service, Type: in.Part, Level: in.Severity}
	var err error
	if q.Since, err = timeOf("since", in.Since); err != nil {
		return nil, err
	}
	if q.Until, err = timeOf("until", in.Until); err != nil {
		return nil, err
	}
	if m := s.o.Services; m != nil && in.Service != "" {
		if st, err := m.Get(in.Service); err == nil { // else it may be one that is no more
			q.Subject = st.ID
		}
	}
	return s.eventsOf(ctx, q)
}

func (s *Server) serviceEvents(ctx context.Context, in *ServiceEventsInput) (*answerOf[EventsBody], error) {
	_, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	return s.eventsOf(ctx, event.Query{Limit: in.Limit, After: in.After, Before: in.Before, Subject: st.ID})
}

func (s *Server) eventsOf(ctx context.Context, q event.Query) (*answerOf[EventsBody], error) {
	if s.o.Store == nil {
		return nil, problem(http.StatusServiceUnavailable, "there is no store")
	}
	var rows []event.Row
	var next uint64
	err := s.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		rows, next, err = event.List(tx, q)
		return err //nolint:wrapcheck // problemOf reads the kind
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	b := EventsBody{Success: true, Events: make([]EventRow, len(rows))}
	for i := range rows {
		b.Events[i] = eventRow(&rows[i])
	}
	if next != 0 {
		b.Next = &next
	}
	return ok(b), nil
}

func eventRow(r *event.Row) EventRow {
	out := EventRow{
		ID: r.Seq, Title: r.Title, Type: r.Level, Severity: r.Level, Kind: r.Type, Subject: r.Subject,
		Timestamp: stamp(r.At), Actor: r.Actor, Why: r.Why, Data: r.Data,
	}
	out.Part, _, _ = strings.Cut(r.Type, ".")
	if out.Data == nil {
		out.Data = map[string]string{}
	}
	out.Description = r.Why
	if r.Actor != "" && r.Actor != "system" {
		out.Description = strings.TrimPrefix(out.Description+", by "+r.Actor, ", ")
	}
	return out
}

// timeOf reads a point in time of the query: RFC 3339, or a duration before now; zero when it is not given.
func timeOf(name, given string) (time.Time, error) {
	if given == "" {
		return time.Time{}, nil
	}
	if d, err := unit.ParseDuration(given); err == nil {
		return time.Now().Add(-d.Std()), nil
	}
	at, err := time.Parse(time.RFC3339Nano, given)
	if err != nil {
		return time.Time{}, invalidQuery(name, "type", "must be an RFC 3339 time such as 2026-01-02T03:04:05Z, or a time ago such as 10m or 7d")
	}
	return at, nil
}
