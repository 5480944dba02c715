package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what others may put into a name or a text to fool a terminal, a browser or a reader.
const hostile = "a\x1b]0;owned\x07\x1b[2J\x7f\u009b31m\u202etxt.exe\u2066\u200f\ufeff\U000e0041<script>alert(1)</script>\r\nX: y\x00é漢🎉\ufffd"

// wantHarmless checks that nothing in a text can command a terminal or turn what is read; lines may end.
func wantHarmless(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Fatalf("%s: %q at %d of %q", what, r, i, text[max(i-40, 0):min(i+40, len(text))])
		}
	}
}

func TestJSONHoldsNothingATerminalObeys(t *testing.T) {
	for _, s := range []string{hostile, "", "plain", "\x7f", "\u009b", "x\U000e0041", "\u202e\u202e", "é", "\xff"} {
		text, err := encode(map[string]string{"name": s})
		if err != nil {
			t.Fatal(err)
		}
		wantHarmless(t, "encode", string(text))
		var back map[string]string
		if err := json.Unmarshal(text, &back); err != nil || back["name"] != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q became %q (%v)", s, back["name"], err)
		}
	}
	if got := string(plainJSON([]byte("\"\xff\xfe\""))); got != `"\ufffd\ufffd"` {
		t.Errorf("bytes that are no UTF-8 became %s", got)
	}
}

func FuzzPlainJSON(f *testing.F) {
	f.Add(hostile)
	f.Add("\u0080\u0081")
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		out := plainJSON(raw)
		wantHarmless(t, "plain", string(out))
		var want, got string
		if json.Unmarshal(raw, &want) != nil || json.Unmarshal(out, &got) != nil || want != got {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

func BenchmarkPlainJSON(b *testing.B) {
	for name, text := range map[string]string{"ascii": strings.Repeat("plain text ", 1000), "latin": strings.Repeat("café ", 2000)} {
		raw := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				plainJSON(raw)
			}
		})
	}
}
