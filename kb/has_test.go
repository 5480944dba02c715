package kb

import (
	"testing"
	"time"
)

// TestHasFindsTheFilesThatHaveOne: one document for each name after has:, and one that has nothing.
func TestHasFindsTheFilesThatHaveOne(t *testing.T) {
	sure := 0.5
	docs := []*Parsed{{Document: Document{ID: "none"}}}
	for id, d := range map[string]Document{
		"insight":    {Entries: []Entry{{Insights: []Insight{{ID: "1", Text: "x"}}}}},
		"code":       {HasCode: true},
		"links":      {HasLinks: true},
		"transcript": {Transcript: "a.vtt"},
		"url":        {URL: "https://example.org/"},
		"video":      {VideoID: "exampleAA01"},
		"confidence": {Confidence: &sure},
		"warning":    {Warnings: []string{"odd_value: x"}},
	} {
		d.ID = id
		docs = append(docs, &Parsed{Document: d})
	}
	docs = append(docs, &Parsed{Document: Document{ID: "cues"}, Segments: []Segment{{Text: "x"}}}, &Parsed{Document: Document{ID: "entry", Entries: []Entry{{Title: "x"}}}})
	for _, d := range docs {
		d.Title, d.Path, d.Modified = "everyword", d.ID+".md", time.Now()
	}
	s := newShelf(t, docs).searcher(t)
	for _, name := range hasNames {
		want := map[string]bool{name: true}
		switch name {
		case "transcript":
			want["cues"] = true
		case "entry":
			want["insight"] = true
		}
		for query, n := range map[string]int{"has:" + name + " everyword": len(want), "everyword -has:" + name: len(docs) - len(want)} {
			r := search1(t, s, Request{Query: query, Limit: 100})
			for _, h := range r.Hits {
				if has := query[0] == 'h'; want[h.ID] != has {
					t.Errorf("%s finds %s", query, h.ID)
				}
			}
			if r.Total != n {
				t.Errorf("%s finds %d, want %d", query, r.Total, n)
			}
		}
	}
}
