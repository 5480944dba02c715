package exporter

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// runSampler starts a sampler of this machine and waits until every part was read.
func runSampler(t testing.TB, o Options) *Sampler {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := NewSampler(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("sampler is not ready after 10 s")
	}
	return s
}

// gather returns a copy of what a scrape would show.
func gather(t testing.TB, s *Sampler, f Filter) map[string]*dto.MetricFamily {
	t.Helper()
	mfs, done, err := s.Gatherer(f).Gather()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done) // the families' memory is ours until then
	m := map[string]*dto.MetricFamily{}
	for _, mf := range mfs {
		if m[mf.GetName()] != nil {
			t.Errorf("family %s is there twice", mf.GetName())
		}
		m[mf.GetName()] = mf
	}
	return m
}

func TestOurFamiliesAreCleanAndDeclared(t *testing.T) {
	s := runSampler(t, Options{})
	got := gather(t, s, Filter{})
	list := make([]*dto.MetricFamily, 0, len(got))
	for _, mf := range got {
		list = append(list, mf)
	}
	problems, err := promlint.NewWithMetricFamilies(list).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("lint: %s: %s", p.Metric, p.Text)
	}
	declared := map[string]*Desc{}
	for _, d := range slices.Concat(s.Families(false), SelfMetrics()) {
		declared[d.Name] = d
	}
	for name, mf := range got {
		if !strings.HasPrefix(name, "controlcenter_") {
			t.Errorf("%s lacks our prefix", name)
		}
		checkFamily(t, mf, declared[name])
	}
	for _, name := range []string{
		"controlcenter_cpu_seconds_total", "controlcenter_cpu_usage_ratio", "controlcenter_cpu_core_usage_ratio", "controlcenter_load1",
		"controlcenter_memory_used_ratio", "controlcenter_filesystem_used_ratio", "controlcenter_network_receive_bytes_total",
		"controlcenter_network_up", "controlcenter_tcp_connections", "controlcenter_host_info", "controlcenter_uptime_seconds",
		"controlcenter_boot_time_seconds",
	} {
		if got[name] == nil && !missingElsewhere(name) {
			t.Errorf("%s is missing", name)
		}
	}
	for name, mf := range got {
		if name == "controlcenter_collector_success" {
			for _, m := range mf.GetMetric() {
				if m.GetGauge().GetValue() != 1 {
					t.Errorf("collector %s did not succeed: %v", m.GetLabel()[0].GetValue(), s.Snapshot().Reading(m.GetLabel()[0].GetValue()).Err)
				}
			}
		}
	}
}

func TestNodeFamiliesAreDeclared(t *testing.T) {
	s := runSampler(t, Options{})
	declared := map[string]*Desc{nodeSuccess.Name: &nodeSuccess, nodeDuration.Name: &nodeDuration}
	for _, d := range s.Families(true) {
		declared[d.Name] = d
	}
	got := gather(t, s, Filter{Node: true})
	if len(got) < 50 {
		t.Fatalf("only %d families", len(got))
	}
	for name, mf := range got {
		d := declared[name]
		if d == nil && (strings.HasPrefix(name, "node_memory_") || strings.HasPrefix(name, "node_vmstat_")) {
			t.Logf("%s is a row of a kernel newer than our table", name)
			d = &Desc{name, mf.GetHelp(), Gauge, nil}
		}
		checkFamily(t, mf, d)
	}
}

// checkFamily compares a family with its declaration, and looks for a series written twice.
func checkFamily(t *testing.T, mf *dto.MetricFamily, d *Desc) {
	t.Helper()
	if d == nil {
		t.Errorf("%s is not declared", mf.GetName())
		return
	}
	want := [...]dto.MetricType{Counter: dto.MetricType_COUNTER, Gauge: dto.MetricType_GAUGE, Untyped: dto.MetricType_UNTYPED}[d.Type]
	if mf.GetType() != want || mf.GetHelp() != d.Help || d.Help == "" {
		t.Errorf("%s: got type %s and help %q, want %s and %q", d.Name, mf.GetType(), mf.GetHelp(), want, d.Help)
	}
	seen := map[string]bool{}
	for _, m := range mf.GetMetric() {
		var names []string
		for _, l := range m.GetLabel() {
			names = append(names, l.GetName())
		}
		if !slices.Equal(names, d.Labels) {
			t.Errorf("%s: got labels %v, want %v", d.Name, names, d.Labels)
		}
		if k := seriesKey(m); seen[k] {
			t.Errorf("%s{%s} is there twice", d.Name, k)
		} else {
			seen[k] = true
		}
	}
}

// TestDescsAreUnique guards against two declarations of one family, which would be written as two.
func TestDescsAreUnique(t *testing.T) {
	s := NewSampler(Options{Logger: slog.New(slog.DiscardHandler)})
	for _, node := range []bool{false, true} {
		by := map[string]*Desc{}
		for _, d := range s.Families(node) {
			if by[d.Name] != nil {
				t.Errorf("%s is declared twice", d.Name)
			}
			by[d.Name] = d
		}
	}
}

