package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// prometheus is a real one with a database of its own.
type prometheus struct {
	t   *testing.T
	url string
	log *buffer
}

func startPrometheus(t *testing.T, config string) *prometheus {
	t.Helper()
	program := need(t, "prometheus")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), config)
	p := &prometheus{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", freePort(t)), log: &buffer{}}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+strings.TrimPrefix(p.url, "http://"))
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	waitFor(t, "Prometheus is ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, p.log.String)
	return p
}

// query returns the values of an instant query, by the text of its labels.
func (p *prometheus) query(q string) map[string]float64 {
	p.t.Helper()
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(q))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status string
		Error  string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("query %s: %v %s", q, err, answer.Error)
	}
	values := map[string]float64{}
	for _, r := range answer.Data.Result {
		labels, err := json.Marshal(r.Metric)
		if err != nil {
			p.t.Fatal(err)
		}
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			p.t.Fatal(err)
		}
		values[string(labels)] = v
	}
	return values
}

func TestPrometheusScrapesBothPathsWithoutError(t *testing.T) {
	d := serve(t, launch{})
	target := strings.TrimPrefix(d.url, "http://")
	p := startPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: controlcenter
    static_configs: [{targets: [%q]}]
  - job_name: node
    metrics_path: /metrics/node
    static_configs: [{targets: [%q]}]
`, target, target))
	waitFor(t, "four scrapes of each path", func() bool {
		n := p.query(`count_over_time(up[1m])`)
		return len(n) == 2 && minimum(n) >= 4
	}, p.log.String)
	for labels, v := range p.query(`min_over_time(up[1m])`) {
		if v != 1 {
			t.Errorf("a scrape failed: %s", labels)
		}
	}
	for _, q := range []string{
		`rate(controlcenter_cpu_seconds_total{mode="idle"}[10s])`,
		`controlcenter_memory_total_bytes`, `controlcenter_filesystem_size_bytes{mountpoint="/"}`,
		`controlcenter_process_resident_memory_bytes{name="other"}`, `go_goroutines{job="controlcenter"}`,
		`node_cpu_seconds_total{job="node"}`, `node_memory_MemTotal_bytes`, `node_uname_info`,
		`http_requests_total{handler="/metrics"}`, `controlcenter_build_info`,
	} {
		if len(p.query(q)) == 0 {
			t.Errorf("no data: %s", q)
		}
	}
	resp, err := http.Get(p.url + "/api/v1/targets")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(body, []byte(`"lastError":""`)) != 2 {
		t.Errorf("targets have errors: %s", body)
	}
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "level=warn") && strings.Contains(line, "scrape") {
			t.Errorf("Prometheus warns: %s", line)
		}
	}
}

func minimum(m map[string]float64) float64 {
	first := true
	var least float64
	for _, v := range m {
		if first || v < least {
			least, first = v, false
		}
	}
	return least
}

func TestPromtoolFindsNothing(t *testing.T) {
	promtool := need(t, "promtool")
	d := serve(t, launch{})
	_, body := d.get("/metrics")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestEncodings(t *testing.T) {
	d := serve(t, launch{})
	for _, c := range []struct{ accept, encoding, wantType, wantEncoding string }{
		{"application/openmetrics-text;version=1.0.0", "gzip", "application/openmetrics-text", "gzip"},
		{"text/plain;version=0.0.4", "zstd", "text/plain", "zstd"},
		{"*/*", "identity", "text/plain", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", c.accept)
		req.Header.Set("Accept-Encoding", c.encoding)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, c.wantType) || resp.Header.Get("Content-Encoding") != c.wantEncoding {
			t.Errorf("%+v: got %q, %q", c, got, resp.Header.Get("Content-Encoding"))
		}
	}
}
