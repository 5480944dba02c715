package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/control"
	"controlcenter/control/logs"
	"controlcenter/internal/store"
)

// Problem is the body of every answer with a status of 400 and above. Clients of either older generation find what they look
// for: scripts test success and error, the browser client shows detail (and calls string methods on it: it is always a
// string), validators read errors.
type Problem struct {
	Success   bool         `json:"success" doc:"Always false"`
	Message   string       `json:"error" doc:"What went wrong, for a person"`
	Detail    string       `json:"detail" doc:"The same text; always a string"`
	Code      string       `json:"code" doc:"Kind of error, stable" example:"validation"`
	Errors    []FieldError `json:"errors" doc:"One entry per refused field"`
	Lines     []string     `json:"lines,omitempty" doc:"The last lines of a service that failed"`
	RequestID string       `json:"request_id,omitempty" doc:"Id of the request in the server's log"`

	status int
	header http.Header
	cause  error // for the log only
}

// FieldError is one refused field.
type FieldError struct {
	Loc  []string `json:"loc" doc:"Where: query, path, header or body, then the name"`
	Msg  string   `json:"msg" doc:"Why, with the values accepted"`
	Type string   `json:"type" doc:"range, type, enum, unknown, missing or value"`
}

// Error returns the text for a person.
func (p *Problem) Error() string { return p.Message }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.status }

// GetHeaders returns headers that belong to the answer (Allow, Retry-After).
func (p *Problem) GetHeaders() http.Header { return p.header }

// problem makes an error answer.
func problem(status int, text string) *Problem {
	return &Problem{Message: text, Detail: text, Code: codeOf(status), Errors: []FieldError{}, status: status}
}

func problemf(status int, format string, a ...any) *Problem {
	return problem(status, fmt.Sprintf(format, a...))
}

func (p *Problem) with(key, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(key, value)
	return p
}

// invalid is the 422 of refused fields.
func invalid(fields ...FieldError) *Problem {
	texts := make([]string, len(fields))
	for i, f := range fields {
		name := ""
		if len(f.Loc) > 0 {
			name = f.Loc[len(f.Loc)-1] + ": "
		}
		texts[i] = name + f.Msg
	}
	p := problem(http.StatusUnprocessableEntity, strings.Join(texts, "; "))
	p.Errors = fields
	return p
}

// invalidQuery is the 422 of one query parameter.
func invalidQuery(name, kind, msg string) *Problem {
	return invalid(FieldError{Loc: []string{"query", name}, Msg: msg, Type: kind})
}

func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusForbidden:
		return "denied"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusConflict:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusMisdirectedRequest:
		return "misdirected"
	case http.StatusUnprocessableEntity:
		return "validation"
	case http.StatusUpgradeRequired:
		return "upgrade_required"
	case http.StatusTooManyRequests:
		return "rate_limited"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "timeout"
	case http.StatusInsufficientStorage:
		return "storage_full"
	}
	if status >= 500 {
		return "internal"
	}
	return "bad_request"
}

// problemOf turns an error of a handler into an answer; the one place where kinds become statuses. What it does not know is
// internal: its text goes to the log, the client gets the request id.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemf(http.StatusRequestEntityTooLarge, "body: larger than %d bytes", tooLarge.Limit)
	}
	if errors.Is(err, errSlowBody) {
		return problem(http.StatusRequestTimeout, errSlowBody.Error())
	}
	if broken, ok := errors.AsType[*store.UnavailableError](err); ok && !broken.Full {
		p := problem(http.StatusServiceUnavailable, "the data directory cannot be written or read now")
		p.cause = err
		return p
	}
	if p := controlProblem(err); p != nil {
		return p
	}
	if p := notifyProblem(err); p != nil {
		return p
	}
	switch {
	case errors.Is(err, store.ErrClosed):
		return problem(http.StatusServiceUnavailable, "the store is closed: the server is stopping")
	case errors.Is(err, store.ErrInvalidBackup):
		return problem(http.StatusUnprocessableEntity, err.Error())
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, syscall.ENOSPC):
		p := problem(http.StatusInsufficientStorage, "the disk of the data directory is full")
		p.cause = err
		return p
	case errors.Is(err, context.DeadlineExceeded):
		p := problem(http.StatusGatewayTimeout, "not done in time")
		p.cause = err
		return p
	case errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "given up: the client has gone or the server is stopping")
	}
	p := problem(http.StatusInternalServerError, "internal error")
	p.cause = err
	return p
}

// reportLines is how many of a failed service's last lines stand in the text of the error; all that are known are in lines.
const reportLines = 5

