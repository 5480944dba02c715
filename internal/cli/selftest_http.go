package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// sampleBytes is how much of a long download (a backup) is read before hanging up.
const sampleBytes = 16 << 20

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// fetch sends one request and reads the answer, at most sampleBytes of it.
func (s *selftest) fetch(ctx context.Context, method, path string, header http.Header, body io.Reader) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.timeout)
	defer cancel()
	resp, err := s.c.send(ctx, method, path, header, body)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, sampleBytes))
	if err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	return reply{resp.StatusCode, resp.Header, b}, nil
}

// routeProbes makes a probe of each documented GET route that is not a stream.
func (s *selftest) routeProbes() ([]probe, error) {
	var out []probe
	for _, path := range sortedKeys(s.doc.Paths) {
		raw, ok := s.doc.Paths[path]["get"]
		if !ok {
			continue
		}
		var op operation
		if err := json.Unmarshal(raw, &op); err != nil {
			return nil, fmt.Errorf("document: GET %s: %w", path, err)
		}
		if _, stream := op.Responses["101"]; stream {
			continue
		}
		if path == "/api/knowledge/events" || path == "/api/knowledge/search" {
			continue // one does not end, the other needs a query
		}
		out = append(out, probe{name: "GET " + path, run: func(ctx context.Context) (string, error) { return s.tryRoute(ctx, path, &op) }})
	}
	return out, nil
}

func (s *selftest) tryRoute(ctx context.Context, path string, op *operation) (string, error) {
	q := url.Values{}
	for _, p := range op.Parameters {
		if !p.Required {
			continue
		}
		v, ok := s.doc.sample(p)
		if !ok {
			return "", fmt.Errorf("needs a value for %s: %w", p.Name, errSkip)
		}
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(v))
		} else {
			q.Set(p.Name, v)
		}
	}
	r, err := s.fetch(ctx, http.MethodGet, withQuery(path, q), http.Header{"Accept": {"*/*"}}, nil)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", r.status, shorten(clean(string(r.body)), 120))
	}
	ct, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	want := op.Responses["200"].Content
	documented, ok := mediaType(want, ct)
	if !ok && len(want) > 0 {
		return "", fmt.Errorf("content type %q, documented as %s", ct, strings.Join(slices.Sorted(maps.Keys(want)), " or "))
	}
	if ct == "application/json" {
		var v any
		if err := json.Unmarshal(r.body, &v); err != nil {
			return "", fmt.Errorf("body: %w", err)
		}
		if err := s.doc.validate(documented.Schema, v, "body"); err != nil {
			return "", err
		}
	}
	if len(r.body) == 0 {
		return "", errors.New("empty answer")
	}
	return fmt.Sprintf("%s, %s", ct, bytesText(float64(len(r.body)))), nil
}

// mediaType finds a content type among the documented ones, whatever parameters (charset, version) those carry.
func mediaType(content map[string]media, ct string) (media, bool) {
	for name, m := range content {
		if documented, _, err := mime.ParseMediaType(name); err == nil && documented == ct {
			return m, true
		}
	}
	return media{}, false
}

