package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// absentHere are metrics that a machine may lack. A query may stay without data when it asks for one of them and the daemon does not
// show it; on a machine that has it the query must answer.
var absentHere = map[string]string{
	"controlcenter_gpu_":                "no graphics processor",
	"controlcenter_temperature_celsius": "no temperature sensor",
	"controlcenter_fan_rpm":             "no fan that can be read",
	"controlcenter_cpu_frequency_hertz": "a virtual machine may hide its clock rate",
	"controlcenter_pressure_":           "a kernel without pressure stall information",
	"controlcenter_tls_certificate_":    "this daemon serves without TLS",
	"controlcenter_notifications_":      "this daemon has no channel",
	"controlcenter_alerts_firing":       "no built-in rule fires",
	"controlcenter_disk_":               "a container may hide the disks",
}

// dashboardQuery is one question of a dashboard, with the variables filled in.
type dashboardQuery struct{ where, expr string }

// dashboardQueries reads all panels and annotations of all dashboards, and their variables as the series and label they ask for.
func dashboardQueries(t *testing.T, instance string) (queries []dashboardQuery, variables map[string][2]string) {
	t.Helper()
	files, err := filepath.Glob("../deploy/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards %v: %v", files, err)
	}
	fill := strings.NewReplacer("$job", "controlcenter", "$instance", strings.ReplaceAll(regexp.QuoteMeta(instance), `\`, `\\`), "$service", ".*", "$__rate_interval", "30s", "$__range", "5m")
	variables = map[string][2]string{}
	label := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID         string
			Annotations struct{ List []struct{ Name, Expr string } }
			Templating  struct {
				List []struct {
					Name, Type string
					Query      json.RawMessage
				}
			}
			Panels []struct {
				ID      int
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				queries = append(queries, dashboardQuery{d.UID + ": annotation " + a.Name, fill.Replace(a.Expr)})
			}
		}
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			var q struct{ Query string }
			if err := json.Unmarshal(v.Query, &q); err != nil {
				t.Fatalf("%s: variable %s: %v", name, v.Name, err)
			}
			m := label.FindStringSubmatch(fill.Replace(q.Query))
			if m == nil {
				t.Fatalf("%s: variable %s asks %q", name, v.Name, q.Query)
			}
			variables[d.UID+": variable "+v.Name] = [2]string{m[1], m[2]}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				queries = append(queries, dashboardQuery{fmt.Sprintf("%s: panel %d %q %s", d.UID, p.ID, p.Title, q.RefID), fill.Replace(q.Expr)})
			}
		}
	}
	return queries, variables
}

// labelValues is what Grafana's label_values(series, label) asks.
func (p *prometheus) labelValues(series, label string) []string {
	p.t.Helper()
	resp, err := http.Get(p.url + "/api/v1/label/" + label + "/values?match[]=" + url.QueryEscape(series))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Data []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	return answer.Data
}

// postJSON sends a JSON body to the daemon, which must not refuse it.
func (d *daemon) postJSON(path, body string) {
	d.t.Helper()
	resp, err := http.Post(d.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		d.t.Fatalf("POST %s: %d %s", path, resp.StatusCode, text)
	}
}

// livelyConfig is a daemon with something of everything: services that run, crash and listen, a job, a knowledge base with a file
// that cannot be taken, a budget.
func livelyConfig(t *testing.T, s *services) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "kb")
	if err := os.CopyFS(root, os.DirFS("../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "ai-agents", "art-director", "painting", "broken.md"), "no\x00text")
	port := freePort(t)
	s.add("steady", []string{binary, "demo", "steady", "--port", fmt.Sprint(port), "--every", "100ms"}, fmt.Sprintf("ports: [%d]", port),
		fmt.Sprintf(`probes: {readiness: {http: "http://127.0.0.1:%d/health", interval: 1s}}`, port))
	s.add("crashing", []string{"sh", "-c", "sleep 0.5; exit 3"}, "restart: {policy: always, initial: 100ms, max: 1s, limit: {attempts: 0}}")
	fmt.Fprintf(&s.yaml, `  tidy:
    type: job
    command: ["true"]
    schedule: {every: 1h}
knowledge:
  roots: [{id: examples, path: %q}]
usage:
  budgets: {total: {daily_usd: 10}}
exporter:
  ports: {start: 1, end: 65535}
`, root)
}

// TestEveryQueryOfTheDashboardsReturnsData runs the queries of all panels, annotations and variables against a real Prometheus that
// scrapes the real binary while something of everything happens; the recording and alert rules are evaluated beside it.
func TestEveryQueryOfTheDashboardsReturnsData(t *testing.T) {
	need(t, "prometheus")
	s := newServices(t)
	livelyConfig(t, s)
	d := s.serve()
	rules, err := filepath.Abs("../deploy/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	p := startPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: [%q]
scrape_configs:
  - job_name: controlcenter
    static_configs: [{targets: [%q]}]
`, filepath.Join(rules, "*.rules.yml"), s.addr))
	waitFor(t, "the first scrape", func() bool { return len(p.query(`controlcenter_build_info`)) == 1 }, p.log.String)
	d.postJSON("/-/reload", "")

	round := 0
	life := func() {
		round++
		d.json("/api/knowledge/search?query=lighting", &struct{}{})
		d.postJSON("/api/usage/track", fmt.Sprintf(`{"api": "openai", "model": "gpt-4o", "input_tokens": 1200, "cached_tokens": 200, "output_tokens": 300, "id": "e2e-%d"}`, round))
		if round%5 == 1 {
			d.postJSON("/api/jobs/tidy/run", "")
			d.postJSON("/api/knowledge/scan", "")
		}
	}
	queries, variables := dashboardQueries(t, s.addr)
	pending := map[string]dashboardQuery{}
	for _, q := range queries {
		pending[q.where] = q
	}
	all := len(pending)
	if all != len(queries) || all < 200 {
		t.Fatalf("%d queries, %d of them with a name of their own", len(queries), all)
	}
	excused := func(q dashboardQuery) string {
		_, body := d.get("/metrics")
		for metric, why := range absentHere {
			if strings.Contains(q.expr, metric) {
				for _, name := range regexp.MustCompile(metric+`\w*`).FindAllString(q.expr, -1) {
					if !bytes.Contains(body, []byte("\n"+name+"{")) && !bytes.Contains(body, []byte("\n"+name+" ")) {
						return why
					}
				}
			}
		}
		return ""
	}
	answered := func() bool {
		life()
		for where, q := range pending {
			for _, v := range p.query(q.expr) {
				if !math.IsNaN(v) && !math.IsInf(v, 0) {
					delete(pending, where)
					break
				}
			}
		}
		for _, q := range pending {
			if excused(q) == "" {
				return false
			}
		}
		return true
	}
	waitFor(t, "every query returns data", answered, func() string {
		var b strings.Builder
		for _, q := range pending {
			if excused(q) == "" {
				fmt.Fprintf(&b, "no data: %s\n  %s\n", q.where, q.expr)
			}
		}
		return b.String()
	})
	// The file that cannot be taken is counted, and the reasons that did not occur are there at 0.
	for reason, want := range map[string]float64{"binary": 1, "too_large": 0} {
		if v := p.query(fmt.Sprintf(`controlcenter_knowledge_files_rejected{reason=%q}`, reason)); len(v) != 1 || minimum(v) != want {
			t.Errorf("files rejected for %s: %v, want %v", reason, v, want)
		}
	}
	for where, v := range variables {
		if len(p.labelValues(v[0], v[1])) == 0 {
			t.Errorf("no values: %s, %s of %s", where, v[1], v[0])
		}
	}
	excuses := map[string]int{}
	for _, q := range pending {
		excuses[excused(q)]++
	}
	t.Logf("%d of %d queries of panels and annotations returned data, %d variables have values; without data: %v", all-len(pending), all, len(variables), excuses)
	p.checkRules(t)
}

// checkRules wants every rule to have been evaluated without an error.
func (p *prometheus) checkRules(t *testing.T) {
	t.Helper()
	type rule struct{ Name, Health, LastError string }
	var rules []rule
	waitFor(t, "every rule was evaluated", func() bool {
		resp, err := http.Get(p.url + "/api/v1/rules")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			Data struct{ Groups []struct{ Rules []rule } }
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		rules = nil
		for _, g := range answer.Data.Groups {
			rules = append(rules, g.Rules...)
		}
		return len(rules) > 40 && !slices.ContainsFunc(rules, func(r rule) bool { return r.Health == "unknown" })
	}, p.log.String)
	for _, r := range rules {
		if r.Health != "ok" || r.LastError != "" {
			t.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
		}
	}
	for line := range strings.Lines(p.log.String()) {
		if line := strings.ToLower(line); strings.Contains(line, `component="rule manager"`) && strings.Contains(line, "level=warn") {
			t.Errorf("Prometheus warns: %s", line)
		}
	}
}
