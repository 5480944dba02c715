package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/websocket"

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
	Stream     string `query:"stream" enum:"stdout,stderr" doc:"Only lines of this stream"`
}

func (f *LogFilter) filter() (logs.Filter, error) {
	out := logs.Filter{Contains: f.Grep, IgnoreCase: f.IgnoreCase}
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

// followers counts the goroutines that follow logs, so that Run can wait for them. The zero value is ready.
type followers struct {
	mu    sync.Mutex
	ended bool
	wg    sync.WaitGroup
}

// begin says whether one more may begin; done must follow.
func (f *followers) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.wg.Add(1)
	}
	return !f.ended
}

func (f *followers) done() { f.wg.Done() }

// end lets no more begin and waits for the others, which see the hub's stop.
func (f *followers) end() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.wg.Wait()
}

// following is one client that follows a log.
type following struct {
	dir     *logs.Dir
	service *control.Status
	filter  logs.Filter
	first   []logs.Line // those there are
	from    int64       // then those from here on
}

// startFollowing reads what a follower begins with and takes a place for it.
func (s *Server) startFollowing(ctx context.Context, in *FollowInput) (*following, error) {
	_, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	dir, err := s.logDir()
	if err != nil {
		return nil, err
	}
	f := &following{dir: dir, service: st}
	if f.filter, err = in.filter(); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, in); err != nil {
		return nil, err
	}
	f.filter.Marks = true // gaps
	if !s.hub.open() {
		return nil, problem(http.StatusServiceUnavailable, "streams are closed: the server is starting or stopping").with("Retry-After", "2")
	}
	return f, nil
}

// begin finds where to begin.
func (f *following) begin(ctx context.Context, in *FollowInput) (err error) {
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	switch {
	case in.Last != "":
		f.from, err = strconv.ParseInt(in.Last, 10, 64)
		if err != nil || f.from < 0 {
			return invalid(FieldError{Loc: []string{"header", "Last-Event-ID"}, Msg: "must be a position, the id of an event", Type: "type"})
		}
		return nil
	case in.After >= 0:
		f.from = in.After
		return nil
	case in.Lines == 0:
		_, f.from, err = f.dir.Bounds(ctx, f.service.Key)
	default:
		var page logs.Page
		page, err = f.dir.Tail(ctx, f.service.Key, in.Lines, f.filter)
		f.first, f.from = page.Lines, page.Next
	}
	if errors.Is(err, logs.ErrNone) { // it is waited for
		f.first, f.from = nil, 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("read log of %s: %w", f.service.Key, err)
	}
	return nil
}

// run gives lines to yield until ctx ends or yield fails. Of the keeper's marks only those of a loss come through.
func (f *following) run(ctx context.Context, yield func([]logs.Line) error) error {
	if len(f.first) > 0 {
		if err := yield(f.first); err != nil {
			return err
		}
	}
	keeper := logs.Keeper.String()
	return f.dir.Follow(ctx, f.service.Key, f.from, f.filter, func(lines []logs.Line) error { //nolint:wrapcheck // only its end matters
		lines = slices.DeleteFunc(lines, func(l logs.Line) bool { return l.Stream == keeper && !isGap(&l) })
		if len(lines) == 0 {
			return nil
		}
		return yield(lines)
	})
}

func isGap(l *logs.Line) bool {
	return l.Stream == logs.Keeper.String() && (strings.HasPrefix(l.Text, "gap") || strings.HasPrefix(l.Text, "dropped"))
}

// place takes a place among the streams for a client; false when it was refused. leave gives it back.
func (s *Server) place(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	address, name := streamAddress(r), streamNames[logStream]
	if !s.hub.caps.acquire(address, infoOf(r.Context()).caller.owner) {
		s.metrics.refused.WithLabelValues(name).Inc()
		s.fail(w, r, problem(http.StatusServiceUnavailable, "too many streams from this address or in all").with("Retry-After", "5"))
		return nil, false
	}
	if !s.follow.begin() {
		s.hub.caps.release(address)
		s.fail(w, r, problem(http.StatusServiceUnavailable, "streams are closed: the server is stopping").with("Retry-After", "2"))
		return nil, false
	}
	s.metrics.clients.WithLabelValues(name).Inc()
	return func() {
		s.metrics.clients.WithLabelValues(name).Dec()
		s.hub.caps.release(address)
		s.follow.done()
	}, true
}

