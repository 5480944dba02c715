package kb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxLiteralBytes is how much of a file is in memory at once: all of most files.
	maxLiteralBytes = 8 << 20
	// maxLiteralText bounds what is looked for: it must fit well into that.
	maxLiteralText = 1 << 20
)

// TextFile is a file to look into: one of a [Base], or one with an id and the means to open it.
type TextFile struct {
	ID   string
	Open func() (io.ReadCloser, error) // its bytes as they are on disk

	base *Base // nil = not of a base
	row  *row
}

func (f *TextFile) id() string {
	if f.row != nil {
		return f.row.id()
	}
	return f.ID
}

func (f *TextFile) open(at *folders) (io.ReadCloser, error) {
	if f.row != nil {
		return at.open(f.base, f.row)
	}
	return f.Open()
}

// cannotHave says that the file, as the record knows it, cannot have a text with these groups.
func (f *TextFile) cannotHave(grams []uint32) bool {
	if f.row == nil || len(grams) == 0 {
		return false
	}
	s := f.row.shadow.Load()
	return s != nil && !s.mayHave(grams)
}

// kept returns the text of a file of a small base that was read before.
func (f *TextFile) kept() ([]byte, bool) {
	if f.row == nil {
		return nil, false
	}
	return f.base.cat.shadows.text(f.row)
}

// learn remembers what was read of a file.
func (f *TextFile) learn(r io.ReadCloser, text []byte) {
	if f.row == nil || f.row.shadow.Load() != nil {
		return
	}
	if file, ok := r.(*os.File); ok {
		if info, err := file.Stat(); err == nil {
			f.base.cat.shadows.learn(f.row, info, text)
		}
	}
}

// LiteralOptions are the settings of a literal search. The zero value is good.
type LiteralOptions struct {
	Workers int           // files read at once, at most 64; 0 = twice the CPUs
	Time    time.Duration // when to stop and answer with what was found; 0 = 2 s
}

// LiteralHit is a file that has the text.
type LiteralHit struct {
	ID         string
	MatchCount int    // lines that have it
	Preview    string // the first of them, at most 200 characters around the text
	fragments  []Fragment
}

// LiteralResult is the answer of a literal search.
type LiteralResult struct {
	Hits      []LiteralHit // by falling MatchCount, then by id
	Files     int          // looked at, or known not to have it
	Unread    int          // of them could not be read
	Truncated bool         // time was up: not every file was looked at
}

// literalBatch is how many files a worker takes at once: those of a folder come one after the other, and few are read by several.
const literalBatch = 8

// Literal looks for a text in files, any case, as it stands: signs and blanks count. It reads the files in parallel and
// stops when the time is up or ctx ends by its own deadline. Files in UTF-16 with a byte order mark are understood. A file of a
// base that was read before is read again only if it may have the text, or has changed since by what the record says, and one of
// a small base only in the second case: then the answer is as old as the record, like that of the index. See [shadow] for the
// few that are always read.
func Literal(ctx context.Context, text string, files iter.Seq[TextFile], o LiteralOptions) (*LiteralResult, error) {
	if strings.TrimSpace(text) == "" || len(text) > maxLiteralText {
		return nil, fmt.Errorf("text: must not be blank nor longer than %d bytes", maxLiteralText)
	}
	if o.Workers < 0 || o.Workers > 64 {
		return nil, fmt.Errorf("workers: must be between 0 and 64, is %d", o.Workers)
	}
	if o.Workers == 0 {
		o.Workers = min(2*runtime.GOMAXPROCS(0), 64)
	}
	if o.Time <= 0 {
		o.Time = SearchTime
	}
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, o.Time, errTime)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		res  LiteralResult
		work = make(chan []TextFile, o.Workers)
		find = newFinder(text)
	)
	for range o.Workers {
		wg.Go(func() {
			var s scratch
			defer s.at.leave()
			for batch := range work {
				for i := range batch {
					if ctx.Err() != nil {
						break
					}
					hit, ok, err := find.file(ctx, &batch[i], &s)
					mu.Lock()
					res.Files++
					if err != nil {
						res.Unread++
					} else if ok {
						res.Hits = append(res.Hits, hit)
					}
					mu.Unlock()
				}
			}
		})
	}
	skipped := deal(ctx, files, find, work)
	wg.Wait()
	res.Files += skipped
	res.Truncated = ctx.Err() != nil
	if err := outer.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("literal search: %w", context.Cause(outer))
	}
	slices.SortFunc(res.Hits, func(a, b LiteralHit) int {
		return cmp.Or(b.MatchCount-a.MatchCount, strings.Compare(a.ID, b.ID))
	})
	return &res, nil
}

