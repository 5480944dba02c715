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
	"slices"
	"strings"
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

	segs   []*segmentView
	docs   int     // live
	avgLen float64 // words of a document

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
	if err != nil {
		return nil, s.timeUp(err, res)
	}
	res.Corrected, res.words = s.corrected, s.words
	top, err := s.collect(plan, res)
	if err = s.timeUp(err, res); err != nil {
		return nil, err
	}
	if s.sort.By == "" && len(plan.scoring) > 0 && !s.deep() {
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

// deep reports whether the page lies behind the hits that nearness reorders. A page among them needs them all; behind them
// the order is final.
func (s *search) deep() bool { return s.after != nil && s.after.rank >= nearest }

// collect finds all documents that match and returns the best of them, in order.
func (s *search) collect(p *plan, res *IndexResult) ([]*ranked, error) {
	deep := s.deep()
	want := s.o.Limit + s.o.Offset
	if s.after != nil {
		want = s.o.Limit
		if !deep {
			want += s.after.rank
		}
	}
	if !deep && s.sort.By == "" {
		want = max(want, nearest)
	}
	var best worst
	counts := facets{map[string]map[string]int{}}
	for _, f := range []string{"agent", "category", "creator", "status", "tag", "confidence"} {
		counts.counts[f] = map[string]int{}
	}
	for i, seg := range s.segs {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		e := evaluation{s: s, seg: seg, phrases: map[*seq]*phraseHits{}}
		match, err := e.all(p)
		if err != nil {
			return nil, err
		}
		if match.IsEmpty() {
			continue
		}
		docs := match.ToArray()
		res.Total += len(docs)
		if s.o.Facets {
			counts.add(seg.columns, docs)
		}
		scores, err := e.scores(p, match, docs)
		if err != nil {
			return nil, err
		}
		for k, doc := range docs {
			f := ranked{seg: i, doc: doc, id: seg.columns.id[doc]}
			if scores != nil {
				f.score = float64(scores[k])
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
			if len(best) < want {
				kept := f
				heap.Push(&best, &kept)
			} else if want > 0 && f.before(best[0]) {
				*best[0] = f
				heap.Fix(&best, 0)
			}
		}
	}
	if s.o.Facets {
		res.Facets = map[string][]FacetCount{}
		for field, values := range counts.counts {
			list := make([]FacetCount, 0, len(values))
			for v, n := range values {
				list = append(list, FacetCount{v, n})
			}
			slices.SortFunc(list, func(a, b FacetCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Value, b.Value)) })
			res.Facets[field] = list[:min(len(list), maxFacetValues)]
		}
	}
	slices.SortFunc(best, compareFound)
	return best, nil
}

// maxFacetValues is how many values a facet lists, the most frequent first.
const maxFacetValues = 50

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
