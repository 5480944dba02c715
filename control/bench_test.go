package control

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// many returns a manager of n services that does not run.
func many(b *testing.B, n int) *Manager {
	db, err := store.Open(context.Background(), store.Options{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	var files []Definition
	for i := range n {
		files = append(files, Definition{parsed(b, fmt.Sprintf("s%d", i), `{"ports": [8188], "env": {"A": "1"}}`), "f"})
	}
	m, err := New(b.Context(), Options{Store: db, Bus: &event.Bus{}, Launcher: newFake(), Files: files})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func BenchmarkListOf200(b *testing.B) {
	m := many(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		for _, st := range m.List() {
			_ = st.Object(now)
		}
	}
}

func BenchmarkScrapeOf200(b *testing.B) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(many(b, 200).Collector())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for b.Loop() {
		m, _, _ := step(machine{state: Running, proc: live, gen: 1}, input{sig: sigExited, gen: 1, verdict: again})
		_ = m
	}
}
