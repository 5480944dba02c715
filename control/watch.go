package control

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"controlcenter/control/probe"
	"controlcenter/internal/event"
)

// notice is what a run has said over the notification socket. It is written by whoever reads the socket.
type notice struct {
	ready atomic.Bool
	alive atomic.Int64 // Unix nanoseconds of the last WATCHDOG=1
}

// probeMsg is an answer of a probe, or that a limit was passed.
type probeMsg struct {
	run    string
	probe  string // startup, readiness, liveness; "" = unwell says why the run must end
	answer probe.Result
	unwell string
	result Result
}

func (s *service) endWatch() {
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}

// watch begins to look after the present run: its probes, its watchdog, its limits of time and memory.
func (s *service) watch(ctx context.Context) {
	s.endWatch()
	ctx, s.unwatch = context.WithCancel(ctx)
	spec, run, note, began := s.spec, s.rec.Run, s.said.Load(), s.rec.StartedAt
	note.alive.Store(time.Now().UnixNano())
	starting := s.mach.state == Starting && spec.Probes.Startup != nil
	s.async(func() {
		if starting && !s.startup(ctx, spec, run, note) {
			return
		}
		for _, p := range spec.Probes.named()[1:] {
			if p.spec != nil {
				s.async(func() { s.probe(ctx, p, spec, run, note) })
			}
		}
		if spec.Watchdog > 0 {
			s.async(func() { s.watchdog(ctx, spec, run, note) })
		}
		if spec.Limits.RestartAbove > 0 && s.m.o.Resources != nil {
			s.async(func() { s.memory(ctx, spec, run, began) })
		}
	})
	if spec.Type == TypeJob && spec.Schedule != nil && spec.Schedule.Timeout > 0 {
		s.async(func() { s.timeLimit(ctx, spec.Schedule.Timeout.Std()-time.Since(began), spec, run) })
	}
}

func (s *service) target(ctx context.Context, spec *Spec, run string, note *notice) probe.Target {
	t := probe.Target{Dir: spec.Cwd, User: spec.User, Group: spec.Group, Notified: note.ready.Load}
	t.Env, _ = s.environ(ctx, spec) // the service itself has started with it
	if s.m.o.Lines != nil {
		t.Lines = func(ctx context.Context, after int64) ([]string, int64, error) {
			return s.m.o.Lines(ctx, s.key, run, after)
		}
	}
	return t
}

// startup runs the startup probe until it has a verdict and says whether it is "well".
func (s *service) startup(ctx context.Context, spec *Spec, run string, note *notice) bool {
	p := *spec.Probes.Startup
	ask, err := probe.New(p, s.target(ctx, spec, run, note))
	if err != nil {
		return true // a checked definition has valid probes
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	well := false
	probe.Run(ctx, p, ask, func(r probe.Result) {
		_ = s.post(ctx, probeMsg{run: run, probe: "startup", answer: r})
		if r.Changed {
			well = r.Well
			cancel()
		}
	})
	return well
}

func (s *service) probe(ctx context.Context, p namedProbe, spec *Spec, run string, note *notice) {
	ask, err := probe.New(*p.spec, s.target(ctx, spec, run, note))
	if err != nil {
		return
	}
	probe.Run(ctx, *p.spec, ask, func(r probe.Result) {
		_ = s.post(ctx, probeMsg{run: run, probe: p.name, answer: r})
	})
}

// watchdog ends a run that has not said WATCHDOG=1 for too long.
func (s *service) watchdog(ctx context.Context, spec *Spec, run string, note *notice) {
	note.alive.Store(time.Now().UnixNano())
	for {
		left := spec.Watchdog.Std() - time.Since(time.Unix(0, note.alive.Load()))
		if left <= 0 {
			_ = s.post(ctx, probeMsg{run: run, result: ResultUnhealthy, unwell: fmt.Sprintf("no sign of life for %s", spec.Watchdog)})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(left):
		}
	}
}

// memory ends a run whose tree uses more than its definition allows. It is asked for, not measured, every 5 s; what was measured
// before the run began is of the run before.
func (s *service) memory(ctx context.Context, spec *Spec, run string, began time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		if r, ok := s.m.o.Resources(s.key); ok && r.At.After(began) && r.ResidentBytes > float64(spec.Limits.RestartAbove) {
			_ = s.post(ctx, probeMsg{run: run, result: ResultUnhealthy, unwell: fmt.Sprintf("its memory is %.0f MiB, above %s", r.ResidentBytes/(1<<20), spec.Limits.RestartAbove)})
			return
		}
	}
}

// timeLimit ends a job's run that takes too long.
func (s *service) timeLimit(ctx context.Context, left time.Duration, spec *Spec, run string) {
	select {
	case <-ctx.Done():
	case <-time.After(left):
		_ = s.post(ctx, probeMsg{run: run, result: ResultTimeout, unwell: "it took longer than " + spec.Schedule.Timeout.String()})
	}
}

// probed takes an answer of a probe.
func (s *service) probed(ctx context.Context, msg probeMsg) {
	if msg.run != s.rec.Run || s.mach.proc != live {
		return
	}
	if msg.probe == "" {
		s.unhealthy(ctx, msg.result, msg.unwell)
		return
	}
	a := msg.answer
	all := maps.Clone(s.probes)
	if all == nil {
		all = map[string]ProbeStatus{}
	}
	all[msg.probe] = ProbeStatus{Well: a.Well, Known: all[msg.probe].Known || a.Changed, OK: a.OK, Reason: a.Reason, TookSeconds: a.Took.Seconds(), At: a.At}
	s.probes, s.show = all, true
	if !a.Changed {
		return
	}
	s.tell = true
	c := cause{actor: system, why: a.Reason}
	switch msg.probe {
	case "startup":
		if a.Well {
			if s.spec.Probes.Readiness == nil {
				s.health = Healthy
				s.resolve(waitReady, nil)
			}
			s.news(ctx, sigUp, cause{actor: system, why: "its startup probe is well"})
			return
		}
		s.unhealthy(ctx, ResultUnhealthy, "its startup probe failed: "+a.Reason)
	case "readiness":
		if a.Well {
			s.health = Healthy
			s.note(event.Success, "service.healthy", s.spec.DisplayName+" is healthy", c, nil)
			s.resolve(waitReady, nil)
			return
		}
		s.health = Unhealthy
		s.note(event.Warning, "service.unhealthy", s.spec.DisplayName+" is not healthy", c, nil)
	case "liveness":
		if !a.Well {
			s.unhealthy(ctx, ResultUnhealthy, "its liveness probe failed: "+a.Reason)
		}
	}
}

// unhealthy ends a run that must not go on; the policy says what comes then.
func (s *service) unhealthy(ctx context.Context, r Result, why string) {
	if s.mach.state != Running && s.mach.state != Starting {
		return
	}
	s.ended = end{result: r, why: why}
	s.note(event.Error, "service."+string(r), s.spec.DisplayName+" is ended: "+why, cause{why: why}, map[string]string{"run": s.rec.Run})
	s.news(ctx, sigUnhealthy, cause{actor: system, why: why, trigger: "restart"})
}
