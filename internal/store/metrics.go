package store

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the store's own figures. What depends on the state of the moment is read in [Store.Collect].
type metrics struct {
	transactions   *prometheus.CounterVec
	commitSeconds  prometheus.Histogram
	backupFailures prometheus.Counter

	mu              sync.Mutex
	starts, unclean float64
}

var (
	descSize        = prometheus.NewDesc("controlcenter_store_size_bytes", "Size of the state file.", nil, nil)
	descLastBackup  = prometheus.NewDesc("controlcenter_store_last_backup_timestamp_seconds", "Unix time of the newest backup; absent when there is none.", nil, nil)
	descQuarantined = prometheus.NewDesc("controlcenter_store_quarantined", "1 when this process found the state file damaged and put it aside, else 0.", nil, nil)
	descWritable    = prometheus.NewDesc("controlcenter_store_writable", "1 when the last write to the state succeeded, 0 while the disk refuses writes.", nil, nil)
	descBad         = prometheus.NewDesc("controlcenter_store_damaged_records", "Records left out because they are not as they were written, since the start.", nil, nil)
	descStarts      = prometheus.NewDesc("controlcenter_starts_total", "Starts of the daemon, ever.", nil, nil)
	descUnclean     = prometheus.NewDesc("controlcenter_unclean_stops_total", "Runs of the daemon that ended without noting it (killed, crashed, power lost), ever.", nil, nil)
)

func newMetrics() *metrics {
	m := &metrics{
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_store_transactions_total",
			Help: "Transactions by kind: view, update (committed with a change), failed (the disk refused the commit).",
		}, []string{"kind"}),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "controlcenter_store_commit_duration_seconds",
			Help:                            "Time to make an update durable, from the end of its function to the sync of the file.",
			Buckets:                         []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		backupFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "controlcenter_store_backup_failures_total",
			Help: "Scheduled backups that failed.",
		}),
	}
	for _, kind := range []string{"view", "update", "failed"} {
		m.transactions.WithLabelValues(kind)
	}
	return m
}

func (m *metrics) setRuns(starts, unclean float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.starts, m.unclean = starts, unclean
}

func (m *metrics) runs() (starts, unclean float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts, m.unclean
}

// Describe implements prometheus.Collector.
func (s *Store) Describe(ch chan<- *prometheus.Desc) {
	s.m.transactions.Describe(ch)
	s.m.commitSeconds.Describe(ch)
	s.m.backupFailures.Describe(ch)
	for _, d := range []*prometheus.Desc{descSize, descLastBackup, descQuarantined, descWritable, descBad, descStarts, descUnclean} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It reads nothing but the file's size.
func (s *Store) Collect(ch chan<- prometheus.Metric) {
	s.m.transactions.Collect(ch)
	s.m.commitSeconds.Collect(ch)
	s.m.backupFailures.Collect(ch)
	info := s.Info()
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	if info.SizeBytes > 0 {
		gauge(descSize, float64(info.SizeBytes))
	}
	if info.LastBackup != nil {
		gauge(descLastBackup, float64(info.LastBackup.UnixMilli())/1e3)
	}
	gauge(descQuarantined, number(info.QuarantinedNow != ""))
	gauge(descWritable, number(info.Writable))
	gauge(descBad, float64(info.DamagedRecords))
	starts, unclean := s.m.runs()
	ch <- prometheus.MustNewConstMetric(descStarts, prometheus.CounterValue, starts)
	ch <- prometheus.MustNewConstMetric(descUnclean, prometheus.CounterValue, unclean)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
