package control

import (
	"controlcenter/control/probe"
	"controlcenter/internal/mask"
)

// Masked returns a copy of a definition for those who may not change it: of variables only the names, of arguments what does
// not look like a secret.
func (s *Spec) Masked() *Spec {
	out := *s
	out.Command = mask.List(s.Command)
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
		shown.Exec, shown.HTTP, shown.TCP = mask.List(shown.Exec), mask.Text(shown.HTTP), mask.Text(shown.TCP)
		*p = &shown
	}
	return &out
}
