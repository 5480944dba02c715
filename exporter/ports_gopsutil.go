//go:build !linux

package exporter

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/net"
	"github.com/shirou/gopsutil/v3/process"
)

// socketReader reads sockets through gopsutil. One goroutine uses it at a time.
type socketReader struct{ o *Options }

func newSocketReader(o *Options) *socketReader { return &socketReader{o} }

// readPorts reads the listening TCP and the unconnected UDP sockets.
func (r *socketReader) readPorts(ctx context.Context, _ time.Time) (*Ports, error) {
	list, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(p Port) bool {
		return p.Protocol == "tcp" && p.State != "LISTEN" || p.RemotePort != 0
	})
	p := &Ports{List: onePerAddress(list)}
	for i := range p.List {
		if p.List[i].PID == 0 {
			p.OwnerUnknown++
		}
	}
	return p, nil
}

// readSockets reads all sockets.
func (r *socketReader) readSockets(ctx context.Context, _ time.Time) (*Sockets, error) {
	list, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	return &Sockets{List: list}, nil
}

func (r *socketReader) read(ctx context.Context) ([]Port, error) {
	conns, err := net.ConnectionsWithContext(ctx, "inet")
	if err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	names := map[int32]string{}
	list := make([]Port, 0, len(conns))
	for _, c := range conns {
		if c.Laddr.Port == 0 {
			continue
		}
		p := Port{
			Protocol: "tcp", Address: c.Laddr.IP, Port: int(c.Laddr.Port), State: c.Status, PID: int(max(0, c.Pid)),
			RemoteAddress: c.Raddr.IP, RemotePort: int(c.Raddr.Port),
		}
		if c.Type == syscall.SOCK_DGRAM {
			p.Protocol, p.State = "udp", "NONE"
		}
		if p.State == "" {
			p.State = "NONE"
		}
		if p.Address == "*" || p.Address == "" {
			p.Address = "0.0.0.0"
			if c.Family == syscall.AF_INET6 {
				p.Address = "::"
			}
		}
		if p.RemotePort == 0 {
			p.RemoteAddress = ""
		}
		if c.Pid > 0 {
			name, known := names[c.Pid]
			if !known {
				n, _ := (&process.Process{Pid: c.Pid}).NameWithContext(ctx) // it ended meanwhile, or is closed to us
				name = cleanName([]byte(n))
				names[c.Pid] = name
			}
			p.Process = name
			p.Service = r.o.ServiceOf(p.PID)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Port) int { return orderPorts(&a, &b) })
	return list, nil
}

func (r *socketReader) close() error { return nil }
