package usage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

const (
	// MaxBudgetUSD bounds a budget.
	MaxBudgetUSD = 1_000_000_000

	maxBudgets = 100
	maxPrices  = 500 // set through the API

	warnAt = 80 // percent of a budget
)

// Limits are the budget of an API or of all: US dollars per UTC day and per UTC month, 0 = no limit.
type Limits struct {
	DailyUSD   float64 `json:"daily_usd"`
	MonthlyUSD float64 `json:"monthly_usd"`
}

func (l Limits) check() error {
	for _, f := range []struct {
		field string
		v     float64
	}{{"daily_usd", l.DailyUSD}, {"monthly_usd", l.MonthlyUSD}} {
		if !(f.v >= 0 && f.v <= MaxBudgetUSD) { // not NaN either
			return invalid(f.field, "must be between 0 and %d US dollars", MaxBudgetUSD)
		}
	}
	if Dollars(l.DailyUSD) == 0 && Dollars(l.MonthlyUSD) == 0 {
		return invalid("daily_usd", "a budget needs a limit above 0 per day or per month")
	}
	return nil
}

// Budget is a budget in force and what is used of it.
type Budget struct {
	API     string // or Total
	Source  string // FromConfig or FromAPI; "" = there is none
	Periods []Period
}

// Period is the running day or month of a budget.
type Period struct {
	Name       string    // "daily" or "monthly"
	Start, End time.Time // UTC; End is the first moment of the next
	Limit      USD       // 0 = none
	Spent      USD
}

// Percent is how much of the limit is used, 0 without one; above 100 when it is exceeded.
func (p Period) Percent() float64 {
	if p.Limit == 0 {
		return 0
	}
	return 100 * float64(p.Spent) / float64(p.Limit)
}

// State is "ok", "warning" from 80 % on, "exceeded" from 100 % on, or "unlimited".
func (p Period) State() string {
	switch used := p.reached(); {
	case p.Limit == 0:
		return "unlimited"
	case used == 100:
		return "exceeded"
	case used > 0:
		return "warning"
	}
	return "ok"
}

// reached is the highest threshold that is passed: 0, 80 or 100 percent.
func (p Period) reached() int {
	switch used := p.Percent(); {
	case p.Limit == 0:
	case p.Spent >= p.Limit:
		return 100
	case used >= warnAt:
		return warnAt
	}
	return 0
}

// key of the period in the tables: the day or the month.
func (p Period) key() string {
	if p.Name == "daily" {
		return dayOf(p.Start)
	}
	return monthOf(p.Start)
}

// BudgetReached tells that 80 or 100 percent of a budget are used. It comes once per budget, period and threshold, also across
// restarts; another limit begins anew. It is in the event history as "usage.budget" too.
type BudgetReached struct {
	API     string // or Total
	Period  string // "daily" or "monthly"
	Start   time.Time
	Percent int // 80 or 100
	Limit   USD
	Spent   USD
}

// Topic implements event.Data.
func (BudgetReached) Topic() string { return "usage.budget" }

// String says it in a sentence.
func (b BudgetReached) String() string {
	whose := "API budget of " + b.API
	if b.API == Total {
		whose = "Budget of all APIs"
	}
	when := "on " + dayOf(b.Start)
	if b.Period == "monthly" {
		when = "in " + monthOf(b.Start)
	}
	return fmt.Sprintf("%s: %d %% used, %s of %s USD %s (UTC)", whose, b.Percent, b.Spent, b.Limit, when)
}

// alert is what was told of a budget in a period.
type alert struct {
	Limit   USD `json:"limit"`
	Percent int `json:"percent"`
}

// NotFoundError says that there is no such price or budget.
type NotFoundError struct{ What string }

func (e *NotFoundError) Error() string { return "there is no " + e.What }

// ConfigOwnedError says that something can only be changed in the configuration file.
type ConfigOwnedError struct{ What, Key string }

func (e *ConfigOwnedError) Error() string {
	return fmt.Sprintf("%s is set by %s in the configuration file: change it there", e.What, e.Key)
}

// Budgets returns every budget in force, by name.
func (t *Tracker) Budgets(ctx context.Context) ([]Budget, error) {
	var out []Budget
	now := time.Now()
	err := t.view(ctx, "read budgets", func(tx *store.Tx) (err error) {
		out, err = t.budgets(tx, now)
		return err
	})
	return out, err
}

// Budget returns the budget of an API or of Total, with what the running periods have used. Where there is none, Source is ""
// and the periods have no limit. Errors: [InvalidError].
func (t *Tracker) Budget(ctx context.Context, api string) (Budget, error) {
	api, err := checkAPI("api", api)
	if err != nil {
		return Budget{}, err
	}
	var out Budget
	now := time.Now()
	err = t.view(ctx, "read budget", func(tx *store.Tx) error {
		limits, source, err := t.limits(tx)
		if err != nil {
			return err
		}
		out, err = budgetOf(tx, api, limits[api], source[api], now)
		return err
	})
	return out, err
}

// SetBudget sets the budget of an API or of Total; it wins over the configuration's. An alert that it is used up already is
// given at once. Errors: [InvalidError], those of the store.
func (t *Tracker) SetBudget(ctx context.Context, api string, l Limits) error {
	api, err := checkAPI("api", api)
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return err
	}
	return t.alert(ctx, func(tx *store.Tx) error {
		rows, err := budgetsTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		if len(rows) >= maxBudgets && !slices.ContainsFunc(rows, func(r store.Row[Limits]) bool { return r.Key == api }) {
			return invalid("api", "there are %d budgets, more are not kept: delete one", maxBudgets)
		}
		return budgetsTable.Put(tx, api, l)
	})
}

