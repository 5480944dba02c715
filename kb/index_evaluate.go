package kb

import (
	"slices"

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
