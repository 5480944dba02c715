package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"

	"controlcenter/internal/config"
	"controlcenter/usage"
)

// A reload puts prices and budgets in force, or, when one of them is wrong, changes nothing and names the key.
func TestReloadChangesPricesAndBudgetsOfAPIUsage(t *testing.T) {
	d, _ := testDaemon(t)
	dir := t.TempDir()
	d.level = promslog.NewLevel()
	d.o.Load = config.Options{Dir: dir, StateDir: dir}
	sub := d.bus.Subscribe(8)
	reload := func(text string) error {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return d.reload(t.Context())
	}
	if err := reload("usage:\n  pricing: [{api: 'acme*', per_call: 5, input_per_million: 2}]\n  budgets: {acme: {daily_usd: 6}, total: {monthly_usd: 100}}\n"); err != nil {
		t.Fatal(err)
	}
	done, err := d.usage.Track(t.Context(), usage.Call{API: "acme", InputTokens: 1000, CachedTokens: 500})
	if want := usage.Dollars(5.002); err != nil || done.Cost != want {
		t.Errorf("cost %v, %v, want %v: cached tokens cost what others do", done.Cost, err, want)
	}
	if n := len(sub.Events()); n != 1 {
		t.Errorf("%d budget events on the bus, want 1", n)
	}
	for text, want := range map[string]string{
		"usage: {pricing: [{per_call: 1}]}":          "usage.pricing[0].api",
		"usage: {pricing: [{api: 'a b'}]}":           "usage.pricing[0].api",
		"usage: {pricing: [{api: a, per_call: -1}]}": "usage.pricing[0].per_call",
		"usage: {budgets: {acme: {}}}":               "usage.budgets.acme",
		"usage: {budgets: {'a b': {daily_usd: 1}}}":  "usage.budgets.a b",
		"usage: {budgets: {acme: {weekly_usd: 1}}}":  "usage.budgets.acme.weekly_usd",
	} {
		if err := reload(text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if b, err := d.usage.Budget(t.Context(), "acme"); err != nil || b.Source != usage.FromConfig || b.Periods[0].Limit != usage.Dollars(6) {
		t.Errorf("after refused reloads: %+v, %v", b, err)
	}
	if err := reload("log: {level: info}\n"); err != nil {
		t.Fatal(err)
	}
	if list, err := d.usage.Budgets(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after the section went: %+v, %v", list, err)
	}
}
