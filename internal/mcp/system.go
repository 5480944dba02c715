package mcp

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"controlcenter/exporter"
)

type none struct{}

// Stats are the numbers of the machine that an agent asks for first.
type Stats struct {
	CPUPercent      *float64 `json:"cpu_percent" jsonschema:"0 to 100, all cores together; null when unknown"`
	MemoryTotal     *float64 `json:"memory_total_bytes"`
	MemoryAvailable *float64 `json:"memory_available_bytes"`
	GPUs            []GPU    `json:"gpus"`
	Disks           []Disk   `json:"disks"`
}

// GPU is one graphics card.
type GPU struct {
	Name        string   `json:"name"`
	UsePercent  *float64 `json:"use_percent"`
	MemoryUsed  *float64 `json:"memory_used_bytes"`
	MemoryTotal *float64 `json:"memory_total_bytes"`
}

// Disk is one file system.
type Disk struct {
	Mountpoint string   `json:"mountpoint"`
	Size       *float64 `json:"size_bytes"`
	Available  *float64 `json:"available_bytes"`
}

// Listener is a port somebody listens on.
type Listener struct {
	Port    int    `json:"port"`
	Address string `json:"address"`
	Process string `json:"process"`
	PID     int    `json:"pid"`
	Service string `json:"service,omitempty" jsonschema:"the managed service it belongs to"`
}

// Process is one process.
type Process struct {
	PID         int      `json:"pid"`
	Name        string   `json:"name"`
	CPUPercent  *float64 `json:"cpu_percent" jsonschema:"100 = one core"`
	MemoryBytes *float64 `json:"memory_bytes" jsonschema:"resident"`
	Service     string   `json:"service,omitempty"`
}

// known is a number, or null.
func known(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func (o *Options) systemTools(s *mcp.Server) {
	if o.Sampler == nil {
		return
	}
	reads(s, "system_stats", "Machine now", "CPU, memory, GPUs and disks of this machine now.", func(ctx context.Context, _ none) (Stats, error) {
		return stats(o.Sampler.Fresh(ctx, 0)), nil
	})
	reads(s, "system_ports", "Listening ports", "Who listens on which TCP and UDP port.", func(ctx context.Context, in struct {
		Port int `json:"port,omitempty" jsonschema:"only this port; 0 = all"`
	}) (struct {
		Ports []Listener `json:"ports"`
	}, error,
	) {
		out := struct {
			Ports []Listener `json:"ports"`
		}{[]Listener{}}
		if ports := exporter.Get[exporter.Ports](o.Sampler.Fresh(ctx, 0)); ports != nil {
			for i := range ports.List {
				if p := &ports.List[i]; in.Port == 0 || p.Port == in.Port {
					out.Ports = append(out.Ports, Listener{p.Port, p.Address, p.Process, p.PID, p.Service})
				}
			}
		}
		return out, nil
	})
	reads(s, "system_processes", "Busiest processes", "The processes that use most CPU or memory.", func(ctx context.Context, in struct {
		By    string `json:"by,omitempty" jsonschema:"cpu (default) or memory"`
		Limit int    `json:"limit,omitempty" jsonschema:"1 to 100, default 15"`
	}) (struct {
		Processes []Process `json:"processes"`
	}, error,
	) {
		out := struct {
			Processes []Process `json:"processes"`
		}{[]Process{}}
		limit, err := within("limit", in.Limit, 15, 100)
		if err != nil {
			return out, err
		}
		if in.By != "" && in.By != "cpu" && in.By != "memory" {
			return out, fmt.Errorf("by: %q is neither cpu nor memory", in.By)
		}
		procs := exporter.Get[exporter.Processes](o.Sampler.Fresh(ctx, 0))
		if procs == nil {
			return out, nil
		}
		all := slices.Clone(procs.List)
		slices.SortFunc(all, func(a, b exporter.Process) int {
			if in.By == "memory" {
				return cmp.Compare(b.MemoryBytes, a.MemoryBytes)
			}
			return cmp.Compare(b.CPUPercent, a.CPUPercent)
		})
		for i := range all[:min(limit, len(all))] {
			p := &all[i]
			out.Processes = append(out.Processes, Process{p.PID, p.Name, known(p.CPUPercent), known(p.MemoryBytes), p.Service})
		}
		return out, nil
	})
}

// within checks a limit; 0 is its default.
func within(field string, v, standard, most int) (int, error) {
	if v == 0 {
		return standard, nil
	}
	if v < 1 || v > most {
		return 0, fmt.Errorf("%s: %d must be 1 to %d", field, v, most)
	}
	return v, nil
}

func stats(snap *exporter.Snapshot) Stats {
	out := Stats{GPUs: []GPU{}, Disks: []Disk{}}
	if c := exporter.Get[exporter.CPU](snap); c != nil {
		out.CPUPercent = known(100 * c.UsageRatio)
	}
	if m := exporter.Get[exporter.Memory](snap); m != nil {
		out.MemoryTotal, out.MemoryAvailable = known(m.TotalBytes), known(m.AvailableBytes)
	}
	if g := exporter.Get[exporter.GPUs](snap); g != nil {
		for i := range g.List {
			c := &g.List[i]
			out.GPUs = append(out.GPUs, GPU{c.Name, known(100 * c.UtilizationRatio), known(c.MemoryUsedBytes), known(c.MemoryTotalBytes)})
		}
	}
	if f := exporter.Get[exporter.Filesystems](snap); f != nil {
		for i := range f.List {
			d := &f.List[i]
			out.Disks = append(out.Disks, Disk{d.Mountpoint, known(d.SizeBytes), known(d.AvailableBytes)})
		}
	}
	return out
}
