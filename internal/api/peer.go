package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
)

// peer is what was found out about the other end of a connection when it was accepted. The zero value is a stranger.
type peer struct {
	unix  bool // of a unix socket, whoever it is
	local bool // of this machine: of a unix socket, or both ends at loopback addresses
	owner bool // a process of our own user; over a unix socket also root's
}

type peerKey struct{}

// ConnContext belongs in http.Server.ConnContext, which calls it once for each connection, as it is accepted: it asks the
// system who opened the other end and keeps the answer with the connection. Without it every caller is a stranger.
func (s *Server) ConnContext(ctx context.Context, c net.Conn) context.Context {
	given := c
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	var p peer
	switch c := c.(type) {
	case *net.UnixConn:
		p = peer{unix: true, local: true, owner: trustedPeer(c)}
	case *net.TCPConn:
		ours, theirs := endsOf(c)
		if ours.Addr().IsLoopback() && theirs.Addr().IsLoopback() {
			p = peer{local: true, owner: s.sameOwner(c, ours, theirs)}
		}
		if !p.owner && !trusted(s.settings().TrustedProxies, theirs.Addr()) {
			s.admit(given, theirs.Addr())
		}
	}
	return context.WithValue(ctx, peerKey{}, p)
}

func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// endsOf returns both addresses of a connection, unmapped; zero ones where the connection has none any more.
func endsOf(c *net.TCPConn) (ours, theirs netip.AddrPort) {
	end := func(a net.Addr) netip.AddrPort {
		if t, ok := a.(*net.TCPAddr); ok {
			return plainAddr(t.AddrPort())
		}
		return netip.AddrPort{}
	}
	return end(c.LocalAddr()), end(c.RemoteAddr())
}

// plainAddr makes addresses comparable that mean the same: ::ffff:127.0.0.1 is 127.0.0.1, and a zone says nothing here.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// sameOwner says whether the process at the other end of a loopback connection runs as our user. What cannot be found out is
// a no; that it cannot is logged when it begins and when it ends.
func (s *Server) sameOwner(c *net.TCPConn, ours, theirs netip.AddrPort) bool {
	same, err := s.owners.same(c, ours, theirs)
	if failing := err != nil; s.ownersFail.Swap(failing) != failing {
		if failing {
			s.log.Warn("cannot tell whose a loopback connection is, so nobody is the owner over TCP: use the unix socket, credentials, or auth.mode: open",
				"auth_mode", string(s.settings().Auth), "err", err)
		} else {
			s.log.Info("the owners of loopback connections can be told again")
		}
	}
	return same && err == nil
}
