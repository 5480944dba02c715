package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/exporter"
)

// The list of a machine with 1,000 listeners between readings, as a dashboard asks for it.
func BenchmarkPorts1000(b *testing.B) {
	list := make([]exporter.Port, 1000)
	for i := range list {
		list[i] = exporter.Port{Protocol: "tcp", Address: "127.0.0.1", Port: 3000 + 5*i, State: "LISTEN", PID: 1000 + i/100, Process: "server"}
	}
	snap := machine(1)
	reading := &exporter.Ports{List: list}
	st := DefaultSettings()
	st.Auth = ModeOpen
	log := slog.New(slog.DiscardHandler)
	s, err := newServer(Options{
		Sampler: exporter.NewSampler(exporter.Options{Logger: log}), Registry: prometheus.NewRegistry(), Log: log,
		Settings: func() *Settings { return st },
	}, func(s *Server) []*row {
		return []*row{typed(s, "GET", "/bench/ports", viewer, "ports", func(_ context.Context, in *PortsInput) (*portsAnswer, error) {
			in.Start, in.End = 3000, 9000
			return s.portLists.answer(snap, reading, in)
		})}
	})
	if err != nil {
		b.Fatal(err)
	}
	h := s.Handler()
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "http://localhost/bench/ports", nil)
				r.RemoteAddr = "127.0.0.1:1"
				r.Header.Set("Accept-Encoding", encoding)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{local: true})))
				if w.Code != 200 {
					b.Fatal(fmt.Sprint(w.Code, w.Body))
				}
			}
		})
	}
}
