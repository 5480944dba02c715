package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/exporter"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/store"
)

// discard is the cheapest answer: what is measured is the chain.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkChain measures what a request costs from the entry to a handler that does nothing and back: finding the route, every check
// of the order of checks, the metrics. The target is a p50 of 50 µs.
func BenchmarkChain(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	keys, err := auth.Open(b.Context(), auth.Options{Store: st, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	secret, _, err := keys.NewKey(b.Context(), "bench", auth.Operator, 0, "bench")
	if err != nil {
		b.Fatal(err)
	}
	cookie, _, err := keys.NewSession(b.Context(), auth.Identity{Subject: auth.OwnerSubject, Name: "bench", Role: auth.Admin}, "192.0.2.1")
	if err != nil {
		b.Fatal(err)
	}
	settings := DefaultSettings()
	settings.CORSOrigins, settings.AllowedHosts = []string{"http://localhost:3000", "http://localhost:3001", "http://localhost:3002"}, []string{"box.example"}
	none := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	s, err := newServer(Options{
		Sampler: exporter.NewSampler(exporter.Options{Logger: log}), Registry: prometheus.NewRegistry(), Log: log, Store: st, Auth: keys,
		Audit: audit.New(st, log, func() audit.Settings { return audit.Settings{} }), Settings: func() *Settings { return settings },
	}, func(*Server) []*row {
		return []*row{
			raw("GET", "/api/bench/{id}/status", viewer, "does nothing", none, nil),
			raw("POST", "/api/bench/{id}/start", operator, "does nothing", none, nil),
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range s.rows {
		r.limit.most = 1 << 30 // it is counted, and never refused
	}
	h := s.Handler()
	owner := peer{local: true, owner: true}
	for _, c := range []struct {
		name, method, path string
		peer               peer
		headers            []string
	}{
		{"owner reads", "GET", "/api/bench/x/status", owner, nil},
		{"key reads", "GET", "/api/bench/x/status", peer{}, []string{"Authorization", "Bearer " + secret}},
		{"session reads", "GET", "/api/bench/x/status", peer{}, []string{"Cookie", "NAME=" + cookie}},
		{"existing page acts", "POST", "/api/bench/x/start", owner, []string{"Origin", "http://localhost:3001", "Sec-Fetch-Site", "same-site", "Content-Type", "application/json"}},
		{"key acts", "POST", "/api/bench/x/start", peer{}, []string{"X-Api-Key", secret}},
		{"stranger is refused", "GET", "/api/bench/x/status", peer{}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(c.method, "http://localhost:8080"+c.path, nil)
			r.RemoteAddr = "192.0.2.1:4242"
			for i := 0; i+1 < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			if v := r.Header.Get("Cookie"); v != "" {
				r.Header.Set("Cookie", s.cookieName(r)+v[len("NAME"):])
			}
			ctx := context.WithValue(r.Context(), peerKey{}, c.peer)
			took := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for b.Loop() {
				begin := time.Now()
				h.ServeHTTP(discard{http.Header{}}, r.WithContext(ctx))
				if len(took) < cap(took) {
					took = append(took, time.Since(begin))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r.WithContext(ctx))
			if refused := c.name == "stranger is refused"; (w.Code != http.StatusOK) != refused {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		})
	}
}
