package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/websocket"
)

const (
	clientFrameLimit = 32 << 10 // of what a client may send in one message
	sendBuffer       = 32 << 10 // kernel's buffer per client: what a slow reader may fall behind
)

func (s *Server) newUpgrader() *websocket.Upgrader {
	return &websocket.Upgrader{
		HandshakeTimeout: writeLimit,
		ReadBufferSize:   256, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}, // measured: 4.7 instead of 17 KiB a connection
		CheckOrigin: func(*http.Request) bool { return true }, // the chain checked it
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.fail(w, r, problem(status, reason.Error()))
		},
	}
}

func (s *Server) streamRows() []*row {
	up := s.newUpgrader()
	frame := func(v func(huma.Registry) *huma.Schema, says string) func(*huma.Operation, huma.Registry) {
		return func(op *huma.Operation, schemas huma.Registry) {
			op.Responses["101"] = &huma.Response{Description: says, Content: map[string]*huma.MediaType{jsonType: {Schema: v(schemas)}}}
		}
	}
	system := frame(func(r huma.Registry) *huma.Schema { return r.Schema(typeOf[SystemFrame](), true, "") }, "Text frames of this shape")
	metrics := frame(func(r huma.Registry) *huma.Schema { return r.Schema(typeOf[MetricsFrame](), true, "") }, "Text frames of this shape")
	options := func(r *row) { r.tag, r.anyQuery, r.plain, r.socket = "Streams", true, true, true }
	said := about("WebSocket. The first frame comes at once, then one per round of the sampler (2 s). " +
		"What a client sends is ignored; query parameters too. A client that does not read gets the newest frame later or is cut off.")
	return []*row{
		raw("GET", "/ws", viewer, "System frames", s.stream(up, systemStream), system, options, said, func(r *row) { r.tolerant = true }),
		raw("GET", "/api/system/ws", viewer, "System frames, as /ws", s.stream(up, systemStream), system, options, said),
		raw("GET", "/api/system/metrics", viewer, "Three percents every second", s.stream(up, metricsStream), metrics, options,
			about("WebSocket. The first frame comes at once, then one per second.")),
	}
}

// stream upgrades and hands the connection to the hub; the handler returns, so that net/http frees its buffers.
func (s *Server) stream(up *websocket.Upgrader, stream int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.isUpgrade(w, r) {
			return
		}
		if !s.hub.open() {
			s.fail(w, r, problem(http.StatusServiceUnavailable, "streams are closed: the server is starting or stopping").with("Retry-After", "2"))
			return
		}
		address := streamAddress(r)
		if !s.hub.caps.acquire(address, infoOf(r.Context()).caller.owner) {
			s.metrics.refused.WithLabelValues(streamNames[stream]).Inc()
			s.fail(w, r, problem(http.StatusServiceUnavailable, "too many streams from this address or in all").with("Retry-After", "5"))
			return
		}
		conn, err := up.Upgrade(w, r, http.Header{"X-Request-Id": {infoOf(r.Context()).id}})
		if err != nil {
			s.hub.caps.release(address)
			return // the upgrader answered, or the client is gone
		}
		conn.SetReadLimit(clientFrameLimit)
		if b, ok := conn.NetConn().(interface{ SetWriteBuffer(int) error }); ok {
			_ = b.SetWriteBuffer(sendBuffer) // only a hint
		}
		c := &client{
			conn: conn, stream: stream, address: address,
			slot: make(chan *message, 1), gone: make(chan struct{}),
		}
		if stream == liveStream {
			c.beside = make(chan *message, 1)
		}
		c.seen.Store(time.Now().UnixNano())
		if who := infoOf(r.Context()).caller; who.id != "" && !who.owner {
			c.left = s.live.watch(&who, c.hangUp)
		}
		if !s.hub.add(c) {
			c.hasLeft()
			s.hub.caps.release(address)
			_ = conn.Close()
		}
	}
}

// isUpgrade answers who does not want a WebSocket.
func (s *Server) isUpgrade(w http.ResponseWriter, r *http.Request) bool {
	if websocket.IsWebSocketUpgrade(r) {
		return true
	}
	s.fail(w, r, problem(http.StatusUpgradeRequired, "this is a WebSocket: connect with ws:// or wss://").
		with("Upgrade", "websocket").with("Connection", "Upgrade"))
	return false
}

// writeFrame sends a message; the caller has set a deadline.
func writeFrame(conn *websocket.Conn, v any) error {
	text, err := encode(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, text); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	return nil
}

// streamAddress is what the cap counts.
func streamAddress(r *http.Request) netip.Prefix {
	if info := infoOf(r.Context()); info.http != nil {
		return network(info.ip) // of the client, when a trusted proxy names it
	}
	return network(remoteIP(r))
}

// addressName is the same for people.
func addressName(ip netip.Addr) string {
	p := network(ip)
	switch {
	case !p.IsValid():
		return "unix"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}
