package usage

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/store"
)

// Bounds of what is asked.
const (
	MaxHistoryDays = maxDays
	MaxHistoryRows = 10_000
	MaxRecent      = recentKept
)

// APIUsage is one API and its models.
type APIUsage struct {
	API string
	Counts
	First, Last time.Time // of its calls
	Models      []ModelUsage
}

// ModelUsage is one model of an API.
type ModelUsage struct {
	API, Model string
	Counts
	First, Last time.Time // of its calls; zero where not asked
}

// Stats is everything since ever, with the running day and month of UTC.
type Stats struct {
	Since             time.Time // of the first call; zero = there was none
	Total, Today      Counts
	Month             Counts
	APIs              []APIUsage // by cost, then calls, falling
	MonthForecastCost USD        // Month at the pace so far; 0 in the first day of a month
}

// Stats adds up what was counted, of one API or, for "", of all. Errors: [InvalidError], those of the store.
func (t *Tracker) Stats(ctx context.Context, api string) (Stats, error) {
	if api != "" {
		var err error
		if api, err = checkAPI("api", api); err != nil {
			return Stats{}, err
		}
	}
	now := time.Now().UTC()
	out := Stats{APIs: []APIUsage{}}
	err := t.view(ctx, "read API usage", func(tx *store.Tx) error {
		prefix := ""
		if api != "" {
			prefix = api + "/"
		}
		rows, err := modelsTable.List(tx, prefix, "", 0)
		if err != nil {
			return err
		}
		apis := map[string]*APIUsage{}
		for _, row := range rows {
			name, mdl, _ := strings.Cut(row.Key, "/")
			a := apis[name]
			if a == nil {
				a = &APIUsage{API: name, First: row.Value.First, Last: row.Value.Last}
				apis[name] = a
			}
			a.add(row.Value.Total)
			a.Models = append(a.Models, ModelUsage{name, mdl, row.Value.Total, row.Value.First, row.Value.Last})
			if row.Value.First.Before(a.First) {
				a.First = row.Value.First
			}
			if row.Value.Last.After(a.Last) {
				a.Last = row.Value.Last
			}
		}
		for _, a := range apis {
			slices.SortFunc(a.Models, func(x, y ModelUsage) int { return dearer(x.Counts, y.Counts, x.Model, y.Model) })
			out.APIs = append(out.APIs, *a)
			out.Total.add(a.Counts)
			if out.Since.IsZero() || a.First.Before(out.Since) {
				out.Since = a.First
			}
		}
		slices.SortFunc(out.APIs, func(x, y APIUsage) int { return dearer(x.Counts, y.Counts, x.API, y.API) })
		month, err := daysTable.List(tx, monthOf(now)+"-", "", 0)
		for _, row := range month {
			d := dayRow(row)
			if api != "" && d.API != api {
				continue
			}
			out.Month.add(d.Counts)
			if d.Day == dayOf(now) {
				out.Today.add(d.Counts)
			}
		}
		return err
	})
	out.MonthForecastCost = forecast(out.Month.Cost, now)
	return out, err
}

// dearer orders by cost, then calls, falling, then by name.
func dearer(a, b Counts, nameA, nameB string) int {
	return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Calls, a.Calls), cmp.Compare(nameA, nameB))
}

// forecast carries the cost of a month so far on to its end.
func forecast(spent USD, now time.Time) USD {
	y, m, _ := now.Date()
	begin, end := date(y, m, 1), date(y, m+1, 1)
	gone := now.Sub(begin)
	if gone < 24*time.Hour {
		return 0
	}
	return Dollars(spent.Dollars() * float64(end.Sub(begin)) / float64(gone))
}

// Day is what a model of an API was used on one UTC day.
type Day struct {
	Day        string // YYYY-MM-DD
	API, Model string // "" in sums
	Counts
}

