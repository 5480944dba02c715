package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"controlcenter/bench/internal/rig"
	"controlcenter/kb"
)

// rootID is that of the root which the corpus is to our daemon.
const rootID = "bench"

// reply is what an engine did with the queries of one kind.
type reply struct {
	Micros []float64 `json:"micros"`          // each query's time
	Found  int       `json:"found"`           // queries with any hit
	Ranks  []int     `json:"ranks,omitempty"` // of the wanted file, 0 = not among ten
}

// answers is what an engine did with all queries.
type answers struct {
	Kinds  map[string]*reply `json:"kinds"`
	Open   float64           `json:"open"`    // seconds until the index is open
	PerSec float64           `json:"per_sec"` // eight clients, a mix of all kinds but literal
}

// mix are the queries of the measurement with eight clients.
func mix(queries []query) (out []query) {
	for i := range queries {
		if q := queries[i]; slices.Contains(latencyKinds, q.Kind) && q.Kind != kindLiteral {
			out = append(out, q)
		}
	}
	return out
}

// queryOurs answers queries from the index that the daemon wrote, one after the other and then eight at a time.
func queryOurs(ctx context.Context, dir string, queries []query) (*answers, error) {
	start := time.Now()
	x, err := kb.Open(ctx, dir, kb.IndexOptions{})
	if err != nil {
		return nil, err
	}
	a := &answers{Kinds: map[string]*reply{}, Open: time.Since(start).Seconds()}
	defer func() { _ = x.Close() }()
	ask := func(q *query) (*kb.IndexResult, error) {
		parsed, err := kb.ParseQuery(q.Text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", q.Text, err)
		}
		return x.Search(ctx, parsed, kb.SearchOptions{Limit: 10, Facets: q.Kind == kindFilter})
	}
	for _, text := range []string{"the OR of", "qqqqqqqqqq"} { // as the peers are warmed
		if _, err := ask(&query{Text: text}); err != nil {
			return nil, err
		}
	}
	for i := range queries {
		q := &queries[i]
		if q.Kind == kindLiteral {
			continue // not of the index
		}
		r := a.Kinds[q.Kind]
		if r == nil {
			r = &reply{}
			a.Kinds[q.Kind] = r
		}
		start := time.Now()
		res, err := ask(q)
		took := time.Since(start)
		if err != nil {
			return nil, err
		}
		r.Micros = append(r.Micros, float64(took.Nanoseconds())/1e3)
		if res.Total > 0 {
			r.Found++
		}
		if q.Want != "" {
			want := kb.PathID(rootID, q.Want)
			r.Ranks = append(r.Ranks, 1+slices.IndexFunc(res.Hits, func(h kb.IndexHit) bool { return h.ID == want }))
		}
	}
	a.PerSec, err = eight(mix(queries), func(q *query) error { _, err := ask(q); return err })
	return a, err
}

// eightFor is how long eight clients ask.
const eightFor = 4 * time.Second

// eight asks with eight clients and returns the answers per second.
func eight(queries []query, ask func(*query) error) (float64, error) {
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
			for i := client; time.Since(start) < eightFor && err == nil; i += 8 {
				err = ask(&queries[i%len(queries)])
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

// child is what this program does when it started itself, so that our engine is measured in a process of its own as the peers
// are: child INDEX QUERIES.
func child(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("child: %s: two arguments are needed", strings.Join(args, " "))
	}
	queries, err := readQueries(args[1])
	if err != nil {
		return err
	}
	a, err := queryOurs(ctx, args[0], queries)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func readQueries(name string) (queries []query, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return queries, json.Unmarshal(b, &queries)
}
