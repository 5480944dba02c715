package exporter

// Ports is the reading of the ports collector: every listening TCP socket and every unconnected UDP socket bound to a port,
// with its owner, sorted by port, protocol and address. Settings.PortStart and PortEnd narrow what is shown, not this list.
type Ports struct {
	List         []Port
	OwnerUnknown int // how many have no owner that we may see
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
