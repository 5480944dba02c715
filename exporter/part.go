package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoData says that a part has nothing to read on this machine (no GPU, no sensor, no permission). It is not a failure:
// such a part reports no success value at all and is asked again every 30 s.
var ErrNoData = errors.New("no data on this machine")

// ErrPartial marks an error that leaves the returned value good for what could be read: the value is published and the
// part's success is 0. Wrap it with what was missing: fmt.Errorf("mount %s hangs: %w", m, ErrPartial).
var ErrPartial = errors.New("partial reading")

// Kind says when a part is read.
type Kind uint8

const (
	// Fast parts are counters that cost microseconds. They are read every Settings.Interval, always (they feed the history),
	// and again on demand when a reader wants them younger.
	Fast Kind = iota
	// Dear parts cost more. They are read every Part.Every while somebody reads, every 30 s when nobody did for a minute.
	Dear
	// OnDemand parts are read only when a caller asks for them by name, at most four times a second.
	OnDemand
)

// Part is one collector: a typed reader, its schedule, and how its reading is shown as metrics. T must be a type that no
// other part reads, because readers find a value by its type ([Get]).
type Part[T any] struct {
	Name     string        // collector name, the label of controlcenter_collector_*
	Kind     Kind          // when it is read
	Every    time.Duration // cadence of a Dear part while somebody reads; ignored for the other kinds
	Deadline time.Duration // a read that takes longer is abandoned; 0 = 1 s
	// Prime says that the reading holds rates, which need two readings: the sampler reads it twice, 250 ms apart, at start.
	Prime bool
	// Read reads the machine once. It must honour ctx as far as the platform lets it, is never called again before it has
	// returned, and must return a value it will not touch again: the value is published to all readers.
	Read func(ctx context.Context) (*T, error)
	// Metrics lists every family that Emit writes, Node every family that EmitNode writes (node_exporter's names).
	Metrics, Node []*Desc
	// Emit and EmitNode write a reading as metrics. They must not block and must not change v. Either may be nil.
	Emit, EmitNode func(v *T, e *Emitter)
	// Close frees what Read keeps open (files, helper processes). It is called once, when no Read is under way. May be nil.
	Close func() error
}

// Source is the untyped face of a [Part], which the sampler drives.
type Source interface {
	base() partBase
	read(ctx context.Context) (any, error)
	emit(v any, e *Emitter, node bool)
	close() error
}

type partBase struct {
	name          string
	kind          Kind
	every         time.Duration
	deadline      time.Duration
	prime         bool
	metrics, node []*Desc
}

func (p *Part[T]) base() partBase {
	d := p.Deadline
	if d == 0 {
		d = time.Second
	}
	return partBase{p.Name, p.Kind, p.Every, d, p.Prime, p.Metrics, p.Node}
}

// read calls Read and turns a panic into an error: one parser's bug must not end the program.
func (p *Part[T]) read(ctx context.Context) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("reader panicked: %v", r)
		}
	}()
	got, err := p.Read(ctx)
	if got == nil {
		return nil, err
	}
	return got, err
}

func (p *Part[T]) emit(v any, e *Emitter, node bool) {
	t, ok := v.(*T)
	switch {
	case !ok:
	case node && p.EmitNode != nil:
		p.EmitNode(t, e)
	case !node && p.Emit != nil:
		p.Emit(t, e)
	}
}

func (p *Part[T]) close() error {
	if p.Close == nil {
		return nil
	}
	return p.Close()
}
