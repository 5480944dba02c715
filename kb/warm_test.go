package kb

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
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
