package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	bodyPause  = 10 * time.Second // a body may stand still so long
	bodyTime   = 30 * time.Second // and take so long in all; uploads that may be large have their own patience
	writePause = 30 * time.Second // a client may take so long for what was written to it
	writeStep  = time.Second      // deadlines are moved on in such steps, not with each write
)

// timedBody gives a client that sends slowly, or nothing, a deadline of its own: the server's is one for all requests. At the end of
// the body it takes the deadline away, because net/http goes on reading and would take its passing for the end of the client.
type timedBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	until time.Time
}

// timeBody begins the time of a request's body before anybody has looked at it: an answer of 401 waits for it too. r must not be the
// server's own request: net/http looks into that one's body to let an answer arrive that was given before the body was read.
func timeBody(w http.ResponseWriter, r *http.Request, info *request) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return
	}
	rc, now := http.NewResponseController(w), time.Now()
	_ = rc.SetReadDeadline(now.Add(bodyPause)) // not every writer has one
	if info.row == nil || info.row.bodyLimit <= bodyLimit {
		r.Body = &timedBody{r.Body, rc, now.Add(bodyTime)}
	}
}

// Read implements io.Reader. What comes too late is 408.
func (b *timedBody) Read(p []byte) (int, error) {
	next := time.Now().Add(bodyPause)
	if next.After(b.until) {
		next = b.until
	}
	_ = b.rc.SetReadDeadline(next)
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.rc.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlowBody
	}
	return n, err //nolint:wrapcheck // an io.Reader passes errors on
}

// errSlowBody is also a timeout to those who ask for one.
var errSlowBody error = slowBody{}

type slowBody struct{}

func (slowBody) Error() string   { return "the body came too slowly" }
func (slowBody) Timeout() bool   { return true }
func (slowBody) Temporary() bool { return false }
