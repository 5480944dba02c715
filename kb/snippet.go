package kb

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPreview     = 200      // characters
	maxSnippetText = 1 << 20  // bytes of a text that are looked at for a preview
	snippetBack    = 40       // bytes before the first word of a preview
	maxFragments   = 2*16 + 1 // of a preview
)

// Fragment is a piece of a preview. Joined, the fragments of a hit are its preview.
type Fragment struct {
	Text  string `json:"text"`
	Match bool   `json:"match"` // a word that was looked for
}

// snippet is what is shown of a text.
type snippet struct {
	preview   string // at most 200 characters of one line
	fragments []Fragment
	lines     int     // that have any of the words
	shown     []place // words of the query that the preview was chosen for
}

// wordSet tells the terms that were looked for: each maps to the number of its word.
type wordSet struct {
	number map[string]int
	first  firstBytes
}

func newWordSet(words [][]string) *wordSet {
	w := &wordSet{number: map[string]int{}}
	for i, terms := range words {
		for _, t := range terms {
			if t != "" {
				w.number[t] = i
				w.first[t[0]] = true
			}
		}
	}
	return w
}

// place is a word of a query in a text.
type place struct{ start, end, word int }

// places finds the words of a set in a text, in order and without overlaps.
func (w *wordSet) places(text string) []place {
	var all []place
	tokenizeSome(text, &w.first, func(t token) {
		if i, ok := w.number[string(t.term)]; ok {
			if n := len(all); n > 0 && all[n-1].start >= t.start { // a whole comes after its parts
				for n > 0 && all[n-1].start >= t.start {
					n--
				}
				all = all[:n]
			}
			all = append(all, place{t.start, t.end, i})
		}
	})
	return all
}

// snippetOf chooses the part of a text with the most different words of the query, and counts the lines that have any.
// Without words it is the beginning of the text.
func snippetOf(text string, words *wordSet) snippet {
	if len(text) > maxSnippetText {
		text = text[:maxSnippetText]
		for !utf8.ValidString(text[len(text)-min(4, len(text)):]) && len(text) > maxSnippetText-4 {
			text = text[:len(text)-1]
		}
	}
	var s snippet
	places := words.places(text)
	best, most := 0, -1
	last := 0
	for _, p := range places {
		last = max(last, p.word)
	}
	seen := make([]int, last+1)
	lineEnd := -1
	for i, p := range places {
		if p.start > lineEnd {
			s.lines++
			lineEnd = len(text)
			if n := strings.IndexByte(text[p.end:], '\n'); n >= 0 {
				lineEnd = p.end + n
			}
		}
		different := 0
		for _, q := range places[i:] {
			if q.end > p.start+maxPreview-snippetBack {
				break
			}
			if seen[q.word] != i+1 {
				seen[q.word] = i + 1
				different++
			}
		}
		if different > most {
			best, most = i, different
		}
	}
	from := 0
	if len(places) > 0 {
		last := best
		for last < len(places) && places[last].end <= places[best].start+maxPreview-snippetBack {
			last++
		}
		s.shown = places[best:last]
		from = max(0, places[best].start-snippetBack)
		if line := strings.LastIndexByte(text[:places[best].start], '\n') + 1; line > from {
			from = line
		} else if from > 0 { // begin with a whole word
			if n := strings.IndexFunc(text[from:places[best].start], unicode.IsSpace); n >= 0 {
				from += n
			}
			for from < len(text) && !utf8.RuneStart(text[from]) {
				from++
			}
		}
	}
	gap := span{}
	if from == 0 {
		if gap = labelBlock(text); slices.ContainsFunc(places, func(p place) bool { return p.start < gap.end && p.end > gap.start }) {
			gap = span{}
		}
	}
	s.cut(text, from, gap, places)
	return s
}

type span struct{ start, end int }

// labelBlock finds the lines between the title of a text and what it says that tell where it is from: a preview has no room for them.
// The end of the text is not in it: then they are all there is.
func labelBlock(text string) span {
	title, at := strings.IndexByte(text, '\n')+1, 0
	for at = title; at < len(text); {
		line, _, more := strings.Cut(text[at:], "\n")
		label, _, labelled := strings.Cut(line, ":")
		if labelled = labelled && isFileLabel(strings.ToLower(label)); !labelled && strings.Trim(line, "- \t\r") != "" {
			return span{title, at}
		}
		if !more {
			break
		}
		at += len(line) + 1
	}
	return span{}
}

// cut writes the preview from a place on without the gap, blanks made one.
func (s *snippet) cut(text string, from int, gap span, places []place) {
	var all, piece strings.Builder
	length, blank, matching := 0, true, false
	flush := func() {
		if piece.Len() > 0 {
			s.fragments = append(s.fragments, Fragment{piece.String(), matching})
			piece.Reset()
		}
	}
	k, _ := slices.BinarySearchFunc(places, from, func(p place, at int) int { return p.start - at })
	for i, r := range text[from:] {
		at := from + i
		if gap.start <= at && at < gap.end { // it begins behind a line break, which is a blank already
			continue
		}
		for k < len(places) && places[k].end <= at {
			k++
		}
		inside := k < len(places) && places[k].start <= at
		if inside != matching && len(s.fragments) < maxFragments-1 {
			flush()
			matching = inside
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			if blank {
				continue
			}
			r, blank = ' ', true
		} else {
			blank = false
		}
		if length == maxPreview {
			break
		}
		length++
		piece.WriteRune(r)
		all.WriteRune(r)
	}
	flush()
	s.preview = strings.TrimRight(all.String(), " ")
	if n := len(s.fragments); n > 0 && len(s.preview) < all.Len() {
		last := &s.fragments[n-1]
		if last.Text = strings.TrimRight(last.Text, " "); last.Text == "" {
			s.fragments = s.fragments[:n-1]
		}
	}
}

// bestPart returns the entry and the insight of a document in which most words of a query occur. An insight brings its entry;
// nil where nothing has any.
func bestPart(d *Document, words *wordSet) (*Entry, *Insight) {
	rate := func(text string) int {
		if text == "" {
			return 0
		}
		var seen []int
		for _, p := range words.places(text) {
			if !slices.Contains(seen, p.word) {
				seen = append(seen, p.word)
			}
		}
		return len(seen)
	}
	var (
		entry   *Entry
		insight *Insight
		most    int
	)
	for i := range d.Entries {
		e := &d.Entries[i]
		title := rate(e.Title)
		if title > most {
			entry, insight, most = e, nil, title
		}
		for k := range e.Insights {
			in := &e.Insights[k]
			if n := rate(in.Text); n > 0 && (n > most || n == most && insight == nil) {
				entry, insight, most = e, in, n
			}
		}
	}
	return entry, insight
}
