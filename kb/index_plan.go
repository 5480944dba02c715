package kb

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// plan is a query made ready for one snapshot: its words are terms that the index has.
type plan struct {
	must, not []*condition
	scoring   []*seq // in the order of the query
}

// condition is met or not by a document. One of seq, or and rangeOf is set.
type condition struct {
	seq     *seq
	or      []*condition
	not     bool // only within or
	rangeOf string
	lo, hi  float64
}

// cost orders conditions: what narrows for little goes first.
func (c *condition) cost() int {
	switch {
	case c.rangeOf != "":
		return 1
	case c.or != nil:
		return 2
	case len(c.seq.slots) > 1:
		return 3
	}
	return 0
}

// seq is a word or phrase: slots that stand side by side.
type seq struct {
	slots []*slot
	idf   float64
	whole *slot // ip-adapter, which only adds to the score
	title *slot // the same word in the title, which only adds to the score
}

// slot is one place in a sequence: any of some terms of one field.
type slot struct {
	field string
	terms []slotTerm
	idf   float64
}

type slotTerm struct {
	term   string
	weight float64
	count  uint64                 // documents that have it
	lists  []segment.PostingsList // by segment; nil where the term is not
}

// segmentView is a segment of the snapshot.
type segmentView struct {
	n       int
	seg     segment.Segment
	deleted *roaring.Bitmap
	columns *columns
	dicts   map[string]segment.TermDictionary
}

func (s *search) view(reader *scorch.IndexSnapshot) error {
	segs := reader.Segments()
	s.x.forget(segs, len(segs)+8)
	var words, all uint64
	for i, snap := range segs {
		c, err := s.x.columnsOf(snap)
		if err != nil {
			return err
		}
		words += c.words
		all += uint64(len(c.id))
		s.docs += int(snap.Count())
		s.segs = append(s.segs, &segmentView{i, snap.Segment(), snap.Deleted(), c, map[string]segment.TermDictionary{}})
	}
	s.order = make([]int, len(s.segs))
	for i := range s.order {
		s.order[i] = i
	}
	slices.SortFunc(s.order, func(a, b int) int { return len(s.segs[b].columns.id) - len(s.segs[a].columns.id) })
	s.avgLen = max(1, float64(words)/float64(max(all, 1)))
	return nil
}

func (v *segmentView) dict(field string) (segment.TermDictionary, error) {
	d, ok := v.dicts[field]
	if !ok {
		var err error
		if d, err = v.seg.Dictionary(field); err != nil {
			return nil, fmt.Errorf("open dictionary of field %s: %w", field, err)
		}
		v.dicts[field] = d
	}
	return d, nil
}

func (s *search) compile() (*plan, error) {
	p := &plan{}
	for _, c := range s.q.all {
		cond, err := s.condition(c, p)
		if err != nil {
			return nil, err
		}
		switch {
		case cond == nil: // nothing but signs
		case c.not:
			p.not = append(p.not, cond)
		default:
			p.must = append(p.must, cond)
		}
	}
	if len(p.must)+len(p.not) == 0 && len(s.q.all) > 0 { // a query of signs only is for the literal search
		p.must = append(p.must, &condition{seq: &seq{slots: []*slot{{field: textField}}}})
	}
	if s.o.Agent != "" {
		t, err := s.term("agent", foldValue(s.o.Agent))
		if err != nil {
			return nil, err
		}
		p.must = append(p.must, &condition{seq: &seq{slots: []*slot{{field: "agent", terms: t}}}})
	}
	if len(p.must) == 0 {
		s.postings += uint64(s.docs)
	}
	slices.SortStableFunc(p.must, func(a, b *condition) int { return a.cost() - b.cost() })
	return p, nil
}

// condition makes one of a clause; nil for a word that has only signs.
func (s *search) condition(c *clause, p *plan) (*condition, error) {
	switch c.kind {
	case kindRange:
		s.postings += uint64(s.docs)
		return &condition{rangeOf: c.field, lo: c.lo, hi: c.hi}, nil
	case kindOr:
		var or []*condition
		for _, k := range c.kids {
			cond, err := s.condition(k, p)
			if err != nil {
				return nil, err
			}
			if cond != nil {
				cond.not = k.not
				or = append(or, cond)
			}
		}
		if or == nil {
			return nil, nil
		}
		return &condition{or: or}, nil
	}
	field, holdsWords := c.field, c.field == "" || fields[c.field]
	if field == "" {
		field = textField
	}
	if key, ok := strings.CutPrefix(field, "meta."); ok {
		field, c = metaField, &clause{text: key + "=" + c.text, prefix: c.prefix}
	}
	if !holdsWords {
		sl := &slot{field: field}
		var err error
		v := foldValue(c.text)
		switch {
		case c.prefix:
			sl.terms, err = s.prefix(field, v)
		case c.fuzzy > 0:
			sl.terms, err = s.near(field, v, c.fuzzy)
		default:
			sl.terms, err = s.term(field, v)
		}
		return &condition{seq: &seq{slots: []*slot{sl}}}, err
	}
	q, err := s.sequence(c, field)
	if err != nil || q == nil {
		return nil, err
	}
	if !c.not && (field == textField || field == titleField) {
		p.scoring = append(p.scoring, q)
		for _, sl := range q.slots {
			s.words = append(s.words, sl.names())
		}
	}
	return &condition{seq: q}, nil
}

