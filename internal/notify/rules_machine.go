package notify

import (
	"fmt"
	"math"
	"time"

	"controlcenter/exporter"
)

// Limits of the machine: those of the older backend's documentation, which deploy/prometheus has too.
func machineRules() []Rule {
	cpu := reading(func(v *exporter.CPU) []finding {
		return []finding{{value: v.UsageRatio, summary: "CPU usage is " + percent(v.UsageRatio)}}
	})
	memoryUse := reading(func(v *exporter.Memory) []finding {
		return []finding{{value: v.UsedRatio, summary: "Memory usage is " + percent(v.UsedRatio), text: bytesText(v.AvailableBytes) + " are available"}}
	})
	certificate := func(m *memory, r *Reading) ([]finding, bool) {
		if r.CertEnd.IsZero() {
			return nil, true
		}
		return []finding{{value: r.CertEnd.Sub(m.now).Seconds(), summary: "The TLS certificate ends at " + r.CertEnd.UTC().Format(time.RFC3339)}}, true
	}
	const (
		certText = "The listeners read a renewed certificate by themselves."
		diskText = "Used as df counts. Hung and read-only file systems are not looked at."
		day      = 24 * time.Hour
	)
	return []Rule{
		{Name: "cpu_high", Severity: Warning, For: 10 * time.Minute, Limit: 0.80, Slack: 0.05, Unit: "ratio", Summary: "The processors are busy", Description: "All cores together. \"controlcenter top\" or ps shows by what.", check: cpu},
		{Name: "cpu_critical", Severity: Critical, For: 5 * time.Minute, Limit: 0.95, Slack: 0.05, Unit: "ratio", Summary: "The processors are busy to the limit", Description: "All cores together.", Covers: "cpu_high", check: cpu},
		{Name: "memory_high", Severity: Warning, For: 10 * time.Minute, Limit: 0.85, Slack: 0.03, Unit: "ratio", Summary: "Memory runs short", Description: "Total less available.", check: memoryUse},
		{Name: "memory_critical", Severity: Critical, For: 2 * time.Minute, Limit: 0.95, Slack: 0.03, Unit: "ratio", Summary: "Memory is nearly used up", Description: "The kernel may soon kill processes.", Covers: "memory_high", check: memoryUse},
		{Name: "disk_high", Severity: Warning, For: 5 * time.Minute, Limit: 0.80, Slack: 0.02, Unit: "ratio", Summary: "A file system fills up", Description: diskText, check: disks},
		{Name: "disk_critical", Severity: Critical, For: 2 * time.Minute, Limit: 0.90, Slack: 0.02, Unit: "ratio", Summary: "A file system is nearly full", Description: diskText, Covers: "disk_high", check: disks},
		{
			Name: "disk_full_soon", Severity: Warning, For: 30 * time.Minute, Limit: day.Seconds(), Slack: (6 * time.Hour).Seconds(), Below: true, Unit: "seconds",
			Summary: "At this pace a file system is full within a day", Description: "A straight line through the last hours (one at least, six at most, of this process); only where more than half is used.",
			check: diskFullSoon,
		},
		{
			Name: "swap_thrash", Severity: Warning, For: 3 * time.Minute, Limit: 8 << 20, Slack: 4 << 20, Unit: "bytes per second",
			Summary: "Memory is moved to and from swap all the time", Description: "Everything is slow while this lasts. Something needs more memory than there is.",
			check: swapping,
		},
		{
			Name: "oom_kill", Severity: Critical, Limit: 1,
			Summary: "The kernel killed a process for want of memory", Description: "The kernel's log (dmesg) names it; \"controlcenter events\" shows if it was a service.",
			check: oomKills,
		},
		{
			Name: "temperature_high", Severity: Warning, For: 2 * time.Minute, Limit: 85, Slack: 5, Unit: "celsius",
			Summary: "A sensor is hot", Description: "Where the sensor itself has a critical temperature, five degrees below that count instead, if they are less.",
			check: temperatures,
		},
		{
			Name: "gpu_memory_high", Severity: Warning, For: 5 * time.Minute, Limit: 0.95, Slack: 0.05, Unit: "ratio",
			Summary: "The memory of a GPU is nearly used up", Description: "The next model may not fit.",
			check: reading(func(v *exporter.GPUs) (out []finding) {
				for i := range v.List {
					g := &v.List[i]
					ratio := g.MemoryUsedBytes / g.MemoryTotalBytes
					out = append(out, finding{subject: "gpu " + g.ID, value: ratio, summary: fmt.Sprintf("Memory of GPU %s (%s) is used to %s", g.ID, g.Name, percent(ratio))})
				}
				return out
			}),
		},
		{
			Name: "gpu_temperature_high", Severity: Warning, For: 2 * time.Minute, Limit: 87, Slack: 5, Unit: "celsius",
			Summary: "A GPU is hot", Description: "It slows down soon. Look at its fan.",
			check: reading(func(v *exporter.GPUs) (out []finding) {
				for i := range v.List {
					g := &v.List[i]
					out = append(out, finding{subject: "gpu " + g.ID, value: g.TemperatureCelsius, summary: fmt.Sprintf("GPU %s (%s) has %.0f °C", g.ID, g.Name, g.TemperatureCelsius)})
				}
				return out
			}),
		},
		{
			Name: "collector_failing", Severity: Warning, For: 5 * time.Minute, Limit: 1,
			Summary: "A part of the machine cannot be read", Description: "Its figures are missing or old. The log and /health/detailed say why.",
			check: func(_ *memory, r *Reading) ([]finding, bool) {
				if r.Machine == nil {
					return nil, false
				}
				var out []finding
				for i := range r.Machine.Readings {
					p := &r.Machine.Readings[i]
					if r.Machine.Settings.Disabled(p.Name) || p.Attempted.IsZero() {
						continue
					}
					f := finding{subject: p.Name, value: truth(p.Err != nil && !p.Absent()), summary: "The collector " + p.Name + " fails"}
					if p.Err != nil {
						f.text = p.Err.Error()
					}
					out = append(out, f)
				}
				return out, true
			},
		},
		{Name: "certificate_expiring", Severity: Warning, For: time.Minute, Limit: (14 * day).Seconds(), Below: true, Unit: "seconds", Summary: "The TLS certificate ends within two weeks", Description: certText, check: certificate},
		{Name: "certificate_critical", Severity: Critical, For: time.Minute, Limit: (3 * day).Seconds(), Below: true, Unit: "seconds", Summary: "The TLS certificate ends within three days", Description: certText, Covers: "certificate_expiring", check: certificate},
	}
}

