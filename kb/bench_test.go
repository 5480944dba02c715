package kb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// nullIndex takes everything, so that what is measured is ours.
type nullIndex struct{ gen uint64 }

func (x *nullIndex) Apply(_ context.Context, gen uint64, _ []*Parsed, _ []string) error {
	x.gen = gen
	return nil
}
func (x *nullIndex) Generation() (uint64, error) { return x.gen, nil }

func benchRig(b *testing.B, files int, index Indexer) *Base {
	b.Helper()
	root := b.TempDir()
	body := strings.Repeat("Some words about caching, light and loot tables.\n", 55)
	old := time.Now().Add(-time.Hour)
	for i := range files {
		name := filepath.Join(root, fmt.Sprintf("ai-agents/agent-%d/cat-%02d/maker-v%05d-20260101.md", i%8, i/8%100, i))
		os.MkdirAll(filepath.Dir(name), 0o755)
		text := doc(i) + "**Confidence:** 80%\n## Key Insights\n1. First of " + fmt.Sprint(i) + "\n2. Second (1:20)\n\n" + body
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		os.Chtimes(name, old, old)
	}
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	base, err := New(Options{Store: st, Bus: &event.Bus{}, Index: index, Roots: []Root{{"main", root}}, Every: -1})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	sub := base.o.Bus.Subscribe(100_000, ScanProgress{}.Topic())
	start := time.Now()
	wg.Go(func() { base.Run(ctx) })
	b.Cleanup(func() { cancel(); wg.Wait(); st.Close() })
	benchAwait(b, sub)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.Logf("first scan of %d files: %.1fs, heap %d MiB, store %d MiB", files, time.Since(start).Seconds(), m.HeapAlloc>>20, st.Info().SizeBytes>>20)
	return base
}

func benchAwait(b *testing.B, sub *event.Subscription) {
	b.Helper()
	defer sub.Close()
	for {
		e, err := sub.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if j := e.Data.(ScanProgress).Job; j.Finished != nil {
			if j.Status != JobCompleted {
				b.Fatal(j.Error)
			}
			return
		}
	}
}

func benchFiles() int {
	if os.Getenv("CC_SOAK") == "1" {
		return 100_000
	}
	return 5_000
}

func BenchmarkBase(b *testing.B) {
	base := benchRig(b, benchFiles(), &nullIndex{})
	b.Run("unchanged rescan", func(b *testing.B) {
		for b.Loop() {
			sub := base.o.Bus.Subscribe(1000, ScanProgress{}.Topic())
			if _, _, err := base.Scan(b.Context(), ScanRequest{Trigger: "rescan"}); err != nil {
				b.Fatal(err)
			}
			benchAwait(b, sub)
		}
	})
	b.Run("first page", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := base.Files(b.Context(), FileQuery{Agent: "agent-3"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("insights", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := base.Insights(b.Context(), InsightQuery{Agent: "agent-3"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stats", func(b *testing.B) {
		for b.Loop() {
			if _, err := base.Stats(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			fresh, err := New(base.o)
			if err != nil {
				b.Fatal(err)
			}
			if err := fresh.load(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSearcher is a search as a client gets it, with records and previews; those of "pages" are seldom of the same files.
func BenchmarkSearcher(b *testing.B) {
	x, err := Open(b.Context(), b.TempDir(), IndexOptions{})
	if err != nil {
		b.Fatal(err)
	}
	base := benchRig(b, benchFiles(), x)
	s, err := NewSearcher(base.Sources(func() *BleveIndex { return x }, nil))
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, hits int, request func(i int) Request) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if r, err := s.Search(b.Context(), request(i)); err != nil || len(r.Hits) != hits {
					b.Fatalf("%+v, %v", r, err)
				}
			}
		})
	}
	run("pages", 10, func(i int) Request {
		return Request{Query: "caching loot", Limit: 10, Offset: i * 10 % (benchFiles() - 10)}
	})
	run("same page", 10, func(int) Request { return Request{Query: "caching loot", Limit: 10} })
	run("nothing", 0, func(int) Request { return Request{Query: "caching absent"} })
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/parse/old.md")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(Input{Root: "main", Path: "ai-agents/a/b/old.md", Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}
