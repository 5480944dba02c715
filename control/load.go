package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"controlcenter/internal/store"
)

// New reads what is stored, lays the definitions of the file over it, and returns a Manager whose Run has yet to be called.
// A wrong definition in the file is an [InvalidError]; one in the store, which an older version may have accepted, is logged
// and left alone.
func New(ctx context.Context, o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log = o.Log.With("component", "control")
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	m := &Manager{
		o: o, writer: &writer{o.Store, make(chan *write, batch)}, edit: make(chan struct{}, 1), work: make(chan func(context.Context)),
		ready: make(chan struct{}), ended: make(chan struct{}), restartSeconds: newRestartHistogram(),
	}
	files := map[string]Definition{}
	for _, d := range o.Files {
		if other, twice := files[Key(d.Spec.ID)]; twice {
			return nil, &InvalidError{Service: d.Spec.ID, Fields: []FieldError{{"name", fmt.Sprintf("%q is also defined at %s; case, - and _ make no difference", d.Spec.ID, other.Origin)}}}
		}
		files[Key(d.Spec.ID)] = d
	}
	all := map[string]*service{}
	err := o.Store.Update(ctx, func(tx *store.Tx) error {
		clear(all)
		return m.load(tx, files, all)
	})
	if err != nil {
		return nil, err
	}
	m.index.Store(newIndex(all))
	return m, nil
}

// load makes the services of the store and the file.
func (m *Manager) load(tx *store.Tx, files map[string]Definition, all map[string]*service) error {
	rows, err := services.List(tx, "", "", 0)
	if err != nil {
		return err
	}
	have := map[string]record{}
	for _, r := range rows {
		if _, still := files[r.Key]; r.Value.Origin != "" && !still {
			continue // removed from the file: taken care of when what lives is known, see dropLeft
		}
		have[r.Key] = r.Value
	}
	specs := map[string]*Spec{}
	for key, d := range files {
		rec, known := have[key]
		if !known {
			if rec, err = newRecord(tx, d.Spec, d.Origin); err != nil {
				return err
			}
		}
		if known && !sameJSON(rec.Spec, d.Spec) {
			rec.UpdatedAt = time.Now().UTC()
			if !sameJSON(rec.Spec.Schedule, d.Spec.Schedule) {
				rec.Anchor, rec.LastDue = rec.UpdatedAt, rec.UpdatedAt
			}
		}
		rec.Spec, rec.Origin = d.Spec, d.Origin
		if err := services.Put(tx, key, rec); err != nil {
			return err
		}
		have[key] = rec
	}
	for key, rec := range have {
		spec, err := rec.Spec.Effective()
		if err == nil {
			err = spec.Check()
		}
		if err != nil {
			if rec.Origin != "" {
				return fmt.Errorf("%s: service %q: %w", rec.Origin, rec.Spec.ID, err)
			}
			m.o.Log.Error("stored definition is not valid any more", "service", key, "err", err)
			continue
		}
		specs[key] = spec
		s, err := m.newService(tx, key, rec, spec)
		if err != nil {
			return err
		}
		all[key] = s
	}
	for key, wrong := range checkTogether(specs) {
		err := &InvalidError{Service: key, Fields: wrong}
		if have[key].Origin != "" {
			return fmt.Errorf("%s: service %q: %w", have[key].Origin, have[key].Spec.ID, err)
		}
		m.o.Log.Error("stored definition does not fit the others", "service", key, "err", err)
	}
	return nil
}

func newRecord(tx *store.Tx, spec *Spec, origin string) (record, error) {
	n, err := services.NextID(tx)
	now := time.Now().UTC()
	return record{
		Number: n, Spec: spec, Origin: origin, CreatedAt: now, UpdatedAt: now, Since: now, Anchor: now, LastDue: now,
		Wanted: spec.Autostart && spec.Type != TypeJob,
	}, err
}

// newService makes a service out of its record; its owner is not started yet.
func (m *Manager) newService(tx *store.Tx, key string, rec record, spec *Spec) (*service, error) {
	s := &service{m: m, key: key, inbox: make(chan any, 64), done: make(chan struct{}), spec: spec}
	s.rec, s.health = rec, HealthUnknown
	s.said.Store(&notice{})
	s.mach = machine{state: rec.State, gen: rec.Gen}
	if rec.Run != "" {
		row, err := runs.Get(tx, key+"/"+rec.Run)
		switch {
		case err == nil:
			s.cur = row
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged):
			now := rec.Since
			s.cur = Run{ID: rec.Run, Service: rec.Spec.ID, Gen: rec.Gen, StartedAt: rec.StartedAt, EndedAt: &now, Result: ResultUnknown}
			if !rec.State.Final() {
				s.cur.EndedAt = nil
			}
		default:
			return nil, err
		}
	}
	switch {
	case s.cur.ID != "" && s.cur.EndedAt == nil:
		s.mach = machine{state: Unknown, proc: maybe, gen: rec.Gen}
	case !rec.State.Final():
		s.mach.state = Stopped
	}
	st := s.describe()
	s.pub.Store(&published{st, make(chan struct{})})
	return s, nil
}
