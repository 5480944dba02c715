//go:build !linux

package exporter

import (
	"context"
	"time"
)

// cpuSecondsStart is unknown: these platforms have no thread clock fine enough for reads of a millisecond.
func cpuSecondsStart() float64 { return unknown() }

func timed(ctx context.Context, src Source) (v any, took time.Duration, cpu float64, err error) {
	begin := time.Now()
	v, err = src.read(ctx)
	return v, time.Since(begin), unknown(), err
}
