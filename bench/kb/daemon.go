package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// daemon is what was measured of our server over one corpus.
type daemon struct {
	index             time.Duration // of the first scan, files to searchable
	cpu               time.Duration // of the process until then
	anon              uint64        // most anonymous memory until then
	settled           time.Duration // since the scan until merging in the background was over
	settledCPU        time.Duration
	disk, store       uint64 // bytes of the index and of the record
	rescan            time.Duration
	changed           time.Duration // rescan after a hundred files were written
	saved             rig.Latencies // written to found
	health            time.Duration // of a start with everything there
	resting           memory        // served, not asked
	asked             memory        // most under eight clients
	http              map[string]rig.Latencies
	found             map[string]int
	perSec            float64
	literalIncomplete int
}

type memory struct{ rss, anon uint64 }

// serveConfig writes the configuration of a server over a corpus.
func serveConfig(dir, files string) error {
	root, err := filepath.Abs(files)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("knowledge:\n  roots: [{id: %s, path: %q}]\n  scan: {every: 1h, watch: true}\n", rootID, root)
	return os.WriteFile(filepath.Join(dir, "controlcenter.yaml"), []byte(text), 0o644)
}

// server is our daemon under measurement.
type server struct {
	*rig.Proc
	url    string
	client *rig.Client
	peak   chan memory // of the sampler, once quit is closed
	quit   chan struct{}
}

func startServer(ctx context.Context, o *options, dir string) (*server, error) {
	p, url, err := rig.Server(ctx, o.binary, dir)
	if err != nil {
		return nil, err
	}
	s := &server{Proc: p, url: url, client: rig.NewClient(8)}
	s.watch()
	return s, nil
}

// watch looks at the memory of the process until most is called.
func (s *server) watch() {
	s.peak, s.quit = make(chan memory, 1), make(chan struct{})
	go func(quit chan struct{}, peak chan memory) {
		var most memory
		t := time.NewTicker(20 * time.Millisecond)
		defer t.Stop()
		for {
			m := memoryOf(s.PID)
			most.rss, most.anon = max(most.rss, m.rss), max(most.anon, m.anon)
			select {
			case <-quit:
				peak <- most
				return
			case <-t.C:
			}
		}
	}(s.quit, s.peak)
}

// most ends watch and returns what was the most.
func (s *server) most() memory {
	close(s.quit)
	return <-s.peak
}

func (s *server) stop() {
	s.client.Close()
	s.Stop()
}

// memoryOf reads the memory of a process; zeros where there is none.
func memoryOf(pid int) (m memory) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			m.rss = kib << 10
		case "RssAnon:":
			m.anon = kib << 10
		}
	}
	return m
}

func (s *server) get(ctx context.Context, path string, v any) error {
	a, err := s.client.Get(ctx, s.url+path, true)
	if err != nil {
		return err
	}
	return json.Unmarshal(a.Body, v)
}

// job is what is read of a scan.
type job struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
	Error    string     `json:"error"`
	Indexed  int        `json:"files_indexed"`
}

// scanned waits until nothing is scanned and returns the newest job.
func (s *server) scanned(ctx context.Context) (job, error) {
	for {
		var st struct {
			Scanning bool    `json:"scanning"`
			LastScan *string `json:"last_scan"`
		}
		if err := s.get(ctx, "/api/knowledge/stats", &st); err != nil {
			return job{}, err
		}
		if !st.Scanning && st.LastScan != nil {
			var body struct {
				Jobs []job `json:"jobs"`
			}
			if err := s.get(ctx, "/api/knowledge/jobs?limit=1", &body); err != nil {
				return job{}, err
			}
			if len(body.Jobs) == 0 {
				return job{}, nil // a scan at the start that found nothing is not kept
			}
			if j := body.Jobs[0]; j.Status != "completed" {
				return j, fmt.Errorf("scan %s %s: %s", j.ID, j.Status, j.Error)
			}
			return body.Jobs[0], nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return job{}, err
		}
	}
}

// scan asks for a scan and returns how long it took, as its job says.
func (s *server) scan(ctx context.Context) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/knowledge/scan", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	j, err := s.scanned(ctx)
	if err != nil || j.Finished == nil {
		return 0, err
	}
	return j.Finished.Sub(j.Started), nil
}

// calm waits until the process uses less than a fiftieth of a CPU, at most two minutes.
func (s *server) calm(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	before, err := s.CPU()
	for err == nil && time.Since(start) < 2*time.Minute {
		if err = pause(ctx, time.Second); err != nil {
			break
		}
		var now time.Duration
		if now, err = s.CPU(); now-before < 20*time.Millisecond {
			break
		}
		before = now
	}
	return time.Since(start), err
}