// controlProblem is the answer for the kinds of errors of package control; nil for others.
func controlProblem(err error) *Problem {
	if wrong, ok := errors.AsType[*control.InvalidError](err); ok {
		fields := make([]FieldError, len(wrong.Fields))
		for i, f := range wrong.Fields {
			fields[i] = FieldError{Loc: []string{"body"}, Msg: f.Message, Type: "value"}
			if f.Field != "" {
				fields[i].Loc = append(fields[i].Loc, strings.Split(f.Field, ".")...)
			}
			if f.Message == "unknown field" {
				fields[i].Type = "unknown"
			}
		}
		p := invalid(fields...)
		p.Message, p.Detail = wrong.Error(), wrong.Error() // it names fields with their whole path
		return p
	}
	kinds := []struct {
		kind   error
		status int
	}{
		{control.ErrNotFound, http.StatusNotFound},
		{control.ErrInvalid, http.StatusUnprocessableEntity},
		{control.ErrConflict, http.StatusConflict},
		{control.ErrDenied, http.StatusForbidden},
		{control.ErrTimeout, http.StatusGatewayTimeout},
		{control.ErrFailed, http.StatusInternalServerError},
	}
	for _, k := range kinds {
		if !errors.Is(err, k.kind) {
			continue
		}
		p := problem(k.status, err.Error())
		if k.kind == control.ErrFailed { // not ours: the reason is for the caller
			p.Code = "failed"
			if l, ok := errors.AsType[*control.LaunchError](err); ok && l.Temporary { // ours: there is nothing wrong with it
				p.status = http.StatusServiceUnavailable
				if l.Full {
					p.status = http.StatusInsufficientStorage
				}
				p.Code = codeOf(p.status)
			}
			if e, ok := errors.AsType[*control.Error](err); ok {
				p.Lines = e.Lines
			}
			if n := len(p.Lines); n > 0 {
				var text strings.Builder
				text.WriteString(p.Message + "; it wrote last:")
				for _, line := range p.Lines[max(n-reportLines, 0):] {
					text.WriteString("\n" + logs.Escape(line))
				}
				p.Message, p.Detail = text.String(), text.String()
			}
		}
		return p
	}
	switch {
	case errors.Is(err, control.ErrNotConnected):
		return problem(http.StatusServiceUnavailable, "the keeper, which runs the services, cannot be reached now")
	case errors.Is(err, control.ErrEnded):
		return problem(http.StatusServiceUnavailable, "the server is stopping")
	}
	return nil
}

// An error answer is small, whatever it quotes.
const (
	mostMessage     = 16 << 10 // bytes; the last lines of a service stand in it
	mostFieldErrors = 100
)

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (p *Problem) shorten() {
	p.Message, p.Detail = cut(p.Message, mostMessage), cut(p.Detail, mostMessage)
	p.Errors = p.Errors[:min(len(p.Errors), mostFieldErrors)]
	for i := range p.Errors {
		f := &p.Errors[i]
		f.Msg = cut(f.Msg, mostMessage/16)
		f.Loc = slices.Clone(f.Loc[:min(len(f.Loc), jsonDepth)])
		for j := range f.Loc {
			f.Loc[j] = cut(f.Loc[j], mostMessage/64)
		}
	}
}

// finish adds the request id, and logs what the client is not shown.
func (s *Server) finish(p *Problem, r *http.Request) {
	info := infoOf(r.Context())
	p.RequestID = info.id
	p.shorten()
	if p.Errors == nil {
		p.Errors = []FieldError{}
	}
	if p.Code == "internal" && (p.status == http.StatusInternalServerError || p.status == http.StatusOK) {
		p.Message = "internal error, see the server's log for request " + p.RequestID
		p.Detail = p.Message
	}
	info.problem = p.Message
	if p.cause != nil {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "request_id", p.RequestID, "err", p.cause)
		p.cause = nil
	}
}

// fail writes an error answer.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, p *Problem) {
	s.finish(p, r)
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	for _, k := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Content-Disposition"} {
		h.Del(k) // of an answer that was begun
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	body, err := encode(p)
	if err != nil {
		body = []byte(`{"success":false}`) // a struct of strings always marshals
	}
	body = append(body, '\n')
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // #nosec G705 -- JSON, served as JSON with nosniff; the client is gone when this fails
}

// problemFromHuma turns the library's error into ours: names the field, and the range it must be in.
func problemFromHuma(op *huma.Operation, status int, e *huma.ErrorModel) *Problem {
	if status == http.StatusRequestEntityTooLarge {
		return problemf(status, "body: larger than %d bytes", op.MaxBodyBytes-1)
	}
	if status >= 500 {
		p := problem(status, "internal error")
		for _, d := range e.Errors {
			p.cause = errors.Join(p.cause, d)
		}
		if p.cause == nil {
			p.cause = errors.New(e.Detail)
		}
		return p
	}
	if len(e.Errors) == 0 {
		return problem(status, e.Detail)
	}
	fields := make([]FieldError, len(e.Errors))
	for i, d := range e.Errors {
		fields[i] = fieldError(op, d)
	}
	p := invalid(fields...)
	p.status, p.Code = status, codeOf(status)
	return p
}

func fieldError(op *huma.Operation, d *huma.ErrorDetail) FieldError {
	loc := strings.Split(d.Location, ".")
	if len(loc) == 2 {
		for _, param := range op.Parameters {
			if param.In == loc[0] && param.Name == loc[1] && param.Schema != nil {
				if msg, kind := accepted(param.Schema); msg != "" && !strings.HasPrefix(d.Message, "required") {
					return FieldError{Loc: loc, Msg: msg, Type: kind}
				}
			}
		}
	}
	kind := "value"
	if strings.Contains(d.Message, "required") {
		kind = "missing"
	}
	return FieldError{Loc: loc, Msg: d.Message, Type: kind}
}

// accepted says in words what a parameter may be.
func accepted(s *huma.Schema) (msg, kind string) {
	number := func(v *float64) string { return strconv.FormatFloat(*v, 'f', -1, 64) }
	switch {
	case len(s.Enum) > 0:
		names := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			names[i] = fmt.Sprint(v)
		}
		return "must be one of " + strings.Join(names, ", "), "enum"
	case s.Minimum != nil && s.Maximum != nil:
		return "must be between " + number(s.Minimum) + " and " + number(s.Maximum), "range"
	case s.Minimum != nil:
		return "must be at least " + number(s.Minimum), "range"
	case s.MinLength != nil && s.MaxLength != nil:
		return fmt.Sprintf("must have %d to %d characters", *s.MinLength, *s.MaxLength), "range"
	case s.MaxLength != nil:
		return fmt.Sprintf("must have at most %d characters", *s.MaxLength), "range"
	case s.Type == huma.TypeInteger:
		return "must be a whole number", "type"
	case s.Type == huma.TypeBoolean:
		return "must be true or false", "type"
	}
	return "", ""
}
