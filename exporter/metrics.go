package exporter

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
)

// Type is the metric type of a family.
type Type uint8

const (
	Counter Type = iota // never falls but at a restart
	Gauge
	Untyped // what node_exporter itself calls untyped
)

// Desc declares one metric family: its full name, HELP, type and label names. Declared once per collector, as a value, and
// never changed; [Emitter.Family] takes it to write the family's series.
type Desc struct {
	Name   string
	Help   string // what, unit, source and, when it is not read at scrape time, the refresh interval
	Type   Type
	Labels []string
}

// Emitter writes readings into metric families whose memory is kept from one scrape to the next: building a family costs no
// allocation once it has had its size. One goroutine uses an Emitter at a time.
type Emitter struct {
	// Settings in force for the snapshot that is written.
	Settings *Settings

	byDesc map[*Desc]*Series
	sorted []*Series // by name
	extra  []*dto.MetricFamily
	only   func(name string) bool
	none   Series
	out    []*dto.MetricFamily
	series int
}

// Series is one family being written.
type Series struct {
	family dto.MetricFamily
	all    []*dto.Metric // kept between scrapes; family.Metric is its used part
	typ    Type
	labels []string
	em     *Emitter
	skip   bool
}

func newEmitter() *Emitter {
	return &Emitter{byDesc: map[*Desc]*Series{}, none: Series{skip: true}}
}

// Family returns the writer of a family's series for this scrape.
func (e *Emitter) Family(d *Desc) *Series {
	s := e.byDesc[d]
	if s == nil {
		s = &Series{typ: d.Type, labels: d.Labels, em: e}
		name, help := d.Name, d.Help
		t := [...]dto.MetricType{Counter: dto.MetricType_COUNTER, Gauge: dto.MetricType_GAUGE, Untyped: dto.MetricType_UNTYPED}[d.Type]
		s.family.Name, s.family.Help, s.family.Type = &name, &help, &t
		e.byDesc[d] = s
		i, _ := slices.BinarySearchFunc(e.sorted, name, func(s *Series, n string) int { return cmp.Compare(s.family.GetName(), n) })
		e.sorted = slices.Insert(e.sorted, i, s)
	}
	if e.only != nil && !e.only(d.Name) {
		return &e.none
	}
	return s
}

// Pass hands finished families over as they are (textfile collector). Names must not be those of a declared family.
func (e *Emitter) Pass(families ...*dto.MetricFamily) {
	for _, mf := range families {
		if e.only == nil || e.only(mf.GetName()) {
			e.extra = append(e.extra, mf)
			e.series += len(mf.GetMetric())
		}
	}
}

// Add writes one series. A NaN is a value that could not be read and writes nothing. Label values stand in the order of
// Desc.Labels; a missing one is "", invalid UTF-8 is replaced.
func (s *Series) Add(v float64, labels ...string) {
	if s.skip || math.IsNaN(v) {
		return
	}
	n := len(s.family.Metric)
	if n == len(s.all) {
		s.all = append(s.all, s.newMetric())
	}
	m := s.all[n]
	switch s.typ {
	case Counter:
		*m.Counter.Value = v
	case Gauge:
		*m.Gauge.Value = v
	default:
		*m.Untyped.Value = v
	}
	for i, lp := range m.Label {
		val := ""
		if i < len(labels) {
			val = labels[i]
		}
		if !utf8.ValidString(val) {
			val = strings.ToValidUTF8(val, "\uFFFD")
		}
		*lp.Value = val
	}
	s.family.Metric = s.all[:n+1]
	s.em.series++
}

// Bool writes 1 or 0.
func (s *Series) Bool(v bool, labels ...string) {
	f := 0.0
	if v {
		f = 1
	}
	s.Add(f, labels...)
}

func (s *Series) newMetric() *dto.Metric {
	m := &dto.Metric{}
	switch s.typ {
	case Counter:
		m.Counter = &dto.Counter{Value: new(float64)}
	case Gauge:
		m.Gauge = &dto.Gauge{Value: new(float64)}
	default:
		m.Untyped = &dto.Untyped{Value: new(float64)}
	}
	for _, name := range s.labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: new(string)})
	}
	return m
}

func (e *Emitter) reset(st *Settings, only func(string) bool) {
	for _, s := range e.sorted {
		s.family.Metric = s.family.Metric[:0]
	}
	e.Settings, e.only, e.extra, e.series = st, only, e.extra[:0], 0
}

