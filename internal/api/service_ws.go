package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/control"
	"controlcenter/internal/event"
)

const (
	serviceGather = 100 * time.Millisecond // changes within it go in one frame
	serviceEvery  = 2 * time.Second        // a frame comes at least this often, unless the configuration says otherwise
	serviceBuffer = 1024                   // changes that may wait for the hub; beyond them it starts again from the list
)

// ServicesFrame is one message of /api/services/ws.
type ServicesFrame struct {
	Type      string           `json:"type" example:"service_status"`
	Timestamp string           `json:"timestamp" format:"date-time"`
	Services  []control.Object `json:"services" doc:"All of them, by name"`
	User      *string          `json:"authenticated_user" doc:"Always null: one frame goes to all clients"`
}

// serviceFeed is what the hub knows of the services.
type serviceFeed struct {
	list   func(out []byte, now time.Time) []byte // appends the encoded services
	listen func(buffer int) ([]*control.Status, *event.Subscription)
}

// frame encodes all services as they are now.
func (f *serviceFeed) frame(now time.Time) *message {
	b := append([]byte(nil), `{"type":"service_status","timestamp":"`...)
	b = append(append(b, stamp(now)...), `","services":[`...)
	return prepared(append(f.list(b, now), `],"authenticated_user":null}`...))
}

func (s *Server) serviceStreamRows() []*row {
	serve := s.stream(s.newUpgrader(), serviceStream)
	return []*row{
		raw("GET", "/api/services/ws", viewer, "All services, whenever one changes", func(w http.ResponseWriter, r *http.Request) {
			if s.o.Services == nil {
				s.fail(w, r, problem(http.StatusServiceUnavailable, "this server controls no services"))
				return
			}
			serve(w, r)
		}, func(op *huma.Operation, schemas huma.Registry) {
			op.Responses["101"] = &huma.Response{Description: "Text frames of this shape", Content: map[string]*huma.MediaType{
				jsonType: {Schema: schemas.Schema(typeOf[ServicesFrame](), true, "")},
			}}
		}, func(r *row) { r.tag, r.anyQuery, r.plain, r.socket = "Streams", true, true, true },
			about("WebSocket. The first frame comes at once, then one at each change (changes within 100 ms in one) and every 2 s. What a client sends is ignored.")),
	}
}
