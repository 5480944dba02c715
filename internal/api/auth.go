package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"

	"controlcenter/internal/auth"
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

// roleOf is the role of an identity that was proved.
func roleOf(r auth.Role) role { return role(r) + anonymous }

// access is the reverse of roleOf; None for anonymous.
func (r role) access() auth.Role {
	if r <= anonymous || r > admin {
		return auth.None
	}
	return auth.Role(r - anonymous)
}

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

// login marks a row that is called to get credentials: those of the request itself, which may be old ones, are not looked at.
func login(r *row) { r.login = true }

// caller is who sent a request. Limits, the audit log and the history go by it.
type caller struct {
	role    role
	owner   bool   // the server's own user, from this machine, without credentials: no limits apply
	local   bool   // from this machine, without a proxy between, whoever it is
	id      string // stable identity: "owner", "open", "user:3", "key:…", "basic:NAME", "certificate:NAME"; "" = nobody
	name    string // for people; "" = nobody
	method  string // how it was proved, one of auth.Method…; "" = not at all
	user    uint64 // number of the user; 0 = none
	session string // record of the session, to end it
}

// title names the caller in histories and in the audit log.
func (c *caller) title() string {
	switch {
	case c.name == "":
		return anonymous.String()
	case c.method == auth.MethodOwner || c.id == auth.OwnerSubject:
		return auth.OwnerSubject
	case c.method == auth.MethodKey || strings.HasPrefix(c.id, "key:"):
		return "key " + c.name
	}
	return c.name
}

// identity is what package auth makes codes and sessions for.
func (c *caller) identity() auth.Identity {
	id := c.id
	if c.method == auth.MethodOpen {
		id = auth.OwnerSubject
	}
	return auth.Identity{Subject: id, Name: c.name, Role: c.role.access(), Method: c.method, User: c.user}
}

// authenticate says who the caller is. Credentials that are there and wrong are a problem, whoever else the caller may be: a
// client must hear that its key no longer works, and not go on with another role. Credentials that are right decide alone: who
// tries out a viewer's key as the owner of the machine is a viewer.
func (s *Server) authenticate(r *http.Request) (caller, *Problem) {
	p, st := peerOf(r.Context()), s.settings()
	info := infoOf(r.Context())
	c := caller{role: anonymous}
	var wrong *Problem
	if info.row == nil || !info.row.login {
		if c, wrong = s.credentials(r, p, st); wrong != nil {
			return caller{role: anonymous}, wrong
		}
	}
	if forwarded(r.Header) {
		return c, nil
	}
	c.local = p.local
	switch c.method {
	case "", auth.MethodBasic, auth.MethodCertificate: // what the listener asks of everybody takes nothing from the owner
	default:
		return c, nil
	}
	switch {
	case p.unix:
		c.owner = p.owner
	case st.Auth == ModeOwner || st.Auth == "":
		c.owner = p.owner
	case st.Auth == ModeOpen:
		c.owner = p.local
	}
	if c.owner {
		c.role, c.id, c.name, c.method = admin, auth.OwnerSubject, auth.OwnerSubject, auth.MethodOwner
		if !p.owner {
			c.id, c.name, c.method = "open", "local", auth.MethodOpen
		}
	}
	return c, nil
}

// unauthenticated is a 401 of credentials that were given.
func unauthenticated(text string) *Problem {
	return problem(http.StatusUnauthorized, text).with("WWW-Authenticate", "Bearer")
}

// credentials returns who the request's credentials say sent it; the zero role's caller when there are none.
func (s *Server) credentials(r *http.Request, p peer, st *Settings) (caller, *Problem) {
	none := caller{role: anonymous}
	bearer, key, basic, wrong := headers(r.Header)
	if wrong != nil {
		return none, wrong
	}
	info := infoOf(r.Context())
	// Nobody checks passwords on the unix socket, nor where the listener's file has no users.
	if basic && (!st.BasicAuth || p.unix) {
		return none, unauthenticated("Invalid authentication token")
	}
	switch {
	case key != "":
		return s.proveKey(r, key)
	case bearer != "":
		return s.proveBearer(r, bearer, st)
	case info.token != "":
		c, wrong := s.proveBearer(r, info.token, st)
		if wrong != nil && info.row != nil && info.row.tolerant {
			return none, nil
		}
		return c, wrong
	}
	if c, err := r.Cookie(s.cookieName(r)); err == nil && s.o.Auth != nil {
		return s.proveSession(r, c.Value)
	}
	switch {
	case basic:
		name, _, _ := r.BasicAuth()
		level := viewer
		if given, mapped := st.BasicRoles[name]; mapped {
			level = roleOf(given)
		}
		return caller{role: level, id: "basic:" + name, name: name, method: auth.MethodBasic}, nil
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		name := r.TLS.VerifiedChains[0][0].Subject.CommonName
		return caller{role: viewer, id: "certificate:" + name, name: name, method: auth.MethodCertificate}, nil
	}
	return none, nil
}

