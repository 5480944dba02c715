package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLimiterCountsInExactWindows(t *testing.T) {
	l, lim, now := newLimiter(10), limit{3, time.Minute}, time.Now()
	k := limitKey{what: "a", name: "x"}
	for i := range 3 {
		if wait := l.take(k, lim, now.Add(time.Duration(i)*time.Second)); wait != 0 {
			t.Fatalf("event %d was refused for %s", i, wait)
		}
	}
	if wait := l.take(k, lim, now.Add(10*time.Second)); wait != 50*time.Second {
		t.Errorf("refused for %s, want 50s", wait)
	}
	if wait := l.take(limitKey{what: "a", name: "y"}, lim, now); wait != 0 {
		t.Error("somebody else was refused")
	}
	if wait := l.take(limitKey{what: "b", name: "x"}, lim, now); wait != 0 {
		t.Error("another route was refused")
	}
	if wait := l.take(k, lim, now.Add(time.Minute)); wait != 0 {
		t.Errorf("refused for %s after the window", wait)
	}
	if wait := l.take(k, limitNone, now); wait != 0 {
		t.Error("no limit is a limit")
	}
}

func TestLimiterIsBounded(t *testing.T) {
	l, lim, now := newLimiter(100), limit{1, time.Minute}, time.Now()
	kept := limitKey{what: "kept"}
	l.take(kept, lim, now)
	for i := range 10_000 {
		l.take(limitKey{what: "x", net: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)}, lim, now)
		if l.take(kept, lim, now) == 0 {
			t.Fatal("a key in use was forgotten")
		}
	}
	if len(l.by) > 100 {
		t.Errorf("%d keys are kept", len(l.by))
	}
	n := 0
	for w := l.ends.next; w != &l.ends; w = w.next {
		if l.by[w.key] != w {
			t.Fatal("list and map differ")
		}
		n++
	}
	if n != len(l.by) {
		t.Errorf("the list has %d, the map %d", n, len(l.by))
	}
}

// limited is a site whose callers over TCP are nobody's owner; basic authentication is believed.
func limited(t *testing.T, change func(*Settings)) *site {
	t.Helper()
	st := DefaultSettings()
	st.Auth, st.BasicAuth = ModeCredentials, true
	if change != nil {
		change(st)
	}
	return start(t, func(o *Options) {
		o.Settings = func() *Settings { return st }
		o.Reload = func(context.Context) error { return nil }
	}, nil)
}

// until sends requests until one is answered otherwise, and returns how many were answered 200 and the other answer.
func (s *site) until(most int, path string, headers ...string) (int, reply) {
	s.t.Helper()
	for n := range most {
		if r := s.get(path, headers...); r.StatusCode != 200 {
			return n, r
		}
	}
	return most, reply{}
}

func TestOldLimitsAnswer429(t *testing.T) {
	st := DefaultSettings()
	st.OldLimits = true
	s := start(t, func(o *Options) { o.Settings = func() *Settings { return st } }, nil)
	for path, most := range map[string]int{"/api/system/stats": 60, "/api/system/ports": 30, "/api/system/info": 60} {
		n, r := s.until(most+1, path)
		if n != most {
			t.Fatalf("%s: refused after %d, want %d", path, n, most)
		}
		wantProblem(t, r, 429, fmt.Sprintf("Rate limit exceeded: %d per 1 minute", most))
		if after, err := strconv.Atoi(r.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
			t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
		}
	}
	for range 100 { // probes have none
		if r := s.get("/health/live"); r.StatusCode != 200 {
			t.Fatalf("/health/live: %d", r.StatusCode)
		}
	}
	if n := testutil.ToFloat64(s.metrics.turned.WithLabelValues(refusedRate)); n != 3 {
		t.Errorf("%v refusals counted, want 3", n)
	}
}

func TestOwnerHasNoLimitsAndOthersDo(t *testing.T) {
	st := atomic.Pointer[Settings]{}
	st.Store(DefaultSettings())
	s := start(t, func(o *Options) { o.Settings = st.Load }, nil)
	if n, r := s.until(100, "/api/system/stats"); n != 100 {
		t.Fatalf("the owner was refused after %d: %d", n, r.StatusCode)
	}
	other := DefaultSettings()
	other.Auth = ModeCredentials
	st.Store(other)
	if n, r := s.until(100, "/api/system/stats"); n != 60 || r.StatusCode != 429 {
		t.Fatalf("a local process was refused after %d: %d", n, r.StatusCode)
	}
	off := DefaultSettings()
	off.Auth, off.NoLimits, off.OldLimits = ModeCredentials, true, true
	st.Store(off)
	if n, r := s.until(100, "/api/system/stats"); n != 100 {
		t.Fatalf("limits are off, and it was refused after %d: %d", n, r.StatusCode)
	}
}

// basicAs is the header of a user whom the listener let in.
func basicAs(user string) []string {
	return []string{"Authorization", "Basic " + map[string]string{"ann": "YW5uOng=", "bob": "Ym9iOng="}[user]}
}

