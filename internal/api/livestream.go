package api

import (
	"github.com/danielgtaylor/huma/v2"
)

// streamStates are the hub's streams, by number.
type streamStates [streamCount]streamState

// heard reports whether anybody hears what a stream says, be it over a connection of that stream or a live one.
func (s *streamStates) heard(stream int) bool {
	return len(s[stream].clients) > 0 || len(s[liveStream].clients) > 0
}

func hearsSystem(stream int) bool { return stream == systemStream || stream == liveStream }

// hearsServices is false of a live client where there are no services: it hears of the machine only.
func (h *hub) hearsServices(stream int) bool {
	return stream == serviceStream || stream == liveStream && h.services != nil
}

// greet sends a client that joins its first frames. Nobody else has seen it: its slots are empty.
func (h *hub) greet(streams *streamStates, c *client) {
	if c.stream != liveStream {
		if f := h.first(&streams[c.stream], c.stream); f != nil {
			c.slot <- f
		}
		return
	}
	if f := h.first(&streams[systemStream], systemStream); f != nil {
		c.slot <- f
	}
	if h.services != nil {
		c.beside <- h.first(&streams[serviceStream], serviceStream)
	}
}

// handLive gives live clients the frame that another stream's clients got. System and services have a slot each, so that
// neither takes the other's place.
func (h *hub) handLive(live *streamState, stream int, f *message) {
	if f == nil || len(live.clients) == 0 {
		return
	}
	dropped := 0
	for _, c := range live.clients {
		slot := c.slot
		if stream == serviceStream {
			slot = c.beside
		}
		dropped += place(slot, f)
	}
	h.metrics.frames.WithLabelValues(streamNames[liveStream]).Add(float64(len(live.clients)))
	h.metrics.dropped.WithLabelValues(streamNames[liveStream]).Add(float64(dropped))
}

func (s *Server) liveRows() []*row {
	return []*row{
		raw("GET", "/api/live", viewer, "System frames and services, over one connection", s.stream(s.newUpgrader(), liveStream),
			func(op *huma.Operation, schemas huma.Registry) {
				op.Responses["101"] = &huma.Response{Description: "Text frames; `type` tells which of the two it is", Content: map[string]*huma.MediaType{
					jsonType: {Schema: &huma.Schema{OneOf: []*huma.Schema{
						schemas.Schema(typeOf[SystemFrame](), true, ""), schemas.Schema(typeOf[ServicesFrame](), true, ""),
					}}},
				}}
			}, func(r *row) { r.tag, r.anyQuery, r.plain = "Streams", true, true },
			about("WebSocket, for dashboards: the frames of `/ws` and of `/api/services/ws`, each as often as there. What a client sends is ignored.")),
	}
}
