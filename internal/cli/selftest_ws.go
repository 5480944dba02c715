package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// stream is one WebSocket route.
type stream struct {
	path   string
	every  time.Duration            // 0 = as stream.interval says
	sooner bool                     // a frame also comes when something changes
	mixed  bool                     // it carries the frames of several streams: they have no common beat
	check  func(frame []byte) error // what old clients need of a frame, beside its documented schema; nil = no more
	frame  *schema                  // documented
}

// knownStreams are the streams of the first contract; a server that lacks one fails. Others come from its document.
var knownStreams = [...]stream{
	{path: "/ws", check: checkSystemFrame},
	{path: "/api/system/ws", check: checkSystemFrame},
	{path: "/api/system/metrics", every: time.Second, check: checkMetricsFrame},
	{path: "/api/services/ws", sooner: true},
	{path: "/api/live", mixed: true},
}

func (s *selftest) streams() []stream {
	out := slices.Clone(knownStreams[:])
	for _, path := range sortedKeys(s.doc.Paths) {
		var op operation
		if raw, ok := s.doc.Paths[path]["get"]; !ok || json.Unmarshal(raw, &op) != nil {
			continue
		}
		upgrade, ok := op.Responses["101"]
		if !ok || strings.Contains(path, "{") || path == "/api/knowledge/ws" { // it speaks only while a scan runs
			continue
		}
		i := slices.IndexFunc(out, func(st stream) bool { return st.path == path })
		if i < 0 {
			i = len(out)
			out = append(out, stream{path: path})
		}
		out[i].frame = upgrade.Content["application/json"].Schema
	}
	return out
}

func (s *selftest) streamProbes() []probe {
	var out []probe
	for _, st := range s.streams() {
		out = append(out, probe{name: "WS " + st.path, slow: true, run: func(ctx context.Context) (string, error) { return s.tryStream(ctx, st) }})
	}
	return append(out,
		probe{name: "WS 403 for a foreign origin", run: func(ctx context.Context) (string, error) {
			return s.refusedUpgrade(ctx, "/ws", http.Header{"Origin": {foreignOrigin}}, http.StatusForbidden)
		}},
		probe{name: "WS unknown path", run: func(ctx context.Context) (string, error) {
			return s.refusedUpgrade(ctx, "/selftest/ws", nil, http.StatusNotFound, http.StatusForbidden)
		}},
	)
}

// dialWS opens a WebSocket to the same server as the client's.
func (s *selftest) dialWS(ctx context.Context, path string, header http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: s.c.timeout}
	if tr, ok := s.c.http.Transport.(*http.Transport); ok {
		d.NetDialContext = tr.DialContext
		d.TLSClientConfig = tr.TLSClientConfig
	}
	h := http.Header{"User-Agent": {s.c.agent}}
	for k, v := range header {
		h[k] = v
	}
	return d.DialContext(ctx, "ws"+strings.TrimPrefix(s.c.base, "http")+path, h)
}

func (s *selftest) tryStream(ctx context.Context, st stream) (string, error) {
	every := st.every
	if every == 0 {
		every = s.interval
	}
	begin := time.Now()
	conn, resp, err := s.dialWS(ctx, st.path, nil) //nolint:bodyclose // gorilla keeps the body in memory: nothing to close
	if err != nil {
		if resp != nil {
			return "", fmt.Errorf("handshake: status %d", resp.StatusCode)
		}
		return "", fmt.Errorf("handshake: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var at [4]time.Time
	for i := range at {
		if err := conn.SetReadDeadline(time.Now().Add(2*every + s.slack)); err != nil {
			return "", err
		}
		kind, frame, err := conn.ReadMessage()
		at[i] = time.Now()
		switch {
		case err != nil:
			return "", fmt.Errorf("frame %d: %w", i+1, err)
		case kind != websocket.TextMessage:
			return "", fmt.Errorf("frame %d is not text", i+1)
		}
		if err := s.checkFrame(st, frame); err != nil {
			return "", fmt.Errorf("frame %d: %w", i+1, err)
		}
		// Old clients talk; whatever they say must not end the stream.
		if err := conn.WriteMessage(websocket.TextMessage, []byte([]string{`{"type":"ping"}`, `{"type":"subscribe"}`, `not json`, ``}[i])); err != nil {
			return "", fmt.Errorf("send after frame %d: %w", i+1, err)
		}
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
	first := at[0].Sub(begin)
	gap := at[3].Sub(at[1]) / 2 // the first gap is short: the first frame comes at once, the second on the beat
	if first > s.slack {
		return "", fmt.Errorf("first frame after %s, want it at once (see --slack)", first.Round(time.Millisecond))
	}
	if st.mixed {
		return fmt.Sprintf("first frame after %s", first.Round(time.Millisecond)), nil
	}
	if gap-every > s.slack || every-gap > s.slack && !st.sooner {
		return "", fmt.Errorf("a frame every %s, want %s (see --interval and --slack)", gap.Round(time.Millisecond), every)
	}
	return fmt.Sprintf("first frame after %s, then every %s", first.Round(time.Millisecond), gap.Round(time.Millisecond)), nil
}

func (s *selftest) checkFrame(st stream, frame []byte) error {
	var v any
	if err := json.Unmarshal(frame, &v); err != nil {
		return err
	}
	if err := s.doc.validate(st.frame, v, "frame"); err != nil || st.check == nil {
		return err
	}
	return st.check(frame)
}

// refusedUpgrade wants the handshake answered with one of the statuses, in the one error shape.
func (s *selftest) refusedUpgrade(ctx context.Context, path string, header http.Header, want ...int) (string, error) {
	conn, resp, err := s.dialWS(ctx, path, header)
	if err == nil {
		conn.Close()
		return "", errors.New("the upgrade was accepted")
	}
	if resp == nil {
		return "", fmt.Errorf("handshake: %w", err)
	}
	defer resp.Body.Close()
	for _, status := range want {
		if resp.StatusCode == status {
			return fmt.Sprintf("status %d", status), nil
		}
	}
	return "", fmt.Errorf("status %d, want %v", resp.StatusCode, want)
}

func checkSystemFrame(frame []byte) error {
	type part struct {
		Percent *float64 `json:"percent"`
		Total   *float64 `json:"total"`
		UsedGB  *float64 `json:"used_gb"`
		TotalGB *float64 `json:"total_gb"`
	}
	var f struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		CPU       struct {
			Usage        *float64 `json:"usage"`
			UsagePercent *float64 `json:"usage_percent"`
		} `json:"cpu"`
		Memory part `json:"memory"`
		Disk   part `json:"disk"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	switch {
	case f.Type != "system_stats":
		return fmt.Errorf("type %q, want system_stats", clean(f.Type))
	case f.Timestamp.IsZero():
		return errors.New("no timestamp")
	case f.CPU.Usage == nil || f.CPU.UsagePercent == nil:
		return errors.New("cpu lacks usage or usage_percent")
	}
	for name, p := range map[string]part{"memory": f.Memory, "disk": f.Disk} {
		if p.Percent == nil || p.Total == nil || p.UsedGB == nil || p.TotalGB == nil {
			return fmt.Errorf("%s lacks percent, total, used_gb or total_gb", name)
		}
	}
	return nil
}

func checkMetricsFrame(frame []byte) error {
	var f struct {
		CPU, Memory, Disk *float64
		Timestamp         time.Time `json:"timestamp"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	if f.CPU == nil || f.Memory == nil || f.Disk == nil || f.Timestamp.IsZero() {
		return errors.New("lacks cpu, memory, disk or timestamp")
	}
	return nil
}
