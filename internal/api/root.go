package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// RootBody is the answer of GET / to anything but a browser.
type RootBody struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Status    string `json:"status" example:"running"`
	Caching   bool   `json:"caching_enabled" doc:"Always true: answers come from the newest snapshot"`
	WebSocket string `json:"websocket_url" example:"ws://127.0.0.1:8080/ws"`
	Revision  string `json:"revision"`
	Docs      string `json:"docs" example:"/docs"`
	OpenAPI   string `json:"openapi" example:"/openapi.json"`
	Metrics   string `json:"metrics" example:"/metrics"`
}

const productName = "Control Center Backend"

func (s *Server) rootRows() []*row {
	return []*row{
		raw("GET", "/", viewer, "Name and version; the dashboard for browsers", s.root, func(op *huma.Operation, schemas huma.Registry) {
			op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
				jsonType:    {Schema: schemas.Schema(typeOf[RootBody](), true, "")},
				"text/html": {Schema: &huma.Schema{Type: huma.TypeString}},
			}}
		}, group("Server"), about("Answers JSON unless the client asks for `text/html`."), func(r *row) { r.anyQuery, r.page = true, true }),
	}
}

func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if wantsPage(r) {
		s.site.ServePage(w)
		return
	}
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	s.answer(w, r, http.StatusOK, &RootBody{
		Name: productName, Version: s.o.Version, Status: "running", Caching: true, WebSocket: scheme + "://" + r.Host + "/ws",
		Revision: s.o.Revision, Docs: "/docs", OpenAPI: "/openapi.json", Metrics: "/metrics",
	})
}

// wantsPage says that a browser's address bar asks: it names text/html and not JSON.
func wantsPage(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "text/html") && !strings.Contains(accept, jsonType)
}

// answer writes a JSON body from a raw row.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	if err := marshalJSON(w, body); err != nil {
		s.log.Debug("client went away", "path", r.URL.Path, "err", err)
	}
}
