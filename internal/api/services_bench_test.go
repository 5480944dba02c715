package api

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/control"
	"controlcenter/control/keeper"
	"controlcenter/exporter"
	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// crowd is a manager of n services, none of which runs.
func crowd(b *testing.B, n int) (*store.Store, *control.Manager) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	var files []control.Definition
	for i := range n {
		files = append(files, control.Definition{Origin: "controlcenter.yaml:1", Spec: &control.Spec{
			ID: fmt.Sprintf("service-%03d", i), Description: "one of many", Command: []string{"sleep", "1000"}, Ports: []uint16{uint16(20000 + i)},
			Tags: []string{"bench"}, Env: map[string]string{"PLAIN": "value", "API_TOKEN": "hush"},
		}})
	}
	m, err := control.New(b.Context(), control.Options{
		Store: db, Bus: &event.Bus{}, Log: log, Files: files,
		Launcher: keeper.NewClient(keeper.ClientOptions{Dir: b.TempDir(), LogDir: b.TempDir(), Log: log}),
	})
	if err != nil {
		b.Fatal(err)
	}
	return db, m
}

func BenchmarkServiceList(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	db, m := crowd(b, 200)
	s, err := newServer(Options{
		Sampler: exporter.NewSampler(exporter.Options{Logger: log}), Registry: prometheus.NewRegistry(), Log: log, Store: db, Services: m,
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	hs := httptest.NewUnstartedServer(s.Handler())
	hs.Config.ConnContext = s.ConnContext
	hs.Start()
	b.Cleanup(hs.Close)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for _, encoding := range []string{"", "gzip"} {
		b.Run("http/"+encoding, func(b *testing.B) {
			var took []time.Duration
			bytes := int64(0)
			for b.Loop() {
				began := time.Now()
				r, err := http.NewRequestWithContext(b.Context(), "GET", hs.URL+"/api/services", nil)
				if err != nil {
					b.Fatal(err)
				}
				if encoding != "" {
					r.Header.Set("Accept-Encoding", encoding)
				}
				res, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				bytes, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 {
					b.Fatal(res.StatusCode, err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(bytes), "body-bytes")
		})
	}
	b.Run("frame", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.hub.services.frame(time.Now())
		}
	})
}
