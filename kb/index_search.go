package kb

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How a search ranks; chosen by measuring, see docs/adr/0009.
const (
	bm25K1 = 1.2
	bm25B  = 0.5

	titleWeight    = 1.2  // of a word's weight, when it stands in the title
	wholeWeight    = 0.5  // of a whole's weight, when ip-adapter stands as written
	pairWeight     = 0.8  // of neighbours that stand side by side
	windowWeight   = 0.6  // of all words within a window as long as their number
	nearest        = 200  // so many of the best are looked at for nearness
	maxExpansions  = 1024 // terms that a prefix or misspelt word may stand for
	literalTermMin = 3    // letters of an unknown word that is looked for within terms
)

// SearchOptions says which hits of a query are wanted.
type SearchOptions struct {
	Limit  int    // 0..1000 hits
	Offset int    // hits to skip; ignored with Cursor
	Cursor string // of the hit after which to go on
	Sort   Sort   // used if the query names none
	Agent  string // only this agent, any case; "" = all
	Facets bool
	Time   time.Duration // when to stop and answer with what was found; 0 = 2 s
}

// SearchTime is how long a search may take by default.
const SearchTime = 2 * time.Second

// IndexHit is a document that matches.
type IndexHit struct {
	ID         string
	Score      float64 // higher is better; comparable within one answer only
	Cursor     string  // goes on after this hit
	Generation uint64  // of the batch that wrote the document
}

// IndexResult is what the index knows of a query.
type IndexResult struct {
	Total      int // documents that match
	Hits       []IndexHit
	Facets     map[string][]FacetCount // by agent, category, creator, tag, confidence, status
	Generation uint64
	Applied    time.Time    // when the newest batch came
	Corrected  []Correction // words that no document has, and what was looked for instead
	Truncated  bool         // time was up: there may be more
	words      [][]string   // the terms that were looked for, for highlights
}

// FacetCount is how many of the documents that match have a value.
type FacetCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Correction is a word that no document has, and the nearest one that some have.
type Correction struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Search finds the documents that match a query. Of equal hits the one with the lower id comes first, so the order is the
// same each time. A *[DamagedError] means that the index must be rebuilt; [ErrCursor] that the cursor is none of ours.
// Documents that the record does not have, because their batch was not committed, are for the caller to drop.
func (x *BleveIndex) Search(ctx context.Context, q *Query, o SearchOptions) (res *IndexResult, err error) {
	if o.Limit < 0 || o.Limit > 1000 {
		return nil, fmt.Errorf("limit: must be between 0 and 1000, is %d", o.Limit)
	}
	if o.Offset < 0 {
		return nil, fmt.Errorf("offset: must not be negative, is %d", o.Offset)
	}
	after, err := parseCursor(o.Cursor)
	if err != nil {
		return nil, err
	}
	if o.Time <= 0 {
		o.Time = SearchTime
	}
	if err := x.enter(); err != nil {
		return nil, err
	}
	defer x.leave()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Time, errTime)
	defer cancel()
	defer func() {
		if errors.Is(err, errDamage) {
			err = x.damaged(err)
		}
	}()
	s := search{x: x, ctx: ctx, q: q, o: o, sort: o.Sort, after: after}
	if q.Sort.By != "" {
		s.sort = q.Sort
	}
	return s.run()
}

var (
	errTime   = errors.New("the time for a search was up")
	errDamage = errors.New("the index cannot be read")

	// ErrCursor says that a cursor was not made by a search in this order.
	ErrCursor = errors.New("cursor: is not one of an earlier answer")
)

// search is one search on one snapshot.
type search struct {
	x     *BleveIndex
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	q     *Query
	o     SearchOptions
	sort  Sort
	after *cursor

	segs  []*segmentView
	order []int // of segments, the one with most documents first

	docs     int     // live
	avgLen   float64 // words of a document
	postings uint64  // of all terms that were looked up: what the search costs

	corrected []Correction
	words     [][]string
}

