package main

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

// stormLimit is how long all services may take to come back.
const stormLimit = 30 * time.Second

// fleet measures many services: their start, what they cost, and all of them crashing at once.
func fleet(ctx context.Context, o *options, s *stand, f *figures) error {
	var services []service
	for i := range o.services {
		services = append(services, s.service(fmt.Sprintf("f%03d", i), "idle"))
	}
	if err := s.m.write(s.dir, services); err != nil {
		return err
	}
	t0 := now()
	started := make(chan error, 1)
	go func() { started <- s.m.start(ctx) }() // ours and pm2's return later than the first services
	first, err := s.bell.fleet(ctx, "f", o.services, 0, 2*time.Minute)
	if e := <-started; e != nil {
		return e
	}
	if err != nil {
		return err
	}
	last := int64(0)
	for _, c := range first {
		last = max(last, c.at)
	}
	f.add("start s", float64(last-t0)/1e9)

	if !s.bare {
		if err := costs(ctx, o, s, f); err != nil {
			return err
		}
	}

	// All of them at once.
	t0 = now()
	for _, c := range first {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	back, err := s.bell.fleet(ctx, "f", o.services, t0, stormLimit)
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		f.seen["storm"] = fmt.Sprintf("%d of %d in %v", len(back), o.services, stormLimit)
		return nil
	}
	var l rig.Latencies
	for _, c := range back {
		l = append(l, time.Duration(c.at-t0))
	}
	f.add("storm p50", ms(l.Quantile(.5)))
	f.add("storm all", ms(l.Quantile(1)))
	return nil
}

// costs measures what the supervisor of a fleet takes, and how fast it tells of it.
func costs(ctx context.Context, o *options, s *stand, f *figures) error {
	if err := pause(ctx, o.settle); err != nil {
		return err
	}
	procs := s.m.all()
	f.add("processes", float64(len(procs)))
	f.add("pss", float64(memoryOf(procs...).pss)/(1<<20))
	if ours, ok := s.m.(*ours); ok {
		keeper, daemon := memoryOf(ours.keepers()...), memoryOf(ours.main())
		f.add("keeper anonymous", float64(keeper.anonymous)/(1<<20))
		f.add("keeper pss", float64(keeper.pss)/(1<<20))
		f.add("daemon pss", float64(daemon.pss)/(1<<20))
	}
	before := cpu(procs)
	if err := pause(ctx, o.idle); err != nil {
		return err
	}
	f.add("idle", 100*(cpu(procs)-before).Seconds()/o.idle.Seconds())

	ask := func(name string, most int, list func() error) error {
		var l rig.Latencies
		for begin := time.Now(); len(l) == 0 || len(l) < most && time.Since(begin) < 2*time.Second; {
			t0 := time.Now()
			if err := list(); err != nil {
				return err
			}
			l = append(l, time.Since(t0))
		}
		f.spread(name, l)
		return nil
	}
	if err := s.m.list(ctx); err != nil { // opens the connection
		return err
	}
	if err := ask("list", 100, func() error { return s.m.list(ctx) }); err != nil {
		return err
	}
	if argv := s.m.command(); argv != nil {
		if err := ask("command", 5, func() error { return exec.CommandContext(ctx, argv[0], argv[1:]...).Run() }); err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
	}
	return nil
}
