package kb

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// childMain scans a folder and says each batch once it is committed; it is meant to be killed.
func childMain(dir string) int {
	ctx := context.Background()
	st, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	index, err := Open(ctx, filepath.Join(dir, "index"), IndexOptions{})
	if err != nil {
		fmt.Println("index:", err)
		return 1
	}
	bus := &event.Bus{}
	b, err := New(Options{Store: st, Bus: bus, Index: index, Roots: []Root{{ID: "main", Path: os.Getenv("KB_TEST_ROOT")}}, Every: -1})
	if err != nil {
		fmt.Println("new:", err)
		return 1
	}
	b.batchMost = 2 * partSize // several batches of two parts without thousands of files
	sub := bus.Subscribe(100_000)
	go func() {
		if err := b.Run(ctx); err != nil {
			fmt.Println("run:", err)
		}
	}()
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			return 1
		}
		switch d := e.Data.(type) {
		case DocumentsChanged:
			fmt.Println(d.Generation)
		case ScanProgress:
			if d.Job.Finished != nil {
				fmt.Println("done", d.Job.Status)
			}
		}
	}
}

// TestAcknowledgedBatchesSurviveBeingKilled kills an indexing process 15 times; with CC_SOAK=1, 200 times.
func TestAcknowledgedBatchesSurviveBeingKilled(t *testing.T) {
	rounds := 15
	if os.Getenv("CC_SOAK") == "1" {
		rounds = 200
	}
	dir, root := t.TempDir(), t.TempDir()
	rng := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	serial := 0
	change := func(n int) { // new, changed, moved and removed files
		for range n {
			serial++
			name := filepath.Join(root, fmt.Sprintf("ai-agents/a%d/c/%04d.md", rng.IntN(5), rng.IntN(1500)))
			switch rng.IntN(10) {
			case 0:
				os.Remove(name)
			case 1:
				to := filepath.Join(root, fmt.Sprintf("ai-agents/a%d/moved/%d.md", rng.IntN(5), serial))
				os.MkdirAll(filepath.Dir(to), 0o755)
				os.Rename(name, to)
			default:
				writeFile(t, name, doc(serial)+"## Key Insights\n1. Insight "+strconv.Itoa(serial)+"\n")
			}
		}
	}
	change(1200)
	for round := range rounds {
		change(700)
		acked := killChild(t, dir, root, rng.IntN(4), rng.IntN(30))
		checkAfterKill(t, round, dir, acked)
	}
	// Then it is left alone, and ends with exactly what the files say.
	k := openKilled(t, dir, root)
	k.scanned(t)
	ids, seen := k.records(t), map[string]string{}
	for name, rec := range ids {
		if other := seen[rec.ID]; other != "" {
			t.Errorf("%s and %s have the same id", name, other)
		}
		seen[rec.ID] = name
	}
	indexed := allIndexed(t, k.index)
	if len(indexed) != len(ids) {
		t.Errorf("%d documents are in the index, %d are recorded", len(indexed), len(ids))
	}
	files := 0
	filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		rel, _ := filepath.Rel(root, name)
		f, err := k.File(t.Context(), filepath.ToSlash(rel))
		if err != nil {
			t.Errorf("%s: %v", rel, err)
			return nil
		}
		data := must(os.ReadFile(name))
		if sum := sha256.Sum256(data); f.Hash != hex.EncodeToString(sum[:]) || len(f.Entries) != 1 {
			t.Errorf("%s: hash %s, %d entries", rel, f.Hash, len(f.Entries))
		}
		if gen, ok := indexed[f.ID]; !ok || gen != f.Generation {
			t.Errorf("%s: generation %d, in the index %d (%v)", rel, f.Generation, gen, ok)
		}
		if files%50 == 0 { // the text that the index has is that of the file
			title, _, _ := strings.Cut(strings.TrimPrefix(string(data), "# Document "), "\n")
			if hits := find(t, k.index, `"Text number `+title+`"`, SearchOptions{}); len(hits.Hits) != 1 || hits.Hits[0].ID != f.ID {
				t.Errorf("%s: a search for its text finds %+v", rel, hits.Hits)
			}
		}
		return nil
	})
	if files != len(ids) {
		t.Errorf("%d files, %d documents", files, len(ids))
	}
	err := k.o.Store.View(t.Context(), func(tx *store.Tx) error {
		intents, err := intentTable.List(tx, "", "", 0)
		if len(intents) != 0 {
			t.Errorf("%d intents are left", len(intents))
		}
		jobs, _ := jobTable.List(tx, "", "", 0)
		for _, j := range jobs {
			if j.Value.Status == JobRunning || j.Value.Status == JobQueued {
				t.Errorf("job %s is still %s", j.Key, j.Value.Status)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killChild runs a child, kills it after some batches were acknowledged and a little work more, and returns the last generation
// it acknowledged.
func killChild(t *testing.T, dir, root string, batches, spin int) (acked uint64) {
	t.Helper()
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), "KB_TEST_CHILD="+dir, "KB_TEST_ROOT="+root)
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	kill := func() {
		for range spin * 100_000 { // the child is at another place of the next batch each time
			spin ^= 1
		}
		cmd.Process.Kill()
	}
	if batches == 0 {
		kill()
	}
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "done") {
			if line != "done "+JobCompleted {
				t.Errorf("child: %s", line)
			}
			cmd.Process.Kill()
			continue
		}
		n, err := strconv.ParseUint(line, 10, 64)
		if err != nil {
			t.Fatalf("child: %s", line)
		}
		acked = n
		if batches--; batches == 0 {
			kill()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return acked
}

// killed is a base on what a killed process left.
type killed struct {
	*Base
	index *BleveIndex
	bus   *event.Bus
}

// openKilled opens what is there; nothing runs yet.
func openKilled(t *testing.T, dir, root string) *killed {
	t.Helper()
	k := &killed{bus: &event.Bus{}}
	st, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if k.index, err = Open(t.Context(), filepath.Join(dir, "index"), IndexOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.index.Close() })
	if k.Base, err = New(Options{Store: st, Bus: k.bus, Index: k.index, Roots: []Root{{ID: "main", Path: root}}, Every: -1}); err != nil {
		t.Fatal(err)
	}
	return k
}

// scanned runs the base until its first scan has ended.
func (k *killed) scanned(t *testing.T) {
	t.Helper()
	sub := k.bus.Subscribe(100_000, ScanProgress{}.Topic())
	defer sub.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := k.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	for {
		e, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if j := e.Data.(ScanProgress).Job; j.Finished != nil && j.Trigger == "start" {
			if j.Status != JobCompleted {
				t.Fatalf("scan %s: %s", j.Status, j.Error)
			}
			return
		}
	}
}

// records returns what is recorded, by path.
func (k *killed) records(t *testing.T) map[string]record {
	t.Helper()
	out := map[string]record{}
	err := k.o.Store.View(t.Context(), func(tx *store.Tx) error {
		rows, err := recordTable.List(tx, "", "", 0)
		for _, row := range rows {
			if _, twice := out[row.Value.Path]; twice {
				t.Errorf("%s is recorded twice", row.Value.Path)
			}
			out[row.Value.Path] = row.Value
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// allIndexed returns the generation of every live document of an index, and complains of those that are there twice.
func allIndexed(t *testing.T, x *BleveIndex) map[string]uint64 {
	t.Helper()
	reader, err := x.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	out := map[string]uint64{}
	for _, seg := range reader.Segments() {
		c, err := x.columnsOf(seg)
		if err != nil {
			t.Fatal(err)
		}
		for doc, id := range c.id {
			if gone := seg.Deleted(); gone != nil && gone.Contains(uint32(doc)) {
				continue
			}
			if _, twice := out[id]; twice {
				t.Errorf("%s is in the index twice", id)
			}
			out[id] = c.generation[doc]
		}
	}
	return out
}

func checkAfterKill(t *testing.T, round int, dir string, acked uint64) {
	t.Run(fmt.Sprint("after kill ", round), func(t *testing.T) {
		k := openKilled(t, dir, dir)
		if err := k.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		gen, degraded := k.Generation()
		if gen < acked || degraded {
			t.Errorf("generation %d after %d was acknowledged, degraded %v", gen, acked, degraded)
		}
		// Every record is in the index with its generation, or it is among the documents that will be read again, and the search
		// does not show what is ahead.
		indexed, recorded := allIndexed(t, k.index), map[string]uint64{}
		for name, rec := range k.records(t) {
			recorded[rec.ID] = rec.Generation
			got, ok := indexed[rec.ID]
			if _, again := k.dirty[rec.ID]; !again && (!ok || got != rec.Generation) {
				t.Errorf("%s (generation %d) is in the index with %d (%v) and would not be read again", name, rec.Generation, got, ok)
			}
		}
		var ahead []IndexHit
		for id, got := range indexed {
			if recorded[id] == got {
				continue
			}
			if _, again := k.dirty[id]; !again {
				t.Errorf("the index is ahead at %s (%d, recorded %d) and nobody knows", id, got, recorded[id])
			}
			if got > recorded[id] && len(ahead) < 100 {
				ahead = append(ahead, IndexHit{ID: id, Generation: got})
			}
		}
		if len(ahead) == 0 {
			return
		}
		s := must(NewSearcher(SearchSources{
			Index: func() *BleveIndex { return k.index }, Documents: k.Documents, Text: k.Text,
			Files: func(context.Context, string) iter.Seq[TextFile] { return func(func(TextFile) bool) {} },
		}))
		res, err := s.show(t.Context(), must(ParseQuery("text")), &IndexResult{Total: len(ahead), Hits: ahead})
		if err != nil || len(res.Hits) != 0 || res.Total != 0 {
			t.Errorf("of %d documents ahead of their record %d are shown, %v", len(ahead), len(res.Hits), err)
		}
	})
}
