package api

import (
	"context"
	"math"
	"runtime"
	"time"

	"controlcenter/exporter"
)

// StatsBody is the answer of GET /api/system/stats. Percents are 0..100; *_gb are 2^30 bytes; a number that is unknown is null.
type StatsBody struct {
	Success      bool              `json:"success"`
	Timestamp    string            `json:"timestamp" format:"date-time" doc:"When the snapshot was taken"`
	CPU          CPUStats          `json:"cpu"`
	Memory       MemoryStats       `json:"memory"`
	Disk         DiskStats         `json:"disk" doc:"The main volume"`
	Swap         SwapStats         `json:"swap"`
	Load         LoadStats         `json:"load"`
	Cores        []CoreStats       `json:"cores"`
	Filesystems  []FilesystemStats `json:"filesystems" doc:"Every volume"`
	DiskIO       DiskIOStats       `json:"disk_io"`
	Network      NetworkStats      `json:"network"`
	Temperatures []TemperatureStat `json:"temperatures"`
	Fans         []FanStats        `json:"fans"`
	GPUs         []GPUStats        `json:"gpus"`
	TCP          map[string]num    `json:"tcp" doc:"TCP sockets by state"`
	Uptime       num               `json:"uptime_seconds" doc:"Of the machine"`
}

// CPUStats is all cores together.
type CPUStats struct {
	UsagePercent num       `json:"usage_percent"`
	Usage        num       `json:"usage" doc:"Same as usage_percent"`
	Count        int       `json:"count" doc:"Logical cores"`
	Frequency    Frequency `json:"frequency"`
}

// Frequency is in MHz: the mean of the cores now, the lowest and the highest they can have.
type Frequency struct {
	Current num `json:"current"`
	Min     num `json:"min"`
	Max     num `json:"max"`
}

// MemoryStats is physical memory; used is total less available.
type MemoryStats struct {
	Total       num `json:"total"`
	Available   num `json:"available"`
	Used        num `json:"used"`
	Percent     num `json:"percent"`
	TotalGB     num `json:"total_gb"`
	UsedGB      num `json:"used_gb"`
	AvailableGB num `json:"available_gb"`
	Free        num `json:"free"`
	Cached      num `json:"cached"`
	Buffers     num `json:"buffers"`
}

// DiskStats is one volume; percent is used of what users may use.
type DiskStats struct {
	Total   num `json:"total"`
	Used    num `json:"used"`
	Free    num `json:"free" doc:"Available to users"`
	Percent num `json:"percent"`
	TotalGB num `json:"total_gb"`
	UsedGB  num `json:"used_gb"`
	FreeGB  num `json:"free_gb"`
}

// SwapStats is swap space in bytes.
type SwapStats struct {
	Total   num `json:"total"`
	Used    num `json:"used"`
	Free    num `json:"free"`
	Percent num `json:"percent"`
}

// LoadStats is the load average.
type LoadStats struct {
	Load1  num `json:"load1"`
	Load5  num `json:"load5"`
	Load15 num `json:"load15"`
}

// CoreStats is one logical core.
type CoreStats struct {
	ID           string `json:"id"`
	UsagePercent num    `json:"usage_percent"`
	MHz          num    `json:"frequency"`
}

// FilesystemStats is one volume.
type FilesystemStats struct {
	Device     string `json:"device"`
	Mountpoint string `json:"mountpoint"`
	Type       string `json:"fstype"`
	DiskStats
	ReadOnly bool `json:"read_only"`
	Main     bool `json:"main"`
	Hung     bool `json:"hung" doc:"Its server does not answer"`
}

// DiskIOStats is the throughput of whole disks.
type DiskIOStats struct {
	Read    num           `json:"read_bytes_per_second"`
	Written num           `json:"written_bytes_per_second"`
	Devices []DeviceStats `json:"devices"`
}

// DeviceStats is one block device.
type DeviceStats struct {
	Device  string `json:"device"`
	Read    num    `json:"read_bytes_per_second"`
	Written num    `json:"written_bytes_per_second"`
}

// NetworkStats is the throughput of all interfaces but loopback.
type NetworkStats struct {
	Receive    num              `json:"receive_bytes_per_second"`
	Transmit   num              `json:"transmit_bytes_per_second"`
	Interfaces []InterfaceStats `json:"interfaces"`
}

// InterfaceStats is one interface.
type InterfaceStats struct {
	Device        string `json:"device"`
	Up            bool   `json:"up"`
	Loopback      bool   `json:"loopback"`
	Receive       num    `json:"receive_bytes_per_second"`
	Transmit      num    `json:"transmit_bytes_per_second"`
	ReceiveBytes  num    `json:"receive_bytes"`
	TransmitBytes num    `json:"transmit_bytes"`
}

// TemperatureStat is one sensor, in degrees Celsius.
type TemperatureStat struct {
	Chip     string `json:"chip"`
	Sensor   string `json:"sensor"`
	Label    string `json:"label"`
	Celsius  num    `json:"celsius"`
	Max      num    `json:"max_celsius"`
	Critical num    `json:"critical_celsius"`
}

