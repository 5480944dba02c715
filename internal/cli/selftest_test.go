package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// selftestReport is selftest -o json.
type selftestReport struct {
	Passed, Failed, Skipped int
	Results                 []probeResult
}

func runSelftest(t *testing.T, p *place, args ...string) (result, selftestReport) {
	t.Helper()
	r := p.run(t, append([]string{"selftest", "-o", "json", "--interval", "1s", "--slack", "1m"}, args...)...)
	var rep selftestReport
	if err := json.Unmarshal([]byte(r.out), &rep); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	// The server of these tests has no services and no knowledge base; the test of the whole binary asks for those.
	for i := range rep.Results {
		row := &rep.Results[i]
		part := strings.Contains(row.Name, "/api/knowledge") || strings.Contains(row.Name, "/api/services") || strings.Contains(row.Name, "/api/agents") || strings.Contains(row.Name, "/api/jobs")
		if part && strings.Contains(row.Detail, "status 503") {
			row.Result = "skip"
		}
	}
	return r, rep
}

func (r selftestReport) named(name string) probeResult {
	if i := slices.IndexFunc(r.Results, func(p probeResult) bool { return p.Name == name }); i >= 0 {
		return r.Results[i]
	}
	return probeResult{}
}

func TestSelftestPassesAgainstTheRealServer(t *testing.T) {
	p := newPlace(t)
	url, _ := p.start(t)
	for _, c := range []struct {
		name string
		args []string
		host string // of the probe that needs a host
	}{{"tcp", []string{"--url", url}, "pass"}, {"unix socket", nil, "skip"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, rep := runSelftest(t, p, c.args...)
			for _, row := range rep.Results {
				if row.Result == "FAIL" {
					t.Errorf("%s: %s", row.Name, row.Detail)
				}
			}
			if rep.Passed < 40 {
				t.Errorf("exit %d, %d passed: %s", r.code, rep.Passed, r.err)
			}
			if got := rep.named("421 for a foreign host").Result; got != c.host {
				t.Errorf("the host probe says %q, want %q", got, c.host)
			}
			for _, name := range []string{"GET /health", "GET /api/system/stats", "GET /api/backup", "WS /ws", "WS /api/system/metrics", "422 for /api/system/ports?start=65536"} {
				if rep.named(name).Result != "pass" {
					t.Errorf("%s was not tried", name)
				}
			}
		})
	}
}

// Each case breaks one thing on the way to the real server; selftest must notice that, and nothing else.
func TestSelftestNoticesWhatIsBroken(t *testing.T) {
	p := newPlace(t)
	real, _ := p.start(t)
	target, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		breaks func(w http.ResponseWriter, r *http.Request) bool // true = answered
		fails  []string
		detail string
	}{
		{"a field lost", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/health/live" {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"timestamp":"2026-01-02T03:04:05Z"}`))
			return true
		}, []string{"GET /health/live"}, "body lacks alive"},
		{"errors of another shape", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/selftest/no/such/route" {
				return false
			}
			http.NotFound(w, r)
			return true
		}, []string{"404 for an unknown route"}, "not of the error shape"},
		{"foreign origins let in", func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Origin") == foreignOrigin && r.Method == http.MethodGet {
				r.Header.Del("Origin")
			}
			return false
		}, []string{"WS 403 for a foreign origin"}, "the upgrade was accepted"},
		{"a stream gone", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/system/ws" {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, []string{"WS /api/system/ws"}, "status 503"},
		{"metrics that do not parse", func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/metrics/node" {
				return false
			}
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte("node_x{ 1\n"))
			return true
		}, []string{"/metrics/node is node_exporter's text"}, "parse:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				if strings.HasSuffix(r.In.Host, ".invalid") {
					r.Out.Host = r.In.Host
				}
			}}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !c.breaks(w, r) {
					proxy.ServeHTTP(w, r)
				}
			}))
			defer s.Close()
			r, rep := runSelftest(t, p, "--url", s.URL)
			if r.code != ExitFailed || !strings.Contains(r.err, "probes failed") {
				t.Errorf("exit %d %s, want %d", r.code, r.err, ExitFailed)
			}
			for _, row := range rep.Results {
				if want := slices.Contains(c.fails, row.Name); want != (row.Result == "FAIL") {
					t.Errorf("%s: %s %s", row.Name, row.Result, row.Detail)
				} else if want && !strings.Contains(row.Detail, c.detail) {
					t.Errorf("%s: %q, want %q", row.Name, row.Detail, c.detail)
				}
			}
		})
	}
}

func TestSelftestOfSomethingElseSaysSo(t *testing.T) {
	r := newPlace(t).run(t, "selftest", "--url", answer(t, 200, "text/html", "<html>"))
	if r.code != ExitFailed || !strings.Contains(r.err, "is that a controlcenter?") {
		t.Errorf("got %+v", r)
	}
}

func TestSchemaNamesTheFirstDifference(t *testing.T) {
	var d document
	if err := json.Unmarshal([]byte(`{"components":{"schemas":{
		"Row":{"type":"object","required":["pid"],"additionalProperties":false,"properties":{"pid":{"type":["integer","null"]},"name":{"type":"string","enum":["a","b"]}}},
		"Body":{"type":"object","properties":{"rows":{"type":"array","items":{"$ref":"#/components/schemas/Row"}},"ratio":{"type":"number","minimum":0,"maximum":1},
			"more":{"type":"object","additionalProperties":{"type":"number"}}}}}}}`), &d); err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]string{
		`{"rows":[{"pid":1},{"pid":null,"name":"b"}],"ratio":0.5,"new":1,"more":{"x":1}}`: "",
		`[]`:                             "body is array, documented as object",
		`{"rows":null}`:                  "body.rows is null, documented as array",
		`{"rows":[{"pid":1},{}]}`:        "body.rows[1] lacks pid",
		`{"rows":[{"pid":1.5}]}`:         "body.rows[0].pid is number, documented as integer or null",
		`{"rows":[{"pid":1,"x":2}]}`:     "body.rows[0] has the undocumented x",
		`{"rows":[{"pid":1,"name":""}]}`: "body.rows[0].name is , documented as one of [a b]",
		`{"ratio":1.5}`:                  "body.ratio is 1.5, outside of its documented range",
		`{"more":{"x":"y"}}`:             "body.more.x is string, documented as number",
	} {
		var v any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := d.validate(d.Components.Schemas["Body"], v, "body"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", doc, got, want)
		}
	}
}