// headers reads the credentials of the headers. More than one of a kind, or two kinds that say different things, is nobody's
// way to log in but somebody's way to find out which one counts.
func headers(h http.Header) (bearer, key string, basic bool, wrong *Problem) {
	list, given := h["Authorization"]
	if given {
		scheme, value, _ := strings.Cut(list[0], " ")
		switch {
		case len(list) > 1:
			return "", "", false, unauthenticated("Invalid authentication token")
		case strings.EqualFold(scheme, "Basic"):
			_, _, basic = (&http.Request{Header: h}).BasicAuth()
		case strings.EqualFold(scheme, "Bearer"):
			bearer = strings.TrimSpace(value)
		}
		if bearer == "" && !basic {
			return "", "", false, unauthenticated("Invalid authentication token")
		}
	}
	if list, given = h["X-Api-Key"]; given {
		if key = list[0]; len(list) > 1 || key == "" || bearer != "" && bearer != key {
			return "", "", false, unauthenticated("Invalid API key")
		}
	}
	return bearer, key, basic, nil
}

func (s *Server) proveKey(r *http.Request, key string) (caller, *Problem) {
	if s.o.Auth == nil {
		return caller{role: anonymous}, unauthenticated("Invalid API key")
	}
	who, err := s.o.Auth.CheckKey(key)
	return s.proved(r, who, err, "key", "Invalid API key", "API key has expired")
}

func (s *Server) proveBearer(r *http.Request, given string, st *Settings) (caller, *Problem) {
	if s.o.Auth == nil {
		return caller{role: anonymous}, unauthenticated("Invalid authentication token")
	}
	reason, wrong, expired := "token", "Invalid authentication token", "Token has expired"
	if strings.HasPrefix(given, auth.KeyPrefix) {
		reason, wrong, expired = "key", "Invalid API key", "API key has expired"
	}
	who, err := s.o.Auth.CheckBearer(given)
	if err == nil && who.Role == auth.None { // a token that auth.mode open gave away
		if p := peerOf(r.Context()); st.Auth == ModeOpen && p.local && !forwarded(r.Header) {
			return caller{role: anonymous}, nil // it proves nothing and is not wrong either
		}
		err = auth.ErrWrong
	}
	return s.proved(r, who, err, reason, wrong, expired)
}

// proveSession takes the cookie of a browser. Where it could do something, the request must say which page it comes from:
// browsers do, and checkOrigin has looked at it.
func (s *Server) proveSession(r *http.Request, value string) (caller, *Problem) {
	who, err := s.o.Auth.CheckSession(value)
	info := infoOf(r.Context())
	if err != nil {
		info.dropCookie = true
		if info.row != nil && info.row.role == anonymous {
			return caller{role: anonymous}, nil // nothing is needed here: to log out with an old session is no mistake
		}
		return s.proved(r, who, err, "session", "Invalid session", "Session has expired")
	}
	if (!safe(r.Method) || websocket.IsWebSocketUpgrade(r)) && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return caller{role: anonymous}, problem(http.StatusForbidden, "a session acts only from pages: the request has no Origin; programs use an API key")
	}
	return s.proved(r, who, nil, "session", "", "")
}

// proved turns the result of a proof into the caller, or into the refusal. What is right is never throttled.
func (s *Server) proved(r *http.Request, who auth.Identity, err error, reason, wrong, expired string) (caller, *Problem) {
	if err == nil {
		return caller{role: roleOf(who.Role), id: who.Subject, name: who.Name, method: who.Method, user: who.User, session: who.Session}, nil
	}
	from := s.attempt(r)
	wait := s.o.Auth.Throttled(from)
	s.o.Auth.Failed(from, reason)
	none := caller{role: anonymous}
	switch {
	case wait > 0:
		return none, throttled(&auth.ThrottledError{After: wait})
	case errors.Is(err, auth.ErrExpired):
		return none, unauthenticated(expired)
	}
	return none, unauthenticated(wrong)
}

func throttled(e *auth.ThrottledError) *Problem {
	return problem(http.StatusTooManyRequests, e.Error()).with("Retry-After", strconv.Itoa(e.Seconds()))
}

// attempt is where failed attempts of a request are counted; "" = nowhere, for the owner.
func (s *Server) attempt(r *http.Request) string {
	if peerOf(r.Context()).owner && !forwarded(r.Header) {
		return ""
	}
	return addressName(infoOf(r.Context()).ip)
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
func (s *Server) notAuthenticated(c caller, r *row) *Problem {
	text := "Not authenticated"
	if c.local && (r == nil || !strings.HasPrefix(r.path, authPrefix)) { // clients of the older login know that text
		switch s.settings().Auth {
		case ModeCredentials:
			text += ": auth.mode is credentials, so only the unix socket needs none"
		default:
			text += ": over TCP only the user that the server runs as needs no credentials (auth.mode)"
		}
	}
	return unauthenticated(text)
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
