package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/websocket"

	"controlcenter/internal/event"
	"controlcenter/kb"
)

// feedIdle is how long a feed is silent before it says that it is there, so that proxies and clients keep the connection.
const feedIdle = 15 * time.Second

func (s *Server) knowledgeStreamRows() []*row {
	opts := knowledgeGroup(func(r *row) { r.plain = true })
	said := "First come the scans that wait or run (`knowledge_scan`, with the whole job, up to five times a second while one runs), then what happens: also " +
		"`knowledge_changed` when files can be searched that could not before. With `job` only that scan is told of, and the stream ends with it."
	job := queryParam("job", "Only this scan", &huma.Schema{Type: huma.TypeString})
	streamed := func(op *huma.Operation, r huma.Registry) {
		op.Parameters = []*huma.Param{job}
		op.Responses["101"] = &huma.Response{Description: "Text frames of this shape", Content: map[string]*huma.MediaType{jsonType: {Schema: r.Schema(typeOf[KnowledgeFrame](), true, "")}}}
	}
	names := func(r *row) { r.query = []string{"job", "token", "client_id"} }
	return []*row{
		raw("GET", knowledgePrefix+"/events", viewer, "Progress of scans, as server-sent events", s.knowledgeEvents,
			docOf("text/event-stream", "An event per frame, named by its type; the data is the frame as JSON", job), opts, names, about(said)),
		raw("GET", knowledgePrefix+"/ws", viewer, "Progress of scans", s.knowledgeSocket(), streamed, opts, names, func(r *row) { r.socket = true }, about("WebSocket. "+said)),
	}
}

// KnowledgeFrame is one message of a feed.
type KnowledgeFrame struct {
	Type       string        `json:"type" enum:"knowledge_scan,knowledge_changed"`
	Timestamp  string        `json:"timestamp" format:"date-time"`
	Job        *KnowledgeJob `json:"job,omitempty" doc:"Of knowledge_scan"`
	Generation uint64        `json:"generation,omitempty" doc:"Of knowledge_changed"`
	Put        int           `json:"put,omitempty" doc:"Files that can be searched now"`
	Deleted    int           `json:"deleted,omitempty"`
}

// feeds counts the streams that the hub does not own, so that [Server.Run] can wait for them. The zero value is ready.
type feeds struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// enter says whether another stream may begin; leave must follow.
func (f *feeds) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Add(1)
	return true
}

func (f *feeds) leave() { f.wg.Done() }

// close lets no new stream in and waits for the others, which end with the hub.
func (f *feeds) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.wg.Wait()
}

// errFeedDone ends a feed whose scan has ended.
var errFeedDone = errors.New("the scan has ended")

// begin takes what a feed needs, or answers. The function it returns gives everything back; nil = it has answered.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) (*Knowledge, func()) {
	k, err := s.knowledge()
	if err == nil && k.Bus == nil {
		err = problem(http.StatusServiceUnavailable, "progress is not told of here")
	}
	if id := r.URL.Query().Get("job"); err == nil && id != "" {
		_, err = k.job(r.Context(), id)
	}
	if err != nil {
		s.fail(w, r, problemOf(kbProblem(err)))
		return nil, nil
	}
	address := streamAddress(r)
	switch {
	case !s.hub.open() || !s.feeds.enter():
		s.fail(w, r, problem(http.StatusServiceUnavailable, "streams are closed: the server is starting or stopping").with("Retry-After", "2"))
		return nil, nil
	case !s.hub.caps.acquire(address, infoOf(r.Context()).caller.owner):
		s.feeds.leave()
		s.metrics.refused.WithLabelValues(streamNames[knowledgeStream]).Inc()
		s.fail(w, r, problem(http.StatusServiceUnavailable, "too many streams from this address or in all").with("Retry-After", "5"))
		return nil, nil
	}
	clients := s.metrics.clients.WithLabelValues(streamNames[knowledgeStream])
	clients.Inc()
	return k, func() { clients.Dec(); s.hub.caps.release(address); s.feeds.leave() }
}

// feed calls emit for each frame and idle when there was none for a while, until one of them fails, ctx ends, streams are closed
// or the job has ended; job "" = all of them.
func (s *Server) feed(ctx context.Context, k *Knowledge, job string, emit func(*KnowledgeFrame) error, idle func() error) error {
	topics := []string{kb.ScanProgress{}.Topic(), kb.DocumentsChanged{}.Topic()}
	if k.Command != nil {
		topics = append(topics, k.Command.Topic())
	}
	tick := time.NewTicker(feedIdle)
	defer tick.Stop()
	for {
		sub := k.Bus.Subscribe(64, topics...)
		err := s.feedFrom(ctx, k, sub, job, emit, idle, tick)
		sub.Close()
		if !errors.Is(err, event.ErrLagged) { // then from a snapshot again
			return err
		}
	}
}

func (s *Server) feedFrom(ctx context.Context, k *Knowledge, sub *event.Subscription, job string, emit func(*KnowledgeFrame) error, idle func() error, tick *time.Ticker) error {
	if err := k.snapshot(ctx, job, emit); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.hub.stop:
			return errStreamsClosed
		case <-tick.C:
			if err := idle(); err != nil {
				return err
			}
		case e, open := <-sub.Events():
			if !open {
				return sub.Err() //nolint:wrapcheck // compared by the caller
			}
			if err := k.tell(ctx, e, job, emit); err != nil {
				return err
			}
		}
	}
}

