package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"controlcenter/internal/auth"
)

// besieged is a site whose handlers only say that they were reached, so that every row of the table can be called by everybody: what
// is tried is the chain. Its settings can be changed.
type besieged struct {
	*site
	settings atomic.Pointer[Settings]
	keys     map[role]string
	reached  atomic.Int32
}

func besiege(t *testing.T) *besieged {
	t.Helper()
	b := &besieged{keys: map[role]string{}}
	b.calm()
	b.site = start(t, func(o *Options) {
		o.Settings = b.settings.Load
		for level, name := range map[auth.Role]role{auth.Viewer: viewer, auth.Operator: operator, auth.Admin: admin} {
			key, _, err := o.Auth.NewKey(t.Context(), name.String(), level, 0, "test")
			if err != nil {
				t.Fatal(err)
			}
			b.keys[name] = key
		}
	}, nil)
	for _, r := range b.rows {
		r.serve = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b.reached.Add(1)
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return b
}

// calm puts the settings back.
func (b *besieged) calm() *Settings {
	st := DefaultSettings()
	st.CORSOrigins, st.AllowedHosts = []string{"http://localhost:3000", "http://localhost:3001"}, []string{"box.example"}
	st.NoLimits = true // they have tests of their own
	b.settings.Store(st)
	return st
}

// try calls a row and says whether its handler was reached, and the status.
func (b *besieged) try(method, path string, body io.Reader, headers ...string) (bool, int) {
	b.t.Helper()
	before := b.reached.Load()
	r := b.ask(method, path, body, headers...)
	return b.reached.Load() > before, r.StatusCode
}

var pathParameter = regexp.MustCompile(`\{[^}]*\}`)

// TestAttackRoleMatrix calls each row of the table as each kind of caller. What must come out follows from the role in the row alone.
func TestAttackRoleMatrix(t *testing.T) {
	b := besiege(t)
	callers := []struct {
		name    string
		role    role
		local   bool
		mode    AuthMode
		headers []string
	}{
		{"owner", admin, true, ModeOwner, nil},
		{"local process in mode credentials", anonymous, true, ModeCredentials, nil},
		{"local process in mode open", admin, true, ModeOpen, nil},
		{"behind a proxy", anonymous, false, ModeOpen, []string{"X-Forwarded-For", "192.0.2.1"}},
		{"viewer", viewer, true, ModeOwner, []string{"X-Api-Key", b.keys[viewer]}},
		{"operator", operator, true, ModeOwner, []string{"X-Api-Key", b.keys[operator]}},
		{"admin", admin, true, ModeCredentials, []string{"Authorization", "Bearer " + b.keys[admin]}},
		{"viewer behind a proxy", viewer, false, ModeCredentials, []string{"X-Api-Key", b.keys[viewer], "Via", "1.1 proxy"}},
		{"operator behind a proxy", operator, false, ModeOwner, []string{"Authorization", "Bearer " + b.keys[operator], "Forwarded", "for=192.0.2.1"}},
		{"wrong key", 0, true, ModeOwner, []string{"X-Api-Key", b.keys[admin][:len(b.keys[admin])-1] + "A"}},
		{"wrong token in mode open", 0, true, ModeOpen, []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}},
	}
	cells := 0
	for _, r := range b.rows {
		path := pathParameter.ReplaceAllString(r.path, "x")
		for _, c := range callers {
			st := b.calm()
			st.Auth = c.mode
			need := r.role
			if r.open != "" {
				switch {
				case c.local:
					need = anonymous
				default:
					need = max(need, anonymous)
				}
			}
			allowed, status := b.try(r.method, path, nil, c.headers...)
			want := c.role >= need && c.role > 0
			if c.role == 0 && r.login { // it is called to get credentials: old ones are not looked at
				want = true
			}
			cells++
			if allowed != want {
				t.Errorf("%s (role %s) as %s: reached %v with %d, want %v", r.name, r.role, c.name, allowed, status, want)
			}
			switch refused := http.StatusForbidden; {
			case allowed:
			case c.role <= anonymous:
				if refused = http.StatusUnauthorized; status != refused {
					t.Errorf("%s as %s: %d, want %d", r.name, c.name, status, refused)
				}
			case status != refused:
				t.Errorf("%s as %s: %d, want %d", r.name, c.name, status, refused)
			}
		}
	}
	t.Logf("%d rows, %d callers, %d cells", len(b.rows), len(callers), cells)
	if len(b.rows) < 100 {
		t.Errorf("only %d rows: the table was not found", len(b.rows))
	}
}

