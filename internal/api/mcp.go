package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// mcpRows serve the Model Context Protocol. Who may only read gets no tools that act.
func (s *Server) mcpRows() []*row {
	doc := func(op *huma.Operation, _ huma.Registry) {
		op.Responses["200"] = &huma.Response{Description: "A JSON-RPC answer", Content: map[string]*huma.MediaType{jsonType: {}}}
		op.Responses["202"] = &huma.Response{Description: "A notification was taken"}
	}
	return []*row{
		raw("POST", "/mcp", viewer, "Model Context Protocol", s.mcp, doc, group("Server"),
			about("Streamable HTTP without sessions, for AI agents: one JSON-RPC message a request. Tools that start and stop services are there for operators only.")),
	}
}

func (s *Server) mcp(w http.ResponseWriter, r *http.Request) {
	if s.o.MCP == nil {
		s.fail(w, r, problem(http.StatusServiceUnavailable, "this server speaks no MCP"))
		return
	}
	s.o.MCP(infoOf(r.Context()).caller.role >= operator).ServeHTTP(w, r)
}
