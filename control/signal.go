package control

import (
	"context"
	"slices"
	"strings"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Signal sends a signal by name ("SIGUSR1", "usr1") to the main process of a running service: its children may not know the
// signal, and would die of it. It changes nothing about what is wanted of the service: what ends by it counts as crashed and
// is restarted by its policy. For an end that lasts use [VerbStop] or [VerbKill]. Errors: ErrNotFound, ErrInvalid (no such signal), ErrConflict (it does not run), those of the
// launcher.
func (m *Manager) Signal(ctx context.Context, name, sig, actor string) (*Status, error) {
	sig = signalName(sig)
	if !slices.Contains(signals, sig) {
		return nil, errorf(ErrInvalid, "signal: %q is none of %s", sig, strings.Join(signals, ", "))
	}
	s, err := m.find(name)
	if err != nil {
		return nil, err
	}
	if err := m.taken(ctx); err != nil {
		return nil, err
	}
	st := s.status()
	if st.PID == 0 {
		return st, errorf(ErrConflict, "%q does not run: there is nothing to send %s to", st.ID, sig)
	}
	// The run, not the process, is named: one that has ended meanwhile gets nothing, and neither does the next.
	if err := m.o.Launcher.Signal(ctx, st.Run, sig, false); err != nil {
		return st, &Error{Kind: ErrFailed, Text: "send " + sig + " to " + st.ID + ": " + err.Error(), Cause: err}
	}
	err = m.writer.save(context.WithoutCancel(ctx), &change{key: s.key, also: func(tx *store.Tx) error {
		return event.Append(tx, event.Row{
			Type: "service.signal", Level: event.Info, Subject: st.ID, Actor: actor, Title: st.Spec.DisplayName + ": " + sig + " was sent",
			Data: map[string]string{"run": st.Run, "signal": sig},
		})
	}})
	if err != nil {
		m.o.Log.Error("record signal", "service", s.key, "err", err) // it was sent, whatever the disk says
	}
	return s.status(), nil
}
