package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"controlcenter/exporter"
	"controlcenter/internal/event"
)

// The streams. /ws and /api/system/ws are the same one.
const (
	systemStream = iota
	metricsStream
	serviceStream
	logStream // the clients of this and the next are not the hub's: each is told something else
	knowledgeStream
	liveStream // what system and services say, over one connection
	streamCount
)

var streamNames = [streamCount]string{"system", "metrics", "services", "logs", "knowledge", "live"}

const (
	writeLimit = 5 * time.Second // a write that takes longer ends the connection
	pingEvery  = 4 * time.Second // pings ride along with frames: two bytes more
	silence    = 9 * time.Second // who was not heard for so long does not read: its socket may take frames for minutes yet
	closeWait  = time.Second     // for the closing handshake
	watchEvery = time.Second     // how often clients are looked after; the cadence of the metrics stream
)

// rounds delivers a snapshot per round of the sampler.
type rounds interface {
	C() <-chan *exporter.Snapshot
	Close()
}

type samplerRounds struct{ sub *exporter.Subscription }

// C returns the channel of the subscription.
func (r samplerRounds) C() <-chan *exporter.Snapshot { return r.sub.C }

// Close ends it.
func (r samplerRounds) Close() { r.sub.Close() }

// hub owns every stream client. Its one goroutine, run, is the only one that hands frames out; each client has a goroutine
// that reads and one that writes, both waited for by run. Without clients it is subscribed to nothing and encodes nothing.
type hub struct {
	log      *slog.Logger
	metrics  *selfMetrics
	newest   func() *exporter.Snapshot // counts as a reader of dear parts
	listen   func() rounds
	settings func() *Settings
	services *serviceFeed // nil = there are none

	join, leave chan *client
	stop        chan struct{} // closed by close: no new clients
	quit        chan struct{} // closed by run: writers say goodbye, readers end
	stopOnce    sync.Once
	running     atomic.Bool
	caps        caps
	times       times
}

// times are the hub's patience; a test has less of it.
type times struct{ write, ping, silence, watch time.Duration }

func newHub(log *slog.Logger, m *selfMetrics, newest func() *exporter.Snapshot, listen func() rounds, st func() *Settings) *hub {
	return &hub{
		log: log, metrics: m, newest: newest, listen: listen, settings: st,
		join: make(chan *client), leave: make(chan *client), stop: make(chan struct{}), quit: make(chan struct{}),
		caps:  caps{total: 20_000, perLocal: 20_000, perRemote: 256, by: map[netip.Prefix]int{}},
		times: times{writeLimit, pingEvery, silence, watchEvery},
	}
}

// client is one connection. The hub's goroutine owns the fields without a comment.
type client struct {
	conn    *websocket.Conn
	stream  int
	address netip.Prefix
	index   int // in the stream's list
	ping    time.Time
	left    func() // nil = nothing; called when it has left

	slot    chan *message // the newest frame not yet written; nil = only look at pinging
	beside  chan *message // the same for frames of services, of a live client; nil of others
	gone    chan struct{} // closed by the reader when the connection ended
	writing atomic.Int64  // unix nanoseconds when the write under way began; 0 = none
	seen    atomic.Int64  // unix nanoseconds when it was last heard
	pinging atomic.Bool   // a ping is to be written
}

// streamState is the hub's view of one stream.
type streamState struct {
	clients []*client
	frame   *message
	seq     uint64    // of the snapshot in frame
	sent    time.Time // when a frame was last handed out
	made    time.Time // when frame was encoded; of services only
	waits   bool      // a change of services waits to be told
}

var errHubTwice = errors.New("the streams run already")

