package kb

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// TestLiteralReadsLongFilesToTheEnd: what is looked for stands across every border between two windows, in lines of any length.
func TestLiteralReadsLongFilesToTheEnd(t *testing.T) {
	const needle = "denoise: 0.40 (ip-adapter)"
	filler := func(line string, n int) string { return strings.Repeat(line, n/len(line)+1)[:n] }
	at := func(line, needle string, places ...int) string {
		var b strings.Builder
		for _, p := range places {
			b.WriteString(filler(line, p-b.Len()) + needle)
		}
		b.WriteString(filler(line, 100))
		return b.String()
	}
	const end = maxLiteralBytes
	wide := func(text string) string {
		b := []byte{0xFF, 0xFE}
		for _, u := range utf16.Encode([]rune(text)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for name, c := range map[string]struct {
		text, needle string
		lines        int
	}{
		"behind the first window":       {at("a line of text\n", needle, end+1000), needle, 1},
		"across two borders":            {at("a line of text\n", needle, end-5, 2*end-100), needle, 2},
		"at each place of a border":     {at("a line of text\n", "\n"+needle+"\n", end-60, end-30, end, end+30, end+60), needle, 5},
		"in one line without an end":    {at("text ", needle, 500, end-5, 2*end+7), needle, 1},
		"in a line across a border":     {at("a line of text\n", needle+strings.Repeat(" and more", 20)+needle, end-60), needle, 1},
		"letters of several bytes":      {at("ein Wort für alle\n", "ÄRGER: größer", end-7, end+500), "ärger: Größer", 2},
		"letters that change length":    {at("K line\n", "İP-ÄRGER", end-4, end+500), "ÄRGER", 2},
		"one character":                 {at("a line of text\n", "!", 5, 7, end+9, 2*end), "!", 3},
		"in UTF-16":                     {wide(at("a line of text\n", needle, end/2-9, end+2000)), needle, 2},
		"across lines":                  {at("text ", "one\nip-adapter", end-6), "ONE\nip", 1},
		"a line's end and what is next": {at("text ", "\nip-adapter", 100, end-1), "\nip", 2},
		"in what is no UTF-8":           {at("x"+strings.Repeat("\x80", 15), needle, end+5), needle, 1},
		"in nothing but halves":         {"x" + strings.Repeat("\x80", end+1<<20) + needle, needle, 1},
		"not there":                     {at("a line of text\n", needle, end-5), needle + "!", 0},
	} {
		file := func(yield func(TextFile) bool) {
			yield(TextFile{ID: "f", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(c.text)), nil }})
		}
		r, err := Literal(t.Context(), c.needle, file, LiteralOptions{Time: time.Minute})
		if err != nil || r.Unread != 0 || r.Truncated {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		got := 0
		for _, h := range r.Hits {
			got += h.MatchCount
			if flat := strings.Join(strings.Fields(c.needle), " "); !strings.Contains(strings.ToLower(h.Preview), strings.ToLower(flat)) {
				t.Errorf("%s: preview %q", name, h.Preview)
			}
		}
		if got != c.lines {
			t.Errorf("%s: %d lines, want %d", name, got, c.lines)
		}
	}
}

// TestLongFilesOfABaseAreAlwaysLookedThrough: what one search learns of a long file must not make the next one pass it over.
func TestLongFilesOfABaseAreAlwaysLookedThrough(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root, func(o *Options) { o.MaxFileSize = 2 * maxLiteralBytes })
	r.write("in/long.md", "# Long\n\n"+strings.Repeat("words of a text\n", maxLiteralBytes/16)+"<<at the end>>\n")
	makeOld(t, root)
	r.scan(ScanRequest{})
	for _, text := range []string{"<<at the beginning>>", "<<AT the end>>", "<<at the end>>"} {
		res, err := Literal(t.Context(), text, r.Texts(t.Context(), ""), LiteralOptions{Time: time.Minute})
		if err != nil || res.Files != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if got, want := fmt.Sprint(len(res.Hits)), map[bool]string{true: "0", false: "1"}[strings.Contains(text, "beginning")]; got != want {
			t.Errorf("%s is in %s files, want %s", text, got, want)
		}
	}
}
