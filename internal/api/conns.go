package api

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

const (
	connsPerAddress = 512    // open at a time by one address that is not the owner's: room for its 256 streams while they begin
	connsTotal      = 16_384 // by all of them; streams are not counted here
)

// conns counts the connections of others than the owner, so that those who open many and say nothing, or little, cost a bounded
// number of goroutines and file descriptors. One that is over is closed before a byte was read. Safe for use from any goroutine.
type conns struct {
	mu         sync.Mutex
	per, total int
	of         map[net.Conn]netip.Prefix
	by         map[netip.Prefix]int
}

// newConns leaves three quarters of the file descriptors that the process may have to the services, the store and the owner.
func newConns() *conns {
	return &conns{per: connsPerAddress, total: min(connsTotal, max(descriptors()/4, 64)), of: map[net.Conn]netip.Prefix{}, by: map[netip.Prefix]int{}}
}

func (c *conns) take(conn net.Conn, from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= c.total || c.by[from] >= c.per {
		return false
	}
	c.of[conn] = from
	c.by[from]++
	return true
}

func (c *conns) release(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, known := c.of[conn]
	if !known {
		return
	}
	delete(c.of, conn)
	if c.by[from]--; c.by[from] == 0 {
		delete(c.by, from)
	}
}

// admit takes a place for a connection that was just accepted, or closes it.
func (s *Server) admit(conn net.Conn, from netip.Addr) {
	if s.conns.take(conn, network(from)) {
		return
	}
	s.metrics.turned.WithLabelValues(refusedConnections).Inc()
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // nothing to say goodbye to: the handshake has not begun
	}
	_ = conn.Close()
}

// ConnState belongs in http.Server.ConnState beside [Server.ConnContext]: it gives the places of connections back that ended or became
// streams, which are counted by themselves.
func (s *Server) ConnState(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.conns.release(conn)
	}
}
