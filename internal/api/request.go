package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"time"

	"controlcenter/internal/store"
)

// request is what the chain knows of one request; made first, found by [infoOf] everywhere.
type request struct {
	id     string
	row    *row              // nil when no route fits
	vars   map[string]string // of the row's path
	allow  string            // methods that the path has, when only the method does not fit
	slash  bool              // the path without its last slash has a route
	caller caller

	http       *http.Request // as it came
	ip         netip.Addr    // of the client; not valid over the unix socket
	token      string        // that came with a WebSocket's address
	dropCookie bool          // the browser has a session that is over
	target     string        // for the audit log, when the path does not name it
	reads      bool          // it changed nothing, whatever its method
	problem    string        // what the client was told
	rider      *store.Rider
}

// aimAt names what a request is about in the audit log, where its path does not.
func aimAt(ctx context.Context, target string) { infoOf(ctx).target = target }

type requestKey struct{}

func infoOf(ctx context.Context) *request {
	if info, ok := ctx.Value(requestKey{}).(*request); ok {
		return info
	}
	return &request{} // a handler called without the chain: nobody, no id
}

// requestID takes a sane id of the client over, so that its logs and ours can be joined, or makes one.
func requestID(given string) string {
	if n := len(given); n > 0 && n <= 64 {
		sane := true
		for i := range n {
			c := given[i]
			sane = sane && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
		}
		if sane {
			return given
		}
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// remoteIP is the peer's address, unmapped; the zero Addr for a unix socket.
func remoteIP(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// localIP is the address the connection came in on; the zero Addr for a unix socket.
func localIP(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// responseWriter remembers the status for the log, the metrics and the recovery of panics.
type responseWriter struct {
	http.ResponseWriter
	status int // 0 = nothing sent yet
	bytes  int64
	moved  time.Time // when the write deadline was last moved on
	own    bool      // the handler sees to the deadline
}

func (w *responseWriter) WriteHeader(code int) {
	if w.status == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.status = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.patient()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// patient gives the client time for what is about to be written: one that does not read must not hold a goroutine for the minutes
// that a large answer may take.
func (w *responseWriter) patient() {
	if w.own {
		return
	}
	if now := time.Now(); now.Sub(w.moved) > writeStep {
		w.moved = now
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(writePause)) // not every writer has one
	}
}

// SetWriteDeadline is for handlers whose writes have deadlines of their own.
func (w *responseWriter) SetWriteDeadline(at time.Time) error {
	w.own = true
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(at) //nolint:wrapcheck // stands for the other
}

// Unwrap lets http.ResponseController reach the deadlines of the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush sends what is buffered.
func (w *responseWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack hands the connection over for a WebSocket.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return c, rw, err
}