// TestAttackChangesNeedMoreThanAViewer is the other half of the matrix: that the roles in the table are not too low.
func TestAttackChangesNeedMoreThanAViewer(t *testing.T) {
	s := start(t, nil, nil)
	reads := []string{ // unsafe methods by which nothing is changed, or only of the caller himself
		"POST /api/knowledge/search", "POST /mcp", "POST /api/auth/codes", "POST /api/auth/change-password", "PUT /api/auth/me",
		"POST /api/auth/login", "POST /api/auth/login/form", "POST /api/auth/session", "DELETE /api/auth/session",
	}
	for key, r := range s.rows {
		switch {
		case r.method != http.MethodGet && r.role < operator && !slices.Contains(reads, key):
			t.Errorf("%s changes something and needs only the role %s", key, r.role)
		case r.method != http.MethodGet && r.role < admin && regexp.MustCompile(`/(keys|users|register|config|backup|-/reload|audit|secrets)\b`).MatchString(r.path):
			t.Errorf("%s needs only the role %s", key, r.role)
		case r.role == anonymous && r.open != GroupHealth && !r.login && !r.hidden && !slices.Contains(reads, key): // hidden: the dashboard's own files, which say nothing of this machine
			t.Errorf("%s is open to everybody", key)
		}
	}
}

