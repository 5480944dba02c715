package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/exporter"
)

// benchServer has no running sampler: what is measured is the chain, the encoding and the compression. With collectors in the
// tree the handlers would wait for a first reading, so the bodies are built from a made-up snapshot.
func benchServer(b *testing.B) *Server {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	snap := machine(1)
	st := DefaultSettings()
	st.Auth = ModeOpen
	s, err := newServer(Options{
		Sampler: exporter.NewSampler(exporter.Options{Logger: log}), Registry: prometheus.NewRegistry(), Log: log,
		Settings: func() *Settings { return st },
	}, func(s *Server) []*row {
		return []*row{
			typed(s, "GET", "/bench/stats", viewer, "stats", func(context.Context, *noInput) (*answerOf[StatsBody], error) {
				return ok(s.statsOf(snap)), nil
			}),
			typed(s, "GET", "/bench/processes", viewer, "processes", func(_ context.Context, in *ProcessesInput) (*answerOf[ProcessesBody], error) {
				return ok(processesOf(snap, in)), nil
			}),
			typed(s, "GET", "/bench/ports", viewer, "ports", func(_ context.Context, in *PortsInput) (*answerOf[PortsBody], error) {
				body, err := portsOf(snap, exporter.Get[exporter.Ports](snap).List, in)
				return ok(*body), err
			}),
			typed(s, "GET", "/bench/history", viewer, "history", func(context.Context, *noInput) (*answerOf[HistoryBody], error) {
				return ok(HistoryBody{curves: fullHistory()}), nil
			}),
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func fullHistory() exporter.Curves {
	c := exporter.Curves{Interval: 2 * time.Second, Values: map[string][]float32{}, Cores: make([][]float32, 8)}
	column := make([]float32, 450)
	for i := range column {
		c.Times = append(c.Times, int64(1.7e12)+int64(2000*i))
		column[i] = float32(i) / 7
	}
	for i := range 14 {
		c.Values[fmt.Sprint("curve_", i)] = column
	}
	for i := range c.Cores {
		c.Cores[i] = column
	}
	return c
}

func BenchmarkHandler(b *testing.B) {
	s := benchServer(b)
	h := s.Handler()
	for _, path := range []string{"/health/live", "/bench/stats", "/bench/processes", "/bench/ports", "/bench/history", "/metrics"} {
		for _, encoding := range []string{"", "gzip"} {
			b.Run(strings.TrimPrefix(path, "/")+"/"+encoding, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
					r.RemoteAddr = "127.0.0.1:1"
					r.Header.Set("Accept-Encoding", encoding)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{local: true})))
					if w.Code != 200 && path != "/health" {
						b.Fatal(w.Code, w.Body)
					}
				}
			})
		}
	}
}

func BenchmarkEncodeFrame(b *testing.B) {
	snap := machine(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := prepare(systemFrame(snap)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFanOut measures one broadcast to all clients until each has read its frame. cpu-µs/client-frame is the CPU time of the whole
// process, the reading clients of the benchmark included; KiB/client is heap and stacks of both
// sides, without the benchmark's read buffers.
func BenchmarkFanOut(b *testing.B) {
	for _, clients := range []int{100, 1000, 4000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) { fanOut(b, clients) })
	}
}

func fanOut(b *testing.B, clients int) {
	f := &feed{c: make(chan *exporter.Snapshot)}
	f.now.Store(machine(1))
	s := benchServer(b)
	s.hub.newest, s.hub.listen = f.now.Load, func() rounds { return f }
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	hs := httptest.NewUnstartedServer(s.Handler())
	hs.Config.ConnContext = s.ConnContext
	hs.Start()
	defer hs.Close()
	for !s.hub.open() {
		runtime.Gosched()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	addr := strings.TrimPrefix(hs.URL, "http://")
	conns := make([]*bufio.Reader, clients)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		conns[i] = bufio.NewReaderSize(c, 4096)
		for {
			line, err := conns[i].ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if line == "\r\n" {
				break
			}
		}
		readFrame(b, conns[i])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := float64(after.HeapInuse+after.StackInuse) - float64(before.HeapInuse+before.StackInuse)
	seq := uint64(1)
	start := cpuTime()
	for b.Loop() {
		seq++
		f.round(seq)
		for _, c := range conns {
			readFrame(b, c)
		}
	}
	perFrame := (cpuTime() - start).Seconds() * 1e6 / float64(clients) / float64(b.N)
	b.ReportMetric(perFrame, "cpu-µs/client-frame")
	b.ReportMetric(used/1024/float64(clients)-4, "KiB/client")
	cancel()
	wg.Wait()
}

// readFrame reads one unmasked text frame of less than 64 KiB.
func readFrame(b *testing.B, r *bufio.Reader) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		b.Fatal(err)
	}
	n := int(head[1] & 127)
	if n == 126 {
		n = int(head[2])<<8 | int(head[3])
	} else {
		n -= 2
	}
	if _, err := r.Discard(n); err != nil {
		b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
