package cli

import (
	"context"
	"fmt"
	"net"
	"strconv"

	psnet "github.com/shirou/gopsutil/v3/net"
	"github.com/shirou/gopsutil/v3/process"
)

// portHolder is the process that listens on a TCP port.
type portHolder struct {
	PID     int    `json:"pid"`  // 0 = belongs to somebody else, or to no process we may see
	Name    string `json:"name"` // "" = unknown
	Address string `json:"address"`
}

func (h portHolder) String() string {
	switch {
	case h.PID == 0:
		return "a process of another user (run as root to see which)"
	case h.Name == "":
		return fmt.Sprintf("pid %d", h.PID)
	}
	return fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
}

// listenerOf finds who listens on a TCP port of a host, "" meaning all addresses. It reads the socket tables and every
// process's descriptors once, which takes up to a second on a busy machine: it is asked only about a port found taken.
func listenerOf(ctx context.Context, host string, port int) (portHolder, bool) {
	conns, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return portHolder{}, false
	}
	var best portHolder
	found := false
	for _, c := range conns {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || !addressesClash(host, c.Laddr.IP) {
			continue
		}
		if !found || best.PID == 0 {
			best = portHolder{PID: int(c.Pid), Address: net.JoinHostPort(c.Laddr.IP, strconv.Itoa(port))}
			found = true
		}
	}
	if best.PID != 0 {
		if p, err := process.NewProcessWithContext(ctx, int32(best.PID)); err == nil {
			best.Name, _ = p.NameWithContext(ctx)
		}
	}
	return best, found
}

// addressesClash says whether a listener at b keeps one from listening at a.
func addressesClash(a, b string) bool {
	ipA, ipB := net.ParseIP(a), net.ParseIP(b)
	return a == "" || ipA == nil || ipA.IsUnspecified() || ipB == nil || ipB.IsUnspecified() || ipA.Equal(ipB)
}
