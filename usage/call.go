package usage

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"controlcenter/internal/lazy"
)

// Bounds of a reported call.
const (
	MaxBatch    = 1000           // calls in one report
	MaxCount    = 1_000_000      // calls that one reported call may stand for
	MaxTokens   = 10_000_000_000 // tokens or units of one reported call
	MaxCostUSD  = 1_000_000      // of one reported call
	MaxSeconds  = 1_000_000      // duration of one reported call
	MaxErrorLen = 500            // characters of an error text; the rest is cut off

	// Total is the name of the budget over all APIs. No API can have it.
	Total = "total"
	// Other sums what has no row or series of its own.
	Other = "other"

	maxAge     = 90 * 24 * time.Hour // of a call reported late
	maxAhead   = 5 * time.Minute     // by which a reporter's clock may be ahead
	remembered = 24 * time.Hour      // how long the id of a call is known
)

// Call is one use of an outside API, as it is reported.
type Call struct {
	ID           string        // makes reporting idempotent for 24 hours: 1 to 128 printable ASCII characters; "" = none
	API          string        // "openai", "youtube": 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit; letter case is dropped
	Model        string        // "gpt-4o"; "" where an API has none: at most 128 of a-z 0-9 . _ : / @ + -; letter case is dropped
	Count        int64         // calls this stands for, 1 to MaxCount; 0 = 1
	InputTokens  int64         // 0 to MaxTokens, cached ones included
	OutputTokens int64         // 0 to MaxTokens
	CachedTokens int64         // 0 to InputTokens
	Units        int64         // 0 to MaxTokens: quota units, characters, seconds: whatever the price per 1,000 units counts
	CostUSD      *float64      // what the provider charged, 0 to MaxCostUSD; nil = computed from the price
	Duration     time.Duration // 0 to MaxSeconds seconds
	Failed       bool          // the call failed; set by an Error too
	Error        string        // why it failed
	At           time.Time     // from 90 days ago to 5 minutes ahead; zero = now. Its UTC day is the day it counts for
}

// InvalidError is a value that was refused. Field is the name on the wire, after "calls[3]." when it is in a batch.
type InvalidError struct{ Field, Text string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Text }

func invalid(field, format string, a ...any) error {
	return &InvalidError{field, fmt.Sprintf(format, a...)}
}

var (
	apiPattern   = lazy.Regexp(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	modelPattern = lazy.Regexp(`^[a-z0-9][a-z0-9._:/@+-]{0,127}$`)
	idPattern    = lazy.Regexp(`^[!-~]{1,128}$`)
)

// checkAPI returns the name as it is kept.
func checkAPI(field, name string) (string, error) {
	name = strings.ToLower(name)
	if !apiPattern().MatchString(name) {
		return "", invalid(field, "must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit")
	}
	return name, nil
}

func checkModel(field, name string) (string, error) {
	name = strings.ToLower(name)
	if name != "" && !modelPattern().MatchString(name) {
		return "", invalid(field, "must be at most 128 letters, digits or any of . _ : / @ + -, beginning with a letter or digit")
	}
	return name, nil
}

// check returns the call as it is counted.
func (c Call) check(now time.Time) (Call, error) {
	var err error
	if c.API, err = checkAPI("api", c.API); err != nil {
		return c, err
	}
	if c.API == Total {
		return c, invalid("api", "%q is the name of the budget over all APIs; choose another", Total)
	}
	if c.Model, err = checkModel("model", c.Model); err != nil {
		return c, err
	}
	if c.ID != "" && !idPattern().MatchString(c.ID) {
		return c, invalid("id", "must be 1 to 128 printable ASCII characters without blanks")
	}
	if c.Count == 0 {
		c.Count = 1
	}
	for _, n := range []struct {
		field      string
		v, lo, top int64
	}{
		{"count", c.Count, 1, MaxCount},
		{"input_tokens", c.InputTokens, 0, MaxTokens},
		{"output_tokens", c.OutputTokens, 0, MaxTokens},
		{"cached_tokens", c.CachedTokens, 0, MaxTokens},
		{"units", c.Units, 0, MaxTokens},
	} {
		if n.v < n.lo || n.v > n.top {
			return c, invalid(n.field, "must be between %d and %d", n.lo, n.top)
		}
	}
	if c.CachedTokens > c.InputTokens {
		return c, invalid("cached_tokens", "must be between 0 and input_tokens (%d), which they are a part of", c.InputTokens)
	}
	if c.CostUSD != nil && !(*c.CostUSD >= 0 && *c.CostUSD <= MaxCostUSD) { // not NaN either
		return c, invalid("cost_usd", "must be between 0 and %d", MaxCostUSD)
	}
	if c.Duration < 0 || c.Duration > MaxSeconds*time.Second {
		return c, invalid("duration_seconds", "must be between 0 and %d", MaxSeconds)
	}
	if c.At.IsZero() {
		c.At = now
	}
	if c.At.Before(now.Add(-maxAge)) || c.At.After(now.Add(maxAhead)) {
		return c, invalid("timestamp", "must be between 90 days ago and 5 minutes ahead (it is %s here)", now.UTC().Format(time.RFC3339))
	}
	c.At = c.At.UTC()
	c.Error = strings.ToValidUTF8(c.Error, string(utf8.RuneError))
	if r := []rune(c.Error); len(r) > MaxErrorLen {
		c.Error = string(r[:MaxErrorLen])
	}
	c.Failed = c.Failed || c.Error != ""
	return c, nil
}

// counts is what a checked call adds.
func (c *Call) counts(cost USD, priced bool) Counts {
	n := Counts{
		Calls: c.Count, InputTokens: c.InputTokens, OutputTokens: c.OutputTokens, CachedTokens: c.CachedTokens, Units: c.Units,
		Cost: cost, Duration: c.Duration,
	}
	if c.Failed {
		n.Errors = c.Count
	}
	if !priced {
		n.Unpriced = c.Count
	}
	return n
}

func dayOf(t time.Time) string   { return t.UTC().Format(time.DateOnly) }
func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }
