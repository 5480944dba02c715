//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
)

type cpuReader struct {
	usage     cpuUsage
	hertz     float64
	boot      float64
	rareRead  time.Time
	rareEvery time.Duration
}

func newCPUReader(*Options) *cpuReader {
	return &cpuReader{hertz: unknown(), boot: unknown(), rareEvery: 30 * time.Second}
}

func (r *cpuReader) close() error { return nil }

func (r *cpuReader) read(ctx context.Context) (*CPU, error) {
	cores, err := cpu.TimesWithContext(ctx, true)
	if err == nil && len(cores) == 0 {
		err = ErrNoData
	}
	if err != nil {
		return nil, fmt.Errorf("read cpu times: %w", noData(err))
	}
	now := time.Now()
	if now.Sub(r.rareRead) >= r.rareEvery {
		r.rareRead = now
		r.readRare(ctx)
	}
	v := &CPU{
		ContextSwitches: unknown(), Interrupts: unknown(), Forks: unknown(), ProcsRunning: unknown(), ProcsBlocked: unknown(),
		BootTimeSeconds: r.boot,
	}
	sum := &v.Times
	for i := range cores {
		c := &cores[i]
		t := CPUTimes{c.User, c.Nice, c.System, c.Idle, c.Iowait, c.Irq, c.Softirq, c.Steal, c.Guest, c.GuestNice}
		v.Cores = append(v.Cores, CPUCore{
			ID: strings.TrimPrefix(c.CPU, "cpu"), Times: t, Hertz: r.hertz, MinHertz: unknown(), MaxHertz: unknown(),
		})
		sum.User += t.User
		sum.Nice += t.Nice
		sum.System += t.System
		sum.Idle += t.Idle
		sum.IOWait += t.IOWait
		sum.IRQ += t.IRQ
		sum.SoftIRQ += t.SoftIRQ
		sum.Steal += t.Steal
		sum.Guest += t.Guest
		sum.GuestNice += t.GuestNice
	}
	r.usage.put(v, now)
	return v, nil
}

// readRare reads the nominal clock rate, which is all that these systems tell, and the time of the start.
func (r *cpuReader) readRare(ctx context.Context) {
	if info, err := cpu.InfoWithContext(ctx); err == nil && len(info) > 0 && info[0].Mhz > 0 {
		r.hertz = info[0].Mhz * 1e6
	}
	if boot, err := host.BootTimeWithContext(ctx); err == nil && boot > 0 {
		r.boot = float64(boot)
	}
}