// untilStop returns a context that also ends when the streams do; hurry is called then.
func (s *Server) untilStop(ctx context.Context, hurry func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with ctx, which the caller ends
		select {
		case <-s.hub.stop:
			hurry()
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// followEvents follows a log by server-sent events.
func (s *Server) followEvents(ctx context.Context, in *FollowInput) (*huma.StreamResponse, error) {
	f, err := s.startFollowing(ctx, in)
	if err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // of a proxy that would hold lines back
		if r.Method == http.MethodHead {
			return
		}
		leave, ok := s.place(w, r)
		if !ok {
			return
		}
		defer leave()
		out := &eventWriter{w: w, rc: http.NewResponseController(w)}
		_ = out.rc.SetReadDeadline(time.Time{}) // the server's is for requests that are still to come
		ctx, cancel := s.untilStop(r.Context(), func() { _ = out.rc.SetWriteDeadline(time.Now().Add(closeWait)) })
		var beats sync.WaitGroup
		defer beats.Wait()
		defer cancel()
		if out.send([]byte("retry: 1000\n\n")) != nil {
			return
		}
		beats.Go(func() {
			beat := time.NewTicker(followBeat)
			defer beat.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-beat.C:
					if out.send([]byte(": still here\n\n")) != nil {
						cancel()
					}
				}
			}
		})
		_ = f.run(ctx, out.lines) // the client is gone, or the server stops
	}), nil
}

// eventWriter writes server-sent events; each write has a deadline of its own.
type eventWriter struct {
	mu sync.Mutex
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (e *eventWriter) send(b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.rc.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := e.w.Write(b); err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	if err := e.rc.Flush(); err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	return nil
}

func (e *eventWriter) lines(lines []logs.Line) error {
	var b bytes.Buffer
	for i := range lines {
		l := &lines[i]
		kind, data := "line", any(l)
		if isGap(l) {
			kind, data = "gap", map[string]any{"next": l.Next, "text": l.Text}
		}
		text, err := encode(data)
		if err != nil {
			return fmt.Errorf("encode line: %w", err)
		}
		fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", l.Next, kind, text)
	}
	return e.send(b.Bytes())
}

// followSocket follows a log by WebSocket. The connection stays with the handler: each client has a filter of its own.
func (s *Server) followSocket(ctx context.Context, up *websocket.Upgrader, in *FollowInput) (*huma.StreamResponse, error) {
	f, err := s.startFollowing(ctx, in)
	if err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter, r *http.Request) {
		if !s.isUpgrade(w, r) {
			return
		}
		leave, ok := s.place(w, r)
		if !ok {
			return
		}
		defer leave()
		conn, err := up.Upgrade(w, r, http.Header{"X-Request-Id": {infoOf(r.Context()).id}})
		if err != nil {
			return // the upgrader answered, or the client is gone
		}
		// The request's context ends with the handler only: the connection was taken over.
		ctx, cancel := s.untilStop(r.Context(), func() {})
		var others sync.WaitGroup
		defer others.Wait()
		defer conn.Close()
		defer cancel()
		others.Go(func() { s.listen(conn, cancel) })
		others.Go(func() { pingUntil(ctx, conn) })
		send := func(frame *LogFrame) error {
			_ = conn.SetWriteDeadline(time.Now().Add(writeLimit))
			frame.Service = f.service.ID
			if err := writeFrame(conn, frame); err != nil {
				return err
			}
			s.metrics.frames.WithLabelValues(streamNames[logStream]).Inc()
			return nil
		}
		if len(f.first) == 0 && send(&LogFrame{Type: "log", Entries: []logs.Line{}, Next: f.from}) != nil {
			return
		}
		_ = f.run(ctx, func(lines []logs.Line) error { // ends with the client or the server
			for len(lines) > 0 {
				n := slices.IndexFunc(lines, func(l logs.Line) bool { return isGap(&l) })
				frame := &LogFrame{Type: "log", Entries: lines}
				switch {
				case n == 0:
					frame.Type, frame.Entries, frame.Text, n = "gap", []logs.Line{}, lines[0].Text, 1
				case n > 0:
					frame.Entries = lines[:n]
				default:
					n = len(lines)
				}
				frame.Next = lines[n-1].Next
				if err := send(frame); err != nil {
					return err
				}
				lines = lines[n:]
			}
			return nil
		})
		bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "server is stopping")
		_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(closeWait)) // of no use to a client that has gone
	}), nil
}

// listen throws away what the client says and notices its end, or its silence.
func (s *Server) listen(conn *websocket.Conn, end func()) {
	defer end()
	conn.SetReadLimit(clientFrameLimit)
	heard := func(string) error {
		return conn.SetReadDeadline(time.Now().Add(s.hub.times.silence + s.hub.times.write)) //nolint:wrapcheck // gorilla's own shape
	}
	_ = heard("")
	conn.SetPongHandler(heard)
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
		_ = heard("")
	}
}

func pingUntil(ctx context.Context, conn *websocket.Conn) {
	beat := time.NewTicker(followBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit)) // the reader notices who is gone
		}
	}
}
