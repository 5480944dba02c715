package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"controlcenter/exporter"
)

// PortsInput are the parameters of GET /api/system/ports. 0 stands for "not given": the configured range.
type PortsInput struct {
	Start int    `query:"start" minimum:"1" maximum:"65535" doc:"First port; the configured one when not given"`
	End   int    `query:"end" minimum:"1" maximum:"65535" doc:"Last port; the configured one when not given"`
	State string `query:"state" default:"listen" enum:"listen,all" doc:"all = sockets in any state, with their other end"`

	Encodings string `header:"Accept-Encoding" hidden:"true"`
}

// PortsBody is its answer.
type PortsBody struct {
	Success   bool      `json:"success"`
	Count     int       `json:"count"`
	Start     int       `json:"start" doc:"First port shown"`
	End       int       `json:"end" doc:"Last port shown"`
	Timestamp string    `json:"timestamp" format:"date-time"`
	Ports     []PortRow `json:"ports"`

	encoded []byte // all of it, encoded before; nil = not
}

func (b PortsBody) written() []byte { return b.encoded }

// PortRow is one port and its owner.
type PortRow struct {
	Port          int      `json:"port"`
	PID           *int     `json:"pid" doc:"null when we may not see the owner"`
	ProcessName   *string  `json:"process_name"`
	Process       string   `json:"process" doc:"Same as process_name, empty when unknown"`
	Status        string   `json:"status" doc:"LISTEN, NONE for UDP; with state=all any state of TCP"`
	Address       string   `json:"address"`
	Addresses     []string `json:"addresses" doc:"All local addresses of this port and process"`
	Protocol      string   `json:"protocol" enum:"TCP,UDP"`
	Service       *string  `json:"service" doc:"Managed service that owns it"`
	RemoteAddress *string  `json:"remote_address"`
	RemotePort    *int     `json:"remote_port"`
}

func (s *Server) ports(ctx context.Context, in *PortsInput) (*portsAnswer, error) {
	if in.State != "all" {
		snap := s.fresh(ctx)
		return s.portLists.answer(snap, exporter.Get[exporter.Ports](snap), in)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	snap := s.o.Sampler.FreshPart(ctx, "sockets")
	v := exporter.Get[exporter.Sockets](snap)
	if v == nil {
		return nil, problem(http.StatusServiceUnavailable, "sockets of all states cannot be read here or now")
	}
	b, err := portsOf(snap, v.List, in)
	if err != nil {
		return nil, err
	}
	return &portsAnswer{Status: http.StatusOK, Body: *b}, nil
}

func portsOf(snap *exporter.Snapshot, list []exporter.Port, in *PortsInput) (*PortsBody, error) {
	b := &PortsBody{Success: true, Start: in.Start, End: in.End, Timestamp: stamp(snap.At), Ports: []PortRow{}}
	if b.Start == 0 {
		b.Start = snap.Settings.PortStart
		if in.End != 0 {
			b.Start = min(b.Start, in.End)
		}
	}
	if b.End == 0 {
		b.End = max(snap.Settings.PortEnd, b.Start)
	}
	if b.Start > b.End {
		return nil, invalidQuery("start", "range", "must not be greater than end")
	}
	for i := range list {
		p := &list[i]
		if p.Port < b.Start || p.Port > b.End {
			continue
		}
		if in.State != "all" && fold(b.Ports, p) {
			continue
		}
		b.Ports = append(b.Ports, portRow(p))
	}
	slices.SortStableFunc(b.Ports, func(x, y PortRow) int { return x.Port - y.Port })
	b.Count = len(b.Ports)
	return b, nil
}

// fold adds the address to the row of the same port, protocol and process, so that 0.0.0.0 and :: are one row. The list is
// sorted by port, so only the last rows can match.
func fold(rows []PortRow, p *exporter.Port) bool {
	for i := len(rows) - 1; i >= 0 && rows[i].Port == p.Port; i-- {
		r := &rows[i]
		if r.Protocol == protocolName(p) && r.Status == p.State && r.pid() == p.PID && r.Process == p.Process {
			if !slices.Contains(r.Addresses, p.Address) {
				r.Addresses = append(r.Addresses, p.Address)
			}
			return true
		}
	}
	return false
}

func (r *PortRow) pid() int {
	if r.PID == nil {
		return 0
	}
	return *r.PID
}

func protocolName(p *exporter.Port) string {
	if p.Protocol == "udp" {
		return "UDP"
	}
	return "TCP"
}

func portRow(p *exporter.Port) PortRow {
	return PortRow{
		Port: p.Port, PID: given(p.PID), ProcessName: given(p.Process), Process: p.Process, Status: p.State, Address: p.Address,
		Addresses: []string{p.Address}, Protocol: protocolName(p), Service: given(p.Service),
		RemoteAddress: given(p.RemoteAddress), RemotePort: given(p.RemotePort),
	}
}

// given is nil for the zero value, which stands for unknown.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
