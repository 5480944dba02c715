package kb

import (
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// bitmap returns the documents of a list. It may be part of the index and must not be changed.
func bitmap(pl segment.PostingsList) (*roaring.Bitmap, error) {
	it, ok := pl.Iterator(false, false, false, nil).(segment.OptimizablePostingsIterator)
	if !ok {
		return nil, fmt.Errorf("a list of documents is %T", pl)
	}
	if n, ok := it.DocNum1Hit(); ok {
		return roaring.BitmapOf(uint32(n)), nil
	}
	if b := it.ActualBitmap(); b != nil {
		return b, nil
	}
	return roaring.New(), nil
}

// docs returns the documents of a segment that have any term of the slot. It must not be changed.
func (sl *slot) docs(v *segmentView) (*roaring.Bitmap, error) {
	var one *roaring.Bitmap
	var many []*roaring.Bitmap
	for _, t := range sl.terms {
		if t.lists[v.n] == nil {
			continue
		}
		b, err := bitmap(t.lists[v.n])
		if err != nil {
			return nil, err
		}
		one = b
		many = append(many, b)
	}
	switch len(many) {
	case 0:
		return roaring.New(), nil
	case 1:
		return one, nil
	}
	return roaring.FastOr(many...), nil
}

// frequencies runs over the documents of match that have term i of the slot; nil if there are none.
func (sl *slot) frequencies(v *segmentView, i int, match *roaring.Bitmap) (segment.PostingsIterator, error) {
	return iterate(sl.terms[i].lists[v.n], match, false)
}

// iterate runs over the documents of a list that are in match; nil if there are none.
func iterate(pl segment.PostingsList, match *roaring.Bitmap, positions bool) (segment.PostingsIterator, error) {
	if pl == nil {
		return nil, nil
	}
	docs, err := bitmap(pl)
	if err != nil {
		return nil, err
	}
	both := roaring.And(docs, match)
	if both.IsEmpty() {
		return nil, nil
	}
	it := pl.Iterator(true, false, positions, nil)
	o, ok := it.(segment.OptimizablePostingsIterator)
	if !ok {
		return nil, fmt.Errorf("an iterator is %T", it)
	}
	if _, one := o.DocNum1Hit(); !one && both.GetCardinality() < docs.GetCardinality() {
		o.ReplaceActual(both)
	}
	return it, nil
}

// positions gives the positions of a slot in documents, which must be asked for in rising order.
type positions struct {
	its  []segment.PostingsIterator
	at   []segment.Posting
	list []uint32
}

func (sl *slot) positions(v *segmentView, match *roaring.Bitmap) (*positions, error) {
	p := &positions{}
	for _, t := range sl.terms {
		it, err := iterate(t.lists[v.n], match, true)
		if err != nil {
			return nil, err
		}
		if it == nil {
			continue
		}
		first, err := it.Next()
		if err != nil {
			return nil, err
		}
		if first != nil {
			p.its, p.at = append(p.its, it), append(p.at, first)
		}
	}
	return p, nil
}

// next returns the positions in a document, in order. They are valid until the next call.
func (p *positions) next(doc uint32) ([]uint32, error) {
	p.list = p.list[:0]
	lists := 0
	for i, it := range p.its {
		if p.at[i] != nil && uint32(p.at[i].Number()) < doc {
			var err error
			if p.at[i], err = it.Advance(uint64(doc)); err != nil {
				return nil, err
			}
		}
		if p.at[i] == nil || uint32(p.at[i].Number()) != doc {
			continue
		}
		for _, l := range p.at[i].Locations() {
			p.list = appendPositions(p.list, l.Pos(), l.Start(), l.End(), l.ArrayPositions())
		}
		lists++
	}
	if lists > 1 {
		slices.Sort(p.list)
		p.list = slices.Compact(p.list)
	}
	return p.list, nil
}
