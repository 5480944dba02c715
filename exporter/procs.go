package exporter

// Processes is the reading of the processes collector: every process, busiest first.
type Processes struct {
	List    []Process
	States  []NamedValue   // how many are running, sleeping, disk_sleep, zombie, stopped, idle, other; all names present
	Threads int            // of all processes
	Groups  []ProcessGroup // the names with series of their own, then "other"
	// Withheld is how many names are summed as "other".
	Withheld int
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
