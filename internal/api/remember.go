package api

import (
	"net/http"
	"strings"
	"unicode"

	"controlcenter/internal/audit"
	"controlcenter/internal/store"
)

// unaudited marks a row that changes nothing, or whose own records say who did it.
func unaudited(r *row) { r.unaudited = true }

// mostDetail is how much of a refusal's text the audit log keeps: enough to name what was wrong.
const mostDetail = 200

// remember lets the audit row of a call that may change something ride in the transaction of the change.
func (s *Server) remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r.Context())
		if s.o.Audit == nil || safe(r.Method) || info.row == nil || info.row.unaudited {
			next.ServeHTTP(w, r)
			return
		}
		info.rider = s.o.Audit.Begin(func() audit.Row { return auditRow(r, info) })
		next.ServeHTTP(w, r.WithContext(store.WithRider(r.Context(), info.rider)))
	})
}

// wasDone notes in the audit log how a request ended: what changed something or tried to, and what was refused.
func (s *Server) wasDone(r *http.Request, status int) {
	if s.o.Audit == nil {
		return
	}
	info := infoOf(r.Context())
	result := audit.OK
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusMisdirectedRequest, status == http.StatusTooManyRequests:
		result = audit.Denied
	case safe(r.Method), info.reads, info.row != nil && info.row.unaudited:
		return
	case status >= 400, info.problem != "": // legacy clients are told of failures with status 200
		result = audit.Failed
	}
	rode := info.rider != nil && info.rider.Close()
	row := auditRow(r, info)
	row.Result, row.Status = result, status
	if result != audit.OK {
		row.Detail = firstLine(info.problem)
	}
	s.o.Audit.End(row, rode)
}

// auditRow says who asks for what. It holds nothing of the query and the body, and of the path only what the route names.
func auditRow(r *http.Request, info *request) audit.Row {
	row := audit.Row{
		Who: info.caller.title(), Subject: info.caller.id, Role: info.caller.role.String(), Method: info.caller.method,
		From: "unix", Action: r.Method + " (no such route)", Target: info.target, Request: info.id,
	}
	if info.ip.IsValid() {
		row.From = info.ip.String()
	}
	if info.caller.role == 0 {
		row.Role = anonymous.String()
	}
	if info.row == nil {
		return row
	}
	row.Action = r.Method + " " + info.row.path
	if row.Target = firstLine(row.Target); row.Target == "" {
		var names []string
		for part := range strings.SplitSeq(info.row.path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				name, _, _ = strings.Cut(strings.TrimSuffix(name, "}"), ":")
				names = append(names, info.vars[name])
			}
		}
		row.Target = firstLine(strings.Join(names, "/"))
	}
	return row
}

// firstLine is a text that fits into a row: one line, without control characters. What a failed service wrote, which may hold
// anything, stands behind the first line.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if cut := []rune(s); len(cut) > mostDetail {
		s = string(cut[:mostDetail]) + "…"
	}
	return s
}
