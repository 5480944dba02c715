package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Options are what a tracker is built with.
type Options struct {
	Store *store.Store // required
	Bus   *event.Bus   // told of budgets that are used up; nil = nobody
	Log   *slog.Logger // required
}

// Settings are what the configuration says. They are checked by [Settings.Check].
type Settings struct {
	Pricing []Price           // patterns and prices that win over the shipped ones
	Budgets map[string]Limits // by API, "total" for all of them
}

// Tracker counts calls. See the package comment.
type Tracker struct {
	store    *store.Store
	bus      *event.Bus
	log      *slog.Logger
	shipped  []Price
	settings atomic.Pointer[Settings]
}

// Open makes a tracker of a store. Alerts of budgets that are used up already are given now. It fails for settings that
// Check refuses; a store that cannot be written is only logged.
func Open(ctx context.Context, o Options, st Settings) (*Tracker, error) {
	t := &Tracker{store: o.Store, bus: o.Bus, log: o.Log, shipped: Shipped()}
	return t, t.Apply(ctx, st)
}

// Check says what is wrong, by the key of the configuration file, or returns the settings as they are kept.
func (st Settings) Check() (Settings, error) {
	out := Settings{Pricing: make([]Price, 0, len(st.Pricing)), Budgets: make(map[string]Limits, len(st.Budgets))}
	for i, p := range st.Pricing {
		p, err := p.Check()
		if err != nil {
			return st, fmt.Errorf("usage.pricing[%d].%w", i, err)
		}
		p.Source = FromConfig
		out.Pricing = append(out.Pricing, p)
	}
	for _, given := range slices.Sorted(maps.Keys(st.Budgets)) {
		name, err := checkAPI("api", given)
		if err == nil {
			err = st.Budgets[given].check()
		}
		if err != nil {
			return st, fmt.Errorf("usage.budgets.%s: %w", given, err)
		}
		out.Budgets[name] = st.Budgets[given]
	}
	if len(out.Budgets) > maxBudgets {
		return st, fmt.Errorf("usage.budgets: must have at most %d entries", maxBudgets)
	}
	return out, nil
}

// Apply puts other settings in force, or returns what Check says of them and changes nothing.
func (t *Tracker) Apply(ctx context.Context, st Settings) error {
	st, err := st.Check()
	if err != nil {
		return err
	}
	t.settings.Store(&st)
	if err := t.alert(ctx, nil); err != nil {
		t.log.Error("look at the budgets of API usage", "err", err)
	}
	return nil
}

// Recorded is a call as it was counted.
type Recorded struct {
	ID           string        `json:"id,omitempty"`
	At           time.Time     `json:"at"`
	API          string        `json:"api"`
	Model        string        `json:"model,omitempty"`
	Count        int64         `json:"n"`
	InputTokens  int64         `json:"i,omitempty"`
	OutputTokens int64         `json:"o,omitempty"`
	CachedTokens int64         `json:"h,omitempty"`
	Units        int64         `json:"u,omitempty"`
	Cost         USD           `json:"c"`
	Priced       bool          `json:"p"` // false: no price is known and none was given; Cost is 0
	Duration     time.Duration `json:"d,omitempty"`
	Failed       bool          `json:"f,omitempty"`
	Error        string        `json:"e,omitempty"`
	Duplicate    bool          `json:"-"` // the id was counted before: this report changed nothing
}

// Tracked says what a report did.
type Tracked struct {
	Calls      []Recorded // one per call, in the order of the report
	Duplicates int
	Cost       USD // added by this report
	Alerts     []BudgetReached
}