// measureDaemon runs our server over a corpus, from the first scan to eight clients. It leaves state for the engine alone in dir.
func measureDaemon(ctx context.Context, o *options, c *corpus, dir string, queries []query) (d *daemon, err error) {
	if err := serveConfig(dir, c.dir); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	defer func() { s.stop() }()
	d = &daemon{http: map[string]rig.Latencies{}, found: map[string]int{}}
	j, err := s.scanned(ctx)
	if err != nil {
		return nil, err
	}
	if j.Indexed < len(c.files) || j.Finished == nil {
		return nil, fmt.Errorf("the first scan indexed %d of %d files", j.Indexed, len(c.files))
	}
	d.index = j.Finished.Sub(j.Started)
	if d.cpu, err = s.CPU(); err != nil {
		return nil, err
	}
	d.anon = s.most().anon
	if d.settled, err = s.calm(ctx); err != nil {
		return nil, err
	}
	if d.settledCPU, err = s.CPU(); err != nil {
		return nil, err
	}
	if err := d.measureScans(ctx, s, c); err != nil {
		return nil, err
	}
	s.stop()
	d.disk, d.store = sizeOf(filepath.Join(dir, "state", "index")), sizeOf(filepath.Join(dir, "state"))
	d.store -= d.disk
	began := time.Now()
	if s, err = startServer(ctx, o, dir); err != nil {
		return nil, err
	}
	d.health = time.Since(began)
	if _, err := s.scanned(ctx); err != nil {
		return nil, err
	}
	if _, err := s.calm(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, o.rest); err != nil { // the runtime gives memory back slowly
		return nil, err
	}
	d.resting = memoryOf(s.PID)
	_ = s.most()
	s.watch()
	if err := d.measureHTTP(ctx, s, queries); err != nil {
		return nil, err
	}
	d.asked = s.most()
	return d, nil
}

// measureScans scans again with nothing changed, with a hundred files changed, and looks how soon a saved file is found.
func (d *daemon) measureScans(ctx context.Context, s *server, c *corpus) error {
	var times []time.Duration
	for range 5 {
		took, err := s.scan(ctx)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	slices.Sort(times)
	d.rescan = times[len(times)/2]
	var saved []string
	defer func() {
		for _, name := range saved {
			_ = os.Remove(name)
		}
	}()
	for i := range 10 {
		name := filepath.Join(c.dir, filepath.Dir(c.files[i*len(c.files)/10]), fmt.Sprintf("saved-%d.md", i))
		word := fmt.Sprintf("zqxsaved%d%d", i, time.Now().UnixNano()%1e6)
		saved = append(saved, name)
		if err := os.WriteFile(name, []byte("# Saved\n\nA note with "+word+" in it.\n"), 0o644); err != nil {
			return err
		}
		start := time.Now()
		for {
			var body struct {
				Total int `json:"total"`
			}
			if err := s.get(ctx, "/api/knowledge/search?mode=index&query="+word, &body); err != nil {
				return err
			}
			if body.Total > 0 {
				break
			}
			if time.Since(start) > time.Minute {
				return fmt.Errorf("%s was not found within a minute", name)
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		d.saved = append(d.saved, time.Since(start))
	}
	for i := range 90 {
		name := filepath.Join(c.dir, filepath.Dir(c.files[i*len(c.files)/90]), fmt.Sprintf("saved-more-%d.md", i))
		saved = append(saved, name)
		if err := os.WriteFile(name, []byte("# Saved more\n\nA note.\n"), 0o644); err != nil {
			return err
		}
	}
	took, err := s.scan(ctx)
	d.changed = took
	return err
}

// searchURL is a query as a client asks it, ten results with previews.
func searchURL(base string, q *query) string {
	v := url.Values{"query": {q.Text}, "limit": {"10"}}
	switch q.Kind {
	case kindFilter:
		v.Set("facets", "true")
	case kindLiteral:
		v.Set("mode", "literal")
	}
	return base + "/api/knowledge/search?" + v.Encode()
}

// literalMost is how many literal searches are made where they are slow: each reads all files.
const literalMost = 20

func (d *daemon) measureHTTP(ctx context.Context, s *server, queries []query) error {
	var urls []string
	for i := range queries {
		q := &queries[i]
		if !slices.Contains(latencyKinds, q.Kind) || q.Kind == kindLiteral && len(d.http[kindLiteral]) >= literalMost && d.literalSlow() {
			continue
		}
		u := searchURL(s.url, q)
		if q.Kind != kindLiteral {
			urls = append(urls, u)
		}
		a, err := s.client.Get(ctx, u, true)
		if err != nil {
			return err
		}
		var body struct {
			Total     int  `json:"total"`
			Truncated bool `json:"truncated"`
		}
		if err := json.Unmarshal(a.Body, &body); err != nil {
			return err
		}
		d.http[q.Kind] = append(d.http[q.Kind], a.Took)
		if body.Total > 0 {
			d.found[q.Kind]++
		}
		if q.Kind == kindLiteral && body.Truncated {
			d.literalIncomplete++
		}
	}
	var mixed []query
	for _, u := range urls {
		mixed = append(mixed, query{Text: u})
	}
	var err error
	d.perSec, err = eight(mixed, func(q *query) error { _, err := s.client.Get(ctx, q.Text, false); return err })
	return err
}

// literalSlow says that literal searches take so long that a few must do.
func (d *daemon) literalSlow() bool { return d.http[kindLiteral].Quantile(0.5) > 100*time.Millisecond }

// sizeOf is the size of all files in a folder.
func sizeOf(dir string) (n uint64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				n += uint64(info.Size())
			}
		}
		return nil
	})
	return n
}
