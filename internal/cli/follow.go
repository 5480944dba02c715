package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// maxEvent bounds one event of a stream; a line of a log has at most a fraction of it.
const maxEvent = 4 << 20

// retryFirst and retryMax are the waits between attempts to reach a daemon that went away: it is back within a second when it
// is restarted, and a longer wait costs nothing when it is not.
const (
	retryFirst = 200 * time.Millisecond
	retryMax   = 2 * time.Second
)

// follower reads a stream of server-sent events and takes it up again where it broke off.
type follower struct {
	c       *client
	path    string
	query   url.Values
	after   string      // position behind what was read; "" = the end of what is there
	waiting func(error) // the connection is lost; it is tried again
}

// sseEvent is one server-sent event.
type sseEvent struct {
	id, name string
	data     []byte
}

// run calls each for every event until ctx ends (its error), each fails (that error), or the daemon refuses (that one).
func (f *follower) run(ctx context.Context, each func(*sseEvent) error) error {
	wait := retryFirst
	for {
		got, err := f.once(ctx, each)
		if got {
			wait = retryFirst
		}
		switch ee, ok := errors.AsType[*exitError](err); {
		case ctx.Err() != nil:
			return ctx.Err()
		case ok && ee.code != ExitUnreachable && !isStatus(err, http.StatusServiceUnavailable) && !isStatus(err, http.StatusBadGateway):
			return err
		case errors.Is(err, errHandler):
			return err
		case err != nil:
			f.waiting(err)
		}
		// A stream that ended in order is asked for again at once, but never in a busy loop.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// errHandler marks errors of the one who reads the events.
var errHandler = errors.New("handle event")

// once reads one stream to its end and says whether anything came.
func (f *follower) once(ctx context.Context, each func(*sseEvent) error) (got bool, err error) {
	q := maps.Clone(f.query)
	header := http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-store"}}
	if f.after != "" {
		q.Set("after", f.after)
		q.Del("lines")
		header.Set("Last-Event-ID", f.after)
	}
	resp, err := f.c.do(ctx, http.MethodGet, withQuery(f.path, q), header, nil)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	err = readEvents(resp.Body, func(ev *sseEvent) error {
		got = true
		if err := each(ev); err != nil {
			return fmt.Errorf("%w: %w", errHandler, err)
		}
		if ev.id != "" {
			f.after = ev.id
		}
		return nil
	})
	return got, err
}

// readEvents calls each for every event of a stream in the format of the HTML standard, until its end (nil) or an error.
func readEvents(r io.Reader, each func(*sseEvent) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxEvent)
	ev, some := sseEvent{}, false
	for s.Scan() {
		line := bytes.TrimSuffix(s.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if some {
				if err := each(&ev); err != nil {
					return err
				}
			}
			ev, some = sseEvent{id: ev.id}, false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			ev.id = string(value)
		case "event":
			ev.name, some = string(value), true
		case "data":
			if ev.data != nil {
				ev.data = append(ev.data, '\n')
			}
			ev.data, some = append(ev.data, value...), true
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	return nil
}
