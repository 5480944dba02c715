package auth

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct{ failures *prometheus.CounterVec }

// Reasons of failed attempts.
var failureReasons = []string{"key", "token", "session", "code", "password", "throttled"}

func (m *metrics) init() {
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "controlcenter_auth_failures_total",
		Help: "Attempts to prove an identity that were refused, by what was wrong; throttled ones were not looked at.",
	}, []string{"reason"})
	for _, r := range failureReasons {
		m.failures.WithLabelValues(r)
	}
}

var (
	descKeys     = prometheus.NewDesc("controlcenter_auth_keys", "API keys that are not revoked, by state: valid or expired.", []string{"state"}, nil)
	descUsers    = prometheus.NewDesc("controlcenter_auth_users", "Users, by state: active or inactive.", []string{"state"}, nil)
	descSessions = prometheus.NewDesc("controlcenter_auth_sessions", "Browser sessions that have not ended.", nil, nil)
)

// Describe implements prometheus.Collector.
func (a *Auth) Describe(c chan<- *prometheus.Desc) {
	a.metrics.failures.Describe(c)
	c <- descKeys
	c <- descUsers
	c <- descSessions
}

// Collect implements prometheus.Collector.
func (a *Auth) Collect(c chan<- prometheus.Metric) {
	a.metrics.failures.Collect(c)
	var keys, users [2]float64
	now := time.Now()
	a.mu.RLock()
	for _, k := range a.keys {
		keys[bit(k.expired(now))]++
	}
	for _, u := range a.users {
		users[bit(!u.Active)]++
	}
	sessions := float64(len(a.live))
	a.mu.RUnlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descKeys, keys[0], "valid")
	gauge(descKeys, keys[1], "expired")
	gauge(descUsers, users[0], "active")
	gauge(descUsers, users[1], "inactive")
	gauge(descSessions, sessions)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
