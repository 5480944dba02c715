package kb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	"github.com/blevesearch/vellum/levenshtein"
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
	s.x.forget(segs)
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
	slices.SortStableFunc(p.must, func(a, b *condition) int { return a.cost() - b.cost() })
	return p, nil
}

// condition makes one of a clause; nil for a word that has only signs.
func (s *search) condition(c *clause, p *plan) (*condition, error) {
	switch c.kind {
	case kindRange:
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
	t := slotTerm{term: term, weight: 1, lists: make([]segment.PostingsList, len(s.segs))}
	for i, v := range s.segs {
		d, err := v.dict(field)
		if err != nil {
			return nil, err
		}
		pl, err := d.PostingsList([]byte(term), nil, nil)
		if err != nil {
			return nil, fmt.Errorf("look up %q: %w", term, err)
		}
		if n := pl.Count(); n > 0 {
			t.lists[i] = pl
			t.count += n
		}
	}
	if t.count == 0 {
		return nil, nil
	}
	return []slotTerm{t}, nil
}

func (s *search) has(field, term string) (bool, error) {
	t, err := s.term(field, term)
	return len(t) > 0, err
}

// candidate is a term that a word may stand for.
type candidate struct {
	term  string
	count uint64
	edits int
}

// expand runs over the terms of a field between two keys, all if they are nil, and collects those that an automaton takes.
func (s *search) expand(field string, a segment.Automaton, from, to []byte, found map[string]*candidate) error {
	for _, v := range s.segs {
		d, err := v.dict(field)
		if err != nil {
			return err
		}
		it := d.AutomatonIterator(a, from, to)
		for n := 0; ; n++ {
			e, err := it.Next()
			if err != nil {
				return fmt.Errorf("read dictionary of field %s: %w", field, err)
			}
			if e == nil {
				break
			}
			if n%1024 == 1023 && s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			if c, ok := found[e.Term]; ok {
				c.count += e.Count
			} else {
				found[e.Term] = &candidate{e.Term, e.Count, 0}
			}
		}
	}
	return nil
}

// best returns the candidates that count most, as terms with weights.
func (s *search) best(field string, found map[string]*candidate, weight func(*candidate) float64) ([]slotTerm, error) {
	list := make([]*candidate, 0, len(found))
	for _, c := range found {
		list = append(list, c)
	}
	rank := func(c *candidate) float64 { return weight(c) * math.Log1p(float64(c.count)) }
	slices.SortFunc(list, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), strings.Compare(a.term, b.term))
	})
	terms := make([]slotTerm, 0, min(len(list), maxExpansions))
	for _, c := range list[:min(len(list), maxExpansions)] {
		t, err := s.term(field, c.term)
		if err != nil {
			return nil, err
		}
		for i := range t {
			t[i].weight = weight(c)
		}
		terms = append(terms, t...)
	}
	return terms, nil
}

func (s *search) prefix(field, prefix string) ([]slotTerm, error) {
	found := map[string]*candidate{}
	if err := s.expand(field, nil, []byte(prefix), append([]byte(prefix), 0xff), found); err != nil {
		return nil, err
	}
	return s.best(field, found, func(*candidate) float64 { return 1 })
}

// near finds the terms within some edits of a word, itself included.
func (s *search) near(field, text string, edits int) ([]slotTerm, error) {
	found := map[string]*candidate{}
	if err := s.nearTerms(field, text, edits, found); err != nil {
		return nil, err
	}
	return s.best(field, found, func(c *candidate) float64 { return 1 / float64(1+c.edits) })
}

func (s *search) nearTerms(field, text string, edits int, found map[string]*candidate) error {
	dfa, err := s.x.fuzzy.dfa(text, edits)
	if err != nil {
		return err
	}
	if dfa == nil {
		return nil
	}
	near := map[string]*candidate{}
	if err := s.expand(field, dfa, nil, nil, near); err != nil {
		return err
	}
	for term, c := range near {
		_, d := dfa.MatchAndDistance(term)
		c.edits = int(d)
		found[term] = c
	}
	return nil
}

