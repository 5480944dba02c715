package kb

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"controlcenter/internal/store"
)

// TestASmallBaseIsReadAfterTheStart: what the first search shows, and what it looks for as it stands, is in memory by then.
func TestASmallBaseIsReadAfterTheStart(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	const n = 20
	for i := range n {
		writeFile(t, filepath.Join(root, fmt.Sprintf("in/file-%d.md", i)), doc(i))
	}
	makeOld(t, root)
	openRig(t, dir, root).stop()
	synctest.Test(t, func(t *testing.T) {
		r := openRig(t, dir, root)
		synctest.Wait() // for all goroutines to have nothing left to do
		if err := os.Rename(filepath.Join(root, "in"), filepath.Join(root, "away")); err != nil {
			t.Fatal(err)
		}
		res, err := Literal(t.Context(), "text", r.Texts(t.Context(), ""), LiteralOptions{})
		if err != nil || res.Files != n || res.Unread != 0 {
			t.Errorf("a search through the files: %+v, %v", res, err)
		}
		docs, err := r.Documents(t.Context(), slices.Collect(maps.Values(r.ids())))
		if err != nil || len(docs) != n {
			t.Fatalf("%d documents, %v", len(docs), err)
		}
		for _, d := range docs {
			if text, err := r.Text(t.Context(), d); err != nil || text == "" {
				t.Errorf("the text of %s: %q, %v", d.Path, text, err)
			}
		}
	})
}

// TestStatsTellOfTheScanThatIsToCome: who asks right after a start must not take the counts of the last run for those of today.
func TestStatsTellOfTheScanThatIsToCome(t *testing.T) {
	for _, c := range []struct {
		roots []Root
		want  bool
	}{{[]Root{{ID: "main", Path: t.TempDir()}}, true}, {nil, false}} {
		st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		index, err := openLogIndex(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer index.f.Close()
		b, err := New(Options{Store: st, Index: index, Roots: c.roots})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := b.Stats(t.Context()); err != nil || s.Scanning != c.want {
			t.Errorf("%d folders, before anything runs: scanning %v, %v", len(c.roots), s.Scanning, err)
		}
	}
}
