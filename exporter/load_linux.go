package exporter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

type loadReader struct{ loadavg procFile }

func newLoadReader(o *Options) *loadReader {
	return &loadReader{procFile{path: filepath.Join(o.ProcRoot, "loadavg")}}
}

func (r *loadReader) close() error { return r.loadavg.close() }

func (r *loadReader) read(context.Context) (*Load, error) {
	b, err := r.loadavg.read()
	if err != nil {
		return nil, err
	}
	v, err := parseLoad(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.loadavg.path, err)
	}
	return &v, nil
}

var errNoLoad = errors.New("want three numbers")

// parseLoad reads /proc/loadavg.
func parseLoad(b []byte) (v Load, err error) {
	b, _ = nextLine(b)
	for _, p := range [...]*float64{&v.Load1, &v.Load5, &v.Load15} {
		var f []byte
		f, b = nextField(b)
		*p = parseFloat(f)
		if *p != *p { //nolint:gocritic // NaN
			return v, errNoLoad
		}
	}
	return v, nil
}
