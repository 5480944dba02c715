package kb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func openIndex(t *testing.T, dir string) *BleveIndex {
	t.Helper()
	x, err := Open(t.Context(), dir, IndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func parsed(id, title, text string) *Parsed {
	return &Parsed{Document: Document{ID: id, Title: title, Path: "notes/" + id + ".md"}, Text: text}
}

func apply(t *testing.T, x *BleveIndex, generation uint64, puts []*Parsed, deletes ...string) {
	t.Helper()
	if err := x.Apply(t.Context(), generation, puts, deletes); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, x *BleveIndex, query string, o SearchOptions) *IndexResult {
	t.Helper()
	q, err := ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	if o.Limit == 0 {
		o.Limit = 20
	}
	r, err := x.Search(t.Context(), q, o)
	if err != nil {
		t.Fatalf("search %q: %v", query, err)
	}
	return r
}

func ids(r *IndexResult) []string {
	var out []string
	for _, h := range r.Hits {
		out = append(out, h.ID)
	}
	return out
}

func wantIDs(t *testing.T, x *BleveIndex, query string, want ...string) {
	t.Helper()
	got := ids(find(t, x, query, SearchOptions{}))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q finds %v, want %v", query, got, want)
	}
}

func confidence(v float64) *float64 { return &v }

func library() []*Parsed {
	a := parsed("a", "Layer caching", "Build images faster. Use ip-adapter with denoise: 0.40 and n8n flows. The quick brown fox.")
	a.Agent, a.Category, a.Creator, a.Source, a.Tags, a.Confidence = "integration", "docker", "Lena Müller", "lenam", []string{"CI", "speed up"}, confidence(.9)
	a.Published, a.Modified, a.Status = time.Date(2025, 2, 3, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "approved"
	a.Path = "ai-agents/integration/docker/lenam-v1-20250203.md"
	a.Entries = []Entry{{Title: "One", Insights: []Insight{{ID: "1", Text: "Multistage builds shrink images"}}}}
	b := parsed("b", "IP-Adapter in practice", "How the adapter is used in C++ and with a .env file, version v1.5. A brown quick dog.")
	b.Agent, b.Category, b.Confidence, b.Status = "art-director", "comfyui", confidence(.5), "pending"
	b.Published, b.Modified = time.Date(2024, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	b.Meta = map[string]string{"Model": "SDXL 1.0"}
	c := parsed("c", "Größe und Straße", "Über die Größe von Ordnern; see foo/bar.txt and do_not_disturb. C is a letter, env too.")
	c.Agent, c.Language = "integration", "de"
	c.Modified = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	return []*Parsed{a, b, c}
}

func TestWordsAreFoundAsWrittenAndByTheirParts(t *testing.T) {
	x := openIndex(t, t.TempDir())
	apply(t, x, 1, library())
	for query, want := range map[string]string{
		"ip-adapter":                        "a b",
		"IP-Adapter":                        "a b",
		"adapter":                           "a b",
		"n8n":                               "a",
		"denoise: 0.40":                     "a",
		`"denoise: 0.40"`:                   "a",
		"0.40":                              "a",
		"0.41":                              "",
		"c++":                               "b",
		".env":                              "b",
		"env":                               "b c",
		"v1.5":                              "b",
		"großE":                             "c",
		"grosse":                            "c",
		"uber":                              "c",
		"über":                              "c",
		"strasse":                           "c",
		"foo/bar.txt":                       "c",
		"bar.txt":                           "c",
		"do_not_disturb":                    "c",
		"disturb":                           "c",
		`"quick brown"`:                     "a",
		"quick brown":                       "a b",
		`"brown quick"`:                     "b",
		"quick -fox":                        "b",
		`-"quick brown"`:                    "b c",
		"fox OR dog":                        "a b",
		"fox OR dog brown":                  "a b",
		"multistage":                        "a", // only in an insight
		"adap*":                             "a b",
		"ip-ad*":                            "a b",
		"adaptor~1":                         "a b",
		"adaptor":                           "a b", // no document has it
		"dapte":                             "a b", // within a word
		"imagse":                            "a",
		"zzzzzz":                            "",
		"title:caching":                     "a",
		`title:"ip adapter in"`:             "b",
		"creator:müller":                    "a",
		"creator:lenam":                     "a",
		"agent:integration":                 "a c",
		"agent:Integration -fox":            "c",
		"category:comfyui":                  "b",
		"tag:ci":                            "a",
		`tag:"speed up"`:                    "a",
		"tag:speed*":                        "a",
		"path:docker":                       "a",
		"path:integration/docker":           "a",
		"lang:de":                           "c",
		"status:approved OR status:pending": "a b",
		`meta.model:"sdxl 1.0"`:             "b",
		"meta.model:sdxl*":                  "b",
		"has:insight":                       "a",
		"confidence>=0.5":                   "a b",
		"confidence>0.5":                    "a",
		"confidence<90%":                    "b",
		"confidence<=0.9":                   "a b",
		"published>2024":                    "a",
		"published>=2024":                   "a b",
		"published:2024-12-31":              "b",
		"published<2025-01":                 "b",
		"modified>=2026-01-02":              "b c",
		"":                                  "a b c",
		"-fox":                              "b c",
		"sort:modified":                     "a b c",
		"::":                                "",
	} {
		wantIDs(t, x, query, strings.Fields(want)...)
	}
}

func TestTheTitleRanksFirst(t *testing.T) {
	x := openIndex(t, t.TempDir())
	docs := library()
	for i := range 50 {
		docs = append(docs, parsed(fmt.Sprintf("x%02d", i), "Notes", strings.Repeat("ip adapter and more words. ", 1+i%7)+"the ip-adapter"))
	}
	apply(t, x, 1, docs)
	if got := ids(find(t, x, "ip-adapter", SearchOptions{})); got[0] != "b" {
		t.Errorf("first is %s, want b", got[0])
	}
}

func TestOrderOfHits(t *testing.T) {
	x := openIndex(t, t.TempDir())
	apply(t, x, 1, library())
	for query, want := range map[string]string{
		"sort:modified":       "b c a",
		"sort:-modified":      "a c b",
		"sort:published":      "a b c", // c has none
		"sort:-published":     "b a c",
		"sort:confidence":     "a b c",
		"agent:integration":   "c a", // nothing to score by: newest first
		"quick brown":         "a b", // side by side, in order
		"sort:relevance":      "b c a",
		"sort:-confidence -x": "b a c",
	} {
		if got := strings.Join(ids(find(t, x, query, SearchOptions{})), " "); got != want {
			t.Errorf("%q gives %s, want %s", query, got, want)
		}
	}
}

func TestPagesJoinWithoutGaps(t *testing.T) {
	x := openIndex(t, t.TempDir())
	const n = 1234
	for from := 0; from < n; from += 300 { // several segments
		var docs []*Parsed
		for i := from; i < min(from+300, n); i++ {
			d := parsed(fmt.Sprintf("d%05d", i*7919%n), "Note", "common words here "+strings.Repeat("filler text ", i%13)+strings.Repeat("common ", i%3)+"words")
			d.Modified = time.Unix(int64(1e9+i/10), 0)
			docs = append(docs, d)
		}
		apply(t, x, uint64(from+1), docs)
	}
	for _, query := range []string{"common words", "sort:modified common", ""} {
		var byCursor, byOffset []string
		o := SearchOptions{Limit: 97}
		for {
			r := find(t, x, query, o)
			if r.Total != n {
				t.Fatalf("%q: total %d, want %d", query, r.Total, n)
			}
			if len(r.Hits) == 0 {
				break
			}
			byCursor = append(byCursor, ids(r)...)
			o.Cursor = r.Hits[len(r.Hits)-1].Cursor
		}
		for off := 0; off < n; off += 500 {
			byOffset = append(byOffset, ids(find(t, x, query, SearchOptions{Limit: 500, Offset: off}))...)
		}
		if !slices.Equal(byCursor, byOffset) {
			t.Errorf("%q: pages by cursor (%d) and by offset (%d) differ", query, len(byCursor), len(byOffset))
		}
		slices.Sort(byCursor)
		if got := len(slices.Compact(byCursor)); got != n {
			t.Errorf("%q: %d different documents, want %d", query, got, n)
		}
	}
	q, _ := ParseQuery("x")
	if _, err := x.Search(t.Context(), q, SearchOptions{Limit: 1, Cursor: "nonsense"}); !errors.Is(err, ErrCursor) {
		t.Errorf("a false cursor gives %v", err)
	}
}

func TestFacetsCountAllThatMatch(t *testing.T) {
	x := openIndex(t, t.TempDir())
	apply(t, x, 1, library())
	r := find(t, x, "", SearchOptions{Facets: true, Limit: 1})
	got := fmt.Sprint(r.Facets["agent"], r.Facets["category"], r.Facets["creator"], r.Facets["tag"], r.Facets["status"], r.Facets["confidence"])
	want := "[{integration 2} {art-director 1}] [{comfyui 1} {docker 1}] [{Lena Müller 1}] [{CI 1} {speed up 1}] [{approved 1} {pending 1}] [{0.4-0.6 1} {0.8-1.0 1} {unknown 1}]"
	if got != want {
		t.Errorf("facets are\n%s, want\n%s", got, want)
	}
	if r := find(t, x, "", SearchOptions{Agent: "INTEGRATION"}); r.Total != 2 {
		t.Errorf("agent of the options: %d, want 2", r.Total)
	}
}

func TestChangesReplaceAndDelete(t *testing.T) {
	dir := t.TempDir()
	x := openIndex(t, dir)
	apply(t, x, 1, library())
	changed := parsed("a", "Layer caching", "something else entirely")
	apply(t, x, 2, []*Parsed{changed}, "b")
	wantIDs(t, x, "fox")
	wantIDs(t, x, "entirely", "a")
	wantIDs(t, x, "", "a", "c")
	wantIDs(t, x, "-letter", "a")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Generation(); err == nil {
		t.Error("a closed index answers")
	}
	y := openIndex(t, dir)
	if g, err := y.Generation(); g != 2 || err != nil {
		t.Errorf("generation is %d (%v), want 2", g, err)
	}
	wantIDs(t, y, "", "a", "c")
	s, err := y.Stats()
	if err != nil || s.Documents != 2 || s.Generation != 2 || s.Applied.IsZero() || s.DiskBytes == 0 {
		t.Errorf("stats are %+v (%v)", s, err)
	}
}

func TestCorrectionIsTold(t *testing.T) {
	x := openIndex(t, t.TempDir())
	apply(t, x, 1, library())
	r := find(t, x, "multistgae builds", SearchOptions{})
	if len(r.Corrected) != 1 || r.Corrected[0] != (Correction{"multistgae", "multistage"}) {
		t.Errorf("corrected is %v", r.Corrected)
	}
	if r := find(t, x, "builds", SearchOptions{}); len(r.Corrected) != 0 {
		t.Errorf("a known word was corrected: %v", r.Corrected)
	}
}

func TestADamagedIndexIsToldFromAnUnavailableOne(t *testing.T) {
	fill := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "index")
		x := openIndex(t, dir)
		apply(t, x, 1, library())
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	segmentFile := func(t *testing.T, dir string) string {
		files, err := filepath.Glob(filepath.Join(dir, "*.zap"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no segment files (%v)", err)
		}
		return files[len(files)-1]
	}
	damage := map[string]func(t *testing.T, dir string){
		"segment cut off": func(t *testing.T, dir string) {
			if err := os.Truncate(segmentFile(t, dir), 100); err != nil {
				t.Fatal(err)
			}
		},
		"segment empty": func(t *testing.T, dir string) {
			if err := os.Truncate(segmentFile(t, dir), 0); err != nil {
				t.Fatal(err)
			}
		},
		"segment gone": func(t *testing.T, dir string) {
			if err := os.Remove(segmentFile(t, dir)); err != nil {
				t.Fatal(err)
			}
		},
		"root overwritten": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "root.bolt"), []byte(strings.Repeat("nonsense", 4096)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"root gone": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "root.bolt")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			dir := fill(t)
			f(t, dir)
			x, err := Open(t.Context(), dir, IndexOptions{})
			var d *DamagedError
			if !errors.As(err, &d) || d.Dir != dir {
				if err == nil {
					g, _ := x.Generation()
					_ = x.Close()
					if g == 0 { // an older state was opened, which the record's generation shows
						return
					}
				}
				t.Fatalf("open gives %v, want a DamagedError or an older generation", err)
			}
			aside, err := SetIndexAside(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(aside); err != nil {
				t.Error(err)
			}
			apply(t, openIndex(t, dir), 1, library())
		})
	}
	t.Run("flipped bytes", func(t *testing.T) {
		dir := fill(t)
		file := segmentFile(t, dir)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 20; i < 200; i++ {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := Open(t.Context(), dir, IndexOptions{})
		var d *DamagedError
		if err == nil {
			defer x.Close()
			err = x.Verify(t.Context())
		}
		if !errors.As(err, &d) {
			t.Fatalf("verify gives %v, want a DamagedError", err)
		}
		if x != nil {
			q, _ := ParseQuery("fox")
			if _, err := x.Search(t.Context(), q, SearchOptions{Limit: 1}); !errors.As(err, &d) {
				t.Errorf("search gives %v, want a DamagedError", err)
			}
		}
	})
	t.Run("in use", func(t *testing.T) {
		dir := fill(t)
		openIndex(t, dir)
		_, err := Open(t.Context(), dir, IndexOptions{})
		var d *DamagedError
		if err == nil || errors.As(err, &d) {
			t.Errorf("a second open gives %v", err)
		}
	})
	t.Run("sound", func(t *testing.T) {
		if err := openIndex(t, fill(t)).Verify(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSearchesRunBesideBatches(t *testing.T) {
	x := openIndex(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		defer cancel()
		for g := range 30 {
			var docs []*Parsed
			for i := range 40 {
				docs = append(docs, parsed(fmt.Sprintf("d%d", (g*17+i)%200), "Note", fmt.Sprintf("batch%d says hello world", g)))
			}
			if err := x.Apply(t.Context(), uint64(g+1), docs, nil); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	q, _ := ParseQuery(`"hello world" sort:modified`)
	for ctx.Err() == nil {
		r, err := x.Search(t.Context(), q, SearchOptions{Limit: 1000, Facets: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(r); len(got) != r.Total || len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Fatalf("a document is there twice, or the total is wrong: %d of %d", len(got), r.Total)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
