package rig

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	l := Latencies{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.2: 1, 0.5: 3, 0.9: 5, 0.99: 5, 1: 5} {
		if got := l.Quantile(q); got != want {
			t.Errorf("quantile %v = %d, want %d", q, got, want)
		}
	}
	if got := (Latencies{}).Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
}

func TestParseExposition(t *testing.T) {
	samples, err := ParseExposition([]byte(`# HELP x y
# TYPE x counter
x_total{collector="cpu",text="a } b"} 4
x_total{collector="mem"} 1.5 1700000000
plain 7
nan NaN
# EOF
`))
	if err != nil || len(samples) != 4 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	if m := ByLabel(samples, "x_total", "collector"); m["cpu"] != 4 || m["mem"] != 1.5 || len(m) != 2 {
		t.Errorf("by label: %v", m)
	}
	if s := samples[2]; s.Name != "plain" || s.Value != 7 || !math.IsNaN(samples[3].Value) {
		t.Errorf("samples %+v", samples)
	}
	for _, bad := range []string{"x", "x{a=\"b\"}", "x notanumber"} {
		if _, err := ParseExposition([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a sample", bad)
		}
	}
}

func TestSectionsAreReplacedInPlace(t *testing.T) {
	doc := replaceSection([]byte("# Title\n"), "a", "first")
	doc = replaceSection(doc, "b", "second")
	doc = replaceSection(doc, "a", "changed\n\n")
	want := "# Title\n\n<!-- begin a -->\nchanged\n<!-- end a -->\n\n<!-- begin b -->\nsecond\n<!-- end b -->\n"
	if string(doc) != want {
		t.Errorf("got\n%s\nwant\n%s", doc, want)
	}
	broken := replaceSection([]byte("x\n<!-- begin a -->\nkept\n"), "a", "new")
	if !strings.Contains(string(broken), "kept") || !strings.Contains(string(broken), "new") {
		t.Errorf("section without an end: %s", broken)
	}
}

func TestTableIsAligned(t *testing.T) {
	tb := NewTable("a", "long head")
	tb.Row("–", "1")
	tb.Row("wide cell")
	want := "| a         | long head |\n|-----------|-----------|\n| –         | 1         |\n| wide cell |           |\n"
	if got := tb.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
