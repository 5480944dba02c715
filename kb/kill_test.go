package kb

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	index, err := openLogIndex(dir)
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
			name := filepath.Join(root, fmt.Sprintf("ai-agents/a%d/c/%04d.md", rng.IntN(5), rng.IntN(4000)))
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
	change(3000)
	for round := range rounds {
		change(1600)
		acked := killChild(t, dir, root, rng.IntN(4), rng.IntN(30))
		checkAfterKill(t, round, dir, acked)
	}
	// Then it is left alone, and ends with exactly what the files say.
	r := openRig(t, dir, root)
	ids := r.ids()
	seen := map[string]string{}
	for name, id := range ids {
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s have the same id", name, other)
		}
		seen[id] = name
	}
	files := 0
	filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		rel, _ := filepath.Rel(root, name)
		f, err := r.File(t.Context(), filepath.ToSlash(rel))
		if err != nil {
			t.Errorf("%s: %v", rel, err)
			return nil
		}
		data := must(os.ReadFile(name))
		if sum := sha256.Sum256(data); f.Hash != hex.EncodeToString(sum[:]) || len(f.Entries) != 1 {
			t.Errorf("%s: hash %s, %d entries", rel, f.Hash, len(f.Entries))
		}
		return nil
	})
	if files != len(ids) {
		t.Errorf("%d files, %d documents", files, len(ids))
	}
	err := r.store.View(t.Context(), func(tx *store.Tx) error {
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

func checkAfterKill(t *testing.T, round int, dir string, acked uint64) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer st.Close()
	index, err := openLogIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer index.f.Close()
	b, err := New(Options{Store: st, Index: index, Roots: []Root{{ID: "main", Path: dir}}, Every: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	gen, degraded := b.Generation()
	if gen < acked || degraded {
		t.Errorf("round %d: generation %d after %d was acknowledged, degraded %v", round, gen, acked, degraded)
	}
	// What the search may show, the record has: same generation, same content. Every record is in the index, or it is among the
	// documents that will be read again.
	docs := index.all()
	paths := map[string]bool{}
	err = st.View(t.Context(), func(tx *store.Tx) error {
		rows, err := recordTable.List(tx, "", "", 0)
		for _, row := range rows {
			rec := row.Value
			doc, ok := docs[rec.ID]
			shown := ok && doc.Gen == rec.Generation
			_, again := b.dirty[rec.ID]
			if shown && (doc.Hash != rec.Hash) {
				t.Errorf("round %d: %s: the index has another content of the same generation", round, rec.Path)
			}
			if !shown && !again {
				t.Errorf("round %d: %s (generation %d) is in the index as %+v and would not be read again", round, rec.Path, rec.Generation, doc)
			}
			if paths[rec.Path] {
				t.Errorf("round %d: %s is recorded twice", round, rec.Path)
			}
			paths[rec.Path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, doc := range docs {
		if committed, ok := b.Committed(id); !ok || committed != doc.Gen {
			if _, again := b.dirty[id]; !again {
				t.Errorf("round %d: the index is ahead at %s (%+v) and nobody knows", round, id, doc)
			}
		}
	}
}
