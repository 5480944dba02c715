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

	"github.com/RoaringBitmap/roaring/v2"
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

// evaluation finds the documents of one segment.
type evaluation struct {
	s       *search
	seg     *segmentView
	phrases map[*seq]*phraseHits
}

// phraseHits are the documents that have a phrase, and how often.
type phraseHits struct {
	docs  *roaring.Bitmap
	count []uint8 // in the order of docs
}

// all returns the live documents of the segment that meet every condition. The result may be part of the index: it must not
// be changed, nor used after the snapshot is closed.
func (e *evaluation) all(p *plan) (*roaring.Bitmap, error) {
	var match *roaring.Bitmap  // nil = all
	for _, c := range p.must { // the cheap ones first: compile put phrases and ranges last
		b, err := e.eval(c, match)
		if err != nil {
			return nil, err
		}
		if match == nil {
			match = b
		} else {
			match = roaring.And(match, b)
		}
		if match.IsEmpty() {
			return match, nil
		}
	}
	if match == nil {
		match = roaring.New()
		match.AddRange(0, uint64(len(e.seg.columns.id)))
	}
	if e.seg.deleted != nil {
		match = roaring.AndNot(match, e.seg.deleted)
	}
	for _, c := range p.not {
		b, err := e.eval(c, match)
		if err != nil {
			return nil, err
		}
		match = roaring.AndNot(match, b)
	}
	return match, nil
}

// eval returns the documents that meet a condition, at least those of them that lie in within.
func (e *evaluation) eval(c *condition, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	switch {
	case c.or != nil:
		out := roaring.New()
		for _, k := range c.or {
			b, err := e.eval(k, within)
			if err != nil {
				return nil, err
			}
			if k.not {
				all := roaring.New()
				all.AddRange(0, uint64(len(e.seg.columns.id)))
				b = roaring.AndNot(all, b)
			}
			out.Or(b)
		}
		return out, nil
	case c.rangeOf != "":
		return e.seg.columns.between(c.rangeOf, c.lo, c.hi, within), nil
	case len(c.seq.slots) == 1:
		return c.seq.slots[0].docs(e.seg)
	}
	return e.phrase(c.seq, within)
}

// phrase returns the documents that have the slots of a sequence side by side.
func (e *evaluation) phrase(q *seq, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	candidates := within
	for _, slot := range q.slots {
		b, err := slot.docs(e.seg)
		if err != nil {
			return nil, err
		}
		if candidates == nil {
			candidates = b
		} else {
			candidates = roaring.And(candidates, b)
		}
		if candidates.IsEmpty() {
			return candidates, nil
		}
	}
	streams := make([]*positions, len(q.slots))
	for i, slot := range q.slots {
		var err error
		if streams[i], err = slot.positions(e.seg, candidates); err != nil {
			return nil, err
		}
	}
	hits := &phraseHits{docs: roaring.New()}
	lists := make([][]uint32, len(streams))
	for it, n := candidates.Iterator(), 0; it.HasNext(); n++ {
		if n%4096 == 4095 && e.s.ctx.Err() != nil {
			return nil, e.s.ctx.Err()
		}
		doc := it.Next()
		for i, st := range streams {
			var err error
			if lists[i], err = st.next(doc); err != nil {
				return nil, err
			}
		}
		if n := sideBySide(lists); n > 0 {
			hits.docs.Add(doc)
			hits.count = append(hits.count, uint8(min(n, 255)))
		}
	}
	e.phrases[q] = hits
	return hits.docs, nil
}

// sideBySide counts the places where the first list has p, the second p+1, and so on.
func sideBySide(lists [][]uint32) int {
	n := 0
next:
	for _, p := range lists[0] {
		for i, l := range lists[1:] {
			if _, ok := slices.BinarySearch(l, p+uint32(i)+1); !ok {
				continue next
			}
		}
		n++
	}
	return n
}

// scores returns the score of each document, nil if the query has nothing to score by.
func (e *evaluation) scores(p *plan, match *roaring.Bitmap, docs []uint32) ([]float32, error) {
	if len(p.scoring) == 0 {
		return nil, nil
	}
	scores := make([]float32, len(docs))
	for _, q := range p.scoring {
		var err error
		if len(q.slots) == 1 {
			err = e.scoreSlot(q, match, docs, scores)
		} else {
			e.scorePhrase(q, docs, scores)
		}
		if err == nil && q.whole != nil {
			err = e.bonus(q.whole, float32(wholeWeight*q.whole.idf), match, docs, scores)
		}
		if err == nil && q.title != nil {
			err = e.bonus(q.title, float32(titleWeight*q.idf), match, docs, scores)
		}
		if err != nil {
			return nil, err
		}
	}
	return scores, nil
}

func (e *evaluation) saturation(doc uint32, count float64) float64 {
	length := float64(e.seg.columns.length[doc])
	return count * (bm25K1 + 1) / (count + bm25K1*(1-bm25B+bm25B*length/e.s.avgLen))
}

