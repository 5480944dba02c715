package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestMetricsShowRequestsByRoute(t *testing.T) {
	s := start(t, nil, nil)
	s.get("/health")
	s.get("/api/unknown/" + strings.Repeat("x", 20))
	s.ask("BREW", "/health", nil)
	s.ask("HEAD", "/health", nil)
	body := string(s.get("/metrics").body)
	for _, want := range []string{
		`http_requests_total{handler="/health",method="GET",status="200"} 1`,
		`http_requests_total{handler="/health",method="HEAD",status="200"} 1`,
		`http_requests_total{handler="none",method="GET",status="404"} 1`,
		`http_requests_total{handler="none",method="other",status="405"} 1`,
		`http_request_duration_seconds_bucket{handler="/health",method="GET",status="200",le="0.0005"}`,
		`controlcenter_ws_clients{stream="system"} 0`,
		`controlcenter_ws_frames_dropped_total{stream="metrics"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "xxxx") || strings.Contains(body, "BREW") {
		t.Error("a client chose a label value")
	}
}

func TestMetricsFilters(t *testing.T) {
	s := start(t, nil, nil)
	s.get("/health")
	only := string(s.get("/metrics?name[]=http_requests_total").body)
	if !strings.Contains(only, "http_requests_total{") || strings.Contains(only, "controlcenter_ws_clients") {
		t.Errorf("name[]: %s", only)
	}
	if got := string(s.get("/metrics?exclude[]=self").body); strings.Contains(got, "http_requests_total") {
		t.Error("exclude[]=self shows the server's own metrics")
	}
	if got := string(s.get("/metrics?collect[]=self").body); !strings.Contains(got, "http_requests_total") {
		t.Error("collect[]=self hides the server's own metrics")
	}
	if got := string(s.get("/metrics/node").body); strings.Contains(got, "http_requests_total") {
		t.Error("/metrics/node shows the server's own metrics")
	}
}

func TestMetricsNegotiation(t *testing.T) {
	s := start(t, nil, nil)
	r := s.get("/metrics", "Accept", "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(string(r.body), "# EOF\n") {
		t.Errorf("OpenMetrics: %s", r.Header.Get("Content-Type"))
	}
	if r = s.get("/metrics", "Accept-Encoding", "zstd"); r.Header.Get("Content-Encoding") != "zstd" {
		t.Errorf("zstd: %q", r.Header.Get("Content-Encoding"))
	}
	r = s.get("/metrics", "Accept-Encoding", "gzip")
	zr, err := gzip.NewReader(bytes.NewReader(r.body))
	if r.Header.Get("Content-Encoding") != "gzip" || err != nil {
		t.Fatalf("gzip: %q, %v", r.Header.Get("Content-Encoding"), err)
	}
	if plain, err := io.ReadAll(zr); err != nil || !bytes.Contains(plain, []byte("http_requests_total")) {
		t.Errorf("gzip body: %v", err)
	}
	if got := s.get("/metrics", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited").Header.Get("Content-Type"); !strings.Contains(got, "protobuf") {
		t.Errorf("protobuf (native histograms): %s", got)
	}
}

// broken is a collector that fails.
type broken struct{ d *prometheus.Desc }

func (b broken) Describe(c chan<- *prometheus.Desc) { c <- b.d }
func (b broken) Collect(c chan<- prometheus.Metric) { c <- prometheus.NewInvalidMetric(b.d, errSecret) }

func TestMetricsOutliveABrokenCollector(t *testing.T) {
	s := start(t, nil, nil)
	s.o.Registry.MustRegister(broken{prometheus.NewDesc("broken_value", "Fails.", nil, nil)})
	s.get("/health")
	r := s.get("/metrics")
	if r.StatusCode != 200 || !strings.Contains(string(r.body), "http_requests_total") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestMetricsPassPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed (Debian: apt-get install prometheus)")
	}
	s := start(t, nil, nil)
	s.get("/health")
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), tool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(s.get("/metrics").body)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func TestMergeKeepsOrderAndDropsDoubles(t *testing.T) {
	families := func(names ...string) (out []*dto.MetricFamily) {
		for _, n := range names {
			out = append(out, &dto.MetricFamily{Name: &n})
		}
		return out
	}
	names := ""
	for _, f := range mergeFamilies(families("a", "c", "e"), families("b", "c", "f", "g")) {
		names += f.GetName()
	}
	if names != "abcefg" {
		t.Errorf("merged: %s, want abcefg", names)
	}
}
