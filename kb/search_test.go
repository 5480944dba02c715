package kb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shelf is a folder of files with their records, as the base gives them to a searcher.
type shelf struct {
	dir   string
	docs  map[string]*Document
	index *BleveIndex
	told  int
}

func newShelf(t *testing.T, docs []*Parsed) *shelf {
	s := &shelf{dir: t.TempDir(), docs: map[string]*Document{}}
	for _, p := range docs {
		s.docs[p.ID] = &p.Document
		s.write(t, p.ID, p.Text)
	}
	s.index = openIndex(t, t.TempDir())
	apply(t, s.index, 7, docs)
	return s
}

func (s *shelf) write(t *testing.T, id, text string) {
	if err := os.WriteFile(filepath.Join(s.dir, id), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) searcher(t *testing.T) *Searcher {
	t.Helper()
	sr, err := NewSearcher(SearchSources{
		Index: func() *BleveIndex { return s.index },
		Documents: func(_ context.Context, ids []string) (map[string]*Document, error) {
			m := map[string]*Document{}
			for _, id := range ids {
				if d := s.docs[id]; d != nil {
					m[id] = d
				}
			}
			return m, nil
		},
		Text: func(_ context.Context, d *Document) (string, error) {
			b, err := os.ReadFile(filepath.Join(s.dir, d.ID))
			return string(b), err
		},
		Files: func(_ context.Context, agent string) iter.Seq[TextFile] {
			return func(yield func(TextFile) bool) {
				for id, d := range s.docs {
					if agent != "" && d.Agent != agent {
						continue
					}
					if !yield(TextFile{ID: id, Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(s.dir, id)) }}) {
						return
					}
				}
			}
		},
		Damaged: func(error) { s.told++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	return sr
}

func search1(t *testing.T, s *Searcher, r Request) *Result {
	t.Helper()
	res, err := s.Search(t.Context(), r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return res
}

func hitIDs(r *Result) string {
	var out []string
	for _, h := range r.Hits {
		out = append(out, h.ID)
	}
	return strings.Join(out, " ")
}

func TestAHitHasPreviewInsightAndLink(t *testing.T) {
	docs := library()
	at := 150.7
	docs[0].URL = "https://www.youtube.com/watch?v=v1"
	docs[0].Entries[0].Insights = append(docs[0].Entries[0].Insights, Insight{ID: "2", Text: "The quick fox builds", Start: &at})
	docs[0].Text = strings.Repeat("Nothing to see in this line of text.\n", 30) + "The quick brown fox\nis quick.\n"
	s := newShelf(t, docs).searcher(t)
	res := search1(t, s, Request{Query: "quick fox", Facets: true})
	if res.Total != 1 || res.Mode != ModeIndex || res.Generation != 7 || res.Age <= 0 || res.Took <= 0 || len(res.Facets) == 0 {
		t.Fatalf("result is %+v", res)
	}
	h := res.Hits[0]
	if h.Preview != "The quick brown fox is quick." || h.MatchCount != 2 {
		t.Errorf("preview %q, %d lines", h.Preview, h.MatchCount)
	}
	var joined, marked string
	for _, f := range h.Highlights {
		joined += f.Text
		if f.Match {
			marked += f.Text + "|"
		}
	}
	if joined != h.Preview || marked != "quick|fox|quick|" {
		t.Errorf("fragments join to %q, marked are %s", joined, marked)
	}
	if h.Insight == nil || h.Insight.ID != "2" || h.Entry == nil || h.Entry.Title != "One" {
		t.Errorf("insight %+v of entry %+v", h.Insight, h.Entry)
	}
	if h.URL != "https://www.youtube.com/watch?t=150&v=v1" {
		t.Errorf("url is %s", h.URL)
	}
}

func TestWhatTheIndexLacksIsFoundInTheFiles(t *testing.T) {
	sh := newShelf(t, library())
	sh.write(t, "c", "line one\nsee -->Bazz<-- and bazz\r\n--> BAZZ<--\n")
	s := sh.searcher(t)
	for query, want := range map[string]string{
		"-->bazz<--": "c",
		">bazz<":     "c",
		"zz<--":      "c", // index: a word that is not there
		"xyzzy plum": "",
	} {
		res := search1(t, s, Request{Query: query})
		if got := hitIDs(res); got != want || res.Mode != ModeLiteral {
			t.Errorf("%q finds %q by %q, want %q", query, got, res.Mode, want)
		}
	}
	res := search1(t, s, Request{Query: "bazz<--", Mode: ModeLiteral})
	if h := res.Hits[0]; h.MatchCount != 2 || h.Preview != "see -->Bazz<-- and bazz" || len(h.Highlights) != 3 || h.Highlights[1] != (Fragment{"Bazz<--", true}) {
		t.Errorf("literal hit is %+v", h)
	}
	if res := search1(t, s, Request{Query: "bazz<--", Mode: ModeLiteral, Agent: "art-director"}); res.Total != 0 {
		t.Errorf("another agent's file was found: %+v", res)
	}
	if res := search1(t, s, Request{Query: "-->bazz<--", Mode: ModeIndex}); res.Mode != ModeIndex {
		t.Errorf("mode index answered by %s", res.Mode)
	}
	if res := search1(t, s, Request{Query: "agent:nobody fox"}); res.Mode != ModeIndex || res.Total != 0 {
		t.Errorf("a query with fields went to the files: %+v", res)
	}
}

func TestHitsWithoutARecordAreDropped(t *testing.T) {
	sh := newShelf(t, library())
	delete(sh.docs, "b")
	res := search1(t, sh.searcher(t), Request{Query: "quick"})
	if hitIDs(res) != "a" || res.Total != 1 {
		t.Errorf("hits %s of %d", hitIDs(res), res.Total)
	}
}

func TestHitsAheadOfTheirRecordAreDropped(t *testing.T) {
	docs := library()
	for _, p := range docs {
		p.Generation = 7
	}
	sh := newShelf(t, docs)
	older := *sh.docs["b"] // the record was not committed with the batch that the index has
	older.Generation = 6
	sh.docs["b"] = &older
	s := sh.searcher(t)
	if res := search1(t, s, Request{Query: "quick"}); hitIDs(res) != "a" || res.Total != 1 {
		t.Errorf("hits %s of %d", hitIDs(res), res.Total)
	}
	older.Generation = 8 // what changed since does not concern the index
	if res := search1(t, s, Request{Query: "quick"}); res.Total != 2 {
		t.Errorf("hits %s of %d", hitIDs(res), res.Total)
	}
}

func TestLargeBatchIsWrittenInPartsAndFoundWhole(t *testing.T) {
	x, err := Open(t.Context(), t.TempDir(), IndexOptions{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var docs []*Parsed
	for i := range 3*partSize + 50 {
		docs = append(docs, parsed(fmt.Sprintf("d%04d", i), "Part", fmt.Sprintf("number n%04d of many", i)))
	}
	apply(t, x, 1, docs)
	apply(t, x, 2, docs[:2*partSize], "d0649", "d0648")
	if g, err := x.Generation(); err != nil || g != 2 {
		t.Errorf("generation %d, %v", g, err)
	}
	if n := find(t, x, "many", SearchOptions{}).Total; n != len(docs)-2 {
		t.Errorf("%d documents of %d", n, len(docs)-2)
	}
	for _, i := range []int{0, partSize - 1, partSize, 2*partSize + 1, len(docs) - 3} {
		wantIDs(t, x, fmt.Sprintf("n%04d", i), docs[i].ID)
	}
}

func TestSearchWithoutAnIndexIsDegraded(t *testing.T) {
	sh := newShelf(t, library())
	x := sh.index
	sh.index = nil
	s := sh.searcher(t)
	if res := search1(t, s, Request{Query: "quick"}); !res.Degraded || res.Total != 2 {
		t.Errorf("without index: %+v", res)
	}
	if res := search1(t, s, Request{Query: "agent:x quick"}); !res.Degraded || res.Total != 0 {
		t.Errorf("without index, with a field: %+v", res)
	}
	sh.index = x
	_ = x.damaged(errors.New("as if"))
	if res := search1(t, s, Request{Query: "quick"}); !res.Degraded || res.Total != 2 || sh.told != 1 {
		t.Errorf("with a damaged index: %+v, told %d times", res, sh.told)
	}
}

func TestCorrectedQueryIsShown(t *testing.T) {
	s := newShelf(t, library()).searcher(t)
	if res := search1(t, s, Request{Query: "Shrnk images"}); res.Corrected != "shrink images" || hitIDs(res) != "a" {
		t.Errorf("corrected to %q, hits %s", res.Corrected, hitIDs(res))
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	s := newShelf(t, library()).searcher(t)
	for _, r := range []Request{{Limit: -1}, {Limit: 1001}, {Offset: -1}, {Mode: "x"}} {
		if _, err := s.Search(t.Context(), r); err == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
	for _, r := range []Request{{Query: `"`}, {Mode: ModeLiteral}, {Sort: "x"}} {
		var q *QueryError
		if _, err := s.Search(t.Context(), r); !errors.As(err, &q) {
			t.Errorf("%+v gives %v", r, err)
		}
	}
	if _, err := s.Search(t.Context(), Request{Query: "quick", Cursor: "x"}); !errors.Is(err, ErrCursor) {
		t.Errorf("a false cursor gives %v", err)
	}
}

func TestVideoURL(t *testing.T) {
	at, begin := 90.9, 0.5
	for _, c := range []struct {
		address, id string
		at          *float64
		want        string
	}{
		{"https://youtu.be/abcdefghij1", "", &at, "https://youtu.be/abcdefghij1?t=90"},
		{"https://www.youtube.com/watch?v=abcdefghij1&t=1#f", "", &at, "https://www.youtube.com/watch?t=90&v=abcdefghij1#f"},
		{"https://www.youtube.com/watch?v=abcdefghij1", "other", &begin, "https://www.youtube.com/watch?v=abcdefghij1"},
		{"", "abcdefghij1", &at, "https://www.youtube.com/watch?t=90&v=abcdefghij1"},
		{"", "abcdefghij1", nil, "https://www.youtube.com/watch?v=abcdefghij1"},
		{"", "no id", &at, ""},
		{"https://a.b/c?t=1&v=2#f", "", &at, "https://a.b/c?t=1&v=2#f"},
		{" http://x.org ", "", &at, "http://x.org"},
		{"javascript:alert(1)", "", &at, ""},
		{"/local", "", &at, ""},
	} {
		if got := VideoURL(c.address, c.id, c.at); got != c.want {
			t.Errorf("%q, %q is %q, want %q", c.address, c.id, got, c.want)
		}
	}
}

// Of a file about several videos a hit leads to the one that it is from.
func TestHitLeadsToItsVideo(t *testing.T) {
	start := 75.0
	d := &Document{URL: "https://youtu.be/document001", Entries: []Entry{
		{Title: "First", URL: "https://youtu.be/abcdefghij1", Insights: []Insight{{Text: "alpha"}}},
		{Title: "Second", VideoID: "abcdefghij2", Insights: []Insight{{Text: "beta", Start: &start}}},
		{Title: "Third", Insights: []Insight{{Text: "gamma", Start: &start}}},
	}}
	for word, want := range map[string]string{
		"alpha": "https://youtu.be/abcdefghij1", "beta": "https://www.youtube.com/watch?t=75&v=abcdefghij2", "gamma": "https://youtu.be/document001?t=75",
	} {
		h := Hit{Document: d}
		h.choose(newWordSet([][]string{{word}}))
		if h.URL != want {
			t.Errorf("%s leads to %q, want %q", word, h.URL, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	files := map[string]string{
		"a":     "Ein IP-Adapter\nzwei\nip-ADAPTER ip-adapter\n",
		"b":     "nothing",
		"c":     "ÄÖÜ straße",
		"utf16": "\xff\xfeD\x00e\x00n\x00o\x00i\x00s\x00e\x00:\x00 \x000\x00",
		"long":  strings.Repeat("x ", 500) + "needle: 0.40 " + strings.Repeat("y ", 500),
		"latin": "caf\xe9 needle: 0.4",
	}
	all := func(yield func(TextFile) bool) {
		for id, text := range files {
			if !yield(TextFile{ID: id, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}) {
				return
			}
		}
		yield(TextFile{ID: "broken", Open: func() (io.ReadCloser, error) { return nil, os.ErrPermission }})
	}
	for text, want := range map[string]string{
		"ip-adapter":  "a:2",
		"IP-Adapter":  "a:2",
		"zwei\nip":    "a:1",
		"äöü Straße":  "c:1",
		"denoise: 0":  "utf16:1",
		"needle: 0.4": "latin:1 long:1",
		"e":           "a:3 latin:1 long:1 utf16:1 c:1",
		"absent":      "",
	} {
		r, err := Literal(t.Context(), text, all, LiteralOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range r.Hits {
			got = append(got, fmt.Sprintf("%s:%d", h.ID, h.MatchCount))
			if !strings.Contains(strings.ToLower(h.Preview), strings.ToLower(strings.ReplaceAll(text, "\n", " "))) || len([]rune(h.Preview)) > maxPreview {
				t.Errorf("%q: preview %q", text, h.Preview)
			}
		}
		w := strings.Fields(want)
		slices.Sort(w)
		slices.Sort(got)
		if !slices.Equal(got, w) || r.Files != 7 || r.Unread != 1 || r.Truncated {
			t.Errorf("%q gives %v, %+v; want %v", text, got, r, w)
		}
	}
	if _, err := Literal(t.Context(), "  ", all, LiteralOptions{}); err == nil {
		t.Error("a blank text is accepted")
	}
}

func TestLiteralStopsWhenTimeIsUp(t *testing.T) {
	endless := func(yield func(TextFile) bool) {
		for yield(TextFile{ID: "f", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("text")), nil }}) {
		}
	}
	r, err := Literal(t.Context(), "text", endless, LiteralOptions{Time: 20 * time.Millisecond})
	if err != nil || !r.Truncated {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Literal(ctx, "text", endless, LiteralOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzIndexFold(f *testing.F) {
	f.Add("Some Text with NEEDLE", "needle")
	f.Add("aAaAaAb", "aab")
	f.Fuzz(func(t *testing.T, text, needle string) {
		b := []byte(needle)
		lowerASCII(b)
		if len(b) == 0 {
			return
		}
		lower := []byte(text)
		lowerASCII(lower)
		if got, want := indexFold([]byte(text), b), strings.Index(string(lower), string(b)); got != want {
			t.Fatalf("%q in %q: %d, want %d", b, text, got, want)
		}
	})
}

func TestPreviewHasNoLabelsBehindTheTitle(t *testing.T) {
	const labels = "Source: Brushwork Lab\nVideo ID: exampleCC04\nConfidence: 76%\n\n---\n"
	for _, c := range []struct{ text, word, want string }{
		{"Rim light\n\n" + labels + "\nTopic: Small sprites\nKeep it thin.", "rim", "Rim light Topic: Small sprites Keep it thin."},
		{"Rim light\n" + labels + "Keep it thin.", "", "Rim light Keep it thin."},
		{"Rim light\n" + labels + "Keep it thin.", "thin", "Keep it thin."},
		{"Rim light\n" + labels + "Keep it thin.", "brushwork", "Source: Brushwork Lab Video ID: exampleCC04 Confidence: 76% --- Keep it thin."},
		{"Rim light\nSource: Brushwork and rim\nKeep it thin.", "rim", "Rim light Source: Brushwork and rim Keep it thin."}, // a word is in them
		{"Rim light\n" + labels, "rim", "Rim light Source: Brushwork Lab Video ID: exampleCC04 Confidence: 76% ---"},        // nothing else
		{"Rim light\nKeep: it thin", "rim", "Rim light Keep: it thin"},
		{"Rim light", "rim", "Rim light"},
		{"", "rim", ""},
	} {
		s := snippetOf(c.text, newWordSet([][]string{{c.word}}))
		var joined string
		for _, f := range s.fragments {
			joined += f.Text
		}
		if s.preview != c.want || joined != c.want {
			t.Errorf("%q in %q: %q, %q", c.word, c.text, s.preview, joined)
		}
	}
}

func FuzzSnippet(f *testing.F) {
	f.Add("a b c\nip-adapter d e", "ip adapter")
	f.Add("\xff\xfe日本 x", "x")
	f.Add("title\nSource: a\n---\nsaid", "title")
	f.Fuzz(func(t *testing.T, text, query string) {
		var words [][]string
		for _, w := range strings.Fields(query) {
			words = append(words, analyzeWord(w).parts)
		}
		s := snippetOf(text, newWordSet(words))
		var joined string
		for _, fr := range s.fragments {
			joined += fr.Text
		}
		if joined != s.preview || len([]rune(s.preview)) > maxPreview || strings.ContainsAny(s.preview, "\n\t") {
			t.Fatalf("%q: preview %q, fragments %v", text, s.preview, s.fragments)
		}
	})
}