// families returns what was written, sorted by name; valid until the next reset.
func (e *Emitter) families() []*dto.MetricFamily {
	e.out = e.out[:0]
	for _, s := range e.sorted {
		if len(s.family.Metric) > 0 {
			e.out = append(e.out, &s.family)
		}
	}
	if len(e.extra) > 0 {
		e.out = append(e.out, e.extra...)
		slices.SortFunc(e.out, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	}
	return e.out
}

// Filter narrows a scrape. Empty fields choose everything.
type Filter struct {
	Node    bool     // node_exporter's names instead of ours
	Collect []string // only these collectors
	Exclude []string // not these collectors
	Names   []string // only these families
}

func (f *Filter) wants(collector string) bool {
	return (len(f.Collect) == 0 || slices.Contains(f.Collect, collector)) && !slices.Contains(f.Exclude, collector)
}

func (f *Filter) only() func(string) bool {
	if len(f.Names) == 0 {
		return nil
	}
	return func(n string) bool { return slices.Contains(f.Names, n) }
}

// Gatherer turns snapshots into metric families; it is a prometheus.TransactionalGatherer for one [Filter]. Safe for
// concurrent use: each gathering works in an Emitter of its own, kept for the next one.
type Gatherer struct {
	sampler *Sampler
	filter  Filter
	pool    *sync.Pool
	timeout time.Duration
}

// Gatherer returns a gatherer of the sampler's metrics. Fast parts are at most 250 ms old in what it gathers; a scrape waits
// at most 1.5 s for them and then goes on with what there is.
func (s *Sampler) Gatherer(f Filter) *Gatherer {
	pool := s.pool
	if f.Node {
		pool = s.nodePool
	}
	return &Gatherer{sampler: s, filter: f, pool: pool, timeout: 1500 * time.Millisecond}
}

// Gather implements prometheus.TransactionalGatherer; done hands the families' memory back.
func (g *Gatherer) Gather() (mfs []*dto.MetricFamily, done func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	snap := g.sampler.Fresh(ctx, 250*time.Millisecond)
	e := g.pool.Get().(*Emitter)
	e.reset(&snap.Settings, g.filter.only())
	g.sampler.emit(snap, &g.filter, e)
	return e.families(), func() { g.pool.Put(e) }, nil
}

var (
	descSuccess  = Desc{"controlcenter_collector_success", "Whether the collector's last read succeeded in full (1) or failed, was partial or timed out (0). Absent where there is nothing to read.", Gauge, []string{"collector"}}
	descDuration = Desc{"controlcenter_collector_duration_seconds", "Wall time of the collector's last read.", Gauge, []string{"collector"}}
	descLast     = Desc{"controlcenter_collector_last_success_timestamp_seconds", "Unix time of the collector's last full success.", Gauge, []string{"collector"}}
	descTimeouts = Desc{"controlcenter_collector_timeouts_total", "Reads abandoned at their deadline.", Counter, []string{"collector"}}
	descReads    = Desc{"controlcenter_collector_reads_total", "Reads of the machine by the collector, whatever their outcome.", Counter, []string{"collector"}}
	descCPU      = Desc{"controlcenter_collector_cpu_seconds_total", "CPU time spent in the collector's reads, user and system (thread clock; Linux only).", Counter, []string{"collector"}}
	descSeries   = Desc{"controlcenter_collector_series", "Series the collector wrote in this scrape.", Gauge, []string{"collector"}}
	nodeSuccess  = Desc{"node_scrape_collector_success", "Whether a collector succeeded.", Gauge, []string{"collector"}}
	nodeDuration = Desc{"node_scrape_collector_duration_seconds", "Duration of a collector scrape.", Gauge, []string{"collector"}}
)

// SelfMetrics lists the families every collector has beside its own.
func SelfMetrics() []*Desc {
	return []*Desc{&descSuccess, &descDuration, &descLast, &descTimeouts, &descReads, &descCPU, &descSeries}
}

func (s *Sampler) emit(snap *Snapshot, f *Filter, e *Emitter) {
	now := time.Now()
	success, took := e.Family(&descSuccess), e.Family(&descDuration)
	if f.Node {
		success, took = e.Family(&nodeSuccess), e.Family(&nodeDuration)
	}
	for i, src := range s.sources {
		b := src.base()
		r := &snap.Readings[i]
		declared := b.metrics
		if f.Node {
			declared = b.node
		}
		if !f.wants(b.name) || snap.Settings.Disabled(b.name) || r.Attempts == 0 || b.kind == OnDemand || len(declared) == 0 {
			continue
		}
		before := e.series
		if r.Fresh(now) {
			src.emit(r.Value, e, f.Node)
		}
		series := e.series - before
		if !r.Absent() {
			success.Bool(r.Err == nil && r.Fresh(now), b.name)
			took.Add(r.Took.Seconds(), b.name)
		}
		if f.Node {
			continue
		}
		if !r.LastSuccess.IsZero() {
			e.Family(&descLast).Add(float64(r.LastSuccess.UnixMilli())/1e3, b.name)
		}
		e.Family(&descTimeouts).Add(float64(r.Timeouts), b.name)
		e.Family(&descReads).Add(float64(r.Attempts), b.name)
		e.Family(&descCPU).Add(r.CPUSeconds, b.name)
		e.Family(&descSeries).Add(float64(series), b.name)
	}
}

// unknown is the value of a number that could not be read.
func unknown() float64 { return math.NaN() }
