package unit

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDurationsAreReadAndWritten(t *testing.T) {
	for in, want := range map[string]struct {
		d time.Duration
		s string
	}{
		"500ms": {500 * time.Millisecond, "500ms"}, "10s": {10 * time.Second, "10s"}, "5m": {5 * time.Minute, "5m"},
		"1h30m": {90 * time.Minute, "1h30m"}, "7d": {7 * 24 * time.Hour, "7d"}, "1d12h": {36 * time.Hour, "36h"},
		"0s": {0, "0s"}, "60m": {time.Hour, "1h"}, "90s": {90 * time.Second, "1m30s"}, "1.5d": {36 * time.Hour, "36h"},
	} {
		d, err := ParseDuration(in)
		if err != nil || d.Std() != want.d || d.String() != want.s {
			t.Errorf("%q: got %v %q %v, want %v %q", in, d.Std(), d, err, want.d, want.s)
		}
	}
	for _, in := range []string{"", "10", "-5s", "5 s", "d", "xd", "1d-2h", "5m1d", "1e300d", "NaNd", "+5s"} {
		if d, err := ParseDuration(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, d)
		}
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for in, want := range map[string]struct {
		b Bytes
		s string
	}{
		"64MiB": {64 << 20, "64MiB"}, "10MB": {10_000_000, "10000000"}, "1.5GiB": {3 << 29, "1536MiB"}, "0": {0, "0"},
		"24 GiB": {24 << 30, "24GiB"}, "12B": {12, "12"}, "4096": {4096, "4KiB"},
	} {
		b, err := ParseBytes(in)
		if err != nil || b != want.b || b.String() != want.s {
			t.Errorf("%q: got %d %q %v, want %d %q", in, b, b, err, want.b, want.s)
		}
	}
	for _, in := range []string{"", "-1", "MiB", "5XB", "9e30", "NaN", "1MiBB"} {
		if b, err := ParseBytes(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, b)
		}
	}
}

func FuzzTextReadsBackWhatItWrote(f *testing.F) {
	f.Add("1d2h3ms")
	f.Add("64MiB")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if again, err := ParseDuration(d.String()); err != nil || again != d {
				t.Errorf("duration %q -> %q -> %v %v", s, d, again, err)
			}
		}
		if b, err := ParseBytes(s); err == nil {
			text, _ := json.Marshal(b)
			var again Bytes
			if err := json.Unmarshal(text, &again); err != nil || again != b {
				t.Errorf("size %q -> %s -> %v %v", s, text, again, err)
			}
		}
	})
}
