package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

// crashing is the number of services that are killed in turn.
const crashing = 10

// settled is how long a process has lived before it is killed: supervisord counts a second as a success, and ours is told to.
const settled = 1200 * time.Millisecond

// few measures what needs only a few services. Behaviour, which does not vary, is looked at once.
func few(ctx context.Context, o *options, s *stand, f *figures, behaviour bool) error {
	var services []service
	for i := range crashing {
		services = append(services, s.service(fmt.Sprintf("c%d", i), []string{"tick", "idle"}[i%2]))
	}
	code := s.service("code", "idle")
	code.restart = false
	services = append(services, code)
	for _, v := range logVariants {
		if v.ours && s.name != "controlcenter" {
			continue
		}
		lines := s.service(v.id, "lines", strconv.Itoa(o.megabytes*1_000_000))
		lines.autostart, lines.restart, lines.rotate = false, false, v.rotate
		services = append(services, lines)
	}
	for _, id := range []string{"obedient", "deaf"} {
		tree := s.service(id, id)
		tree.autostart = false
		services = append(services, tree)
	}
	if err := s.m.write(s.dir, services); err != nil {
		return err
	}
	if err := s.m.start(ctx); err != nil {
		return err
	}
	if _, err := s.bell.fleet(ctx, "", crashing+1, 0, time.Minute); err != nil {
		return err
	}
	if o.wants("crash") {
		if err := crash(ctx, o, s, f); err != nil {
			return err
		}
	}
	if s.bare {
		return nil
	}
	if o.wants("logs") {
		for _, v := range logVariants {
			if v.ours && s.name != "controlcenter" {
				continue
			}
			if err := pipe(ctx, o, s, f, v); err != nil {
				return err
			}
		}
	}
	if behaviour && o.wants("stop") {
		for _, id := range []string{"obedient", "deaf"} {
			if err := stopTree(ctx, s, f, id); err != nil {
				return err
			}
		}
	}
	if behaviour && o.wants("kill") {
		return killManager(ctx, s, f)
	}
	return nil
}

// crash kills services in turn and waits until each is reaped and back.
func crash(ctx context.Context, o *options, s *stand, f *figures) error {
	var (
		wg            sync.WaitGroup
		mu            sync.Mutex
		reaped, again rig.Latencies
		first         error
	)
	for i := range crashing {
		wg.Go(func() {
			id, after := fmt.Sprintf("c%d", i), int64(0)
			// One at a time: all have begun together, and each is killed so long after its start.
			err := pause(ctx, settled+time.Duration(i)*settled/crashing)
			for range o.kills / crashing {
				if err != nil {
					break
				}
				var c *child
				if c, err = s.bell.up(ctx, id, "main", after, 30*time.Second); err != nil {
					break
				}
				if err = pause(ctx, settled-time.Duration(now()-c.at)); err != nil {
					break
				}
				t0 := now()
				_ = syscall.Kill(c.pid, syscall.SIGKILL)
				gone := whenReaped(c.pid, t0)
				var next *child
				if next, err = s.bell.up(ctx, id, "main", t0, 30*time.Second); err != nil {
					break
				}
				after = t0
				mu.Lock()
				reaped = append(reaped, time.Duration(gone-t0))
				again = append(again, time.Duration(next.at-t0))
				mu.Unlock()
			}
			mu.Lock()
			if first == nil {
				first = err
			}
			mu.Unlock()
		})
	}
	wg.Wait()
	if first != nil {
		return fmt.Errorf("crash: %w", first)
	}
	f.spread("reaped", reaped)
	f.spread("again", again)
	return nil
}

// whenReaped asks until a number is no process' any more, zombies included.
func whenReaped(pid int, t0 int64) int64 {
	for {
		if !exists(pid) {
			return now()
		}
		switch waited := time.Duration(now() - t0); {
		case waited > 20*time.Second:
			return now()
		case waited > 20*time.Millisecond: // the exact time no longer matters
			time.Sleep(time.Millisecond)
		default:
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// stopTree stops a service with children that do not want to end, and looks at what is left.
func stopTree(ctx context.Context, s *stand, f *figures, id string) error {
	if err := s.m.begin(ctx, id); err != nil {
		return fmt.Errorf("start %s: %w", id, err)
	}
	for _, label := range []string{"main", "stubborn", "forked", "daemon"} {
		if _, err := s.bell.up(ctx, id, label, 0, 20*time.Second); err != nil {
			return err
		}
	}
	if err := pause(ctx, settled); err != nil {
		return err
	}
	mains, _ := s.bell.up(ctx, id, "main", 0, time.Second)
	asked := now()
	done := make(chan error, 1)
	go func() { done <- s.m.end(ctx, id) }()
	// The deadline counts from the signal: command line programs take their time to send it.
	_ = s.bell.until(ctx, 10*time.Second, "signal", func() bool { return mains.said["term"] != 0 || mains.gone })
	s.bell.mu.Lock()
	if at := mains.said["term"]; at != 0 {
		asked = at
	}
	s.bell.mu.Unlock()
	deadline := asked + grace.Nanoseconds()
	look := func(after time.Duration) (string, error) {
		if err := pause(ctx, time.Duration(deadline-now())+after); err != nil {
			return "", err
		}
		var left []string
		for _, c := range s.bell.alive(id) {
			if living(c.pid) {
				left = append(left, c.label)
			}
		}
		if left == nil {
			return "nothing", nil
		}
		return strings.Join(left, ", "), nil
	}
	soon, err := look(50 * time.Millisecond)
	if err != nil {
		return err
	}
	late := soon
	if soon != "nothing" {
		if late, err = look(2 * time.Second); err != nil {
			return err
		}
	}
	f.seen[id+" soon"], f.seen[id+" late"] = soon, late
	for _, c := range s.bell.alive(id) {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	select {
	case <-done: // that it reports what was left is its right
	case <-time.After(20 * time.Second):
	}
	return nil
}

// killManager kills the supervisor, has a service end with code 7 meanwhile, and starts the supervisor again.
func killManager(ctx context.Context, s *stand, f *figures) error {
	before := map[string]int{}
	for i := range crashing {
		id := fmt.Sprintf("c%d", i)
		c, err := s.bell.up(ctx, id, "main", 0, 20*time.Second)
		if err != nil {
			return err
		}
		before[id] = c.pid
	}
	seven, err := s.bell.up(ctx, "code", "main", 0, time.Second)
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.m.main(), syscall.SIGKILL); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	_, _ = seven.conn.Write([]byte{7})
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	count := func() (same, doubled int) {
		for id, pid := range before {
			n := 0
			for _, c := range s.bell.alive(id) {
				if living(c.pid) {
					n++
					if c.pid == pid {
						same++
					}
				}
			}
			if n > 1 {
				doubled++
			}
		}
		return same, doubled
	}
	alone, _ := count()
	if err := s.m.start(ctx); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	for begin := time.Now(); s.m.list(ctx) != nil && time.Since(begin) < 30*time.Second; { // it may answer later than it begins
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	same, doubled := count()
	f.seen["alone"] = fmt.Sprintf("%d of %d", alone, crashing)
	f.seen["same"] = fmt.Sprintf("%d of %d", same, crashing)
	f.seen["doubled"] = strconv.Itoa(doubled)
	f.seen["code"] = s.m.exitCode(ctx, "code")
	lost, torn, err := ticks(s)
	if err != nil {
		return err
	}
	f.seen["tick lines"] = fmt.Sprintf("%d / %d", lost, torn)
	return nil
}
