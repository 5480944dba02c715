//go:build !linux

package exporter

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/mem"
)

type memoryReader struct{}

func newMemoryReader(*Options) *memoryReader { return &memoryReader{} }

func (r *memoryReader) close() error { return nil }

func (r *memoryReader) read(ctx context.Context) (*Memory, error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read memory: %w", noData(err))
	}
	v := &Memory{
		TotalBytes: float64(m.Total), AvailableBytes: float64(m.Available), FreeBytes: float64(m.Free),
		CachedBytes: nonZero(m.Cached), BuffersBytes: nonZero(m.Buffers),
		SwapTotalBytes: unknown(), SwapFreeBytes: unknown(), SwapInBytes: unknown(), SwapOutBytes: unknown(), OOMKills: unknown(),
	}
	s, err := mem.SwapMemoryWithContext(ctx)
	if err == nil {
		v.SwapTotalBytes, v.SwapFreeBytes = float64(s.Total), float64(s.Free)
	}
	v.derive()
	if err != nil {
		return v, fmt.Errorf("read swap: %w: %w", err, ErrPartial)
	}
	return v, nil
}

// nonZero is for numbers that gopsutil leaves at 0 where the system has none.
func nonZero(n uint64) float64 {
	if n == 0 {
		return unknown()
	}
	return float64(n)
}
