package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Agents answers the Model Context Protocol.
type Agents interface {
	// For returns what answers callers that may start and stop services, or only read.
	For(operate bool) http.Handler
	// Acts says whether a tool changes something.
	Acts(tool string) bool
}

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
	info := infoOf(r.Context())
	text, err := io.ReadAll(r.Body) // the chain bounds it
	if err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	var call struct {
		Method string `json:"method"`
		Params struct {
			Name      string `json:"name"`
			Arguments struct {
				Name string `json:"name"`
			} `json:"arguments"`
		} `json:"params"`
	}
	if json.Unmarshal(text, &call) == nil && (call.Method != "tools/call" || !s.o.MCP.Acts(call.Params.Name)) {
		info.reads = true
	} else {
		info.target = strings.TrimSpace(call.Params.Name + " " + call.Params.Arguments.Name)
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	s.o.MCP.For(info.caller.role >= operator).ServeHTTP(w, r)
}

// Caller names who a request comes from, as histories do.
func Caller(ctx context.Context) string { return actor(ctx) }
