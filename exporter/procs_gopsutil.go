//go:build !linux

package exporter

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/mem"
	"github.com/shirou/gopsutil/v3/process"

	"controlcenter/internal/mask"
)

// cmdlineOf is how many of the busiest processes show their arguments.
const cmdlineOf = 50

// processReader reads all processes through gopsutil. One goroutine uses it at a time.
type processReader struct {
	o        *Options
	entries  map[int32]*procEntry
	last     time.Time
	memTotal float64
	groups   *processGroups
}

// procEntry is what is kept of one process from one reading to the next. PID and start name the process.
type procEntry struct {
	p       *process.Process
	start   int64 // Unix milliseconds
	name    string
	user    string
	cmdline string
	asked   bool // for its arguments
	known   bool
	seconds float64 // CPU used
	gain    float64
	round   time.Time
}

func newProcessReader(o *Options) *processReader {
	r := &processReader{o: o, entries: map[int32]*procEntry{}, groups: newProcessGroups()}
	if vm, err := mem.VirtualMemory(); err == nil {
		r.memTotal = float64(vm.Total)
	}
	return r
}

// read reads all processes at time now. One that cannot be opened (another user's) is listed with what is known of it.
func (r *processReader) read(ctx context.Context, now time.Time) (*Processes, error) {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	p := &Processes{States: make([]NamedValue, statusCount), List: make([]Process, 0, len(pids))}
	for i, name := range statusNames {
		p.States[i].Name = name
	}
	elapsed := now.Sub(r.last).Seconds()
	r.groups.begin()
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read processes: %w", context.Cause(ctx))
		}
		e := r.entry(ctx, pid)
		if e == nil {
			p.Unreadable++
			continue
		}
		e.round = now
		row := r.readOne(ctx, e, now, elapsed)
		p.List = append(p.List, row)
		p.Threads += row.Threads
		p.States[slices.Index(statusNames[:], row.Status)].Value++
		r.groups.add(processSample{row.Name, e.gain, row.MemoryBytes, row.Threads})
	}
	for pid, e := range r.entries {
		if e.round != now {
			delete(r.entries, pid)
		}
	}
	p.Groups = r.groups.end(now, r.o.Current().TopProcesses)
	p.Withheld = r.groups.withheld
	r.last = now
	r.describe(ctx, p)
	return p, nil
}

// entry finds or makes the entry of a process; nil when it ended meanwhile or may not be looked at at all.
func (r *processReader) entry(ctx context.Context, pid int32) *procEntry {
	e := r.entries[pid]
	if e != nil {
		// gopsutil keeps the start time inside p, so a fresh one is asked for.
		if fresh, err := (&process.Process{Pid: pid}).CreateTimeWithContext(ctx); err != nil || fresh == e.start {
			return e
		}
	}
	p := &process.Process{Pid: pid}
	e = &procEntry{p: p}
	e.start, _ = p.CreateTimeWithContext(ctx) // 0 for system processes that are closed to us
	name, err := p.NameWithContext(ctx)
	if err != nil && e.start == 0 && pid > 4 { // 0 and 4 are the Windows kernel, which has no image
		return nil
	}
	e.name = cleanName([]byte(name))
	if e.name == "" {
		e.name = "unknown"
		if pid <= 4 {
			e.name = "system"
		}
	}
	e.user, _ = p.UsernameWithContext(ctx)
	r.entries[pid] = e
	return e
}

func (r *processReader) readOne(ctx context.Context, e *procEntry, now time.Time, elapsed float64) Process {
	row := Process{
		PID: int(e.p.Pid), Name: e.name, Status: statusNames[statusOther], User: e.user,
		StartSeconds: float64(e.start) / 1e3, StartTicks: uint64(e.start), Service: r.o.ServiceOf(int(e.p.Pid)),
	}
	if ppid, err := e.p.PpidWithContext(ctx); err == nil {
		row.PPID = int(ppid)
	}
	if n, err := e.p.NumThreadsWithContext(ctx); err == nil {
		row.Threads = int(n)
	}
	if m, err := e.p.MemoryInfoWithContext(ctx); err == nil && m != nil {
		row.MemoryBytes = float64(m.RSS)
		if r.memTotal > 0 {
			row.MemoryPercent = row.MemoryBytes / r.memTotal * 100
		}
	}
	if st, err := e.p.StatusWithContext(ctx); err == nil && len(st) > 0 {
		row.Status = statusFromGopsutil(st[0])
	} else {
		row.Status = statusNames[statusRunning] // Windows has no other
	}
	e.gain = 0
	if t, err := e.p.TimesWithContext(ctx); err == nil && t != nil {
		used := t.User + t.System
		switch {
		case r.last.IsZero():
		case e.known:
			e.gain = max(0, used-e.seconds)
			if elapsed > 0 {
				row.CPUPercent = e.gain / elapsed * 100
			}
		case e.start >= r.last.UnixMilli(): // started since the last reading
			e.gain = used
			row.CPUPercent = used / max(0.01, float64(now.UnixMilli()-e.start)/1e3) * 100
		}
		e.seconds, row.CPUSeconds = used, used
	}
	e.known = true
	return row
}

func statusFromGopsutil(s string) string {
	switch s {
	case process.Running:
		return statusNames[statusRunning]
	case process.Sleep:
		return statusNames[statusSleeping]
	case process.Blocked, process.Wait, process.Lock:
		return statusNames[statusDiskSleep]
	case process.Zombie:
		return statusNames[statusZombie]
	case process.Stop:
		return statusNames[statusStopped]
	case process.Idle:
		return statusNames[statusIdle]
	}
	return statusNames[statusOther]
}

// describe sorts the list, busiest first, and adds the arguments of the busiest and the largest.
func (r *processReader) describe(ctx context.Context, p *Processes) {
	slices.SortFunc(p.List, func(a, b Process) int { return cmp.Compare(b.MemoryBytes, a.MemoryBytes) })
	for i := range min(cmdlineOf, len(p.List)) {
		r.arguments(ctx, &p.List[i])
	}
	slices.SortFunc(p.List, func(a, b Process) int {
		return cmp.Or(cmp.Compare(b.CPUPercent, a.CPUPercent), cmp.Compare(b.MemoryBytes, a.MemoryBytes), cmp.Compare(a.PID, b.PID))
	})
	for i := range min(cmdlineOf, len(p.List)) {
		r.arguments(ctx, &p.List[i])
	}
}

func (r *processReader) arguments(ctx context.Context, row *Process) {
	e := r.entries[int32(row.PID)]
	if !e.asked {
		e.asked = true
		if args, err := e.p.CmdlineSliceWithContext(ctx); err == nil {
			e.cmdline = mask.Cmdline([]byte(strings.Join(args, "\x00")))
		}
	}
	row.Cmdline = e.cmdline
}

func (r *processReader) close() error { return nil }
