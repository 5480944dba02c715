package kb

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

func parseFixture(t *testing.T, name, at string) *Parsed {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "parse", name))
	if err != nil {
		t.Fatal(err)
	}
	return parseText(t, at, string(data))
}

func parseText(t *testing.T, at, text string) *Parsed {
	t.Helper()
	p, err := Parse(Input{Root: "main", Path: at, Data: []byte(text), Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check compares named values, so that a failure names what is wrong.
func check(t *testing.T, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 3 {
		if got, want := fmt.Sprint(pairs[i+1]), fmt.Sprint(pairs[i+2]); got != want {
			t.Errorf("%v: got %q, want %q", pairs[i], got, want)
		}
	}
}

func num(p *float64) string {
	if p == nil {
		return "nil"
	}
	return fmt.Sprintf("%.4g", *p)
}

func TestOldBoldLabelFileIsRead(t *testing.T) {
	p := parseFixture(t, "old.md", "ai-agents/integration/docker/harbour-notes-dQ7-kLm_2Zx-20260102.md")
	check(t,
		"title", p.Title, "Layer caching that survives a rebuild", "agent", p.Agent, "integration", "category", p.Category, "docker",
		"creator", p.Creator, "Harbour Notes", "creator id", p.Source, "harbour-notes", "video", p.VideoID, "dQ7-kLm_2Zx",
		"url", p.URL, "https://www.youtube.com/watch?v=dQ7-kLm_2Zx", "confidence", num(p.Confidence), "0.9", "type", p.Type, "document",
		"published", p.Published.Format(time.DateOnly), "2026-01-02", "sections", p.Sections, "8", "code", p.HasCode, true, "links", p.HasLinks, true,
		"model", p.Meta["model"], "local-13b", "added", p.Meta["added"], "2026-01-02 09:30", "analyzed", p.Meta["analyzed"], "2026-01-02T09:31:00",
		"entries", len(p.Entries), 1, "warnings", p.Warnings, "[]")
	e := p.Entries[0]
	check(t, "entry", e.Title, "Docker builds", "entry video", e.VideoID, "dQ7-kLm_2Zx", "insights", len(e.Insights), 3)
	check(t,
		"1", e.Insights[0].Text, "Copy the lock file first, so that the dependency layer is kept.", "1 t", num(e.Insights[0].Start), "150", "1 c", num(e.Insights[0].Confidence), "0.9",
		"2", e.Insights[1].Text, "Cache mounts keep compilers fast; see and they survive a changed layer.", "2 t", num(e.Insights[1].Start), "245",
		"3", e.Insights[2].Text, "An image of 95% unused files is slow to pull", "3 c", num(e.Insights[2].Confidence), "0.6")
	for _, want := range []string{"denoise: 0.40", "Video ID: dQ7-kLm_2Zx", "buildkit"} {
		if !strings.Contains(p.Text, want) {
			t.Errorf("text lacks %q:\n%s", want, p.Text)
		}
	}
}

func TestHandKeptFileHasAnEntryPerVideo(t *testing.T) {
	p := parseFixture(t, "handkept.md", "ai-agents/art-director/painting/brushwork-lab-insights.md")
	check(t, "creator", p.Creator, "Brushwork Lab", "id", p.Source, "brushworklab", "entries", len(p.Entries), 2, "confidence", num(p.Confidence), "nil",
		"focus", p.Meta["focus"], "painting over renders", "video", p.VideoID, "")
	if len(p.Entries) != 2 {
		t.Fatalf("entries: %+v", p.Entries)
	}
	a, b := p.Entries[0], p.Entries[1]
	check(t, "a", a.Title, "Values before hue", "a video", a.VideoID, "aaaaaaaaa01", "a date", a.Published.Format(time.DateOnly), "2026-01-20", "a duration", a.Duration, "12m30s",
		"a confidence", num(a.Confidence), "0.85", "a status", a.Status, "approved", "a insights", len(a.Insights), 2, "a t", num(a.Insights[1].Start), 45, "a end", num(a.Insights[1].End), 90,
		"b", b.Title, "Edges", "b video", b.VideoID, "bbbbbbbbb02", "b date", b.Published.Format(time.DateOnly), "2026-01-27", "b confidence", num(b.Confidence), "0.9",
		"b status", b.Status, "pending", "b insights", len(b.Insights), 1, "b inherits", num(b.Insights[0].Confidence), "0.9")
}

func TestFrontMatterWinsAndUnknownKeysAreKept(t *testing.T) {
	p := parseFixture(t, "front.md", "ai-agents/art-director/comfyui/x-y-20200101.md")
	check(t,
		"id", p.ID, "ip-adapter-weights", "title", p.Title, "IP-Adapter weights <b>explained</b>", "creator", p.Creator, "Latent Lantern", "source", p.Source, "latentlantern",
		"video", p.VideoID, "0123456e789", "published", p.Published.Format(time.DateOnly), "2025-11-03", "duration", p.Duration, "1h2m3s", "language", p.Language, "en",
		"tags", p.Tags, "[comfyui ip-adapter]", "confidence", num(p.Confidence), "0.75", "status", p.Status, "approved", "supersedes", p.Supersedes, "[old-weights]",
		"valid", p.ValidUntil.Format(time.DateOnly), "2027-01-01", "meta", p.Meta["reviewer"], "Ada", "nested meta", p.Meta["mood"], "light: low, camera: 35mm, 50mm",
		"agent", p.Agent, "art-director", "entries", len(p.Entries), 1, "warnings", p.Warnings, "[]")
	ins := p.Entries[0].Insights
	check(t, "n", len(ins), 2, "text", ins[0].Text, "Keep the weight below 0.8 for faces", "c", num(ins[0].Confidence), "0.95", "t", num(ins[0].Start), 150, "end", num(ins[0].End), 160,
		"tags", ins[0].Tags, "[faces]", "status", ins[0].Status, "approved", "inherited", num(ins[1].Confidence), "0.75")
	if strings.Contains(p.Text, "reviewer") || !strings.Contains(p.Text, "denoise: 0.40") {
		t.Errorf("text: %q", p.Text)
	}
}

func TestJSONAnalysisAndLinesAreRead(t *testing.T) {
	p := parseFixture(t, "analysis.json", "ai-agents/environment-pipeline/textures/tile.json")
	check(t, "title", p.Title, "Tile sets that repeat without seams", "source", p.Source, "pixelorchard", "video", p.VideoID, "tile0000001", "c", num(p.Confidence), "0.82",
		"category", p.Category, "textures", "tags", p.Tags, "[krita imagemagick]", "entries", len(p.Entries), 1, "type", p.Type, "document", "code", p.HasCode, true)
	ins := p.Entries[0].Insights
	check(t, "n", len(ins), 2, "t", num(ins[0].Start), 70, "text", ins[0].Text, "Offset by half and paint the cross", "c", num(ins[1].Confidence), "0.7", "t", num(ins[1].Start), 125)
	if !strings.Contains(p.Text, "overlap: 64") {
		t.Errorf("text: %q", p.Text)
	}
	p = parseFixture(t, "lines.jsonl", "a/b/lines.jsonl")
	check(t, "entries", len(p.Entries), 2, "second", p.Entries[1].VideoID, "line0000002", "insights", len(p.Entries[1].Insights), 2, "warnings", len(p.Warnings), 1)
	if !strings.Contains(p.Text, "this is no JSON") {
		t.Errorf("text: %q", p.Text)
	}
	p = parseText(t, "a/settings.json", `{"width": 512, "nested": {"seed": 7}}`)
	check(t, "type", p.Type, "code", "entries", len(p.Entries), 0)
	p = parseText(t, "a/broken.json", `{"width": 512`)
	check(t, "type", p.Type, "code", "warnings", len(p.Warnings), 1, "text", p.Text, `{"width": 512`)
}

func TestTranscriptsBecomeSegmentsWithoutRollingRepeats(t *testing.T) {
	p := parseFixture(t, "talk.en.vtt", "a/b/talk.en.vtt")
	check(t, "type", p.Type, "transcript", "language", p.Language, "en",
		"segments", fmt.Sprintf("%+v", p.Segments), "[{Start:0 End:2.01 Text:welcome to the talk} {Start:2.01 End:4 Text:about sprites & sheets} {Start:4 End:6 Text:no} {Start:9 End:10 Text:no}]")
	p = parseFixture(t, "talk.srt", "a/b/talk.srt")
	check(t, "segments", fmt.Sprintf("%+v", p.Segments), "[{Start:1 End:2.5 Text:First line} {Start:3 End:64 Text:second line of two}]")
	p = parseFixture(t, "talk.txt", "a/b/talk.txt")
	check(t, "type", p.Type, "transcript", "segments", fmt.Sprintf("%+v", p.Segments), "[{Start:5 End:70 Text:hello} {Start:70 End:3723 Text:a longer part that goes on} {Start:3723 End:3723 Text:the end}]")
	p = parseText(t, "a/b/plain.txt", "At 10:30 we met.\n12:00 lunch\n")
	check(t, "type", p.Type, "document", "segments", len(p.Segments), 0)
	p = parseText(t, "x.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\none two three four\n\n00:02.000 --> 00:03.000\ntwo three four five\n")
	check(t, "overlap", p.Text, "one two three four\nfive\n")
}

func TestSidecarFillsWhatTheFileDoesNotSay(t *testing.T) {
	side, err := os.ReadFile("testdata/parse/talk.info.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(Input{Root: "main", Path: "a/b/talk.md", Data: []byte("---\ntitle: Mine\n---\n# Heading\n**Duration:** 1:00\n"), Sidecar: side})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "title", p.Title, "Mine", "creator", p.Creator, "Pixel Orchard", "source", p.Source, "pixelorchard", "video", p.VideoID, "sprite00001",
		"duration", p.Duration, "12m34s", "published", p.Published.Format(time.DateOnly), "2026-01-15", "tags", p.Tags, "[sprites]", "id", p.ID, "", "warnings", p.Warnings, "[]")
}

func TestConfidence(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"95%", "0.95"},
		{"95 %", "0.95"},
		{"0.95", "0.95"},
		{"95", "0.95"},
		{"1", "1"},
		{"1%", "0.01"},
		{"0", "0"},
		{"0%", "0"},
		{"high", "0.9"},
		{"Medium", "0.6"},
		{"LOW", "0.3"},
		{"High (85%)", "0.85"},
		{"9/10", "0.9"},
		{"87,5%", "0.875"},
		{"100", "1"},
		{"250%", "nil"},
		{"250", "nil"},
		{"-5", "nil"},
		{"-5%", "nil"},
		{"NaN", "nil"},
		{"1e2", "nil"},
		{"", "nil"},
		{"sure", "nil"},
		{"0x10", "nil"},
		{"%", "nil"},
		{"5/0", "nil"},
		{"highest", "nil"},
	} {
		got := "nil"
		if v, ok := parseConfidence(c.in); ok {
			got = num(&v)
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
	p := parseText(t, "x.md", "# T\n**Confidence:** 250%\n\nWe have 80% confidence.\n")
	if p.Confidence != nil || len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "odd_value: ") {
		t.Errorf("250%%: %v, warnings %q", num(p.Confidence), p.Warnings)
	}
	if b, _ := json.Marshal(p.Document); !strings.Contains(string(b), `"confidence":null`) {
		t.Errorf("unknown confidence is not null: %s", b)
	}
	p = parseText(t, "x.md", "# T\n**Confidence:** 90%\n\nLater: confidence of 40% is common.\n")
	check(t, "labelled wins", num(p.Confidence), "0.9")
	p = parseText(t, "x.md", "# T\n\nOverall confidence: 45%.\n\nFinal confidence is 70%\n")
	check(t, "last sentence", num(p.Confidence), "0.7")
}

func TestEncodings(t *testing.T) {
	wide := func(s string, little bool) (b []byte) {
		for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
			if little {
				b = append(b, byte(u), byte(u>>8))
			} else {
				b = append(b, byte(u>>8), byte(u))
			}
		}
		return b
	}
	const text = "# Größe 𝄞\n"
	for name, data := range map[string][]byte{
		"plain": []byte(text), "BOM and CRLF": []byte("\ufeff# Größe 𝄞\r\n"), "UTF-16LE": wide(text, true), "UTF-16BE": wide(text, false), "old Mac": []byte("# Größe 𝄞\r"),
	} {
		p, err := Parse(Input{Path: "x.md", Data: data})
		if err != nil || p.Title != "Größe 𝄞" || len(p.Warnings) != 0 || p.Text != "Größe 𝄞\n" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	p, err := Parse(Input{Path: "x.md", Data: []byte("\ufeff---\r\ntitle: Über\r\nconfidence: 50%\r\n---\r\nText\r\n")})
	if err != nil || p.Title != "Über" || num(p.Confidence) != "0.5" || p.Text != "Text\n" {
		t.Errorf("front matter with BOM and CRLF: %+v, %v", p, err)
	}
	p, err = Parse(Input{Path: "x.md", Data: []byte("# Gr\xf6\xdfe\n")})
	if err != nil || p.Title != "Gr\uFFFDe" || len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "bad_utf8") {
		t.Errorf("Latin-1: %+v, %v", p, err)
	}
	_, err = Parse(Input{Path: "x.md", Data: []byte("# a\x00b")})
	if r, ok := errors.AsType[*RejectError](err); !ok || r.Reason != Binary {
		t.Errorf("NUL: %v", err)
	}
}

func TestHostileFrontMatterLeavesTheBodyReadable(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	for _, c := range []struct {
		name, block string
		reason      Reason
	}{
		{"bomb", bomb.String(), AliasesRefused},
		{"merge", "a: &x {b: 1}\nc:\n  <<: *x\n", AliasesRefused},
		{"broken", "title: [unclosed\n", BadFrontMatter},
		{"tabs", "a:\n\t- b\n", BadFrontMatter},
		{"twice", "title: a\ntitle: b\n", BadFrontMatter},
		{"deep", "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n", BadFrontMatter},
		{"large", "a: " + strings.Repeat("x", maxFrontMatter) + "\n", FrontMatterTooLarge},
	} {
		p := parseText(t, "x.md", "---\n"+c.block+"---\n# Body\n\nwords here\n")
		if len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], string(c.reason)+": ") || p.Title != "Body" || !strings.Contains(p.Text, "words here") {
			t.Errorf("%s: title %q, warnings %q", c.name, p.Title, p.Warnings)
		}
	}
	p := parseText(t, "x.md", "---\nJust a sentence\n---\nmore\n")
	check(t, "rule", p.Text, "---\nJust a sentence\n---\nmore\n", "warnings", p.Warnings, "[]")
	p = parseText(t, "x.md", "---\nid: p-aaaaaaaaaaaaaaaa\nurl: javascript:alert(1)\nstatus: maybe\n---\n")
	check(t, "id", p.ID, "", "url", p.URL, "", "warnings", len(p.Warnings), 3)
}

