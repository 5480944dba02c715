package api

import (
	"context"
	"net/http"

	"controlcenter/internal/audit"
)

// AuditInput are the parameters of GET /api/audit.
type AuditInput struct {
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most rows"`
	Cursor uint64 `query:"cursor" doc:"next of the page before: only older rows"`
	After  uint64 `query:"after" doc:"Only rows newer than the one with this id"`
	Who    string `query:"who" maxLength:"200" doc:"Only of this caller: its name, or its identity such as owner, user:3 or key:…"`
	Action string `query:"action" maxLength:"200" doc:"Only with this text in the action, in any letter case"`
	Target string `query:"target" maxLength:"200" doc:"Only of this target"`
	Result string `query:"result" enum:"changed,ok,failed,denied" doc:"Only with this result"`
	From   string `query:"from" maxLength:"60" doc:"Only from this address; unix = the socket"`
	Since  string `query:"since" maxLength:"40" doc:"Only of then or later: RFC 3339, or a time ago such as 10m or 7d"`
	Until  string `query:"until" maxLength:"40" doc:"Only before then, as since"`
}

// AuditBody is its answer.
type AuditBody struct {
	Success bool       `json:"success"`
	Entries []AuditRow `json:"entries" doc:"Newest first"`
	Next    *uint64    `json:"next" doc:"For cursor, to read on; null = there is nothing older"`
}

// AuditRow is one call.
type AuditRow struct {
	ID        uint64  `json:"id"`
	Time      string  `json:"time" format:"date-time"`
	Who       string  `json:"who" doc:"Name of the caller; anonymous = nobody"`
	Subject   string  `json:"subject" doc:"Its identity, which stays when names change"`
	Role      string  `json:"role"`
	Method    string  `json:"method" doc:"How it was proved"`
	From      string  `json:"from" doc:"Address of the caller; unix = the socket"`
	Action    string  `json:"action" doc:"Method and route"`
	Target    string  `json:"target" doc:"What the route was called for"`
	Result    string  `json:"result" enum:"changed,ok,failed,denied" doc:"changed rows are written in the transaction of the change, and followed by one with failed if the call did not succeed after all"`
	Status    int     `json:"status" doc:"Of the answer; 0 in rows with changed, which are written before it"`
	RequestID string  `json:"request_id"`
	Detail    string  `json:"detail" doc:"Why it was refused or failed"`
	Count     int     `json:"count" doc:"More than 1: refusals that this row sums up"`
	Until     *string `json:"until" format:"date-time" doc:"Time of the last of them"`
}

func (s *Server) auditRows() []*row {
	return []*row{typed(s, "GET", "/api/audit", admin, "Who did what, and who was refused, newest first", s.auditLog, group("Users and keys"), about(
		"Every call that changes something or tried to, and every refusal; those of one kind within a minute are one row."))}
}

func (s *Server) auditLog(ctx context.Context, in *AuditInput) (*answerOf[AuditBody], error) {
	if s.o.Audit == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server keeps no audit log")
	}
	q := audit.Query{
		Before: in.Cursor, After: in.After, Who: in.Who, Action: in.Action, Target: in.Target, Result: in.Result, From: in.From, Limit: in.Limit,
	}
	var err error
	if q.Since, err = timeOf("since", in.Since); err != nil {
		return nil, err
	}
	if q.Until, err = timeOf("until", in.Until); err != nil {
		return nil, err
	}
	rows, next, err := s.o.Audit.List(ctx, q)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	body := AuditBody{Success: true, Entries: make([]AuditRow, len(rows))}
	for i := range rows {
		r := &rows[i]
		body.Entries[i] = AuditRow{
			ID: r.ID, Time: stamp(r.At), Who: r.Who, Subject: r.Subject, Role: r.Role, Method: r.Method, From: r.From, Action: r.Action, Target: r.Target,
			Result: r.Result, Status: r.Status, RequestID: r.Request, Detail: r.Detail, Count: max(r.Count, 1),
		}
		if !r.Until.IsZero() {
			at := stamp(r.Until)
			body.Entries[i].Until = &at
		}
	}
	if next > 0 {
		body.Next = &next
	}
	return ok(body), nil
}
