package usage

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func metricsText(t *testing.T, tr *Tracker) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(tr)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, mf := range families {
		fmt.Fprintln(&b, mf)
	}
	return b.String()
}

func TestMetricsAreCleanAndSaySo(t *testing.T) {
	tr := newTracker(t, Settings{Budgets: map[string]Limits{"openai": {DailyUSD: 4}}})
	track(t, tr, Call{API: "openai", Model: "gpt-4o", InputTokens: 1000, CachedTokens: 400, OutputTokens: 10, CostUSD: f(1)}, Call{API: "youtube", Units: 7, Failed: true})
	if problems, err := testutil.CollectAndLint(tr); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	want := `
# HELP controlcenter_api_usage_budget_spent_usd US dollars used of the budget in the running UTC day or month.
# TYPE controlcenter_api_usage_budget_spent_usd gauge
controlcenter_api_usage_budget_spent_usd{api="openai",period="daily"} 1
# HELP controlcenter_api_usage_budget_usd Budget in US dollars per UTC day (period=daily) or month (monthly); api=total for all APIs.
# TYPE controlcenter_api_usage_budget_usd gauge
controlcenter_api_usage_budget_usd{api="openai",period="daily"} 4
# HELP controlcenter_api_usage_calls_total Calls to outside APIs that were reported, ever.
# TYPE controlcenter_api_usage_calls_total counter
controlcenter_api_usage_calls_total{api="openai",model="gpt-4o"} 1
controlcenter_api_usage_calls_total{api="youtube",model=""} 1
# HELP controlcenter_api_usage_tokens_total Tokens of reported calls, ever. Kinds do not overlap: input (not cached), cached (input the provider had cached), output.
# TYPE controlcenter_api_usage_tokens_total counter
controlcenter_api_usage_tokens_total{api="openai",kind="cached",model="gpt-4o"} 400
controlcenter_api_usage_tokens_total{api="openai",kind="input",model="gpt-4o"} 600
controlcenter_api_usage_tokens_total{api="openai",kind="output",model="gpt-4o"} 10
controlcenter_api_usage_tokens_total{api="youtube",kind="cached",model=""} 0
controlcenter_api_usage_tokens_total{api="youtube",kind="input",model=""} 0
controlcenter_api_usage_tokens_total{api="youtube",kind="output",model=""} 0
`
	err := testutil.CollectAndCompare(tr, strings.NewReader(want), "controlcenter_api_usage_budget_spent_usd", "controlcenter_api_usage_budget_usd",
		"controlcenter_api_usage_calls_total", "controlcenter_api_usage_tokens_total")
	if err != nil {
		t.Error(err)
	}
}

// callSeries reads the counter of calls of every series.
func callSeries(t *testing.T, tr *Tracker) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(tr)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, mf := range families {
		if mf.GetName() == "controlcenter_api_usage_calls_total" {
			for _, m := range mf.GetMetric() {
				out[m.GetLabel()[0].GetValue()+"/"+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

func TestSeriesAreBoundedOnlyGrowAndChangeOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(t, Settings{})
		var calls []Call
		for i := range maxSeries + 20 {
			calls = append(calls, Call{API: "a", Model: fmt.Sprintf("m%03d", i), Count: 2})
		}
		track(t, tr, calls...)
		before := callSeries(t, tr)
		if len(before) != maxSeries+1 || before["other/other"] != 40 {
			t.Fatalf("%d series, other %v", len(before), before["other/other"])
		}
		late := Call{API: "a", Model: fmt.Sprintf("m%03d", maxSeries+5), Count: 500}
		track(t, tr, late)
		if got := callSeries(t, tr); got["other/other"] != 540 || got["a/"+late.Model] != 0 {
			t.Errorf("the same day: other %v, own %v", got["other/other"], got["a/"+late.Model])
		}
		time.Sleep(24 * time.Hour)
		late.Count = 7
		track(t, tr, late, Call{API: Other, Model: Other, Count: 3})
		after := callSeries(t, tr)
		if after["a/"+late.Model] != 7 || after["other/other"] != 543 || len(after) != maxSeries+1 {
			t.Errorf("the next day: own %v, other %v, %d series", after["a/"+late.Model], after["other/other"], len(after))
		}
		for name, v := range before {
			if now, shown := after[name]; shown && now < v {
				t.Errorf("%s fell from %v to %v", name, v, now)
			}
		}
		if got := total(t, tr).Calls; got != 240+500+7+3 {
			t.Errorf("total %d", got)
		}
	})
}

func BenchmarkCollect100Models(b *testing.B) {
	tr := newTracker(b, Settings{})
	for i := range 100 {
		track(b, tr, Call{API: "openai", Model: fmt.Sprint("m", i)})
	}
	for b.Loop() {
		testutil.CollectAndCount(tr)
	}
}
