package exporter

import "time"

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

var (
	descCPUSeconds   = Desc{"controlcenter_cpu_seconds_total", "Seconds each logical processor spent in each mode since boot (Linux: /proc/stat; time of guests is part of user and nice).", Counter, []string{"cpu", "mode"}}
	descCPUUsage     = Desc{"controlcenter_cpu_usage_ratio", "Share of the time in which the processors, all together, were not idle, 0 to 1, over the last second or more.", Gauge, nil}
	descCPUCoreUsage = Desc{"controlcenter_cpu_core_usage_ratio", "Share of the time in which a logical processor was not idle, 0 to 1, over the last second or more.", Gauge, []string{"cpu"}}
	descCPUFrequency = Desc{"controlcenter_cpu_frequency_hertz", "Current clock rate of a logical processor in hertz (Linux: cpufreq in /sys, else /proc/cpuinfo), read every 5 s.", Gauge, []string{"cpu"}}
	descCtxSwitches  = Desc{"controlcenter_context_switches_total", "Context switches since boot (/proc/stat).", Counter, nil}
	descInterrupts   = Desc{"controlcenter_interrupts_total", "Interrupts served since boot (/proc/stat).", Counter, nil}
	descForks        = Desc{"controlcenter_forks_total", "Processes and threads started since boot (/proc/stat).", Counter, nil}

	nodeCPUSeconds   = Desc{"node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", Counter, []string{"cpu", "mode"}}
	nodeCPUGuest     = Desc{"node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.", Counter, []string{"cpu", "mode"}}
	nodeCtxSwitches  = Desc{"node_context_switches_total", "Total number of context switches.", Counter, nil}
	nodeForks        = Desc{"node_forks_total", "Total number of forks.", Counter, nil}
	nodeIntr         = Desc{"node_intr_total", "Total number of interrupts serviced.", Counter, nil}
	nodeProcsRunning = Desc{"node_procs_running", "Number of processes in runnable state.", Gauge, nil}
	nodeProcsBlocked = Desc{"node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", Gauge, nil}
	nodeBootTime     = Desc{"node_boot_time_seconds", "Node boot time, in unixtime.", Gauge, nil}
)

func newCPU(o *Options) *Part[CPU] {
	r := newCPUReader(o)
	return &Part[CPU]{
		Name: "cpu", Kind: Fast, Prime: true,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descCPUSeconds, &descCPUUsage, &descCPUCoreUsage, &descCPUFrequency, &descCtxSwitches, &descInterrupts, &descForks},
		Node:    []*Desc{&nodeCPUSeconds, &nodeCPUGuest, &nodeCtxSwitches, &nodeForks, &nodeIntr, &nodeProcsRunning, &nodeProcsBlocked, &nodeBootTime},
		Emit:    emitCPU, EmitNode: emitCPUNode,
	}
}

func emitCPU(v *CPU, e *Emitter) {
	emitCPUTimes(v, e.Family(&descCPUSeconds))
	e.Family(&descCPUUsage).Add(v.UsageRatio)
	usage, hertz := e.Family(&descCPUCoreUsage), e.Family(&descCPUFrequency)
	for i := range v.Cores {
		c := &v.Cores[i]
		usage.Add(c.UsageRatio, c.ID)
		hertz.Add(c.Hertz, c.ID)
	}
	e.Family(&descCtxSwitches).Add(v.ContextSwitches)
	e.Family(&descInterrupts).Add(v.Interrupts)
	e.Family(&descForks).Add(v.Forks)
}

func emitCPUTimes(v *CPU, s *Series) {
	for i := range v.Cores {
		c := &v.Cores[i]
		s.Add(c.Times.Idle, c.ID, "idle")
		s.Add(c.Times.IOWait, c.ID, "iowait")
		s.Add(c.Times.IRQ, c.ID, "irq")
		s.Add(c.Times.Nice, c.ID, "nice")
		s.Add(c.Times.SoftIRQ, c.ID, "softirq")
		s.Add(c.Times.Steal, c.ID, "steal")
		s.Add(c.Times.System, c.ID, "system")
		s.Add(c.Times.User, c.ID, "user")
	}
}

func emitCPUNode(v *CPU, e *Emitter) {
	emitCPUTimes(v, e.Family(&nodeCPUSeconds))
	guest := e.Family(&nodeCPUGuest)
	for i := range v.Cores {
		c := &v.Cores[i]
		guest.Add(c.Times.GuestNice, c.ID, "nice")
		guest.Add(c.Times.Guest, c.ID, "user")
	}
	e.Family(&nodeCtxSwitches).Add(v.ContextSwitches)
	e.Family(&nodeForks).Add(v.Forks)
	e.Family(&nodeIntr).Add(v.Interrupts)
	e.Family(&nodeProcsRunning).Add(v.ProcsRunning)
	e.Family(&nodeProcsBlocked).Add(v.ProcsBlocked)
	e.Family(&nodeBootTime).Add(v.BootTimeSeconds)
}

// cpuUsage keeps the last usage ratios between readings.
type cpuUsage struct {
	clock rateClock
	total usageOf
	cores map[string]*usageOf
}

type usageOf struct {
	base  CPUTimes
	known bool
	ratio float64
}

// put fills the usage ratios of a reading taken at now.
func (u *cpuUsage) put(v *CPU, now time.Time) {
	_, anew := u.clock.renew(now)
	if u.cores == nil {
		u.cores = map[string]*usageOf{}
	}
	v.UsageRatio = u.total.next(&v.Times, anew)
	for i := range v.Cores {
		c := &v.Cores[i]
		of := u.cores[c.ID]
		if of == nil {
			of = &usageOf{}
			u.cores[c.ID] = of
		}
		c.UsageRatio = of.next(&c.Times, anew)
	}
}

func (u *usageOf) next(t *CPUTimes, anew bool) float64 {
	switch {
	case !u.known:
		u.base, u.known, u.ratio = *t, true, unknown()
	case anew:
		busy := max(0, t.User-u.base.User) + max(0, t.Nice-u.base.Nice) + max(0, t.System-u.base.System) +
			max(0, t.IRQ-u.base.IRQ) + max(0, t.SoftIRQ-u.base.SoftIRQ) + max(0, t.Steal-u.base.Steal)
		all := busy + max(0, t.Idle-u.base.Idle) + max(0, t.IOWait-u.base.IOWait)
		u.base = *t
		if all > 0 { // else the clock ticks of the kernel have not moved: the last ratio stands
			u.ratio = busy / all
		}
	}
	return u.ratio
}
