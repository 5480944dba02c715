package notify

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/store"
)

// retried is the result of an attempt that failed and is made again.
const retried = "retried"

type metrics struct {
	notifications *prometheus.CounterVec
	gaps          prometheus.Counter
}

var (
	descPending = prometheus.NewDesc("controlcenter_notifications_pending", "Messages that wait for their channel, those gathered in quiet hours too.", []string{"channel"}, nil)
	descOldest  = prometheus.NewDesc("controlcenter_notifications_oldest_pending_seconds", "How long the oldest message that is due has waited, in seconds; 0 = none is due.", nil, nil)
	descFiring  = prometheus.NewDesc("controlcenter_alerts_firing", "Alerts of the built-in rules that fire, by rule and severity.", []string{"rule", "severity"}, nil)
)

func newMetrics() *metrics {
	return &metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_notifications_total",
			Help: "Messages by channel and result since the start: delivered, retried (an attempt failed), failed (given up), dropped.",
		}, []string{"channel", "result"}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "controlcenter_notify_events_lost_total",
			Help: "Events that were thrown away before notification rules had looked at them, since the start.",
		}),
	}
}

// apply makes every channel's series present from the beginning.
func (m *metrics) apply(st *Settings) {
	for i := range st.Channels {
		for _, result := range []string{Delivered, retried, Failed, Dropped} {
			m.notifications.WithLabelValues(st.Channels[i].Name, result)
		}
	}
}

func (m *metrics) count(channel, result string, n int) {
	m.notifications.WithLabelValues(channel, result).Add(float64(n))
}

// Describe implements prometheus.Collector.
func (n *Notifier) Describe(c chan<- *prometheus.Desc) {
	n.m.notifications.Describe(c)
	n.m.gaps.Describe(c)
	c <- descPending
	c <- descOldest
	c <- descFiring
}

// Collect implements prometheus.Collector. It reads the outbox, which is small.
func (n *Notifier) Collect(c chan<- prometheus.Metric) {
	n.m.notifications.Collect(c)
	n.m.gaps.Collect(c)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	st := n.settings.Load()
	var rows []Delivery
	if err := n.o.Store.View(context.Background(), func(tx *store.Tx) (err error) { rows, err = waitingRows(tx); return err }); err == nil {
		count := map[string]int{}
		oldest, now := 0.0, time.Now()
		for i := range rows {
			count[rows[i].Channel]++
			// A failed attempt moves NotBefore on, so it cannot be what is measured.
			if d := &rows[i]; d.Attempts > 0 || d.NotBefore.Before(now) {
				oldest = max(oldest, now.Sub(d.Time).Seconds())
			}
		}
		for i := range st.Channels {
			gauge(descPending, float64(count[st.Channels[i].Name]), st.Channels[i].Name)
		}
		gauge(descOldest, oldest)
	}
	firing := map[[2]string]int{}
	for _, r := range Rules() {
		if st.enabled(&r) {
			firing[[2]string{r.Name, string(overridden(&r, st))}] = 0
		}
	}
	for _, a := range *n.shown.Load() {
		if a.State == Firing {
			firing[[2]string{a.Rule, string(a.Severity)}]++
		}
	}
	for k, v := range firing {
		gauge(descFiring, float64(v), k[0], k[1])
	}
}

func overridden(r *Rule, st *Settings) Severity {
	if s := st.Overrides[r.Name].Severity; s != "" {
		return s
	}
	return r.Severity
}
