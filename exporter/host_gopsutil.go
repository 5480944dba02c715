//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"
)

type hostReader struct{ model string }

func newHostReader(*Options) *hostReader { return &hostReader{} }

func (r *hostReader) read(ctx context.Context) (*Host, error) {
	now := time.Now()
	i, err := host.InfoWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read host information: %w", noData(err))
	}
	v := &Host{
		Hostname: i.Hostname, OS: runtime.GOOS, Platform: i.Platform, PlatformVersion: i.PlatformVersion,
		Kernel: i.KernelVersion, Machine: i.KernelArch, Arch: runtime.GOARCH, CPUCores: runtime.NumCPU(),
		MemoryTotalBytes: unknown(), BootTimeSeconds: float64(i.BootTime), UptimeSeconds: float64(i.Uptime),
		FilesAllocated: unknown(), FilesMaximum: unknown(), TimeSeconds: unixSeconds(now), at: now, sysname: runtime.GOOS,
	}
	if n, err := cpu.CountsWithContext(ctx, false); err == nil {
		v.CPUCoresPhysical = n
	}
	if r.model == "" {
		if info, err := cpu.InfoWithContext(ctx); err == nil && len(info) > 0 {
			r.model = info[0].ModelName
		}
	}
	v.CPUModel = r.model
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		v.MemoryTotalBytes = float64(m.Total)
	}
	return v, nil
}
