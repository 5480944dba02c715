package exporter

import (
	"context"
	"time"
)

// Processes is the reading of the processes collector: every process, busiest first.
type Processes struct {
	List    []Process
	States  []NamedValue   // how many are running, sleeping, disk_sleep, zombie, stopped, idle, other; all names present
	Threads int            // of all processes
	Groups  []ProcessGroup // the names with series of their own, then "other"
	// Withheld is how many names are summed as "other".
	Withheld int
	// Unreadable is how many processes were seen but could not be read; those that merely ended meanwhile are not counted.
	Unreadable int
}

// Process is one process.
type Process struct {
	PID, PPID     int
	Name          string  // never ""
	Status        string  // running, sleeping, disk_sleep, zombie, stopped, idle, other
	User          string  // login name, or the number where it has none, "" where unknown
	Cmdline       string  // arguments with secrets masked; of the busiest only, "" else
	CPUPercent    float64 // 100 = one core, since the last reading
	CPUSeconds    float64 // user + system since it started
	MemoryBytes   float64 // resident
	MemoryPercent float64 // of physical memory
	Threads       int
	StartSeconds  float64 // Unix time; with PID it names the process for good
	StartTicks    uint64  // the same in kernel ticks since boot; exact
	Service       string  // managed service it belongs to, "" = none
}

// ProcessGroup sums the processes of one name. CPUSeconds counts what was used while the name had a series of its own (or,
// for "other", while it had none), since this program started: only gains are attributed, nothing is moved between series.
type ProcessGroup struct {
	Name        string
	CPUSeconds  float64
	MemoryBytes float64
	Instances   int
	Threads     int
}

// Names of Process.Status, in the order of Processes.States.
const (
	statusRunning = iota
	statusSleeping
	statusDiskSleep
	statusZombie
	statusStopped
	statusIdle
	statusOther
	statusCount
)

var statusNames = [statusCount]string{"running", "sleeping", "disk_sleep", "zombie", "stopped", "idle", "other"}

var (
	descProcessCPU        = Desc{"controlcenter_process_cpu_seconds_total", "CPU time, user and system, gained by the processes of a name while the name had a series of its own, since this program started; \"other\" sums all names without one. /proc/PID/stat, refreshed every 5 s.", Counter, []string{"name"}}
	descProcessMemory     = Desc{"controlcenter_process_resident_memory_bytes", "Resident memory of the processes of a name; shared pages count in each of them. /proc/PID/stat, refreshed every 5 s.", Gauge, []string{"name"}}
	descProcessInstances  = Desc{"controlcenter_process_instances", "Processes of a name. /proc, refreshed every 5 s.", Gauge, []string{"name"}}
	descProcessThreads    = Desc{"controlcenter_process_threads", "Threads of the processes of a name. /proc/PID/stat, refreshed every 5 s.", Gauge, []string{"name"}}
	descProcesses         = Desc{"controlcenter_processes", "Processes in a state. /proc/PID/stat, refreshed every 5 s.", Gauge, []string{"state"}}
	descThreads           = Desc{"controlcenter_threads", "Threads of all processes. /proc/PID/stat, refreshed every 5 s.", Gauge, nil}
	descProcessUnreadable = Desc{"controlcenter_processes_unreadable", "Processes that were seen but could not be read. Refreshed every 5 s.", Gauge, nil}
	descSeriesWithheld    = Desc{"controlcenter_series_withheld", "Names without series of their own, which a collector sums as \"other\".", Gauge, []string{"collector"}}
)

// newProcesses builds the processes collector. What it keeps open between reads is freed by the part's Close.
func newProcesses(o *Options) *Part[Processes] {
	r := newProcessReader(o)
	return &Part[Processes]{
		Name: "processes", Kind: Dear, Every: 5 * time.Second, Deadline: 2 * time.Second, Prime: true,
		Read: func(ctx context.Context) (*Processes, error) { return r.read(ctx, time.Now()) },
		Metrics: []*Desc{
			&descProcessCPU, &descProcessMemory, &descProcessInstances, &descProcessThreads,
			&descProcesses, &descThreads, &descProcessUnreadable, &descSeriesWithheld,
		},
		Emit:  emitProcesses,
		Close: r.close,
	}
}

func emitProcesses(v *Processes, e *Emitter) {
	cpu, mem := e.Family(&descProcessCPU), e.Family(&descProcessMemory)
	instances, threads := e.Family(&descProcessInstances), e.Family(&descProcessThreads)
	for i := range v.Groups {
		g := &v.Groups[i]
		cpu.Add(g.CPUSeconds, g.Name)
		mem.Add(g.MemoryBytes, g.Name)
		instances.Add(float64(g.Instances), g.Name)
		threads.Add(float64(g.Threads), g.Name)
	}
	states := e.Family(&descProcesses)
	for _, s := range v.States {
		states.Add(s.Value, s.Name)
	}
	e.Family(&descThreads).Add(float64(v.Threads))
	e.Family(&descProcessUnreadable).Add(float64(v.Unreadable))
	e.Family(&descSeriesWithheld).Add(float64(v.Withheld), "processes")
}
