package config

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "2s": 2 * time.Second, "5m": 5 * time.Minute, "7d": 7 * day, "1h30m": 90 * time.Minute,
		"1.5s": 1500 * time.Millisecond, "500ms": 500 * time.Millisecond, "10us": 10 * time.Microsecond, "3ns": 3, "1d12h": 36 * time.Hour,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%s: got %v, %v, want %v", text, got.Std(), err, want)
		}
		if back, err := ParseDuration(got.String()); err != nil || back != got {
			t.Errorf("%s: written as %s, read back as %v, %v", text, got, back, err)
		}
	}
	for d, want := range map[Duration]string{Duration(7 * day): "7d", Duration(90 * time.Minute): "1h30m", Duration(-time.Second): "-1s", Duration(1500 * time.Millisecond): "1s500ms", math.MinInt64 + 1: "-106751d23h47m16s854ms775us807ns"} {
		if got := d.String(); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
	for text, want := range map[string]error{
		"": errDuration, "s": errDuration, "5": errNoUnit, "1h5": errNoUnit, "-1s": errDuration, "+1s": errDuration, "1x": errDuration, "1 s": errDuration,
		".5s": errDuration, "5.s": errDuration, "1.2.3s": errDuration, "∞": errDuration, "1e3s": errDuration, "300y": errDuration, "106752d": errTooLong,
		strings.Repeat("9", 400) + "s": errDuration,
	} {
		if got, err := ParseDuration(text); !errors.Is(err, want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestDurationInJSONAndYAML(t *testing.T) {
	in := Stream{Interval: Duration(5 * time.Second)}
	text, err := json.Marshal(in)
	var out Stream
	if err != nil || string(text) != `{"Interval":"5s"}` || json.Unmarshal(text, &out) != nil || out != in {
		t.Errorf("JSON %s, %v, back %v", text, err, out)
	}
	if text, err = yaml.Marshal(in); err != nil || string(text) != "interval: 5s\n" {
		t.Errorf("YAML %s, %v", text, err)
	}
}

func TestFormats(t *testing.T) {
	for kind, c := range map[string]struct {
		good map[string]string
		bad  []string
	}{
		"hostport": {
			map[string]string{"127.0.0.1:8080": "", ":0": "", "[::1]:65535": "", "[fe80::1%eth0]:1": "", "my-host.local:80": "", "localhost:1": ""},
			[]string{"", "8080", "localhost", "a:", "a:65536", "a:-1", "a:080", "a:http", "::1:80", "300.1.1.1:80", "a b:80", "a_:1", "http://a:80", "[a]b:1", "[fe80::1%a,b]:1"},
		},
		"host": {
			map[string]string{"Example.ORG": "example.org", "::1": "", "[::1]": "::1", "10.0.0.1": "", "my_service": "", "0:0:0:0:0:0:0:1": "::1"},
			[]string{"", "a:80", "http://a", "*", "*.a", "a/b", "1.2.3", "-a", "a.", "[a]", "fe80::1%eth0", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"},
		},
		"origin": {
			map[string]string{"http://localhost:3000": "", "HTTP://A": "http://a", "https://a:443": "https://a", "http://a:443": "", "http://[::1]:1": "", "tauri://localhost": ""},
			[]string{"", "*", "null", "http://", "http://a/", "http://a/b", "http://a?", "http://a#", "http://a?b", "http://u@a", "a:80", "//a", "http://a:", "http://a:0", "http://a:65536", "http://a b", "mailto:a", "http://*.a"},
		},
		"name":   {map[string]string{"cpu": "", "disk_io": ""}, []string{"", "CPU", "a-b", "_a", "1a"}},
		"path":   {map[string]string{"": "", "/a/b": "", "a": "", "a~": ""}, []string{"~", "~/a", "a\x00b"}},
		"folder": {map[string]string{"/a": ""}, []string{"", "~/a"}},
	} {
		for in, want := range c.good {
			if want == "" {
				want = in
			}
			if got, ok := formats[kind].norm(in); !ok || got != want {
				t.Errorf("%s %q: got %q, %v, want %q", kind, in, got, ok, want)
			}
		}
		for _, in := range c.bad {
			if got, ok := formats[kind].norm(in); ok {
				t.Errorf("%s %q: accepted as %q", kind, in, got)
			}
		}
	}
}

func TestDotEnv(t *testing.T) {
	const text = "\ufeff# c\r\n\r\nA=1\r\n export B = two words # note\nC='a # \\n b' # note\nD=\"x\\ty\\\"\\\\\\$\\q\"\nE=\nF=a#b\nG=\"two\nlines\"\nH=#none\nA=2\nlower.case-x=1\nI=$A"
	want := map[string]string{"A": "2", "B": "two words", "C": `a # \n b`, "D": "x\ty\"\\$\\q", "E": "", "F": "a#b", "G": "two\nlines", "H": "", "lower.case-x": "1", "I": "$A"}
	vars, problems := parseDotEnv("e", []byte(text))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	got := map[string]string{}
	for name, v := range vars {
		got[name] = v.value
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if vars["H"].detail != "H (e:11)" {
		t.Errorf("detail %q, want the line after the one with two lines", vars["H"].detail)
	}
	for text, want := range map[string]string{
		"A":              "e:1: expected KEY=VALUE",
		"\n=1":           "e:2: expected KEY=VALUE",
		"1A=1":           "e:1: expected KEY=VALUE",
		"A='x' y":        "e:1: text after the closing quote",
		"A=1\nB=\"x\nC=": "e:2: the quote is never closed",
		"A=\xff":         "e: not UTF-8 text",
	} {
		_, problems := parseDotEnv("e", []byte(text))
		if len(problems) != 1 || problems[0].String() != want {
			t.Errorf("%q: got %v, want %s", text, problems, want)
		}
	}
	if _, problems := parseDotEnv("e", []byte(strings.Repeat("x\n", 1000))); len(problems) != maxProblems {
		t.Errorf("%d problems, want %d", len(problems), maxProblems)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"levle": "level", "LEVEL": "level", "lvl": "", "formt": "format", "xyz": "", "": ""} {
		if got := nearest(word, []string{"level", "format"}); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestExcerptOfLongLineShowsTheColumn(t *testing.T) {
	line := strings.Repeat("é", 300) + "X" + strings.Repeat("é", 300)
	rows := strings.Split(excerpt(line, 7, 301), "\n")
	at := strings.IndexRune(string([]rune(rows[1])), '^')
	if r := []rune(rows[0]); len(r) > 120 || r[at] != 'X' {
		t.Errorf("got\n%s", strings.Join(rows, "\n"))
	}
}
