package usage

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/store"
)

// The labels of the first families are bounded: 100 models at most have series, chosen once a day by use; the rest is summed as
// api="other", model="other". See [model] for why no counter ever falls.
var (
	seriesLabels = []string{"api", "model"}
	descCalls    = prometheus.NewDesc("controlcenter_api_usage_calls_total", "Calls to outside APIs that were reported, ever.", seriesLabels, nil)
	descErrors   = prometheus.NewDesc("controlcenter_api_usage_errors_total", "Reported calls to outside APIs that failed, ever.", seriesLabels, nil)
	descTokens   = prometheus.NewDesc("controlcenter_api_usage_tokens_total", "Tokens of reported calls, ever. Kinds do not overlap: input (not cached), cached (input the provider had cached), output.", []string{"api", "model", "kind"}, nil)
	descUnits    = prometheus.NewDesc("controlcenter_api_usage_units_total", "Units (of a quota, characters, seconds) of reported calls, ever.", seriesLabels, nil)
	descCost     = prometheus.NewDesc("controlcenter_api_usage_cost_usd_total", "Cost of reported calls in US dollars, ever: as reported, else estimated by the price.", seriesLabels, nil)

	budgetLabels = []string{"api", "period"}
	descBudget   = prometheus.NewDesc("controlcenter_api_usage_budget_usd", "Budget in US dollars per UTC day (period=daily) or month (monthly); api=total for all APIs.", budgetLabels, nil)
	descSpent    = prometheus.NewDesc("controlcenter_api_usage_budget_spent_usd", "US dollars used of the budget in the running UTC day or month.", budgetLabels, nil)
)

// Describe implements prometheus.Collector.
func (t *Tracker) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descCalls, descErrors, descTokens, descUnits, descCost, descBudget, descSpent} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It reads the store, a row per model that was ever used; what cannot be read is
// absent.
func (t *Tracker) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var models []store.Row[model]
	var st state
	var budgets []Budget
	err := t.store.View(ctx, func(tx *store.Tx) (err error) {
		if models, err = modelsTable.List(tx, "", "", 0); err != nil {
			return err
		}
		if st, err = orZero(stateTable.Get(tx, stateKey)); err != nil {
			return err
		}
		budgets, err = t.budgets(tx, time.Now())
		return err
	})
	if err != nil {
		return
	}
	for _, row := range models {
		if api, name, _ := strings.Cut(row.Key, "/"); row.Value.Own {
			emit(ch, api, name, row.Value.Shown)
		}
	}
	if st.Other.Calls > 0 {
		emit(ch, Other, Other, st.Other)
	}
	for _, b := range budgets {
		for _, p := range b.Periods {
			if p.Limit > 0 {
				ch <- prometheus.MustNewConstMetric(descBudget, prometheus.GaugeValue, p.Limit.Dollars(), b.API, p.Name)
				ch <- prometheus.MustNewConstMetric(descSpent, prometheus.GaugeValue, p.Spent.Dollars(), b.API, p.Name)
			}
		}
	}
}

func emit(ch chan<- prometheus.Metric, api, name string, n Counts) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{api, name}, labels...)...)
	}
	counter(descCalls, float64(n.Calls))
	counter(descErrors, float64(n.Errors))
	counter(descTokens, float64(n.InputTokens-n.CachedTokens), "input")
	counter(descTokens, float64(n.CachedTokens), "cached")
	counter(descTokens, float64(n.OutputTokens), "output")
	counter(descUnits, float64(n.Units))
	counter(descCost, n.Cost.Dollars())
}
