package logs

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// hundred is what a pipe gives in one read: lines of 100 bytes, the last one unfinished.
func hundred() []byte {
	var b []byte
	for i := 0; len(b) < 64<<10; i++ {
		b = fmt.Appendf(b, "%09d %s\n", i, bytes.Repeat([]byte("x"), 89))
	}
	return b[:64<<10]
}

func BenchmarkAppend(b *testing.B) {
	for _, read := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("read=%dk", read>>10), func(b *testing.B) {
			w := newWriter(b, b.TempDir(), Settings{MaxSize: 64 << 20, Keep: 2, Buffers: &Buffers{}})
			data := hundred()[:read]
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Append(Stdout, data, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// bigLog has 6 files of 16 MiB, the older ones packed.
func bigLog(b *testing.B) *Dir {
	b.Helper()
	dir := b.TempDir()
	w := newWriter(b, dir, Settings{MaxSize: 16 << 20, Keep: -1})
	d := Open(dir)
	data := hundred()
	for i := range 1100 {
		if i == 800 {
			if _, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Append(Stdout, data, at.Add(time.Duration(i)*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	must(b, w.Close())
	return d
}

func BenchmarkTail(b *testing.B) {
	d := bigLog(b)
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("lines=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, err := d.Tail(b.Context(), "web", n, Filter{}); err != nil || len(p.Lines) != n {
					b.Fatal(len(p.Lines), err)
				}
			}
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	d := bigLog(b)
	_, end, err := d.Bounds(b.Context(), "web")
	must(b, err)
	for name, q := range map[string]Query{
		"text":   {Filter: Filter{Contains: "no such text"}},
		"fold":   {Filter: Filter{Contains: "no such text", IgnoreCase: true}},
		"newest": {Filter: Filter{Contains: "no such text"}, Newest: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(end)
			b.ReportAllocs()
			for b.Loop() {
				if p, err := d.Search(b.Context(), "web", q); err != nil || len(p.Lines) != 0 || p.Scanned != end {
					b.Fatal(len(p.Lines), p.Scanned, err)
				}
			}
		})
	}
}

func BenchmarkPack(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		w := newWriter(b, dir, Settings{Keep: -1})
		data := hundred()
		for range 256 {
			if _, err := w.Append(Stdout, data, at); err != nil {
				b.Fatal(err)
			}
		}
		must(b, w.Rotate())
		b.SetBytes(w.Position())
		b.StartTimer()
		if _, err := NewPacker(Open(dir), PackerOptions{Retention: keepAll}).Pack(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