// TestAttackHeaderConfusion sends credentials in ways that two readers could take for two different things. None of it may pass as
// the owner, though the test is the owner.
func TestAttackHeaderConfusion(t *testing.T) {
	b := besiege(t)
	good, other := b.keys[viewer], b.keys[admin]
	bearer := "Bearer " + good
	basic := "Basic YWRtaW46eA=="
	for name, h := range map[string][]string{
		"two Authorization headers":        {"Authorization", bearer, "Authorization", "Bearer " + other},
		"the same twice":                   {"Authorization", bearer, "Authorization", bearer},
		"two keys":                         {"X-Api-Key", good, "X-Api-Key", other},
		"Basic and Bearer":                 {"Authorization", basic, "Authorization", bearer},
		"Basic where none is asked":        {"Authorization", basic},
		"different keys in both headers":   {"Authorization", bearer, "X-Api-Key", other},
		"right key, empty second":          {"Authorization", bearer, "X-Api-Key", ""},
		"empty Authorization":              {"Authorization", ""},
		"scheme only":                      {"Authorization", "Bearer"},
		"scheme and a blank":               {"Authorization", "Bearer "},
		"key without a scheme":             {"Authorization", good},
		"another scheme":                   {"Authorization", "Digest " + good},
		"two in one, by comma":             {"Authorization", bearer + ", Bearer " + other},
		"two in one, by blank":             {"Authorization", bearer + " " + other},
		"tab for a blank":                  {"Authorization", "Bearer\t" + good},
		"empty key":                        {"X-Api-Key", ""},
		"key with a comma":                 {"X-Api-Key", good + "," + other},
		"key with a scheme":                {"X-Api-Key", bearer},
		"huge":                             {"Authorization", "Bearer " + strings.Repeat("A", 60_000)},
		"key cut short":                    {"X-Api-Key", good[:len(good)-1]},
		"key made longer":                  {"X-Api-Key", good + "x"},
		"key in capitals":                  {"X-Api-Key", strings.ToUpper(good)},
		"id without a secret":              {"X-Api-Key", good[:strings.LastIndex(good, "_")+1]},
		"secret of another":                {"X-Api-Key", good[:strings.LastIndex(good, "_")] + other[strings.LastIndex(other, "_"):]},
		"token of no algorithm":            {"Authorization", "Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiIsImV4cCI6OTk5OTk5OTk5OX0."},
		"hostile bytes":                    {"X-Api-Key", "cc_\u202e\u009b_x"},
		"wrong key beside a cookie":        {"X-Api-Key", "cc_a_b", "Cookie", "cc_session=x"},
		"wrong bearer beside a right key":  {"Authorization", "Bearer cc_a_b", "X-Api-Key", good},
		"wrong key beside a right bearer":  {"Authorization", bearer, "X-Api-Key", "cc_a_b"},
		"basic of an empty name and a key": {"Authorization", "Basic Og==", "X-Api-Key", "cc_a_b"},
	} {
		if reached, status := b.try("GET", "/api/system/info", nil, h...); reached || status != 401 && status != 429 {
			t.Errorf("%s: reached %v, %d", name, reached, status)
		}
	}
	for name, h := range map[string][]string{
		"bearer": {"Authorization", bearer}, "small scheme": {"Authorization", "bearer " + good}, "capitals": {"Authorization", "BEARER " + good},
		"key": {"X-Api-Key", good}, "small header": {"x-api-key", good}, "the same key in both": {"Authorization", bearer, "X-Api-Key", good},
		"a cookie of somebody else's server beside a key": {"X-Api-Key", good, "Cookie", "cc_session=x; session=y"},
	} {
		if reached, status := b.try("GET", "/api/system/info", nil, h...); !reached {
			t.Errorf("%s: %d", name, status)
		}
		if reached, status := b.try("POST", "/-/reload", nil, h...); reached || status != 403 {
			t.Errorf("%s, by which a viewer acts: reached %v, %d", name, reached, status)
		}
	}
	// What a proxy adds takes the owner's rights away, in any spelling.
	for _, name := range []string{
		"Forwarded", "forwarded", "Via", "X-Forwarded-For", "X-FORWARDED-FOR", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server",
		"X-Forwarded", "X-Real-IP", "x-real-ip", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-Host", "X-Cluster-Client-IP",
	} {
		for _, value := range []string{"127.0.0.1", "", "::1"} {
			if reached, status := b.try("GET", "/api/system/info", nil, name, value); reached || status != 401 {
				t.Errorf("%s: %q: reached %v, %d", name, value, reached, status)
			}
		}
	}
	// An address takes no key or token where there is no WebSocket.
	if reached, status := b.try("GET", "/api/system/info?token="+good, nil, "Via", "x"); reached || status != 401 {
		t.Errorf("key in the address: reached %v, %d", reached, status)
	}
}

// simple are the content types that a page of any site may send without asking.
var simple = []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; charset=utf-8", "TEXT/PLAIN;application/json"}

// TestAttackForgedRequests is what a page of another site can make the owner's browser send: to every row that is called by an unsafe method.
func TestAttackForgedRequests(t *testing.T) {
	b := besiege(t)
	own := b.url
	for _, r := range b.rows {
		if safe(r.method) {
			continue
		}
		path := pathParameter.ReplaceAllString(r.path, "x")
		for _, ct := range append(simple, jsonType) {
			for name, h := range map[string][]string{
				"another site":               {"Origin", "http://evil.example"},
				"null":                       {"Origin", "null"},
				"no origin, cross-site":      {"Sec-Fetch-Site", "cross-site"},
				"no origin, same-site":       {"Sec-Fetch-Site", "same-site"},
				"another port":               {"Origin", "http://127.0.0.1:1"},
				"two origins":                {"Origin", own, "Origin", "http://evil.example"},
				"two in one":                 {"Origin", own + " http://evil.example"},
				"listed, and another":        {"Origin", "http://localhost:3000", "Origin", "http://evil.example"},
				"listed as a part":           {"Origin", "http://localhost:3000.evil.example"},
				"listed, other scheme":       {"Origin", "https://localhost:3000"},
				"listed, with a user":        {"Origin", "http://localhost:3000@evil.example"},
				"extension":                  {"Origin", "chrome-extension://abcdef"},
				"empty":                      {"Origin", ""},
				"cross-site with the cookie": {"Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site", "Cookie", "cc_session=x"},
			} {
				if ct != "" {
					h = append(h, "Content-Type", ct)
				}
				if reached, status := b.try(r.method, path, strings.NewReader("a=b"), h...); reached || status != 403 {
					t.Fatalf("%s, %s, %q: reached %v, %d", r.name, name, ct, reached, status)
				}
			}
			// Without any sign of a browser the content type still decides: a form cannot send JSON.
			if ct == r.bodyType || ct == jsonType && r.bodyType == jsonType {
				continue
			}
			h := []string{}
			if ct != "" {
				h = append(h, "Content-Type", ct)
			}
			if reached, status := b.try(r.method, path, strings.NewReader("a=b"), h...); reached || status != 415 {
				t.Fatalf("%s, %q: reached %v, %d", r.name, ct, reached, status)
			}
		}
	}
	// The pages that are meant to act do.
	for _, origin := range []string{"http://localhost:3000", "http://localhost:3001", own} {
		for _, site := range []string{"same-site", "cross-site", "same-origin", ""} {
			h := []string{"Origin", origin, "Content-Type", jsonType}
			if site != "" {
				h = append(h, "Sec-Fetch-Site", site)
			}
			if reached, status := b.try("POST", "/api/services/x/start", strings.NewReader("{}"), h...); !reached {
				t.Errorf("%s, %s: %d", origin, site, status)
			}
		}
	}
}

