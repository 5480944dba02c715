package control

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/control/probe"
	"controlcenter/internal/store"
)

var runIDs = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewRunID returns an id that no other run has; ids of later runs are greater. 26 characters of [0-9a-z].
func NewRunID() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMicro()))
	_, _ = rand.Read(b[8:]) // never fails
	return runIDs.EncodeToString(b[:])
}

// launch starts the run that the books have been opened for.
func (s *service) launch(ctx context.Context) {
	s.launches++
	spec, run, gen, auto := s.spec, s.rec.Run, s.rec.Gen, s.rec.Trigger == "restart"
	s.async(func() {
		limited, cancel := context.WithTimeout(ctx, launchTimeout)
		defer cancel()
		l, err := s.launchSpec(limited, spec, run, gen)
		if err == nil && s.m.o.PortOwner != nil {
			err = s.m.portsFree(spec, auto)
		}
		if err != nil {
			_ = s.post(ctx, newsMsg{sig: sigNotStarted, run: run, err: err})
			return
		}
		started, err := s.m.o.Launcher.Launch(limited, *l)
		msg := newsMsg{sig: sigLaunched, run: run, started: started, err: err}
		if _, certain := errors.AsType[*LaunchError](err); certain {
			msg.sig = sigNotStarted
		} else if err != nil {
			msg.sig = sigLost
		}
		_ = s.post(ctx, msg)
	})
}

// launchSpec gathers what the launcher needs. An error is a [LaunchError].
func (s *service) launchSpec(ctx context.Context, spec *Spec, run string, gen uint64) (*LaunchSpec, error) {
	env, err := s.environ(ctx, spec)
	if err != nil {
		return nil, err
	}
	l := &LaunchSpec{
		Run: run, Service: s.key, Gen: gen, Argv: spec.Command, Dir: spec.Cwd, Env: env, User: spec.User, Group: spec.Group, Umask: spec.Umask,
		Nice: spec.Nice, OOM: spec.OOMScore, NoNew: spec.NoNewPrivs, Limits: spec.Limits, Logs: spec.Logs,
	}
	if spec.Shell {
		l.Argv = shell(spec.Command[0])
	}
	if r := &spec.Restart; spec.Type == TypeService && r.Policy != RestartNo {
		l.Away = &Away{Policy: r.Policy, SuccessCodes: spec.SuccessCodes, Initial: *r.Initial, Max: *r.Max, HealthyAfter: *r.HealthyAfter, Attempts: *r.Limit.Attempts}
	}
	return l, nil
}

// environ builds the environment of the service's processes.
func (s *service) environ(ctx context.Context, spec *Spec) ([]string, error) {
	values := map[string]string{}
	if len(spec.Secrets) > 0 {
		err := s.m.o.Store.View(ctx, func(tx *store.Tx) error {
			for _, name := range spec.Secrets {
				v, err := secrets.Get(tx, s.key+"/"+name)
				if errors.Is(err, store.ErrNotFound) {
					return &LaunchError{Reason: "secret " + name + " has no value yet"}
				}
				if err != nil {
					return err
				}
				values[name] = v
			}
			return nil
		})
		if err != nil {
			if _, ok := errors.AsType[*LaunchError](err); ok {
				return nil, err
			}
			return nil, &LaunchError{Reason: "read secrets: " + err.Error(), Temporary: true, Cause: err}
		}
	}
	env, err := environ(spec, s.m.o.Getenv, values)
	if err != nil {
		return nil, &LaunchError{Reason: err.Error(), Cause: err}
	}
	if path := s.socket(spec); path != "" {
		env = append(env, "NOTIFY_SOCKET="+path)
		// Programs that use libsystemd send WATCHDOG=1 only when they are told how often. What the definition itself says stands.
		if spec.Watchdog > 0 && !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "WATCHDOG_USEC=") }) {
			env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(spec.Watchdog.Std().Microseconds(), 10))
		}
	}
	return env, nil
}

// portsFree refuses a start when somebody else listens on one of the ports. auto = a restart: the port may become free.
func (m *Manager) portsFree(spec *Spec, auto bool) error {
	for _, p := range spec.Ports {
		if owner, taken := m.o.PortOwner(p); taken {
			return &LaunchError{Reason: "port " + itoa(int(p)) + " is taken by " + owner, Temporary: auto}
		}
	}
	return nil
}

// term asks the run to end: by the stop command, or by the stop signal when there is none or it fails.
func (s *service) term(ctx context.Context) {
	spec, run := s.spec, s.rec.Run
	grace := s.allowed()
	s.async(func() {
		s.hold(ctx)
		if argv := spec.Stop.Command; len(argv) > 0 {
			env, err := s.environ(ctx, spec)
			if err == nil {
				stopSpec := probe.Spec{Exec: argv}
				var ask probe.Prober
				if ask, err = probe.New(stopSpec, probe.Target{Dir: spec.Cwd, Env: env, User: spec.User, Group: spec.Group}); err == nil {
					ctx, cancel := context.WithTimeout(ctx, grace)
					err = ask(ctx)
					cancel()
				}
			}
			if err == nil || ctx.Err() != nil {
				return
			}
			s.m.o.Log.Warn("stop command", "service", s.key, "err", err)
		}
		s.send(ctx, run, signalName(spec.Stop.Signal))
	})
}

func (s *service) send(ctx context.Context, run, name string) {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	if err := s.m.o.Launcher.Signal(ctx, run, name, false); err != nil && ctx.Err() == nil {
		s.m.o.Log.Warn("signal service", "service", s.key, "signal", name, "err", err)
	}
}

// hold takes the right to restart the service away from the launcher.
func (s *service) hold(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	if err := s.m.o.Launcher.Hold(ctx, s.key); err != nil && ctx.Err() == nil {
		s.m.o.Log.Warn("hold service", "service", s.key, "err", err)
	}
}

// tellSignal sends the run a signal that does not end it.
func (s *service) tellSignal(ctx context.Context, name string) {
	run := s.rec.Run
	s.async(func() { s.send(ctx, run, signalName(name)) })
}

// kill ends the tree of the run. Its end is reported like any other.
func (s *service) kill(ctx context.Context) {
	run := s.rec.Run
	s.async(func() {
		s.hold(ctx)
		ctx, cancel := context.WithTimeout(ctx, killTime)
		defer cancel()
		if err := s.m.o.Launcher.KillTree(ctx, run); err != nil && ctx.Err() == nil {
			s.m.o.Log.Warn("kill service", "service", s.key, "run", run, "err", err)
		}
	})
}

// ask looks for the run among those the launcher knows. An answer that does not come is asked for again at the deadline.
func (s *service) ask(ctx context.Context) {
	run := s.rec.Run
	s.async(func() {
		ctx, cancel := context.WithTimeout(ctx, launchTimeout)
		defer cancel()
		all, err := s.m.o.Launcher.Runs(ctx)
		if err != nil {
			return
		}
		msg := newsMsg{sig: sigGone, run: run}
		for i := range all {
			switch r := &all[i]; {
			case r.Run != run:
			case r.Exit != nil:
				msg = newsMsg{sig: sigExited, run: run, exit: r.Exit}
			default:
				msg = newsMsg{sig: sigFound, run: run, started: r.Started}
			}
		}
		_ = s.post(ctx, msg)
	})
}
