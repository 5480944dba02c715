//go:build !linux

package exporter

import (
	"context"
	"fmt"
	stdnet "net"
	"time"

	"github.com/shirou/gopsutil/v3/net"
)

type networkReader struct{ rates deviceRates }

func newNetworkReader(*Options) *networkReader { return &networkReader{} }

func (r *networkReader) close() error { return nil }

func (r *networkReader) read(ctx context.Context) (*Network, error) {
	all, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("read network counters: %w", noData(err))
	}
	now := time.Now()
	flags := map[string]stdnet.Flags{}
	interfaces, err := stdnet.Interfaces()
	for _, i := range interfaces {
		flags[i.Name] = i.Flags
	}
	v := &Network{}
	seen := map[string]bool{}
	for i := range all {
		c := &all[i]
		if seen[c.Name] {
			continue
		}
		seen[c.Name] = true
		f := flags[c.Name]
		v.Devices = append(v.Devices, NetworkDevice{
			Device: c.Name, Loopback: f&stdnet.FlagLoopback != 0, Up: f&stdnet.FlagUp != 0 && f&stdnet.FlagRunning != 0,
			Receive:   NetworkCounters{float64(c.BytesRecv), float64(c.PacketsRecv), float64(c.Errin), float64(c.Dropin), unknown(), unknown()},
			Transmit:  NetworkCounters{float64(c.BytesSent), float64(c.PacketsSent), float64(c.Errout), float64(c.Dropout), unknown(), unknown()},
			Multicast: unknown(), Frame: unknown(), Collisions: unknown(), Carrier: unknown(), NoHandler: unknown(),
		})
	}
	v.putRates(&r.rates, now)
	if err != nil {
		return v, fmt.Errorf("read interface states: %w: %w", err, ErrPartial)
	}
	return v, nil
}
