package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// TestMain lets the test binary play the other process: see child_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(childMain(role))
	}
	os.Exit(m.Run())
}

type item struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

var items = NewTable[item]("items")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openTest opens a store and, at the end of the test, closes it and checks its file in full.
func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet()
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	closeChecked(t, s)
	return s
}

func closeChecked(t testing.TB, s *Store) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		checkFile(t, s.path)
	})
}

// checkFile verifies a file by our check and by bbolt's.
func checkFile(t testing.TB, path string) {
	t.Helper()
	report, err := verifyFile(path, time.Time{}, nil)
	if err != nil {
		t.Errorf("verify %s: %v", path, err)
		return
	}
	if report.Bad > 0 {
		t.Errorf("%s has %d damaged records", path, report.Bad)
	}
	if err := boltCheck(path); err != nil {
		t.Errorf("bbolt check of %s: %v", path, err)
	}
}

func boltCheck(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bbolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	})
}

func put(t testing.TB, s *Store, key string, v item) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *Tx) error { return items.Put(tx, key, v) }); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t testing.TB, s *Store, key string) (v item, err error) {
	t.Helper()
	err = s.View(t.Context(), func(tx *Tx) (err error) {
		v, err = items.Get(tx, key)
		return err
	})
	return v, err
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	id := s.Info().InstanceID
	put(t, s, "a", item{"first", 1})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Dir: dir})
	if v, err := get(t, s, "a"); err != nil || v != (item{"first", 1}) {
		t.Errorf("got %v, %v; want {first 1}", v, err)
	}
	if got := s.Info().InstanceID; got != id || len(id) != 32 {
		t.Errorf("instance id %q after reopening, was %q", got, id)
	}
	if got := s.Info(); got.SchemaVersion != len(migrations()) || got.RestoredFrom != "" || !got.Writable || got.Degraded != "" {
		t.Errorf("Info = %+v", got)
	}
}

func TestDirectoryAndFileAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	s := openTest(t, Options{Dir: dir})
	for path, want := range map[string]os.FileMode{dir: 0o700, s.path: 0o600, s.backupDir(): 0o700} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestFileOpenToOthersIsNarrowed(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	_ = s.Close()
	if err := os.Chmod(s.path, 0o644); err != nil {
		t.Fatal(err)
	}
	openTest(t, Options{Dir: dir})
	if st, err := os.Stat(s.path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
}

func TestListing(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	for i, k := range []string{"a", "b/1", "b/2", "b/3", "b\xff", "c"} {
		put(t, s, k, item{N: i})
	}
	for _, c := range []struct {
		name, prefix, edge string
		limit              int
		back               bool
		want               string
	}{
		{"all", "", "", 0, false, "a b/1 b/2 b/3 b\xff c"},
		{"prefix", "b/", "", 0, false, "b/1 b/2 b/3"},
		{"after", "b/", "b/1", 0, false, "b/2 b/3"},
		{"after a key that is not there", "b/", "b/15", 0, false, "b/2 b/3"},
		{"after before the prefix", "b/", "a", 0, false, "b/1 b/2 b/3"},
		{"after behind the prefix", "b/", "c", 0, false, ""},
		{"limit", "b/", "", 2, false, "b/1 b/2"},
		{"limit larger than the table", "", "", 99, false, "a b/1 b/2 b/3 b\xff c"},
		{"no such prefix", "x", "", 0, false, ""},
		{"last", "", "", 0, true, "c b\xff b/3 b/2 b/1 a"},
		{"last with prefix", "b/", "", 0, true, "b/3 b/2 b/1"},
		{"last with the greatest prefix", "b\xff", "", 0, true, "b\xff"},
		{"last before", "b/", "b/3", 0, true, "b/2 b/1"},
		{"last before a key behind the prefix", "b/", "z", 0, true, "b/3 b/2 b/1"},
		{"last before the prefix", "b/", "a", 0, true, ""},
		{"last limit", "", "", 2, true, "c b\xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			err := s.View(t.Context(), func(tx *Tx) error {
				list := items.List
				if c.back {
					list = items.Last
				}
				rows, err := list(tx, c.prefix, c.edge, c.limit)
				for _, r := range rows {
					got = append(got, r.Key)
				}
				return err
			})
			if g := strings.Join(got, " "); err != nil || g != c.want {
				t.Errorf("got %q, %v; want %q", g, err, c.want)
			}
		})
	}
}

