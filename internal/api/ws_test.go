package api

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"controlcenter/exporter"
)

// feed plays the sampler's rounds by hand; the snapshots are as real ones.
type feed struct {
	c    chan *exporter.Snapshot
	now  atomic.Pointer[exporter.Snapshot]
	subs atomic.Int32
}

func (f *feed) C() <-chan *exporter.Snapshot { return f.c }
func (f *feed) Close()                       { f.subs.Add(-1) }

func (f *feed) round(seq uint64) {
	snap := machine(seq)
	f.now.Store(snap)
	f.c <- snap
}

// startFed runs a server whose rounds the test plays. change may shorten the hub's patience.
func startFed(t *testing.T, change func(*hub)) (*site, *feed) {
	t.Helper()
	f := &feed{c: make(chan *exporter.Snapshot)}
	f.now.Store(machine(1))
	s := start(t, nil, func(s *Server) []*row {
		s.hub.newest = f.now.Load
		s.hub.listen = func() rounds { f.subs.Add(1); return f }
		if change != nil {
			change(s.hub)
		}
		return nil
	})
	return s, f
}

func (s *site) dial(path string, headers ...string) *websocket.Conn {
	s.t.Helper()
	return s.dialWith(websocket.DefaultDialer, path, headers...)
}

func (s *site) dialWith(d *websocket.Dialer, path string, headers ...string) *websocket.Conn {
	s.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	c, r, err := d.DialContext(s.t.Context(), strings.Replace(s.url, "http", "ws", 1)+path, h)
	if err != nil {
		status := 0
		if r != nil {
			status = r.StatusCode
		}
		s.t.Fatalf("dial %s: %v (%d)", path, err, status)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(60 * time.Second)) // a test must not hang
	return c
}