// The tables. Keys are built of UTC days ("2026-01-02"), months ("2026-01") and names, joined by "/", which no API has in its
// name; so a table of days is in the order of time.
var (
	daysTable    = store.NewTable[Counts]("usage_days")       // day/api/model
	modelsTable  = store.NewTable[model]("usage_models")      // api/model
	spentTable   = store.NewTable[USD]("usage_spent")         // day or month, /api or /total
	recentTable  = store.NewTable[Recorded]("usage_recent")   // sequence number
	idsTable     = store.NewTable[time.Time]("usage_ids")     // id of a call: when it was counted
	idTimesTable = store.NewTable[string]("usage_id_times")   // that time/id: the id
	alertsTable  = store.NewTable[alert]("usage_alerts")      // budget/day or month
	pricesTable  = store.NewTable[Price]("usage_prices")      // api pattern, blank, model pattern
	budgetsTable = store.NewTable[Limits]("usage_budgets")    // api
	stateTable   = store.NewTable[state]("usage_bookkeeping") // stateKey
)

// recentKept is how many calls are kept as they came.
const recentKept = 1000

// Track counts calls: all of them or, on an error, none. It returns when they are on disk. Errors: [InvalidError] naming the
// field, those of the store (disk full or broken), ctx's.
func (t *Tracker) Track(ctx context.Context, calls ...Call) (Tracked, error) {
	now := time.Now().UTC()
	if len(calls) == 0 || len(calls) > MaxBatch {
		return Tracked{}, invalid("calls", "must be 1 to %d calls", MaxBatch)
	}
	checked := make([]Call, len(calls))
	for i, c := range calls {
		var err error
		if checked[i], err = c.check(now); err != nil {
			if e, ok := errors.AsType[*InvalidError](err); ok && len(calls) > 1 {
				e.Field = fmt.Sprintf("calls[%d].%s", i, e.Field)
			}
			return Tracked{}, err
		}
	}
	var out Tracked
	err := t.store.Update(ctx, func(tx *store.Tx) error {
		r, err := t.begin(tx, now)
		if err != nil {
			return err
		}
		out = Tracked{}
		for i := range checked {
			rec, err := r.count(&checked[i])
			if err != nil {
				return err
			}
			out.Calls = append(out.Calls, rec)
			if rec.Duplicate {
				out.Duplicates++
			} else {
				out.Cost = sum(out.Cost, rec.Cost)
			}
		}
		if err := r.write(); err != nil {
			return err
		}
		out.Alerts, err = t.evaluate(tx, now)
		return err
	})
	if err != nil {
		return Tracked{}, fmt.Errorf("count API calls: %w", err)
	}
	t.publish(out.Alerts)
	return out, nil
}

// recording is one report on its way into the store: what it adds is summed up first, then each row is read and written once.
type recording struct {
	tx     *store.Tx
	now    time.Time
	prices book
	state  state
	days   map[string]Counts
	models map[string]*model
	spent  map[string]USD
}

func (t *Tracker) begin(tx *store.Tx, now time.Time) (*recording, error) {
	r := &recording{tx: tx, now: now, days: map[string]Counts{}, models: map[string]*model{}, spent: map[string]USD{}}
	var err error
	if r.prices, err = t.book(tx); err != nil {
		return nil, err
	}
	if r.state, err = loadState(tx); err != nil {
		return nil, err
	}
	if err := forgetIDs(tx, now); err != nil {
		return nil, err
	}
	return r, r.state.turn(tx, now)
}

// count adds one call, or finds that it was counted before.
func (r *recording) count(c *Call) (Recorded, error) {
	rec := Recorded{
		ID: c.ID, At: c.At, API: c.API, Model: c.Model, Count: c.Count, InputTokens: c.InputTokens, OutputTokens: c.OutputTokens,
		CachedTokens: c.CachedTokens, Units: c.Units, Duration: c.Duration, Failed: c.Failed, Error: c.Error,
	}
	if c.ID != "" {
		known, err := rememberID(r.tx, c.ID, r.now)
		if err != nil || known {
			rec.Duplicate = known
			return rec, err
		}
	}
	switch price := r.prices.find(c.API, c.Model); {
	case c.CostUSD != nil:
		rec.Cost, rec.Priced = Dollars(*c.CostUSD), true
	case price != nil:
		rec.Cost, rec.Priced = price.of(c).Sum, true
	}
	n := c.counts(rec.Cost, rec.Priced)
	key, m, err := r.model(c.API, c.Model)
	if err != nil {
		return rec, err
	}
	m.count(n, c.At, &r.state)
	add := r.days[dayOf(c.At)+"/"+key]
	add.add(n)
	r.days[dayOf(c.At)+"/"+key] = add
	api, _, _ := strings.Cut(key, "/")
	for _, name := range []string{api, Total} {
		for _, period := range []string{dayOf(c.At), monthOf(c.At)} {
			r.spent[period+"/"+name] = sum(r.spent[period+"/"+name], rec.Cost)
		}
	}
	return rec, r.keep(rec)
}