func dayRow(row store.Row[Counts]) Day {
	parts := strings.SplitN(row.Key, "/", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	return Day{parts[0], parts[1], parts[2], row.Value}
}

// History is the days from From to To, both included.
type History struct {
	From, To  string
	Daily     []Day // one per day, rising, without gaps
	Rows      []Day // one per day, API and model that was used, rising; the newest MaxHistoryRows of them
	Truncated bool  // older rows were left out of Rows; Daily has them
}

// History returns the last days, today included, of an API, of a model, or with "" of all. Errors: [InvalidError], those of
// the store.
func (t *Tracker) History(ctx context.Context, days int, api, model string) (History, error) {
	h, err := t.history(ctx, days, api, model)
	if n := len(h.Rows); n > MaxHistoryRows {
		h.Rows, h.Truncated = h.Rows[n-MaxHistoryRows:], true
	}
	return h, err
}

func (t *Tracker) history(ctx context.Context, days int, api, model string) (History, error) {
	if days < 1 || days > MaxHistoryDays {
		return History{}, invalid("days", "must be between 1 and %d", MaxHistoryDays)
	}
	var err error
	if api != "" {
		if api, err = checkAPI("api", api); err != nil {
			return History{}, err
		}
	}
	if model, err = checkModel("model", model); err != nil {
		return History{}, err
	}
	now := time.Now().UTC()
	y, m, d := now.Date()
	out := History{To: dayOf(now), Rows: []Day{}}
	at := map[string]int{}
	for i := range days {
		day := dayOf(date(y, m, d-days+1+i))
		at[day] = i
		out.Daily = append(out.Daily, Day{Day: day})
	}
	out.From = out.Daily[0].Day
	err = t.view(ctx, "read API usage", func(tx *store.Tx) error {
		rows, err := daysTable.List(tx, "", out.From, 0)
		for _, row := range rows {
			r := dayRow(row)
			i, in := at[r.Day]
			if !in || api != "" && r.API != api || model != "" && r.Model != model {
				continue
			}
			out.Daily[i].add(r.Counts)
			out.Rows = append(out.Rows, r)
		}
		return err
	})
	return out, err
}

// Summary is the short form of all of it.
type Summary struct {
	Stats                        Stats
	Yesterday, Week, ThirtyDays  Counts       // Week and ThirtyDays end with today
	TopAPIs                      []APIUsage   // of the 30 days, by cost, five at most, without models
	TopModels                    []ModelUsage // likewise
	Budgets                      []Budget
	DaysWithCalls, ModelsTracked int // of the 30 days; since ever
}

const top = 5

// Summary adds up the last days, the dearest APIs and models, and the budgets.
func (t *Tracker) Summary(ctx context.Context) (Summary, error) {
	var out Summary
	var err error
	if out.Stats, err = t.Stats(ctx, ""); err != nil {
		return out, err
	}
	h, err := t.history(ctx, 30, "", "")
	if err != nil {
		return out, err
	}
	n := len(h.Daily)
	out.Yesterday = h.Daily[n-2].Counts
	for i, d := range h.Daily {
		out.ThirtyDays.add(d.Counts)
		if i >= n-7 {
			out.Week.add(d.Counts)
		}
		if d.Calls > 0 {
			out.DaysWithCalls++
		}
	}
	apis, models := map[string]Counts{}, map[[2]string]Counts{}
	for _, r := range h.Rows {
		a, m := apis[r.API], models[[2]string{r.API, r.Model}]
		a.add(r.Counts)
		m.add(r.Counts)
		apis[r.API], models[[2]string{r.API, r.Model}] = a, m
	}
	for _, name := range slices.SortedFunc(maps.Keys(apis), func(a, b string) int { return dearer(apis[a], apis[b], a, b) }) {
		out.TopAPIs = append(out.TopAPIs, APIUsage{API: name, Counts: apis[name]})
	}
	for _, k := range slices.SortedFunc(maps.Keys(models), func(a, b [2]string) int {
		return dearer(models[a], models[b], a[0]+"/"+a[1], b[0]+"/"+b[1])
	}) {
		out.TopModels = append(out.TopModels, ModelUsage{API: k[0], Model: k[1], Counts: models[k]})
	}
	out.TopAPIs, out.TopModels = out.TopAPIs[:min(top, len(out.TopAPIs))], out.TopModels[:min(top, len(out.TopModels))]
	for _, a := range out.Stats.APIs {
		out.ModelsTracked += len(a.Models)
	}
	out.Budgets, err = t.Budgets(ctx)
	return out, err
}

// Recent returns the last calls as they were counted, newest first: limit of them, 1 to MaxRecent, of one API or, for "", of
// all. Errors: [InvalidError], those of the store.
func (t *Tracker) Recent(ctx context.Context, limit int, api string) ([]Recorded, error) {
	if limit < 1 || limit > MaxRecent {
		return nil, invalid("limit", "must be between 1 and %d", MaxRecent)
	}
	if api != "" {
		var err error
		if api, err = checkAPI("api", api); err != nil {
			return nil, err
		}
	}
	out := []Recorded{}
	err := t.view(ctx, "read recent API calls", func(tx *store.Tx) error {
		rows, err := recentTable.Last(tx, "", "", 0)
		for _, row := range rows {
			if len(out) < limit && (api == "" || row.Value.API == api) {
				out = append(out, row.Value)
			}
		}
		return err
	})
	return out, err
}

// Total adds the days up.
func (h *History) Total() Counts {
	var c Counts
	for _, d := range h.Daily {
		c.add(d.Counts)
	}
	return c
}