func (e *evaluation) scoreSlot(q *seq, match *roaring.Bitmap, docs []uint32, scores []float32) error {
	slot := q.slots[0]
	for i, t := range slot.terms {
		it, err := slot.frequencies(e.seg, i, match)
		if err != nil {
			return err
		}
		if it == nil {
			continue
		}
		k := 0
		for {
			posting, err := it.Next()
			if err != nil {
				return err
			}
			if posting == nil {
				break
			}
			doc := uint32(posting.Number())
			for docs[k] < doc {
				k++
			}
			scores[k] += float32(q.idf * t.weight * e.saturation(doc, float64(posting.Frequency())))
		}
	}
	return nil
}

func (e *evaluation) scorePhrase(q *seq, docs []uint32, scores []float32) {
	hits := e.phrases[q]
	if hits == nil {
		return
	}
	k, i := 0, 0
	for it := hits.docs.Iterator(); it.HasNext(); i++ {
		doc := it.Next()
		for k < len(docs) && docs[k] < doc {
			k++
		}
		if k == len(docs) {
			return
		}
		if docs[k] == doc {
			scores[k] += float32(q.idf * e.saturation(doc, float64(hits.count[i])))
		}
	}
}

// bonus adds to the score of the documents that a slot has.
func (e *evaluation) bonus(slot *slot, weight float32, match *roaring.Bitmap, docs []uint32, scores []float32) error {
	b, err := slot.docs(e.seg)
	if err != nil || b.IsEmpty() {
		return err
	}
	k := 0
	for it := roaring.And(match, b).Iterator(); it.HasNext(); {
		doc := it.Next()
		for docs[k] < doc {
			k++
		}
		scores[k] += weight
	}
	return nil
}

// nearness raises the best documents by how near to each other the words of the query stand in them, and sorts them again.
// It only ever raises, so the documents behind the best stay behind them.
func (s *search) nearness(p *plan, best []*ranked) error {
	var words []*slot
	for _, q := range p.scoring {
		if q.slots[0].field == textField {
			words = append(words, q.slots...)
		}
	}
	if len(words) < 2 {
		return nil
	}
	n := min(len(best), nearest)
	bySegment := make(map[int][]*ranked)
	for _, f := range best[:n] {
		bySegment[f.seg] = append(bySegment[f.seg], f)
	}
	lists := make([][]uint32, len(words))
	for i, fs := range bySegment {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		slices.SortFunc(fs, func(a, b *ranked) int { return cmp.Compare(a.doc, b.doc) })
		docs := roaring.New()
		for _, f := range fs {
			docs.Add(f.doc)
		}
		streams := make([]*positions, len(words))
		for k, w := range words {
			var err error
			if streams[k], err = w.positions(s.segs[i], docs); err != nil {
				return err
			}
		}
		for _, f := range fs {
			for k, st := range streams {
				var err error
				if lists[k], err = st.next(f.doc); err != nil {
					return err
				}
			}
			f.score += near(words, lists)
			f.key = f.score
		}
	}
	slices.SortFunc(best[:n], compareFound)
	return nil
}

// near rates how near words stand: each pair of neighbours of the query by its least distance, and all of them by the
// shortest stretch that has them all.
func near(words []*slot, lists [][]uint32) (score float64) {
	var sum float64
	all := true
	for i, w := range words {
		sum += w.idf
		if len(lists[i]) == 0 {
			all = false
			continue
		}
		if i == 0 || len(lists[i-1]) == 0 {
			continue
		}
		if d := distance(lists[i-1], lists[i]); d <= 16 {
			score += pairWeight * (words[i-1].idf + w.idf) / 2 / float64(d)
		}
	}
	if all && len(words) > 2 {
		if span := stretch(lists); span <= 16*len(words) {
			score += windowWeight * sum * float64(len(words)) / float64(max(span, len(words)))
		}
	}
	return score
}

// distance is the least distance from a position of a to one of b: 1 if b follows a, one more than it is if it goes before.
func distance(a, b []uint32) int {
	least := math.MaxInt32
	for i, j := 0, 0; i < len(a) && j < len(b); {
		d := int(b[j]) - int(a[i])
		if d > 0 {
			least = min(least, d)
			i++
		} else {
			if d < 0 {
				least = min(least, 1-d)
			}
			j++
		}
	}
	return least
}

// stretch is the length of the shortest run of words that has a position of every list.
func stretch(lists [][]uint32) int {
	at := make([]int, len(lists))
	least := math.MaxInt32
	for {
		lo, hi, which := uint32(math.MaxUint32), uint32(0), 0
		for i, l := range lists {
			p := l[at[i]]
			if p < lo {
				lo, which = p, i
			}
			hi = max(hi, p)
		}
		least = min(least, int(hi-lo)+1)
		if at[which]++; at[which] == len(lists[which]) {
			return least
		}
	}
}
