package kb

import (
	"fmt"
	"strings"
	"testing"
)

func TestTokenize(t *testing.T) {
	for in, want := range map[string]string{
		"The Quick, brown":       "1the 2quick 3brown",
		"ip-adapter":             "1ip 2adapter =1ip-adapter",
		"Denoise: 0.40.":         "1denoise 20 340 =20.40",
		"n8n v1.5":               "1n8n 2v1 35 =2v1.5",
		"C++ c# g++.":            "1c =1c++ 2c =2c# 3g =3g++",
		".env ~/.config a..b":    "1env =1.env 2config =2.config 3a 4b",
		"don't":                  "1don 2t",
		"Straße ÜBER ﬁx naïve":   "1strasse 2uber 3fix 4naive",
		"東京 tower":               "1東 2京 3tower",
		"한국어":                    "1한국어",
		"Ἀθῆναι ς":               "1αθηναι 2σ",
		"a‑b":                    "1a 2b =1a-b",
		"snake_case_x":           "1snake 2case 3x =1snake_case_x",
		"foo/bar":                "1foo 2bar",
		"-- ++ ## .":             "",
		"x#y":                    "1x 2y",
		strings.Repeat("a", 100): "1" + strings.Repeat("a", 64),
		strings.Repeat("a-", 10): "1a 2a 3a 4a 5a 6a 7a 8a 9a 10a",
		"a\xffb":                 "1a 2b",
		"e\u0301te\u0301":        "1ete",
	} {
		var got []string
		tokenize(in, func(tk token) {
			sign := ""
			if tk.whole {
				sign = "="
			}
			got = append(got, fmt.Sprintf("%s%d%s", sign, tk.pos, tk.term))
			if tk.start < 0 || tk.end > len(in) || tk.start >= tk.end {
				t.Errorf("%q: bytes %d to %d", in, tk.start, tk.end)
			}
		})
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q is %s, want %s", in, s, want)
		}
	}
}

func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"ip-adapter v1.5 c++ .env", "東京 Straße", "a.-_b", "\xff.x", "‑‑a‑", "Ab ab-c ab‑d ab+e .ab abä Äab x#ab ab# b.ab ab", "a b c\nB.b c++ b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		last := 0
		byFirst := map[byte]string{}
		tokenize(s, func(tk token) {
			byFirst[tk.term[0]] += fmt.Sprintf("%q%+v ", tk.term, tk)
			if len(tk.term) == 0 || tk.start >= tk.end || tk.end > len(s) {
				t.Fatalf("%q: %+v", s, tk)
			}
			if !tk.whole {
				if tk.pos != last+1 {
					t.Fatalf("%q: position %d after %d", s, tk.pos, last)
				}
				last = tk.pos
			}
		})
		for c, want := range byFirst { // who looks for some terms only gets those as they are
			got := ""
			var first firstBytes
			first[c] = true
			tokenizeSome(s, &first, func(tk token) {
				if tk.term[0] == c {
					got += fmt.Sprintf("%q%+v ", tk.term, tk)
				}
			})
			if got != want {
				t.Fatalf("%q: of the terms in %q only %s, want %s", s, c, got, want)
			}
		}
	})
}

func BenchmarkPlaces(b *testing.B) {
	text := strings.Repeat("The quick brown ip-adapter jumps over denoise: 0.40, and naïve users of n8n. ", 40)
	words := newWordSet([][]string{{"brown"}, {"ip-adapter"}})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		words.places(text)
	}
}

func BenchmarkTokenize(b *testing.B) {
	text := strings.Repeat("The quick brown ip-adapter jumps over denoise: 0.40, and naïve users of n8n. ", 40)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tokenize(text, func(token) {})
	}
}