func TestLimitsCountByIdentityNotByAddress(t *testing.T) {
	s := limited(t, nil)
	if n, r := s.until(61, "/api/system/stats", basicAs("ann")...); n != 60 || r.StatusCode != 429 {
		t.Fatalf("ann was refused after %d: %d", n, r.StatusCode)
	}
	if r := s.get("/api/system/stats", basicAs("bob")...); r.StatusCode != 200 {
		t.Errorf("bob, from the same address: %d", r.StatusCode)
	}
	if r := s.get("/api/system/stats"); r.StatusCode != 200 {
		t.Errorf("a caller without a name, from the same address: %d", r.StatusCode)
	}
	if r := s.get("/api/system/info", basicAs("ann")...); r.StatusCode != 200 {
		t.Errorf("ann on another route: %d", r.StatusCode)
	}
}

func TestCallersWithoutCredentialsAreThrottledAndRightOnesAreNot(t *testing.T) {
	s := limited(t, nil)
	for i := range 2 * limitDenied.most {
		r := s.get("/api/system/info", "Via", "1.1 proxy") // not the owner
		want := 401
		if i >= limitDenied.most {
			want = 429
		}
		if r.StatusCode != want {
			t.Fatalf("attempt %d: %d, want %d", i, r.StatusCode, want)
		}
		if want == 429 {
			wantProblem(t, r, 429, "without valid credentials")
			if r.Header.Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
	}
	wantProblem(t, s.get("/api/system/info", "Via", "1.1 proxy", "X-Api-Key", "cc_x_y"), 429, "")
	if r := s.get("/api/system/info", append(basicAs("ann"), "Via", "1.1 proxy")...); r.StatusCode != 200 {
		t.Errorf("right credentials from the same address: %d", r.StatusCode)
	}
	if r := s.get("/health", "Via", "1.1 proxy"); r.StatusCode != 200 {
		t.Errorf("/health from the same address: %d", r.StatusCode)
	}
	if n := testutil.ToFloat64(s.metrics.turned.WithLabelValues(refusedThrottled)); n != float64(limitDenied.most+1) {
		t.Errorf("%v throttled", n)
	}
}

func TestLimitsOfTheTable(t *testing.T) {
	s := start(t, nil, nil)
	for key, want := range map[string]limit{
		"GET /api/system/stats": limitReads, "GET /api/services": limitReads, "GET /api/system/ports": limitDear, "GET /api/knowledge/search": limitDear,
		"POST /api/knowledge/search": limitDear, "GET /api/services/{name}/logs": limitDear, "GET /api/knowledge/jobs": limitDear, "GET /api/jobs": limitDear,
		"POST /api/services/{name}/start": limitActs, "POST /api/services/{name}/stop": limitActs, "POST /api/services/{name}/restart": limitActs,
		"GET /api/knowledge/files": limitNone, "GET /api/knowledge/stats": limitNone, "POST /api/knowledge/scan": limitNone,
		"GET /health": limitNone, "GET /health/ready": limitNone, "GET /": limitNone, "GET /ws": limitNone, "GET /api/services/ws": limitNone, "GET /api/system/metrics": limitNone,
		"GET /api/services/{name}/logs/ws": limitNone, "GET /api/services/{name}/logs/follow": limitNone, "GET /api/knowledge/events": limitNone,
		"GET /api/events": limitReads, "GET /api/services/{name}/events": limitReads, "GET /metrics": limitFeeds, "GET /api/backup": limitReads, "PUT /api/services/{name}": limitReads,
	} {
		r := s.rows[key]
		if r == nil {
			t.Errorf("there is no row %s", key)
			continue
		}
		if r.limit != want {
			t.Errorf("%s: %v, want %v", key, r.limit, want)
		}
	}
	for key, r := range s.rows { // a row that escapes all limits is one of those that we know
		if r.limit == limitNone && !r.hidden && !slices.ContainsFunc([]string{"/health", "/ws", "/follow", "/events", "/docs", "/redoc", "/api/system/metrics", "/api/knowledge/"}, func(part string) bool {
			return strings.Contains(r.path, part)
		}) && r.path != "/" {
			t.Errorf("%s has no limit", key)
		}
	}
}

func TestConnectionsOfStrangersAreBounded(t *testing.T) {
	s := start(t, nil, nil)
	s.conns.per, s.conns.total = 3, 5
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	var open []*closeConn
	closed := 0
	for _, from := range []netip.Addr{one, one, one, one, two, two, two} { // 3 of one, then 2 until there are 5
		c := &closeConn{}
		s.admit(c, from)
		if c.closed {
			closed++
		} else {
			open = append(open, c)
		}
	}
	if closed != 2 || len(open) != 5 {
		t.Fatalf("%d closed, %d open", closed, len(open))
	}
	for _, c := range open {
		s.ConnState(c, http.StateClosed)
		s.ConnState(c, http.StateClosed) // twice is once
	}
	if len(s.conns.of) != 0 || len(s.conns.by) != 0 {
		t.Errorf("places are still taken: %v", s.conns.by)
	}
	if n := testutil.ToFloat64(s.metrics.turned.WithLabelValues(refusedConnections)); n != 2 {
		t.Errorf("%v counted", n)
	}
}

// closeConn knows whether it was closed.
type closeConn struct {
	net.Conn
	closed bool
}

func (c *closeConn) Close() error { c.closed = true; return nil }
