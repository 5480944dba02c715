package api

import (
	"math"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// num is a number that may be unknown: NaN is written as null, so that the key stays.
type num float64

// unknown is the value that is written as null.
func unknown() num { return num(math.NaN()) }

func (n num) appendJSON(b []byte) []byte {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// MarshalJSON writes the shortest decimal form, null for NaN.
func (n num) MarshalJSON() ([]byte, error) { return n.appendJSON(make([]byte, 0, 24)), nil }

// Schema documents the type: a number or null.
func (num) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Nullable: true}
}

// percent turns a ratio into 0..100 with one decimal.
func percent(ratio float64) num { return round1(100 * ratio) }

func round1(v float64) num { return num(math.Round(v*10) / 10) }

func round2(v float64) num { return num(math.Round(v*100) / 100) }

// whole rounds bytes and rates to integers, which is what clients expect of them.
func whole(v float64) num { return num(math.Round(v)) }

// gib is bytes in units of 2^30, as the *_gb fields have it.
func gib(bytes float64) num { return round2(bytes / (1 << 30)) }

// stamp is how times are written: RFC 3339 in UTC with microseconds and an explicit zone.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }
