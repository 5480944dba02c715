package main

import (
	"fmt"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// report writes everything as Markdown.
func report(o *options, peers []*peer, idle map[string]idling, rest, load *results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Exporter\n\n%s\n", rig.Machine())
	if o.quick {
		b.WriteString("\n**A quick run: fewer requests, less load. Do not quote it.**\n")
	}
	b.WriteString("\nPrograms: ")
	for i, p := range peers {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Name)
		if p.version != "" {
			fmt.Fprintf(&b, " (%s)", p.version)
		}
	}
	fmt.Fprintf(&b, ".\n\nRest: the machine as it is. Load: %d more processes, %d listeners between %d and %d held by %d processes, %d connected loopback pairs.\n"+
		"CPU: of the whole process by schedstat, per request, over %d scrapes (%d requests of JSON) %v apart, so that each one collects; a fifth of them where one takes over half a second. "+
		"Latency: p50/p99 of requests as fast as they are answered. Cells with a slash: rest / load.\n\n",
		o.processes, o.listeners, firstPort, lastPort, o.children, o.pairs, o.scrapes, o.requests, o.spacing)

	t := rig.NewTable("target", "CPU ms", "spaced p50/p99 ms", "1 client p50/p99 ms", "8 clients p50/p99 ms", "under load, 8 clients", "RSS MiB", "PSS MiB", "idle CPU %", "bytes", "series")
	for _, p := range peers {
		for i, path := range append(append([]string{}, p.scrapes...), p.rest...) {
			r, l := rest.of[target{p.Name, path}], load.of[target{p.Name, path}]
			series, id := "", ""
			if r.series > 0 {
				series = fmt.Sprintf("%d / %d", r.series, l.series)
			}
			if i == 0 {
				id = fmt.Sprintf("%.2f", 100*idle[p.Name].cpu)
			}
			t.Row(p.Name+" "+path, rig.Ms(r.cpu)+" / "+rig.Ms(l.cpu), quantiles(r.spaced), quantiles(r.one), quantiles(r.eight), quantiles(l.eight),
				rig.MiB(r.mem.RSS)+" / "+rig.MiB(l.mem.RSS), rig.MiB(r.mem.PSS)+" / "+rig.MiB(l.mem.PSS), id,
				fmt.Sprintf("%d / %d", r.bytes, l.bytes), series)
		}
	}
	b.WriteString(t.String())

	b.WriteString("\n### The comparable job, and ours\n\n")
	ours := target{"controlcenter", "/metrics"}
	r, l := rest.of[ours], load.of[ours]
	t = rig.NewTable("", "rest, ms CPU", "load, ms CPU")
	sum := [2]time.Duration{}
	complete := true
	for _, part := range []target{{"node_exporter", "/metrics"}, {"process-exporter", "/metrics"}, {"psutil+FastAPI", "/api/system/ports"}} {
		if pr, pl := rest.of[part], load.of[part]; pr != nil && pl != nil {
			sum[0], sum[1] = sum[0]+pr.cpu, sum[1]+pl.cpu
		} else {
			complete = false
		}
	}
	if complete {
		t.Row("host + processes + ports: node_exporter + process-exporter + ports by psutil", rig.Ms(sum[0]), rig.Ms(sum[1]))
	}
	t.Row("our scrape: fast parts read now, the others from the snapshot, encoding included (target 4 / 8)", rig.Ms(r.scrape), rig.Ms(l.scrape))
	t.Row("our scrape and all background reads of that time", rig.Ms(r.cpu), rig.Ms(l.cpu))
	t.Row("our fresh collection of everything, processes and ports included (target 4 / 35)", rig.Ms(r.fresh), rig.Ms(l.fresh))
	if complete && r.fresh > 0 && l.fresh > 0 {
		t.Row("fresh collection and scrape: times less than the comparable job",
			fmt.Sprintf("%.0f×", sum[0].Seconds()/(r.fresh+r.scrape).Seconds()), fmt.Sprintf("%.0f×", sum[1].Seconds()/(l.fresh+l.scrape).Seconds()))
	}
	b.WriteString(t.String())
	fmt.Fprintf(&b, "\nNot read for each scrape (slow cadence): %s.\n\n", strings.Join(l.dear, ", "))
	fmt.Fprintf(&b, "At %.0f scrapes a second: %.1f collections a second at rest, %.1f under load (target at most 4, and one every 2 s of the history besides).\n\n",
		rest.scrapesDone, rest.perSecond, load.perSecond)
	fmt.Fprintf(&b, "Idle, nobody reading: %.2f %% of one CPU (target 0.2), PSS %s MiB (target 40; %s after all this).\n",
		100*idle["controlcenter"].cpu, rig.MiB(idle["controlcenter"].mem.PSS), rig.MiB(l.mem.PSS))

	if rest.of[target{"psutil+FastAPI", "/api/system/stats"}] != nil {
		b.WriteString("\n### REST beside psutil and FastAPI\n\n")
		t = rig.NewTable("path", "ours p50/p99 ms, rest", "load", "psutil p50/p99 ms, rest", "load", "ours answers/s with 8 clients", "psutil", "times")
		for _, path := range []string{"/api/system/stats", "/api/system/processes", "/api/system/ports"} {
			or, ol := rest.of[target{"controlcenter", path}], load.of[target{"controlcenter", path}]
			pr, pl := rest.of[target{"psutil+FastAPI", path}], load.of[target{"psutil+FastAPI", path}]
			t.Row(path, quantiles(or.one), quantiles(ol.one), quantiles(pr.one), quantiles(pl.one),
				fmt.Sprintf("%.0f / %.0f", or.rate, ol.rate), fmt.Sprintf("%.1f / %.1f", pr.rate, pl.rate), fmt.Sprintf("%.0f× / %.0f×", or.rate/pr.rate, ol.rate/pl.rate))
		}
		b.WriteString(t.String())
		b.WriteString("\nTargets: p50 at most 1 ms, at least 10 times the answers.\n")
	}
	return b.String()
}

func quantiles(l rig.Latencies) string {
	return rig.Ms(l.Quantile(.5)) + " / " + rig.Ms(l.Quantile(.99))
}
