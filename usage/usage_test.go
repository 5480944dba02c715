package usage

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

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
