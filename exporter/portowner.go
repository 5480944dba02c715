package exporter

import (
	"context"
	"net"

	psnet "github.com/shirou/gopsutil/v3/net"
	"github.com/shirou/gopsutil/v3/process"
)

// ListenerOf finds the TCP listener that keeps another from listening on host ("" = all addresses) and port, or returns nil.
// PID is 0 when it belongs to a process that this user may not look at. It reads all socket tables and every process's
// descriptors once, up to a second on a busy machine: ask it about a port that was found taken, not in passing.
func ListenerOf(ctx context.Context, host string, port int) (*Port, error) {
	conns, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	var best *Port
	for i := range conns {
		c := &conns[i]
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || !addressesClash(host, c.Laddr.IP) {
			continue
		}
		if best == nil || best.PID == 0 {
			best = &Port{Protocol: "tcp", Address: c.Laddr.IP, Port: port, State: "LISTEN", PID: int(c.Pid)}
		}
	}
	if best != nil && best.PID != 0 {
		if p, err := process.NewProcessWithContext(ctx, int32(best.PID)); err == nil {
			best.Process, _ = p.NameWithContext(ctx) // unknown is as good as gone
		}
	}
	return best, nil
}

// addressesClash says whether a listener at b keeps one from listening at a.
func addressesClash(a, b string) bool {
	ipA, ipB := net.ParseIP(a), net.ParseIP(b)
	return ipA == nil || ipA.IsUnspecified() || ipB == nil || ipB.IsUnspecified() || ipA.Equal(ipB)
}
