package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
)

// role is what a caller may do. Each contains the ones before it. The zero value is no role at all: a row that has it is
// refused.
type role uint8

const (
	_         role = iota
	anonymous      // anybody who reaches the listener: health
	viewer         // reads
	operator       // starts and stops
	admin          // configuration, backup, keys
)

func (r role) String() string {
	if int(r) >= len(roleNames) || r == 0 {
		return "none"
	}
	return roleNames[r]
}

var roleNames = [...]string{"none", "anonymous", "viewer", "operator", "admin"}

// caller is who sent a request.
type caller struct {
	role  role
	local bool // from this machine, without a proxy between
}

// authenticate says who the caller is: a peer of the unix socket (same user or root) or of a loopback address is admin, unless a
// proxy forwards for somebody else; of other peers, those that the listener's own basic authentication or client certificate let in are viewers, the
// rest is anonymous. Keys, sessions and the check that a loopback peer is our own user belong here and come later.
func (s *Server) authenticate(r *http.Request) caller {
	switch {
	case forwarded(r.Header):
	case isUnixPeer(r.Context()):
		return caller{admin, true}
	case remoteIP(r).IsLoopback():
		return caller{admin, true}
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 { // the listener asked for a certificate and verified it
		return caller{viewer, false}
	}
	if s.settings().BasicAuth {
		if _, _, ok := r.BasicAuth(); ok { // the listener checked it before it called us
			return caller{viewer, false}
		}
	}
	return caller{anonymous, false}
}

// forwarded says that a proxy speaks for somebody else.
func forwarded(h http.Header) bool {
	for k := range h {
		switch {
		case k == "Forwarded", k == "Via", k == "X-Real-Ip", strings.HasPrefix(k, "X-Forwarded-"):
			return true
		}
	}
	return false
}

type unixPeerKey struct{}

// ConnContext belongs in http.Server.ConnContext. It marks connections of a unix socket whose peer is this process' user or
// root; others on that socket stay anonymous.
func (s *Server) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, unixPeerKey{}, trustedPeer(u))
}

// isUnixPeer says that the connection is of a unix socket and its peer trusted.
func isUnixPeer(ctx context.Context) bool {
	trusted, _ := ctx.Value(unixPeerKey{}).(bool)
	return trusted
}

// onUnixSocket says that the connection is of a unix socket, whoever the peer is.
func onUnixSocket(ctx context.Context) bool {
	_, ok := ctx.Value(unixPeerKey{}).(bool)
	return ok
}
