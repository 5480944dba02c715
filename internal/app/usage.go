package app

import (
	"context"

	"controlcenter/internal/config"
	"controlcenter/usage"
)

// usageSettings are the prices and budgets of the configuration, checked: an error names the key.
func usageSettings(c *config.Config) (usage.Settings, error) {
	st := usage.Settings{Budgets: make(map[string]usage.Limits, len(c.Usage.Budgets))}
	for _, p := range c.Usage.Pricing {
		price := usage.Price{
			API: p.API, Model: p.Model, InputPerMillion: p.Input, OutputPerMillion: p.Output, PerCall: p.PerCall, PerThousandUnits: p.PerUnits, Note: p.Note,
		}
		if p.CachedInput > 0 {
			price.CachedInputPerMillion = &p.CachedInput
		}
		st.Pricing = append(st.Pricing, price)
	}
	for name, b := range c.Usage.Budgets {
		st.Budgets[name] = usage.Limits{DailyUSD: b.Daily, MonthlyUSD: b.Monthly}
	}
	return st.Check()
}

// openUsage opens the tracker of API usage on the store that is open.
func (d *daemonState) openUsage(ctx context.Context, c *config.Config) (err error) {
	st, err := usageSettings(c)
	if err != nil {
		return err
	}
	d.usage, err = usage.Open(ctx, usage.Options{Store: d.store, Bus: &d.bus, Log: d.log.With("component", "usage")}, st)
	return err
}