func next(t *testing.T, c *websocket.Conn) map[string]any {
	t.Helper()
	kind, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if kind != websocket.TextMessage {
		t.Errorf("frame type %d, want text", kind)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return m
}

func TestStreamFirstFrameAtOnceThenOnePerRound(t *testing.T) {
	s, f := startFed(t, nil)
	clients := []*websocket.Conn{s.dial("/ws?token=x&client_id=7"), s.dial("/api/system/ws")}
	for _, c := range clients {
		m := next(t, c) // before any round
		wantAt(t, m, "system_stats", "type")
		wantAt(t, m, 12.5, "cpu", "usage")
		wantAt(t, m, 12.5, "cpu", "usage_percent")
		for _, part := range []string{"memory", "disk"} {
			for _, key := range []string{"total", "used", "percent", "used_gb", "total_gb"} {
				if at(t, m, part, key) == nil {
					t.Errorf("%s.%s is null", part, key)
				}
			}
		}
		wantAt(t, m, 5.0, "cores", 1)
		wantAt(t, m, 49.0, "temperatures", 5, "celsius")
	}
	for seq := uint64(2); seq < 5; seq++ {
		f.round(seq)
		want := stamp(f.now.Load().At)
		for _, c := range clients {
			wantAt(t, next(t, c), want, "timestamp")
		}
	}
}

func TestFrameStaysSmall(t *testing.T) {
	b, err := json.Marshal(systemFrame(machine(1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 2048 {
		t.Errorf("%d bytes: %s", len(b), b)
	}
}

func TestMetricsStreamHasPercentsAndNoType(t *testing.T) {
	s, _ := startFed(t, func(h *hub) { h.times.watch = 5 * time.Millisecond })
	c := s.dial("/api/system/metrics")
	for range 3 {
		m := next(t, c)
		wantAt(t, m, 12.5, "cpu")
		wantAt(t, m, 43.8, "memory")
		wantAt(t, m, 44.9, "disk")
		if _, there := m["type"]; there || len(m) != 4 {
			t.Errorf("frame %v", m)
		}
	}
}

func TestStreamCostsNothingWithoutClients(t *testing.T) {
	s, f := startFed(t, nil)
	if f.subs.Load() != 0 {
		t.Error("subscribed without a client")
	}
	a, b := s.dial("/ws"), s.dial("/ws")
	next(t, a)
	next(t, b)
	if f.subs.Load() != 1 {
		t.Errorf("%d subscriptions for two clients", f.subs.Load())
	}
	_ = a.Close()
	_ = b.Close()
	waitFor(t, "the subscription to end", func() bool { return f.subs.Load() == 0 })
	if n := testutil.ToFloat64(s.metrics.clients.WithLabelValues("system")); n != 0 {
		t.Errorf("%v clients counted", n)
	}
}

func TestClientMaySendAnything(t *testing.T) {
	s, f := startFed(t, nil)
	c := s.dial("/ws")
	next(t, c)
	for _, m := range []string{`{"type":"ping"}`, `{"type":"subscribe"}`, "", "\xff\xfe", strings.Repeat("x", 30<<10)} {
		kind := websocket.TextMessage
		if strings.HasPrefix(m, "\xff") {
			kind = websocket.BinaryMessage
		}
		if err := c.WriteMessage(kind, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	pong := make(chan string, 1)
	c.SetPongHandler(func(s string) error { pong <- s; return nil })
	if err := c.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(2); len(pong) == 0; seq++ { // the pong comes among the frames
		if seq > 1000 {
			t.Fatal("no pong")
		}
		f.round(seq)
		next(t, c)
	}
}

func TestTooLargeMessageEndsOnlyItsSender(t *testing.T) {
	s, f := startFed(t, nil)
	good, bad := s.dial("/ws"), s.dial("/ws")
	next(t, good)
	next(t, bad)
	_ = bad.WriteMessage(websocket.TextMessage, make([]byte, 2*clientFrameLimit))
	for {
		if _, _, err := bad.ReadMessage(); err != nil {
			break
		}
	}
	f.round(2)
	next(t, good)
}

func TestUpgradeOfAForeignOriginIsRefused(t *testing.T) {
	s, _ := startFed(t, nil)
	url := strings.Replace(s.url, "http", "ws", 1)
	for origin, want := range map[string]int{
		"http://evil.example": 403, "null": 403, "http://127.0.0.1:1": 403, "http://localhost:3000": 101, s.url: 101,
	} {
		c, r, err := websocket.DefaultDialer.DialContext(t.Context(), url+"/ws", http.Header{"Origin": {origin}})
		if r == nil {
			t.Fatal(err)
		}
		if r.StatusCode != want {
			t.Errorf("origin %s: %d, want %d", origin, r.StatusCode, want)
		}
		if c != nil {
			_ = c.Close()
		}
	}
	_, r, err := websocket.DefaultDialer.DialContext(t.Context(), url+"/ws", http.Header{"Host": {"rebound.example"}})
	if err == nil || r == nil || r.StatusCode != 421 {
		t.Errorf("foreign host: %v", err)
	}
}

func TestCapAnswers503(t *testing.T) {
	s, _ := startFed(t, func(h *hub) { h.caps.perLocal = 2 })
	a := s.dial("/ws")
	s.dial("/ws")
	_, r, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.url, "http", "ws", 1)+"/ws", nil)
	if !errors.Is(err, websocket.ErrBadHandshake) || r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Fatalf("third client: %v", err)
	}
	if n := testutil.ToFloat64(s.metrics.refused.WithLabelValues("system")); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
	_ = a.Close()
	waitFor(t, "a place to be free", func() bool {
		c, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.url, "http", "ws", 1)+"/ws", nil)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func TestCapsPerAddress(t *testing.T) {
	c := caps{total: 3, perLocal: 3, perRemote: 1, by: map[netip.Prefix]int{}}
	one, two, home := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32"), netip.MustParsePrefix("127.0.0.1/32")
	if !c.acquire(one, false) || c.acquire(one, false) || !c.acquire(two, false) || !c.acquire(home, true) || c.acquire(home, true) {
		t.Error("caps are not held")
	}
	c.release(one)
	if !c.acquire(one, false) {
		t.Error("a released place stays taken")
	}
	for from, want := range map[string]string{
		"[2001:db8:1:2:3::9]:443": "2001:db8:1:2::/64", "192.0.2.1:9": "192.0.2.1/32", "[::ffff:192.0.2.1]:9": "192.0.2.1/32",
		"[fe80::1%eth0]:9": "fe80::/64", "[::1]:9": "::1/128", "@": "invalid Prefix",
	} {
		if got := streamAddress(&http.Request{RemoteAddr: from}); got.String() != want {
			t.Errorf("%s counts as %s, want %s", from, got, want)
		}
	}
}

// small dials with a small receive buffer, so that not reading shows soon.
var small = websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(4096)
	}
	return c, err
}}

func TestSlowReaderIsCutWhileOthersGetEveryFrame(t *testing.T) {
	s, f := startFed(t, func(h *hub) { h.times.write, h.times.watch = 200*time.Millisecond, 10*time.Millisecond })
	good := s.dial("/ws")
	next(t, good)
	s.dialWith(&small, "/ws") // never reads
	cut := func() float64 { return testutil.ToFloat64(s.metrics.cut.WithLabelValues("system")) }
	begin := time.Now()
	for seq := uint64(2); cut() == 0; seq++ {
		if time.Since(begin) > 15*time.Second {
			t.Fatal("the slow reader was not cut off")
		}
		f.round(seq)
		wantAt(t, next(t, good), stamp(f.now.Load().At), "timestamp") // each frame, in order, none left out
	}
	if testutil.ToFloat64(s.metrics.dropped.WithLabelValues("system")) == 0 {
		t.Error("no frame of the slow reader was dropped: the newest did not take its place")
	}
	waitFor(t, "the slow reader to be gone", func() bool { return testutil.ToFloat64(s.metrics.clients.WithLabelValues("system")) == 1 })
}

func TestSilentClientIsCutAndAnsweringOneIsNot(t *testing.T) {
	s, f := startFed(t, func(h *hub) {
		h.times = times{time.Second, 50 * time.Millisecond, 2 * time.Second, 10 * time.Millisecond}
	})
	good := s.dial("/ws")
	next(t, good)
	s.dial("/ws") // its library answers pings only while it reads
	ended := make(chan error, 1)
	frames := make(chan struct{}, 1000)
	go func() {
		for {
			if _, _, err := good.ReadMessage(); err != nil {
				ended <- err
				return
			}
			frames <- struct{}{}
		}
	}()
	waitFor(t, "the silent client to be cut", func() bool { return testutil.ToFloat64(s.metrics.cut.WithLabelValues("system")) == 1 })
	f.round(2)
	select {
	case <-frames:
	case err := <-ended:
		t.Fatalf("the answering client was cut too: %v", err)
	}
	_ = good.Close()
	<-ended
}

func TestCloseStreamsSaysGoodbyeAndTakesNoMore(t *testing.T) {
	s, _ := startFed(t, nil)
	c := s.dial("/ws")
	next(t, c)
	s.CloseStreams()
	_, _, err := c.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client saw %v, want close code 1001", err)
	}
	_, r, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.url, "http", "ws", 1)+"/ws", nil)
	if err == nil || r == nil || r.StatusCode != 503 {
		t.Errorf("a new client: %v", err)
	}
	s.stop()
	if s.hub.caps.n != 0 {
		t.Errorf("%d places are still taken", s.hub.caps.n)
	}
}