func (s *search) run() (res *IndexResult, err error) {
	defer func() {
		if err != nil && s.ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errDamage, err)
		}
	}()
	defer recoverDamage(&err)()
	reader, err := s.x.snapshot()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	res = &IndexResult{}
	if res.Generation, err = generationOf(reader); err != nil {
		return nil, err
	}
	if ns := s.x.applied.Load(); ns != 0 {
		res.Applied = time.Unix(0, ns).UTC()
	}
	if err := s.view(reader); err != nil {
		return nil, err
	}
	plan, err := s.compile()
	if err = s.timeUp(err, res); err != nil {
		return nil, err
	}
	if res.Truncated {
		return res, nil
	}
	res.Corrected, res.words = s.corrected, s.words
	top, err := s.collect(plan, res)
	if err = s.timeUp(err, res); err != nil {
		return nil, err
	}
	if s.sort.By == "" && len(plan.scoring) > 0 && !s.deep() && !res.Truncated {
		if err := s.timeUp(s.nearness(plan, top), res); err != nil {
			return nil, err
		}
	}
	res.Hits = s.page(top)
	return res, nil
}

// timeUp turns the end of our own time into a truncated answer.
func (s *search) timeUp(err error, res *IndexResult) error {
	if err != nil && errors.Is(context.Cause(s.ctx), errTime) {
		res.Truncated = true
		return nil
	}
	if err != nil && s.ctx.Err() != nil {
		return fmt.Errorf("search: %w", context.Cause(s.ctx))
	}
	return err
}

// ranked is a document that matches.
type ranked struct {
	key   float64 // what hits are sorted by, larger first
	score float64
	seg   int
	doc   uint32
	id    string
}

func (f *ranked) before(g *ranked) bool {
	if f.key != g.key {
		return f.key > g.key
	}
	return f.id < g.id
}

// worst keeps the best documents, the worst of them at the top.
type worst []*ranked

func (w worst) Len() int           { return len(w) }
func (w worst) Less(i, j int) bool { return w[j].before(w[i]) }
func (w worst) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *worst) Push(v any)        { *w = append(*w, v.(*ranked)) }
func (w *worst) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

// deep reports whether the page lies behind the hits that nearness reorders, and after one that it did not. A page among them
// needs them all, and so does the first behind them, whose cursor has what nearness made of the last; further on the order is final.
func (s *search) deep() bool { return s.after != nil && s.after.rank > nearest }

// collect finds all documents that match and returns the best of them, in order. When time is up, those of the segments that were
// looked at come with the error.
func (s *search) collect(p *plan, res *IndexResult) ([]*ranked, error) {
	workers := s.workers(s.postings > postingsAlone)
	parts := make([]collection, workers)
	err := s.spread(workers, func(worker, seg int) error { return s.collectSegment(p, &parts[worker], seg) })
	all := &parts[0]
	for i := range parts[1:] {
		all.join(&parts[i+1])
	}
	res.Total = all.total
	if s.o.Facets {
		res.Facets = all.facets.lists()
	}
	slices.SortFunc(all.best, compareFound)
	return all.best[:min(len(all.best), s.wanted())], err
}

// Fewer are not worth a second goroutine.
const (
	postingsAlone = 20_000
	termsAlone    = 64
	docsAlone     = 5_000
)

// workers is how many goroutines share the segments.
func (s *search) workers(many bool) int {
	if !many {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), max(1, len(s.segs)))
}

