package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// Duration is a span of time, written as 500ms, 2s, 5m, 1h30m or 7d (a day is 24 hours) in files, JSON and text.
type Duration time.Duration

const day = 24 * time.Hour

// units are tried in this order, so "ms" comes before "m".
var units = []struct {
	name string
	size time.Duration
}{{"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", time.Nanosecond}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+$`

var (
	errDuration = errors.New("not a duration")
	errNoUnit   = errors.New("has no unit")
	errTooLong  = errors.New("longer than 292 years") // 2^63 nanoseconds
)

// ParseDuration reads a duration such as 2s, 5m, 1h30m or 7d. A number without unit and a negative one are errors.
func ParseDuration(s string) (Duration, error) {
	if s == "" {
		return 0, errDuration
	}
	total := 0.0
	for rest := s; rest != ""; {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		number := rest[:n]
		rest = rest[n:]
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || number[0] == '.' || number[n-1] == '.' {
			return 0, errDuration
		}
		if rest == "" {
			return 0, errNoUnit
		}
		size := time.Duration(0)
		for _, u := range units {
			if after, ok := strings.CutPrefix(rest, u.name); ok {
				rest, size = after, u.size
				break
			}
		}
		if size == 0 {
			return 0, errDuration
		}
		total += v * float64(size)
	}
	if total >= math.MaxInt64 {
		return 0, errTooLong
	}
	return Duration(math.Round(total)), nil
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the shortest form that [ParseDuration] reads back, "7d" or "1h30m".
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	if rest < 0 {
		b.WriteByte('-')
		rest = -rest
	}
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}} {
		if n := rest / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			rest -= n * u.size //nolint:durationcheck // n is a count
		}
	}
	return b.String()
}

// MarshalText makes JSON and YAML show the duration as it is written in the file.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote, and every other form of [ParseDuration].
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err == nil {
		*d = v
	}
	return err
}

// JSONSchema describes a duration to the schema of the file.
func (Duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: durationPattern, Examples: []any{"2s", "5m", "7d"}}
}
