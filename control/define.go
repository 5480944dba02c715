package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// lock takes the right to change the set of services.
func (m *Manager) lock(ctx context.Context) error {
	if err := m.taken(ctx); err != nil {
		return err
	}
	select {
	case m.edit <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *Manager) unlock() { <-m.edit }

// Check returns the effective form of a definition, or an [InvalidError] with all that is wrong with it, alone and beside the
// other services.
func (m *Manager) Check(given *Spec) (*Spec, error) { return m.check(given, nil) }

func (m *Manager) check(given *Spec, without map[string]bool) (*Spec, error) {
	spec, err := given.Effective()
	if err != nil {
		return nil, err
	}
	wrong := []FieldError{}
	if err := spec.Check(); err != nil {
		inv, ok := errors.AsType[*InvalidError](err)
		if !ok {
			return nil, err
		}
		wrong = inv.Fields
	}
	key := Key(spec.ID)
	specs := map[string]*Spec{key: spec}
	for k, s := range m.index.Load().byKey {
		if k != key && !without[k] {
			specs[k] = s.status().Spec
		}
	}
	together := checkTogether(specs)
	wrong = append(wrong, together[key]...)
	delete(together, key)
	for _, other := range slices.Sorted(maps.Keys(together)) {
		// A circle is reported at its first member; one that this definition closes goes through it.
		for _, f := range together[other] {
			if f.Field == "depends_on" && strings.Contains(" "+f.Message+" ", " "+key+" ") {
				wrong = append(wrong, f)
			}
		}
	}
	if len(wrong) > 0 {
		return nil, &InvalidError{Service: given.ID, Fields: wrong}
	}
	return spec, nil
}

// Define makes a service, or changes the one of that name; created says which. What runs is not touched by a change: it is in
// force from the next start on, except for probes, restart, stop and schedule, which are at once. A new service with
// autostart is started. Errors: [InvalidError]; ErrConflict for one that the configuration file owns.
func (m *Manager) Define(ctx context.Context, given *Spec, actor string) (st *Status, created bool, err error) {
	if err := m.lock(ctx); err != nil {
		return nil, false, err
	}
	defer m.unlock()
	return m.define(ctx, given, "", actor)
}

// Create is Define for a service that must not exist yet.
func (m *Manager) Create(ctx context.Context, given *Spec, actor string) (*Status, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.unlock()
	if s := m.index.Load().byKey[Key(given.ID)]; s != nil {
		return nil, errorf(ErrConflict, "there is a service %q already", s.status().ID)
	}
	st, _, err := m.define(ctx, given, "", actor)
	return st, err
}

// Patch changes fields of a definition by a JSON merge patch. Errors as of Define, and ErrNotFound.
func (m *Manager) Patch(ctx context.Context, name string, patch []byte, actor string) (*Status, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.unlock()
	s, err := m.find(name)
	if err != nil {
		return nil, err
	}
	given, err := s.status().given.Patched(patch)
	if err != nil {
		return nil, err
	}
	st, _, err := m.define(ctx, given, "", actor)
	return st, err
}

func (m *Manager) define(ctx context.Context, given *Spec, origin, actor string) (*Status, bool, error) {
	x := m.index.Load()
	key := Key(given.ID)
	s := x.byKey[key]
	if s != nil && origin == "" {
		if at := s.status().Origin; at != "" {
			return nil, false, errorf(ErrConflict, "%q is defined in the configuration file, at %s; change it there", s.status().ID, at)
		}
	}
	if origin == "" {
		var last *Spec
		if s != nil {
			last = s.status().given
		}
		var err error
		if given, err = given.unmasked(last); err != nil {
			return nil, false, err
		}
	}
	spec, err := m.check(given, nil)
	if err != nil {
		return nil, false, err
	}
	c := cause{actor: actor}
	if s != nil {
		reply := make(chan error, 1)
		if err := s.post(ctx, defineMsg{given, spec, origin, c, store.RiderOf(ctx), reply}); err != nil {
			return nil, false, err
		}
		if err := m.reply(ctx, s, reply); err != nil {
			return nil, false, err
		}
		return s.status(), false, nil
	}
	ctx = context.WithoutCancel(ctx) // a caller that hangs up now must not leave it stored and without an owner
	err = m.writer.save(ctx, &change{key: key, also: func(tx *store.Tx) error {
		rec, err := newRecord(tx, given, origin)
		if err != nil {
			return err
		}
		rec.Wanted = false // the start below makes it so
		if err := services.Put(tx, key, rec); err != nil {
			return err
		}
		if s, err = m.newService(tx, key, rec, spec); err != nil {
			return err
		}
		return event.Append(tx, event.Row{Type: "service.defined", Level: event.Info, Subject: given.ID, Actor: actor, Title: spec.DisplayName + " was defined"})
	}})
	if err != nil {
		return nil, false, err
	}
	if err := m.begin(ctx, s.run); err != nil {
		return nil, false, err
	}
	all := maps.Clone(x.byKey)
	all[key] = s
	m.index.Store(newIndex(all))
	if spec.Autostart && spec.Type == TypeService {
		err := m.begin(ctx, func(ctx context.Context) {
			// Its failure is in the status and the history; nobody waits for it here.
			_, _ = m.Do(ctx, Command{Service: key, Verb: VerbStart, Actor: actor, Why: "autostart", Wait: WaitNot})
		})
		if err != nil {
			return nil, false, err
		}
	}
	return s.status(), true, nil
}

func (m *Manager) reply(ctx context.Context, s *service, reply <-chan error) error {
	select {
	case err := <-reply:
		return err
	case <-s.done:
		select {
		case err := <-reply:
			return err
		default:
			return ErrEnded
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Remove stops a service and forgets it, its runs and secrets. Errors: ErrNotFound; ErrConflict for one that the
// configuration file owns or that others need; those of stop.
func (m *Manager) Remove(ctx context.Context, name, actor string) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	s, err := m.find(name)
	if err != nil {
		return err
	}
	if at := s.status().Origin; at != "" {
		return errorf(ErrConflict, "%q is defined in the configuration file, at %s; remove it there", s.status().ID, at)
	}
	if needed := m.index.Load().graph().Dependents(s.key); len(needed) > 0 {
		return errorf(ErrConflict, "%q is needed by %s", s.status().ID, strings.Join(needed, ", "))
	}
	return m.remove(ctx, s, actor, "removed")
}

func (m *Manager) remove(ctx context.Context, s *service, actor, why string) error {
	if err := m.send(ctx, s, &Command{Actor: actor, Why: why, trigger: "command"}, sigStop, waitDown); err != nil {
		return err
	}
	reply := make(chan error, 1)
	if err := s.post(ctx, removeMsg{cause{actor: actor, why: why}, store.RiderOf(ctx), reply}); err != nil {
		return err
	}
	if err := m.reply(ctx, s, reply); err != nil {
		return err
	}
	all := maps.Clone(m.index.Load().byKey)
	delete(all, s.key)
	m.index.Store(newIndex(all))
	return nil
}

// Sync makes the services that the configuration file owns those given: it defines, changes and removes only where there is a
// difference. All are checked first; a wrong one changes nothing.
func (m *Manager) Sync(ctx context.Context, files []Definition, actor string) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	x := m.index.Load()
	want := map[string]Definition{}
	specs := map[string]*Spec{}
	for _, d := range files {
		key := Key(d.Spec.ID)
		if other, twice := want[key]; twice {
			return &InvalidError{Service: d.Spec.ID, Fields: []FieldError{{"name", "is also defined at " + other.Origin}}}
		}
		if wrong := d.Spec.Masks(); wrong != nil {
			return &InvalidError{Service: d.Spec.ID, Fields: wrong}
		}
		spec, err := d.Spec.Effective()
		if err == nil {
			err = spec.Check()
		}
		if err != nil {
			return err
		}
		want[key], specs[key] = d, spec
	}
	for key, s := range x.byKey {
		if _, ours := want[key]; !ours && s.status().Origin == "" {
			specs[key] = s.status().Spec
		}
	}
	for key, wrong := range checkTogether(specs) {
		return &InvalidError{Service: key, Fields: wrong}
	}
	g := Graph{}
	for key := range want {
		g[key] = slices.DeleteFunc(specs[key].Needs(), func(k string) bool { _, ours := want[k]; return !ours })
	}
	for _, key := range g.Order() {
		d := want[key]
		if s := x.byKey[key]; s != nil && s.status().Origin == d.Origin && sameJSON(s.status().given, d.Spec) {
			continue
		}
		if _, _, err := m.define(ctx, d.Spec, d.Origin, actor); err != nil {
			return err
		}
	}
	for _, key := range slices.Backward(x.graph().Order()) {
		if _, still := want[key]; still || x.byKey[key] == nil || x.byKey[key].status().Origin == "" {
			continue
		}
		if err := m.remove(ctx, x.byKey[key], actor, "removed from the configuration file"); err != nil {
			return err
		}
	}
	return nil
}
