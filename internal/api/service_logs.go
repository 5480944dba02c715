package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"controlcenter/control"
	"controlcenter/control/logs"
)

const (
	logTime    = 10 * time.Second // for one page: a filter that lets little through must read much
	followBeat = 4 * time.Second  // between signs of life of a log that says nothing
	textType   = "text/plain; charset=utf-8"
)

// LogFilter says which lines of a log are wanted.
type LogFilter struct {
	Grep       string `query:"grep" maxLength:"1000" doc:"Only lines with this text"`
	Regex      string `query:"regex" maxLength:"1000" doc:"Only lines that match this RE2 expression"`
	IgnoreCase bool   `query:"ignore_case" doc:"For grep and regex"`
	Level      string `query:"level" enum:"debug,info,warn,error" doc:"Only lines at least so grave, by a field named level or a word near their beginning; lines that do not say are info"`
	Stream     string `query:"stream" enum:"stdout,stderr" doc:"Only lines of this stream"`
}

func (f *LogFilter) filter() (logs.Filter, error) {
	out := logs.Filter{Contains: f.Grep, IgnoreCase: f.IgnoreCase, Level: f.Level}
	if f.Stream != "" {
		out.Streams = []string{f.Stream}
	}
	if f.Regex != "" {
		var err error
		if out.Regexp, err = regexp.Compile(f.Regex); err != nil {
			return out, invalidQuery("regex", "value", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	return out, nil
}

// LogPage are the parameters of the logs of a run; -1 stands for "not given".
type LogPage struct {
	LogFilter
	Lines    int    `query:"lines" default:"100" minimum:"1" maximum:"10000" doc:"Most lines: the last ones, unless after or before says where"`
	Since    string `query:"since" maxLength:"40" doc:"Only lines of then or later: RFC 3339, or a time ago such as 10m or 7d"`
	Until    string `query:"until" maxLength:"40" doc:"Only lines before then, as since"`
	After    int64  `query:"after" default:"-1" doc:"Only lines from this position on: next of the page before, to read forward"`
	Before   int64  `query:"before" default:"-1" doc:"Only lines before this position: next of the page before, to read backward"`
	Format   string `query:"format" default:"json" enum:"json,text" doc:"text = lines only, control characters escaped"`
	Download bool   `query:"download" doc:"The whole log as a text file, every byte as it was written; lines, after and before do not apply"`
}

// LogsInput are the parameters of GET /api/services/{name}/logs.
type LogsInput struct {
	ServiceInput
	LogPage
	Run string `query:"run" maxLength:"40" doc:"Only lines of this run"`
}

// RunLogsInput are the parameters of GET /api/services/{name}/runs/{run}/logs.
type RunLogsInput struct {
	RunInput
	LogPage
}

// JobRunLogsInput are the parameters of GET /api/jobs/{id}/runs/{run}/logs.
type JobRunLogsInput struct {
	JobRunInput
	LogPage
}

// FollowInput are the parameters of following a log.
type FollowInput struct {
	ServiceInput
	LogFilter
	Lines int    `query:"lines" default:"100" minimum:"0" maximum:"10000" doc:"Begin with the last lines there are"`
	After int64  `query:"after" default:"-1" doc:"Begin at this position instead: next of what was read before"`
	Last  string `header:"Last-Event-ID" doc:"What a client sends that connects again; goes before after and lines"`
}

// LogsBody is the answer with lines.
type LogsBody struct {
	Success   bool        `json:"success"`
	Logs      []string    `json:"logs" doc:"The lines, oldest first"`
	Total     int64       `json:"total_lines" doc:"Lines the log of the service has; of a run, those of this answer"`
	Entries   []logs.Line `json:"entries" doc:"The same lines with position, time and stream"`
	Next      int64       `json:"next" doc:"Position to read on from: as after, or, when before was given, as before"`
	Truncated bool        `json:"truncated" doc:"There are more lines"`
	Message   string      `json:"message,omitempty"`
}

// LogFrame is a message of the WebSocket of a log.
type LogFrame struct {
	Type    string      `json:"type" enum:"log,gap"`
	Service string      `json:"service"`
	Entries []logs.Line `json:"entries"`
	Next    int64       `json:"next" doc:"For after, to go on without missing or repeating a line"`
	Text    string      `json:"text,omitempty" doc:"Of a gap: what was lost, and why"`
}

func (s *Server) serviceLogRows() []*row {
	g := group("Logs")
	page := documented(func(op *huma.Operation, schemas huma.Registry) {
		op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
			jsonType:     {Schema: schemas.Schema(typeOf[LogsBody](), true, "")},
			"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}},
		}}
	})
	stream := documented(func(op *huma.Operation, _ huma.Registry) {
		op.Responses["200"] = &huma.Response{Description: "Server-sent events", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
		}}
	})
	frames := documented(func(op *huma.Operation, schemas huma.Registry) {
		op.Responses["101"] = &huma.Response{Description: "Text frames of this shape", Content: map[string]*huma.MediaType{
			jsonType: {Schema: schemas.Schema(typeOf[LogFrame](), true, "")},
		}}
	})
	up := s.newUpgrader()
	plain := func(r *row) { r.plain = true }
	return []*row{
		typed(s, "GET", "/api/services/{name}/logs", viewer, "Lines that a service wrote", func(ctx context.Context, in *LogsInput) (*huma.StreamResponse, error) {
			return s.readLog(ctx, s.service, in.Name, in.Run, &in.LogPage)
		}, g, page, about("The last lines; with `after` or `before` those from a position on or before it. Positions stay the same when logs are rotated.")),
		typed(s, "GET", "/api/services/{name}/runs/{run}/logs", viewer, "Lines of one run of a service", func(ctx context.Context, in *RunLogsInput) (*huma.StreamResponse, error) {
			return s.readLog(ctx, s.service, in.Name, in.Run, &in.LogPage)
		}, g, page),
		typed(s, "GET", "/api/jobs/{id}/runs/{run}/logs", viewer, "Lines of one run of a job", func(ctx context.Context, in *JobRunLogsInput) (*huma.StreamResponse, error) {
			return s.readLog(ctx, s.job, in.ID, in.Run, &in.LogPage)
		}, g, page),
		typed(s, "GET", "/api/services/{name}/logs/follow", viewer, "Lines as they are written", s.followEvents, g, stream, plain,
			about("Server-sent events: `event: line` with an entry as data, `event: gap` with `{next, text}` where lines were lost. The `id` is the position to go on from: "+
				"a client that connects again with `Last-Event-ID` misses and repeats nothing.")),
		typed(s, "GET", "/api/services/{name}/logs/ws", viewer, "Lines as they are written", func(ctx context.Context, in *FollowInput) (*huma.StreamResponse, error) {
			return s.followSocket(ctx, up, in)
		}, g, frames, plain, func(r *row) { r.socket = true }, about("WebSocket. The first frame comes at once. What a client sends is ignored.")),
	}
}

