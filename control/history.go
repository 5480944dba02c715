package control

import (
	"context"
	"errors"
	"slices"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Runs returns runs of a service or job, newest first, at most limit (0 = all kept), and those before a run id ("" = from the
// newest). Lines are those of crash reports.
func (m *Manager) Runs(ctx context.Context, name, before string, limit int) ([]Run, error) {
	s, err := m.find(name)
	if err != nil {
		return nil, err
	}
	out := []Run{}
	if before != "" {
		before = s.key + "/" + before
	}
	err = m.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := runs.Last(tx, s.key+"/", before, limit)
		for _, r := range rows {
			out = append(out, r.Value)
		}
		return err
	})
	return out, err
}

// OneRun returns a run by its id, or an ErrNotFound.
func (m *Manager) OneRun(ctx context.Context, name, id string) (Run, error) {
	s, err := m.find(name)
	if err != nil {
		return Run{}, err
	}
	var out Run
	err = m.o.Store.View(ctx, func(tx *store.Tx) (err error) { out, err = runs.Get(tx, s.key+"/"+id); return err })
	if errors.Is(err, store.ErrNotFound) {
		return out, errorf(ErrNotFound, "there is no run %q of %q", id, s.status().ID)
	}
	return out, err
}

// Events returns rows of the history of all parts; see [event.List].
func (m *Manager) Events(ctx context.Context, q event.Query) (rows []event.Row, next uint64, err error) {
	err = m.o.Store.View(ctx, func(tx *store.Tx) (err error) { rows, next, err = event.List(tx, q); return err })
	return rows, next, err
}

// SetSecret gives a secret of a service its value, which nothing returns again. It is in force at the next start. Errors:
// ErrNotFound for a service, ErrInvalid for a name its definition does not list.
func (m *Manager) SetSecret(ctx context.Context, service, name, value, actor string) error {
	return m.secret(ctx, service, name, actor, "set", func(tx *store.Tx, key string) error { return secrets.Put(tx, key, value) })
}

// DeleteSecret forgets the value of a secret.
func (m *Manager) DeleteSecret(ctx context.Context, service, name, actor string) error {
	return m.secret(ctx, service, name, actor, "deleted", func(tx *store.Tx, key string) error { return secrets.Delete(tx, key) })
}

func (m *Manager) secret(ctx context.Context, service, name, actor, what string, do func(*store.Tx, string) error) error {
	s, err := m.find(service)
	if err != nil {
		return err
	}
	st := s.status()
	if !slices.Contains(st.Spec.Secrets, name) {
		return &InvalidError{Service: st.ID, Fields: []FieldError{{"secrets", "the definition lists no secret " + name}}}
	}
	return m.o.Store.Update(ctx, func(tx *store.Tx) error {
		if err := do(tx, s.key+"/"+name); err != nil {
			return err
		}
		return event.Append(tx, event.Row{Type: "service.secret", Level: event.Info, Subject: st.ID, Actor: actor, Title: st.Spec.DisplayName + ": secret " + name + " was " + what})
	})
}

// SecretsSet says for each secret of a service whether it has a value.
func (m *Manager) SecretsSet(ctx context.Context, service string) (map[string]bool, error) {
	s, err := m.find(service)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	err = m.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, name := range s.status().Spec.Secrets {
			_, err := secrets.Get(tx, s.key+"/"+name)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			out[name] = err == nil
		}
		return nil
	})
	return out, err
}

// Node is a service in the graph of dependencies.
type Node struct {
	ID        string `json:"id"`
	State     State  `json:"state"`
	Status    string `json:"status"`
	Health    Health `json:"health"`
	Level     int    `json:"level"` // 0 = needs nobody; else one more than the highest it needs
	StopOrder int    `json:"stop_order"`
}

// Edge says that From needs To.
type Edge struct {
	From      string    `json:"from"`
	To        string    `json:"to"`
	Condition Condition `json:"condition"`
	Met       bool      `json:"met"`
}

// Graph returns who needs whom, in the order of starting.
func (m *Manager) Graph() ([]Node, []Edge) {
	x := m.index.Load()
	order := x.graph().Order()
	level := map[string]int{}
	nodes, edges := []Node{}, []Edge{}
	for i, key := range order {
		s := x.byKey[key]
		if s == nil {
			continue
		}
		st := s.status()
		for _, need := range st.Spec.Needs() {
			dep := x.byKey[need]
			if dep == nil {
				continue
			}
			level[key] = max(level[key], level[need]+1)
			d := st.Spec.dependency(need)
			edges = append(edges, Edge{st.ID, dep.status().ID, d.Condition, d.Condition.met(dep.status())})
		}
		nodes = append(nodes, Node{st.ID, st.State, st.State.Wire(), st.Health, level[key], len(order) - 1 - i})
	}
	return nodes, edges
}
