package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// report writes everything as Markdown.
func report(o *options, all []contestant, res map[string]*figures, noise string, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Services\n\n%s\n%s\n", rig.Machine(), noise)
	if o.quick {
		b.WriteString("\n**A quick run: fewer kills, services and lines. Do not quote it.**\n")
	}
	b.WriteString("\nPrograms: ")
	contestants := all
	all = slices.DeleteFunc(slices.Clone(all), func(c contestant) bool { return c.bare })
	for i, c := range all {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s (%s)", c.name, c.version)
	}
	fmt.Fprintf(&b, ".\n\nAll run the same small program in C (one that brings a runtime takes longer to come and go than a supervisor to see it). Figures are medians of %d runs (%d of the many services), the supervisors taking turns (%v in all). Each keeps the output of every service "+
		"in a log of its own, rotated at %d MB where it can: runit and s6 with a logger a service, which is counted with them.\n\n",
		o.runs, min(o.runs, o.fleets), took.Round(time.Second), rotateAt/1_000_000)

	if o.wants("crash") {
		fmt.Fprintf(&b, "### A crash\n\n%d kills a run, one at a time, of processes that have lived for %v. New process: its main function has begun. The last row is the floor: a loop that starts the program and waits for it, no supervisor.\n\n", o.kills, settled)
		t := rig.NewTable("", "reaped p50/p99 ms", "new process p50/p99 ms")
		for _, c := range contestants {
			f := res[c.name]
			t.Row(c.name, f.cell("reaped p50", "reaped p99"), f.cell("again p50", "again p99"))
		}
		b.WriteString(t.String())
		b.WriteString("\nTargets for ours: reaped 2 / 5 ms, new process 10 / 25 ms.\n\n")
	}
	if o.wants("fleet") {
		fmt.Fprintf(&b, "### %d services\n\nFrom the start of the supervisor to the last process. Memory and CPU are those of the supervisor with all its helpers, without the services; ours is also an exporter and reads the machine meanwhile. "+
			"List: by the shortest way there is (HTTP, XML-RPC, `pm2 jlist`, `sv status`, `s6-svstat` for each); command: `controlcenter status`, `supervisorctl status`, `pm2 list`. "+
			"Storm: all are killed at once; until half, and all, are back. The last row is the floor again: the loop starts them one after another, keeps no log and answers nobody.\n\n", o.services)
		t := rig.NewTable("", "start s", "processes", "PSS MiB", "idle CPU %", "list p50/p99 ms", "command p50 ms", "storm half/all ms")
		for _, c := range contestants {
			f := res[c.name]
			t.Row(c.name, f.cell("start s"), f.cell("processes"), f.cell("pss"), f.cell("idle"), f.cell("list p50", "list p99"), f.cell("command p50"), f.storm())
		}
		b.WriteString(t.String())
		if f := res["controlcenter"]; f != nil {
			fmt.Fprintf(&b, "\nOurs: keeper %s MiB anonymous, PSS %s; daemon PSS %s. Targets: start 2 s, keeper 8 MiB anonymous, list 1 ms.\n\n",
				f.cell("keeper anonymous"), f.cell("keeper pss"), f.cell("daemon pss"))
		}
	}
	if o.wants("logs") {
		fmt.Fprintf(&b, "### Logs\n\n%d MB of numbered lines of 100 bytes through one pipe, as fast as they are taken, until the last is in its file. Ours has a time on each line, the others have none. "+
			"Lost and torn: sums over all runs, of %d lines.\n\n", o.megabytes, o.runs*o.megabytes*10_000)
		t := rig.NewTable("", "MB/s", "CPU s per 100 MB", "files", "lost", "torn")
		for _, c := range all {
			f := res[c.name]
			name := c.name
			if name == "controlcenter" {
				for _, v := range []struct{ id, text string }{{"lines", "rotated"}, {"whole", "one file"}, {"packed", "rotated and packed (zstd) meanwhile"}} {
					t.Row(name+", "+v.text, f.cell(v.id+" MB/s"), f.cell(v.id+" cpu"), f.cell(v.id+" files"), f.sum(v.id+" lost"), f.sum(v.id+" torn"))
				}
				continue
			}
			t.Row(name, f.cell("lines MB/s"), f.cell("lines cpu"), f.cell("lines files"), f.sum("lines lost"), f.sum("lines torn"))
		}
		b.WriteString(t.String())
		b.WriteString("\nTargets for ours: 300 MB/s, 0.4 s, 0, 0.\n\n")
	}
	if o.wants("stop") {
		fmt.Fprintf(&b, "### A stop\n\nGrace %v. Two services with a child that ignores SIGTERM, a forked child and a daemon in a session of its own that ignores it too; the main process of the second ignores it as well. "+
			"Supervisors are set to kill after the grace, and groups where they can; runit and s6 do not by default. What lives 50 ms after the deadline, and 2 s after.\n\n", grace)
		t := rig.NewTable("", "main obeys: left", "2 s later", "main ignores it: left", "2 s later")
		for _, c := range all {
			f := res[c.name]
			t.Row(c.name, f.see("obedient soon"), f.see("obedient late"), f.see("deaf soon"), f.see("deaf late"))
		}
		b.WriteString(t.String() + "\n")
	}
	if o.wants("kill") {
		fmt.Fprintf(&b, "### kill -9 of the supervisor\n\n%d services, half of which write ten lines a second, and one that ends with code 7 while no supervisor is there. Then the supervisor is started again (pm2: `pm2 resurrect`).\n\n", crashing)
		t := rig.NewTable("", "alive without it", "same processes 3 s after its return", "running twice", "exit code known", "lines lost / torn")
		for _, c := range all {
			f := res[c.name]
			t.Row(c.name, f.see("alone"), f.see("same"), f.see("doubled"), f.see("code"), f.see("tick lines"))
		}
		b.WriteString(t.String() + "\n")
	}
	for _, c := range all {
		for _, text := range res[c.name].failed {
			fmt.Fprintf(&b, "%s could not be measured in one run: %s.\n\n", c.name, text)
		}
	}
	return b.String()
}

func (f *figures) storm() string {
	if text := f.seen["storm"]; text != "" {
		return text
	}
	return f.cell("storm p50", "storm all")
}

func (f *figures) see(name string) string {
	v, ok := f.seen[name]
	switch {
	case !ok:
		return "–"
	case v == "":
		return "no"
	}
	return v
}
