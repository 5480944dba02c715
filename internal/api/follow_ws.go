package api

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/websocket"

	"controlcenter/control/logs"
)

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
