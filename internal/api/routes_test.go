package api

import (
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
