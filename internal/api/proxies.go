package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// fromTrustedProxy says whether the other end of the connection is a proxy of Settings.TrustedProxies. Such a proxy names the
// address that limits and the audit log go by; it never makes anybody the owner.
func (s *Server) fromTrustedProxy(r *http.Request) bool {
	return trusted(s.settings().TrustedProxies, remoteIP(r))
}

func trusted(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if ip.IsValid() && p.Contains(ip) {
			return true
		}
	}
	return false
}

// clientIP is the address of the client: the peer's, or behind trusted proxies the last one in X-Forwarded-For that is none of
// them. What stands before it anybody may have written. The zero Addr for a unix socket.
func (s *Server) clientIP(r *http.Request) netip.Addr {
	ip, list := remoteIP(r), s.settings().TrustedProxies
	if len(list) == 0 || !trusted(list, ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return ip // the proxy does not say it as it should: it stands for its clients itself
		}
		if ip = next.Unmap().WithZone(""); !trusted(list, ip) {
			return ip
		}
	}
	return ip
}