func TestReconnectStorm(t *testing.T) {
	s, _ := startFed(t, nil)
	for range 150 { // a known client dials again after each frame
		c := s.dial("/ws")
		next(t, c)
		_ = c.Close()
	}
	waitFor(t, "all to be gone", func() bool {
		s.hub.caps.mu.Lock()
		defer s.hub.caps.mu.Unlock()
		return s.hub.caps.n == 0 && len(s.hub.caps.by) == 0
	})
}

func TestStreamIntervalThinsTheRounds(t *testing.T) {
	f := &feed{c: make(chan *exporter.Snapshot)}
	f.now.Store(machine(1))
	st := &Settings{StreamInterval: time.Hour}
	s := start(t, func(o *Options) { o.Settings = func() *Settings { return st } }, func(s *Server) []*row {
		s.hub.newest, s.hub.listen = f.now.Load, func() rounds { return f }
		return nil
	})
	c := s.dial("/ws")
	next(t, c)
	f.round(2) // the first broadcast
	next(t, c)
	f.round(3)
	f.round(4) // taken by the hub only after round 3 was dealt with
	if n := testutil.ToFloat64(s.metrics.frames.WithLabelValues("system")); n != 1 {
		t.Errorf("%v frames handed out, want 1", n)
	}
}

func TestStreamOfThisMachine(t *testing.T) {
	s := start(t, nil, nil)
	c := s.dial("/ws")
	first, second := next(t, c), next(t, c)
	if at(t, first, "memory", "percent") == nil || first["timestamp"] == second["timestamp"] {
		t.Errorf("frames %v and %v", first, second)
	}
}
