package api

import (
	"net/http"
	"slices"
	"strings"
)

// role is what a caller may do. Each contains the ones before it. The zero value is no role at all: a row that has it is
// refused.
type role uint8

const (
	_         role = iota
	anonymous      // anybody who reaches the listener
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

// AuthMode says whom the server takes for its owner without credentials.
type AuthMode string

// The modes; "" is ModeOwner. Peers of the unix socket that run as the server's user or root are admin in all of them, and a
// request that a proxy forwarded is nobody's in all of them.
const (
	ModeOwner       AuthMode = "owner"       // loopback TCP peers that run as exactly the server's user are admin
	ModeCredentials AuthMode = "credentials" // nobody over TCP
	ModeOpen        AuthMode = "open"        // every loopback TCP peer is admin; only for listeners on loopback addresses
)

// Groups of routes that [Settings].Anonymous may open to callers without credentials.
const (
	GroupHealth  = "health"  // /health and below
	GroupMetrics = "metrics" // /metrics and /metrics/node
	GroupStats   = "stats"   // /api/system/stats
)

// openAs puts a row into a group of those that may be read without credentials.
func openAs(group string) option { return func(r *row) { r.open = group } }

// caller is who sent a request.
type caller struct {
	role  role
	owner bool // the server's own user, from this machine: no limits apply
	local bool // from this machine, without a proxy between, whoever it is
	name  string
}

// identity names who was told apart from others by credentials; "" = known by its address only.
func (c caller) identity() string { return c.name }

// authenticate says who the caller is. Credentials that are there and wrong are a problem, whoever else the caller may be: a
// client must hear that its key no longer works, and not go on with another role.
func (s *Server) authenticate(r *http.Request) (caller, *Problem) {
	p, st := peerOf(r.Context()), s.settings()
	given, wrong := credentials(r, p, st)
	if wrong != nil {
		return caller{role: anonymous}, wrong
	}
	c := caller{role: max(given, anonymous)}
	if user, _, basic := r.BasicAuth(); basic && given > 0 {
		c.name = "basic " + user
	}
	if forwarded(r.Header) {
		return c, nil
	}
	c.local = p.local
	switch {
	case p.unix:
		c.owner = p.owner
	case st.Auth == ModeOwner || st.Auth == "":
		c.owner = p.owner
	case st.Auth == ModeOpen:
		c.owner = p.local
	}
	if c.owner {
		c.role = admin
	}
	return c, nil
}

// credentials returns the role that the request's credentials give, 0 when there are none. So far these are a certificate or
// a user and password that the listener itself verified before it called us; keys, sessions and tokens belong here.
func credentials(r *http.Request, p peer, st *Settings) (role, *Problem) {
	basic := false
	if list, given := r.Header["Authorization"]; given {
		_, _, basic = r.BasicAuth()
		// Nobody checks passwords on the unix socket, nor where the listener's file has no users.
		if !basic || !st.BasicAuth || p.unix || len(list) > 1 {
			return 0, problem(http.StatusUnauthorized, "Invalid authentication token").with("WWW-Authenticate", "Bearer")
		}
	}
	if _, given := r.Header["X-Api-Key"]; given {
		return 0, problem(http.StatusUnauthorized, "Invalid API key").with("WWW-Authenticate", "Bearer")
	}
	if basic || r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return viewer, nil
	}
	return 0, nil
}

// need is the least role with which this caller may call the row. What has no row needs a viewer, so that strangers learn
// nothing about routes. A row of a group that Settings.Anonymous names is open to this machine; over the network, where a
// proxy without credentials may stand, only what is anonymous by itself.
func (s *Server) need(r *row, c caller) role {
	switch {
	case r == nil:
		return viewer
	case r.open == "":
		return r.role
	case !slices.Contains(s.settings().Anonymous, r.open):
		return max(r.role, viewer)
	case c.local:
		return anonymous
	}
	return r.role
}

// notAuthenticated is the 401 of a caller without credentials. One on this machine is told how the owner is known.
func (s *Server) notAuthenticated(c caller) *Problem {
	text := "Not authenticated"
	if c.local {
		switch s.settings().Auth {
		case ModeCredentials:
			text += ": auth.mode is credentials, so only the unix socket needs none"
		default:
			text += ": over TCP only the user that the server runs as needs no credentials (auth.mode)"
		}
	}
	return problem(http.StatusUnauthorized, text).with("WWW-Authenticate", "Bearer")
}

// forwarded says that a proxy speaks for somebody else.
func forwarded(h http.Header) bool {
	for k := range h {
		switch {
		case k == "Forwarded", k == "Via", strings.HasPrefix(k, "X-Forwarded"), strings.HasPrefix(k, "Cf-"):
			return true
		case k == "X-Real-Ip", k == "X-Client-Ip", k == "Client-Ip", k == "X-Cluster-Client-Ip", k == "True-Client-Ip",
			k == "Fastly-Client-Ip", k == "X-Original-Forwarded-For", k == "X-Original-Host", k == "X-Proxyuser-Ip":
			return true
		}
	}
	return false
}