// deal hands the files to the workers that may have the text, and closes their channel. It returns how many cannot have it.
func deal(ctx context.Context, files iter.Seq[TextFile], find *finder, work chan<- []TextFile) (skipped int) {
	defer close(work)
	batch := make([]TextFile, 0, literalBatch)
	send := func() bool {
		select {
		case work <- batch:
			batch = make([]TextFile, 0, literalBatch)
			return true
		case <-ctx.Done():
			return false
		}
	}
	for f := range files {
		if f.cannotHave(find.grams) {
			skipped++
			continue
		}
		if batch = append(batch, f); len(batch) == literalBatch && !send() {
			return skipped
		}
	}
	if len(batch) > 0 {
		send()
	}
	return skipped
}

// finder looks for one text.
type finder struct {
	needle []byte // lower case
	ascii  bool
	grams  []uint32 // of the needle
}

func newFinder(text string) *finder {
	f := &finder{needle: []byte(strings.ToLower(text)), ascii: true}
	for _, c := range f.needle {
		f.ascii = f.ascii && c < utf8.RuneSelf
	}
	f.grams = slices.Collect(grams(f.needle))
	return f
}

// scratch is what a worker reads and compares in.
type scratch struct {
	at     folders
	read   bytes.Buffer
	lower  []byte
	window []byte // of a long file
}

func (f *finder) file(ctx context.Context, file *TextFile, s *scratch) (LiteralHit, bool, error) {
	if text, ok := file.kept(); ok {
		hit, ok := f.find(text, s)
		return hit.of(file, ok), ok, nil
	}
	r, err := file.open(&s.at)
	if err != nil {
		return LiteralHit{}, false, err
	}
	var hit LiteralHit
	var has bool
	s.read.Reset()
	if _, err = s.read.ReadFrom(io.LimitReader(r, maxLiteralBytes+1)); err == nil {
		if s.read.Len() > maxLiteralBytes {
			hit, has, err = f.long(ctx, s.read.Bytes(), r, s)
		} else {
			text := fromUTF16(s.read.Bytes())
			file.learn(r, text)
			hit, has = f.find(text, s)
		}
	}
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return LiteralHit{}, false, fmt.Errorf("read %s: %w", file.id(), err)
	}
	return hit.of(file, has), has, nil
}

func (h LiteralHit) of(file *TextFile, ok bool) LiteralHit {
	if ok {
		h.ID = file.id()
	}
	return h
}

// find counts the lines that have the text.
func (f *finder) find(text []byte, s *scratch) (LiteralHit, bool) {
	// Only what may be a hit is worth a copy: the first byte in either case is enough to leave most files alone.
	if f.ascii && indexFold(text, f.needle) < 0 {
		return LiteralHit{}, false
	}
	text, lower := f.folded(text, s)
	var found lines
	f.count(text, lower, len(lower), &found)
	return found.hit, found.hit.MatchCount > 0
}

// folded returns a text in lower case, and as it is to be shown, place by place.
func (f *finder) folded(text []byte, s *scratch) (shown, lower []byte) {
	if f.ascii {
		s.lower = append(s.lower[:0], text...)
		lowerASCII(s.lower)
		return text, s.lower
	}
	lower = bytes.ToLower(text)
	if len(lower) != len(text) { // some letters change their length: show what was compared
		text = lower
	}
	return text, lower
}

// lines are those that have the text, of a file that may be looked at in pieces.
type lines struct {
	hit    LiteralHit
	inside bool // the piece before ended within a line that was counted
}

