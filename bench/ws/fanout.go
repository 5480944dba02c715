package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"controlcenter/bench/internal/rig"
)

// watchers is how many clients note when each frame came.
const watchers = 8

// client is one good client: it reads everything.
type client struct {
	conn   *websocket.Conn
	frames atomic.Int64
	bytes  atomic.Int64 // of the last frame
	dead   atomic.Bool
	note   bool

	mu    sync.Mutex
	times []time.Time
}

// fanned is the result for one number of clients.
type fanned struct {
	clients, slow, cut int
	lost               int   // good clients whose connection ended
	missed             int64 // frames the worst good client missed
	cpuPerTick         time.Duration
	mem                rig.Memory
	intervals          rig.Latencies // between frames, of all watchers
	cutAfter           time.Duration // from their connection until all that do not read were cut off; 0 = they were not
	frameBytes         int64
}

func (f *fanned) deviation() time.Duration {
	var most time.Duration
	for _, d := range f.intervals {
		most = max(most, (d - interval).Abs())
	}
	return most
}

func dialer(slow bool) *websocket.Dialer {
	d := &websocket.Dialer{ReadBufferSize: 256, WriteBufferSize: 256, HandshakeTimeout: 20 * time.Second}
	if slow {
		d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(2 << 10) // so that it falls behind within the run
			}
			return c, err
		}
	}
	return d
}

func streamURL(url string) string { return "ws" + strings.TrimPrefix(url, "http") + "/api/system/ws" }

func dial(ctx context.Context, url string, slow bool) (*websocket.Conn, error) {
	conn, resp, err := dialer(slow).DialContext(ctx, streamURL(url), nil)
	if err != nil && resp != nil {
		return nil, fmt.Errorf("dial: %s: %w", resp.Status, err)
	}
	return conn, err
}

// read counts frames until the connection ends.
func (c *client) read() {
	for {
		_, r, err := c.conn.NextReader()
		if err != nil {
			c.dead.Store(true)
			return
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			c.dead.Store(true)
			return
		}
		c.bytes.Store(n)
		if c.note {
			c.mu.Lock()
			c.times = append(c.times, time.Now())
			c.mu.Unlock()
		}
		c.frames.Add(1)
	}
}

// fanOut connects n clients, slow of which never read, and measures over o.ticks frames.
func fanOut(ctx context.Context, o *options, server *rig.Proc, url string, n, slow int) (*fanned, error) {
	good := make([]*client, n-slow)
	var wg sync.WaitGroup
	var stalled []*websocket.Conn
	defer func() {
		for _, c := range stalled {
			_ = c.Close()
		}
		for _, c := range good {
			if c != nil {
				_ = c.conn.Close()
			}
		}
		wg.Wait()
	}()
	if err := dialAll(ctx, url, good, &wg); err != nil {
		return nil, err
	}
	for range slow {
		c, err := dial(ctx, url, true)
		if err != nil {
			return nil, err
		}
		stalled = append(stalled, c)
	}
	f := &fanned{clients: n, slow: slow}
	watch, stop := context.WithCancel(ctx)
	cuts := make(chan struct{})
	before, err := dropped(ctx, url)
	if err != nil {
		stop()
		return nil, err
	}
	go func() { defer close(cuts); f.watchCuts(watch, url, before) }()
	defer func() { stop(); <-cuts }()

	// From the middle of one interval to the middle of another, so that no frame is on its way at either end.
	if err := middle(ctx, good[0]); err != nil {
		return nil, err
	}
	from, cpu0, err := counts(good, server)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, time.Duration(o.ticks)*interval); err != nil {
		return nil, err
	}
	to, cpu1, err := counts(good, server)
	if err != nil {
		return nil, err
	}
	if f.mem, err = server.Memory(); err != nil {
		return nil, err
	}
	f.cpuPerTick = (cpu1 - cpu0) / time.Duration(o.ticks)
	f.frameBytes = good[0].bytes.Load()
	var most int64
	for i := range good {
		most = max(most, to[i]-from[i])
	}
	for i, c := range good {
		if c.dead.Load() {
			f.lost++
			continue
		}
		f.missed = max(f.missed, most-(to[i]-from[i]))
		if c.note {
			c.mu.Lock()
			// The first frame came on connecting, not on the beat.
			for j := 2; j < len(c.times); j++ {
				f.intervals = append(f.intervals, c.times[j].Sub(c.times[j-1]))
			}
			c.mu.Unlock()
		}
	}
	if slow > 0 { // those that do not read may need longer to fall behind than the measurement takes
		select {
		case <-cuts:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(45 * time.Second):
		}
	}
	stop()
	<-cuts
	return f, nil
}

// dialAll connects all clients, 64 at a time, and starts their readers.
func dialAll(ctx context.Context, url string, good []*client, wg *sync.WaitGroup) error {
	var (
		next  atomic.Int64
		dials sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	for range 64 {
		dials.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(good) {
					return
				}
				conn, err := dial(ctx, url, false)
				if err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
					return
				}
				c := &client{conn: conn, note: i < watchers}
				good[i] = c
				wg.Go(c.read)
			}
		})
	}
	dials.Wait()
	return first
}

// middle waits for a client's next but one frame and half an interval more.
func middle(ctx context.Context, c *client) error {
	for want := c.frames.Load() + 2; c.frames.Load() < want; {
		if c.dead.Load() {
			return errors.New("the server closed the first client's connection")
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return pause(ctx, interval/2)
}

func counts(good []*client, server *rig.Proc) ([]int64, time.Duration, error) {
	all := make([]int64, len(good))
	for i, c := range good {
		all[i] = c.frames.Load()
	}
	cpu, err := server.CPU()
	return all, cpu, err
}

// watchCuts asks the server once a second how many clients it cut off, until all that do not read are.
func (f *fanned) watchCuts(ctx context.Context, url string, before float64) {
	start := time.Now()
	for f.cut < f.slow || f.slow == 0 { // with none to cut off, for the same cost as in the other runs
		if pause(ctx, time.Second) != nil {
			return
		}
		if n, err := dropped(ctx, url); err == nil {
			f.cut = int(n - before)
		}
	}
	f.cutAfter = time.Since(start)
}

// dropped returns the server's count of clients it cut off.
func dropped(ctx context.Context, url string) (float64, error) {
	c := rig.NewClient(1)
	defer c.Close()
	a, err := c.Get(ctx, url+"/metrics?name[]=controlcenter_ws_clients_dropped_total", true)
	if err != nil {
		return 0, err
	}
	samples, err := rig.ParseExposition(a.Body)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range rig.ByLabel(samples, "controlcenter_ws_clients_dropped_total", "stream") {
		sum += v
	}
	return sum, nil
}
