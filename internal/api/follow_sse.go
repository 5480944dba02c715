package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/control/logs"
)

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
