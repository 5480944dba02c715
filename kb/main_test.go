package kb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("KB_TEST_CHILD"); dir != "" {
		os.Exit(childMain(dir))
	}
	os.Exit(m.Run())
}

// logIndex is a small durable index: one line a batch in a file, synced; a torn last line did not happen.
type logIndex struct {
	mu   sync.Mutex
	f    *os.File
	gen  uint64
	docs map[string]logDoc
	fail error // answered by the next Apply
}

type logDoc struct {
	Gen                      uint64
	Path, Hash, Text, Status string
}

type logBatch struct {
	Gen     uint64
	Puts    map[string]logDoc
	Deletes []string
}

func openLogIndex(dir string) (*logIndex, error) {
	name := filepath.Join(dir, "index.log")
	x := &logIndex{docs: map[string]logDoc{}}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	x.f = f
	r := bufio.NewReader(f)
	good := int64(0)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			break
		}
		var b logBatch
		if json.Unmarshal(line, &b) != nil {
			break
		}
		good += int64(len(line))
		x.apply(b)
	}
	if err := f.Truncate(good); err != nil {
		return nil, err
	}
	_, err = f.Seek(good, 0)
	return x, err
}

func (x *logIndex) apply(b logBatch) {
	x.gen = b.Gen
	for _, id := range b.Deletes {
		delete(x.docs, id)
	}
	maps.Copy(x.docs, b.Puts)
}

func (x *logIndex) Apply(_ context.Context, gen uint64, puts []*Parsed, deletes []string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.fail; err != nil {
		x.fail = nil
		return err
	}
	b := logBatch{Gen: gen, Puts: map[string]logDoc{}, Deletes: deletes}
	for _, p := range puts {
		status := p.Status
		for _, e := range p.Entries {
			for _, in := range e.Insights {
				status += "," + in.Status
			}
		}
		b.Puts[p.ID] = logDoc{gen, p.Path, p.Hash, p.Text, status}
	}
	line, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if _, err := x.f.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := x.f.Sync(); err != nil {
		return err
	}
	x.apply(b)
	return nil
}

func (x *logIndex) Generation() (uint64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gen, nil
}

func (x *logIndex) all() map[string]logDoc {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.docs)
}

// rig is a knowledge base on a real store, in folders of its own.
type rig struct {
	*Base
	t     *testing.T
	dir   string // of the store and the index
	root  string
	index *logIndex
	store *store.Store
	bus   *event.Bus
	stop  func()
}

// newRig opens a base and runs it until its first scan is done.
func newRig(t *testing.T, root string, change ...func(*Options)) *rig {
	t.Helper()
	return openRig(t, t.TempDir(), root, change...)
}

func openRig(t *testing.T, dir, root string, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, root: root, bus: &event.Bus{}}
	var err error
	if r.store, err = store.Open(t.Context(), store.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if r.index, err = openLogIndex(dir); err != nil {
		t.Fatal(err)
	}
	o := Options{Store: r.store, Bus: r.bus, Index: r.index, Roots: []Root{{ID: "main", Path: root}}, Every: -1}
	for _, fn := range change {
		fn(&o)
	}
	if r.Base, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	sub := r.bus.Subscribe(10_000, ScanProgress{}.Topic())
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		r.store.Close()
		r.index.f.Close()
	})
	t.Cleanup(r.stop)
	r.await(sub, "")
	return r
}

// await returns the job with this id once it has ended; "" = the first that ends.
func (r *rig) await(sub *event.Subscription, id string) Job {
	r.t.Helper()
	defer sub.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	for {
		e, err := sub.Next(ctx)
		if err != nil {
			r.t.Fatalf("wait for scan %q: %v", id, err)
		}
		if j := e.Data.(ScanProgress).Job; j.Finished != nil && (id == "" || j.ID == id) {
			return j
		}
	}
}

// scan runs one scan to its end.
func (r *rig) scan(req ScanRequest) Job {
	r.t.Helper()
	sub := r.bus.Subscribe(10_000, ScanProgress{}.Topic())
	j, already, err := r.Scan(r.t.Context(), req)
	if err != nil || already {
		r.t.Fatalf("scan: already %v, %v", already, err)
	}
	return r.await(sub, j.ID)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	writeFile(r.t, filepath.Join(r.root, name), text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// makeOld makes the files below a folder look old, so that time and size are trusted.
func makeOld(t *testing.T, root string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(name, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ids returns the id of each path that is recorded, and checks that record, catalog and index say the same.
func (r *rig) ids() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	indexed := r.index.all()
	err := r.store.View(r.t.Context(), func(tx *store.Tx) error {
		rows, err := recordTable.List(tx, "", "", 0)
		for _, row := range rows {
			rec := row.Value
			out[rec.Path] = rec.ID
			if gen, ok := r.Committed(rec.ID); !ok || gen != rec.Generation {
				r.t.Errorf("%s: committed %d, %v, record %d", rec.Path, gen, ok, rec.Generation)
			}
			doc, ok := indexed[rec.ID]
			if !ok || doc.Path != rec.Path || doc.Hash != rec.Hash || doc.Gen != rec.Generation {
				r.t.Errorf("%s: index has %+v (%v), record generation %d", rec.Path, doc, ok, rec.Generation)
			}
			delete(indexed, rec.ID)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for id, doc := range indexed {
		r.t.Errorf("index has %s of %s without a record", id, doc.Path)
	}
	return out
}

func reasons(j Job) map[string]Reason {
	out := map[string]Reason{}
	for _, e := range j.Errors {
		out[e.Path] = e.Reason
	}
	return out
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func texts(n int, fn func(i int) string) string {
	s := ""
	for i := range n {
		s += fn(i)
	}
	return s
}

func doc(i int) string { return fmt.Sprintf("# Document %d\n\nText number %d.\n", i, i) }
