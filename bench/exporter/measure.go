package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"controlcenter/bench/internal/rig"
)

// target is one path of one program.
type target struct{ peer, path string }

// result is what was measured of a target.
type result struct {
	cpu        time.Duration // of the whole process, per spaced request
	spaced     rig.Latencies // requests far enough apart that each collects
	one, eight rig.Latencies // as fast as answers come, from 1 and from 8 clients
	rate       float64       // answers a second with 8 clients
	bytes      int           // compressed
	series     int
	mem        rig.Memory // after it
	// of our own server only
	scrape time.Duration // cpu without what the collectors of slow cadence used meanwhile
	fresh  time.Duration // one read of every collector
	dear   []string      // collectors that were not read for each request
}

type results struct {
	of          map[target]*result
	perSecond   float64 // collections a second at 100 scrapes a second
	scrapesDone float64 // scrapes a second that were reached then
}

const clients = 8

// idling is what a program uses while nobody asks it anything.
type idling struct {
	cpu float64 // share of one CPU
	mem rig.Memory
}

// measureIdle waits until the programs have settled and watches them.
func measureIdle(ctx context.Context, o *options, peers []*peer) (map[string]idling, error) {
	if err := pause(ctx, o.settle); err != nil {
		return nil, err
	}
	before := map[string]time.Duration{}
	start := time.Now()
	for _, p := range peers {
		cpu, err := p.CPU()
		if err != nil {
			return nil, err
		}
		before[p.Name] = cpu
	}
	if err := pause(ctx, o.idle); err != nil {
		return nil, err
	}
	idle := map[string]idling{}
	for _, p := range peers {
		cpu, err := p.CPU()
		if err != nil {
			return nil, err
		}
		share := (cpu - before[p.Name]).Seconds() / time.Since(start).Seconds()
		mem, err := p.Memory()
		if err != nil {
			return nil, err
		}
		idle[p.Name] = idling{share, mem}
	}
	return idle, nil
}

// measure asks every program everything, one after another.
func measure(ctx context.Context, o *options, peers []*peer) (*results, error) {
	r := &results{of: map[target]*result{}}
	for _, p := range peers {
		for _, path := range append(append([]string{}, p.scrapes...), p.rest...) {
			res, err := measureTarget(ctx, o, p, path)
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", p.Name, path, err)
			}
			r.of[target{p.Name, path}] = res
			say("  %s%s: %s ms CPU", p.Name, path, rig.Ms(res.cpu))
		}
	}
	var err error
	r.perSecond, r.scrapesDone, err = hammer(ctx, peers[0])
	return r, err
}

func measureTarget(ctx context.Context, o *options, p *peer, path string) (*result, error) {
	c := rig.NewClient(clients)
	defer c.Close()
	url := p.url + path
	res := &result{}
	ours := p.Name == "controlcenter" && path == "/metrics"

	first, err := c.Get(ctx, url, false) // opens the connection, and warms caches on both sides
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, o.spacing); err != nil {
		return nil, err
	}
	before, err := c.Get(ctx, url, true)
	if err != nil {
		return nil, err
	}
	cpu0, err := p.CPU()
	if err != nil {
		return nil, err
	}
	exposition := slices.Contains(p.scrapes, path)
	n := o.requests
	if exposition {
		n = o.scrapes
	}
	if first.Took > 500*time.Millisecond { // slow ones would take minutes
		n = max(5, n/5)
	}
	var after rig.Answer
	for range n {
		if err := pause(ctx, o.spacing); err != nil {
			return nil, err
		}
		if after, err = c.Get(ctx, url, true); err != nil {
			return nil, err
		}
		res.spaced = append(res.spaced, after.Took)
	}
	cpu1, err := p.CPU()
	if err != nil {
		return nil, err
	}
	res.cpu = (cpu1 - cpu0) / time.Duration(n)
	res.bytes = after.Bytes
	if exposition {
		samples, err := rig.ParseExposition(after.Body)
		if err != nil {
			return nil, err
		}
		res.series = len(samples)
		if ours {
			old, err := rig.ParseExposition(before.Body)
			if err != nil {
				return nil, err
			}
			res.split(old, samples, n)
		}
	}
	if res.one, _, err = c.Burst(ctx, url, 1, o.burst, o.burstFor); err != nil {
		return nil, err
	}
	var took time.Duration
	if res.eight, took, err = c.Burst(ctx, url, clients, 10*o.burst, o.burstFor); err != nil {
		return nil, err
	}
	res.rate = float64(len(res.eight)) / took.Seconds()
	res.mem, err = p.Memory()
	return res, err
}

// split uses our server's own counters: what one read of each collector costs, and which were not read for each of the n
// scrapes (those of slow cadence), so that their share can be taken out of the cost of a scrape.
func (r *result) split(old, now []rig.Sample, n int) {
	const cpuName, readsName, label = "controlcenter_collector_cpu_seconds_total", "controlcenter_collector_reads_total", "collector"
	cpu0, cpu1 := rig.ByLabel(old, cpuName, label), rig.ByLabel(now, cpuName, label)
	reads0, reads1 := rig.ByLabel(old, readsName, label), rig.ByLabel(now, readsName, label)
	var fresh, dear float64
	for _, name := range rig.SortedKeys(cpu1) {
		cpu, reads := cpu1[name]-cpu0[name], reads1[name]-reads0[name]
		if reads > 0 {
			fresh += cpu / reads
		} else if reads1[name] > 0 { // not once in this time: its average since the start
			fresh += cpu1[name] / reads1[name]
		}
		if reads < float64(n)/2 {
			dear += cpu
			r.dear = append(r.dear, name)
		}
	}
	r.fresh = time.Duration(fresh * 1e9)
	r.scrape = r.cpu - time.Duration(dear*1e9/float64(n))
}

// hammer scrapes a hundred times a second for five seconds and returns how often a second the machine was read for it.
func hammer(ctx context.Context, p *peer) (collections, scrapes float64, err error) {
	const perSecond, seconds, workers = 100, 5, 32
	c := rig.NewClient(workers)
	defer c.Close()
	reads := func() (float64, error) {
		a, err := c.Get(ctx, p.url+"/metrics", true)
		if err != nil {
			return 0, err
		}
		samples, err := rig.ParseExposition(a.Body)
		return rig.ByLabel(samples, "controlcenter_collector_reads_total", "collector")["cpu"], err
	}
	before, err := reads()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	ticker := time.NewTicker(time.Second / perSecond)
	defer ticker.Stop()
	slots, errs := make(chan struct{}, workers), make(chan error, perSecond*seconds)
	sent := 0
	for range perSecond * seconds {
		select {
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		case <-ticker.C:
		}
		select {
		case slots <- struct{}{}:
			sent++
			go func() {
				_, err := c.Get(ctx, p.url+"/metrics", false)
				errs <- err
				<-slots
			}()
		default: // all are waiting: the server is slower than asked for, which the reached rate shows
		}
	}
	for range sent {
		if e := <-errs; e != nil {
			err = e
		}
	}
	took := time.Since(start).Seconds()
	if err != nil {
		return 0, 0, err
	}
	after, err := reads()
	return (after - before) / took, float64(sent) / took, err
}
