package exporter

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
)

type pressureReader struct {
	names []string
	files []procFile
}

func newPressureReader(o *Options) *pressureReader {
	r := &pressureReader{names: []string{"cpu", "memory", "io", "irq"}}
	for _, name := range r.names {
		r.files = append(r.files, procFile{path: filepath.Join(o.ProcRoot, "pressure", name)})
	}
	return r
}

func (r *pressureReader) close() error {
	return closeAll(&r.files[0], &r.files[1], &r.files[2], &r.files[3])
}

// read skips what the kernel has not: irq before 6.1, all of it without PSI (or with psi=0).
func (r *pressureReader) read(context.Context) (*Pressure, error) {
	v := &Pressure{Resources: make([]PressureResource, 0, len(r.names))}
	var failed error
	for i, name := range r.names {
		b, err := r.files[i].read()
		switch {
		case absent(err):
		case err != nil:
			failed = err
		default:
			p := parsePressure(b)
			p.Resource = name
			if p.WaitingSeconds == p.WaitingSeconds || p.StalledSeconds == p.StalledSeconds { //nolint:gocritic // not NaN
				v.Resources = append(v.Resources, p)
			}
		}
	}
	switch {
	case len(v.Resources) == 0 && failed != nil:
		return nil, failed
	case len(v.Resources) == 0:
		return nil, ErrNoData
	case failed != nil:
		return v, fmt.Errorf("%w: %w", failed, ErrPartial)
	}
	return v, nil
}

// parsePressure reads a file of /proc/pressure. Its totals are microseconds.
func parsePressure(b []byte) PressureResource {
	p := PressureResource{WaitingSeconds: unknown(), StalledSeconds: unknown()}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		kind, rest := nextField(line)
		for len(rest) > 0 {
			var f []byte
			f, rest = nextField(rest)
			total, ok := bytes.CutPrefix(f, []byte("total="))
			if !ok {
				continue
			}
			n, ok := parseUint(total)
			switch {
			case !ok:
			case string(kind) == "some":
				p.WaitingSeconds = float64(n) / 1e6
			case string(kind) == "full":
				p.StalledSeconds = float64(n) / 1e6
			}
		}
	}
	return p
}
