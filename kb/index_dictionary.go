package kb

import (
	"bytes"
	"iter"
	"slices"

	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// dictionary is the words of a segment written out, to find those that contain a text. It is made once for a segment; walking the
// engine's own automaton would take a hundred times as long as searching a few megabytes does. A shadow of each block says of
// most texts that they are not in it.
type dictionary struct {
	text   []byte // a zero before and behind each term, in the order of the bytes
	ends   []int  // of the blocks; each ends with a zero, and the next begins behind it
	blocks []shadow
}

const (
	blockBytes = 2 << 10
	blockWords = blockBytes / 64 // of its shadow: as many bits as it has bytes
)

func newDictionary(terms segment.DictionaryIterator) (*dictionary, error) {
	d := &dictionary{text: []byte{0}}
	block, from := make(shadow, blockWords), 0
	end := func() {
		d.ends, d.blocks = append(d.ends, len(d.text)), append(d.blocks, block)
		block, from = make(shadow, blockWords), len(d.text)
	}
	for {
		e, err := terms.Next()
		if err != nil {
			return nil, err //nolint:wrapcheck // as all that the engine says
		}
		if e == nil {
			break
		}
		if len(d.text)-from >= blockBytes {
			end()
		}
		d.text = append(append(d.text, e.Term...), 0)
		block.add([]byte(e.Term))
	}
	end()
	d.text = bytes.Clone(d.text) // as large as it is: it stays as long as the segment
	return d, nil
}

// containing runs over the terms that contain a text, each once. They are valid until the dictionary is gone.
func (d *dictionary) containing(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		wanted := slices.Collect(grams(text))
		from := 0
		for i, end := range d.ends {
			block := d.text[from:end]
			from = end
			if !d.blocks[i].mayHave(wanted) {
				continue
			}
			for at := 0; ; {
				k := bytes.Index(block[at:], text)
				if k < 0 {
					break
				}
				begin := bytes.LastIndexByte(block[:at+k], 0) + 1
				at += k + bytes.IndexByte(block[at+k:], 0)
				if !yield(block[begin:at]) {
					return
				}
			}
		}
	}
}

// dictionaryOf returns the dictionary of the columns' segment, made when it is first asked for.
func (c *columns) dictionaryOf(seg segment.Segment) (*dictionary, error) {
	c.dictOnce.Do(func() {
		var all segment.TermDictionary
		if all, c.dictErr = seg.Dictionary(textField); c.dictErr == nil {
			c.dict, c.dictErr = newDictionary(iterateTerms(all, nil, nil, nil))
		}
	})
	return c.dict, c.dictErr
}

// iterateTerms runs over the terms between two keys that an automaton takes, all for nil, without counting if the segment can leave
// that out.
func iterateTerms(d segment.TermDictionary, a segment.Automaton, from, to []byte) segment.DictionaryIterator {
	if o, ok := d.(interface {
		AutomatonIteratorOmitCount(a segment.Automaton, from, to []byte) segment.DictionaryIterator
	}); ok {
		return o.AutomatonIteratorOmitCount(a, from, to)
	}
	return d.AutomatonIterator(a, from, to)
}
