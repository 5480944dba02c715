package kb

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestStatusIsWrittenAsOneLineAndTakenOutAgain(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"front matter without one", "---\ntitle: A\ntags: [x]\n---\n# A\n", "---\ntitle: A\ntags: [x]\nstatus: approved\n---\n# A\n"},
		{"front matter with one", "---\nstatus: pending # so far\ntitle: A\n---\nbody\n", "---\nstatus: approved\ntitle: A\n---\nbody\n"},
		{"one of an insight is another", "---\ninsights:\n  - text: a\n    status: rejected\n---\n", "---\ninsights:\n  - text: a\n    status: rejected\nstatus: approved\n---\n"},
		{"labels", "# T\n\n**Source:** X\n**Confidence:** 90%\n\n---\n\n## Topic: t\n", "# T\n\n**Source:** X\n**Confidence:** 90%\n**Status:** approved\n\n---\n\n## Topic: t\n"},
		{"labels with one", "# T\n**Status:** pending\n**URL:** u\n## a\n**Status:** rejected\n", "# T\n**Status:** approved\n**URL:** u\n## a\n**Status:** rejected\n"},
		{"labels of an entry only", "# T\n\n## a\n**Status:** rejected\n", "---\nstatus: approved\n---\n# T\n\n## a\n**Status:** rejected\n"},
		{"neither", "just text", "---\nstatus: approved\n---\njust text"},
		{"empty", "", "---\nstatus: approved\n---\n"},
		{"carriage returns and a mark", "\ufeff---\r\ntitle: A\r\n---\r\nx\r\n", "\ufeff---\r\ntitle: A\r\nstatus: approved\r\n---\r\nx\r\n"},
	} {
		got, err := withStatus([]byte(c.before), "approved")
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.name, err, got, c.after)
		}
		if again, _ := withStatus(got, "approved"); string(again) != string(got) {
			t.Errorf("%s: written twice %q", c.name, again)
		}
		if strings.Contains(c.before, "pending") {
			continue
		}
		if back, err := withStatus(got, ""); err != nil || string(back) != c.before {
			t.Errorf("%s: taken out %q, %v", c.name, back, err)
		}
	}
	for name, text := range map[string]string{"UTF-16": "\xff\xfe#\x00", "Latin-1": "Gr\xf6\xdfe", "NUL": "a\x00b", "two line ends": "a\r\nb\n"} {
		if got, err := withStatus([]byte(text), "approved"); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestDecisionsAreWrittenBackWhereThatIsWanted(t *testing.T) {
	root := t.TempDir()
	old := "# T\n\n**Source:** X\n**Confidence:** 90%\n\n---\n\n## Key Insights\n\n1. One.\n"
	for name, text := range map[string]string{
		"a/c/old.md": old, "a/c/front.md": "---\nid: front\nstatus: pending\n---\nbody\n", "a/c/data.json": `{"key_insights":["x"]}`, "b/changed.md": "# before\n",
		"a/c/broken.md": "---\ntitle: [\n---\nbody\n",
	} {
		writeFile(t, filepath.Join(root, name), text)
	}
	if err := os.Chmod(filepath.Join(root, "a/c/old.md"), 0o640); err != nil {
		t.Fatal(err)
	}
	makeOld(t, root)
	if runtime.GOOS != "windows" {
		if err := os.Symlink("front.md", filepath.Join(root, "a/c/link.md")); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, root, func(o *Options) { o.WriteBack = true })
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	decide := func(name, action string) Review {
		t.Helper()
		rv, err := r.Review(t.Context(), ReviewRequest{Document: name, Action: action, Actor: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		return rv
	}
	rv := decide("a/c/old.md", "approve")
	check(t, "written", rv.Written, true, "why not", rv.NotWritten, "", "text", read("a/c/old.md"), strings.Replace(old, "90%\n", "90%\n**Status:** approved\n", 1))
	if info, err := os.Stat(filepath.Join(root, "a/c/old.md")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	r.scan(ScanRequest{})
	f, err := r.File(t.Context(), "a/c/old.md")
	check(t, "read again", f.Status, "approved", "err", err, nil, "insights", f.InsightCount, 1)
	check(t, "second", decide("a/c/old.md", "reject").Written, true, "text", strings.Count(read("a/c/old.md"), "**Status:** rejected\n"), 1)
	r.scan(ScanRequest{})
	decide("a/c/old.md", "clear")
	check(t, "taken back", read("a/c/old.md"), old)
	decide("front", "supersede")
	check(t, "front matter", read("a/c/front.md"), "---\nid: front\nstatus: superseded\n---\nbody\n")
	r.scan(ScanRequest{})
	decide("front", "clear")
	check(t, "as it was", read("a/c/front.md"), "---\nid: front\nstatus: pending\n---\nbody\n")

	// What cannot be written is decided all the same.
	writeFile(t, filepath.Join(root, "b/changed.md"), "# after, longer\n")
	cases := map[string]string{"a/c/data.json": "Markdown", "b/changed.md": "changed since", "a/c/broken.md": "more than its status"}
	if runtime.GOOS != "windows" {
		cases["a/c/link.md"] = "link"
	}
	for name, why := range cases {
		before := read(name)
		rv := decide(name, "approve")
		if rv.Written || !strings.Contains(rv.NotWritten, why) || read(name) != before {
			t.Errorf("%s: written %v, %q, text %q", name, rv.Written, rv.NotWritten, read(name))
		}
		if f, err := r.File(t.Context(), name); err != nil || f.Status != "approved" {
			t.Errorf("%s: status %q, %v", name, f.Status, err)
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(root, "a/c/.controlcenter-*"))
	check(t, "files left over", len(leftovers), 0, "err", err, nil)
}

func TestWithoutWriteBackNoFileIsTouched(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "# a\n")
	r := newRig(t, root)
	rv, err := r.Review(t.Context(), ReviewRequest{Document: "a.md", Action: "approve"})
	b, readErr := os.ReadFile(filepath.Join(root, "a.md"))
	check(t, "err", err, nil, "written", rv.Written, false, "why not", rv.NotWritten, "", "text", string(b), "# a\n", "read", readErr, nil)
}
