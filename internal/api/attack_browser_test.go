package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

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
