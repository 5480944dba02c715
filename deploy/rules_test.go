package deploy

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

// readYAML reads a file strictly into v.
func readYAML(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(text, v, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func ruleFiles(t *testing.T) map[string]ruleFile {
	t.Helper()
	names, err := filepath.Glob("prometheus/*.rules.yml")
	if err != nil || len(names) < 4 {
		t.Fatalf("rule files %v: %v", names, err)
	}
	files := map[string]ruleFile{}
	for _, name := range names {
		var f ruleFile
		readYAML(t, name, &f)
		files[name] = f
	}
	return files
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, f := range ruleFiles(t) {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					all = append(all, r)
				}
			}
		}
	}
	return all
}

// need finds a program or skips the test; where CI=true nothing may be missing.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("SKIPPED: %s is not installed", program)
	return ""
}

func TestEveryRuleNamesOnlyMetricsThatExist(t *testing.T) {
	known := metricNames(t)
	for name, f := range ruleFiles(t) {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				names := metricsIn(r.Expr)
				if len(names) == 0 {
					t.Errorf("%s: %s asks for no metric", name, r.Alert+r.Record)
				}
				for _, m := range names {
					if !known.has(m) {
						t.Errorf("%s: %s asks for %s, which does not exist", name, r.Alert+r.Record, m)
					}
				}
			}
		}
	}
}

func TestEveryAlertSaysWhatAPersonNeeds(t *testing.T) {
	for _, r := range alerts(t) {
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["runbook_url"] != "docs/runbooks/"+r.Alert+".md" {
			t.Errorf("%s: runbook_url is %q", r.Alert, r.Annotations["runbook_url"])
		}
		for _, a := range []string{"summary", "description"} {
			if len(r.Annotations[a]) < 20 {
				t.Errorf("%s: %s is %q", r.Alert, a, r.Annotations[a])
			}
		}
		if !strings.Contains(r.Annotations["summary"]+r.Annotations["description"], "{{ $labels.") {
			t.Errorf("%s names neither the machine nor the service", r.Alert)
		}
	}
}

var (
	verbLine    = regexp.MustCompile(`(?m)\bcontrolcenter ((?:[a-z]+ ?)+)`)
	verbHeading = regexp.MustCompile("(?m)^#{3,4} `([a-z]+(?: [a-z]+)*)")
	curlLine    = regexp.MustCompile(`curl (?:.*?)http://127\.0\.0\.1:8080(/[\w/-]*)`)
)

func TestEveryAlertHasARunbookWhoseCommandsExist(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	verbs := map[string]bool{}
	for _, m := range verbHeading.FindAllStringSubmatch(read("commands.md"), -1) {
		verbs[m[1]] = true
	}
	routes, index := read("api.md"), read("runbooks/README.md")
	pages := map[string]bool{"README": true}
	for _, r := range alerts(t) {
		pages[r.Alert] = true
		page := read("runbooks/" + r.Alert + ".md")
		for _, part := range []string{"# " + r.Alert + "\n", "## What it means", "## First looks", "## Usual causes", "## Silence", "alertname=" + r.Alert} {
			if !strings.Contains(page, part) {
				t.Errorf("%s.md: no %q", r.Alert, part)
			}
		}
		if !strings.Contains(index, "["+r.Alert+"]") {
			t.Errorf("docs/runbooks/README.md does not list %s", r.Alert)
		}
		for _, m := range regexp.MustCompile(`\]\((\w+\.md)`).FindAllStringSubmatch(page, -1) {
			read("runbooks/" + m[1])
		}
		_, looks, _ := strings.Cut(page, "## First looks")
		commands, _, _ := strings.Cut(looks, "## Usual causes")
		for _, m := range verbLine.FindAllStringSubmatch(commands, -1) {
			words := strings.Fields(m[1])
			if !verbs[words[0]] && !verbs[strings.Join(words[:min(2, len(words))], " ")] {
				t.Errorf("%s.md: there is no %q", r.Alert, "controlcenter "+words[0])
			}
		}
		for _, m := range curlLine.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(routes, " "+m[1]+"`") {
				t.Errorf("%s.md: there is no route %s", r.Alert, m[1])
			}
		}
	}
	files, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[strings.TrimSuffix(filepath.Base(f), ".md")] {
			t.Errorf("%s belongs to no alert", f)
		}
	}
}

type unitTests struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	GroupEvalOrder     []string `yaml:"group_eval_order"`
	Tests              []struct {
		Name           string
		Interval       string
		InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
		AlertRuleTests []struct {
			EvalTime  string `yaml:"eval_time"`
			Alertname string
			ExpAlerts []struct {
				ExpLabels      map[string]string `yaml:"exp_labels"`
				ExpAnnotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

// TestEveryAlertIsTestedThreeTimes wants of each alert and severity a look shortly before it fires that does not see it, one that
// does, and one after it that does not any more.
func TestEveryAlertIsTestedThreeTimes(t *testing.T) {
	type look struct {
		at    time.Duration
		fires bool
	}
	looks := map[string][]look{} // by alert and severity
	files, err := filepath.Glob("prometheus/*_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		var u unitTests
		readYAML(t, name, &u)
		for _, test := range u.Tests {
			for _, a := range test.AlertRuleTests {
				at, err := time.ParseDuration(a.EvalTime)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, severity := range []string{"warning", "critical"} {
					fires := false
					for _, e := range a.ExpAlerts {
						fires = fires || e.ExpLabels["severity"] == severity
					}
					key := a.Alertname + " " + severity
					looks[key] = append(looks[key], look{at, fires})
				}
			}
		}
	}
	for _, r := range alerts(t) {
		key := r.Alert + " " + r.Labels["severity"]
		all := looks[key]
		slices.SortFunc(all, func(a, b look) int { return cmp.Compare(a.at, b.at) })
		first := slices.IndexFunc(all, func(l look) bool { return l.fires })
		switch {
		case first < 0:
			t.Errorf("%s: no unit test sees it fire", key)
		case first == 0 || all[first].at-all[first-1].at > 2*time.Minute && r.For != "":
			t.Errorf("%s: no unit test sees that it does not fire early (within two minutes before)", key)
		case all[len(all)-1].fires:
			t.Errorf("%s: no unit test sees it resolve", key)
		}
	}
}

func TestPromtoolAcceptsRulesAndTheirTests(t *testing.T) {
	promtool := need(t, "promtool")
	for _, c := range [][]string{{"check", "rules", "--lint=all", "--lint-fatal"}, {"test", "rules"}} {
		pattern := "prometheus/*.rules.yml"
		if c[0] == "test" {
			pattern = "prometheus/*_test.yml"
		}
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), promtool, append(c, files...)...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(c, " "), err, out)
		}
	}
	configs, err := filepath.Glob("prometheus/prometheus*.yml")
	if err != nil || len(configs) == 0 {
		t.Fatalf("%v: %v", configs, err)
	}
	for _, name := range configs {
		// --syntax-only: the key and certificate files that a configuration names are not here.
		if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", "--syntax-only", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
