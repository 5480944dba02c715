package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"controlcenter/control/probe"
	"controlcenter/internal/mask"
)

// Masked returns a copy of a definition for those who may not change it: of variables only the names, of arguments what does
// not look like a secret.
func (s *Spec) Masked() *Spec {
	out := *s
	out.Command, out.Stop.Command = maskedArgs(s.Command), maskedArgs(s.Stop.Command)
	if s.Env != nil {
		out.Env = make(map[string]string, len(s.Env))
		for name := range s.Env {
			out.Env[name] = Mask
		}
	}
	for _, p := range []**probe.Spec{&out.Probes.Startup, &out.Probes.Readiness, &out.Probes.Liveness} {
		if *p == nil {
			continue
		}
		shown := **p
		shown.Exec, shown.HTTP, shown.TCP = maskedArgs(shown.Exec), mask.Text(shown.HTTP), mask.Text(shown.TCP)
		*p = &shown
	}
	return &out
}

// maskedArgs leaves nil as it is: a field that is not given stays so.
func maskedArgs(args []string) []string {
	if args == nil {
		return nil
	}
	return mask.List(args)
}

// isMask says whether a value is the mask; blanks around it come from editors.
func isMask(value string) bool { return strings.TrimSpace(value) == Mask }

// unmasked returns a copy in which masked values are those of the last definition: who reads a definition, changes
// it and writes it back must not lose secrets. A mask without such a value is an [InvalidError], as are the stars that stand
// for secrets in the arguments of what [Spec.Masked] returned.
func (s *Spec) unmasked(last *Spec) (*Spec, error) {
	out := *s
	out.Env = maps.Clone(s.Env)
	for name, value := range s.Env {
		if before, known := last.env(name); known && isMask(value) {
			out.Env[name] = before
		}
	}
	c := &checker{wrong: out.Masks()}
	for _, list := range []struct {
		field string
		args  []string
	}{
		{"command", s.Command},
		{"stop.command", s.Stop.Command},
		{"probes.startup.exec", s.Probes.Startup.Args()},
		{"probes.readiness.exec", s.Probes.Readiness.Args()},
		{"probes.liveness.exec", s.Probes.Liveness.Args()},
	} {
		for i := range list.args {
			c.must(!starred(list.args, i), fmt.Sprintf("%s[%d]", list.field, i), "has %s in place of a secret; give its value", mask.Hidden)
		}
	}
	if c.wrong != nil {
		return nil, &InvalidError{Service: s.ID, Fields: c.wrong}
	}
	return &out, nil
}

func (s *Spec) env(name string) (string, bool) {
	if s == nil {
		return "", false
	}
	value, known := s.Env[name]
	return value, known
}

// Masks returns what is wrong with a definition in which masks stand as values. The file has no definition from before, whose
// values could be put in their place.
func (s *Spec) Masks() []FieldError {
	var wrong []FieldError
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if isMask(s.Env[name]) {
			wrong = append(wrong, FieldError{"env." + name, "is the mask that is shown in place of a secret; give its value"})
		}
	}
	return wrong
}

// starred says whether an argument has the stars that masking puts there: other text in their place would be masked too.
func starred(args []string, i int) bool {
	if !strings.Contains(args[i], mask.Hidden) {
		return false
	}
	other := slices.Clone(args)
	other[i] = strings.ReplaceAll(args[i], mask.Hidden, "x")
	return mask.List(other)[i] != other[i]
}
