package app

import "testing"

// BenchmarkSelfMetrics is what the program's own metrics add to a scrape.
func BenchmarkSelfMetrics(b *testing.B) {
	d, _ := testDaemon(b)
	r := d.registry()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
