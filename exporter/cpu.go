package exporter

// CPUTimes are seconds since boot spent in each mode (/proc/stat; Windows and macOS have user, system, idle and a few more).
// As in the kernel, User includes Guest and Nice includes GuestNice.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal, Guest, GuestNice float64
}

// CPUCore is one logical processor.
type CPUCore struct {
	ID         string // "0", "1", ...
	Times      CPUTimes
	UsageRatio float64 // 0..1 over the last round; NaN before the second reading
	Hertz      float64 // NaN where unknown, as the next two
	MinHertz   float64
	MaxHertz   float64
}

// CPU is the reading of the cpu collector.
type CPU struct {
	Times      CPUTimes // sum of all cores
	Cores      []CPUCore
	UsageRatio float64 // 0..1 of all cores together; NaN before the second reading
	// The rest of /proc/stat; NaN where the platform has none.
	ContextSwitches, Interrupts, Forks, ProcsRunning, ProcsBlocked, BootTimeSeconds float64
}
