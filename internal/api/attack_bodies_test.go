package api

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

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
