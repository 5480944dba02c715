package usage

import (
	"cmp"
	"slices"
	"strings"
)

// MaxPrice bounds every figure of a [Price], in US dollars.
const MaxPrice = 100_000

// Sources of a price or budget, the weakest first.
const (
	FromShipped = "default" // of this program
	FromConfig  = "config"  // of the configuration file
	FromAPI     = "api"     // set while running, kept in the store
)

// Price is what calls to an API and model cost, in US dollars.
//
// API and Model are patterns over lower-case names: "*" stands for any text, "|" separates alternatives, "" as Model is "*".
// Of several that match, those set through the API win over the configuration's, those over the shipped ones; within a source
// the one that says more of the API's name, then more of the model's, literally.
type Price struct {
	API                   string   `json:"api"`
	Model                 string   `json:"model"`
	InputPerMillion       float64  `json:"input_per_million"`        // tokens, without the cached ones
	OutputPerMillion      float64  `json:"output_per_million"`       // tokens
	CachedInputPerMillion *float64 `json:"cached_input_per_million"` // tokens; nil = as InputPerMillion
	PerCall               float64  `json:"per_call"`
	PerThousandUnits      float64  `json:"per_thousand_units"`
	Note                  string   `json:"note,omitempty"`
	Source                string   `json:"source,omitempty"` // FromShipped, FromConfig or FromAPI
	AsOf                  string   `json:"as_of,omitempty"`  // day it was written down, YYYY-MM-DD; "" = unknown
}

// Check returns the price as it is kept, or an [InvalidError].
func (p Price) Check() (Price, error) {
	p.API, p.Model = strings.ToLower(p.API), strings.ToLower(p.Model)
	if p.Model == "" {
		p.Model = "*"
	}
	for _, f := range []struct {
		field, pattern string
		name           func(string, string) (string, error)
	}{{"api", p.API, checkAPI}, {"model", p.Model, checkModel}} {
		for alt := range strings.SplitSeq(f.pattern, "|") {
			// A star stands for what a name may hold, so a pattern is sound when it is a name with a letter for each.
			if _, err := f.name(f.field, strings.ReplaceAll(alt, "*", "x")); err != nil || alt == "" || len(f.pattern) > 400 {
				return p, invalid(f.field, "%q must be a name or a pattern of it: * for any text, | between alternatives, 400 characters at most", f.pattern)
			}
		}
	}
	cached := 0.0
	if p.CachedInputPerMillion != nil {
		cached = *p.CachedInputPerMillion
	}
	for _, f := range []struct {
		field string
		v     float64
	}{
		{"input_per_million", p.InputPerMillion},
		{"output_per_million", p.OutputPerMillion},
		{"cached_input_per_million", cached},
		{"per_call", p.PerCall},
		{"per_thousand_units", p.PerThousandUnits},
	} {
		if !(f.v >= 0 && f.v <= MaxPrice) { // not NaN either
			return p, invalid(f.field, "must be between 0 and %d US dollars", MaxPrice)
		}
	}
	if len(p.Note) > 200 {
		return p, invalid("note", "must have at most 200 characters")
	}
	return p, nil
}

// Cost is what a call costs, in parts.
type Cost struct {
	Input, CachedInput, Output, Calls, Units, Sum USD
}

// of computes the cost of a checked call. The bounds of calls and prices keep every part below 10⁹ dollars, which int64 holds.
func (p *Price) of(c *Call) Cost {
	cached := p.InputPerMillion
	if p.CachedInputPerMillion != nil {
		cached = *p.CachedInputPerMillion
	}
	// A price per million tokens in dollars is one per token in micro-dollars: times 1,000 in our unit.
	k := Cost{
		Input:       Dollars(float64(c.InputTokens-c.CachedTokens) * p.InputPerMillion / 1e6),
		CachedInput: Dollars(float64(c.CachedTokens) * cached / 1e6),
		Output:      Dollars(float64(c.OutputTokens) * p.OutputPerMillion / 1e6),
		Calls:       Dollars(float64(c.Count) * p.PerCall),
		Units:       Dollars(float64(c.Units) * p.PerThousandUnits / 1e3),
	}
	for _, part := range []USD{k.Input, k.CachedInput, k.Output, k.Calls, k.Units} {
		k.Sum = sum(k.Sum, part)
	}
	return k
}

// book is every price in force, by source, the strongest first.
type book [][]Price

// find returns the price of a call, nil when none is known. Names are lower-case.
func (b book) find(api, model string) *Price {
	for _, prices := range b {
		var best *Price
		var bestAPI, bestModel int
		for i := range prices {
			p := &prices[i]
			a, m := match(p.API, api), match(p.Model, model)
			if a >= 0 && m >= 0 && (best == nil || cmp.Or(cmp.Compare(a, bestAPI), cmp.Compare(m, bestModel)) > 0) {
				best, bestAPI, bestModel = p, a, m
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// exact ranks a name without a star above every pattern.
const exact = 1 << 20

// match returns how much of the name the best matching alternative says literally, exact for all of it, -1 for no match.
func match(pattern, name string) int {
	best := -1
	for alt := range strings.SplitSeq(pattern, "|") {
		switch stars := strings.Count(alt, "*"); {
		case stars == 0 && alt == name:
			return exact
		case stars > 0 && glob(alt, name):
			best = max(best, len(alt)-stars)
		}
	}
	return best
}

// glob matches a pattern with at least one star.
func glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[last])
}

func sortPrices(p []Price) {
	slices.SortStableFunc(p, func(a, b Price) int {
		return cmp.Or(cmp.Compare(a.API, b.API), cmp.Compare(a.Model, b.Model))
	})
}
