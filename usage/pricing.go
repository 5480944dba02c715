package usage

import (
	"context"
	"errors"
	"slices"
	"time"

	"controlcenter/internal/store"
)

// book returns the prices in force.
func (t *Tracker) book(tx *store.Tx) (book, error) {
	rows, err := pricesTable.List(tx, "", "", 0)
	set := make([]Price, len(rows))
	for i, row := range rows {
		set[i] = row.Value
	}
	return book{set, t.settings.Load().Pricing, t.shipped}, err
}

// Prices returns every price, the strongest source first, within a source by API and model. With an API, only those that its
// calls can have.
func (t *Tracker) Prices(ctx context.Context, api string) ([]Price, error) {
	if api != "" {
		var err error
		if api, err = checkAPI("api", api); err != nil {
			return nil, err
		}
	}
	out := []Price{}
	err := t.view(ctx, "read prices", func(tx *store.Tx) error {
		b, err := t.book(tx)
		for _, prices := range b {
			prices = slices.Clone(prices)
			sortPrices(prices)
			for _, p := range prices {
				if api == "" || match(p.API, api) >= 0 {
					out = append(out, p)
				}
			}
		}
		return err
	})
	return out, err
}

func priceKey(p Price) string { return p.API + " " + p.Model }

// SetPrice sets a price, in place of the one set before for the same patterns, and returns it as it is kept. Calls counted
// before keep their cost. Errors: [InvalidError], those of the store.
func (t *Tracker) SetPrice(ctx context.Context, p Price) (Price, error) {
	p, err := p.Check()
	if err != nil {
		return p, err
	}
	p.Source, p.AsOf = FromAPI, dayOf(time.Now())
	err = t.store.Update(ctx, func(tx *store.Tx) error {
		rows, err := pricesTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		if len(rows) >= maxPrices && !slices.ContainsFunc(rows, func(r store.Row[Price]) bool { return r.Key == priceKey(p) }) {
			return invalid("api", "%d prices are set, more are not kept: delete one", maxPrices)
		}
		return pricesTable.Put(tx, priceKey(p), p)
	})
	return p, err //nolint:wrapcheck // our own error, or one of the store that says what it did
}

// DeletePrice deletes what SetPrice set for these patterns. Errors: [InvalidError], [NotFoundError], [ConfigOwnedError] for a
// price of the configuration file, those of the store.
func (t *Tracker) DeletePrice(ctx context.Context, api, model string) error {
	p, err := Price{API: api, Model: model}.Check()
	if err != nil {
		return err
	}
	what := "price set for API " + p.API + ", model " + p.Model
	return t.store.Update(ctx, func(tx *store.Tx) error { //nolint:wrapcheck // our own error, or one of the store that says what it did
		_, err := pricesTable.Get(tx, priceKey(p))
		if errors.Is(err, store.ErrNotFound) {
			if slices.ContainsFunc(t.settings.Load().Pricing, func(c Price) bool { return priceKey(c) == priceKey(p) }) {
				return &ConfigOwnedError{"the " + what, "usage.pricing"}
			}
			return &NotFoundError{what}
		}
		if _, err := orZero(Price{}, err); err != nil {
			return err
		}
		return pricesTable.Delete(tx, priceKey(p))
	})
}

// Estimate says what a call would cost and by which price. Only names, Count, tokens and Units of the call are looked at.
// Errors: [InvalidError], [NotFoundError] when no price is known.
func (t *Tracker) Estimate(ctx context.Context, c Call) (Call, Price, Cost, error) {
	c, err := c.check(time.Now())
	if err != nil {
		return c, Price{}, Cost{}, err
	}
	var found *Price
	err = t.view(ctx, "read prices", func(tx *store.Tx) error {
		b, err := t.book(tx)
		found = b.find(c.API, c.Model)
		return err
	})
	switch {
	case err != nil:
		return c, Price{}, Cost{}, err
	case found == nil:
		return c, Price{}, Cost{}, &NotFoundError{"price known for API " + c.API + ", model " + named(c.Model)}
	}
	return c, *found, found.of(&c), nil
}

func named(model string) string {
	if model == "" {
		return "(none)"
	}
	return model
}