// count adds the lines in which the text begins before a place.
func (f *finder) count(text, lower []byte, until int, found *lines) {
	for at := 0; at < until; {
		if found.inside { // once a line
			n := bytes.IndexByte(lower[at:until], '\n')
			if n < 0 {
				return
			}
			at, found.inside = at+n+1, false
		}
		n := bytes.Index(lower[at:], f.needle)
		if n < 0 || at+n >= until {
			return
		}
		if at += n; found.hit.MatchCount == 0 {
			found.hit.Preview, found.hit.fragments = around(text, at, len(f.needle))
		}
		found.hit.MatchCount++
		found.inside = true
	}
}

// indexFold is bytes.Index for a lower-case ASCII needle in a text of any case. It searches for the rarest letter of the
// needle in both cases, which the library does many bytes at a time.
func indexFold(text, needle []byte) int {
	pivot := 0
	for i, c := range needle {
		if rarity(c) > rarity(needle[pivot]) {
			pivot = i
		}
	}
	lo, up := needle[pivot], needle[pivot]
	if lo >= 'a' && lo <= 'z' {
		up -= 'a' - 'A'
	}
	nextLo, nextUp := -1, -1 // the next places of either, -1 = to be looked for, len = none
	for i := pivot; i <= len(text)-len(needle)+pivot; {
		if nextLo < i {
			nextLo = indexFrom(text, i, lo)
		}
		if nextUp < i {
			nextUp = nextLo
			if up != lo {
				nextUp = indexFrom(text, i, up)
			}
		}
		at := min(nextLo, nextUp)
		if at > len(text)-len(needle)+pivot {
			return -1
		}
		if equalFold(text[at-pivot:at-pivot+len(needle)], needle) {
			return at - pivot
		}
		i = at + 1
	}
	return -1
}

func indexFrom(text []byte, from int, c byte) int {
	if k := bytes.IndexByte(text[from:], c); k >= 0 {
		return from + k
	}
	return len(text)
}

// rarity rates how seldom a byte is in prose and code: the less frequent a letter of English, the higher.
func rarity(c byte) int {
	if c >= '0' && c <= '9' {
		return 20
	}
	if i := strings.IndexByte(" etaoinsrhldcumfpgwybvkxjqz", c); i >= 0 {
		return i
	}
	return 15
}

func equalFold(text, needle []byte) bool {
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != needle[i] {
			return false
		}
	}
	return true
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// around returns the line with the text, or at most 200 characters of it with the text inside.
func around(text []byte, at, length int) (string, []Fragment) {
	from := bytes.LastIndexByte(text[:at], '\n') + 1
	to := len(text)
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		to = at + i
	}
	to = max(to, min(at+length, len(text)))
	back := at // step by step from the place: a line may have millions of characters before it
	for range snippetBack {
		if back > from {
			_, n := utf8.DecodeLastRune(text[from:back])
			back -= n
		}
	}
	from = back
	if more := at + length + utf8.UTFMax*maxPreview; more < to {
		for to = more; !utf8.RuneStart(text[to]) && to > more-utf8.UTFMax; to-- {
		}
	}
	line := strings.ToValidUTF8(string(text[from:to]), "�")
	// Valid UTF-8 may be longer than what was replaced; the place is looked for again where that happened.
	start, end := at-from, at-from+length
	if len(line) != to-from {
		start = len(strings.ToValidUTF8(string(text[from:at]), "�"))
		end = start + len(strings.ToValidUTF8(string(text[at:min(at+length, len(text))]), "�"))
	}
	var s snippet
	s.cut(line, 0, span{}, []place{{start: start, end: min(end, len(line))}})
	return s.preview, s.fragments
}

// fromUTF16 decodes a text that begins with the byte order mark of UTF-16, and takes that of UTF-8 away.
func fromUTF16(b []byte) []byte {
	var high, low int
	switch {
	case bytes.HasPrefix(b, []byte{0xEF, 0xBB, 0xBF}):
		return b[3:]
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		high, low = 0, 1
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		high, low = 1, 0
	default:
		return b
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i+high])<<8|uint16(b[i+low]))
	}
	return []byte(string(utf16.Decode(units)))
}