// contentProbes try what the document cannot say: the metrics' text, compression, the old clients' expectations.
func (s *selftest) contentProbes() []probe {
	get := func(path string, header http.Header, check func(reply) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			r, err := s.fetch(ctx, http.MethodGet, path, header, nil)
			if err != nil {
				return "", err
			}
			if r.status != http.StatusOK {
				return "", fmt.Errorf("status %d: %s", r.status, shorten(clean(string(r.body)), 120))
			}
			return check(r)
		}
	}
	return []probe{
		{name: "/ names the server to scripts", run: get("/", http.Header{"Accept": {"*/*"}}, checkRoot)},
		{name: "/ is a page for browsers", run: get("/", http.Header{"Accept": {"text/html,*/*;q=0.8"}}, wantType("text/html"))},
		{name: "/docs is a page", run: get("/docs", nil, wantType("text/html"))},
		{name: "/redoc is a page", run: get("/redoc", nil, wantType("text/html"))},
		{name: "/openapi.yaml", run: get("/openapi.yaml", nil, nonEmpty)},
		{name: "/metrics is Prometheus text", run: get("/metrics", nil, metricsPrefixed("controlcenter_"))},
		{name: "/metrics/node is node_exporter's text", run: get("/metrics/node", nil, metricsPrefixed("node_"))},
		{name: "/metrics as OpenMetrics", run: get("/metrics", http.Header{"Accept": {"application/openmetrics-text;version=1.0.0"}}, func(r reply) (string, error) {
			if !bytes.HasSuffix(r.body, []byte("# EOF\n")) {
				return "", errors.New("does not end in # EOF")
			}
			return wantType("application/openmetrics-text")(r)
		})},
		{name: "/metrics compressed", run: get("/metrics", http.Header{"Accept-Encoding": {"gzip"}}, wantEncoding("gzip"))},
		{name: "long answers compressed", run: get("/openapi.json", http.Header{"Accept-Encoding": {"gzip"}}, wantEncoding("gzip"))},
		{name: "trailing slash", run: get("/health/", nil, nonEmpty)},
	}
}

func checkRoot(r reply) (string, error) {
	var v struct {
		Name    string  `json:"name"`
		Version string  `json:"version"`
		Status  string  `json:"status"`
		WS      *string `json:"websocket_url"`
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		return "", fmt.Errorf("body: %w", err)
	}
	if v.Name == "" || v.Version == "" || v.Status != "running" || v.WS == nil || !strings.HasPrefix(*v.WS, "ws") {
		return "", fmt.Errorf("wants name, version, status running and websocket_url: %s", shorten(clean(string(r.body)), 120))
	}
	return clean(v.Name + " " + v.Version), nil
}

func nonEmpty(r reply) (string, error) {
	if len(r.body) == 0 {
		return "", errors.New("empty answer")
	}
	return bytesText(float64(len(r.body))), nil
}

func wantType(want string) func(reply) (string, error) {
	return func(r reply) (string, error) {
		if ct, _, _ := mime.ParseMediaType(r.header.Get("Content-Type")); ct != want {
			return "", fmt.Errorf("content type %q, want %s", ct, want)
		}
		return nonEmpty(r)
	}
}

func wantEncoding(want string) func(reply) (string, error) {
	return func(r reply) (string, error) {
		if got := r.header.Get("Content-Encoding"); got != want {
			return "", fmt.Errorf("content encoding %q, want %s", got, want)
		}
		return nonEmpty(r)
	}
}

// metricsPrefixed parses the text format and wants families with the prefix.
func metricsPrefixed(prefix string) func(reply) (string, error) {
	return func(r reply) (string, error) {
		p := expfmt.NewTextParser(model.LegacyValidation)
		families, err := p.TextToMetricFamilies(bytes.NewReader(r.body))
		if err != nil {
			return "", fmt.Errorf("parse: %w", err)
		}
		ours, series := 0, 0
		for name, f := range families {
			if strings.HasPrefix(name, prefix) {
				ours++
			}
			series += len(f.GetMetric())
		}
		if ours == 0 {
			return "", fmt.Errorf("no %s family among %d", prefix, len(families))
		}
		return fmt.Sprintf("%d families, %d series", len(families), series), nil
	}
}

// errorCase is a request that must be refused.
type errorCase struct {
	name, method, path string
	header             http.Header
	body               string
	status             int
	mention            string // must stand in the error
	tcp                bool   // does not apply to the unix socket
}

const foreignOrigin = "https://selftest.invalid"

