package exporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const smiLookEvery = 30 * time.Second

// gpuReader reads NVIDIA's GPUs through nvidia-smi and, on Linux, AMD's and Intel's through /sys. One goroutine uses it at a
// time.
type gpuReader struct {
	interval time.Duration
	backoff  time.Duration // first pause before a helper is started again
	path     string        // folders that are searched for nvidia-smi, as in PATH
	log      *slog.Logger
	cards    drmCards
	smi      *smi // nil = there is no nvidia-smi
	lookedAt time.Time
	offset   int // first ID that is free for cards of other vendors
}

func newGPUReader(o *Options) *gpuReader {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &gpuReader{
		interval: 5 * time.Second, backoff: smiBackoffFirst, path: os.Getenv("PATH"), log: log, cards: newDRMCards(o.SysRoot),
	}
}

// read returns the GPUs of all vendors, ErrNoData when there is none. Only while nvidia-smi has not yet answered it waits,
// until ctx ends.
func (r *gpuReader) read(ctx context.Context, now time.Time) (*GPUs, error) {
	others := r.cards.read(now)
	list, err := r.nvidia(ctx, now)
	for _, g := range list {
		if n, err := strconv.Atoi(g.ID); err == nil {
			r.offset = max(r.offset, n+1)
		}
	}
	for i := range others {
		others[i].ID = strconv.Itoa(r.offset + i)
	}
	list = append(list, others...)
	switch {
	case err != nil && len(list) > 0:
		return &GPUs{List: list}, fmt.Errorf("%w: %w", err, ErrPartial)
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, ErrNoData
	}
	return &GPUs{List: list}, nil
}

// nvidia returns NVIDIA's GPUs, none when there is no nvidia-smi or it finds no device.
func (r *gpuReader) nvidia(ctx context.Context, now time.Time) ([]GPU, error) {
	if r.smi == nil {
		if !r.lookedAt.IsZero() && now.Sub(r.lookedAt) < smiLookEvery {
			return nil, nil
		}
		r.lookedAt = now
		path := findProgram(r.path, smiProgram)
		if path == "" {
			return nil, nil
		}
		r.smi = startSMI(path, r.interval, r.backoff, r.log)
	}
	if end, ok := ctx.Deadline(); ok { // so that an answer is given before the read is abandoned
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-100*time.Millisecond))
		defer cancel()
	}
	list, err := r.smi.latest(ctx)
	switch {
	case errors.Is(err, errSMINone):
		return nil, nil
	case errors.Is(err, fs.ErrNotExist): // it was removed
		if err := r.close(); err != nil {
			return nil, err
		}
		return nil, nil
	}
	return list, err
}

// close ends the helpers.
func (r *gpuReader) close() error {
	if r.smi == nil {
		return nil
	}
	err := r.smi.end()
	r.smi = nil
	return err
}

// findProgram looks a program up in a list of folders; "" when it is in none. The working directory is never searched.
func findProgram(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		full := filepath.Join(dir, name)
		if st, err := os.Stat(full); err == nil && st.Mode().IsRegular() && runnable(st) {
			return full
		}
	}
	return ""
}
