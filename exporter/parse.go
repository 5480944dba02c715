package exporter

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// nextLine cuts the first line off b; the line has no line end.
func nextLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// nextField cuts the first field off b, white space (blank, tab, CR) on both sides gone. An empty field is the end.
func nextField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !isBlank(b[j]) {
		j++
	}
	return b[i:j], b[j:]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// parseUint reads a decimal number without sign.
func parseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// nextNumber cuts a number off b: NaN when the field is missing or not a decimal number.
func nextNumber(b []byte) (v float64, rest []byte) {
	f, rest := nextField(b)
	n, ok := parseUint(f)
	if !ok {
		return unknown(), rest
	}
	return float64(n), rest
}

// parseFloat reads a finite decimal number with a point ("0.52"); NaN when it is none.
func parseFloat(b []byte) float64 { return parseFloatString(string(b)) }

func parseFloatString(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return unknown()
	}
	return v
}

// interner keeps one string for each name that comes by again and again, so that reading it anew allocates nothing.
type interner map[string]string

const internLimit = 1 << 14 // more names than any machine has at once; then it starts over

func (in *interner) get(b []byte) string {
	if s, ok := (*in)[string(b)]; ok {
		return s
	}
	if *in == nil || len(*in) > internLimit {
		*in = interner{}
	}
	s := string(b)
	(*in)[s] = s
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