func (s *Server) logDir() (*logs.Dir, error) {
	if s.o.Logs == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server keeps no logs of services")
	}
	return s.o.Logs, nil
}

// readLog answers a page of lines, or the whole log.
func (s *Server) readLog(ctx context.Context, find lookUp, name, run string, in *LogPage) (*huma.StreamResponse, error) {
	_, st, err := find(name)
	if err != nil {
		return nil, err
	}
	dir, err := s.logDir()
	if err != nil {
		return nil, err
	}
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	f.Run = run
	if f.Since, err = timeOf("since", in.Since); err != nil {
		return nil, err
	}
	if f.Until, err = timeOf("until", in.Until); err != nil {
		return nil, err
	}
	if in.Download {
		return streamed(func(w http.ResponseWriter, r *http.Request) { s.download(w, r, dir, st, f) }), nil
	}
	if in.After >= 0 && in.Before >= 0 {
		return nil, invalidQuery("before", "value", "cannot be given together with after")
	}
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	body, err := logPage(ctx, dir, st.Key, f, in)
	if err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter, r *http.Request) {
		if in.Format == "json" {
			s.answer(w, r, http.StatusOK, body)
			return
		}
		var text bytes.Buffer
		for i := range body.Logs {
			text.WriteString(logs.Escape(body.Logs[i]) + "\n")
		}
		w.Header().Set("Content-Type", textType)
		_, _ = w.Write(text.Bytes()) // the client is gone when this fails
	}), nil
}

// logPage reads what is asked for.
func logPage(ctx context.Context, dir *logs.Dir, service string, f logs.Filter, in *LogPage) (*LogsBody, error) {
	var page logs.Page
	var err error
	switch {
	case in.After >= 0:
		page, err = dir.Search(ctx, service, logs.Query{Filter: f, From: in.After, Limit: in.Lines, MaxTime: logTime / 2})
	case in.Before == 0: // 0 would be the end
		page.Lines = []logs.Line{}
	case in.Before > 0:
		page, err = dir.Search(ctx, service, logs.Query{Filter: f, From: in.Before, Limit: in.Lines, Newest: true, MaxTime: logTime / 2})
		slices.Reverse(page.Lines)
	default:
		page, err = dir.Tail(ctx, service, in.Lines, f)
	}
	body := &LogsBody{Success: true, Logs: make([]string, len(page.Lines)), Entries: page.Lines, Next: page.Next, Truncated: page.Truncated}
	switch {
	case errors.Is(err, logs.ErrNone):
		body.Entries, body.Next, body.Message = []logs.Line{}, max(in.After, 0), "it has written nothing yet"
		return body, nil
	case err != nil:
		return nil, fmt.Errorf("read log of %s: %w", service, err)
	}
	for i := range page.Lines {
		body.Logs[i] = page.Lines[i].Text
	}
	body.Total = int64(len(page.Lines))
	if f.Run == "" {
		if body.Total, err = dir.Total(ctx, service); err != nil && !errors.Is(err, logs.ErrNone) {
			return nil, fmt.Errorf("count lines of %s: %w", service, err)
		}
	}
	return body, nil
}

// streamed lets a typed row write its answer itself.
func streamed(write http.HandlerFunc) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humamux.Unwrap(ctx)
		write(w, r)
	}}
}

func (s *Server) download(w http.ResponseWriter, r *http.Request, dir *logs.Dir, st *control.Status, f logs.Filter) {
	h := w.Header()
	h.Set("Content-Type", textType)
	h.Set("Content-Disposition", `attachment; filename="`+st.Key+`.log"`)
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	out := &patientWriter{w: w, rc: http.NewResponseController(w)}
	if err := dir.Download(r.Context(), st.Key, out, f); err != nil && !errors.Is(err, logs.ErrNone) {
		if !out.begun {
			s.fail(w, r, problemOf(err))
			return
		}
		s.log.Warn("log download was cut off", "service", st.Key, "request_id", infoOf(r.Context()).id, "err", err)
		panic(http.ErrAbortHandler) // the client must see that the file is not whole
	}
}
