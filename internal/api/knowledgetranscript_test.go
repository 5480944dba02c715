package api

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withTranscripts is the example tree with a talk whose file alone knows the video, and one of which nobody does.
func withTranscripts(t *testing.T) *knowledgeSite {
	t.Helper()
	return startKnowledge(t, func(_ *Options, root string) {
		for name, text := range map[string]string{
			"talk.md":      "---\nurl: https://www.youtube.com/watch?v=talktalk001\n---\n# A talk\n\nAbout glazing.\n",
			"talk.en.vtt":  "WEBVTT\n\n00:00.000 --> 00:04.000\nwelcome\n\n01:02:03.500 --> 01:02:07.250 align:start\n<c.red>Ochre</c> &amp; umber, thinly:\n\n01:02:07.250 --> 01:02:09.000\nOchre & umber, thinly:\nglaze-over twice\n",
			"alone.srt":    "1\n00:00:05,500 --> 00:00:07,000\nviridian first\n\n2\n00:00:08,000 --> 00:00:09,000\nthen viridian-wash 3:1\n",
			"titlesay.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nnothing of that\n",
		} {
			if err := os.WriteFile(filepath.Join(root, "ai-agents/integration", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHitInATranscriptLeadsToItsTime(t *testing.T) {
	k := withTranscripts(t)
	const talk, harbor = "https://www.youtube.com/watch?t=%s&v=talktalk001", "https://www.youtube.com/watch?t=%s&v=exampleBB02"
	link := func(address, seconds string) string { return strings.Replace(address, "%s", seconds, 1) }
	for _, c := range []struct {
		query, mode string
		start, end  float64
		said, url   string
	}{
		{"checkpoints registry", "index", 350, 357, "keep the checkpoints in a volume, your registry will thank you", link(harbor, "350")},
		{"only then the source", "index", 85, 89.4, "and only then the source", link(harbor, "85")},
		{"layer: it stays", "literal", 185, 191, "a cache mount is not a layer: it stays when the layer goes", link(harbor, "185")},
		{"ochre umber", "index", 3723.5, 3727.25, "Ochre & umber, thinly:", link(talk, "3723")},
		{"glaze-over twice", "index", 3727.25, 3729, "glaze-over twice", link(talk, "3727")},
		{"GLAZE-over tw", "literal", 3727.25, 3729, "glaze-over twice", link(talk, "3727")},
		{"viridian-wash", "index", 8, 9, "then viridian-wash 3:1", ""},
		{"wash 3:1", "literal", 8, 9, "then viridian-wash 3:1", ""},
	} {
		m := k.want("/api/knowledge/search?mode=" + c.mode + "&query=" + url.QueryEscape(c.query))
		found := false
		for _, r := range m["results"].([]any) {
			hit := r.(map[string]any)
			if hit["type"] != "transcript" {
				if hit["segment"] != nil {
					t.Errorf("%s: %v is no transcript and has a segment", c.query, hit["name"])
				}
				continue
			}
			found = true
			wantAt(t, hit, c.start, "segment", "t")
			wantAt(t, hit, c.end, "segment", "t_end")
			wantAt(t, hit, c.said, "segment", "text")
			wantAt(t, hit, c.url, "segment", "url")
			wantAt(t, hit, c.url, "url")
		}
		if !found {
			t.Errorf("%s: no transcript among %v", c.query, hits(m))
		}
	}
	// A word of the name alone is said at no time.
	m := k.want("/api/knowledge/search?mode=index&query=titlesay")
	wantAt(t, m, nil, "results", 0, "segment")
}

func TestFileGivesItsTranscriptWhereAsked(t *testing.T) {
	k := withTranscripts(t)
	file := func(name string) string { return "/api/knowledge/files/" + url.PathEscape(k.path(name)) }
	for _, name := range []string{"ai-agents/integration/talk.md", "ai-agents/integration/talk.en.vtt"} {
		m := k.want(file(name)+"?segments=true", []any{"segments", 0, "text", "welcome"}, []any{"segments", 0, "t", 0.0},
			[]any{"segments", 1, "t", 3723.5}, []any{"segments", 1, "t_end", 3727.25}, []any{"segments", 1, "text", "Ochre & umber, thinly:"},
			[]any{"segments", 1, "url", "https://www.youtube.com/watch?t=3723&v=talktalk001"}, []any{"segments", 2, "text", "glaze-over twice"})
		if n := len(m["segments"].([]any)); n != 3 {
			t.Errorf("%s has %d segments, want 3", name, n)
		}
	}
	k.want(file("ai-agents/integration/alone.srt")+"?segments=true", []any{"segments", 0, "t", 5.5}, []any{"segments", 0, "url", ""})
	k.want(file("knowledge-base/L1-content-designer/../../"+dockerFile)+"?segments=true", []any{"segments", 0, "text", "every rebuild that takes ten minutes"})
	if m := k.want(file("ai-agents/integration/talk.md")); m["segments"] != nil {
		t.Errorf("segments that nobody asked for: %v", m["segments"])
	}
	for _, r := range k.want("/api/knowledge/files?type=document&limit=1")["files"].([]any) {
		id := r.(map[string]any)["id"].(string)
		if m := k.want("/api/knowledge/files/" + id + "?segments=true"); m["segments"] == nil {
			t.Errorf("%s: segments are null", id)
		}
	}
}
