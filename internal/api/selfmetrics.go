package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// selfMetrics are the server's own.
type selfMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	clients  *prometheus.GaugeVec
	frames   *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	cut      *prometheus.CounterVec
	refused  *prometheus.CounterVec
	turned   *prometheus.CounterVec
}

func newSelfMetrics(reg *prometheus.Registry) (*selfMetrics, error) {
	labels := []string{"handler", "method", "status"}
	m := &selfMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "Requests answered, by route, method and status code.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "http_request_duration_seconds",
			Help:                            "Time from the request's headers to the end of its answer; of a WebSocket, to the upgrade.",
			Buckets:                         []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, labels),
		clients: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "controlcenter_ws_clients",
			Help: "WebSocket clients connected now.",
		}, []string{"stream"}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_ws_frames_total",
			Help: "Frames handed to the writers of WebSocket clients.",
		}, []string{"stream"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_ws_frames_dropped_total",
			Help: "Frames replaced by a newer one before a slow client took them.",
		}, []string{"stream"}),
		cut: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_ws_clients_dropped_total",
			Help: "WebSocket clients cut off: a write took longer than 5 s, or no answer to a ping.",
		}, []string{"stream"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_ws_refused_total",
			Help: "WebSocket upgrades refused because a cap was reached.",
		}, []string{"stream"}),
		turned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_http_refused_total",
			Help: "Requests and connections that were turned away before a handler saw them, by reason.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.clients, m.frames, m.dropped, m.cut, m.refused, m.turned} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the server's metrics: %w", err)
		}
	}
	for _, stream := range streamNames {
		m.clients.WithLabelValues(stream)
		m.frames.WithLabelValues(stream)
		m.dropped.WithLabelValues(stream)
		m.cut.WithLabelValues(stream)
		m.refused.WithLabelValues(stream)
	}
	for _, reason := range refusedReasons {
		m.turned.WithLabelValues(reason)
	}
	return m, nil
}

// request counts one answer. Every label is bounded: routes of the table, known methods, status codes we send.
func (m *selfMetrics) request(r *row, method string, status int, took time.Duration) {
	handler := "none"
	if r != nil {
		handler = r.path
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	code := strconv.Itoa(status)
	m.requests.WithLabelValues(handler, method, code).Inc()
	m.duration.WithLabelValues(handler, method, code).Observe(took.Seconds())
}
