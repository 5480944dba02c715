//go:build unix

package api

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// TestEveryDocumentedPathAnswers walks the committed kind of document, not the table: what is promised there must be served.
func TestEveryDocumentedPathAnswers(t *testing.T) {
	s := startPlant(t, nil)
	s.define(shell("x", "echo hello", `,"type":"job","secrets":["KEY"]`))
	s.want(200, "PUT", "/api/services/x/secrets/KEY", `{"value":"1"}`)
	run := s.want(202, "POST", "/api/jobs/x/run", "")["run"].(string)
	s.says("x", "hello")
	fill := strings.NewReplacer("{name}", "x", "{id}", "x", "{key}", "KEY", "{verb}", "stop", "{pid}", "1", "{run}", run)
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
	const follow = "/api/services/{name}/logs/follow" // does not end
	// Where a parameter needs more than a name.
	samples := map[string]string{
		"/api/usage/budgets/{api}": "/api/usage/budgets/total",
		"/api/usage/estimate":      "/api/usage/estimate?api=openai&model=gpt-4o",
	}
	if r := s.ask("POST", "/api/auth/register", strings.NewReader(`{"username":"ann","password":"correct horse"}`), "Content-Type", "application/json"); r.StatusCode != 200 {
		t.Fatalf("make a user: %d %s", r.StatusCode, r.body)
	}
	k := startKnowledge(t, nil)
	maps.Copy(samples, k.samples())
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			if op.Summary == "" || op.Role == "" || op.Responses["default"] == nil || ids[op.OperationID] {
				t.Errorf("%s %s is documented badly: %+v", method, path, op)
			}
			ids[op.OperationID] = true
			if path == follow || method == "delete" {
				continue // the others need it
			}
			asked := fill.Replace(path)
			if strings.HasPrefix(path, "/api/auth/users/") {
				asked = "/api/auth/users/ann"
			}
			if samples[path] != "" {
				asked = samples[path]
			}
			on := s.site
			if strings.HasPrefix(path, "/api/knowledge") || strings.HasPrefix(path, "/api/agents") {
				on = k.site
			}
			r := on.ask(strings.ToUpper(method), asked, nil)
			_, stream := op.Responses["101"]
			switch {
			case stream && r.StatusCode != 426, r.StatusCode == 404 && strings.Contains(string(r.body), `"Not Found"`), r.StatusCode == 405, r.StatusCode == 500:
				t.Errorf("%s %s: %d %s", method, path, r.StatusCode, r.body)
			case method == "get" && !stream && r.StatusCode != 200:
				t.Errorf("%s %s: %d %s", method, path, r.StatusCode, r.body)
			}
		}
	}
	for _, want := range []string{"/", "/health", "/health/ready", "/metrics", "/metrics/node", "/ws", "/api/system/ws", "/api/system/metrics", "/api/backup", "/-/reload", "/api/services", "/api/services/{name}/start", "/api/services/ws", "/api/jobs", "/api/events"} {
		if doc.Paths[want] == nil {
			t.Errorf("%s is not documented", want)
		}
	}
	if strings.Contains(string(jsonDoc), "$schema") || strings.Contains(string(jsonDoc), "ErrorModel") {
		t.Error("the library's own additions are in the document")
	}
}
