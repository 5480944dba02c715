package kb

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// candidate is a term that a word may stand for.
type candidate struct {
	term  string
	count uint64
	edits int
}

// expand runs over the terms of a field between two keys, all if they are nil, and collects those that an automaton takes. near
// makes one for each goroutine; nil takes all.
func (s *search) expand(field string, near func() *nearWords, from, to []byte, found map[string]*candidate) error {
	bySegment := make([][]candidate, len(s.segs))
	workers := s.workers(s.docs > docsAlone)
	automata := make([]segment.Automaton, workers)
	err := s.spread(workers, func(worker, seg int) error {
		d, err := s.segs[seg].dict(field)
		if err != nil {
			return err
		}
		if near != nil && automata[worker] == nil {
			automata[worker] = near()
		}
		it := iterateTerms(d, automata[worker], from, to)
		var list segment.PostingsList // used again: a short prefix stands for a hundred thousand terms
		for n := 0; ; n++ {
			e, err := it.Next()
			if err != nil {
				return fmt.Errorf("read dictionary of field %s: %w", field, err)
			}
			if e == nil {
				return nil
			}
			if n%1024 == 1023 && s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			// The engine's own count is wrong behind a term that stands in one document only.
			if list, err = d.PostingsList([]byte(e.Term), nil, list); err != nil {
				return fmt.Errorf("look up %q: %w", e.Term, err)
			}
			bySegment[seg] = append(bySegment[seg], candidate{e.Term, list.Count(), 0})
		}
	})
	if err != nil {
		return err
	}
	for _, some := range bySegment {
		for i := range some {
			if c, ok := found[some[i].term]; ok {
				c.count += some[i].count
			} else {
				found[some[i].term] = &some[i]
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
	list = list[:min(len(list), maxExpansions)]
	terms := make([]slotTerm, len(list))
	for i, c := range list {
		terms[i] = slotTerm{term: c.term, weight: weight(c)}
	}
	return s.lookUp(field, terms)
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
	a := newNearWords(text, edits)
	if a == nil {
		return nil
	}
	near := map[string]*candidate{}
	if err := s.expand(field, func() *nearWords { return newNearWords(text, edits) }, nil, nil, near); err != nil {
		return err
	}
	for term, c := range near {
		c.edits = a.distanceTo(term)
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

// containing finds the terms that contain a text.
func (s *search) containing(field, text string, found map[string]*candidate) error {
	if field != textField {
		return nil
	}
	for _, v := range s.segs {
		dict, err := v.columns.dictionaryOf(v.seg)
		if err != nil {
			return err
		}
		for term := range dict.containing([]byte(text)) {
			if len(found) > 16*maxExpansions {
				return nil
			}
			if c, ok := found[string(term)]; ok {
				c.count++
			} else {
				found[string(term)] = &candidate{term: string(term), count: 1, edits: 1}
			}
		}
	}
	return nil
}
