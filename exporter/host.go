package exporter

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
}