// TestAttackRebinding is a page whose own name was pointed at this machine: to the browser it is the same origin.
func TestAttackRebinding(t *testing.T) {
	b := besiege(t)
	port := b.url[strings.LastIndex(b.url, ":"):]
	for _, host := range []string{"evil.example", "evil.example" + port, "localhost.evil.example" + port, "127.0.0.1.evil.example" + port, "EVIL.example." + port, "[::2]" + port} {
		for _, r := range b.rows {
			path := pathParameter.ReplaceAllString(r.path, "x")
			h := []string{"Host", host, "Origin", "http://" + host, "Sec-Fetch-Site", "same-origin"}
			if r.socket {
				h = append(h, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			}
			if reached, status := b.try(r.method, path, nil, h...); reached || status != 421 {
				t.Fatalf("%s to %s: reached %v, %d", r.name, host, reached, status)
			}
		}
	}
}

// TestAttackHostForms sends what can be read as a host in more than one way, in the raw.
func TestAttackHostForms(t *testing.T) {
	s := start(t, nil, nil)
	for _, c := range []struct {
		name, request string
		want          []int
	}{
		{"two hosts", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", []int{400}},
		{"two hosts, ours last", "GET /health HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n", []int{400}},
		{"the same twice", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", []int{400}},
		{"none", "GET /health HTTP/1.1\r\n", []int{400}},
		{"none, HTTP/1.0", "GET /health HTTP/1.0\r\n", []int{421}},
		{"empty", "GET /health HTTP/1.1\r\nHost:\r\n", []int{421}},
		{"blank", "GET /health HTTP/1.1\r\nHost:  \r\n", []int{421}},
		{"absolute, foreign", "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n", []int{421}},
		{"absolute, foreign in the header", "GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n", []int{200}}, // RFC 9112 3.2.2: the line counts, and it is ours
		{"absolute, with a user", "GET http://localhost@evil.example/health HTTP/1.1\r\nHost: localhost\r\n", []int{421}},
		{"absolute, user of ours", "GET http://evil.example@localhost/health HTTP/1.1\r\nHost: localhost\r\n", []int{200}},
		{"absolute, empty", "GET http:///health HTTP/1.1\r\nHost: evil.example\r\n", []int{400, 421}},
		{"userinfo", "GET /health HTTP/1.1\r\nHost: localhost@evil.example\r\n", []int{400, 421}},
		{"userinfo of ours", "GET /health HTTP/1.1\r\nHost: evil.example@localhost\r\n", []int{400, 421}},
		{"blank between", "GET /health HTTP/1.1\r\nHost: localhost evil.example\r\n", []int{400, 421}},
		{"comma", "GET /health HTTP/1.1\r\nHost: localhost, evil.example\r\n", []int{400, 421}},
		{"folded line", "GET /health HTTP/1.1\r\nHost: localhost\r\n evil.example\r\n", []int{400, 421}},
		{"blank before the colon", "GET /health HTTP/1.1\r\nHost : localhost\r\n", []int{400}},
		{"zone", "GET /health HTTP/1.1\r\nHost: [::1%25eth0]\r\n", []int{400, 421}},
		{"zone, raw", "GET /health HTTP/1.1\r\nHost: [::1%eth0]\r\n", []int{400, 421}},
		{"decimal", "GET /health HTTP/1.1\r\nHost: 2130706433\r\n", []int{421}},
		{"octal", "GET /health HTTP/1.1\r\nHost: 0177.0.0.1\r\n", []int{421}},
		{"hexadecimal", "GET /health HTTP/1.1\r\nHost: 0x7f.1\r\n", []int{421}},
		{"short", "GET /health HTTP/1.1\r\nHost: 127.1\r\n", []int{421}},
		{"leading zeros", "GET /health HTTP/1.1\r\nHost: 127.000.0.1\r\n", []int{421}},
		{"every address", "GET /health HTTP/1.1\r\nHost: 0.0.0.0\r\n", []int{421}},
		{"every address, IPv6", "GET /health HTTP/1.1\r\nHost: [::]\r\n", []int{421}},
		{"neighbour", "GET /health HTTP/1.1\r\nHost: 127.0.0.2\r\n", []int{421}},
		{"long IPv6", "GET /health HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]\r\n", []int{200}},
		{"mapped", "GET /health HTTP/1.1\r\nHost: [::ffff:7f00:1]\r\n", []int{200}},
		{"CR in the name", "GET /health HTTP/1.1\r\nHost: localhost\rX: y\r\n", []int{400, 421}},
		{"NUL", "GET /health HTTP/1.1\r\nHost: localhost\x00.evil.example\r\n", []int{400, 421}},
		{"not ASCII", "GET /health HTTP/1.1\r\nHost: loc\u0430lhost\r\n", []int{400, 421}},
		{"fullwidth", "GET /health HTTP/1.1\r\nHost: \uff4cocalhost\r\n", []int{400, 421}},
		{"percent", "GET /health HTTP/1.1\r\nHost: loc%61lhost\r\n", []int{400, 421}},
		{"forwarded host", "GET /health HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n", []int{421}},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n", []int{400, 421}},
	} {
		if got := rawStatus(t, s.url, c.request+"Connection: close\r\n\r\n"); !slices.Contains(c.want, got) {
			t.Errorf("%s: %d, want %v", c.name, got, c.want)
		}
	}
}

// TestAttackSocketHijack opens each WebSocket as a page of another site would, with the owner's rights behind it.
func TestAttackSocketHijack(t *testing.T) {
	b := besiege(t)
	sockets := 0
	for _, r := range b.rows {
		if !r.socket {
			continue
		}
		sockets++
		url := strings.Replace(b.url, "http", "ws", 1) + pathParameter.ReplaceAllString(r.path, "x")
		for _, origins := range [][]string{
			{"http://evil.example"},
			{"null"},
			{""},
			{"file://"},
			{"http://localhost:3000", "http://evil.example"},
			{"http://localhost:3000.evil.example"},
			{"http://localhost:30000"},
			{"https://localhost:3000"},
			{"ws://localhost:3000"},
			{b.url + "/"},
			{"http://127.0.0.1:1"},
		} {
			before := b.reached.Load()
			_, res, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Origin": origins})
			if !errors.Is(err, websocket.ErrBadHandshake) || res.StatusCode != 403 || b.reached.Load() != before {
				t.Errorf("%s, %q: %v, reached %v", r.name, origins, err, b.reached.Load() != before)
			}
		}
		for _, origin := range []string{"http://localhost:3000", "http://localhost:3001", b.url} {
			before := b.reached.Load()
			_, res, _ := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"Origin": {origin}})
			if res == nil || b.reached.Load() == before {
				t.Errorf("%s, %s: was not let in", r.name, origin)
			}
		}
		for name, h := range map[string]http.Header{"wrong key": {"X-Api-Key": {"cc_a_b"}}, "behind a proxy": {"Via": {"x"}}} {
			before := b.reached.Load()
			_, res, err := websocket.DefaultDialer.DialContext(t.Context(), url, h)
			if !errors.Is(err, websocket.ErrBadHandshake) || res.StatusCode != 401 || b.reached.Load() != before {
				t.Errorf("%s, %s: %v", r.name, name, err)
			}
		}
	}
	if sockets < 5 {
		t.Errorf("only %d WebSockets in the table", sockets)
	}
}

// TestAttackJSONBodies are bodies that are meant to cost much, or to be read in two ways.
func TestAttackJSONBodies(t *testing.T) {
	s := start(t, nil, probes)
	for name, body := range map[string]string{
		"deep lists":        strings.Repeat("[", 500_000),
		"deep objects":      strings.Repeat(`{"name":`, 100_000),
		"deep and closed":   `{"name":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`,
		"key twice":         `{"name":"a","name":"b"}`,
		"key twice, hidden": `{"name":"a","\u006eame":"b"}`,
		"key twice, below":  `{"name":"a","x":{"y":1,"y":2}}`,
		"key in capitals":   `{"name":"a","NAME":"b"}`,
		"key folded":        "{\"name\":\"a\",\"name\u017f\":\"b\"}",
		"two values":        `{"name":"a"}{"name":"b"}`,
		"rubbish behind":    `{"name":"a"} x`,
		"huge number":       `{"name":1e999999999}`,
		"many digits":       `{"name":` + strings.Repeat("9", 900_000) + `}`,
		"list":              `["name"]`,
		"null":              `null`,
		"text":              `"name"`,
		"half":              `{"name":"a"`,
		"NaN":               `{"name":NaN}`,
		"comment":           `{"name":"a"/**/}`,
		"byte order mark":   "\ufeff{\"name\":\"a\"}",
		"UTF-16":            "\xff\xfe{\x00}\x00",
	} {
		begin := time.Now()
		r := s.ask("POST", "/test/body", strings.NewReader(body), "Content-Type", jsonType)
		if r.StatusCode != 400 && r.StatusCode != 422 {
			t.Errorf("%s: %d %s", name, r.StatusCode, shortened(r.body))
		}
		if len(r.body) > 3*mostMessage {
			t.Errorf("%s: the answer has %d bytes", name, len(r.body))
		}
		t.Logf("%s: %d in %s: %s", name, r.StatusCode, time.Since(begin).Round(time.Millisecond), shortened(r.body))
	}
	if r := s.ask("POST", "/test/body", strings.NewReader(`{"name":"a"}`), "Content-Type", jsonType); r.StatusCode != 200 {
		t.Errorf("a good body: %d %s", r.StatusCode, r.body)
	}
}

func shortened(b []byte) []byte { return b[:min(len(b), 200)] }

// TestAttackInjection puts line ends, escapes and pages into all that comes back in headers and errors.
func TestAttackInjection(t *testing.T) {
	s := start(t, func(o *Options) { o.Reload = func(context.Context) error { return nil } }, nil)
	escape := "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a%1b%5b2J%3cscript%3ealert(1)%3c/script%3e%e2%80%ae%c2%9b31m"
	for _, path := range []string{
		"/" + escape, "/health/" + escape, "/" + escape + "/", "/api/services/" + escape, "/api/services/" + escape + "/status", "/api/services/" + escape + "/logs", "/api/services/x" + escape + "/",
		"/api/system/processes?sort=" + escape, "/api/system/processes?" + escape + "=1", "/api/events?since=" + escape, "/api/knowledge/files/" + escape, "/api/knowledge/files/" + escape + "/content",
		"/metrics?collect[]=" + escape, "/metrics?name[]=" + escape, "/api/jobs/" + escape + "/runs/" + escape, "/api/usage/stats?api=" + escape, "/health/?x=" + escape,
	} {
		r := s.get(path, "Accept", "text/html")
		if r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: a header was made", path)
		}
		for name, values := range r.Header {
			for _, v := range values {
				wantHarmless(t, path+" "+name, v)
				if strings.ContainsAny(v, "\r\n") {
					t.Errorf("%s: %s: %q", path, name, v)
				}
			}
		}
		wantHarmless(t, path, string(r.body))
		if ct := r.Header.Get("Content-Type"); strings.Contains(ct, "html") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: answered as %s", path, ct)
		}
	}
	for _, h := range [][]string{
		{"X-Request-Id", "\u009b31m<script>"}, {"Access-Control-Request-Headers", "x\u202e"}, {"Origin", "http://\u202e"}, {"Accept", "<script>"}, {"Host", "<script>"},
	} {
		r := s.get("/nothing", h...)
		wantHarmless(t, h[0], string(r.body))
		for name, values := range r.Header {
			wantHarmless(t, h[0]+" in "+name, strings.Join(values, " "))
		}
	}
	for _, log := range strings.Split(s.logs.String(), "\n") {
		wantHarmless(t, "the log", log)
	}
}

