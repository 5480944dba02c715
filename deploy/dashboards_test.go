package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type gridPos struct{ H, W, X, Y int }

type dashboard struct {
	UID, Title, Description, Refresh string
	Tags                             []string
	SchemaVersion                    int
	Links                            []struct {
		Type                              string
		Tags                              []string
		AsDropdown, IncludeVars, KeepTime bool
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type, Label, Description string
			Query                          any
			IncludeAll, Multi              bool
		}
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  gridPos
		Datasource               struct{ UID string }
		FieldConfig              *struct {
			Defaults struct {
				Unit       string
				Thresholds *struct {
					Steps []struct{ Value *float64 }
				}
			}
		}
		Targets []struct {
			RefID, Expr, LegendFormat, Format string
			Datasource                        struct{ UID string }
		}
	}
	text string
}

func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("dashboards %v: %v", files, err)
	}
	all := map[string]dashboard{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d.text = string(text)
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = d
	}
	return all
}

// units are those of Grafana that we use: a misspelt one shows as plain text behind the number.
var units = []string{"none", "short", "percentunit", "bytes", "Bps", "pps", "cps", "ops", "reqps", "s", "celsius", "watt", "hertz", "rotrpm", "currencyUSD", "dateTimeFromNow"}

// ofGrafana are the variables that Grafana itself gives.
var ofGrafana = []string{"__rate_interval", "__range", "__interval", "__url_time_range", "__value", "__field", "__data"}

func TestDashboardsAreWellFormed(t *testing.T) {
	known := metricNames(t)
	uids, titles := map[string]bool{}, map[string]bool{}
	for name, d := range readDashboards(t) {
		bad := func(format string, args ...any) { t.Errorf("%s: %s", name, fmt.Sprintf(format, args...)) }
		if d.UID != name || len(d.UID) > 40 || uids[d.UID] {
			bad("uid %q", d.UID)
		}
		if d.Title == "" || titles[d.Title] || len(d.Description) < 20 || !slices.Contains(d.Tags, "controlcenter") || d.Refresh == "" {
			bad("title %q, description %q, tags %v, refresh %q", d.Title, d.Description, d.Tags, d.Refresh)
		}
		uids[d.UID], titles[d.Title] = true, true
		if d.SchemaVersion < 39 || d.SchemaVersion > 42 {
			bad("schemaVersion %d", d.SchemaVersion)
		}
		if len(d.Links) != 1 || !slices.Contains(d.Links[0].Tags, "controlcenter") || !d.Links[0].IncludeVars || !d.Links[0].KeepTime {
			bad("no link to the others: %+v", d.Links)
		}
		names := slices.Clone(ofGrafana)
		var queried []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
			if v.Label == "" || v.Description == "" {
				bad("variable %s has no label or description", v.Name)
			}
			if v.Type == "query" {
				q, _ := v.Query.(map[string]any)
				text, _ := q["query"].(string)
				m := regexp.MustCompile(`^label_values\((\w+)(?:\{.*\})?, (\w+)\)$`).FindStringSubmatch(text)
				if m == nil || !known.has(m[1]) {
					bad("variable %s asks %q", v.Name, text)
				}
				queried = append(queried, text)
			}
		}
		for _, want := range []string{"datasource", "job", "instance"} {
			if !slices.Contains(names, want) {
				bad("no variable %s", want)
			}
		}
		for _, m := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(strings.ReplaceAll(d.text, `"$__all"`, ""), -1) {
			if !slices.Contains(names, m[1]) {
				bad("$%s is no variable of it", m[1])
			}
		}
		var crashes bool
		for _, a := range d.Annotations.List[1:] {
			crashes = crashes || a.Name == "Crashes"
			for _, m := range metricsIn(a.Expr) {
				if !known.has(m) {
					bad("annotation %s asks for %s, which does not exist", a.Name, m)
				}
			}
		}
		if !crashes || len(d.Annotations.List) < 3 {
			bad("annotations %+v", d.Annotations.List)
		}
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			where := fmt.Sprintf("panel %d %q", p.ID, p.Title)
			if p.ID < 1 || ids[p.ID] {
				bad("%s: the id is there twice", where)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 || p.Type != "row" && (g.W < 3 || g.H < 3) {
				bad("%s stands at %+v", where, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						bad("%s covers %s", where, other)
					}
					taken[[2]int{x, y}] = where
				}
			}
			if p.Title == "" || p.Type != "row" && (len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".")) {
				bad("%s: description %q", where, p.Description)
			}
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			if p.Datasource.UID != "${datasource}" || p.FieldConfig == nil || !slices.Contains(units, p.FieldConfig.Defaults.Unit) || len(p.Targets) == 0 {
				bad("%s: data source %q, %+v, %d queries", where, p.Datasource.UID, p.FieldConfig, len(p.Targets))
				continue
			}
			if th := p.FieldConfig.Defaults.Thresholds; th != nil {
				for i, s := range th.Steps {
					if (i == 0) != (s.Value == nil) || i > 1 && *s.Value <= *th.Steps[i-1].Value {
						bad("%s: thresholds do not rise", where)
					}
				}
			}
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if refs[q.RefID] || q.Datasource.UID != "${datasource}" || q.LegendFormat == "" {
					bad("%s %s: %+v", where, q.RefID, q)
				}
				refs[q.RefID] = true
				queried = append(queried, q.Expr)
				for _, m := range metricsIn(q.Expr) {
					if !known.has(m) {
						bad("%s asks for %s, which does not exist", where, m)
					}
					// Of a counter only the change says something, but in tables and where "ever" is what is asked for.
					if kind := known[m]; kind == "counter" && p.Type == "timeseries" && !regexp.MustCompile(`(rate|increase)\(`+m).MatchString(q.Expr) {
						bad("%s draws the counter %s as it is", where, m)
					}
				}
				if regexp.MustCompile(`(rate|increase)\(`).MatchString(q.Expr) && !regexp.MustCompile(`\[(\$__rate_interval|\$__range|5m|1h|24h)\]`).MatchString(q.Expr) {
					bad("%s: a rate over a range that may be shorter than two scrapes: %s", where, q.Expr)
				}
				if !strings.Contains(q.Expr, `job=~"$job", instance=~"$instance"`) {
					bad("%s asks for all machines: %s", where, q.Expr)
				}
			}
		}
		all := strings.Join(queried, "\n")
		for _, v := range d.Templating.List {
			if v.Type == "query" && !strings.Contains(all, "$"+v.Name) {
				bad("no query uses the variable %s", v.Name)
			}
		}
	}
	for _, d := range readDashboards(t) {
		for _, m := range regexp.MustCompile(`"/d/([\w-]+)\?`).FindAllStringSubmatch(d.text, -1) {
			if !uids[m[1]] {
				t.Errorf("%s links to %s, which does not exist", d.UID, m[1])
			}
		}
	}
}

// TestStatesOfDashboardsAreTheProducts fails when the state machine gets a state that the dashboards do not colour.
func TestStatesOfDashboardsAreTheProducts(t *testing.T) {
	text, err := os.ReadFile("../control/step.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "var stateNames = [numStates]string{")
	list, _, _ = strings.Cut(list, "}")
	states := regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(list, -1)
	if len(states) < 10 {
		t.Fatalf("states not found: %q", list)
	}
	services := readDashboards(t)["controlcenter-services"].text
	for _, s := range states {
		if !strings.Contains(services, `state=\"`+s[1]+`\"`) {
			t.Errorf("the state %s is not in the dashboard of services", s[1])
		}
	}
}
