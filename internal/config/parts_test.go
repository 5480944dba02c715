package config

import (
	"reflect"
	"strings"
	"testing"
)

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
