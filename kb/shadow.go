package kb

import (
	"bytes"
	"io/fs"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// shadow tells of most texts that a file cannot have them, so that a search through the files need not read it: a Bloom filter with
// one hash of the groups of three ASCII bytes in it, in lower case. A third of its bits are set in prose: a text of ten letters
// that is not there is taken for one that may be in one of some thousand files.
//
// Shadows are made by the first search that reads a file, and go with the row of the record: a file that changed gets a new row.
// A file has none, and is always read, if it has one of two rare signs, changed just before it was scanned, or came when all
// shadows together had reached their limit.
type shadow []uint64

// Of all shadows together, and of one file: it has as many bits as the file has bytes.
const (
	shadowsMost = 64 << 20 // bytes
	shadowWords = 1 << 10  // of 64 bits
)

// wholeMost is how large all files together may be for their texts to be kept as a whole, beside their shadows: of a small base a
// word that most files have is then found without opening one.
const wholeMost = 8 << 20 // bytes

// The two signs that become ASCII letters when they are made lower case: of a file with one nothing is known.
const (
	kelvin  = "\u212a"
	dottedI = "\u0130"
)

// shadowOf makes the shadow of a text; nil for one that has none.
func shadowOf(text []byte) shadow {
	if bytes.Contains(text, []byte(kelvin)) || bytes.Contains(text, []byte(dottedI)) {
		return nil
	}
	s := make(shadow, min(len(text)/64+1, shadowWords))
	s.add(text)
	return s
}

// add notes the groups of a text.
func (s shadow) add(text []byte) {
	for gram := range grams(text) {
		i := s.place(gram)
		s[i/64] |= 1 << (i % 64)
	}
}

func (s shadow) place(gram uint32) uint32 {
	hash := gram * 0x9E3779B1 // 2^32 divided by the golden ratio: spreads neighbours
	return uint32(uint64(hash) * uint64(len(s)) * 64 >> 32)
}

// mayHave says whether a text with all these groups may be there.
func (s shadow) mayHave(grams []uint32) bool {
	if len(s) == 0 {
		return true
	}
	for _, g := range grams {
		if i := s.place(g); s[i/64]&(1<<(i%64)) == 0 {
			return false
		}
	}
	return true
}

// grams runs over the groups of three ASCII bytes of a text, in lower case.
func grams(text []byte) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		var gram uint32
		have := 0
		for _, c := range text {
			if c >= utf8.RuneSelf {
				have = 0
				continue
			}
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			gram = (gram<<8 | uint32(c)) & 0xFFFFFF
			if have++; have >= 3 && !yield(gram) {
				return
			}
		}
	}
}

// shadows counts what all shadows take, and has the texts of a small base.
type shadows struct {
	bytes atomic.Int64
	files atomic.Int64 // bytes of all files, read or not
	whole sync.Map     // *row to []byte
}

// expect notes a row of which something may be learned.
func (all *shadows) expect(r *row) { all.files.Add(r.size) }

// text returns the text of a row that was kept whole. It must not be changed.
func (all *shadows) text(r *row) ([]byte, bool) {
	text, ok := all.whole.Load(r)
	if !ok {
		return nil, false
	}
	return text.([]byte), true
}

// learn keeps the shadow of a file that was read, if it still was the one that the row is about when it had been read.
func (all *shadows) learn(r *row, info fs.FileInfo, text []byte) {
	if r.shadow.Load() != nil || info.Size() != r.size || info.ModTime().UnixNano() != r.mtime || r.has(flagRacy) || all.bytes.Load() > shadowsMost {
		return
	}
	s := shadowOf(text)
	if s == nil || !r.shadow.CompareAndSwap(nil, &s) {
		return
	}
	all.bytes.Add(int64(8 * len(s)))
	if all.files.Load() > wholeMost {
		return
	}
	all.whole.Store(r, bytes.Clone(text))
	if r.shadow.Load() != &s { // the row went meanwhile
		all.whole.Delete(r)
	}
}

// forget takes what is known of a row that goes; it gets nothing again.
func (all *shadows) forget(r *row) {
	all.files.Add(-r.size)
	if s := r.shadow.Swap(new(shadow)); s != nil {
		all.bytes.Add(int64(-8 * len(*s)))
	}
	all.whole.Delete(r)
}
