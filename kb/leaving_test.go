package kb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watching runs a base that watches files of a folder, and returns a function that waits for a condition after each batch.
func watching(t *testing.T, root string, quiet time.Duration) (*rig, func(what string, ok func() bool)) {
	r := newRig(t, root, func(o *Options) { o.Watch, o.quiet = true, quiet })
	sub := r.bus.Subscribe(10_000, DocumentsChanged{}.Topic())
	t.Cleanup(sub.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return r, func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			if _, err := sub.Next(ctx); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
}

func TestFilesRemovedOneByOneAreHeldTogether(t *testing.T) {
	for _, c := range []struct {
		name    string
		folders int // more than are looked at one by one, or a few
	}{{"few folders", 4}, {"many folders", maxHint + 100}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // it waits
			root := t.TempDir()
			files := max(300, c.folders)
			name := func(i int) string { return fmt.Sprintf("a/%03d/%03d.md", i%c.folders, i) }
			for i := range files {
				writeFile(t, filepath.Join(root, name(i)), doc(i))
			}
			makeOld(t, root)
			r, until := watching(t, root, 2*leavingQuiet)
			for i := range files {
				os.Remove(filepath.Join(root, name(i)))
				if i != 30 {
					continue
				}
				// What is saved is found while files are leaving: the watcher has seen the first of them gone by then.
				r.write("a/saved.md", doc(1000))
				until("saved file", func() bool { return r.cat.at(keyOf("main", "a/saved.md")) != nil })
			}
			deadline := time.Now().Add(time.Minute)
			for len(r.Held()) == 0 {
				if time.Now().After(deadline) {
					t.Fatalf("nothing is held, %d files are left", len(r.ids()))
				}
				time.Sleep(20 * time.Millisecond)
			}
			if h := r.Held(); h[0].Count != files || h[0].Of != files+1 || len(r.ids()) != files+1 {
				t.Errorf("held: %+v of %d", h, len(r.ids()))
			}
			// A file that goes afterwards does not let them go.
			os.Remove(filepath.Join(root, "a/saved.md"))
			r.write("a/more.md", doc(1001))
			until("removed file", func() bool {
				return r.cat.at(keyOf("main", "a/saved.md")) == nil && r.cat.at(keyOf("main", "a/more.md")) != nil
			})
			if h := r.Held(); len(h) != 1 || len(r.ids()) != files+1 {
				t.Errorf("held after one more: %+v of %d", h, len(r.ids()))
			}
			j := r.scan(ScanRequest{Confirm: true})
			check(t, "deleted", j.Deleted, files, "left", len(r.ids()), 1, "held", len(r.Held()), 0)
		})
	}
}

func TestFileThatLeavesAndArrivesLaterKeepsItsID(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(root, "a/x.md"), "# moved\n")
	writeFile(t, filepath.Join(root, "b/y.md"), "# stays\n")
	makeOld(t, root)
	r, until := watching(t, root, time.Minute)
	at := "a/x.md"
	for try := range 10 { // one that was slower than the wait says nothing
		id, next := r.ids()[at], fmt.Sprintf("b/z%d.md", try)
		began := time.Now()
		if err := os.Rename(filepath.Join(root, at), filepath.Join(outside, "x.md")); err != nil {
			t.Fatal(err)
		}
		seen := fmt.Sprintf("a/seen%d.md", try)
		r.write(seen, doc(try))
		until("saved file", func() bool { return r.cat.at(keyOf("main", seen)) != nil })
		if err := os.Rename(filepath.Join(outside, "x.md"), filepath.Join(root, next)); err != nil {
			t.Fatal(err)
		}
		until("moved file", func() bool { return r.cat.at(keyOf("main", at)) == nil && r.cat.at(keyOf("main", next)) != nil })
		if at = next; time.Since(began) < leavingQuiet {
			check(t, "id", r.ids()[next], id)
			return
		}
	}
	t.Skip("this machine is too busy")
}

func TestIDTakenOverWhileItsFileLeavesIsOfOneFile(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "---\nid: notes\n---\n# a\n")
	writeFile(t, filepath.Join(root, "b.md"), "# b\n")
	makeOld(t, root)
	r, until := watching(t, root, time.Minute)
	os.Remove(filepath.Join(root, "a.md"))
	r.write("b.md", "---\nid: notes\n---\n# b changed\n")
	until("taken over", func() bool { row := r.cat.byID("notes"); return row != nil && row.name == "b.md" })
	until("only one", func() bool { return r.cat.at(keyOf("main", "a.md")) == nil })
	check(t, "ids", fmt.Sprint(r.ids()), "map[b.md:notes]")
}
