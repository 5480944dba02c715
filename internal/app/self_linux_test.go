package app

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// TestProcessFamiliesAreTheLibrarys compares ours with client_golang's own collector: names, types, HELP and, within what may
// change between two reads, values.
func TestProcessFamiliesAreTheLibrarys(t *testing.T) {
	gather := func(c prometheus.Collector) map[string]*dto.MetricFamily {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(c)
		mfs, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*dto.MetricFamily{}
		for _, mf := range mfs {
			byName[mf.GetName()] = mf
		}
		return byName
	}
	ours := gather(processCollector())
	theirs := gather(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if len(ours) != 7 {
		t.Errorf("%d families, want 7", len(ours))
	}
	for name, a := range ours {
		b := theirs[name]
		if b == nil || a.GetType() != b.GetType() || a.GetHelp() != b.GetHelp() {
			t.Errorf("%s: got %v, want %v", name, a, b)
			continue
		}
		value := func(mf *dto.MetricFamily) float64 {
			return mf.GetMetric()[0].GetCounter().GetValue() + mf.GetMetric()[0].GetGauge().GetValue()
		}
		got, want := value(a), value(b)
		if math.Abs(got-want) > math.Max(8, 0.5*want) {
			t.Errorf("%s: got %v, want about %v", name, got, want)
		}
	}
	for name := range theirs {
		if ours[name] == nil && name != "process_network_receive_bytes_total" && name != "process_network_transmit_bytes_total" {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestParseSelfStatTakesAnyName(t *testing.T) {
	const rest = " S 1 2 3 4 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1234 5000 7 18446744073709551615 1 1"
	for _, name := range []string{"cc", "a) b (c", "x y\nz"} {
		st, err := parseSelfStat([]byte("42 (" + name + ")" + rest))
		if err != nil || st.cpuSeconds != 2 || st.startSeconds != 12.34 || st.virtualBytes != 5000 {
			t.Errorf("%q: got %+v, %v", name, st, err)
		}
	}
	for _, bad := range []string{"", "42 (cc) S 1", "42 (cc)" + " x y z x y z x y z x y z x y z x y z x y z x y z"} {
		if st, err := parseSelfStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, st)
		}
	}
}
