package logs

import (
	"context"
	"errors"
	"time"
)

const (
	batchLines = 512
	firstLook  = 250 * time.Millisecond // at a file nothing was heard of
	lastLook   = 2 * time.Second
	partWait   = 500 * time.Millisecond // for the rest of a line that was cut, before its beginning is shown
)

// Follow calls yield with the lines from a position on that the filter lets through, a few at a time, those there are and then
// those that come, until its context ends or yield gives an error; that is what it returns. From below 0 is the end. It waits
// for a service that has no file yet. With Filter.Run it returns nil when the run has ended.
//
// No line is skipped or repeated, however its file is rotated and packed meanwhile. A yield that takes its time holds up
// nobody: its lines wait in the files. Those that are removed before it comes to them are lost to it; when the filter lets marks
// through, it gets one, "gap why=removed bytes=…".
func (d *Dir) Follow(ctx context.Context, service string, from int64, f Filter, yield func([]Line) error) error {
	if err := checkService(service); err != nil {
		return err
	}
	m, err := f.matcher()
	if err != nil {
		return err
	}
	hint, leave := d.hints.join(service)
	defer leave()
	_, end, err := d.Bounds(ctx, service)
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if from < 0 {
		from = end
	}
	start, to, err := d.span(ctx, service, f)
	if err != nil {
		return err
	}
	switch {
	case f.Run == "":
	case to == 0: // not there yet: it will be behind what was there before it was looked for
		start = end
	case from >= to:
		return nil
	}
	w := follower{d: d, m: m, f: f, yield: yield, c: d.from(service, max(from, start)), in: to != 0}
	w.j.emit = w.take
	defer w.c.close()

	look := firstLook
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		got, err := w.read(ctx)
		if err != nil || w.over {
			return err
		}
		look = min(2*look, lastLook)
		if got {
			look = firstLook
		}
		if len(w.j.held) > 0 {
			look = partWait
		}
		timer.Reset(look)
		select {
		case <-hint:
		case <-timer.C:
			w.j.flush()
			if err := w.send(); err != nil || w.over {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// follower is one Follow.
type follower struct {
	d     *Dir
	m     *matcher
	f     Filter
	yield func([]Line) error
	c     *cursor
	j     joiner
	some  []Line
	in    bool // the run is found
	over  bool // and has ended
	err   error
}

// read hands on all there is.
func (w *follower) read(ctx context.Context) (got bool, err error) {
	for {
		b, pos, raw, changed, err := w.c.read(ctx)
		if err != nil {
			return got, err
		}
		if w.c.missing > 0 {
			w.j.flush()
			w.take(w.c.gap(pos))
		}
		if len(b) == 0 {
			return got, w.send()
		}
		got = true
		lines(b, pos, raw, changed, func(r record) bool {
			w.j.add(&r)
			if len(w.some) >= batchLines {
				w.err = w.send()
			}
			return w.err == nil && !w.over
		})
		if w.err != nil {
			return got, w.err
		}
		if err := w.send(); err != nil || w.over {
			return got, err
		}
	}
}

// take is given each whole line.
func (w *follower) take(r *record) {
	if w.over {
		return
	}
	if w.f.Run != "" && r.stream == Keeper {
		verb, id := mark(r.text)
		switch mine := id == w.f.Run; {
		case mine && (verb == "start" || verb == "in"):
			w.in = true
		case w.in && (verb == "start" || verb == "in"):
			w.over = true
			return
		case w.in && mine && verb == "end":
			w.over = true
		}
	}
	if (w.in || w.f.Run == "") && w.m.match(r) {
		w.some = append(w.some, r.line())
	}
}

func (w *follower) send() error {
	if len(w.some) == 0 {
		return nil
	}
	some := w.some
	w.some = nil // the lines are the receiver's
	return w.yield(some)
}
