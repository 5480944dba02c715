package exporter

import "time"

// TCP is the reading of the tcp collector: sockets by state, in node_exporter's spelling (established, time_wait, listen, ...).
// Every state of the platform is present, at 0 where it has no socket.
type TCP struct{ States []NamedValue }

var descTCPConnections = Desc{"controlcenter_tcp_connections", "TCP sockets by state, IPv4 and IPv6 together (Linux: netlink sock_diag), read every 5 s.", Gauge, []string{"state"}}

// tcpStates are the states by the kernel's number (include/net/tcp_states.h); 0 is none.
var tcpStates = [...]string{"", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack", "listen", "closing"}

func newTCP(o *Options) *Part[TCP] {
	r := newTCPReader(o)
	return &Part[TCP]{
		Name: "tcp", Kind: Dear, Every: 5 * time.Second,
		Read: r.read, Close: r.close,
		Metrics: []*Desc{&descTCPConnections},
		Emit: func(v *TCP, e *Emitter) {
			s := e.Family(&descTCPConnections)
			for _, st := range v.States {
				s.Add(st.Value, st.Name)
			}
		},
	}
}

// tcpCounts counts sockets by the kernel's number of their state.
type tcpCounts [len(tcpStates)]float64

func (c *tcpCounts) add(state uint8) {
	if state == 12 { // TCP_NEW_SYN_RECV, the kernel's own name for a half open one
		state = 3
	}
	if int(state) < len(c) {
		c[state]++
	}
}

func (c *tcpCounts) reading() *TCP {
	v := &TCP{States: make([]NamedValue, 0, len(c)-1)}
	for i, name := range tcpStates {
		if i > 0 {
			v.States = append(v.States, NamedValue{name, c[i]})
		}
	}
	return v
}
