package usage

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestPricePatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          int
	}{
		{"gpt-4o", "gpt-4o", exact},
		{"gpt-4o", "gpt-4o-mini", -1},
		{"gpt-4o*", "gpt-4o-mini", 6},
		{"*", "", 0},
		{"*", "anything", 0},
		{"a*b*c", "a-b-b-c", 3},
		{"a*b*c", "acb", -1},
		{"a*a", "a", -1},
		{"*flash*", "gemini-2.0-flash-001", 5},
		{"x|gpt*|gpt-4*", "gpt-4o", 5},
		{"gpt-4o|*", "gpt-4o", exact},
		{"", "", exact},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %d, want %d", c.pattern, c.name, got, c.want)
		}
	}
}

func TestStrongestThenMostSpecificPriceCounts(t *testing.T) {
	tr := newTracker(t, Settings{Pricing: []Price{
		{API: "*", PerCall: 1},
		{API: "acme*", PerCall: 2},
		{API: "acme*", Model: "big*", PerCall: 3},
		{API: "acme", Model: "*", PerCall: 4},
		{API: "ACME-eu", Model: "Big", PerCall: 5},
	}})
	cost := func(api, model string) float64 {
		t.Helper()
		_, _, k, err := tr.Estimate(t.Context(), Call{API: api, Model: model})
		if err != nil {
			t.Fatal(err)
		}
		return k.Sum.Dollars()
	}
	for _, c := range []struct {
		api, model string
		want       float64
	}{
		{"other", "", 1},
		{"acme-us", "small", 2},
		{"acme-us", "big-2", 3},
		{"acme", "big", 4},
		{"acme-eu", "BIG", 5},
		{"openai", "gpt-4o", 1}, // the configuration wins over what is shipped, however vague
	} {
		if got := cost(c.api, c.model); got != c.want {
			t.Errorf("%s %s costs %v, want %v", c.api, c.model, got, c.want)
		}
	}
	p, err := tr.SetPrice(t.Context(), Price{API: "Acme*", PerCall: 9})
	if err != nil || p.API != "acme*" || p.Model != "*" || p.Source != FromAPI || p.AsOf == "" {
		t.Errorf("set: %+v, %v", p, err)
	}
	if got := cost("acme", "big"); got != 9 {
		t.Errorf("after a price was set: %v, want 9", got)
	}
	list, err := tr.Prices(t.Context(), "acme")
	if err != nil || len(list) != 5 || list[0].Source != FromAPI || list[1].Source != FromConfig {
		t.Errorf("prices of acme: %+v, %v", list, err)
	}
	if err := tr.DeletePrice(t.Context(), "acme*", ""); err != nil {
		t.Error(err)
	}
	err = tr.DeletePrice(t.Context(), "acme*", "*")
	if _, ok := errors.AsType[*ConfigOwnedError](err); !ok {
		t.Errorf("price of the configuration: %v", err)
	}
	err = tr.DeletePrice(t.Context(), "nosuch", "")
	if _, ok := errors.AsType[*NotFoundError](err); !ok {
		t.Errorf("price that is not there: %v", err)
	}
	if got := cost("acme", "big"); got != 4 {
		t.Errorf("after it was deleted: %v, want 4", got)
	}
	if err := tr.Apply(t.Context(), Settings{}); err != nil {
		t.Fatal(err)
	}
	_, _, _, err = tr.Estimate(t.Context(), Call{API: "acme"})
	if _, ok := errors.AsType[*NotFoundError](err); !ok {
		t.Errorf("estimate without a price: %v", err)
	}
}

func TestShippedPricesAreSoundAndFindDatedNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Shipped() {
		checked, err := p.Check()
		if err != nil || checked.API != p.API || checked.Model != p.Model || p.AsOf != PricesAsOf || p.Source != FromShipped {
			t.Errorf("%+v: %v", p, err)
		}
		if seen[priceKey(p)] {
			t.Errorf("%s stands there twice", priceKey(p))
		}
		seen[priceKey(p)] = true
		if c := p.CachedInputPerMillion; c != nil && *c > p.InputPerMillion {
			t.Errorf("%s: cached input is dearer than input", priceKey(p))
		}
	}
	b := book{nil, nil, Shipped()}
	for _, c := range []struct {
		api, model string
		input      float64
	}{
		{"openai", "gpt-4o-2024-08-06", 2.5},
		{"azure-openai", "gpt-4o-mini", 0.15},
		{"anthropic", "claude-sonnet-4-5-20250929", 3},
		{"anthropic", "claude-opus-4-20250514", 15},
		{"claude", "claude-opus-4-5-20251101", 5},
		{"gemini", "gemini-2.5-flash-preview-09-2025", 0.3},
		{"ollama", "llama3:8b", 0},
	} {
		if p := b.find(c.api, c.model); p == nil || p.InputPerMillion != c.input {
			t.Errorf("%s %s: %+v, want %v", c.api, c.model, p, c.input)
		}
	}
	if p := b.find("openai", "gpt-99"); p != nil {
		t.Errorf("a price was invented: %+v", p)
	}
}

func TestRefusedPricesAndBudgets(t *testing.T) {
	tr := newTracker(t, Settings{})
	for _, c := range []struct {
		field string
		p     Price
	}{
		{"api", Price{}},
		{"api", Price{API: "a b"}},
		{"api", Price{API: "a||b"}},
		{"api", Price{API: strings.Repeat("a|", 201) + "a"}},
		{"model", Price{API: "a", Model: "b\x00"}},
		{"input_per_million", Price{API: "a", InputPerMillion: -1}},
		{"cached_input_per_million", Price{API: "a", CachedInputPerMillion: f(math.NaN())}},
		{"per_call", Price{API: "a", PerCall: MaxPrice + 1}},
		{"note", Price{API: "a", Note: strings.Repeat("n", 201)}},
	} {
		_, err := tr.SetPrice(t.Context(), c.p)
		if e, ok := errors.AsType[*InvalidError](err); !ok || e.Field != c.field {
			t.Errorf("%+v: %v, want %s", c.p, err, c.field)
		}
	}
	for name, l := range map[string]Limits{"a": {}, "b": {DailyUSD: -1}, "c": {MonthlyUSD: math.Inf(1)}, "d/e": {DailyUSD: 1}, "f": {DailyUSD: 1e-12}} {
		err := tr.SetBudget(t.Context(), name, l)
		if _, ok := errors.AsType[*InvalidError](err); !ok {
			t.Errorf("budget %s %+v: %v", name, l, err)
		}
	}
	for want, st := range map[string]Settings{
		"usage.pricing[1].api":            {Pricing: []Price{{API: "a"}, {API: "?"}}},
		"usage.budgets.x y":               {Budgets: map[string]Limits{"x y": {DailyUSD: 1}}},
		"usage.budgets.a: daily_usd: a b": {Budgets: map[string]Limits{"a": {}}},
	} {
		if err := tr.Apply(t.Context(), st); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b|c", "axb")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := match(pattern, name)
		if got > exact || got < -1 || got >= 0 && got < exact && got > len(name) {
			t.Errorf("match(%q, %q) = %d", pattern, name, got)
		}
	})
}
