//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
)

type diskIOReader struct{ rates deviceRates }

func newDiskIOReader(*Options) *diskIOReader { return &diskIOReader{} }

func (r *diskIOReader) close() error { return nil }

// read takes every device of gopsutil for a whole disk: Windows lists drive letters, macOS disks.
func (r *diskIOReader) read(ctx context.Context) (*DiskIO, error) {
	all, err := disk.IOCountersWithContext(ctx)
	if err == nil && len(all) == 0 {
		err = ErrNoData
	}
	if err != nil {
		return nil, fmt.Errorf("read disk counters: %w", noData(err))
	}
	now := time.Now()
	v := &DiskIO{ReadBytesPerSecond: unknown(), WrittenBytesPerSecond: unknown()}
	r.rates.begin(now)
	for _, name := range sortedKeys(all) {
		c := all[name]
		d := DiskDevice{
			Device: name, Whole: true, Node: true,
			ReadsCompleted: float64(c.ReadCount), WritesCompleted: float64(c.WriteCount),
			ReadBytes: float64(c.ReadBytes), WrittenBytes: float64(c.WriteBytes),
			ReadTimeSeconds: float64(c.ReadTime) / 1e3, WriteTimeSeconds: float64(c.WriteTime) / 1e3,
			ReadsMerged: unknown(), WritesMerged: unknown(), IONow: unknown(), IOTimeSeconds: unknown(), WeightedIOSeconds: unknown(),
			DiscardsCompleted: unknown(), DiscardsMerged: unknown(), DiscardedSectors: unknown(), DiscardTimeSeconds: unknown(),
			FlushRequests: unknown(), FlushTimeSeconds: unknown(),
		}
		d.ReadBytesPerSecond, d.WrittenBytesPerSecond = r.rates.pair(name, d.ReadBytes, d.WrittenBytes)
		addKnown(&v.ReadBytesPerSecond, d.ReadBytesPerSecond)
		addKnown(&v.WrittenBytesPerSecond, d.WrittenBytesPerSecond)
		v.Devices = append(v.Devices, d)
	}
	r.rates.end()
	return v, nil
}