// run hands out frames until ctx ends or close is called, then closes all clients and waits for their goroutines.
func (h *hub) run(ctx context.Context) error {
	if !h.running.CompareAndSwap(false, true) {
		return errHubTwice
	}
	var (
		wg      sync.WaitGroup
		streams streamStates
		sub     rounds
		next    <-chan *exporter.Snapshot
		watch   = time.NewTicker(h.times.watch)
		total   = 0

		changes *event.Subscription // of services
		changed <-chan event.Event
		gather  = time.NewTimer(0) // when it fires, the frame of the services goes out
	)
	gather.Stop()
	defer gather.Stop()
	watch.Stop()
	defer watch.Stop()
	defer func() {
		if changes != nil {
			changes.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			h.close()
			h.end(&streams, &wg, sub)
			return context.Cause(ctx)
		case <-h.stop:
			h.end(&streams, &wg, sub)
			<-ctx.Done()
			return context.Cause(ctx)
		case c := <-h.join:
			st := &streams[c.stream]
			c.index = len(st.clients)
			st.clients = append(st.clients, c)
			h.metrics.clients.WithLabelValues(streamNames[c.stream]).Inc()
			if total++; total == 1 {
				watch.Reset(h.times.watch)
			}
			if hearsSystem(c.stream) && sub == nil {
				sub = h.listen()
				next = sub.C()
			}
			if h.hearsServices(c.stream) && changes == nil {
				_, changes = h.services.listen(serviceBuffer)
				changed = changes.Events()
				streams[serviceStream].frame, streams[serviceStream].sent = nil, time.Now() // the first frame is sent below
			}
			c.ping = time.Now().Add(h.times.ping)
			wg.Go(func() { c.write(h.quit) })
			wg.Go(func() { c.read(h.leave, h.quit) })
			h.greet(&streams, c) // the first frame at once
		case c := <-h.leave:
			st := &streams[c.stream]
			last := st.clients[len(st.clients)-1]
			st.clients[c.index], last.index = last, c.index
			st.clients[len(st.clients)-1] = nil
			st.clients = st.clients[:len(st.clients)-1]
			h.metrics.clients.WithLabelValues(streamNames[c.stream]).Dec()
			h.caps.release(c.address)
			c.hasLeft()
			if total--; total == 0 {
				watch.Stop()
			}
			if hearsSystem(c.stream) && sub != nil && !streams.heard(systemStream) {
				sub.Close()
				sub, next = nil, nil
			}
			if h.hearsServices(c.stream) && changes != nil && !streams.heard(serviceStream) {
				changes.Close()
				changes, changed = nil, nil
				gather.Stop()
				streams[serviceStream].frame, streams[serviceStream].waits = nil, false
			}
		case snap := <-next:
			h.newest() // the frame shows dear parts
			st := &streams[systemStream]
			if least := h.settings().StreamInterval; time.Since(st.sent) >= least-least/4 {
				h.broadcast(st, systemStream, snap)
				h.handLive(&streams[liveStream], systemStream, st.frame)
			}
		case _, more := <-changed:
			if !more { // the hub was too slow: the list has it all
				_, changes = h.services.listen(serviceBuffer)
				changed = changes.Events()
			}
			if st := &streams[serviceStream]; !st.waits {
				st.waits = true
				gather.Reset(max(serviceGather-time.Since(st.sent), 0))
			}
		case <-gather.C:
			h.tellServices(&streams)
		case now := <-watch.C:
			every := cmp.Or(h.settings().StreamInterval, serviceEvery)
			if st := &streams[serviceStream]; changes != nil && now.Sub(st.sent) >= every-h.times.watch/2 {
				gather.Stop()
				h.tellServices(&streams)
			}
			if st := &streams[metricsStream]; len(st.clients) > 0 {
				st.frame = nil // its time is that of sending
				h.broadcast(st, metricsStream, h.newest())
			}
			for i := range streams {
				h.look(&streams[i], now)
			}
		}
	}
}

// frame returns the encoded frame of a snapshot; of one snapshot it is encoded once.
func (h *hub) frame(st *streamState, stream int, snap *exporter.Snapshot) *message {
	if st.frame != nil && st.seq == snap.Seq {
		return st.frame
	}
	var v any = systemFrame(snap)
	if stream == metricsStream {
		v = metricsFrame(snap, time.Now())
	}
	m, err := prepare(v)
	if err != nil { // cannot happen: the frames are plain structs
		h.log.Error("encode stream frame", "stream", streamNames[stream], "err", err)
		return nil
	}
	st.frame, st.seq = m, snap.Seq
	return m
}

// first returns what a client that joins is sent.
func (h *hub) first(st *streamState, stream int) *message {
	if stream != serviceStream {
		return h.frame(st, stream, h.newest())
	}
	if st.frame == nil || st.waits || time.Since(st.made) > serviceGather { // many that join at once share one
		st.frame, st.made = h.services.frame(time.Now()), time.Now()
	}
	return st.frame
}

// tellServices sends all services to all who listen.
func (h *hub) tellServices(streams *streamStates) {
	st := &streams[serviceStream]
	st.frame, st.made, st.waits = h.services.frame(time.Now()), time.Now(), false
	h.hand(st, serviceStream, st.frame)
	h.handLive(&streams[liveStream], serviceStream, st.frame)
}

// broadcast puts the frame into every client's slot, in place of one that is still there.
func (h *hub) broadcast(st *streamState, stream int, snap *exporter.Snapshot) {
	if f := h.frame(st, stream, snap); f != nil {
		h.hand(st, stream, f)
	}
}

func (h *hub) hand(st *streamState, stream int, f *message) {
	dropped := 0
	for _, c := range st.clients {
		dropped += place(c.slot, f)
	}
	st.sent = time.Now()
	h.metrics.frames.WithLabelValues(streamNames[stream]).Add(float64(len(st.clients)))
	h.metrics.dropped.WithLabelValues(streamNames[stream]).Add(float64(dropped))
}