// TestAttackOversizedFrames sends WebSocket messages that no client needs.
func TestAttackOversizedFrames(t *testing.T) {
	s := start(t, nil, nil)
	for name, send := range map[string]func(c *websocket.Conn) error{
		"one large message": func(c *websocket.Conn) error {
			return c.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), 2*clientFrameLimit))
		},
		"many small parts of one": func(c *websocket.Conn) error {
			w, err := c.NextWriter(websocket.BinaryMessage)
			for i := 0; err == nil && i < 100; i++ {
				_, err = w.Write(bytes.Repeat([]byte("x"), 4096))
			}
			return err
		},
		"a header that promises 2^62 bytes": func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4})
			return err
		},
		"no mask": func(c *websocket.Conn) error { _, err := c.NetConn().Write([]byte{0x81, 1, 'x'}); return err },
		"a large ping": func(c *websocket.Conn) error {
			_, err := c.NetConn().Write([]byte{0x89, 0xfe, 1, 0, 1, 2, 3, 4})
			return err
		},
		"unknown opcode": func(c *websocket.Conn) error { _, err := c.NetConn().Write([]byte{0x83, 0x80, 1, 2, 3, 4}); return err },
		"reserved bits":  func(c *websocket.Conn) error { _, err := c.NetConn().Write([]byte{0xf1, 0x80, 1, 2, 3, 4}); return err },
	} {
		for _, path := range []string{"/ws", "/api/system/metrics"} {
			c := s.dial(path)
			_ = send(c) // it may be cut off before the end
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			var err error
			for err == nil {
				_, _, err = c.ReadMessage()
			}
			if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
				t.Errorf("%s to %s: the server did not hang up", name, path)
			}
		}
	}
	waitFor(t, "no client to be left", func() bool { s.hub.caps.mu.Lock(); defer s.hub.caps.mu.Unlock(); return s.hub.caps.n == 0 })
	if r := s.get("/health"); r.StatusCode != 200 {
		t.Errorf("afterwards: %d", r.StatusCode)
	}
}

// TestAttackKeyComparisonByConstruction looks at the source: secrets are compared by their digests in constant time, and by nothing
// else.
func TestAttackKeyComparisonByConstruction(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "auth", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	leaky := regexp.MustCompile(`bytes\.(Equal|Compare)\(|strings\.(Compare|EqualFold)\([^)]*(?i:secret|hash|digest|password|sum)|(?i:\b(given|secret|hash|digest|sum|password)(\[:\])?\s*[!=]=\s*[a-z][A-Za-z.]*(hash|secret|digest|sum|password))`)
	constant := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(src), "\n") {
			if leaky.MatchString(line) {
				t.Errorf("%s:%d compares a secret byte by byte: %s", filepath.Base(name), i+1, strings.TrimSpace(line))
			}
		}
		constant += bytes.Count(src, []byte("subtle.ConstantTimeCompare("))
	}
	if constant < 2 {
		t.Errorf("%d constant-time comparisons: keys and passwords need one each", constant)
	}
	for _, leak := range []string{"bytes.Equal(a, b)", "if sum == k.hash {", "given != rec.secret"} { // the pattern finds what it is for
		if !leaky.MatchString(leak) {
			t.Errorf("the pattern does not find %q", leak)
		}
	}
}
