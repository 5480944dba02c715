//go:build linux

package exporter

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// startNodeExporter runs the installed node_exporter on a free port until the test ends and returns what it shows.
func startNodeExporter(t *testing.T, args ...string) map[string]*dto.MetricFamily {
	t.Helper()
	path := ""
	for _, name := range []string{"prometheus-node-exporter", "node_exporter"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if p := os.Getenv("NODE_EXPORTER"); p != "" {
		path = p
	}
	if path == "" {
		needed(t, "node_exporter is not installed: apt-get install prometheus-node-exporter")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	address := ""
	said := regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(stderr)
	var log strings.Builder
	for address == "" && lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if m := said.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	if address == "" {
		t.Fatalf("node_exporter did not start:\n%s", log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the process
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := expfmt.NewTextParser(model.LegacyValidation)
	got, err := p.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// needed skips a test that lacks a tool, loudly; under CI nothing may be lacking.
func needed(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

// claimed are the families of the collectors that /metrics/node serves: all of node_exporter's must be there, but those of
// leftOut.
var claimed = regexp.MustCompile(`^node_(cpu_|memory_|load\d+$|filesystem_|disk_|network_(receive|transmit)_.*_total$|` +
	`intr_total$|context_switches_total$|forks_total$|procs_|boot_time_seconds$|uname_info$|time_|pressure_|hwmon_|` +
	`thermal_zone_|cooling_device_|vmstat_|filefd_|textfile_)`)

var leftOut = map[string]string{
	"node_cpu_core_throttles_total":        "only bare metal of one vendor has it, at two files of /sys for each core",
	"node_cpu_package_throttles_total":     "as above",
	"node_cpu_isolated":                    "not in the default dashboards",
	"node_cpu_online":                      "not in the default dashboards",
	"node_cpu_frequency_hertz":             "cpufreq is not one of the collectors served",
	"node_cpu_frequency_max_hertz":         "cpufreq",
	"node_cpu_frequency_min_hertz":         "cpufreq",
	"node_cpu_scaling_frequency_hertz":     "cpufreq",
	"node_cpu_scaling_frequency_max_hertz": "cpufreq",
	"node_cpu_scaling_frequency_min_hertz": "cpufreq",
	"node_cpu_scaling_governor":            "cpufreq",
}

// newer is what later releases of node_exporter than some installed ones have: families, and labels of a family.
var newer = struct {
	families *regexp.Regexp
	labels   map[string][]string
}{
	regexp.MustCompile(`^node_filesystem_(mount_info|purgeable_bytes)$`),
	map[string][]string{
		"node_filesystem_": {"device_error"}, // empty, so no label at all to Prometheus, while nothing fails
		"node_disk_info":   {"rotational"},
	},
}

// compareNode checks that ours has theirs' names, types and labels.
func compareNode(t *testing.T, ours, theirs map[string]*dto.MetricFamily) {
	t.Helper()
	compared := 0
	for _, name := range sortedKeys(ours) {
		if !strings.HasPrefix(name, "node_") {
			t.Errorf("%s at /metrics/node", name)
		}
		a, b := ours[name], theirs[name]
		switch {
		case strings.HasPrefix(name, "node_scrape_"): // collectors have other names here
		case b == nil && newer.families.MatchString(name):
		case b == nil && strings.HasPrefix(name, "node_memory_"):
			t.Logf("%s: this node_exporter leaves the row of /proc/meminfo out", name)
		case b == nil:
			t.Errorf("%s: node_exporter has no such family", name)
		case a.GetType() != b.GetType():
			t.Errorf("%s: got type %s, want %s", name, a.GetType(), b.GetType())
		default:
			compared++
			got, want := labelNames(a), labelNames(b)
			for prefix, labels := range newer.labels {
				if strings.HasPrefix(name, prefix) {
					got = without(got, labels)
					want = without(want, labels)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got labels %v, want %v", name, got, want)
			}
		}
	}
	for _, name := range sortedKeys(theirs) {
		if _, out := leftOut[name]; claimed.MatchString(name) && !out && ours[name] == nil {
			t.Errorf("%s: node_exporter has it, we have not", name)
		}
	}
	if compared < 20 {
		t.Errorf("only %d families compared", compared)
	}
}

func without(list, drop []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(drop, s) })
}

func labelNames(mf *dto.MetricFamily) []string {
	var names []string
	for _, m := range mf.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestNodeSubsetMatchesNodeExporter(t *testing.T) {
	theirs := startNodeExporter(t)
	ours := gather(t, runSampler(t, Options{}), Filter{Node: true})
	compareNode(t, ours, theirs)
	sameValues(t, ours, theirs, "node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_uname_info", "node_filefd_maximum",
		"node_time_clocksource_current_info", "node_time_zone_offset_seconds", "node_filesystem_size_bytes", "node_vmstat_oom_kill")
}

// TestNodeSensorsMatchNodeExporter compares sensors, which virtual machines have none of, on a /sys of our own.
func TestNodeSensorsMatchNodeExporter(t *testing.T) {
	sys := filepath.Join(t.TempDir(), "sys")
	writeSysfs(t, sys)
	theirs := startNodeExporter(t, "--path.sysfs="+sys, "--collector.disable-defaults", "--collector.hwmon", "--collector.thermal_zone")
	var got []string
	ours := gather(t, runSampler(t, Options{SysRoot: sys}), Filter{Node: true, Collect: []string{"sensors"}})
	for name := range ours {
		if strings.HasPrefix(name, "node_hwmon_") || strings.HasPrefix(name, "node_thermal_") || strings.HasPrefix(name, "node_cooling_") {
			got = append(got, name)
		}
	}
	for name := range theirs {
		if !strings.HasPrefix(name, "node_") || strings.HasPrefix(name, "node_exporter_") {
			delete(theirs, name)
		}
	}
	compareNode(t, ours, theirs)
	sameValues(t, ours, theirs, got...)
}

// sameValues compares series by series; for families that do not change between two scrapes.
func sameValues(t *testing.T, ours, theirs map[string]*dto.MetricFamily, names ...string) {
	t.Helper()
	for _, name := range names {
		a, b := ours[name], theirs[name]
		if a == nil || b == nil {
			t.Errorf("%s: ours %v, theirs %v", name, a != nil, b != nil)
			continue
		}
		want := map[string]float64{}
		for _, m := range b.GetMetric() {
			want[seriesKey(m)] = valueOf(m)
		}
		shared := 0
		for _, m := range a.GetMetric() {
			w, ok := want[seriesKey(m)]
			if !ok && strings.HasPrefix(name, "node_filesystem_") {
				continue // releases differ in the mounts they leave out by default
			}
			shared++
			if got := valueOf(m); !ok || got-w > 1e-9*w || w-got > 1e-9*w {
				t.Errorf("%s{%s}: got %v, want %v (there: %v)", name, seriesKey(m), got, w, ok)
			}
		}
		if shared == 0 || shared < len(want) && !strings.HasPrefix(name, "node_filesystem_") {
			t.Errorf("%s: %d series of %d are ours too", name, shared, len(want))
		}
	}
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.GetCounter().GetValue()
	case m.Gauge != nil:
		return m.GetGauge().GetValue()
	}
	return m.GetUntyped().GetValue()
}

// writeSysfs writes a /sys with two chips, thermal zones and a cooling device, linked as the kernel links them.
func writeSysfs(t testing.TB, root string) {
	t.Helper()
	files := map[string]string{
		"devices/platform/coretemp.0/hwmon/hwmon0/name":             "coretemp",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp1_input":      "42000",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp1_label":      "Package id 0",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp1_max":        "80000",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit":       "100000",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit_alarm": "0",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp2_input":      "41500",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp2_label":      "Core 0",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp3_input":      "43500",
		"devices/platform/coretemp.0/hwmon/hwmon0/temp3_label":      "Core 0",
		"devices/platform/nct6775.656/hwmon/hwmon1/name":            "nct6798",
		"devices/platform/nct6775.656/hwmon/hwmon1/fan1_input":      "1205",
		"devices/platform/nct6775.656/hwmon/hwmon1/fan1_min":        "0",
		"devices/platform/nct6775.656/hwmon/hwmon1/fan1_alarm":      "0",
		"devices/platform/nct6775.656/hwmon/hwmon1/fan1_beep":       "0",
		"devices/platform/nct6775.656/hwmon/hwmon1/fan1_pulses":     "2",
		"devices/platform/nct6775.656/hwmon/hwmon1/in0_input":       "1104",
		"devices/platform/nct6775.656/hwmon/hwmon1/in0_max":         "1744",
		"devices/platform/nct6775.656/hwmon/hwmon1/pwm1":            "153",
		"devices/platform/nct6775.656/hwmon/hwmon1/pwm1_enable":     "5",
		"devices/platform/nct6775.656/hwmon/hwmon1/temp1_input":     "35000",
		"devices/platform/nct6775.656/hwmon/hwmon1/temp1_type":      "4",
		"devices/platform/nct6775.656/hwmon/hwmon1/temp1_fault":     "0",
		"devices/platform/nct6775.656/hwmon/hwmon1/beep_enable":     "1",
		"devices/platform/nct6775.656/hwmon/hwmon1/update_interval": "1000",
		"devices/platform/nct6775.656/hwmon/hwmon1/intrusion0_beep": "0",
		"devices/virtual/hwmon/hwmon2/name":                         "Power-Meter",
		"devices/virtual/hwmon/hwmon2/power1_average":               "215000000",
		"devices/virtual/hwmon/hwmon2/power1_average_interval":      "1000",
		"devices/virtual/hwmon/hwmon2/power1_accuracy":              "950000",
		"devices/virtual/hwmon/hwmon2/energy1_input":                "123456789",
		"devices/virtual/hwmon/hwmon2/curr1_input":                  "1500",
		"devices/virtual/hwmon/hwmon2/humidity1_input":              "450000",
		"devices/virtual/hwmon/hwmon2/temp1_input":                  "not a number",
		"devices/virtual/thermal/thermal_zone0/type":                "acpitz",
		"devices/virtual/thermal/thermal_zone0/temp":                "27800",
		"devices/virtual/thermal/thermal_zone0/policy":              "step_wise",
		"devices/virtual/thermal/thermal_zone1/type":                "x86_pkg_temp",
		"devices/virtual/thermal/thermal_zone1/temp":                "43000",
		"devices/virtual/thermal/thermal_zone1/policy":              "step_wise",
		"devices/virtual/thermal/cooling_device0/type":              "Processor",
		"devices/virtual/thermal/cooling_device0/max_state":         "10",
		"devices/virtual/thermal/cooling_device0/cur_state":         "3",
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"class/hwmon/hwmon0":                               "../../devices/platform/coretemp.0/hwmon/hwmon0",
		"class/hwmon/hwmon1":                               "../../devices/platform/nct6775.656/hwmon/hwmon1",
		"class/hwmon/hwmon2":                               "../../devices/virtual/hwmon/hwmon2",
		"devices/platform/coretemp.0/hwmon/hwmon0/device":  "../../../coretemp.0",
		"devices/platform/nct6775.656/hwmon/hwmon1/device": "../../../nct6775.656",
		"class/thermal/thermal_zone0":                      "../../devices/virtual/thermal/thermal_zone0",
		"class/thermal/thermal_zone1":                      "../../devices/virtual/thermal/thermal_zone1",
		"class/thermal/cooling_device0":                    "../../devices/virtual/thermal/cooling_device0",
	} {
		path := filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
}
