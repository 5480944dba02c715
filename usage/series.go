package usage

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/store"
)

const (
	// maxSeries is how many models have series of their own in the metrics; the rest is summed as "other".
	maxSeries = 100
	// maxModels bounds the rows of models, so that made-up names cannot fill the disk: what is new beyond that is counted under
	// the model "other" of its API.
	maxModels = 2000
	// maxDays is how many days with calls are kept; the sums since ever outlive them.
	maxDays = 800
	// decay is what a day leaves of the weight by which models are ranked: a half-life of about a week.
	decay = 0.9

	stateKey  = "state"
	otherName = Other + "/" + Other
)

// model is one API and model since ever.
//
// Shown is what its series in the metrics count: only what was added while the model had a series. What it gains without one
// goes to the series "other", and nothing is ever moved from one to the other, so that every series only grows and their
// increases add up. Which models have a series changes once a day at most.
type model struct {
	Total  Counts    `json:"t"`
	Shown  Counts    `json:"s"`
	Own    bool      `json:"own"`
	Weight float64   `json:"w"` // calls, fading by decay each day
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

func (m *model) count(n Counts, at time.Time, st *state) {
	m.Total.add(n)
	if m.Own {
		m.Shown.add(n)
	} else {
		st.Other.add(n)
	}
	m.Weight = math.Min(m.Weight+float64(n.Calls), math.MaxInt64)
	if m.First.IsZero() || at.Before(m.First) {
		m.First = at
	}
	if at.After(m.Last) {
		m.Last = at
	}
}

// state is the bookkeeping of the tables.
type state struct {
	Day    string `json:"day"` // of the last report
	Models int    `json:"models"`
	Own    int    `json:"own"`   // models with a series
	Days   int    `json:"days"`  // days with calls in the table
	Other  Counts `json:"other"` // the series "other"
}

// loadState reads the bookkeeping; where it is missing or damaged it is counted anew, the series "other" then begins at 0.
func loadState(tx *store.Tx) (state, error) {
	st, err := orZero(stateTable.Get(tx, stateKey))
	if err != nil || st.Day != "" {
		return st, err
	}
	models, err := modelsTable.List(tx, "", "", 0)
	if err != nil {
		return st, err
	}
	st.Models = len(models)
	for _, m := range models {
		if m.Value.Own {
			st.Own++
		}
	}
	days, err := daysTable.List(tx, "", "", 0)
	if err != nil {
		return st, err
	}
	last := ""
	for _, row := range days {
		if day, _, _ := strings.Cut(row.Key, "/"); day != last {
			st.Days++
			last = day
		}
	}
	return st, nil
}

// turn does once a day what keeps tables and series bounded. A clock that jumps does no harm: what is dropped depends on how
// many days there are, not on which day it is.
func (st *state) turn(tx *store.Tx, now time.Time) error {
	today := dayOf(now)
	if st.Day == today {
		return nil
	}
	if st.Day != "" {
		if err := st.rank(tx, today); err != nil {
			return err
		}
	}
	st.Day = today
	for st.Days > maxDays {
		if err := st.dropDay(tx); err != nil {
			return err
		}
	}
	return nil
}

// rank gives the series to the models used most of late.
func (st *state) rank(tx *store.Tx, today string) error {
	rows, err := modelsTable.List(tx, "", "", 0)
	if err != nil {
		return err
	}
	passed := 1.0
	if from, err := time.Parse(time.DateOnly, st.Day); err == nil {
		if to, err := time.Parse(time.DateOnly, today); err == nil {
			passed = math.Max(to.Sub(from).Hours()/24, 1)
		}
	}
	for i := range rows {
		rows[i].Value.Weight *= math.Pow(decay, passed)
	}
	slices.SortStableFunc(rows, func(a, b store.Row[model]) int { return cmp.Compare(b.Value.Weight, a.Value.Weight) })
	st.Own = 0
	for _, row := range rows {
		// A model that calls itself other/other cannot have a series beside the sum of that name.
		row.Value.Own = st.Own < maxSeries && row.Key != otherName
		if row.Value.Own {
			st.Own++
		}
		if err := modelsTable.Put(tx, row.Key, row.Value); err != nil {
			return err
		}
	}
	st.Models = len(rows)
	return nil
}

// dropDay removes the oldest day, and what of budgets is older than the days that stay.
func (st *state) dropDay(tx *store.Tx) error {
	first, err := daysTable.List(tx, "", "", 1)
	if err != nil || len(first) == 0 {
		st.Days = 0
		return err
	}
	day, _, _ := strings.Cut(first[0].Key, "/")
	if err := drop(tx, daysTable, day+"/", func(string) bool { return true }); err != nil {
		return err
	}
	st.Days--
	// A month is older when its last day is: "2026-01" is kept while "2026-01-31" would be.
	older := func(period string) bool { return (period + "-31")[:len(time.DateOnly)] <= day }
	if err := drop(tx, spentTable, "", func(key string) bool { period, _, _ := strings.Cut(key, "/"); return older(period) }); err != nil {
		return err
	}
	return drop(tx, alertsTable, "", func(key string) bool { _, period, _ := strings.Cut(key, "/"); return older(period) })
}

// drop deletes the records with the prefix that are chosen by their key.
func drop[V any](tx *store.Tx, t store.Table[V], prefix string, chosen func(key string) bool) error {
	rows, err := t.List(tx, prefix, "", 0)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if chosen(row.Key) {
			if err := t.Delete(tx, row.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// model finds the row a call counts for, making it if there is room.
func (r *recording) model(api, name string) (string, *model, error) {
	key := api + "/" + name
	if m := r.models[key]; m != nil {
		return key, m, nil
	}
	m, err := orZero(modelsTable.Get(r.tx, key))
	if err != nil {
		return "", nil, err
	}
	if m.First.IsZero() { // a new one
		if r.state.Models >= maxModels && name != Other {
			rows, err := modelsTable.List(r.tx, api+"/", "", 1)
			if err != nil {
				return "", nil, err
			}
			if len(rows) == 0 {
				api = Other
			}
			return r.model(api, Other)
		}
		r.state.Models++
		if m.Own = r.state.Own < maxSeries && key != otherName; m.Own {
			r.state.Own++
		}
	}
	r.models[key] = &m
	return key, &m, nil
}