func TestEmptyTableListsAsEmptyNotNull(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	err := s.View(t.Context(), func(tx *Tx) error {
		rows, err := items.List(tx, "", "", 0)
		if rows == nil || len(rows) != 0 {
			t.Errorf("rows = %#v", rows)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailedUpdateChangesNothing(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	put(t, s, "a", item{N: 1})
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx *Tx) error {
		_ = items.Put(tx, "a", item{N: 2})
		_ = items.Put(tx, "b", item{N: 2})
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v, want the function's error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic of the function was swallowed")
			}
		}()
		_ = s.Update(t.Context(), func(tx *Tx) error {
			_ = items.Put(tx, "a", item{N: 3})
			panic("of the caller")
		})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Update(ctx, func(tx *Tx) error {
		defer cancel()
		return items.Put(tx, "a", item{N: 4})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("update whose context ended: %v", err)
	}
	if v, err := get(t, s, "a"); err != nil || v.N != 1 {
		t.Errorf("a = %v, %v; want 1", v, err)
	}
	if _, err := get(t, s, "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("b: %v, want ErrNotFound", err)
	}
}

func TestRecordsThatCannotBeStoredAreRefused(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	any := NewTable[any]("any")
	for name, try := range map[string]func(tx *Tx) error{
		"empty key":   func(tx *Tx) error { return items.Put(tx, "", item{}) },
		"long key":    func(tx *Tx) error { return items.Put(tx, strings.Repeat("k", maxKey+1), item{}) },
		"large value": func(tx *Tx) error { return items.Put(tx, "k", item{Name: strings.Repeat("v", maxValue)}) },
		"no JSON":     func(tx *Tx) error { return any.Put(tx, "k", func() {}) },
	} {
		if err := s.Update(t.Context(), try); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if err := s.View(t.Context(), func(tx *Tx) error { return items.Put(tx, "k", item{}) }); !errors.Is(err, ErrInvalid) {
		t.Errorf("put in a view: %v, want ErrInvalid", err)
	}
	err := s.Update(t.Context(), func(tx *Tx) error {
		return items.Put(tx, strings.Repeat("k", maxKey), item{Name: strings.Repeat("v", maxValue-40)})
	})
	if err != nil {
		t.Errorf("the largest record: %v", err)
	}
}

func TestNextIDNeverRepeats(t *testing.T) {
	dir := t.TempDir()
	seen := map[uint64]bool{}
	for range 3 {
		s := openTest(t, Options{Dir: dir})
		for range 5 {
			err := s.Update(t.Context(), func(tx *Tx) error {
				id, err := items.NextID(tx)
				if seen[id] || id == 0 {
					t.Errorf("id %d again", id)
				}
				seen[id] = true
				return errors.Join(err, items.Put(tx, "x", item{}), items.Delete(tx, "x"))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = s.Close()
	}
}

func TestWatchWakesOnceForManyChangesOfItsTables(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	other := NewTable[int]("other")
	w, all := s.Watch(items.Name()), s.Watch()
	defer all.Close()
	if err := s.Update(t.Context(), func(tx *Tx) error { return other.Put(tx, "k", 1) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.C:
		t.Error("woken for another table")
	default:
	}
	for i := range 10 {
		put(t, s, fmt.Sprint(i), item{})
	}
	<-w.C
	select {
	case <-w.C:
		t.Error("woken twice")
	default:
	}
	if got := w.Changed(); len(got) != 1 || got[0] != "items" {
		t.Errorf("Changed = %v", got)
	}
	if got := w.Changed(); len(got) != 0 {
		t.Errorf("Changed again = %v", got)
	}
	<-all.C
	if got := all.Changed(); strings.Join(got, " ") != "items other" {
		t.Errorf("watch of all: %v", got)
	}
	w.Close()
	put(t, s, "z", item{})
	select {
	case <-w.C:
		t.Error("woken after Close")
	default:
	}
}

func TestReadersSeeOneStateWhileWritersGoOn(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	put(t, s, "a", item{N: 0})
	put(t, s, "b", item{N: 0})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := s.View(t.Context(), func(tx *Tx) error {
					a, err := items.Get(tx, "a")
					b, err2 := items.Get(tx, "b")
					if a.N != b.N {
						t.Errorf("a = %d, b = %d in one view", a.N, b.N)
					}
					return errors.Join(err, err2)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for range 20 {
				err := s.Update(t.Context(), func(tx *Tx) error {
					a, err := items.Get(tx, "a")
					a.N++
					return errors.Join(err, items.Put(tx, "a", a), items.Put(tx, "b", a))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	if v, _ := get(t, s, "a"); v.N != 60 {
		t.Errorf("a = %d after 60 increments", v.N)
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"View":    s.View(t.Context(), func(*Tx) error { return nil }),
		"Update":  s.Update(t.Context(), func(*Tx) error { return nil }),
		"Ping":    s.Ping(t.Context()),
		"Restore": s.Restore(t.Context(), strings.NewReader("")),
	} {
		if !errors.Is(err, ErrClosed) && name != "Restore" || err == nil {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func BenchmarkCommitOneRecord(b *testing.B) {
	s := openTest(b, Options{Dir: b.TempDir()})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		put(b, s, fmt.Sprintf("%06d", i%10000), item{"a service changed its state", i})
	}
}

func BenchmarkGet(b *testing.B) {
	s := openTest(b, Options{Dir: b.TempDir()})
	put(b, s, "k", item{"x", 1})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := get(b, s, "k"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify10kRecords(b *testing.B) {
	s := openTest(b, Options{Dir: b.TempDir()})
	fill(b, s, 10000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifyFile(s.path, time.Time{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// fill writes n records in one transaction.
func fill(t testing.TB, s *Store, n int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *Tx) error {
		for i := range n {
			if err := items.Put(tx, fmt.Sprintf("%06d", i), item{strings.Repeat("x", i%300), i}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