// keep adds a call to the list of recent ones, and drops the one that is too old for it.
func (r *recording) keep(rec Recorded) error {
	id, err := recentTable.NextID(r.tx)
	if err != nil {
		return err
	}
	if id > recentKept {
		if err := recentTable.Delete(r.tx, sequence(id-recentKept)); err != nil {
			return err
		}
	}
	return recentTable.Put(r.tx, sequence(id), rec)
}

func sequence(id uint64) string { return fmt.Sprintf("%016x", id) }

// write puts the sums into the store.
func (r *recording) write() error {
	for _, key := range slices.Sorted(maps.Keys(r.days)) {
		day, _, _ := strings.Cut(key, "/")
		first, err := daysTable.List(r.tx, day+"/", "", 1)
		if err != nil {
			return err
		}
		if len(first) == 0 {
			r.state.Days++
		}
		row, err := orZero(daysTable.Get(r.tx, key))
		if err != nil {
			return err
		}
		row.add(r.days[key])
		if err := daysTable.Put(r.tx, key, row); err != nil {
			return err
		}
	}
	for key, m := range r.models {
		if err := modelsTable.Put(r.tx, key, *m); err != nil {
			return err
		}
	}
	for key, cost := range r.spent {
		had, err := orZero(spentTable.Get(r.tx, key))
		if err != nil {
			return err
		}
		if err := spentTable.Put(r.tx, key, sum(had, cost)); err != nil {
			return err
		}
	}
	return stateTable.Put(r.tx, stateKey, r.state)
}

// orZero takes a record that is missing or damaged for empty: counting goes on, the store tells of the damage.
func orZero[V any](v V, err error) (V, error) {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrUnavailable) {
		var zero V
		return zero, nil
	}
	return v, err
}

// rememberID notes the id of a call, and says whether it was known.
func rememberID(tx *store.Tx, id string, now time.Time) (known bool, err error) {
	at, err := orZero(idsTable.Get(tx, id))
	if err != nil {
		return false, err
	}
	// A clock that was set back leaves times in the future: those ids are known too.
	if !at.IsZero() && now.Sub(at) < remembered {
		return true, nil
	}
	if err := idsTable.Put(tx, id, now); err != nil {
		return false, err
	}
	return false, idTimesTable.Put(tx, idTime(now)+"/"+id, id)
}

// idTime makes a key in the order of time.
func idTime(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixNano(), 0)) }

// forgetIDs drops ids that were noted more than 24 hours ago: more of them than a report can add, so that they do not pile up.
func forgetIDs(tx *store.Tx, now time.Time) error {
	old, err := idTimesTable.List(tx, "", "", 2*MaxBatch)
	if err != nil {
		return err
	}
	end := idTime(now.Add(-remembered))
	for _, row := range old {
		if row.Key >= end {
			return nil
		}
		if err := idTimesTable.Delete(tx, row.Key); err != nil {
			return err
		}
		at, err := orZero(idsTable.Get(tx, row.Value))
		if err != nil {
			return err
		}
		if idTime(at)+"/"+row.Value != row.Key { // noted anew since
			continue
		}
		if err := idsTable.Delete(tx, row.Value); err != nil {
			return err
		}
	}
	return nil
}