func (sl *slot) names() []string {
	names := make([]string, len(sl.terms))
	for i, t := range sl.terms {
		names[i] = t.term
	}
	return names
}

// sequence makes the slots of a word or phrase; nil if it has only signs.
func (s *search) sequence(c *clause, field string) (*seq, error) {
	var w word
	if c.kind == kindPhrase {
		for _, f := range strings.Fields(c.text) {
			one := analyzeWord(f)
			if one.whole != "" && len(one.parts) == 1 { // c++ within a phrase
				if ok, err := s.has(field, one.whole); err != nil {
					return nil, err
				} else if ok {
					one.parts[0] = one.whole
				}
			}
			w.parts = append(w.parts, one.parts...)
			if len(w.parts) == len(one.parts) {
				w.whole = one.whole
			} else {
				w.whole = ""
			}
		}
	} else {
		w = analyzeWord(c.text)
	}
	if len(w.parts) == 0 {
		return nil, nil
	}
	q := &seq{}
	if w.whole != "" {
		terms, err := s.term(field, w.whole)
		if err != nil {
			return nil, err
		}
		if len(terms) > 0 {
			q.whole = s.slot(field, terms)
			if len(w.parts) == 1 { // c++ where some document has it: c alone is not meant
				q.slots, q.whole, q.idf = []*slot{q.whole}, nil, q.whole.idf
				return q, s.inTitle(q)
			}
		}
	}
	for i, part := range w.parts {
		last := i == len(w.parts)-1
		var terms []slotTerm
		var err error
		switch {
		case c.prefix && last:
			terms, err = s.prefix(field, part)
		case c.fuzzy > 0 && last:
			terms, err = s.near(field, part, c.fuzzy)
		default:
			terms, err = s.term(field, part)
			if err == nil && len(terms) == 0 && !c.not {
				terms, err = s.unknown(field, part, c.kind == kindWord)
			}
		}
		if err != nil {
			return nil, err
		}
		sl := s.slot(field, terms)
		q.slots = append(q.slots, sl)
		q.idf += sl.idf
	}
	return q, s.inTitle(q)
}

// inTitle adds the slot that raises documents with the word in their title; of several parts the rarest one.
func (s *search) inTitle(q *seq) error {
	rarest := q.slots[0]
	for _, sl := range q.slots {
		if sl.idf > rarest.idf {
			rarest = sl
		}
	}
	if rarest.field != textField {
		return nil
	}
	var terms []slotTerm
	for _, t := range rarest.terms[:min(len(rarest.terms), 8)] {
		more, err := s.term(titleField, t.term)
		if err != nil {
			return err
		}
		terms = append(terms, more...)
	}
	if len(terms) > 0 {
		q.title = s.slot(titleField, terms)
	}
	return nil
}

// slot makes a slot of terms. They share the weight of a word that as many documents have as all of them together, so that
// a rare expansion does not outweigh what was meant.
func (s *search) slot(field string, terms []slotTerm) *slot {
	var n uint64
	for _, t := range terms {
		n += t.count
	}
	df := min(float64(n), float64(s.docs))
	return &slot{field, terms, math.Log(1 + (float64(s.docs)-df+0.5)/(df+0.5))}
}

// term looks a term up; nothing if the index lacks it.
func (s *search) term(field, term string) ([]slotTerm, error) {
	if term == "" {
		return nil, nil
	}
	return s.lookUp(field, []slotTerm{{term: term, weight: 1}})
}

// lookUp fills in who has some terms, and leaves out those that nobody has.
func (s *search) lookUp(field string, terms []slotTerm) ([]slotTerm, error) {
	lists := make([]segment.PostingsList, len(terms)*len(s.segs))
	for i := range terms {
		terms[i].lists = lists[i*len(s.segs):][:len(s.segs):len(s.segs)]
	}
	err := s.spread(s.workers(len(terms) > termsAlone), func(_, seg int) error {
		d, err := s.segs[seg].dict(field)
		if err != nil {
			return err
		}
		for i := range terms {
			pl, err := d.PostingsList([]byte(terms[i].term), nil, nil)
			if err != nil {
				return fmt.Errorf("look up %q: %w", terms[i].term, err)
			}
			if pl.Count() > 0 {
				terms[i].lists[seg] = pl
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range terms {
		for _, pl := range terms[i].lists {
			if pl != nil {
				terms[i].count += pl.Count()
			}
		}
		s.postings += terms[i].count
	}
	terms = slices.DeleteFunc(terms, func(t slotTerm) bool { return t.count == 0 })
	if len(terms) == 0 {
		return nil, nil
	}
	return terms, nil
}

func (s *search) has(field, term string) (bool, error) {
	t, err := s.term(field, term)
	return len(t) > 0, err
}
