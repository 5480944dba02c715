package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// host is a parsed "name[:port]" of a Host header or an origin.
type host struct {
	name string     // lower case, without the last dot; "" for an address
	ip   netip.Addr // unmapped; zero for a name
	port string     // "" when none was given
}

// parseHost is strict: what a browser would not send, or what could be read in two ways, is refused. Addresses in odd forms
// (0x7f.1, 2130706433, 127.1) are names to it, and no such name is on any list.
func parseHost(s string) (host, bool) {
	var h host
	var rest string
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return host{}, false
		}
		ip, err := netip.ParseAddr(s[1:end])
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return host{}, false
		}
		h.ip, rest = ip.Unmap(), s[end+1:]
	} else {
		name := s
		if i := strings.IndexByte(s, ':'); i >= 0 {
			name = s[:i]
		}
		rest = s[len(name):]
		if ip, err := netip.ParseAddr(name); err == nil {
			h.ip = ip
		} else if h.name, err = hostName(name); err != nil {
			return host{}, false
		}
	}
	if rest == "" {
		return h, true
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
	if rest[0] != ':' || err != nil || port == 0 {
		return host{}, false
	}
	h.port = strconv.FormatUint(port, 10)
	return h, true
}

func hostName(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if s == "" || len(s) > 253 || s[0] == '.' || s[len(s)-1] == '.' {
		return "", &net.AddrError{Err: "not a host name", Addr: s}
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "", &net.AddrError{Err: "not a host name", Addr: s}
		}
	}
	return s, nil
}

// is reports whether both are the same name or address; ports are not looked at.
func (h host) is(o host) bool { return h.name == o.name && h.ip == o.ip }

// origin is a parsed Origin header.
type origin struct {
	scheme string
	host
}

func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		u.Opaque != "" || strings.ContainsAny(s, "?#") {
		return origin{}, false
	}
	h, ok := parseHost(u.Host)
	if !ok {
		return origin{}, false
	}
	if h.port == "" {
		h.port = defaultPort(u.Scheme)
	}
	return origin{u.Scheme, h}, true
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// policy is the checked form of what [Settings] say about hosts and origins. Built once per Settings value.
type policy struct {
	from    *Settings
	hosts   []host
	origins []origin
}

func newPolicy(st *Settings) *policy {
	p := &policy{from: st}
	add := func(s string) {
		if h, ok := parseHost(s); ok && !(h.ip.IsValid() && h.ip.IsUnspecified()) {
			p.hosts = append(p.hosts, h)
		}
	}
	for _, s := range []string{"localhost", "127.0.0.1", "[::1]"} {
		add(s)
	}
	for _, s := range st.ListenAddresses {
		if strings.HasPrefix(s, ":") || strings.Contains(s, "/") { // every address, or a socket
			continue
		}
		add(s)
	}
	for _, s := range st.AllowedHosts {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Is6() {
			s = "[" + s + "]"
		}
		add(s)
	}
	for _, s := range st.CORSOrigins {
		if o, ok := parseOrigin(strings.TrimSuffix(s, "/")); ok {
			p.origins = append(p.origins, o)
		}
	}
	return p
}

// policy returns the one of the settings in force.
func (s *Server) policy() *policy {
	st := s.settings()
	p := s.policies.Load()
	if p == nil || p.from != st {
		p = newPolicy(st)
		s.policies.Store(p)
	}
	return p
}

// allowsHost is the guard against DNS rebinding: only names that an operator chose, and the address that the peer really
// talks to, are served.
func (p *policy) allowsHost(r *http.Request) bool {
	h, ok := parseHost(r.Host)
	if !ok {
		return false
	}
	if h.ip.IsValid() && h.ip == localIP(r) {
		return true
	}
	for _, a := range p.hosts {
		if h.is(a) {
			return true
		}
	}
	return false
}

// cors reports whether the origin is on the allow-list for reading answers across origins.
func (p *policy) cors(o origin) bool {
	for _, a := range p.origins {
		if a == o {
			return true
		}
	}
	return false
}

// sameOrigin compares host and port with what the request was sent to. The scheme is not compared: behind a proxy that ends
// TLS the browser's is https and ours http.
func sameOrigin(o origin, r *http.Request) bool {
	h, ok := parseHost(r.Host)
	if !ok {
		return false
	}
	if h.port == "" {
		h.port = defaultPort(o.scheme)
	}
	return h == o.host
}
