package kb

import (
	"hash/maphash"
	"sync"

	bleveindex "github.com/blevesearch/bleve_index_api"
)

// wordsField is a field of words with their positions. It is analyzed once, by whichever goroutine needs it first.
type wordsField struct {
	name  string
	texts []string

	once  sync.Once
	count int
	freqs bleveindex.TokenFrequencies
}

func (f *wordsField) Name() string              { return f.name }
func (f *wordsField) Value() []byte             { return nil }
func (f *wordsField) ArrayPositions() []uint64  { return nil }
func (f *wordsField) EncodedFieldType() byte    { return 't' }
func (f *wordsField) NumPlainTextBytes() uint64 { return 0 }
func (f *wordsField) Size() int                 { return 64 * len(f.freqs) }
func (f *wordsField) Options() bleveindex.FieldIndexingOptions {
	return bleveindex.IndexField | bleveindex.IncludeTermVectors
}

// AnalyzedLength is 1 for every document: the storage engine would write the length with each term of it. The true one is in
// the columns. It must not be 0, which the engine takes for something else.
func (f *wordsField) AnalyzedLength() int                                   { return 1 }
func (f *wordsField) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return f.freqs }
func (f *wordsField) Analyze()                                              { f.once.Do(f.analyze) }

func (f *wordsField) words() int {
	f.Analyze()
	return f.count
}

// analyze counts the terms of all texts as if they were one, with a gap between two.
func (f *wordsField) analyze() {
	c, _ := wordCounters.Get().(*wordCounter)
	base, last := 0, 0
	for _, t := range f.texts {
		tokenize(t, func(t token) {
			if t.whole { // it has no positions; those of its parts are enough
				c.add(t.term)
				return
			}
			f.count++
			last = base + t.pos
			c.addAt(t.term, last)
		})
		base = last + gap
	}
	f.texts = nil
	f.freqs = c.frequencies()
	if c.reset() {
		wordCounters.Put(c)
	}
}

// wordCounter counts the terms of one field at a time. What it works with is used again for the next field, and what it returns
// is as few pieces of memory as can be: an index of many files is made of little else.
type wordCounter struct {
	slots  []uint32 // a hash table: 1 + the number of a term, 0 = free; its length is a power of two
	terms  []countedTerm
	bytes  []byte      // the terms, one after the other
	places []wordPlace // in the order of the text
}

type countedTerm struct {
	hash   uint32
	end    int // in bytes
	freq   int
	places int
	next   int // while positions are handed out: how many were, and the last
	last   int
}

type wordPlace struct {
	term uint32
	pos  int
}

var (
	wordCounters = sync.Pool{New: func() any { return &wordCounter{slots: make([]uint32, 1024)} }}
	wordSeed     = maphash.MakeSeed()
)

// add counts a term and returns its number.
func (c *wordCounter) add(term []byte) uint32 {
	hash := uint32(maphash.Bytes(wordSeed, term))
	mask := uint32(len(c.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		k := c.slots[at]
		if k == 0 {
			c.slots[at] = uint32(len(c.terms) + 1)
			break
		}
		if t := &c.terms[k-1]; t.hash == hash && string(c.term(int(k-1))) == string(term) {
			t.freq++
			return k - 1
		}
	}
	c.bytes = append(c.bytes, term...)
	c.terms = append(c.terms, countedTerm{hash: hash, end: len(c.bytes), freq: 1})
	if n := len(c.terms); 2*n > len(c.slots) {
		c.grow()
	}
	return uint32(len(c.terms) - 1)
}

func (c *wordCounter) addAt(term []byte, pos int) {
	k := c.add(term)
	c.terms[k].places++
	c.places = append(c.places, wordPlace{k, pos})
}

func (c *wordCounter) term(k int) []byte {
	from := 0
	if k > 0 {
		from = c.terms[k-1].end
	}
	return c.bytes[from:c.terms[k].end]
}

func (c *wordCounter) grow() {
	c.slots = make([]uint32, 2*len(c.slots))
	mask := uint32(len(c.slots) - 1)
	for k := range c.terms {
		at := c.terms[k].hash & mask
		for c.slots[at] != 0 {
			at = (at + 1) & mask
		}
		c.slots[at] = uint32(k + 1)
	}
}

// reset makes it ready for the next field, and says whether it is worth keeping: not after a text of megabytes.
func (c *wordCounter) reset() bool {
	if len(c.slots) > 1<<16 || cap(c.places) > 1<<17 {
		return false
	}
	clear(c.slots)
	c.terms, c.bytes, c.places = c.terms[:0], c.bytes[:0], c.places[:0]
	return true
}

// frequencies returns what the storage engine wants to know. The positions of a term in a document are kept in one location,
// whose numbers we give a meaning of our own, instead of one location for each: Position is the first, Start, End and
// ArrayPositions are the differences that follow. That is a third of the bytes. The engine takes the terms from the keys.
func (c *wordCounter) frequencies() bleveindex.TokenFrequencies {
	placed, more := 0, 0
	for i := range c.terms {
		if n := c.terms[i].places; n > 0 {
			placed++
			more += max(0, n-3)
		}
	}
	var (
		text      = string(c.bytes)
		freqs     = make([]bleveindex.TokenFreq, len(c.terms))
		locations = make([]bleveindex.TokenLocation, placed)
		pointers  = make([]*bleveindex.TokenLocation, placed)
		positions = make([]uint64, more)
		out       = make(bleveindex.TokenFrequencies, len(c.terms))
		from      = 0
	)
	for i := range c.terms {
		t := &c.terms[i]
		tf := &freqs[i]
		tf.SetFrequency(t.freq)
		if t.places > 0 {
			loc := &locations[0]
			pointers[0] = loc
			tf.Locations = pointers[:1:1]
			locations, pointers = locations[1:], pointers[1:]
			if n := t.places - 3; n > 0 {
				loc.ArrayPositions = positions[:n:n]
				positions = positions[n:]
			}
		}
		out[text[from:t.end]] = tf
		from = t.end
	}
	for _, p := range c.places {
		t := &c.terms[p.term]
		loc := freqs[p.term].Locations[0]
		switch step := p.pos - t.last; t.next {
		case 0:
			loc.Position = step
		case 1:
			loc.Start = step
		case 2:
			loc.End = step
		default:
			loc.ArrayPositions[t.next-3] = uint64(step)
		}
		t.next++
		t.last = p.pos
	}
	return out
}

// appendPositions makes positions of what wordCounter.frequencies put into a location.
func appendPositions(dst []uint32, first, second, third uint64, more []uint64) []uint32 {
	p := uint32(first)
	dst = append(dst, p)
	if second == 0 {
		return dst
	}
	p += uint32(second)
	dst = append(dst, p)
	if third == 0 {
		return dst
	}
	p += uint32(third)
	dst = append(dst, p)
	for _, d := range more {
		p += uint32(d)
		dst = append(dst, p)
	}
	return dst
}
