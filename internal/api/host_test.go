package api

import (
	"io"
	"net"
	"strings"
	"testing"
)

func TestHostAllowList(t *testing.T) {
	s := start(t, func(o *Options) {
		st := &Settings{
			AllowedHosts:    []string{"box.example", "2001:db8::1", "Upper.Example."},
			ListenAddresses: []string{"myhost.lan:8080", "0.0.0.0:8080", ":9", "[::]:1", "192.0.2.7:54112"},
		}
		o.Settings = func() *Settings { return st }
	}, nil)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:1": 200, "LOCALHOST": 200, "localhost.": 200, "localhost.:8080": 200,
		"127.0.0.1": 200, "127.0.0.1:65535": 200, "[::1]": 200, "[::1]:8080": 200, "[::ffff:127.0.0.1]": 200,
		"box.example": 200, "BOX.example:1": 200, "[2001:db8::1]": 200, "upper.example": 200, "myhost.lan": 200, "192.0.2.7": 200,
		"evil.example": 421, "box.example.evil.example": 421, "xbox.example": 421, "localhost.evil.example": 421,
		"127.0.0.1.evil.example": 421, "127.1": 421, "0x7f.0.0.1": 421, "0x7f000001": 421, "2130706433": 421, "127.000.000.001": 421, "017700000001": 421,
		"0.0.0.0": 421, "[::]": 421, "127.0.0.2": 421, "192.0.2.8": 421, "[::2]": 421, "[::1%25lo]": 421, "[::1%lo]": 421, "[127.0.0.1]": 421,
		"localhost:": 421, "localhost:0": 421, "localhost:99999": 421, "localhost:http": 421, "localhost:1:2": 421, "localhost..": 421, ".localhost": 421,
		"[::1": 421, "::1": 421, "[::1]x": 421, "user@localhost": 421, "localhost/x": 421,
	} {
		status := rawStatus(t, s.url, "GET /health HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if status != want && !(want == 421 && status == 400) { // net/http itself refuses the most broken ones
			t.Errorf("Host %q: %d, want %d", host, status, want)
		}
	}
	if got := rawStatus(t, s.url, "GET /health HTTP/1.0\r\n\r\n"); got != 421 {
		t.Errorf("no Host: %d, want 421", got)
	}
	if got := rawStatus(t, s.url, "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); got != 421 {
		t.Errorf("foreign host in the request line: %d, want 421", got)
	}
}

// rawStatus sends bytes that the client library would not.
func rawStatus(t *testing.T, url, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || len(b) < 12 {
		t.Fatalf("no answer to %q: %v", request, err)
	}
	return int(b[9]-'0')*100 + int(b[10]-'0')*10 + int(b[11]-'0')
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"localhost:8080", "[::1]:80", "127.0.0.1", "a.b.", "[", ":", "x:y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := parseHost(s)
		if !ok {
			return
		}
		if (h.name == "") == !h.ip.IsValid() {
			t.Fatalf("%q is neither a name nor an address: %+v", s, h)
		}
		again := h.name
		if h.ip.IsValid() {
			again = h.ip.String()
			if h.ip.Is6() {
				again = "[" + again + "]"
			}
		}
		if h.port != "" {
			again += ":" + h.port
		}
		if h2, ok := parseHost(again); !ok || h2 != h {
			t.Fatalf("%q is %+v, written back %q is %+v", s, h, again, h2)
		}
	})
}
