package kb

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// fuzzForm feeds one form's parser and checks what every document promises, whatever was in the file.
func fuzzForm(f *testing.F, name string, seeds ...string) {
	files, err := filepath.Glob(filepath.Join("testdata", "parse", "*"+filepath.Ext(name)))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkAnyDocument(t, Input{Root: "r", Path: "a/" + name, Data: data})
	})
}

func checkAnyDocument(t *testing.T, in Input) {
	t.Helper()
	p, err := Parse(in)
	if err != nil {
		return
	}
	b, err := json.Marshal(p.Document)
	if err != nil {
		t.Fatalf("the record cannot be written: %v", err)
	}
	if !utf8.Valid(b) || !utf8.ValidString(p.Text) {
		t.Fatal("text is not UTF-8")
	}
	if p.Title == "" || p.Hash == "" {
		t.Fatalf("title %q, hash %q", p.Title, p.Hash)
	}
	ids := map[string]bool{}
	confidence := func(c *float64) {
		if c != nil && !(*c >= 0 && *c <= 1) {
			t.Fatalf("confidence %v", *c)
		}
	}
	confidence(p.Confidence)
	for _, e := range p.Entries {
		confidence(e.Confidence)
		for _, in := range e.Insights {
			confidence(in.Confidence)
			if in.ID == "" || in.Text == "" || ids[in.ID] {
				t.Fatalf("insight %+v, taken %v", in, ids[in.ID])
			}
			ids[in.ID] = true
		}
	}
	for _, s := range p.Segments {
		if s.End < s.Start || s.Start < 0 || s.Text == "" {
			t.Fatalf("segment %+v", s)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	fuzzForm(f, "x.md", "# a\n**Confidence:** 250%\n## Key Insights\n1. x (0:99)\n", "## t\n**Video:** http://\n### Key Insights:\n- **a**: b\n", "```\n# a\n~~~")
}

func FuzzFrontMatter(f *testing.F) {
	for _, s := range []string{"a: &x 1\nb: *x", "id: 1\ninsights: [a, {text: b, t: 1:2}]", "? a\n: b", "!!binary x", "a: |\n  b", "- a", "%YAML 1.2", "a: {", "\"\\x", "a: 'b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		checkAnyDocument(t, Input{Path: "a/x.md", Data: append(append([]byte("---\n"), block...), "\n---\nbody\n"...)})
	})
}

func FuzzJSON(f *testing.F) {
	fuzzForm(f, "x.json", `[{"insights":[1,null,{"text":"a","t":"1:00"}]}]`, `{"videos":[{"title":"a","text":"b"}]}`)
}
func FuzzJSONLines(f *testing.F) { fuzzForm(f, "x.jsonl", "{\"insights\":\"a\"}\n[]\nx\n") }

func FuzzSidecar(f *testing.F) {
	f.Add([]byte(`{"id":"a","duration":-1,"upload_date":"99999999","tags":"x,y"}`))
	f.Fuzz(func(t *testing.T, side []byte) {
		checkAnyDocument(t, Input{Path: "a/x.md", Data: []byte("# a\n"), Sidecar: side})
	})
}
func FuzzVTT(f *testing.F) { fuzzForm(f, "x.vtt", "WEBVTT\n\n00:01.0 --> 00:00.0\n<a\n&#0;\n") }
func FuzzSRT(f *testing.F) { fuzzForm(f, "x.srt", "1\n99:59:59,999 --> 0:0\n{\\an8\n") }

func FuzzTimedText(f *testing.F) {
	fuzzForm(f, "x.txt", "0:01 a\n0:02 b\n0:01 c\n0:00\n")
}

func FuzzFileID(f *testing.F) {
	f.Add("YWJj")
	f.Add("p-aaaaaaaaaaaaaaaa")
	f.Add("%2e%2e")
	f.Fuzz(func(t *testing.T, id string) {
		name, ok := pathOfID(id)
		if !ok {
			return
		}
		if rel, ok := relativeTo("/srv/kb", name); ok && !filepath.IsLocal(filepath.FromSlash(rel)) && rel != "." {
			t.Fatalf("%q leads to %q", id, rel)
		}
	})
}
