package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"controlcenter/bench/internal/rig"
	"controlcenter/kb"
)

// query is a question with what was meant by it.
type query struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Want string `json:"want,omitempty"` // file that should be found
}

// reply is what an engine did with the queries of one kind.
type reply struct {
	Micros  []float64 `json:"micros"`             // each query's time
	Found   int       `json:"found"`              // queries with any hit
	Ranks   []int     `json:"ranks,omitempty"`    // of the wanted file, 0 = not among ten
	PerSec  float64   `json:"per_sec,omitempty"`  // with eight clients
	OpenSec float64   `json:"open_sec,omitempty"` // the index, before the first query
}

// batch limits, those of the product.
const (
	batchFiles = 1000
	batchBytes = 16 << 20
)

// parseFile makes a document of a file, as simply as possible: what is measured is the index.
func parseFile(name, text string) *kb.Parsed {
	p := &kb.Parsed{Text: text}
	p.ID, p.Path = name, name
	first, _, _ := strings.Cut(text, "\n")
	p.Title = strings.TrimSpace(strings.TrimPrefix(first, "#"))
	dirs := strings.Split(name, "/")
	p.Agent, p.Category = dirs[1], dirs[2]
	p.Creator, _, _ = strings.Cut(dirs[3], "-")
	c := float64(len(text)%100) / 100
	p.Confidence = &c
	p.Published = time.Unix(1_700_000_000+int64(len(text))*1000, 0)
	p.Modified, p.Size = p.Published, int64(len(text))
	return p
}

// indexOurs builds the index.
func indexOurs(ctx context.Context, files, dir string) error {
	c, err := list(files)
	if err != nil {
		return err
	}
	x, err := kb.Open(ctx, dir, kb.IndexOptions{})
	if err != nil {
		return err
	}
	type read struct {
		p   *kb.Parsed
		err error
	}
	names, docs := make(chan string), make(chan read, 64)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := range names {
				b, err := os.ReadFile(filepath.Join(files, n))
				if err != nil {
					docs <- read{nil, err}
					continue
				}
				docs <- read{parseFile(n, string(b)), nil}
			}
		})
	}
	go func() {
		for _, n := range c.files {
			names <- n
		}
		close(names)
		wg.Wait()
		close(docs)
	}()
	var (
		batch      []*kb.Parsed
		bytes      int
		generation uint64
	)
	flush := func() error {
		generation++
		err := x.Apply(ctx, generation, batch, nil)
		batch, bytes = nil, 0
		return err
	}
	for d := range docs {
		if d.err != nil {
			return d.err
		}
		batch = append(batch, d.p)
		if bytes += len(d.p.Text); len(batch) == batchFiles || bytes > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return x.Close()
}

// queryOurs answers queries from the index, one after the other and then eight at a time.
func queryOurs(ctx context.Context, dir string, queries []query) (map[string]*reply, error) {
	start := time.Now()
	x, err := kb.Open(ctx, dir, kb.IndexOptions{})
	if err != nil {
		return nil, err
	}
	opened := time.Since(start)
	defer x.Close()
	ask := func(q query) (*kb.IndexResult, error) {
		parsed, err := kb.ParseQuery(q.Text)
		if err != nil {
			return nil, err
		}
		return x.Search(ctx, parsed, kb.SearchOptions{Limit: 10, Facets: strings.HasPrefix(q.Kind, "filter")})
	}
	replies := map[string]*reply{}
	if _, err := ask(query{Text: "the OR a"}); err != nil {
		return nil, err
	}
	if _, err := ask(query{Text: "qqqqqqqqqq"}); err != nil {
		return nil, err
	}
	for _, q := range queries {
		r := replies[q.Kind]
		if r == nil {
			r = &reply{OpenSec: opened.Seconds()}
			replies[q.Kind] = r
		}
		start := time.Now()
		res, err := ask(q)
		took := time.Since(start)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", q.Text, err)
		}
		r.Micros = append(r.Micros, float64(took.Microseconds()))
		if res.Total > 0 {
			r.Found++
		}
		if q.Want != "" {
			r.Ranks = append(r.Ranks, 1+slices.IndexFunc(res.Hits, func(h kb.IndexHit) bool { return h.ID == q.Want }))
		}
	}
	for kind, r := range replies {
		var of []query
		for _, q := range queries {
			if q.Kind == kind {
				of = append(of, q)
			}
		}
		r.PerSec, err = eight(of, func(q query) error { _, err := ask(q); return err })
		if err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// eight asks with eight clients for two seconds and returns the answers per second.
func eight(queries []query, ask func(query) error) (float64, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		count int
		first error
	)
	start := time.Now()
	for client := range 8 {
		wg.Go(func() {
			n := 0
			var err error
			for i := client; time.Since(start) < 2*time.Second && err == nil; i += 8 {
				err = ask(queries[i%len(queries)])
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			count += n
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return float64(count) / time.Since(start).Seconds(), first
}

// mrr is the mean of 1/rank over known-item queries.
func (r *reply) mrr() float64 {
	sum := 0.0
	for _, rank := range r.Ranks {
		if rank > 0 {
			sum += 1 / float64(rank)
		}
	}
	return sum / float64(max(1, len(r.Ranks)))
}

func (r *reply) latencies() rig.Latencies {
	l := make(rig.Latencies, len(r.Micros))
	for i, m := range r.Micros {
		l[i] = time.Duration(m * 1e3)
	}
	return l
}

// child is what this program does when it started itself, so that each engine is measured in a process of its own.
func child(ctx context.Context, args []string) error {
	switch args[0] {
	case "index":
		return indexOurs(ctx, args[1], args[2])
	case "query":
		b, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		var queries []query
		if err := json.Unmarshal(b, &queries); err != nil {
			return err
		}
		replies, err := queryOurs(ctx, args[1], queries)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(replies)
	}
	return fmt.Errorf("unknown role %q", args[0])
}
