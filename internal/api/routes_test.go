package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestRowWithoutRoleOrSummaryIsRefused(t *testing.T) {
	h := func(http.ResponseWriter, *http.Request) {}
	for name, r := range map[string]*row{
		"role":    raw("GET", "/test/a", 0, "says", h, nil),
		"summary": raw("GET", "/test/a", viewer, "", h, nil),
		"twice":   raw("GET", "/health", viewer, "says", h, nil),
		"handler": {method: "GET", path: "/test/a", role: viewer, summary: "says"},
	} {
		s := start(t, nil, nil)
		o := s.o
		o.Registry = prometheus.NewRegistry()
		if _, err := newServer(o, func(*Server) []*row { return []*row{r} }); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("row without %s: error %v", name, err)
		}
	}
}

// TestEveryDocumentedPathAnswers walks the committed kind of document, not the table: what is promised there must be served.
func TestEveryDocumentedPathAnswers(t *testing.T) {
	s := startKnowledge(t, nil)
	jsonDoc, _, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Summary     string `json:"summary"`
			OperationID string `json:"operationId"`
			Role        string `json:"x-role"`
			Responses   map[string]any
		}
	}
	if err := json.Unmarshal(jsonDoc, &doc); err != nil {
		t.Fatal(err)
	}
	// Where a parameter is needed, one that has an answer.
	samples := map[string]string{
		"/api/usage/budgets/{api}": "/api/usage/budgets/total",
		"/api/usage/estimate":      "/api/usage/estimate?api=openai&model=gpt-4o",
	}
	maps.Copy(samples, s.samples())
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			if op.Summary == "" || op.Role == "" || op.Responses["default"] == nil || ids[op.OperationID] {
				t.Errorf("%s %s is documented badly: %+v", method, path, op)
			}
			ids[op.OperationID] = true
			asked := path
			if samples[path] != "" {
				asked = samples[path]
			}
			r := s.ask(strings.ToUpper(method), asked, nil)
			_, stream := op.Responses["101"]
			switch {
			case stream && r.StatusCode != 426, r.StatusCode == 404 && strings.Contains(string(r.body), `"Not Found"`), r.StatusCode == 405, r.StatusCode == 500:
				t.Errorf("%s %s: %d %s", method, path, r.StatusCode, r.body)
			case method == "get" && !stream && r.StatusCode != 200:
				t.Errorf("%s %s: %d %s", method, path, r.StatusCode, r.body)
			}
		}
	}
	for _, want := range []string{"/", "/health", "/health/ready", "/metrics", "/metrics/node", "/ws", "/api/system/ws", "/api/system/metrics", "/api/backup", "/-/reload"} {
		if doc.Paths[want] == nil {
			t.Errorf("%s is not documented", want)
		}
	}
	if strings.Contains(string(jsonDoc), "$schema") || strings.Contains(string(jsonDoc), "ErrorModel") {
		t.Error("the library's own additions are in the document")
	}
}

func TestBodiesHaveNoSchemaLinkAndNoNullLists(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/api/system/stats", "/api/system/processes?search=no-such-process-anywhere", "/api/system/ports?start=1&end=1", "/api/system/history"} {
		r := s.get(path)
		var m map[string]any
		r.decode(t, &m)
		if m["$schema"] != nil || r.Header.Get("Link") != "" {
			t.Errorf("%s links a schema", path)
		}
		for _, list := range []string{"processes", "ports", "timestamps", "cores", "filesystems", "gpus", "temperatures"} {
			if v, ok := m[list]; ok && v == nil {
				t.Errorf("%s: %s is null", path, list)
			}
		}
	}
}
