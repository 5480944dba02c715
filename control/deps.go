package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Graph is who needs whom, by keys.
type Graph map[string][]string

// Cycle returns a path that comes back to its beginning, "a b c a"; nil when there is none. Names that are not in the graph
// need nothing.
func (g Graph) Cycle() []string {
	const (
		unseen = iota
		onPath
		clean
	)
	mark := map[string]int{}
	var path []string
	var visit func(string) []string
	visit = func(k string) []string {
		switch mark[k] {
		case clean:
			return nil
		case onPath:
			return append(slices.Clone(path[slices.Index(path, k):]), k)
		}
		mark[k] = onPath
		path = append(path, k)
		for _, need := range slices.Sorted(slices.Values(g[k])) {
			if c := visit(need); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		mark[k] = clean
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(g)) {
		if c := visit(k); c != nil {
			return c
		}
	}
	return nil
}

// Order returns all keys so that each stands behind what it needs; the graph has no cycle.
func (g Graph) Order() []string {
	var out []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(k string) {
		if seen[k] {
			return
		}
		seen[k] = true
		for _, need := range slices.Sorted(slices.Values(g[k])) {
			visit(need)
		}
		out = append(out, k)
	}
	for _, k := range slices.Sorted(maps.Keys(g)) {
		visit(k)
	}
	return out
}

// Dependents returns who needs k directly, sorted.
func (g Graph) Dependents(k string) []string {
	var out []string
	for other, needs := range g {
		if slices.Contains(needs, k) {
			out = append(out, other)
		}
	}
	slices.Sort(out)
	return out
}

// AllDependents returns who needs k, directly or not, those that nobody needs first.
func (g Graph) AllDependents(k string) []string {
	want := map[string]bool{}
	var visit func(string)
	visit = func(k string) {
		for _, d := range g.Dependents(k) {
			if !want[d] {
				want[d] = true
				visit(d)
			}
		}
	}
	visit(k)
	var out []string
	for _, o := range slices.Backward(g.Order()) {
		if want[o] {
			out = append(out, o)
		}
	}
	return out
}

// checkTogether returns what is wrong with effective definitions beside each other: unknown names, cycles with their path,
// conditions that can never be told.
func checkTogether(specs map[string]*Spec) map[string][]FieldError {
	wrong := map[string][]FieldError{}
	g := Graph{}
	for key, s := range specs {
		g[key] = s.Needs()
		for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
			field := "depends_on." + name
			other, known := specs[Key(name)]
			switch {
			case !known:
				wrong[key] = append(wrong[key], FieldError{field, fmt.Sprintf("there is no service %q", name)})
			case s.DependsOn[name].Condition == ConditionHealthy && other.Probes.Readiness == nil && other.Probes.Startup == nil:
				wrong[key] = append(wrong[key], FieldError{field + ".condition", fmt.Sprintf("%q has neither a readiness nor a startup probe, so nobody can tell that it is healthy", name)})
			}
		}
	}
	if c := g.Cycle(); c != nil {
		wrong[c[0]] = append(wrong[c[0]], FieldError{"depends_on", "goes round in a circle: " + strings.Join(c, " -> ")})
	}
	return wrong
}

// met says whether a dependency with this status allows its dependent to start.
func (c Condition) met(s *Status) bool {
	switch c {
	case ConditionHealthy:
		return s.State == Running && (s.Health == Healthy || !s.readiness)
	case ConditionCompleted:
		return s.State.Final() && s.LastExit != nil && s.LastExit.Result == ResultSuccess
	}
	return s.State == Running || s.State == Starting && s.Settled
}