// place puts a frame into a slot, in place of one that is still there; it returns how many frames that dropped.
func place(slot chan *message, f *message) (dropped int) {
	select {
	case old := <-slot:
		if old != nil {
			dropped = 1
		}
	default:
	}
	slot <- f // only the hub's goroutine sends: the place is free
	return dropped
}

// look pings whose turn it is and cuts off who does not take or not answer.
func (h *hub) look(st *streamState, now time.Time) {
	for _, c := range st.clients {
		began := c.writing.Load()
		switch {
		case began != 0 && now.UnixNano()-began > int64(h.times.write), now.UnixNano()-c.seen.Load() > int64(h.times.silence):
			h.metrics.cut.WithLabelValues(streamNames[c.stream]).Inc()
			c.hangUp() // its reader reports it
		case now.After(c.ping):
			c.ping = now.Add(h.times.ping)
			c.pinging.Store(true)
			if every := h.settings().StreamInterval; every > 0 && 2*every <= h.times.ping {
				break // the next frame takes it along
			}
			select {
			case c.slot <- nil:
			default: // a frame lies there
			}
		}
	}
}

// end says goodbye to every client and waits for the goroutines; a client that does not take it is cut off after a second.
func (h *hub) end(streams *streamStates, wg *sync.WaitGroup, sub rounds) {
	if sub != nil {
		sub.Close()
	}
	for i := range streams {
		for _, c := range streams[i].clients {
			_ = c.conn.NetConn().SetDeadline(time.Now().Add(closeWait))
		}
	}
	close(h.quit)
	wg.Wait()
	for i := range streams {
		h.metrics.clients.WithLabelValues(streamNames[i]).Sub(float64(len(streams[i].clients)))
		for _, c := range streams[i].clients {
			h.caps.release(c.address)
			c.hasLeft()
		}
	}
}

func (c *client) hasLeft() {
	if c.left != nil {
		c.left()
	}
}

// close lets no new client in and makes run close the others.
func (h *hub) close() {
	if h != nil {
		h.stopOnce.Do(func() { close(h.stop) })
	}
}

// open reports whether clients are taken.
func (h *hub) open() bool {
	select {
	case <-h.stop:
		return false
	default:
		return h.running.Load()
	}
}

// add hands a connection over; false when the hub closed meanwhile.
func (h *hub) add(c *client) bool {
	select {
	case h.join <- c:
		return true
	case <-h.stop:
		return false
	}
}

// write sends what lies in the slot. It ends with the connection.
func (c *client) write(quit <-chan struct{}) {
	for {
		var f *message
		select {
		case f = <-c.slot:
		case f = <-c.beside:
		case <-c.gone:
			return
		case <-quit:
			bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "server is stopping")
			_ = c.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(closeWait)) // the deadline ends who does not take it
			return
		}
		c.writing.Store(time.Now().UnixNano())
		_, err := c.conn.NetConn().Write(c.bytes(f))
		c.writing.Store(0)
		if err != nil {
			c.hangUp()
			return
		}
	}
}

// bytes is what to write for a slot's content: nil is a ping alone.
func (c *client) bytes(f *message) []byte {
	ping := c.pinging.CompareAndSwap(true, false)
	switch {
	case f == nil:
		return pingFrame()
	case ping:
		return f.pinged
	default:
		return f.plain
	}
}

// read throws away what the client says (some send their own pings and subscriptions) and notices its end.
func (c *client) read(leave chan<- *client, quit <-chan struct{}) {
	c.conn.SetPongHandler(func(string) error {
		c.seen.Store(time.Now().UnixNano())
		return nil
	})
	c.conn.SetPingHandler(func(said string) error { // gorilla's own would leave a write deadline behind
		c.seen.Store(time.Now().UnixNano())
		_, err := c.conn.NetConn().Write(append([]byte{finPong, byte(len(said))}, said...)) // at most 125 bytes
		return err
	})
	for {
		if _, _, err := c.conn.NextReader(); err != nil {
			break
		}
		c.seen.Store(time.Now().UnixNano())
	}
	c.hangUp()
	close(c.gone)
	select {
	case leave <- c:
	case <-quit:
	}
}

// hangUp closes the socket; both goroutines end by it.
func (c *client) hangUp() { _ = c.conn.NetConn().Close() }

// caps count connections, in all and per address.
type caps struct {
	mu                         sync.Mutex
	total, perLocal, perRemote int
	n                          int
	by                         map[netip.Prefix]int
}

// acquire takes a place, or says no.
func (c *caps) acquire(address netip.Prefix, local bool) bool {
	most := c.perRemote
	if local {
		most = c.perLocal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n >= c.total || c.by[address] >= most {
		return false
	}
	c.n++
	c.by[address]++
	return true
}

func (c *caps) release(address netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.by[address]--; c.by[address] <= 0 {
		delete(c.by, address)
	}
}
