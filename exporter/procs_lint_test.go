package exporter

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// emitPart writes a reading as metrics, checks that every family is declared, clean for promlint and free of duplicate
// series, and returns the series as "name{label=value,...}" with their values.
func emitPart[T any](t *testing.T, p *Part[T], v *T, st Settings) map[string]float64 {
	t.Helper()
	e := newEmitter()
	e.reset(&st, nil)
	p.Emit(v, e)
	mfs := e.families()
	declared := map[string]bool{}
	for _, d := range p.Metrics {
		declared[d.Name] = true
	}
	series := map[string]float64{}
	for _, mf := range mfs {
		if !declared[mf.GetName()] {
			t.Errorf("%s is written but not declared", mf.GetName())
		}
		for _, m := range mf.Metric {
			key := seriesText(mf.GetName(), m)
			if _, twice := series[key]; twice {
				t.Errorf("duplicate series %s", key)
			}
			series[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	problems, err := promlint.NewWithMetricFamilies(mfs).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
	return series
}

func seriesText(name string, m *dto.Metric) string {
	var labels []string
	for _, l := range m.Label {
		labels = append(labels, l.GetName()+"="+l.GetValue())
	}
	return name + "{" + strings.Join(labels, ",") + "}"
}

// testOptions are options over the given roots, with the settings in force behind st.
func testOptions(procRoot, sysRoot string, st *Settings) *Options {
	o := &Options{ProcRoot: procRoot, SysRoot: sysRoot, Settings: *st, Current: func() *Settings { return st }}
	o.fill()
	return o
}