// spread calls f for every segment, from some goroutines, the largest first, or all would wait for who takes that last. It returns
// when all have returned.
func (s *search) spread(workers int, f func(worker, seg int) error) error {
	var next atomic.Int32
	var wg sync.WaitGroup
	errs := make([]error, workers)
	work := func(worker int) (err error) {
		defer recoverDamage(&err)()
		for {
			k := int(next.Add(1)) - 1
			if k >= len(s.order) {
				return nil
			}
			if err := s.ctx.Err(); err != nil {
				return err
			}
			if err := f(worker, s.order[k]); err != nil {
				return err
			}
		}
	}
	for i := 1; i < workers; i++ {
		wg.Go(func() { errs[i] = work(i) })
	}
	errs[0] = work(0)
	wg.Wait()
	return cmp.Or(errs...)
}

// wanted is how many of the best documents are needed for the page.
func (s *search) wanted() int {
	want := s.o.Limit + s.o.Offset
	if s.after != nil {
		want = s.o.Limit
		if !s.deep() {
			want += s.after.rank
		}
	}
	if !s.deep() && s.sort.By == "" {
		want = max(want, nearest)
	}
	return want
}

// collection is what was found in some segments.
type collection struct {
	total  int
	best   worst
	facets facets
}

func (c *collection) join(d *collection) {
	c.total += d.total
	c.best = append(c.best, d.best...)
	c.facets.join(&d.facets)
}

func (s *search) collectSegment(p *plan, c *collection, i int) error {
	seg, want, deep := s.segs[i], s.wanted(), s.deep()
	e := evaluation{s: s, seg: seg, phrases: map[*seq]*phraseHits{}}
	match, err := e.all(p)
	if err != nil || match.IsEmpty() {
		return err
	}
	docs := match.ToArray()
	c.total += len(docs)
	if s.o.Facets {
		c.facets.add(seg.columns, docs)
	}
	scores, err := e.scores(p, match)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		f := ranked{seg: i, doc: doc, id: seg.columns.id[doc]}
		if scores != nil {
			f.score = float64(scores.take(doc))
		}
		f.key = f.score
		if s.sort.By != "" {
			f.key = seg.columns.key(s.sort, doc)
		} else if scores == nil {
			f.key = seg.columns.key(Sort{By: "modified"}, doc)
		}
		if deep && !s.after.passed(&f) {
			continue
		}
		if len(c.best) < want {
			kept := f
			heap.Push(&c.best, &kept)
		} else if want > 0 && f.before(c.best[0]) {
			*c.best[0] = f
			heap.Fix(&c.best, 0)
		}
	}
	scores.release()
	return nil
}

func compareFound(a, b *ranked) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// page cuts the wanted hits out of the best.
func (s *search) page(best []*ranked) []IndexHit {
	from, rank := min(s.o.Offset, len(best)), s.o.Offset
	if s.after != nil {
		rank = s.after.rank
		if from = slices.IndexFunc(best, s.after.passed); from < 0 {
			from = len(best)
		}
	}
	best = best[from:min(from+s.o.Limit, len(best))]
	hits := make([]IndexHit, len(best))
	for i, f := range best {
		hits[i] = IndexHit{f.id, f.score, cursor{f.key, f.id, rank + i + 1}.String(), s.segs[f.seg].columns.generation[f.doc]}
	}
	return hits
}

// cursor is the place of a hit in an order.
type cursor struct {
	key  float64
	id   string
	rank int // hits up to and including this one
}

func (c cursor) String() string {
	b := binary.BigEndian.AppendUint64(nil, math.Float64bits(c.key))
	b = binary.AppendUvarint(b, uint64(c.rank))
	return base64.RawURLEncoding.EncodeToString(append(b, c.id...))
}

func (c *cursor) passed(f *ranked) bool {
	return f.key < c.key || f.key == c.key && f.id > c.id
}

func parseCursor(s string) (*cursor, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 9 {
		return nil, ErrCursor
	}
	key := math.Float64frombits(binary.BigEndian.Uint64(b))
	rank, n := binary.Uvarint(b[8:])
	if n <= 0 || rank > 1<<31 || math.IsNaN(key) {
		return nil, ErrCursor
	}
	return &cursor{key, string(b[8+n:]), int(rank)}, nil
}
