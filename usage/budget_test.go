package usage

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

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