// unknown finds what to look for instead of a word that no document has: terms that contain it, which is what a search for a
// substring wants, and terms that it may be a misspelling of: one edit for 4 to 7 letters, two above.
func (s *search) unknown(field, text string, report bool) ([]slotTerm, error) {
	letters := utf8.RuneCountInString(text)
	found := map[string]*candidate{}
	if letters >= literalTermMin {
		if err := s.containing(field, text, found); err != nil {
			return nil, err
		}
	}
	contain := len(found)
	edits := 0
	switch {
	case letters >= 8:
		edits = 2
	case letters >= 4:
		edits = 1
	}
	if edits > 0 {
		if err := s.nearTerms(field, text, edits, found); err != nil {
			return nil, err
		}
	}
	terms, err := s.best(field, found, func(c *candidate) float64 { return 1 / float64(1+c.edits) })
	if err == nil && report && contain == 0 && len(terms) > 0 {
		s.corrected = append(s.corrected, Correction{text, terms[0].term})
	}
	return terms, err
}

// containing finds the terms that contain a text. Each segment's dictionary is written out once, separated by zeros, for
// it: searching a few megabytes takes a millisecond, walking the automaton a hundred.
func (s *search) containing(field, text string, found map[string]*candidate) error {
	if field != textField {
		return nil
	}
	needle := []byte(text)
	for _, v := range s.segs {
		dict, err := v.terms()
		if err != nil {
			return err
		}
		for i := 0; ; {
			k := bytes.Index(dict[i:], needle)
			if k < 0 {
				break
			}
			from := bytes.LastIndexByte(dict[:i+k], 0) + 1
			to := i + k + bytes.IndexByte(dict[i+k:], 0)
			if len(found) > 16*maxExpansions {
				return nil
			}
			term := string(dict[from:to])
			if c, ok := found[term]; ok {
				c.count++
			} else {
				found[term] = &candidate{term, 1, 1}
			}
			i = to
		}
	}
	return nil
}

func (v *segmentView) terms() ([]byte, error) {
	c := v.columns
	c.dictOnce.Do(func() {
		var d segment.TermDictionary
		if d, c.dictErr = v.seg.Dictionary(textField); c.dictErr != nil {
			return
		}
		it := iterateTerms(d)
		out := []byte{0}
		for {
			var e *bleveindex.DictEntry
			if e, c.dictErr = it.Next(); c.dictErr != nil || e == nil {
				break
			}
			out = append(append(out, e.Term...), 0)
		}
		c.dict = slices.Clip(out)
	})
	return c.dict, c.dictErr
}

// iterateTerms runs over all terms, without the counts if the segment can leave them out.
func iterateTerms(d segment.TermDictionary) segment.DictionaryIterator {
	if o, ok := d.(interface {
		AutomatonIteratorOmitCount(a segment.Automaton, from, to []byte) segment.DictionaryIterator
	}); ok {
		return o.AutomatonIteratorOmitCount(nil, nil, nil)
	}
	return d.AutomatonIterator(nil, nil, nil)
}

// fuzzyBuilders make automata that take the words within some edits of a word. They are made when first needed.
type fuzzyBuilders struct {
	once [2]sync.Once
	b    [2]*levenshtein.LevenshteinAutomatonBuilder
	err  [2]error
}

// dfa returns an automaton; nil for a text that it cannot be made for.
func (f *fuzzyBuilders) dfa(text string, edits int) (*levenshtein.DFA, error) {
	i := min(max(edits, 1), 2) - 1
	f.once[i].Do(func() { f.b[i], f.err[i] = levenshtein.NewLevenshteinAutomatonBuilder(uint8(i+1), true) })
	if f.err[i] != nil {
		return nil, fmt.Errorf("make automaton of edits: %w", f.err[i])
	}
	dfa, err := f.b[i].BuildDfa(text, uint8(i+1))
	if errors.Is(err, levenshtein.ErrTooManyStates) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make automaton for %q: %w", text, err)
	}
	return dfa, nil
}

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
		for p.at[i] != nil && uint32(p.at[i].Number()) < doc {
			var err error
			if p.at[i], err = it.Next(); err != nil {
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
