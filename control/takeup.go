package control

import (
	"context"
	"errors"
	"time"
)

// takeUp asks the launcher what lives until it answers, gives every service its part, and returns those to be started.
func (m *Manager) takeUp(ctx context.Context) []*service {
	var all []RunState
	for failed := false; ; {
		limited, cancel := context.WithTimeout(ctx, launchTimeout)
		var err error
		all, err = m.o.Launcher.Runs(limited)
		cancel()
		if err == nil {
			break
		}
		if !failed {
			failed = true
			m.o.Log.Error("ask launcher for runs", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askTime):
		}
	}
	of := map[string][]RunState{}
	for _, r := range all {
		of[Key(r.Service)] = append(of[Key(r.Service)], r)
	}
	var wanted []*service
	replies := map[*service]chan bool{}
	for _, s := range m.index.Load().list {
		replies[s] = make(chan bool, 1)
		if s.post(ctx, attachMsg{of[s.key], replies[s]}) != nil {
			return nil
		}
		delete(of, s.key)
	}
	for _, s := range m.index.Load().list {
		select {
		case start := <-replies[s]:
			if start {
				wanted = append(wanted, s)
			}
		case <-ctx.Done():
			return nil
		}
	}
	for key, left := range of {
		m.wg.Go(func() { m.dropLeft(ctx, key, left) })
	}
	return wanted
}

// dropLeft ends what runs of a service that is not defined any more (it was taken out of the file while we were away) and
// forgets it.
func (m *Manager) dropLeft(ctx context.Context, key string, left []RunState) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l := m.o.Launcher
	err := l.Hold(ctx, key)
	for _, r := range left {
		if r.Exit == nil {
			m.o.Log.Warn("ending a service that is not defined any more", "service", key, "pid", r.PID)
			err = errors.Join(err, l.KillTree(ctx, r.Run))
		} else {
			err = errors.Join(err, l.Ack(ctx, r.Run))
		}
	}
	if err != nil && ctx.Err() == nil {
		m.o.Log.Error("end undefined service", "service", key, "err", err)
	}
}

// boot starts a wanted service once what it needs is there, however long that takes, unless somebody decides otherwise.
func (m *Manager) boot(ctx context.Context, s *service) {
	c := Command{Service: s.key, Verb: VerbStart, Actor: system, Why: "wanted", trigger: "boot"}
	for {
		st := s.status()
		if !st.Wanted || !st.State.Final() {
			return
		}
		err := m.needs(ctx, s, &c, true)
		if err == nil {
			if st = s.status(); st.Wanted && st.State.Final() {
				_ = m.send(ctx, s, &c, sigStart, waitNothing) // what goes wrong is in its status and history
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		if s.post(ctx, waitingMsg{err.Error()}) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askTime):
		}
	}
}