func TestCounterRatesArePlausible(t *testing.T) {
	s := runSampler(t, Options{})
	snap := s.Snapshot()
	c := Get[CPU](snap)
	if c == nil || len(c.Cores) == 0 || !(c.UsageRatio >= 0 && c.UsageRatio <= 1) {
		t.Fatalf("cpu after the priming reads: %+v", c)
	}
	for _, core := range c.Cores {
		if !(core.UsageRatio >= 0 && core.UsageRatio <= 1) {
			t.Errorf("core %s: usage %v", core.ID, core.UsageRatio)
		}
	}
	if n := Get[Network](snap); n == nil || len(n.Devices) == 0 || !(n.ReceiveBytesPerSecond >= 0 || onlyLoopback(n)) {
		t.Errorf("network after the priming reads: %+v", n)
	}
	if m := Get[Memory](snap); m == nil || m.UsedBytes+m.AvailableBytes != m.TotalBytes || !(m.UsedRatio > 0 && m.UsedRatio < 1) {
		t.Errorf("memory: %+v", m)
	}
	if f := Get[Filesystems](snap); f == nil || f.Main() == nil || !(f.Main().UsedRatio >= 0 && f.Main().UsedRatio <= 1) {
		t.Errorf("file systems: %+v", f)
	}
}

func onlyLoopback(n *Network) bool {
	return !slices.ContainsFunc(n.Devices, func(d NetworkDevice) bool { return !d.Loopback })
}

func TestARateIsCarriedUntilASecondHasPassed(t *testing.T) {
	t0 := time.Unix(1000, 0)
	var r deviceRates
	at := func(after time.Duration, count float64) float64 {
		r.begin(t0.Add(after))
		a, _ := r.pair("eth0", count, 0)
		r.end()
		return a
	}
	steps := []struct {
		name  string
		after time.Duration
		count float64
		want  float64
	}{
		{"first reading", 0, 1000, unknown()},
		{"priming reading", 250 * time.Millisecond, 1250, 1000},
		{"scrape 5 ms later", 255 * time.Millisecond, 9999, 1000},
		{"tick", 2250 * time.Millisecond, 5250, 2000},
		{"counter fell", 4250 * time.Millisecond, 10, 0},
		{"the new counter goes on", 6250 * time.Millisecond, 20, 5},
	}
	for _, s := range steps {
		if got := at(s.after, s.count); got != s.want && !(got != got && s.want != s.want) {
			t.Errorf("%s: got %v, want %v", s.name, got, s.want)
		}
	}
	r.begin(t0.Add(8 * time.Second))
	r.end()
	if len(r.devices) != 0 {
		t.Errorf("%d devices kept that are gone", len(r.devices))
	}
}

func TestCPUUsageIsBusyTimeOverAllTime(t *testing.T) {
	t0 := time.Unix(1000, 0)
	var u cpuUsage
	v := CPU{Times: CPUTimes{User: 100, Idle: 100}, Cores: []CPUCore{{ID: "0", Times: CPUTimes{User: 100, Idle: 100}}}}
	u.put(&v, t0)
	if v.UsageRatio == v.UsageRatio {
		t.Errorf("usage %v after one reading, want NaN", v.UsageRatio)
	}
	v = CPU{Times: CPUTimes{User: 101, System: 1, Steal: 1, Idle: 104, IOWait: 1}, Cores: []CPUCore{{ID: "0", Times: CPUTimes{User: 101, Idle: 99}}}}
	u.put(&v, t0.Add(2*time.Second))
	if v.UsageRatio != 0.375 {
		t.Errorf("usage %v, want 3 busy of 8 = 0.375", v.UsageRatio)
	}
	if v.Cores[0].UsageRatio != 1 {
		t.Errorf("core usage %v, want 1 when idle fell", v.Cores[0].UsageRatio)
	}
}

func TestSensorsGetNamesOfTheirOwn(t *testing.T) {
	temp := func(chip, sensor, label string) Temperature {
		return Temperature{Chip: chip, Sensor: sensor, Label: label, Celsius: 40}
	}
	v := Sensors{
		Temperatures: []Temperature{
			temp("a", "temp1", "Core 0"), temp("a", "temp2", "Core 0"), temp("a", "temp3", "Package"), temp("a", "temp4", ""),
			temp("b", "temp1", "Core 0"), temp("b", "temp1", "Core 0"), temp("c", "temp1", "temp2"), temp("c", "temp2", ""),
		},
		Fans: []Fan{{Chip: "a", Sensor: "fan1", Label: "CPU"}, {Chip: "a", Sensor: "fan2", Label: "CPU"}},
	}
	v.putNames()
	got := map[string]bool{}
	for _, s := range v.Temperatures {
		if got[s.Chip+"/"+s.Name] {
			t.Errorf("%s/%s is there twice", s.Chip, s.Name)
		}
		got[s.Chip+"/"+s.Name] = true
	}
	for _, want := range []string{"a/temp1", "a/temp2", "a/Package", "a/temp4", "b/temp1", "c/temp1", "c/temp2"} {
		if !got[want] {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if len(v.Fans) != 2 || v.Fans[0].Name != "fan1" || v.Fans[1].Name != "fan2" {
		t.Errorf("fans with one label: %+v", v.Fans)
	}
}

func TestPartialErrorsKeepTheirCause(t *testing.T) {
	v := &Filesystem{}
	j := &mountJob{done: make(chan struct{})}
	if v.fill(j) || !v.Hung || v.Problem != mountTimeout || v.SizeBytes == v.SizeBytes {
		t.Errorf("a mount without an answer: %+v", v)
	}
	j.numbers.err = errors.New("input/output error")
	close(j.done)
	v = &Filesystem{}
	if v.fill(j) || v.Hung || v.Problem != "input/output error" {
		t.Errorf("a mount that fails: %+v", v)
	}
}
