package usage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// TestMain lets the test binary play the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("USAGE_TEST_DIR"); dir != "" {
		os.Exit(reportUntilKilled(dir))
	}
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openTracker(t testing.TB, s *store.Store, bus *event.Bus, st Settings) *Tracker {
	t.Helper()
	tr, err := Open(t.Context(), Options{Store: s, Bus: bus, Log: quiet}, st)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func newTracker(t testing.TB, st Settings) *Tracker {
	t.Helper()
	return openTracker(t, openStore(t, t.TempDir()), nil, st)
}

func track(t testing.TB, tr *Tracker, calls ...Call) Tracked {
	t.Helper()
	done, err := tr.Track(t.Context(), calls...)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func total(t testing.TB, tr *Tracker) Counts {
	t.Helper()
	st, err := tr.Stats(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return st.Total
}

func f(v float64) *float64 { return &v }

func TestCallsAddUpPerDayAPIAndModel(t *testing.T) {
	tr := newTracker(t, Settings{})
	now := time.Now().UTC()
	yesterday := now.AddDate(0, 0, -1)
	track(t, tr,
		Call{API: "OpenAI", Model: "GPT-4o", InputTokens: 1000, CachedTokens: 400, OutputTokens: 100, Duration: time.Second},
		Call{API: "openai", Model: "gpt-4o", InputTokens: 1000, OutputTokens: 100, Duration: 3 * time.Second, Error: "timeout"},
		Call{API: "openai", Model: "gpt-4o", CostUSD: f(0.5), At: yesterday},
		Call{API: "youtube", Units: 100, Count: 3},
		Call{API: "mystery", Model: "m"},
	)
	got := total(t, tr)
	// 600 and 1000 at 2.50, 400 at 1.25, 200 at 10 per million, and the reported half dollar.
	want := Counts{
		Calls: 7, Errors: 1, Unpriced: 1, InputTokens: 2000, OutputTokens: 200, CachedTokens: 400, Units: 100, Duration: 4 * time.Second,
		Cost: Dollars(0.0015 + 0.0025 + 0.0005 + 0.002 + 0.5),
	}
	if got != want {
		t.Errorf("total\ngot  %+v\nwant %+v", got, want)
	}
	st, err := tr.Stats(t.Context(), "openai")
	if err != nil || len(st.APIs) != 1 || st.Total.Calls != 3 || st.Today.Calls != 2 || !st.Since.Equal(yesterday) {
		t.Errorf("stats of openai: %+v, %v", st, err)
	}
	h, err := tr.History(t.Context(), 2, "", "")
	if err != nil || len(h.Daily) != 2 || h.Daily[0].Day != dayOf(yesterday) || h.Daily[0].Calls != 1 || h.Daily[1].Calls != 6 || len(h.Rows) != 4 {
		t.Errorf("history: %+v, %v", h, err)
	}
	if h, err := tr.History(t.Context(), 1, "openai", "GPT-4o"); err != nil || h.Total().Calls != 2 || len(h.Rows) != 1 {
		t.Errorf("history of today: %+v, %v", h, err)
	}
	sum, err := tr.Summary(t.Context())
	if err != nil || sum.Yesterday.Calls != 1 || sum.Week.Calls != 7 || sum.TopAPIs[0].API != "openai" || sum.DaysWithCalls != 2 || sum.ModelsTracked != 3 {
		t.Errorf("summary: %+v, %v", sum, err)
	}
	recent, err := tr.Recent(t.Context(), 2, "openai")
	if err != nil || len(recent) != 2 || recent[0].Cost != Dollars(0.5) || recent[1].Error != "timeout" {
		t.Errorf("recent: %+v, %v", recent, err)
	}
}

func TestCostOfManySmallCallsIsNotLost(t *testing.T) {
	tr := newTracker(t, Settings{})
	calls := make([]Call, MaxBatch)
	for i := range calls {
		calls[i] = Call{API: "openai", Model: "text-embedding-3-small", InputTokens: 10} // 0.2 micro-dollars
	}
	if got, want := track(t, tr, calls...).Cost, Dollars(10*0.02/1e6*MaxBatch); got != want || want == 0 {
		t.Errorf("cost %d, want %d", got, want)
	}
}

func TestDaysAndMonthsAreOfUTC(t *testing.T) {
	zone := time.FixedZone("east", 14*3600)
	for _, c := range []struct {
		at         time.Time
		day, month string
	}{
		{time.Date(2026, 1, 1, 1, 30, 0, 0, zone), "2025-12-31", "2025-12"},
		{time.Date(2026, 1, 1, 14, 0, 0, 0, zone), "2026-01-01", "2026-01"},
		{time.Date(2024, 2, 28, 20, 0, 0, 0, time.FixedZone("west", -12*3600)), "2024-02-29", "2024-02"},
	} {
		if dayOf(c.at) != c.day || monthOf(c.at) != c.month {
			t.Errorf("%v: %s, %s", c.at, dayOf(c.at), monthOf(c.at))
		}
	}
	tr := newTracker(t, Settings{})
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(-time.Minute) // a minute before midnight
	track(t, tr, Call{API: "a", At: at.In(zone)})
	if h, err := tr.History(t.Context(), 2, "", ""); err != nil || h.Daily[0].Calls != 1 || h.Daily[1].Calls != 0 {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestReopenedStoreKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	tr := openTracker(t, s, nil, Settings{})
	track(t, tr, Call{API: "a", ID: "one", CostUSD: f(9)})
	if err := tr.SetBudget(t.Context(), "a", Limits{DailyUSD: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.SetPrice(t.Context(), Price{API: "b", PerCall: 2}); err != nil {
		t.Fatal(err)
	}
	before := metricsText(t, tr)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var bus event.Bus
	sub := bus.Subscribe(10)
	tr = openTracker(t, openStore(t, dir), &bus, Settings{})
	if got := metricsText(t, tr); got != before {
		t.Errorf("metrics changed over a restart:\n%s\nwere\n%s", got, before)
	}
	done := track(t, tr, Call{API: "a", ID: "one", CostUSD: f(9)}, Call{API: "b"})
	if done.Duplicates != 1 || done.Cost != Dollars(2) {
		t.Errorf("got %+v", done)
	}
	if n := len(sub.Events()); n != 0 {
		t.Errorf("%d alerts of a budget that had told before the restart", n)
	}
}

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

// reportUntilKilled counts calls and acknowledges each report on stdout once Track returned.
func reportUntilKilled(dir string) int {
	s, err := store.Open(context.Background(), store.Options{Dir: dir, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	tr, err := Open(context.Background(), Options{Store: s, Log: quiet}, Settings{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for i := 0; ; i++ {
		done, err := tr.Track(context.Background(), Call{API: "a", ID: fmt.Sprint("x", i), CostUSD: f(1)}, Call{API: "b", CostUSD: f(1)})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("ok", i, done.Duplicates)
	}
}

// What was acknowledged is there after a kill -9; a report that was sent again is not counted twice.
func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seen, reports := map[string]bool{}, 0
	for range 4 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), "USAGE_TEST_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20 && lines.Scan(); n++ {
			var i, dup int
			if _, err := fmt.Sscanf(lines.Text(), "ok %d %d", &i, &dup); err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			seen[fmt.Sprint("x", i)] = true
			reports++
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	tr := openTracker(t, openStore(t, dir), nil, Settings{})
	st, err := tr.Stats(t.Context(), "")
	if err != nil || len(st.APIs) != 2 {
		t.Fatalf("%+v, %v", st, err)
	}
	for _, a := range st.APIs {
		least := reports
		if a.API == "a" {
			least = len(seen)
		}
		// Reports whose acknowledgement was not read may be there too, the same in every table.
		if a.Calls < int64(least) || a.Cost != USD(a.Calls)*1e9 || a.API == "a" && a.Calls > int64(reports) {
			t.Errorf("%s: %d calls for %v USD, want at least %d", a.API, a.Calls, a.Cost, least)
		}
	}
	h, err := tr.History(t.Context(), 2, "", "")
	b, err2 := tr.Budget(t.Context(), Total)
	if errors.Join(err, err2) != nil || h.Total() != st.Total || b.Periods[1].Spent > st.Total.Cost {
		t.Errorf("days %+v, total %+v, budget %+v", h.Total(), st.Total, b)
	}
}

func TestConcurrentReportsAllCount(t *testing.T) {
	tr := newTracker(t, Settings{})
	const workers, each = 8, 15
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				// Every id is sent by two workers.
				_, err := tr.Track(t.Context(), Call{API: "a", CostUSD: f(0.1)}, Call{API: "b", ID: fmt.Sprint(w/2, "-", i), InputTokens: 5})
				if err != nil {
					t.Error(err)
				}
				if _, err := tr.Summary(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := Counts{Calls: workers*each + workers*each/2, Unpriced: workers * each / 2, InputTokens: 5 * workers * each / 2, Cost: workers * each * Dollars(0.1)}
	if got := total(t, tr); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestIDIsCountedOnceIn24Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(t, Settings{})
		one := Call{API: "a", ID: "x"}
		steps := []struct {
			after time.Duration
			dup   bool
		}{{0, false}, {0, true}, {23 * time.Hour, true}, {2 * time.Hour, false}, {23 * time.Hour, true}, {2 * time.Hour, false}}
		for i, s := range steps {
			time.Sleep(s.after)
			if got := track(t, tr, one).Calls[0].Duplicate; got != s.dup {
				t.Errorf("step %d: duplicate %v, want %v", i, got, s.dup)
			}
		}
		if done := track(t, tr, Call{API: "a", ID: "y"}, Call{API: "b", ID: "y"}); done.Duplicates != 1 || !done.Calls[1].Duplicate {
			t.Errorf("twice in one report: %+v", done)
		}
		if got := total(t, tr).Calls; got != 4 {
			t.Errorf("%d calls, want 4", got)
		}
		time.Sleep(25 * time.Hour)
		track(t, tr, Call{API: "a"})
		if n := rows(t, tr, idsTable) + rows(t, tr, idTimesTable); n != 0 {
			t.Errorf("%d rows of ids that are forgotten", n)
		}
	})
}

func rows[V any](t *testing.T, tr *Tracker, table store.Table[V]) (n int) {
	t.Helper()
	err := tr.store.View(t.Context(), func(tx *store.Tx) error {
		list, err := table.List(tx, "", "", 0)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRefusedCallsNameTheFieldAndCountNothing(t *testing.T) {
	tr := newTracker(t, Settings{})
	for _, c := range []struct {
		name, field string
		call        Call
	}{
		{"no api", "api", Call{}},
		{"api with a slash", "api", Call{API: "a/b"}},
		{"long api", "api", Call{API: strings.Repeat("a", 65)}},
		{"the name of the whole", "api", Call{API: "Total"}},
		{"model with a blank", "model", Call{API: "a", Model: "b c"}},
		{"model with a line end", "model", Call{API: "a", Model: "b\n"}},
		{"id with a blank", "id", Call{API: "a", ID: "x y"}},
		{"count", "count", Call{API: "a", Count: -1}},
		{"too many", "count", Call{API: "a", Count: MaxCount + 1}},
		{"negative tokens", "input_tokens", Call{API: "a", InputTokens: -1}},
		{"too many tokens", "output_tokens", Call{API: "a", OutputTokens: MaxTokens + 1}},
		{"more cached than sent", "cached_tokens", Call{API: "a", InputTokens: 1, CachedTokens: 2}},
		{"units", "units", Call{API: "a", Units: math.MaxInt64}},
		{"negative cost", "cost_usd", Call{API: "a", CostUSD: f(-0.01)}},
		{"cost that is no number", "cost_usd", Call{API: "a", CostUSD: f(math.NaN())}},
		{"infinite cost", "cost_usd", Call{API: "a", CostUSD: f(math.Inf(1))}},
		{"duration", "duration_seconds", Call{API: "a", Duration: -1}},
		{"too old", "timestamp", Call{API: "a", At: time.Now().Add(-91 * 24 * time.Hour)}},
		{"from the future", "timestamp", Call{API: "a", At: time.Now().Add(time.Hour)}},
	} {
		_, err := tr.Track(t.Context(), c.call)
		if e, ok := errors.AsType[*InvalidError](err); !ok || e.Field != c.field || !strings.Contains(e.Text, "must be") && !strings.Contains(e.Text, "choose another") {
			t.Errorf("%s: %v, want the field %s", c.name, err, c.field)
		}
		_, err = tr.Track(t.Context(), Call{API: "good"}, c.call)
		if e, ok := errors.AsType[*InvalidError](err); !ok || e.Field != "calls[1]."+c.field {
			t.Errorf("%s in a batch: %v", c.name, err)
		}
	}
	for _, n := range []int{0, MaxBatch + 1} {
		if _, err := tr.Track(t.Context(), make([]Call, n)...); err == nil {
			t.Errorf("%d calls were taken", n)
		}
	}
	if got := total(t, tr); got != (Counts{}) {
		t.Errorf("counted %+v", got)
	}
}

func TestLargestCallDoesNotOverflow(t *testing.T) {
	tr := newTracker(t, Settings{Pricing: []Price{{API: "a", InputPerMillion: MaxPrice, OutputPerMillion: MaxPrice, PerCall: MaxPrice, PerThousandUnits: MaxPrice}}})
	big := Call{API: "a", Count: MaxCount, InputTokens: MaxTokens, OutputTokens: MaxTokens, Units: MaxTokens, Duration: MaxSeconds * time.Second}
	for range 20 {
		track(t, tr, big)
	}
	got := total(t, tr)
	if got.Cost != math.MaxInt64 || got.InputTokens != 20*MaxTokens || got.Duration <= 0 {
		t.Errorf("got %+v", got)
	}
	metricsText(t, tr)
}

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

// read takes what a subscription holds now.
func read(sub *event.Subscription) (got []string) {
	for {
		select {
		case e := <-sub.Events():
			b := e.Data.(BudgetReached) //nolint:forcetypeassert // nothing else is published
			got = append(got, fmt.Sprintf("%s %s %d", b.API, b.Period, b.Percent))
		default:
			return got
		}
	}
}

func TestBudgetTellsOncePerPeriodAndThreshold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // noon of the first of a month
		var bus event.Bus
		sub := bus.Subscribe(100)
		s := openStore(t, t.TempDir())
		tr := openTracker(t, s, &bus, Settings{Budgets: map[string]Limits{"a": {DailyUSD: 10}, Total: {DailyUSD: 100, MonthlyUSD: 30}}})
		spend := func(api string, usd float64, want ...string) {
			t.Helper()
			done := track(t, tr, Call{API: api, CostUSD: &usd})
			if got := read(sub); !slices.Equal(got, want) || len(done.Alerts) != len(want) {
				t.Errorf("%v on %s: alerts %q (%d answered), want %q", usd, api, got, len(done.Alerts), want)
			}
		}
		spend("a", 7.9)
		spend("a", 0.1, "a daily 80") // exactly 80 %
		spend("a", 1.9)
		spend("b", 1)
		spend("a", 0.1, "a daily 100") // exactly 100 %
		spend("a", 5)
		time.Sleep(24 * time.Hour)
		spend("a", 8.5, "a daily 80", "total monthly 80")                            // a new day; the month is the same
		spend("a", 20, "a daily 100", "total monthly 100")                           // past both
		if err := tr.SetBudget(t.Context(), "a", Limits{DailyUSD: 35}); err != nil { // another limit begins anew
			t.Fatal(err)
		}
		if got := read(sub); !slices.Equal(got, []string{"a daily 80"}) {
			t.Errorf("a budget that is nearly used up when it is set: %q", got)
		}
		if err := tr.Apply(t.Context(), Settings{}); err != nil { // the configuration's budgets go, the API's stays
			t.Fatal(err)
		}
		spend("a", 6.5, "a daily 100")
		time.Sleep(31 * 24 * time.Hour)
		spend("a", 40, "a daily 100") // past 100 at once: one alert
		b, err := tr.Budget(t.Context(), "A")
		if err != nil || b.Source != FromAPI || b.Periods[0].State() != "exceeded" || b.Periods[0].Spent != Dollars(40) || b.Periods[1].State() != "unlimited" {
			t.Errorf("budget %+v, %v", b, err)
		}
		if err := tr.DeleteBudget(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if list, err := tr.Budgets(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("budgets %+v, %v", list, err)
		}
		var history []event.Row
		err = s.View(t.Context(), func(tx *store.Tx) (err error) {
			history, _, err = event.List(tx, event.Query{Type: "usage.budget"})
			return err
		})
		if err != nil || len(history) != 9 {
			t.Fatalf("%d events in the history, %v", len(history), err)
		}
		last := history[0]
		if last.Level != event.Error || last.Subject != "a" || last.Data["percent"] != "100" || last.Title != "API budget of a: 100 % used, 40.00 of 35.00 USD on 2000-02-02 (UTC)" {
			t.Errorf("last event %+v", last)
		}
	})
}

func TestBudgetOfTheConfigurationCannotBeDeleted(t *testing.T) {
	tr := newTracker(t, Settings{Budgets: map[string]Limits{"a": {DailyUSD: 1}}})
	if err := tr.SetBudget(t.Context(), "a", Limits{MonthlyUSD: 5}); err != nil {
		t.Fatal(err)
	}
	if err := tr.DeleteBudget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if b, err := tr.Budget(t.Context(), "a"); err != nil || b.Source != FromConfig || b.Periods[0].Limit != Dollars(1) {
		t.Errorf("got %+v, %v", b, err)
	}
	err := tr.DeleteBudget(t.Context(), "a")
	if _, ok := errors.AsType[*ConfigOwnedError](err); !ok {
		t.Errorf("got %v", err)
	}
	err = tr.DeleteBudget(t.Context(), "b")
	if _, ok := errors.AsType[*NotFoundError](err); !ok {
		t.Errorf("got %v", err)
	}
	for i := range maxBudgets {
		err = tr.SetBudget(t.Context(), fmt.Sprint("x", i), Limits{DailyUSD: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.SetBudget(t.Context(), "more", Limits{DailyUSD: 1}); err == nil {
		t.Error("one budget too many was kept")
	}
	if err := tr.SetBudget(t.Context(), "x0", Limits{DailyUSD: 2}); err != nil {
		t.Errorf("changing one of the full list: %v", err)
	}
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

func TestMadeUpNamesCannotFillTheDisk(t *testing.T) {
	tr := newTracker(t, Settings{})
	for from := 0; from < maxModels; from += MaxBatch {
		calls := make([]Call, MaxBatch)
		for i := range calls {
			calls[i] = Call{API: "a", Model: fmt.Sprint("m", from+i)}
		}
		track(t, tr, calls...)
	}
	track(t, tr, Call{API: "a", Model: "one-more", CostUSD: f(1)}, Call{API: "b", Model: "x", CostUSD: f(1)}, Call{API: "c", Model: "y"}, Call{API: "a", Model: "m7", CostUSD: f(1)})
	for name, want := range map[string]int64{"a/other": 1, "other/other": 2, "a/m7": 2} {
		var got model
		err := tr.store.View(t.Context(), func(tx *store.Tx) (err error) { got, err = modelsTable.Get(tx, name); return err })
		if err != nil || got.Total.Calls != want {
			t.Errorf("%s: %+v, %v, want %d calls", name, got, err, want)
		}
	}
	if n := rows(t, tr, modelsTable); n != maxModels+2 {
		t.Errorf("%d models", n)
	}
	if b, err := tr.Budget(t.Context(), "a"); err != nil || b.Periods[0].Spent != Dollars(2) {
		t.Errorf("budget of a: %+v, %v", b, err)
	}
	if recent, err := tr.Recent(t.Context(), MaxRecent, ""); err != nil || len(recent) != recentKept || recent[0].Model != "m7" {
		t.Errorf("%d recent calls, %v", len(recent), err)
	}
}

// A clock that jumps years ahead and back must not delete what was counted.
func TestOldDaysGoByNumberNotByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracker(t, Settings{})
		const days = maxDays + 5
		for range days {
			track(t, tr, Call{API: "a", CostUSD: f(1)})
			time.Sleep(24 * time.Hour)
		}
		time.Sleep(20 * 365 * 24 * time.Hour)
		track(t, tr, Call{API: "a", CostUSD: f(1)})
		time.Sleep(24 * time.Hour)
		track(t, tr, Call{API: "a", CostUSD: f(1)}) // the report that drops is the first of a day
		if n := rows(t, tr, daysTable); n < maxDays || n > maxDays+1 {
			t.Errorf("%d days are kept, want %d", n, maxDays)
		}
		if n := rows(t, tr, spentTable); n > 2*(maxDays+1)+2*40 {
			t.Errorf("%d rows of what was spent", n)
		}
		if got := total(t, tr); got.Calls != days+2 || got.Cost != Dollars(days+2) {
			t.Errorf("the sums since ever lost something: %+v", got)
		}
	})
}

func TestDamagedBookkeepingIsCountedAnew(t *testing.T) {
	tr := newTracker(t, Settings{})
	track(t, tr, Call{API: "a"}, Call{API: "b"})
	if err := tr.store.Update(t.Context(), func(tx *store.Tx) error { return stateTable.Delete(tx, stateKey) }); err != nil {
		t.Fatal(err)
	}
	track(t, tr, Call{API: "a"}, Call{API: "c"})
	var st state
	if err := tr.store.View(t.Context(), func(tx *store.Tx) (err error) { st, err = stateTable.Get(tx, stateKey); return err }); err != nil {
		t.Fatal(err)
	}
	if st.Models != 3 || st.Own != 3 || st.Days != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestClosedStoreIsToldToTheCaller(t *testing.T) {
	s := openStore(t, t.TempDir())
	tr := openTracker(t, s, nil, Settings{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Track(t.Context(), Call{API: "a"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("track: %v", err)
	}
	if _, err := tr.Stats(t.Context(), ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("stats: %v", err)
	}
	if n := testutil.CollectAndCount(tr); n != 0 {
		t.Errorf("%d metrics of a closed store", n)
	}
}

func TestMoneyIsShownShort(t *testing.T) {
	for v, want := range map[USD]string{0: "0.00", 1: "0.000000001", Dollars(0.0025): "0.0025", Dollars(12.345): "12.35", Dollars(1e9): "1000000000.00"} {
		if got := v.String(); got != want {
			t.Errorf("%d: %s, want %s", v, got, want)
		}
	}
	if Dollars(0.0000015).Micro() != 2 || Dollars(1).Micro() != 1_000_000 {
		t.Error("micro-dollars are wrong")
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

func BenchmarkTrackOne(b *testing.B) {
	tr := newTracker(b, Settings{Budgets: map[string]Limits{Total: {DailyUSD: 1e9}}})
	for b.Loop() {
		track(b, tr, Call{API: "openai", Model: "gpt-4o", InputTokens: 100, OutputTokens: 10})
	}
}

func BenchmarkTrackThousand(b *testing.B) {
	tr := newTracker(b, Settings{})
	calls := make([]Call, MaxBatch)
	for i := range calls {
		calls[i] = Call{API: "openai", Model: fmt.Sprint("m", i%20), InputTokens: 100}
	}
	for b.Loop() {
		track(b, tr, calls...)
	}
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
