package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"controlcenter/control"
	"controlcenter/control/logs"
)

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
	if !s.feeds.enter() {
		s.hub.caps.release(address)
		s.fail(w, r, problem(http.StatusServiceUnavailable, "streams are closed: the server is stopping").with("Retry-After", "2"))
		return nil, false
	}
	s.metrics.clients.WithLabelValues(name).Inc()
	return func() {
		s.metrics.clients.WithLabelValues(name).Dec()
		s.hub.caps.release(address)
		s.feeds.leave()
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
