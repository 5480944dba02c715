package kb

import (
	"cmp"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

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
	// The word that fewest documents have goes first: where it does not stand beside the next, the others are not looked at.
	order := make([]int, len(q.slots))
	streams := make([]*positions, len(q.slots))
	for i, slot := range q.slots {
		order[i] = i
		var err error
		if streams[i], err = slot.positions(e.seg, candidates); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(q.slots[b].idf, q.slots[a].idf) })
	hits := &phraseHits{docs: roaring.New()}
	var starts []uint32
	for n, doc := range candidates.ToArray() {
		if n%4096 == 4095 && e.s.ctx.Err() != nil {
			return nil, e.s.ctx.Err()
		}
		for k, i := range order {
			list, err := streams[i].next(doc)
			if err != nil {
				return nil, err
			}
			if k == 0 {
				starts = firstStarts(starts[:0], list, uint32(i))
			} else {
				starts = keepStarts(starts, list, uint32(i))
			}
			if len(starts) == 0 {
				break
			}
		}
		if n := len(starts); n > 0 {
			hits.docs.Add(doc)
			hits.count = append(hits.count, uint8(min(n, 255)))
		}
	}
	e.phrases[q] = hits
	return hits.docs, nil
}

// firstStarts appends where a phrase may start whose word i stands at some positions.
func firstStarts(starts, list []uint32, i uint32) []uint32 {
	for _, p := range list {
		if p >= i {
			starts = append(starts, p-i)
		}
	}
	return starts
}

// keepStarts leaves those where word i stands at some of the positions. Both lists are in order.
func keepStarts(starts, list []uint32, i uint32) []uint32 {
	kept, k := starts[:0], 0
	for _, p := range starts {
		for k < len(list) && list[k] < p+i {
			k++
		}
		if k == len(list) {
			break
		}
		if list[k] == p+i {
			kept = append(kept, p)
		}
	}
	return kept
}

// scoreboard holds the scores of documents of a segment, by their number.
type scoreboard struct{ of []float32 }

// scoreboards are empty: zero everywhere.
var scoreboards = sync.Pool{New: func() any { return &scoreboard{} }}

func newScoreboard(docs int) *scoreboard {
	b, _ := scoreboards.Get().(*scoreboard)
	if len(b.of) < docs {
		b.of = make([]float32, docs)
	}
	return b
}

// take returns a score and forgets it.
func (b *scoreboard) take(doc uint32) float32 {
	score := b.of[doc]
	b.of[doc] = 0
	return score
}

// release gives it back when all scores were taken.
func (b *scoreboard) release() {
	if b != nil {
		scoreboards.Put(b)
	}
}

// scores returns the scores of documents, nil if the query has nothing to score by. Only those in match have one.
func (e *evaluation) scores(p *plan, match *roaring.Bitmap) (*scoreboard, error) {
	if len(p.scoring) == 0 {
		return nil, nil
	}
	scores := newScoreboard(len(e.seg.columns.id))
	for _, q := range p.scoring {
		var err error
		if len(q.slots) == 1 {
			err = e.scoreSlot(q, match, scores)
		} else {
			e.scorePhrase(q, match, scores)
		}
		if err == nil && q.whole != nil {
			err = e.bonus(q.whole, float32(wholeWeight*q.whole.idf), match, scores)
		}
		if err == nil && q.title != nil {
			err = e.bonus(q.title, float32(titleWeight*q.idf), match, scores)
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

func (e *evaluation) scoreSlot(q *seq, match *roaring.Bitmap, scores *scoreboard) error {
	slot := q.slots[0]
	for i, t := range slot.terms {
		it, err := slot.frequencies(e.seg, i, match)
		if err != nil {
			return err
		}
		if it == nil {
			continue
		}
		weight := q.idf * t.weight
		for {
			posting, err := it.Next()
			if err != nil {
				return err
			}
			if posting == nil {
				break
			}
			doc := uint32(posting.Number())
			scores.of[doc] += float32(weight * e.saturation(doc, float64(posting.Frequency())))
		}
	}
	return nil
}

func (e *evaluation) scorePhrase(q *seq, match *roaring.Bitmap, scores *scoreboard) {
	hits := e.phrases[q]
	if hits == nil {
		return
	}
	for i, doc := range hits.docs.ToArray() {
		if match.Contains(doc) {
			scores.of[doc] += float32(q.idf * e.saturation(doc, float64(hits.count[i])))
		}
	}
}

// bonus adds to the score of the documents that a slot has.
func (e *evaluation) bonus(slot *slot, weight float32, match *roaring.Bitmap, scores *scoreboard) error {
	b, err := slot.docs(e.seg)
	if err != nil || b.IsEmpty() {
		return err
	}
	for it := roaring.And(match, b).Iterator(); it.HasNext(); {
		scores.of[it.Next()] += weight
	}
	return nil
}
