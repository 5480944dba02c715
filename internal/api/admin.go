package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// DoneBody says that something was done.
type DoneBody struct {
	Success   bool   `json:"success"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

func done(text string) DoneBody { return DoneBody{true, text, stamp(time.Now())} }

func (s *Server) adminRows() []*row {
	g := group("Server")
	return []*row{
		typed(s, "POST", "/-/reload", admin, "Read the configuration again", s.reload, g,
			about("An invalid configuration answers 400 with the place and the reason; the old one stays in force.")),
		raw("GET", "/api/backup", admin, "Download the whole state", s.backup,
			docOf(binaryType, "One consistent file of the whole state, taken while the server runs"), g, func(r *row) { r.plain = true }),
		raw("POST", "/api/backup", admin, "Replace the whole state by a backup", s.restore, func(op *huma.Operation, schemas huma.Registry) {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
				binaryType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
			}}
			op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
				jsonType: {Schema: schemas.Schema(typeOf[DoneBody](), true, "")},
			}}
		}, g, func(r *row) { r.bodyType, r.bodyLimit = binaryType, s.o.RestoreLimit }),
	}
}

func (s *Server) reload(ctx context.Context, _ *noInput) (*answerOf[DoneBody], error) {
	if s.o.Reload == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server has no configuration to read again")
	}
	if err := s.o.Reload(ctx); err != nil {
		p := problem(http.StatusBadRequest, err.Error())
		p.Code = "invalid_config"
		return nil, p
	}
	return ok(done("configuration reloaded")), nil
}

// streamPause is how long a client of a backup or restore may stand still.
const streamPause = 30 * time.Second

func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	if s.o.Store == nil {
		s.fail(w, r, problem(http.StatusServiceUnavailable, "there is no store"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", binaryType)
	h.Set("Content-Disposition", `attachment; filename="controlcenter-`+time.Now().UTC().Format("20060102T150405Z")+`.backup"`)
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	out := &patientWriter{w: w, rc: http.NewResponseController(w)}
	if _, err := s.o.Store.Backup(r.Context(), out); err != nil {
		if out.begun {
			s.log.Error("backup was cut off", "request_id", infoOf(r.Context()).id, "err", err)
			panic(http.ErrAbortHandler) // the client must see that the file is not whole
		}
		s.fail(w, r, problemOf(err))
	}
}

// patientWriter moves the write deadline on with each write: a large answer may take long, a client that stands still may not.
type patientWriter struct {
	w     io.Writer
	rc    *http.ResponseController
	begun bool
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (int, error) {
	p.begun = true
	_ = p.rc.SetWriteDeadline(time.Now().Add(streamPause)) // not every writer has one
	return p.w.Write(b)                                    //nolint:wrapcheck // an io.Writer passes errors on
}

type patientReader struct {
	r  io.Reader
	rc *http.ResponseController
}

// Read implements io.Reader.
func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(streamPause))
	return p.r.Read(b) //nolint:wrapcheck // an io.Reader passes errors on
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.o.Store == nil:
		s.fail(w, r, problem(http.StatusServiceUnavailable, "there is no store"))
		return
	case r.ContentLength == 0:
		s.fail(w, r, invalid(FieldError{Loc: []string{"body"}, Msg: "must be a backup file", Type: "missing"}))
		return
	}
	rc := http.NewResponseController(w)
	if err := s.o.Store.Restore(r.Context(), &patientReader{r.Body, rc}); err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	_ = rc.SetWriteDeadline(time.Now().Add(streamPause)) // the upload may have used the server's up
	s.answer(w, r, http.StatusOK, done("state restored"))
}
