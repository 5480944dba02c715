package exporter

import (
	"context"
	"errors"
	"log/slog"
	"testing"
)

// fastParts builds the fast parts of the table; they read on demand.
func fastParts(tb testing.TB) []Source {
	tb.Helper()
	o := &Options{Logger: slog.New(slog.DiscardHandler)}
	o.fill()
	st := DefaultSettings()
	o.Current = func() *Settings { return &st }
	var fast []Source
	for _, s := range table(o) {
		if s.base().kind == Fast {
			fast = append(fast, s)
		}
	}
	return fast
}

func BenchmarkReadFast(b *testing.B) {
	parts := fastParts(b)
	for _, p := range parts {
		b.Run(p.base().name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchRead(b, p)
			}
		})
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range parts {
				benchRead(b, p)
			}
		}
	})
}

func benchRead(b *testing.B, p Source) any {
	v, err := p.read(context.Background())
	if err != nil && !errors.Is(err, ErrNoData) {
		b.Fatal(p.base().name, err)
	}
	return v
}

func BenchmarkEmitFast(b *testing.B) {
	parts := fastParts(b)
	values := make([]any, len(parts))
	for i, p := range parts {
		values[i] = benchRead(b, p)
	}
	for name, node := range map[string]bool{"ours": false, "node": true} {
		b.Run(name, func(b *testing.B) {
			e := newEmitter()
			st := DefaultSettings()
			b.ReportAllocs()
			for b.Loop() {
				e.reset(&st, nil)
				for i, p := range parts {
					p.emit(values[i], e, node)
				}
				e.families()
			}
			b.ReportMetric(float64(e.series), "series")
		})
	}
}

func BenchmarkReadDear(b *testing.B) {
	for _, s := range []Source{
		newTCP(&Options{ProcRoot: "/proc", SysRoot: "/sys"}), newSensors(&Options{ProcRoot: "/proc", SysRoot: "/sys"}),
		newHost(&Options{ProcRoot: "/proc", SysRoot: "/sys"}),
	} {
		b.Run(s.base().name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchRead(b, s)
			}
		})
	}
}
