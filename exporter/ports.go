package exporter

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"
)

// Ports is the reading of the ports collector: every listening TCP socket and every unconnected UDP socket bound to a port,
// with its owner, sorted by port, protocol and address. Settings.PortStart and PortEnd narrow what is shown, not this list.
type Ports struct {
	List         []Port
	OwnerUnknown int // how many have no owner that we may see
	// Unreadable is how many processes kept their descriptors from us when owners were last looked for among all of them.
	Unreadable int
}

// Listens says whether a TCP socket listens on the port, at any address.
func (p *Ports) Listens(port int) bool {
	i, _ := slices.BinarySearchFunc(p.List, port, func(q Port, port int) int { return cmp.Compare(q.Port, port) })
	for ; i < len(p.List) && p.List[i].Port == port; i++ {
		if p.List[i].Protocol == "tcp" {
			return true
		}
	}
	return false
}

// Port is one socket.
type Port struct {
	Protocol string // tcp or udp (v4 and v6 alike)
	Address  string // "0.0.0.0", "::", "127.0.0.1"
	Port     int
	State    string // LISTEN; NONE for UDP; any other state of TCP in Sockets only
	PID      int    // lowest pid that holds the socket, 0 = unknown
	Process  string // its name, "" = unknown
	Service  string // managed service it belongs to, "" = none
	// Remote end of a connected socket; "" and 0 in Ports.
	RemoteAddress string
	RemotePort    int
}

// Sockets is the reading of the on-demand sockets collector: every TCP and UDP socket in any state, with its owner.
type Sockets struct{ List []Port }

var (
	portLabels         = []string{"protocol", "address", "port", "process", "service"}
	descPortListening  = Desc{"controlcenter_port_listening", "A listening TCP or unconnected bound UDP socket in the configured range of ports; always 1. Refreshed every 5 s.", Gauge, portLabels}
	descPortOwner      = Desc{"controlcenter_port_owner_pid", "Process id of a listening socket's owner, the lowest where it has several. Refreshed every 5 s.", Gauge, portLabels}
	descPortsListening = Desc{"controlcenter_ports_listening", "Listening sockets in the configured range of ports. Refreshed every 5 s.", Gauge, nil}
	descPortsUnknown   = Desc{"controlcenter_ports_owner_unknown", "Listening sockets in the configured range of ports whose owner may not be seen. Refreshed every 5 s.", Gauge, nil}
	descPortsClosed    = Desc{"controlcenter_ports_unreadable_processes", "Processes whose descriptors may not be read, when owners were last looked for among all processes.", Gauge, nil}
)

// newPorts builds the ports collector. What it keeps open between reads is freed by the part's Close.
func newPorts(o *Options) *Part[Ports] {
	r := newSocketReader(o)
	return &Part[Ports]{
		Name: "ports", Kind: Dear, Every: 5 * time.Second, Deadline: 2 * time.Second,
		Read:    func(ctx context.Context) (*Ports, error) { return r.readPorts(ctx, time.Now()) },
		Metrics: []*Desc{&descPortListening, &descPortOwner, &descPortsListening, &descPortsUnknown, &descPortsClosed},
		Emit:    emitPorts,
		Close:   r.close,
	}
}

// newSockets builds the on-demand sockets collector; it keeps its own owners, because two parts may read at once.
func newSockets(o *Options) *Part[Sockets] {
	r := newSocketReader(o)
	return &Part[Sockets]{
		Name: "sockets", Kind: OnDemand, Deadline: 3 * time.Second,
		Read:  func(ctx context.Context) (*Sockets, error) { return r.readSockets(ctx, time.Now()) },
		Close: r.close,
	}
}

func emitPorts(v *Ports, e *Emitter) {
	listening, owner := e.Family(&descPortListening), e.Family(&descPortOwner)
	total, unknownOwner := 0, 0
	for i := range v.List {
		p := &v.List[i]
		if p.Port < e.Settings.PortStart || p.Port > e.Settings.PortEnd {
			continue
		}
		total++
		number := strconv.Itoa(p.Port)
		listening.Add(1, p.Protocol, p.Address, number, p.Process, p.Service)
		if p.PID == 0 {
			unknownOwner++
			continue
		}
		owner.Add(float64(p.PID), p.Protocol, p.Address, number, p.Process, p.Service)
	}
	e.Family(&descPortsListening).Add(float64(total))
	e.Family(&descPortsUnknown).Add(float64(unknownOwner))
	e.Family(&descPortsClosed).Add(float64(v.Unreadable))
}

// orderPorts sorts by port, protocol, address, remote end and owner, known owners first.
func orderPorts(a, b *Port) int {
	if c := cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Address, b.Address),
		cmp.Compare(a.RemoteAddress, b.RemoteAddress), cmp.Compare(a.RemotePort, b.RemotePort)); c != 0 {
		return c
	}
	switch {
	case a.PID == b.PID:
		return cmp.Compare(a.State, b.State)
	case a.PID == 0:
		return 1
	case b.PID == 0:
		return -1
	}
	return cmp.Compare(a.PID, b.PID)
}

// onePerAddress leaves one row of each protocol, address and port (SO_REUSEPORT lets several sockets share one): that with
// the lowest pid. The list must be sorted.
func onePerAddress(list []Port) []Port {
	return slices.CompactFunc(list, func(a, b Port) bool {
		return a.Port == b.Port && a.Protocol == b.Protocol && a.Address == b.Address
	})
}
