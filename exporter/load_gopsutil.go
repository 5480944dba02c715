//go:build !linux

package exporter

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v3/load"
)

type loadReader struct{}

func newLoadReader(*Options) *loadReader { return &loadReader{} }

func (r *loadReader) close() error { return nil }

// read returns, on Windows, an average of the processor queue's length that gopsutil takes itself, every 5 s.
func (r *loadReader) read(ctx context.Context) (*Load, error) {
	a, err := load.AvgWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read load: %w", noData(err))
	}
	return &Load{a.Load1, a.Load5, a.Load15}, nil
}
