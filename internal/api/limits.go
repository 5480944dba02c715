package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The older backend's figures, per client and route; new are those for what is called by programs all the time.
var (
	limitReads   = limit{60, time.Minute}
	limitDear    = limit{30, time.Minute} // ports, logs, searches, jobs
	limitActs    = limit{10, time.Minute} // start, stop, restart, login
	limitAccount = limit{5, time.Hour}    // registration, passwords, removal of users
	limitFeeds   = limit{600, time.Minute}
	limitNone    = limit{}
)

// limitDenied is how many answers of 401 an address gets in a minute; beyond, they become 429. Right credentials are looked at first,
// so whoever has them is not kept out by others behind the same address.
var limitDenied = limit{60, time.Minute}

// limitOf returns how often others than the owner may call a row; a row that is not named here is a read. What has no row counts as one.
func limitOf(r *row) limit {
	if r == nil {
		return limitReads
	}
	path := r.path
	switch {
	case path == "/", strings.HasPrefix(path, "/health"), r.hidden, strings.HasPrefix(path, "/docs"), strings.HasPrefix(path, "/redoc"):
		return limitNone // probes, and the parts of pages
	case r.plain && (strings.HasSuffix(path, "/ws") || strings.HasSuffix(path, "/follow") || strings.HasSuffix(path, "/events")), path == "/api/system/metrics":
		return limitNone // streams: their number is capped, see caps
	case strings.HasPrefix(path, "/metrics"), path == "/api/usage/track", path == "/api/sd/prometheus", path == "/api/alerts/webhook", path == "/mcp":
		return limitFeeds
	}
	switch r.name {
	case "GET /api/knowledge/files", "GET /api/knowledge/stats", "POST /api/knowledge/scan":
		return limitNone
	case "POST /api/auth/register", "POST /api/auth/change-password", "DELETE /api/auth/users/{id}":
		return limitAccount
	case "POST /api/auth/login", "POST /api/auth/login/form", "POST /api/auth/session",
		"POST /api/services/{name}/start", "POST /api/services/{name}/stop", "POST /api/services/{name}/restart":
		return limitActs
	}
	switch {
	case path == "/api/system/ports", strings.HasSuffix(path, "/logs"), strings.HasSuffix(path, "/search"), strings.HasSuffix(path, "/jobs"),
		strings.HasPrefix(path, "/api/jobs"):
		return limitDear
	}
	return limitReads
}

// checkRate holds callers to the limit of the row. The owner has none, unless compat.rate_limits brings back the old backend, which knew no
// owner and counted by address.
func (s *Server) checkRate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, st := infoOf(r.Context()), s.settings()
		if st.NoLimits || info.caller.owner && !st.OldLimits {
			next.ServeHTTP(w, r)
			return
		}
		lim, key := limitReads, limitKey{what: "none"}
		if info.row != nil {
			lim, key.what = info.row.limit, info.row.name
		}
		if key.name = info.caller.id; key.name == "" || st.OldLimits {
			key.name, key.net = "", network(info.ip)
		}
		if wait := s.rates.take(key, lim, time.Now()); wait > 0 {
			s.refuse(w, r, refusedRate, tooMany(lim, wait))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func tooMany(lim limit, wait time.Duration) *Problem {
	unit := "minute"
	if lim.per == time.Hour {
		unit = "hour"
	}
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return problem(http.StatusTooManyRequests, fmt.Sprintf("Rate limit exceeded: %d per 1 %s", lim.most, unit)).with("Retry-After", seconds)
}

// unauthenticated answers 401, or 429 to an address that gets too many of them. It is called after the credentials were found missing
// or wrong, never before.
func (s *Server) unauthenticated(w http.ResponseWriter, r *http.Request, p *Problem) {
	reason := refusedUnauthenticated
	if p.status == http.StatusTooManyRequests { // the credentials themselves are being guessed
		reason = refusedThrottled
	}
	if p.status == http.StatusUnauthorized && !s.settings().NoLimits && s.attempt(r) != "" {
		if wait := s.rates.take(limitKey{what: "denied", net: network(infoOf(r.Context()).ip)}, limitDenied, time.Now()); wait > 0 {
			reason, p = refusedThrottled, tooMany(limitDenied, wait)
			p.Message += " without valid credentials"
			p.Detail = p.Message
		}
	}
	s.refuse(w, r, reason, p)
}

// Why a request did not reach its handler; the label of controlcenter_http_refused_total.
const (
	refusedHost            = "host"
	refusedOrigin          = "origin"
	refusedUnauthenticated = "unauthenticated"
	refusedThrottled       = "throttled"
	refusedRole            = "role"
	refusedRate            = "rate"
	refusedQuery           = "query"
	refusedBody            = "body"
	refusedConnections     = "connections" // not a request yet: the connection was closed
)

var refusedReasons = []string{
	refusedHost, refusedOrigin, refusedUnauthenticated, refusedThrottled, refusedRole, refusedRate, refusedQuery, refusedBody, refusedConnections,
}

// refuse answers a request that the chain does not let through, and counts it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, reason string, p *Problem) {
	s.metrics.turned.WithLabelValues(reason).Inc()
	s.fail(w, r, p)
}