var errClientGone = errors.New("the client has gone")

var errStreamsClosed = errors.New("streams are closed")

// snapshot emits the scans that wait or run, or the one that was asked for.
func (k *Knowledge) snapshot(ctx context.Context, job string, emit func(*KnowledgeFrame) error) error {
	if job != "" {
		j, err := k.job(ctx, job)
		if err != nil {
			return err
		}
		return emitJob(&j, true, emit)
	}
	jobs, _, err := k.jobs(ctx, 20)
	if err != nil {
		return err
	}
	for i := range jobs {
		if !ended(&jobs[i]) {
			if err := emitJob(&jobs[i], false, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell emits what an event says, if the feed is about it.
func (k *Knowledge) tell(ctx context.Context, e event.Event, job string, emit func(*KnowledgeFrame) error) error {
	switch d := e.Data.(type) {
	case kb.ScanProgress:
		if job == "" || job == d.Job.ID {
			j := knowledgeJob(&d.Job)
			return emitJob(&j, job != "", emit)
		}
	case kb.DocumentsChanged:
		if job == "" {
			return emit(&KnowledgeFrame{Type: "knowledge_changed", Timestamp: stamp(e.At), Generation: d.Generation, Put: d.Put, Deleted: d.Deleted})
		}
	default:
		if k.Command == nil {
			return nil
		}
		run, mine := k.Command.Mine(d)
		if !mine || run == "" || job != "" && job != run {
			return nil
		}
		r, err := k.Command.Run(ctx, run)
		if errors.Is(err, kb.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read run %s of the scan command: %w", run, err)
		}
		j := knowledgeRun(&r)
		return emitJob(&j, job != "", emit)
	}
	return nil
}

func ended(j *KnowledgeJob) bool { return j.Status != kb.JobQueued && j.Status != kb.JobRunning }

// emitJob emits a scan; the last says that the feed ends with it.
func emitJob(j *KnowledgeJob, last bool, emit func(*KnowledgeFrame) error) error {
	if err := emit(&KnowledgeFrame{Type: "knowledge_scan", Timestamp: stamp(time.Now()), Job: j}); err != nil {
		return err
	}
	if last && ended(j) {
		return errFeedDone
	}
	return nil
}

// knowledgeEvents serves the feed as server-sent events.
func (s *Server) knowledgeEvents(w http.ResponseWriter, r *http.Request) {
	k, release := s.begin(w, r)
	if release == nil {
		return
	}
	defer release()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // when it passes, the request's context ends
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect what is live
	send := func(text string) error {
		_ = rc.SetWriteDeadline(time.Now().Add(writeLimit))
		if _, err := w.Write([]byte(text)); err != nil {
			return err //nolint:wrapcheck // the client is gone
		}
		return rc.Flush() //nolint:wrapcheck // as above
	}
	if send(": progress of scans\n\n") != nil {
		return
	}
	err := s.feed(r.Context(), k, r.URL.Query().Get("job"), func(f *KnowledgeFrame) error {
		b, err := encode(f)
		if err != nil {
			return fmt.Errorf("encode frame: %w", err)
		}
		return send("event: " + f.Type + "\ndata: " + string(b) + "\n\n")
	}, func() error { return send(": still here\n\n") })
	if errors.Is(err, errFeedDone) {
		_ = send("event: end\ndata: {}\n\n") // so that a browser does not connect again
	}
}

// knowledgeSocket serves the feed over a WebSocket. The handler stays until the connection ends.
func (s *Server) knowledgeSocket() http.HandlerFunc {
	up := &websocket.Upgrader{
		HandshakeTimeout: writeLimit, ReadBufferSize: 256, WriteBufferSize: 4096,
		CheckOrigin: func(*http.Request) bool { return true }, // the chain checked it
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.fail(w, r, problem(status, reason.Error()))
		},
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.isUpgrade(w, r) {
			return
		}
		k, release := s.begin(w, r)
		if release == nil {
			return
		}
		defer release()
		conn, err := up.Upgrade(w, r, http.Header{"X-Request-Id": {infoOf(r.Context()).id}})
		if err != nil {
			return // the upgrader answered, or the client is gone
		}
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context())) // of a connection that was taken over it says nothing
		defer context.AfterFunc(r.Context(), func() {
			if cause := context.Cause(r.Context()); errors.Is(cause, errRevoked) {
				cancel(cause)
			}
		})()
		var wg sync.WaitGroup
		wg.Go(func() { s.listen(conn, func() { cancel(errClientGone) }) })
		wg.Go(func() { pingUntil(ctx, conn) })
		err = s.feed(ctx, k, r.URL.Query().Get("job"), func(f *KnowledgeFrame) error {
			_ = conn.SetWriteDeadline(time.Now().Add(writeLimit))
			return writeFrame(conn, f)
		}, func() error { return nil })
		code, text := websocket.CloseGoingAway, "server is stopping"
		if errors.Is(err, errFeedDone) {
			code, text = websocket.CloseNormalClosure, err.Error()
		}
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(closeWait))
		cancel(nil)
		_ = conn.NetConn().SetReadDeadline(time.Now().Add(closeWait)) // for its answer
		wg.Wait()
		_ = conn.Close()
	}
}