// reading makes a check over one reading of the machine.
func reading[T any](look func(*T) []finding) func(*memory, *Reading) ([]finding, bool) {
	return func(_ *memory, r *Reading) ([]finding, bool) {
		if r.Machine == nil {
			return nil, false
		}
		v := exporter.Get[T](r.Machine)
		if v == nil {
			return nil, false
		}
		return look(v), true
	}
}

// watched lists the file systems that rules look at: each device once.
func watched(r *Reading) ([]*exporter.Filesystem, bool) {
	if r.Machine == nil {
		return nil, false
	}
	v := exporter.Get[exporter.Filesystems](r.Machine)
	if v == nil {
		return nil, false
	}
	var out []*exporter.Filesystem
	seen := map[string]bool{}
	for i := range v.List {
		f := &v.List[i]
		if f.ReadOnly || f.Hung || math.IsNaN(f.UsedRatio) || seen[f.Device] && f.Device != "" && f.Device[0] == '/' {
			continue
		}
		seen[f.Device] = true
		out = append(out, f)
	}
	return out, true
}

func disks(_ *memory, r *Reading) ([]finding, bool) {
	list, known := watched(r)
	var out []finding
	for _, f := range list {
		out = append(out, finding{subject: f.Mountpoint, value: f.UsedRatio, summary: fmt.Sprintf("%s is %s full", f.Mountpoint, percent(f.UsedRatio)), text: bytesText(f.AvailableBytes) + " are free"})
	}
	return out, known
}

func diskFullSoon(m *memory, r *Reading) ([]finding, bool) {
	list, known := watched(r)
	var out []finding
	for _, f := range list {
		t := m.disks[f.Mountpoint]
		if t == nil {
			t = &trend{}
			m.disks[f.Mountpoint] = t
		}
		t.add(m.now, f.AvailableBytes)
		left := math.Inf(1)
		if slope, ok := t.slope(); ok && slope < 0 && f.UsedRatio > 0.5 {
			left = f.AvailableBytes / -slope
		}
		out = append(out, finding{subject: f.Mountpoint, value: left, summary: fmt.Sprintf("%s is full in about %.0f hours at this pace", f.Mountpoint, left/3600), text: bytesText(f.AvailableBytes) + " are free"})
	}
	return out, known
}

func swapping(m *memory, r *Reading) ([]finding, bool) {
	if r.Machine == nil {
		return nil, false
	}
	v := exporter.Get[exporter.Memory](r.Machine)
	if v == nil || math.IsNaN(v.SwapInBytes) || math.IsNaN(v.SwapOutBytes) {
		return nil, false
	}
	s := &m.swap
	total := v.SwapInBytes + v.SwapOutBytes
	if seconds := m.now.Sub(s.at).Seconds(); !s.at.IsZero() && seconds > 0 {
		s.rate = max(total-s.bytes, 0) / seconds
	}
	s.at, s.bytes = m.now, total
	return []finding{{value: s.rate, summary: fmt.Sprintf("Swap moves %s per second", bytesText(s.rate))}}, true
}

func oomKills(m *memory, r *Reading) ([]finding, bool) {
	if r.Machine == nil {
		return nil, false
	}
	v := exporter.Get[exporter.Memory](r.Machine)
	if v == nil || math.IsNaN(v.OOMKills) {
		return nil, false
	}
	n := v.OOMKills - m.oom
	known := m.oomKnown
	m.oom, m.oomKnown = v.OOMKills, true
	if !known {
		return nil, false
	}
	return []finding{{value: truth(n > 0), summary: fmt.Sprintf("The kernel killed %.0f processes for want of memory", n)}}, true
}

func temperatures(_ *memory, r *Reading) ([]finding, bool) {
	if r.Machine == nil {
		return nil, false
	}
	v := exporter.Get[exporter.Sensors](r.Machine)
	if v == nil {
		return nil, false
	}
	var out []finding
	for i := range v.Temperatures {
		t := &v.Temperatures[i]
		f := finding{subject: t.Chip + "/" + t.Name, value: t.Celsius, summary: fmt.Sprintf("%s %s has %.0f °C", t.ChipName, t.Name, t.Celsius)}
		if c := t.CriticalCelsius - 5; c > 30 && c < 85 { // smaller ones are drivers' fillers
			f.limit = c
		}
		out = append(out, f)
	}
	return out, true
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func bytesText(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if v >= u.size {
			return fmt.Sprintf("%.1f %s", v/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", v)
}
