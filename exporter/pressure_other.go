//go:build !linux

package exporter

import "context"

// pressureReader has nothing to read: pressure stall information is Linux's.
type pressureReader struct{}

func newPressureReader(*Options) *pressureReader { return &pressureReader{} }

func (r *pressureReader) close() error { return nil }

func (r *pressureReader) read(context.Context) (*Pressure, error) { return nil, ErrNoData }
