package exporter

import (
	"math"
	"sync"
	"time"
)

// historySpan is how far back the ring reaches: long enough that a page opens with a curve.
const historySpan = 15 * time.Minute

// historyColumn is one curve of the ring: its name, which ends in its unit, and where a snapshot has its value.
type historyColumn struct {
	name string
	of   func(*Snapshot) float64
}

// historyColumns are the curves kept. Percents are 0..100, rates are per second; NaN where unknown.
func historyColumns() []historyColumn {
	return []historyColumn{
		{"cpu_percent", func(s *Snapshot) float64 { return of(s, func(v *CPU) float64 { return 100 * v.UsageRatio }) }},
		{"memory_percent", func(s *Snapshot) float64 { return of(s, func(v *Memory) float64 { return 100 * v.UsedRatio }) }},
		{"memory_used_bytes", func(s *Snapshot) float64 { return of(s, func(v *Memory) float64 { return v.UsedBytes }) }},
		{"swap_used_bytes", func(s *Snapshot) float64 { return of(s, func(v *Memory) float64 { return v.SwapUsedBytes }) }},
		{"load1", func(s *Snapshot) float64 { return of(s, func(v *Load) float64 { return v.Load1 }) }},
		{"disk_percent", func(s *Snapshot) float64 {
			return of(s, func(v *Filesystems) float64 {
				if m := v.Main(); m != nil {
					return 100 * m.UsedRatio
				}
				return unknown()
			})
		}},
		{"disk_read_bytes_per_second", func(s *Snapshot) float64 { return of(s, func(v *DiskIO) float64 { return v.ReadBytesPerSecond }) }},
		{"disk_written_bytes_per_second", func(s *Snapshot) float64 { return of(s, func(v *DiskIO) float64 { return v.WrittenBytesPerSecond }) }},
		{"network_receive_bytes_per_second", func(s *Snapshot) float64 { return of(s, func(v *Network) float64 { return v.ReceiveBytesPerSecond }) }},
		{"network_transmit_bytes_per_second", func(s *Snapshot) float64 { return of(s, func(v *Network) float64 { return v.TransmitBytesPerSecond }) }},
		{"temperature_celsius_max", func(s *Snapshot) float64 { return of(s, (*Sensors).MaxCelsius) }},
		{"gpu_utilization_percent_max", func(s *Snapshot) float64 {
			return of(s, func(v *GPUs) float64 { return 100 * v.MaxUtilizationRatio() })
		}},
		{"gpu_memory_used_bytes", func(s *Snapshot) float64 { return of(s, (*GPUs).MemoryUsedBytes) }},
		{"processes", func(s *Snapshot) float64 { return of(s, func(v *Processes) float64 { return float64(len(v.List)) }) }},
	}
}

func of[T any](s *Snapshot, f func(*T) float64) float64 {
	if v := Get[T](s); v != nil {
		return f(v)
	}
	return unknown()
}

// History is a ring of the last 15 minutes, one point per regular round. It is safe for concurrent use.
type History struct {
	columns []historyColumn

	mu       sync.Mutex
	interval time.Duration
	times    []int64     // unix milliseconds, ring
	values   [][]float32 // column, point
	cores    [][]float32 // core, point: percent
	n, next  int
	services serviceRing
}

// Curves are what [History.Since] returns: parallel slices, oldest first.
type Curves struct {
	Interval time.Duration
	Times    []int64              // unix milliseconds
	Values   map[string][]float32 // by column name; NaN = unknown
	Cores    [][]float32          // per CPU core, percent
}

func newHistory(interval time.Duration) *History {
	h := &History{columns: historyColumns(), services: newServiceRing()}
	h.reset(interval)
	return h
}

// reset empties the ring; the distance between its points is part of what it says.
func (h *History) reset(interval time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	size := max(2, int(historySpan/interval))
	h.interval, h.n, h.next, h.cores = interval, 0, 0, nil
	h.times = make([]int64, size)
	h.values = make([][]float32, len(h.columns))
	for i := range h.values {
		h.values[i] = make([]float32, size)
	}
}

func (h *History) add(s *Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.services.add(s.At, Get[Processes](s))
	i := h.next
	h.times[i] = s.At.UnixMilli()
	for c, col := range h.columns {
		h.values[c][i] = float32(col.of(s))
	}
	if cpu := Get[CPU](s); cpu != nil {
		for len(h.cores) < len(cpu.Cores) {
			col := make([]float32, len(h.times))
			for j := range col {
				col[j] = float32(math.NaN())
			}
			h.cores = append(h.cores, col)
		}
		for c := range h.cores {
			v := unknown()
			if c < len(cpu.Cores) {
				v = 100 * cpu.Cores[c].UsageRatio
			}
			h.cores[c][i] = float32(v)
		}
	}
	h.next = (i + 1) % len(h.times)
	h.n = min(h.n+1, len(h.times))
}

// Since returns the points younger than from, at most the whole ring. The result is the caller's own.
func (h *History) Since(from time.Time) Curves {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Curves{Interval: h.interval, Values: make(map[string][]float32, len(h.columns)), Times: []int64{}, Cores: [][]float32{}}
	first, n := youngest(h.times, h.next, h.n, from)
	c.Times = unroll(h.times, first, n)
	for i, col := range h.columns {
		c.Values[col.name] = unroll(h.values[i], first, n)
	}
	for _, core := range h.cores {
		c.Cores = append(c.Cores, unroll(core, first, n))
	}
	return c
}

// youngest returns where the points of a ring that are not older than from begin, and how many they are.
func youngest(times []int64, next, n int, from time.Time) (first, count int) {
	first = (next - n + len(times)) % len(times)
	for n > 0 && times[first] < from.UnixMilli() {
		first, n = (first+1)%len(times), n-1
	}
	return first, n
}

func unroll[E any](ring []E, first, n int) []E {
	out := make([]E, 0, n)
	for i := range n {
		out = append(out, ring[(first+i)%len(ring)])
	}
	return out
}