// DeleteBudget deletes what SetBudget set; the configuration's budget is then in force again. Errors: [InvalidError],
// [NotFoundError], [ConfigOwnedError], those of the store.
func (t *Tracker) DeleteBudget(ctx context.Context, api string) error {
	api, err := checkAPI("api", api)
	if err != nil {
		return err
	}
	return t.alert(ctx, func(tx *store.Tx) error {
		_, err := budgetsTable.Get(tx, api)
		if errors.Is(err, store.ErrNotFound) {
			if _, ok := t.settings.Load().Budgets[api]; ok {
				return &ConfigOwnedError{"the budget of " + api, "usage.budgets." + api}
			}
			return &NotFoundError{"budget of " + api}
		}
		if _, err := orZero(Limits{}, err); err != nil {
			return err
		}
		return budgetsTable.Delete(tx, api)
	})
}

// limits returns the limits in force and where each comes from.
func (t *Tracker) limits(tx *store.Tx) (map[string]Limits, map[string]string, error) {
	limits, source := maps.Clone(t.settings.Load().Budgets), map[string]string{}
	for name := range limits {
		source[name] = FromConfig
	}
	rows, err := budgetsTable.List(tx, "", "", 0)
	for _, row := range rows {
		limits[row.Key], source[row.Key] = row.Value, FromAPI
	}
	return limits, source, err
}

func (t *Tracker) budgets(tx *store.Tx, now time.Time) ([]Budget, error) {
	limits, source, err := t.limits(tx)
	if err != nil {
		return nil, err
	}
	out := make([]Budget, 0, len(limits))
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		b, err := budgetOf(tx, name, limits[name], source[name], now)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func budgetOf(tx *store.Tx, api string, l Limits, source string, now time.Time) (Budget, error) {
	b := Budget{API: api, Source: source}
	y, m, d := now.UTC().Date()
	for _, p := range []Period{
		{Name: "daily", Start: date(y, m, d), End: date(y, m, d+1), Limit: Dollars(l.DailyUSD)},
		{Name: "monthly", Start: date(y, m, 1), End: date(y, m+1, 1), Limit: Dollars(l.MonthlyUSD)},
	} {
		var err error
		if p.Spent, err = orZero(spentTable.Get(tx, p.key()+"/"+api)); err != nil {
			return b, err
		}
		b.Periods = append(b.Periods, p)
	}
	return b, nil
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// alert makes a change, if one is given, looks at all budgets in the same transaction, and tells of those that are used up.
func (t *Tracker) alert(ctx context.Context, change func(*store.Tx) error) error {
	var alerts []BudgetReached
	err := t.store.Update(ctx, func(tx *store.Tx) (err error) {
		if change != nil {
			if err := change(tx); err != nil {
				return err
			}
		}
		alerts, err = t.evaluate(tx, time.Now().UTC())
		return err
	})
	if err == nil {
		t.publish(alerts)
	}
	return err //nolint:wrapcheck // the caller's own error, or one of the store that says what it did
}

// evaluate finds the budgets that passed a threshold since the last time, and notes that in the store with the event's row.
func (t *Tracker) evaluate(tx *store.Tx, now time.Time) ([]BudgetReached, error) {
	budgets, err := t.budgets(tx, now)
	if err != nil {
		return nil, err
	}
	var out []BudgetReached
	for _, b := range budgets {
		for _, p := range b.Periods {
			reached := p.reached()
			if reached == 0 {
				continue
			}
			key := b.API + "/" + p.key()
			told, err := orZero(alertsTable.Get(tx, key))
			if err != nil {
				return nil, err
			}
			if told.Limit == p.Limit && told.Percent >= reached {
				continue
			}
			e := BudgetReached{b.API, p.Name, p.Start, reached, p.Limit, p.Spent}
			if err := alertsTable.Put(tx, key, alert{p.Limit, reached}); err != nil {
				return nil, err
			}
			if err := event.Append(tx, e.row(now)); err != nil {
				return nil, err
			}
			out = append(out, e)
		}
	}
	return out, nil
}

func (b BudgetReached) row(now time.Time) event.Row {
	level := event.Warning
	if b.Percent >= 100 {
		level = event.Error
	}
	return event.Row{
		At: now, Type: b.Topic(), Level: level, Subject: b.API, Actor: "system", Title: b.String(),
		Data: map[string]string{
			"period": b.Period, "start": dayOf(b.Start), "percent": strconv.Itoa(b.Percent), "limit_usd": b.Limit.String(), "spent_usd": b.Spent.String(),
		},
	}
}

// publish tells live readers; the history has it already.
func (t *Tracker) publish(alerts []BudgetReached) {
	for _, a := range alerts {
		t.log.Warn("API budget", "api", a.API, "period", a.Period, "percent", a.Percent, "limit_usd", a.Limit.Dollars(), "spent_usd", a.Spent.Dollars())
		if t.bus != nil {
			t.bus.Publish(a)
		}
	}
}

// view reads the store and says what was being done when that fails.
func (t *Tracker) view(ctx context.Context, what string, fn func(*store.Tx) error) error {
	if err := t.store.View(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
