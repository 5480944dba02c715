package rig

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Answer is one response as it went over the wire.
type Answer struct {
	Took  time.Duration // request written to last byte read
	Bytes int           // of the body, compressed
	Body  []byte        // decompressed; nil unless asked for
}

// Client sends requests over kept connections, like Prometheus does, asking for gzip and undoing it by hand so that the bytes
// on the wire can be counted.
type Client struct{ http *http.Client }

// NewClient returns a client that keeps up to n connections per host.
func NewClient(n int) *Client {
	return &Client{http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n, DisableCompression: true},
		Timeout:   time.Minute,
	}}
}

// Close closes the kept connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get fetches a URL. A status other than 200 is an error.
func (c *Client) Get(ctx context.Context, url string, keep bool) (a Answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	if strings.Contains(url, "/metrics") {
		req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return a, err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	a.Took, a.Bytes = time.Since(start), len(raw)
	switch {
	case err != nil:
		return a, fmt.Errorf("read %s: %w", url, err)
	case resp.StatusCode != http.StatusOK:
		return a, fmt.Errorf("get %s: status %s", url, resp.Status)
	case !keep:
		return a, nil
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return a, err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return a, err
		}
	}
	a.Body = raw
	return a, nil
}

// Burst sends requests from clients at once, each as fast as its answers come, until total requests are done or limit has
// passed, and returns their latencies and the time it took.
func (c *Client) Burst(ctx context.Context, url string, clients, total int, limit time.Duration) (Latencies, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+limit)
	defer cancel()
	work := make(chan struct{}, total)
	for range total {
		work <- struct{}{}
	}
	close(work)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		all   Latencies
		first error
	)
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for range work {
				if time.Since(start) > limit {
					return
				}
				a, err := c.Get(ctx, url, false)
				mu.Lock()
				if err == nil {
					all = append(all, a.Took)
				} else if first == nil {
					first = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return all, time.Since(start), first
}

// Latencies is a set of measured times.
type Latencies []time.Duration

// Quantile returns the value that the share q (0..1) of the set does not exceed; 0 for an empty set.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(l))
	i := int(q*float64(len(s))+0.999999) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// Sample is one series of an exposition.
type Sample struct {
	Name   string // metric name
	Labels string // what stands in the braces, as written
	Value  float64
}

// ParseExposition reads the samples of a Prometheus or OpenMetrics text. It is enough for what the benchmarks ask: label
// values are left as they are written.
func ParseExposition(b []byte) ([]Sample, error) {
	var all []Sample
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		var s Sample
		rest := line
		if open, end := strings.IndexByte(line, '{'), strings.LastIndexByte(line, '}'); open >= 0 && end > open {
			s.Name, s.Labels, rest = line[:open], line[open+1:end], line[end+1:]
		} else if sp := strings.IndexByte(line, ' '); sp > 0 {
			s.Name, rest = line[:sp], line[sp:]
		}
		f := strings.Fields(rest)
		if s.Name == "" || len(f) == 0 {
			return nil, fmt.Errorf("line %q is not a sample", line)
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		s.Value = v
		all = append(all, s)
	}
	return all, lines.Err()
}

// ByLabel returns the values of one metric by the value of one of its labels.
func ByLabel(samples []Sample, name, label string) map[string]float64 {
	m := map[string]float64{}
	for _, s := range samples {
		if s.Name != name {
			continue
		}
		_, v, ok := strings.Cut(","+s.Labels, ","+label+`="`)
		if !ok {
			continue
		}
		v, _, _ = strings.Cut(v, `"`)
		m[v] += s.Value
	}
	return m
}

// SortedKeys returns the keys of a map in order.
func SortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
