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

	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	"github.com/blevesearch/vellum/levenshtein"
)

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
