package deploy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// notMetrics are the words of PromQL that may stand where a metric's name could: operators, modifiers and constants.
var notMetrics = []string{"and", "or", "unless", "bool", "offset", "on", "ignoring", "by", "without", "group_left", "group_right", "inf", "nan", "atan2", "start", "end"}

var (
	promStrings = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	promLists   = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	promBraces  = regexp.MustCompile(`\{[^}]*\}`)
	promRanges  = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+-?\w+|@\s*[\w.]+`)
	promWords   = regexp.MustCompile(`[A-Za-z_:][\w:]*\s*\(?`)
	promNumbers = regexp.MustCompile(`\b\d[\w.]*(e[+-]?\d+)?\b`)
)

// metricsIn lists the names of the metrics that a query asks for: all words that are neither a function nor one of the language.
func metricsIn(query string) []string {
	for _, drop := range []*regexp.Regexp{promStrings, promBraces, promLists, promRanges, promNumbers} {
		query = drop.ReplaceAllString(query, " ")
	}
	var names []string
	for _, word := range promWords.FindAllString(query, -1) {
		if strings.HasSuffix(word, "(") || slices.Contains(notMetrics, strings.ToLower(strings.TrimSpace(word))) {
			continue
		}
		names = append(names, strings.TrimSpace(word))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestMetricsOfAQueryAreFound(t *testing.T) {
	for query, want := range map[string]string{
		`histogram_quantile(0.95, sum by (le, job) (rate(a_bucket{x=~"b|c{2}", y!="d"}[5m]))) and on (job) b:c:rate5m`: "a_bucket b:c:rate5m",
		`predict_linear(a[6h], 24 * 3600) < 0 unless on (job) group_left (x) b == 1e6`:                                 "a b",
		`a offset 5m / ignoring (x) max_over_time(b[$__range]) > bool Inf`:                                             "a b",
	} {
		if got := strings.Join(metricsIn(query), " "); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// knownMetrics are the names of docs/metrics.md, of the libraries it mentions, of Prometheus, and of our recording rules.
type knownMetrics map[string]string // name to type

func metricNames(t *testing.T) knownMetrics {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := knownMetrics{"up": "gauge", "scrape_duration_seconds": "gauge", "ALERTS": "gauge"}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(text), -1) {
		known[m[1]] = m[2]
	}
	// client_golang's, which the page names by their prefixes only.
	for _, name := range []string{"go_goroutines", "go_memstats_heap_inuse_bytes", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"} {
		known[name] = "gauge"
	}
	known["process_cpu_seconds_total"] = "counter"
	if len(known) < 200 {
		t.Fatalf("only %d metrics found in docs/metrics.md", len(known))
	}
	for _, file := range ruleFiles(t) {
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if r.Record != "" {
					known[r.Record] = "gauge"
				}
			}
		}
	}
	return known
}

// has says whether there is such a metric; a histogram has three series of its own.
func (k knownMetrics) has(name string) bool {
	if kind, ok := k[name]; ok && kind != "histogram" {
		return true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && k[base] == "histogram" {
			return true
		}
	}
	return false
}
