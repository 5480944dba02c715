package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
)

var (
	testCounter = Desc{"controlcenter_test_total", "A counter.", Counter, []string{"name", "mode"}}
	testGauge   = Desc{"controlcenter_test_ratio", "A gauge.", Gauge, nil}
)

func text(t *testing.T, g *Gatherer) string {
	t.Helper()
	mfs, done, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, mf := range mfs {
		if err := enc.Encode(mf); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func emitting(name string, read func(context.Context) (*otherValue, error), emit func(*otherValue, *Emitter)) *Part[otherValue] {
	return &Part[otherValue]{Name: name, Kind: Fast, Metrics: []*Desc{&testCounter, &testGauge}, Read: read, Emit: emit}
}

func TestUnknownValuesAreAbsentAndLabelsAreClean(t *testing.T) {
	p := emitting("x", func(context.Context) (*otherValue, error) { return &otherValue{}, nil }, func(_ *otherValue, e *Emitter) {
		f := e.Family(&testCounter)
		f.Add(1.5, "a\xff\"b\n", "user")
		f.Add(math.NaN(), "gone", "user")
		f.Add(2, "short")
		e.Family(&testGauge).Add(math.NaN())
	})
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		got := text(t, s.Gatherer(Filter{Names: []string{"controlcenter_test_total", "controlcenter_test_ratio"}}))
		want := "# HELP controlcenter_test_total A counter.\n# TYPE controlcenter_test_total counter\n" +
			"controlcenter_test_total{name=\"a\uFFFD\\\"b\\n\",mode=\"user\"} 1.5\ncontrolcenter_test_total{name=\"short\",mode=\"\"} 2\n"
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}, p)
}

func TestCollectorSelfMetrics(t *testing.T) {
	var mode atomic.Int32
	p := emitting("x", func(context.Context) (*otherValue, error) {
		switch mode.Load() {
		case 1:
			return &otherValue{}, fmt.Errorf("mount /a hangs: %w", ErrPartial)
		case 2:
			return nil, ErrNoData
		}
		return &otherValue{}, nil
	}, func(_ *otherValue, e *Emitter) { e.Family(&testGauge).Add(0.5) })
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		has := func(when, line string, want bool) {
			t.Helper()
			if got := strings.Contains(text(t, s.Gatherer(Filter{})), line); got != want {
				t.Errorf("%s: line %q present = %v, want %v", when, line, got, want)
			}
		}
		has("good", `controlcenter_collector_success{collector="x"} 1`, true)
		has("good", `controlcenter_collector_series{collector="x"} 1`, true)
		mode.Store(1)
		time.Sleep(3 * time.Second)
		has("partial", `controlcenter_collector_success{collector="x"} 0`, true)
		has("partial", `controlcenter_test_ratio 0.5`, true)
		mode.Store(2)
		time.Sleep(3 * time.Second)
		has("absent", `controlcenter_collector_success{collector="x"}`, false)
		has("absent", `controlcenter_test_ratio`, false)
	}, p)
}

func TestFilterChoosesCollectorsAndFamilies(t *testing.T) {
	var reads atomic.Int64
	a := emitting("a", func(context.Context) (*otherValue, error) { return &otherValue{}, nil }, func(_ *otherValue, e *Emitter) { e.Family(&testGauge).Add(1) })
	b := fast(&reads)
	b.Metrics = []*Desc{&testCounter}
	b.Emit = func(_ *fastValue, e *Emitter) { e.Family(&testCounter).Add(1, "n", "m") }
	bubble(t, func(t *testing.T, s *Sampler) {
		<-s.Ready()
		for _, c := range []struct {
			f            Filter
			gauge, count bool
		}{
			{Filter{}, true, true},
			{Filter{Collect: []string{"a"}}, true, false},
			{Filter{Exclude: []string{"a"}}, false, true},
			{Filter{Names: []string{"controlcenter_test_total"}}, false, true},
		} {
			got := text(t, s.Gatherer(c.f))
			if strings.Contains(got, "\ncontrolcenter_test_ratio ") != c.gauge || strings.Contains(got, "\ncontrolcenter_test_total{") != c.count {
				t.Errorf("%+v: gauge %v, counter %v wanted, got\n%s", c.f, c.gauge, c.count, got)
			}
		}
	}, a, b)
}

func TestConcurrentScrapesDoNotShareMemory(t *testing.T) {
	var n atomic.Int64
	p := emitting("x", func(context.Context) (*otherValue, error) { return &otherValue{n.Add(1)}, nil }, func(v *otherValue, e *Emitter) {
		for i := range 50 {
			e.Family(&testCounter).Add(float64(v.n), fmt.Sprint(i), fmt.Sprint(v.n))
		}
	})
	s := newSampler(DefaultSettings(), quiet())
	s.setSources([]Source{p})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(errDone)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	<-s.Ready()
	var scrapes sync.WaitGroup
	for range 8 {
		scrapes.Go(func() {
			for range 50 {
				for line := range strings.Lines(text(t, s.Gatherer(Filter{Names: []string{"controlcenter_test_total"}}))) {
					var i, label, v int
					if _, err := fmt.Sscanf(line, `controlcenter_test_total{name="%d",mode="%d"} %d`, &i, &label, &v); err == nil && label != v {
						t.Errorf("torn series: %s", line)
					}
				}
			}
		})
	}
	scrapes.Wait()
	cancel(errors.New("over"))
	wg.Wait()
}

func TestEmittingAgainAllocatesNothing(t *testing.T) {
	e := newEmitter()
	st := DefaultSettings()
	fill := func() {
		e.reset(&st, nil)
		f := e.Family(&testCounter)
		for range 100 {
			f.Add(1, "some name", "user")
		}
		if got := len(e.families()[0].Metric); got != 100 {
			t.Fatalf("%d series, want 100", got)
		}
	}
	fill()
	if n := testing.AllocsPerRun(100, fill); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
