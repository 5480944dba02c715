package usage

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// USD is an amount of money in 10⁻⁹ US dollars.
type USD int64

// Dollars makes an amount of dollars, rounded to 10⁻⁹.
func Dollars(v float64) USD { return USD(math.Round(v * 1e9)) }

// Dollars returns the amount in dollars.
func (u USD) Dollars() float64 { return float64(u) / 1e9 }

// Micro returns the amount in millionths of a dollar, rounded.
func (u USD) Micro() int64 { return int64(math.Round(float64(u) / 1e3)) }

// String shows the amount with two decimals, or with as many as a smaller one needs.
func (u USD) String() string {
	v := u.Dollars()
	if math.Abs(v) >= 0.01 || v == 0 {
		return fmt.Sprintf("%.2f", v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Counts is what a set of calls adds up to. Sums stay at the largest int64 instead of wrapping around.
type Counts struct {
	Calls        int64         `json:"c,omitempty"`
	Errors       int64         `json:"e,omitempty"` // calls that failed
	Unpriced     int64         `json:"p,omitempty"` // calls without a price: their cost counts as 0
	InputTokens  int64         `json:"i,omitempty"` // cached ones included
	OutputTokens int64         `json:"o,omitempty"`
	CachedTokens int64         `json:"h,omitempty"` // the part of the input that the provider had cached
	Units        int64         `json:"u,omitempty"` // of a quota or of anything else that is no token
	Cost         USD           `json:"n,omitempty"`
	Duration     time.Duration `json:"d,omitempty"` // of all calls together
}

func (c *Counts) add(d Counts) {
	c.Calls = sum(c.Calls, d.Calls)
	c.Errors = sum(c.Errors, d.Errors)
	c.Unpriced = sum(c.Unpriced, d.Unpriced)
	c.InputTokens = sum(c.InputTokens, d.InputTokens)
	c.OutputTokens = sum(c.OutputTokens, d.OutputTokens)
	c.CachedTokens = sum(c.CachedTokens, d.CachedTokens)
	c.Units = sum(c.Units, d.Units)
	c.Cost = sum(c.Cost, d.Cost)
	c.Duration = sum(c.Duration, d.Duration)
}

// sum adds two numbers that are not negative.
func sum[T ~int64](a, b T) T {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
