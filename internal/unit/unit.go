// Package unit holds the quantities that people write in files, JSON and on the command line: durations ("90s", "7d") and
// sizes ("64MiB"). Both read and write themselves as text.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as 500ms, 2s, 1h30m or 7d (a day is 24 hours).
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Seconds returns d in seconds.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }

// ParseDuration reads a duration; a number without unit and a negative one are errors.
func ParseDuration(s string) (Duration, error) {
	bad := fmt.Errorf("%q is not a duration such as 500ms, 10s, 5m or 7d", s)
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "", s
	}
	total := 0.0
	if found {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || math.IsNaN(n) {
			return 0, bad
		}
		total = n * 24 * float64(time.Hour)
	}
	if rest != "" || !found {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || strings.ContainsAny(rest, "+-") {
			return 0, bad
		}
		total += float64(d)
	}
	if total >= math.MaxInt64 {
		return 0, bad
	}
	return Duration(total), nil
}

// String returns the shortest form that ParseDuration reads back.
func (d Duration) String() string {
	const day = Duration(24 * time.Hour)
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the form of String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// Bytes is a size, written as 1048576, 64MiB (1024-based) or 10MB (1000-based).
type Bytes int64

var sizes = []struct {
	suffix string
	factor float64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
	{"", 1},
}

// ParseBytes reads a size; a negative one is an error.
func ParseBytes(s string) (Bytes, error) {
	for _, u := range sizes {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*u.factor >= math.MaxInt64 {
			break
		}
		return Bytes(n * u.factor), nil
	}
	return 0, fmt.Errorf("%q is not a size such as 64MiB, 10MB or 1048576", s)
}

// String returns the shortest form that ParseBytes reads back.
func (b Bytes) String() string {
	for _, u := range sizes[:4] {
		if f := Bytes(u.factor); b >= f && b%f == 0 {
			return strconv.FormatInt(int64(b/f), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes the form of String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what ParseBytes reads.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}
