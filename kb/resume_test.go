package kb

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"controlcenter/internal/store"
)

// TestRescanFindsWhatNobodyTold: without watching, the periodic scan is what finds a file.
func TestRescanFindsWhatNobodyTold(t *testing.T) {
	r := newRig(t, t.TempDir(), func(o *Options) { o.Every = 50 * time.Millisecond })
	sub := r.bus.Subscribe(1000, DocumentsChanged{}.Topic())
	defer sub.Close()
	r.write("a/new.md", doc(1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for r.cat.at(keyOf("main", "a/new.md")) == nil {
		if _, err := sub.Next(ctx); err != nil {
			t.Fatalf("the file was not found: %v", err)
		}
	}
}

// TestScanGoesOnAsWhatItWas: a scan that was cut off is, after a start, the forced one or that of the creator or tier that it was.
func TestScanGoesOnAsWhatItWas(t *testing.T) {
	for name, c := range map[string]struct {
		req   ScanRequest
		kind  string
		files int // that it reads again
	}{
		"forced":             {ScanRequest{Force: true}, ScanFull, 7},
		"forced, of creator": {ScanRequest{Creator: "PixelOrchard", Force: true}, ScanCreator, 2},
		"forced, of a tier":  {ScanRequest{Tier: "high", Force: true}, ScanTier, 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir, root := t.TempDir(), t.TempDir()
			writeFile(t, filepath.Join(root, "knowledge-base/metadata/creator-database.json"),
				`{"creators":[{"id":"PixelOrchard","priority":"low"},{"id":"harbor","priority":"high"}],"priority_tiers":{"high":["harbor"]}}`)
			for i, of := range []string{"pixelorchard", "PixelOrchard", "harbor", "harbor", "harbor", "other"} {
				writeFile(t, filepath.Join(root, fmt.Sprintf("in/%s-%d.md", of, i)), doc(i))
			}
			makeOld(t, root)
			r := openRig(t, dir, root)
			r.stop()
			// What a process leaves that dies while it scans: the row of the job as Scan writes it, and that it runs.
			st, err := store.Open(t.Context(), store.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			index, err := openLogIndex(dir)
			if err != nil {
				t.Fatal(err)
			}
			dead, err := New(Options{Store: st, Index: index, Roots: r.o.Roots, Every: -1})
			if err != nil {
				t.Fatal(err)
			}
			job, _, err := dead.Scan(t.Context(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			job.Status = JobRunning
			if err := st.Update(t.Context(), func(tx *store.Tx) error { return putJob(tx, &job) }); err != nil {
				t.Fatal(err)
			}
			st.Close()
			index.f.Close()
			writeFile(t, filepath.Join(root, "in/of-nobody.md"), doc(100)) // while it was away

			r = openRig(t, dir, root)
			for r.cat.at(keyOf("main", "in/of-nobody.md")) == nil {
				if t.Context().Err() != nil || len(r.pending()) == 0 && r.cat.at(keyOf("main", "in/of-nobody.md")) == nil {
					t.Fatal("what came while it was away was not found")
				}
				runtime.Gosched()
			}
			jobs, _, err := r.Jobs(t.Context(), 50)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(jobs, func(j Job) bool { return j.ID == job.ID })
			if i < 0 {
				t.Fatalf("job %s is gone", job.ID)
			}
			j := jobs[i]
			check(t, "kind", j.Kind, c.kind, "status", j.Status, JobCompleted, "resumed", j.Resumed, 1, "read", j.Parsed, c.files,
				"creator", j.Creator, c.req.Creator, "tier", j.Tier, c.req.Tier, "force", j.Force, c.req.Force)
		})
	}
}

// pending are the scans that wait or run.
func (r *rig) pending() []*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.queue)
	if r.current != nil {
		all = append(all, r.current)
	}
	return all
}
