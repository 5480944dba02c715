package kb

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes a query as it was understood.
func (c *clause) show() string {
	s := ""
	if c.not {
		s = "-"
	}
	if c.kind == kindOr {
		var kids []string
		for _, k := range c.kids {
			kids = append(kids, k.show())
		}
		return s + "(" + strings.Join(kids, "|") + ")"
	}
	if c.field != "" {
		s += c.field + ":"
	}
	switch {
	case c.kind == kindPhrase:
		return s + `"` + c.text + `"`
	case c.kind == kindRange:
		return s + fmt.Sprintf("%g..%g", c.lo, c.hi)
	case c.prefix:
		return s + c.text + "*"
	case c.fuzzy > 0:
		return s + fmt.Sprintf("%s~%d", c.text, c.fuzzy)
	}
	return s + c.text
}

func TestParseQuery(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"  a  b ":                            "a b",
		"denoise: 0.40":                      "denoise: 0.40",
		"agent: x":                           "agent: x",
		"agent:x Title:y":                    "agent:x title:y",
		"http://x.org":                       "http://x.org",
		"unknown:x":                          "unknown:x",
		`"a b" -"c d" -e -title:f`:           `"a b" -"c d" -e -title:f`,
		"--no-verify - -":                    "--no-verify - -",
		"a OR b c":                           "(a|b) c",
		"a OR b OR c":                        "(a|b|c)",
		"OR a":                               "OR a",
		"a OR":                               "a OR",
		"a or b ORDER":                       "a or b ORDER",
		"pre* c* * **":                       "pre* c* * **",
		"word~ word~1 word~2 word~3 ~1":      "word~1 word~1 word~2 word~3 ~1",
		`title:"x y" 5" a"b"`:                `title:"x y" 5" a"b"`,
		"meta.Model:x meta.:y":               "meta.model:x meta.:y",
		"confidence>=80% x":                  "confidence:0.800000011920929..1 x",
		"confidence>=80":                     "confidence:0.800000011920929..1",
		"confidence: 0.8":                    "confidence: 0.8",
		"confidence >= 0.8":                  "confidence >= 0.8",
		"published:1970 modified>1970-01-01": "published:0..3.1535999e+07 modified:86400..+Inf",
		"modified>=1970-01-01T00:01:00Z":     "modified:60..+Inf",
		"has:Insights":                       "has:insight",
		"sort:modified x":                    "x",
	} {
		q, err := ParseQuery(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		var got []string
		for _, c := range q.all {
			got = append(got, c.show())
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q is %s, want %s", in, s, want)
		}
	}
}

func TestBrokenQueriesSayWhere(t *testing.T) {
	for in, column := range map[string]int{
		`a "b`:                             3,
		`ü "b`:                             3,
		`title:"b`:                         7,
		`""`:                               1,
		`x " "`:                            3,
		"confidence>=abc":                  13,
		"confidence>=101":                  13,
		"confidence>=-1":                   13,
		"confidence>=NaN":                  13,
		"a confidence>":                    14,
		"published>yesterday":              11,
		"published>2025-13":                11,
		"modified:2025-02-30":              10,
		"x has:nothing":                    7,
		"x sort:name":                      3,
		strings.Repeat("a ", 32) + "b":     65,
		strings.Repeat("ab", 251):          1,
		strings.Repeat("日", 501):           1,
		"\xff":                             1,
		strings.Repeat("𝔘", 500) + "x":     1,
		strings.Repeat("a OR ", 32) + "OR": 161,
	} {
		_, err := ParseQuery(in)
		var q *QueryError
		if !errors.As(err, &q) {
			t.Errorf("%.40q gives %v, want a QueryError", in, err)
		} else if q.Column != column {
			t.Errorf("%.40q: column %d, want %d (%v)", in, q.Column, column, err)
		}
	}
	if _, err := ParseQuery("  " + strings.Repeat("日", 500) + " "); err != nil {
		t.Errorf("500 characters: %v", err)
	}
}

func TestLiteralText(t *testing.T) {
	for in, want := range map[string]string{"a b": "a b", `"a b"`: "a b", "a  b:": "a b:", "-a": "!", "agent:x b": "!", "a*": "!", `"a" b`: "!", "": "!"} {
		q, err := ParseQuery(in)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := q.Literal()
		if !ok {
			got = "!"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"", `a "b c" -d OR e`, "confidence>=0.8 published>2025-01 sort:-modified", "pre* x~1 meta.a:b", "OR OR", `-"`, "title:", "ü:日 本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuery(s)
		if err != nil {
			var qe *QueryError
			if !errors.As(err, &qe) || qe.Column < 1 || qe.Column > utf8.RuneCountInString(s)+1 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		q.Literal()
		q.words(func(c *clause) { analyzeWord(c.text) })
	})
}
