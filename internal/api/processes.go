package api

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/exporter"
)

// ProcessesInput are the parameters of GET /api/system/processes.
type ProcessesInput struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most rows listed"`
	Offset int    `query:"offset" minimum:"0" maximum:"1000000" doc:"Rows to skip: sorted by pid, pages read soon after each other leave nothing out"`
	Sort   string `query:"sort" default:"cpu" enum:"cpu,memory,pid,name" doc:"cpu and memory fall, pid and name rise"`
	Search string `query:"search" maxLength:"200" doc:"Only processes with this text in their name or command line, in any letter case, and the one with this pid"`
}

// ProcessesBody is its answer.
type ProcessesBody struct {
	Success   bool         `json:"success"`
	Count     int          `json:"count" doc:"All processes that match, listed or not"`
	Timestamp string       `json:"timestamp" format:"date-time"`
	Processes []ProcessRow `json:"processes"`
}

// ProcessRow is one process.
type ProcessRow struct {
	PID           int     `json:"pid"`
	PPID          int     `json:"ppid"`
	Name          string  `json:"name"`
	CPUPercent    num     `json:"cpu_percent" doc:"100 = one core"`
	CPU           num     `json:"cpu" doc:"Same as cpu_percent"`
	MemoryPercent num     `json:"memory_percent" doc:"Of physical memory"`
	Memory        num     `json:"memory" doc:"Resident bytes"`
	MemoryRSS     num     `json:"memory_rss" doc:"Same as memory"`
	Status        string  `json:"status"`
	User          string  `json:"user"`
	Cmdline       string  `json:"cmdline" doc:"Secrets masked; of the busiest only"`
	Threads       int     `json:"threads"`
	CPUSeconds    num     `json:"cpu_seconds"`
	StartTime     string  `json:"start_time" format:"date-time"`
	StartTicks    uint64  `json:"start_ticks" doc:"The start as the platform counts it; with the pid it names the process for good"`
	Service       *string `json:"service" doc:"Managed service it belongs to"`
}

func (s *Server) processes(ctx context.Context, in *ProcessesInput) (*answerOf[ProcessesBody], error) {
	snap := s.fresh(ctx)
	return ok(processesOf(snap, in)), nil
}

func processesOf(snap *exporter.Snapshot, in *ProcessesInput) ProcessesBody {
	b := ProcessesBody{Success: true, Timestamp: stamp(snap.At), Processes: []ProcessRow{}}
	v := exporter.Get[exporter.Processes](snap)
	if v == nil {
		return b
	}
	found := make([]*exporter.Process, 0, len(v.List))
	want := strings.ToLower(in.Search)
	pid, _ := strconv.Atoi(want) // 0 is nobody's
	for i := range v.List {
		p := &v.List[i]
		if want == "" || strings.Contains(strings.ToLower(p.Name), want) || strings.Contains(strings.ToLower(p.Cmdline), want) || int(p.PID) == pid {
			found = append(found, p)
		}
	}
	b.Count = len(found)
	slices.SortStableFunc(found, processOrder(in.Sort))
	found = found[min(in.Offset, len(found)):]
	found = found[:min(in.Limit, len(found))]
	b.Processes = make([]ProcessRow, len(found))
	for i, p := range found {
		b.Processes[i] = processRow(p)
	}
	return b
}

func processOrder(by string) func(a, b *exporter.Process) int {
	switch by {
	case "memory":
		return func(a, b *exporter.Process) int { return cmp.Compare(b.MemoryBytes, a.MemoryBytes) }
	case "pid":
		return func(a, b *exporter.Process) int { return cmp.Compare(a.PID, b.PID) }
	case "name":
		return func(a, b *exporter.Process) int {
			return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.PID, b.PID))
		}
	}
	return func(a, b *exporter.Process) int {
		return cmp.Or(cmp.Compare(b.CPUPercent, a.CPUPercent), cmp.Compare(b.MemoryBytes, a.MemoryBytes))
	}
}

func processRow(p *exporter.Process) ProcessRow {
	cpu, mem := round1(p.CPUPercent), whole(p.MemoryBytes)
	row := ProcessRow{
		PID: p.PID, PPID: p.PPID, Name: p.Name, CPUPercent: cpu, CPU: cpu, MemoryPercent: round1(p.MemoryPercent),
		Memory: mem, MemoryRSS: mem, Status: p.Status, User: p.User, Cmdline: p.Cmdline, Threads: p.Threads,
		CPUSeconds: round2(p.CPUSeconds), StartTicks: p.StartTicks, Service: given(p.Service),
	}
	if p.StartSeconds > 0 {
		row.StartTime = stamp(time.UnixMilli(int64(p.StartSeconds * 1e3)))
	}
	return row
}
