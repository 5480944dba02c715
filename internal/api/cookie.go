package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// cookieName is that of the session. Browsers keep cookies by host, not by port, so two servers of one machine need two names;
// under TLS the __Host- prefix makes browsers refuse one that another host or an unencrypted page has set.
func (s *Server) cookieName(r *http.Request) string {
	name := "cc_session"
	if s.o.Store != nil {
		if id := s.instance(); len(id) >= 8 {
			name += "_" + id[:8]
		}
	}
	if s.encrypted(r) {
		return "__Host-" + name
	}
	return name
}

// instance is the id of the store's data; asking for it costs a look at the disk.
func (s *Server) instance() string {
	s.instanceOnce.Do(func() { s.instanceID = s.o.Store.Info().InstanceID })
	return s.instanceID
}

// encrypted says whether the browser's connection is: to us, or to a proxy that is trusted to say so.
func (s *Server) encrypted(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return s.fromTrustedProxy(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// sessionCookie makes the cookie: for this host alone, out of reach of scripts, never sent along by other sites.
func (s *Server) sessionCookie(r *http.Request, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{ // #nosec G124 -- Secure whenever the browser came by TLS; without it a plain loopback page could not log in
		Name: s.cookieName(r), Value: value, Path: "/", HttpOnly: true, Secure: s.encrypted(r), SameSite: http.SameSiteStrictMode,
		MaxAge: int(life / time.Second),
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// takeToken moves ?token= of a WebSocket's address out of the request, before anything could write the address down. Browsers
// cannot send a header with an upgrade; other routes have no use for it. Clients that have none send the word their language
// has for it.
func takeToken(r *http.Request, row *row) string {
	if row == nil || !row.socket || !websocket.IsWebSocketUpgrade(r) || !strings.Contains(r.URL.RawQuery, "token") {
		return ""
	}
	q := r.URL.Query()
	token := q.Get("token")
	q.Del("token")
	u := *r.URL
	u.RawQuery = q.Encode()
	r.URL = &u
	r.RequestURI = (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).RequestURI()
	if token == "null" || token == "undefined" {
		return ""
	}
	return token
}
