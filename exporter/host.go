package exporter

import "time"

// Host is the reading of the host collector: what rarely changes.
type Host struct {
	Hostname                     string
	OS                           string // linux, windows, darwin
	Platform, PlatformVersion    string // debian, 12.5
	Kernel, KernelVersion        string // uname -r, uname -v
	Machine, DomainName          string // x86_64; NIS domain, "(none)"
	Arch                         string // Go's name: amd64, arm64
	CPUModel                     string
	CPUCores, CPUCoresPhysical   int // logical; physical, 0 where unknown
	MemoryTotalBytes             float64
	BootTimeSeconds              float64 // Unix time
	UptimeSeconds                float64 // when read; NaN where unknown
	FilesAllocated, FilesMaximum float64 // /proc/sys/fs/file-nr; NaN elsewhere than on Linux
	TimeSeconds                  float64 // the clock when read, Unix time

	at           time.Time // when it was read, for what goes on between two readings
	sysname      string    // Linux, Darwin
	clockSources []clockSource
}

// clockSource is a clock device of the kernel and what it may count with.
type clockSource struct {
	device, current string
	available       []string
}

// Uptime returns the seconds since boot at time now, from the last reading; NaN where unknown.
func (h *Host) Uptime(now time.Time) float64 {
	if h.at.IsZero() {
		return h.UptimeSeconds
	}
	return h.UptimeSeconds + now.Sub(h.at).Seconds()
}

var (
	descHostInfo = Desc{"controlcenter_host_info", "Constant 1; operating system, platform, kernel and architecture of this machine.", Gauge, []string{"os", "platform", "platform_version", "kernel", "arch"}}
	descUptime   = Desc{"controlcenter_uptime_seconds", "Seconds since this machine was started.", Gauge, nil}
	descBootTime = Desc{"controlcenter_boot_time_seconds", "Unix time at which this machine was started, read every 30 s.", Gauge, nil}
	descFiles    = Desc{"controlcenter_files_allocated", "File handles in use on this machine (/proc/sys/fs/file-nr), read every 30 s.", Gauge, nil}
	descFilesMax = Desc{"controlcenter_files_maximum", "File handles this machine may use (/proc/sys/fs/file-nr), read every 30 s.", Gauge, nil}

	nodeUname          = Desc{"node_uname_info", "Labeled system information as provided by the uname system call.", Gauge, []string{"sysname", "release", "version", "machine", "nodename", "domainname"}}
	nodeTime           = Desc{"node_time_seconds", "System time in seconds since epoch (1970).", Gauge, nil}
	nodeZoneOffset     = Desc{"node_time_zone_offset_seconds", "System time zone offset in seconds.", Gauge, []string{"time_zone"}}
	nodeClockAvailable = Desc{"node_time_clocksource_available_info", "Available clocksources read from '/sys/devices/system/clocksource'.", Gauge, []string{"device", "clocksource"}}
	nodeClockCurrent   = Desc{"node_time_clocksource_current_info", "Current clocksource read from '/sys/devices/system/clocksource'.", Gauge, []string{"device", "clocksource"}}
	nodeFilesAllocated = Desc{"node_filefd_allocated", "File descriptor statistics: allocated.", Gauge, nil}
	nodeFilesMaximum   = Desc{"node_filefd_maximum", "File descriptor statistics: maximum.", Gauge, nil}
)

func newHost(o *Options) *Part[Host] {
	r := newHostReader(o)
	return &Part[Host]{
		Name: "host", Kind: Dear, Every: 30 * time.Second,
		Read:    r.read,
		Metrics: []*Desc{&descHostInfo, &descUptime, &descBootTime, &descFiles, &descFilesMax},
		Node: []*Desc{
			&nodeUname, &nodeTime, &nodeZoneOffset, &nodeClockAvailable, &nodeClockCurrent, &nodeFilesAllocated, &nodeFilesMaximum,
		},
		Emit: emitHost, EmitNode: emitHostNode,
	}
}

func emitHost(v *Host, e *Emitter) {
	e.Family(&descHostInfo).Add(1, v.OS, v.Platform, v.PlatformVersion, v.Kernel, v.Arch)
	e.Family(&descUptime).Add(v.Uptime(time.Now()))
	e.Family(&descBootTime).Add(v.BootTimeSeconds)
	e.Family(&descFiles).Add(v.FilesAllocated)
	e.Family(&descFilesMax).Add(v.FilesMaximum)
}

// emitHostNode takes the time of this moment: a clock that is 30 s old would be worse than none.
func emitHostNode(v *Host, e *Emitter) {
	now := time.Now()
	e.Family(&nodeUname).Add(1, v.sysname, v.Kernel, v.KernelVersion, v.Machine, v.Hostname, v.DomainName)
	e.Family(&nodeTime).Add(unixSeconds(now))
	zone, offset := now.Zone()
	e.Family(&nodeZoneOffset).Add(float64(offset), zone)
	for _, c := range v.clockSources {
		for _, name := range c.available {
			e.Family(&nodeClockAvailable).Add(1, c.device, name)
		}
		e.Family(&nodeClockCurrent).Add(1, c.device, c.current)
	}
	e.Family(&nodeFilesAllocated).Add(v.FilesAllocated)
	e.Family(&nodeFilesMaximum).Add(v.FilesMaximum)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