func (s *selftest) errorProbes() []probe {
	cases := []errorCase{
		{name: "404 for an unknown route", path: "/selftest/no/such/route", status: 404},
		{name: "405 for a wrong method", method: http.MethodDelete, path: "/health", status: 405},
		{name: "422 for an unknown parameter", path: "/health?selftest=1", status: 422, mention: "selftest"},
		{name: "421 for a foreign host", path: "/health", header: http.Header{"Host": {"selftest.invalid"}}, status: 421, mention: "selftest.invalid", tcp: true},
		{name: "403 for a foreign origin", method: http.MethodPost, path: "/-/reload", header: http.Header{"Origin": {foreignOrigin}}, status: 403, mention: "selftest.invalid"},
		{name: "403 for the origin null", method: http.MethodPost, path: "/-/reload", header: http.Header{"Origin": {"null"}}, status: 403},
		{name: "415 for a form", method: http.MethodPost, path: "/-/reload", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "a=b", status: 415, mention: "curl --json"},
		{name: "413 for a body too large", method: http.MethodPost, path: "/-/reload", header: http.Header{"Content-Type": {"application/json"}}, body: `"` + strings.Repeat("x", 1<<20) + `"`, status: 413},
		{name: "400 for a foreign preflight", method: http.MethodOptions, path: "/health", header: http.Header{"Origin": {foreignOrigin}, "Access-Control-Request-Method": {"POST"}}, status: 400},
	}
	out := []probe{}
	for _, c := range append(cases, s.rangeCases()...) {
		out = append(out, probe{name: c.name, run: func(ctx context.Context) (string, error) { return s.tryError(ctx, c) }})
	}
	return out
}

// rangeCases takes from the document each bounded number of a GET route and leaves its range.
func (s *selftest) rangeCases() []errorCase {
	var out []errorCase
	for _, path := range sortedKeys(s.doc.Paths) {
		var op operation
		if raw, ok := s.doc.Paths[path]["get"]; !ok || json.Unmarshal(raw, &op) != nil || strings.Contains(path, "{") {
			continue
		}
		for _, p := range op.Parameters {
			sc := s.doc.resolve(p.Schema)
			if p.In != "query" || sc == nil || sc.Maximum == nil {
				continue
			}
			beyond := strconv.FormatFloat(*sc.Maximum+1, 'f', -1, 64)
			out = append(out,
				errorCase{name: "422 for " + path + "?" + p.Name + "=" + beyond, path: path + "?" + p.Name + "=" + beyond, status: 422, mention: p.Name},
				errorCase{name: "422 for " + path + "?" + p.Name + "=x", path: path + "?" + p.Name + "=x", status: 422, mention: p.Name})
		}
	}
	return out
}

func (s *selftest) tryError(ctx context.Context, c errorCase) (string, error) {
	if c.tcp && s.c.socket != "" {
		return "", fmt.Errorf("a unix socket has no host: %w", errSkip)
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := s.fetch(ctx, c.method, c.path, c.header, body)
	if err != nil {
		return "", err
	}
	if r.status != c.status {
		return "", fmt.Errorf("status %d, want %d: %s", r.status, c.status, shorten(clean(string(r.body)), 120))
	}
	return checkErrorShape(r, c.mention)
}

// checkErrorShape wants the one shape of all errors: success false, error and detail as texts, a code.
func checkErrorShape(r reply, mention string) (string, error) {
	var v struct {
		Success *bool  `json:"success"`
		Error   string `json:"error"`
		Detail  string `json:"detail"`
		Code    string `json:"code"`
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		return "", fmt.Errorf("body is not of the error shape: %w", err)
	}
	if v.Success == nil || *v.Success || v.Error == "" || v.Detail == "" || v.Code == "" {
		return "", fmt.Errorf("body is not of the error shape: %s", shorten(clean(string(r.body)), 120))
	}
	if !strings.Contains(v.Error, mention) {
		return "", fmt.Errorf("error %q does not mention %s", clean(v.Error), mention)
	}
	return fmt.Sprintf("%d %s: %s", r.status, clean(v.Code), clean(v.Error)), nil
}