// FanStats is one fan.
type FanStats struct {
	Chip   string `json:"chip"`
	Sensor string `json:"sensor"`
	Label  string `json:"label"`
	RPM    num    `json:"rpm"`
}

// GPUStats is one graphics processor.
type GPUStats struct {
	ID            string `json:"id"`
	Vendor        string `json:"vendor"`
	Name          string `json:"name"`
	Driver        string `json:"driver"`
	Utilization   num    `json:"utilization_percent"`
	MemoryUsed    num    `json:"memory_used"`
	MemoryTotal   num    `json:"memory_total"`
	MemoryPercent num    `json:"memory_percent"`
	Celsius       num    `json:"temperature_celsius"`
	Watts         num    `json:"power_watts"`
	FanPercent    num    `json:"fan_percent"`
	MHz           num    `json:"frequency"`
}

func (s *Server) systemRows() []*row {
	g := group("System")
	return []*row{
		typed(s, "GET", "/api/system/stats", viewer, "CPU, memory, disks, network, sensors and GPUs now", s.stats, g, openAs(GroupStats)),
		typed(s, "GET", "/api/system/processes", viewer, "Processes, busiest first", s.processes, g,
			about("`count` is the number of all processes (with `search`, of those that match); at most `limit` are listed.")),
		typed(s, "GET", "/api/system/ports", viewer, "Listening ports with their owners", s.ports, g,
			about("By default the configured range, listening TCP and bound UDP sockets, one row per port and process. "+
				"`state=all` lists every socket with its other end.")),
		typed(s, "GET", "/api/system/info", viewer, "The machine: system, hardware, uptime", s.info, g),
		typed(s, "GET", "/api/system/history", viewer, "The last 15 minutes as parallel columns", s.history, g,
			about("`series` has one list per curve and `cores` one per CPU core, each as long as `timestamps`; null = unknown.")),
	}
}

func (s *Server) stats(ctx context.Context, _ *noInput) (*answerOf[StatsBody], error) {
	return ok(s.statsOf(s.fresh(ctx))), nil
}

// statsOf writes a snapshot in the wire's units.
func (s *Server) statsOf(snap *exporter.Snapshot) StatsBody {
	b := StatsBody{
		Success: true, Timestamp: stamp(snap.At),
		CPU: cpuOf(snap), Memory: memoryOf(snap), Disk: mainDiskOf(snap), Swap: swapOf(snap), Load: loadOf(snap), Cores: coresOf(snap),
		Filesystems: []FilesystemStats{}, DiskIO: diskIOOf(snap), Network: networkOf(snap),
		Temperatures: []TemperatureStat{}, Fans: []FanStats{}, GPUs: gpusOf(snap), TCP: map[string]num{}, Uptime: unknown(),
	}
	if v := exporter.Get[exporter.Filesystems](snap); v != nil {
		for i := range v.List {
			f := &v.List[i]
			b.Filesystems = append(b.Filesystems, FilesystemStats{f.Device, f.Mountpoint, f.Type, diskOf(f), f.ReadOnly, f.Main, f.Hung})
		}
	}
	if v := exporter.Get[exporter.Sensors](snap); v != nil {
		for _, t := range v.Temperatures {
			b.Temperatures = append(b.Temperatures, temperatureOf(t))
		}
		for _, f := range v.Fans {
			b.Fans = append(b.Fans, FanStats{f.Chip, f.Sensor, f.Label, round1(f.RPM)})
		}
	}
	if v := exporter.Get[exporter.TCP](snap); v != nil {
		for _, n := range v.States {
			b.TCP[n.Name] = num(n.Value)
		}
	}
	if v := exporter.Get[exporter.Host](snap); v != nil {
		b.Uptime = uptimeOf(v)
	}
	return b
}

// uptimeOf counts on from the boot time, so that it does not stand still between two readings of the host.
func uptimeOf(h *exporter.Host) num {
	if h.BootTimeSeconds <= 0 || math.IsNaN(h.BootTimeSeconds) {
		return round2(h.UptimeSeconds)
	}
	return round2(float64(time.Now().UnixMilli())/1e3 - h.BootTimeSeconds)
}

func cpuOf(snap *exporter.Snapshot) CPUStats {
	c := CPUStats{unknown(), unknown(), runtime.NumCPU(), Frequency{unknown(), unknown(), unknown()}}
	v := exporter.Get[exporter.CPU](snap)
	if v == nil {
		return c
	}
	c.UsagePercent = percent(v.UsageRatio)
	c.Usage = c.UsagePercent
	if len(v.Cores) > 0 {
		c.Count = len(v.Cores)
	}
	sum, n, lowest, highest := 0.0, 0.0, math.NaN(), math.NaN()
	for _, core := range v.Cores {
		if !math.IsNaN(core.Hertz) {
			sum, n = sum+core.Hertz, n+1
		}
		if math.IsNaN(lowest) || core.MinHertz < lowest {
			lowest = core.MinHertz
		}
		if math.IsNaN(highest) || core.MaxHertz > highest {
			highest = core.MaxHertz
		}
	}
	if n > 0 {
		c.Frequency.Current = round1(sum / n / 1e6)
	}
	c.Frequency.Min, c.Frequency.Max = round1(lowest/1e6), round1(highest/1e6)
	return c
}

