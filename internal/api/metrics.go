package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"controlcenter/exporter"
)

// selfCollector is the name under which collect[] and exclude[] know the server's own metrics (go_*, process_*, http_*).
const selfCollector = "self"

func (s *Server) metricsRows() []*row {
	list := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}
	params := []*huma.Param{
		queryParam("name[]", "Only these metric families; repeat it for more", list),
		queryParam("collect[]", "Only these collectors; repeat it for more. self = the server's own metrics", list),
		queryParam("exclude[]", "Not these collectors; not together with collect[]", list),
	}
	options := func(r *row) {
		r.tag, r.open, r.plain = "Metrics", GroupMetrics, true // compressed by compressScrape
		r.query = []string{"name[]", "collect[]", "exclude[]"}
	}
	text := "text/plain; version=0.0.4"
	return []*row{
		raw("GET", "/metrics", viewer, "Everything for Prometheus", s.promHandler(false),
			docOf(text, "Prometheus text; OpenMetrics or protobuf by Accept, gzip or zstd by Accept-Encoding", params...), options),
		raw("GET", "/metrics/node", viewer, "The host under node_exporter's names", s.promHandler(true),
			docOf(text, "Prometheus text of the names, types and labels of node_exporter", params...), options,
			about("For dashboards and alerts written for node_exporter: `metrics_path: /metrics/node`, `job_name: node`.")),
	}
}

// promHandler serves scrapes. The handler of a scrape without filters is made once.
func (s *Server) promHandler(node bool) http.HandlerFunc {
	if s.o.Sampler == nil {
		return http.NotFound // the server that only makes the document
	}
	whole := s.scrape(exporter.Filter{Node: node}, !node)
	return compressScrape(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			whole.ServeHTTP(w, r)
			return
		}
		f, self, err := s.filterOf(r.URL.Query(), node)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		// promhttp filters by name[] too; ours already left the others out, so it must see nothing to do
		q := *r
		u := *r.URL
		u.RawQuery, q.URL = "", &u
		s.scrape(f, self).ServeHTTP(w, &q)
	})
}

// compressScrape offers gzip and zstd in their fastest form. promhttp would use the standard library's gzip at its default
// level, which costs as much as all the rest of a scrape for bytes that mostly go over loopback.
func compressScrape(h http.HandlerFunc) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(gzipFrom), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(true), gzhttp.PreferZstd(false))
	if err != nil {
		return h // cannot happen: the options are constants
	}
	return wrap(h)
}

func (s *Server) scrape(f exporter.Filter, self bool) http.Handler {
	g := merged{host: s.o.Sampler.Gatherer(f), names: f.Names}
	if self {
		g.self = s.o.Registry
	}
	return promhttp.HandlerForTransactional(g, promhttp.HandlerOpts{
		EnableOpenMetrics:  true,
		DisableCompression: true,                     // compressScrape does it
		ErrorHandling:      promhttp.ContinueOnError, // one broken collector must not hide the others
	})
}

func (s *Server) filterOf(q url.Values, node bool) (exporter.Filter, bool, *Problem) {
	f := exporter.Filter{Node: node, Collect: q["collect[]"], Exclude: q["exclude[]"], Names: q["name[]"]}
	if len(f.Collect) > 0 && len(f.Exclude) > 0 {
		return f, false, invalidQuery("exclude[]", "value", "may not stand beside collect[]")
	}
	known := s.o.Sampler.Collectors()
	if !node {
		known = append(known, selfCollector)
	}
	for _, param := range []string{"collect[]", "exclude[]"} {
		for _, name := range q[param] {
			if !slices.Contains(known, name) {
				return f, false, invalidQuery(param, "enum", "unknown collector \""+name+"\", accepted are "+strings.Join(known, ", "))
			}
		}
	}
	self := !node && !slices.Contains(f.Exclude, selfCollector) && (len(f.Collect) == 0 || slices.Contains(f.Collect, selfCollector))
	return f, self, nil
}

// merged is the machine's families and the registry's in one sorted list.
type merged struct {
	host  prometheus.TransactionalGatherer
	self  prometheus.Gatherer // nil = none
	names []string            // empty = all
}

// Gather implements prometheus.TransactionalGatherer.
func (m merged) Gather() ([]*dto.MetricFamily, func(), error) {
	host, done, err := m.host.Gather()
	if m.self == nil || err != nil {
		return host, done, err //nolint:wrapcheck // promhttp shows it as it is
	}
	own, err := m.self.Gather() // on an error it still returns what it has
	if len(m.names) > 0 {
		own = slices.DeleteFunc(own, func(f *dto.MetricFamily) bool { return !slices.Contains(m.names, f.GetName()) })
	}
	return mergeFamilies(host, own), done, err //nolint:wrapcheck // promhttp shows it as it is
}

// mergeFamilies joins two sorted lists. Of a name in both, the first list's family stands: a name twice would spoil the scrape.
func mergeFamilies(a, b []*dto.MetricFamily) []*dto.MetricFamily {
	out := make([]*dto.MetricFamily, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := cmp.Compare(a[0].GetName(), b[0].GetName()); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
