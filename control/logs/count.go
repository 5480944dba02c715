package logs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
)

// lineCache remembers how many lines a file has up to a position, so that nothing is counted twice.
type lineCache struct {
	mu     sync.Mutex
	counts map[string][]lineCount // by service
}

type lineCount struct {
	start, upto int64 // the file at start was read up to here
	lines       int64
}

func (c *lineCache) get(service string) []lineCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.counts[service])
}

func (c *lineCache) put(service string, counts []lineCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string][]lineCount{}
	}
	c.counts[service] = counts
}

func (c *lineCache) forget(service string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.counts, service)
}

// Total counts the lines there are, not those that retention has removed; marks do not count. The first call for a service
// reads what is not packed, about 1 GB/s; later ones only what came since.
func (d *Dir) Total(ctx context.Context, service string) (int64, error) {
	if err := checkService(service); err != nil {
		return 0, err
	}
	segs, live, err := d.view(service)
	if err != nil {
		return 0, err
	}
	if live != nil {
		defer live.Close()
	} else if len(segs) == 0 {
		return 0, ErrNone
	}
	old := d.lines.get(service)
	var counts []lineCount
	var sum int64
	known := func(start int64) lineCount {
		if i := slices.IndexFunc(old, func(c lineCount) bool { return c.start == start }); i >= 0 {
			return old[i]
		}
		return lineCount{start: start, upto: start}
	}
	for _, s := range segs {
		if s.forms&(plain|packed) == 0 {
			continue
		}
		c := known(s.start)
		if c.upto < s.end() {
			o, err := d.openSegment(service, s)
			if errors.Is(err, fs.ErrNotExist) {
				o, err = d.openSegment(service, s)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return 0, err
			}
			if p, ok := o.source.(*packedFile); ok {
				c.lines = p.lines
			} else {
				err = c.count(ctx, o)
			}
			c.upto = s.end()
			if err = errors.Join(err, o.Close()); err != nil {
				return 0, err
			}
		}
		sum += c.lines
		counts = append(counts, c)
	}
	if live != nil {
		c := known(live.start)
		if err := c.count(ctx, live); err != nil {
			return 0, err
		}
		sum += c.lines
		counts = append(counts, c)
	}
	d.lines.put(service, counts)
	return sum, nil
}

// count goes on counting in a file.
func (c *lineCount) count(ctx context.Context, o *opened) error {
	w := cursor{pos: c.upto, file: o, one: true}
	for {
		b, pos, err := w.chunk(ctx)
		if err != nil || len(b) == 0 {
			return err
		}
		lines(b, pos, o.raw, o.changed, func(r record) bool {
			if !r.partial && r.stream != Keeper {
				c.lines++
			}
			return true
		})
		c.upto = pos + int64(len(b))
	}
}
