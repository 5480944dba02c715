package kb

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what is counted as it happens; what depends on the record is read in [Base.Collect].
type metrics struct {
	scans         *prometheus.CounterVec
	scanSeconds   prometheus.Histogram
	searches      prometheus.Counter
	searchSeconds prometheus.Histogram

	files, bytes, creators, insights, lastScan, rejected, held, degraded *prometheus.Desc
}

// maxAgentLabels bounds the series of knowledge_files; further agents are summed as "other".
const maxAgentLabels = 100

func newMetrics() *metrics {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		})
	}
	m := &metrics{
		scans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "controlcenter_knowledge_scans_total",
			Help: "Scans of the knowledge base by how they ended, since the start; looks at single folders are not counted.",
		}, []string{"result"}),
		scanSeconds: histogram("controlcenter_knowledge_scan_duration_seconds", "How long scans of the knowledge base took, in seconds.",
			[]float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 1800}),
		searches: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "controlcenter_knowledge_searches_total", Help: "Searches of the knowledge base, since the start.",
		}),
		searchSeconds: histogram("controlcenter_knowledge_search_duration_seconds", "How long searches of the knowledge base took, in seconds.",
			[]float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, 1, 2}),
		files:    prometheus.NewDesc("controlcenter_knowledge_files", "Documents of the knowledge base by agent.", []string{"agent"}, nil),
		bytes:    prometheus.NewDesc("controlcenter_knowledge_bytes", "Size of all documents of the knowledge base, in bytes.", nil, nil),
		creators: prometheus.NewDesc("controlcenter_knowledge_creators", "Creators of the creator databases by priority.", []string{"priority"}, nil),
		insights: prometheus.NewDesc("controlcenter_knowledge_insights", "Insights in all documents of the knowledge base.", nil, nil),
		lastScan: prometheus.NewDesc("controlcenter_knowledge_last_scan_timestamp_seconds", "End of the last complete scan, in seconds since 1970; absent before the first.", nil, nil),
		rejected: prometheus.NewDesc("controlcenter_knowledge_files_rejected", "Files that the last complete scan could not take, by reason.", []string{"reason"}, nil),
		held:     prometheus.NewDesc("controlcenter_knowledge_deletions_held", "Vanished files whose deletion waits for a person.", nil, nil),
		degraded: prometheus.NewDesc("controlcenter_knowledge_index_degraded", "1 = the search index is being made again and misses documents.", nil, nil),
	}
	for _, result := range []string{JobCompleted, JobFailed, JobCancelled} {
		m.scans.WithLabelValues(result)
	}
	return m
}

func (m *metrics) ended(j *Job, took time.Duration) {
	m.scans.WithLabelValues(j.Status).Inc()
	m.scanSeconds.Observe(took.Seconds())
}

// rejectReasons are those for which a file becomes no document.
func rejectReasons() []Reason {
	return []Reason{TooLarge, Binary, Unreadable, NotRegular, LinkOutsideRoot, LinkLoop, ChangedWhileReading}
}

// rejectedKnown says whether this process has ended a complete scan.
func (b *Base) rejectedKnown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rejected != nil
}

// ObserveSearch counts a search; whoever carries searches out calls it.
func (b *Base) ObserveSearch(took time.Duration) {
	b.m.searches.Inc()
	b.m.searchSeconds.Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (b *Base) Describe(ch chan<- *prometheus.Desc) {
	b.m.scans.Describe(ch)
	b.m.scanSeconds.Describe(ch)
	b.m.searches.Describe(ch)
	b.m.searchSeconds.Describe(ch)
	for _, d := range []*prometheus.Desc{b.m.files, b.m.bytes, b.m.creators, b.m.insights, b.m.lastScan, b.m.rejected, b.m.held, b.m.degraded} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Until the records were read only the counters are there.
func (b *Base) Collect(ch chan<- prometheus.Metric) {
	b.m.scans.Collect(ch)
	b.m.scanSeconds.Collect(ch)
	b.m.searches.Collect(ch)
	b.m.searchSeconds.Collect(ch)
	if !b.loaded.Load() {
		return
	}
	s, err := b.Stats(context.Background()) // the records are in memory: it reads nothing
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	agents := slices.SortedFunc(maps.Keys(s.ByAgent), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.ByAgent[b], s.ByAgent[a]), cmp.Compare(a, b))
	})
	other := 0
	for i, agent := range agents {
		if i >= maxAgentLabels || agent == "other" {
			other += s.ByAgent[agent]
			continue
		}
		gauge(b.m.files, float64(s.ByAgent[agent]), plainLabel(agent))
	}
	if other > 0 {
		gauge(b.m.files, float64(other), "other")
	}
	gauge(b.m.bytes, float64(s.TotalBytes))
	gauge(b.m.insights, float64(s.TotalInsights))
	tiers := map[string]int{"critical": 0, "high": 0, "medium": 0, "low": 0}
	for _, c := range b.allCreators() {
		if _, known := tiers[c.Priority]; known {
			tiers[c.Priority]++
		} else {
			tiers["other"]++
		}
	}
	for tier, n := range tiers {
		gauge(b.m.creators, float64(n), tier)
	}
	if s.LastScan != nil {
		gauge(b.m.lastScan, float64(s.LastScan.UnixMilli())/1e3)
	}
	if b.rejectedKnown() { // each reason at 0, so that the first file that is rejected is seen as a rise
		for _, reason := range rejectReasons() {
			s.Rejected[reason] += 0
		}
		for reason, n := range s.Rejected {
			gauge(b.m.rejected, float64(n), string(reason))
		}
	}
	held := 0
	for _, h := range s.Held {
		held += h.Count
	}
	gauge(b.m.held, float64(held))
	degraded := 0.0
	if s.Degraded {
		degraded = 1
	}
	gauge(b.m.degraded, degraded)
}

// plainLabel makes the name of a folder fit for a label that people look at in a terminal: what does not print is shown quoted.
func plainLabel(name string) string {
	if q := strconv.Quote(name); len(q) != len(name)+2 {
		return q[1 : len(q)-1]
	}
	return name
}