func coresOf(snap *exporter.Snapshot) []CoreStats {
	out := []CoreStats{}
	if v := exporter.Get[exporter.CPU](snap); v != nil {
		for _, c := range v.Cores {
			out = append(out, CoreStats{c.ID, percent(c.UsageRatio), round1(c.Hertz / 1e6)})
		}
	}
	return out
}

func memoryOf(snap *exporter.Snapshot) MemoryStats {
	v := exporter.Get[exporter.Memory](snap)
	if v == nil {
		u := unknown()
		return MemoryStats{u, u, u, u, u, u, u, u, u, u}
	}
	return MemoryStats{
		whole(v.TotalBytes), whole(v.AvailableBytes), whole(v.UsedBytes), percent(v.UsedRatio),
		gib(v.TotalBytes), gib(v.UsedBytes), gib(v.AvailableBytes), whole(v.FreeBytes), whole(v.CachedBytes), whole(v.BuffersBytes),
	}
}

func swapOf(snap *exporter.Snapshot) SwapStats {
	v := exporter.Get[exporter.Memory](snap)
	if v == nil {
		u := unknown()
		return SwapStats{u, u, u, u}
	}
	used := 0.0
	if v.SwapTotalBytes > 0 {
		used = v.SwapUsedBytes / v.SwapTotalBytes
	}
	return SwapStats{whole(v.SwapTotalBytes), whole(v.SwapUsedBytes), whole(v.SwapFreeBytes), percent(used)}
}

func loadOf(snap *exporter.Snapshot) LoadStats {
	if v := exporter.Get[exporter.Load](snap); v != nil {
		return LoadStats{round2(v.Load1), round2(v.Load5), round2(v.Load15)}
	}
	return LoadStats{unknown(), unknown(), unknown()}
}

func mainDiskOf(snap *exporter.Snapshot) DiskStats {
	if v := exporter.Get[exporter.Filesystems](snap); v != nil {
		if m := v.Main(); m != nil {
			return diskOf(m)
		}
	}
	u := unknown()
	return DiskStats{u, u, u, u, u, u, u}
}

func diskOf(f *exporter.Filesystem) DiskStats {
	used := f.SizeBytes - f.FreeBytes
	return DiskStats{
		whole(f.SizeBytes), whole(used), whole(f.AvailableBytes), percent(f.UsedRatio), gib(f.SizeBytes), gib(used), gib(f.AvailableBytes),
	}
}

func diskIOOf(snap *exporter.Snapshot) DiskIOStats {
	b := DiskIOStats{unknown(), unknown(), []DeviceStats{}}
	if v := exporter.Get[exporter.DiskIO](snap); v != nil {
		b.Read, b.Written = whole(v.ReadBytesPerSecond), whole(v.WrittenBytesPerSecond)
		for _, d := range v.Devices {
			if d.Whole {
				b.Devices = append(b.Devices, DeviceStats{d.Device, whole(d.ReadBytesPerSecond), whole(d.WrittenBytesPerSecond)})
			}
		}
	}
	return b
}

func networkOf(snap *exporter.Snapshot) NetworkStats {
	b := NetworkStats{unknown(), unknown(), []InterfaceStats{}}
	if v := exporter.Get[exporter.Network](snap); v != nil {
		b.Receive, b.Transmit = whole(v.ReceiveBytesPerSecond), whole(v.TransmitBytesPerSecond)
		for _, d := range v.Devices {
			b.Interfaces = append(b.Interfaces, InterfaceStats{
				d.Device, d.Up, d.Loopback, whole(d.ReceiveBytesPerSecond), whole(d.TransmitBytesPerSecond),
				whole(d.Receive.Bytes), whole(d.Transmit.Bytes),
			})
		}
	}
	return b
}

func temperatureOf(t exporter.Temperature) TemperatureStat {
	chip := t.ChipName
	if chip == "" {
		chip = t.Chip
	}
	return TemperatureStat{chip, t.Sensor, t.Label, round1(t.Celsius), round1(t.MaxCelsius), round1(t.CriticalCelsius)}
}

func gpusOf(snap *exporter.Snapshot) []GPUStats {
	out := []GPUStats{}
	if v := exporter.Get[exporter.GPUs](snap); v != nil {
		for _, g := range v.List {
			out = append(out, GPUStats{
				g.ID, g.Vendor, g.Name, g.Driver, percent(g.UtilizationRatio), whole(g.MemoryUsedBytes), whole(g.MemoryTotalBytes),
				percent(g.MemoryUsedBytes / g.MemoryTotalBytes), round1(g.TemperatureCelsius), round1(g.PowerWatts),
				percent(g.FanRatio), round1(g.ClockHertz / 1e6),
			})
		}
	}
	return out
}