func TestNamesOfFilesSayWhatTheyCan(t *testing.T) {
	for _, c := range []struct{ path, agent, category, creator, video, date string }{
		{"ai-agents/ui-ux/layout/x-v1-20260102.md", "ui-ux", "layout", "x", "v1", "2026-01-02"},
		{"ai-agents/ui-ux/sub-agents/L2.1.1/micro-agents/L3.1.1.1/icons/a-b-0123456789A-20260102.md", "ui-ux", "icons", "a-b", "0123456789A", "2026-01-02"},
		{"knowledge-base/L1-art-director/light/y-dQ7-kLm_2Zx-20260102.md", "knowledge-base", "light", "y", "dQ7-kLm_2Zx", "2026-01-02"},
		{"vault/daily/Größe und Maß.md", "vault", "daily", "", "", "0001-01-01"},
		{"top.md", "", "", "", "", "0001-01-01"},
		{"ai-agents/x/y/some-creator-insights.md", "x", "y", "some-creator", "", "0001-01-01"},
	} {
		p := parseText(t, c.path, "text\n")
		check(t, c.path+" agent", p.Agent, c.agent, "category", p.Category, c.category, "creator", p.Source, c.creator, "video", p.VideoID, c.video, "date", p.Published.Format(time.DateOnly), c.date)
	}
}

func TestInsightIDsSurviveANewOrder(t *testing.T) {
	ids := func(text string) map[string]string {
		m := map[string]string{}
		for _, e := range parseText(t, "x.md", text).Entries {
			for _, in := range e.Insights {
				if m[in.ID] != "" {
					t.Errorf("id %s twice", in.ID)
				}
				m[in.ID] = in.Text
			}
		}
		return m
	}
	a := ids("# T\n## Key Insights\n1. one\n2. two\n3. one\n")
	b := ids("# T\n## Key Insights\n1. two\n2. one\n3. one\n")
	if len(a) != 3 || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("ids changed with the order: %v, %v", a, b)
	}
}

func TestWhatIsKeptOfAFileIsBounded(t *testing.T) {
	p := parseText(t, "x.md", "# T\n## Key Insights\n"+strings.Repeat("- an insight\n", maxInsights+50)+"- "+strings.Repeat("long ", 5000)+"\n")
	if n := len(p.Entries[0].Insights); n != maxInsights {
		t.Errorf("%d insights kept, want %d", n, maxInsights)
	}
	if len(p.Warnings) == 0 || !strings.HasPrefix(p.Warnings[0], "truncated: ") {
		t.Errorf("warnings %q", p.Warnings)
	}
}
