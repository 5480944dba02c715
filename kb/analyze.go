package kb

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of one term. They keep base64 blobs and minified lines from filling the dictionary.
const (
	maxTermBytes     = 64
	maxWholeBytes    = 48
	maxWholeParts    = 8
	joiners          = "-_.+@" // between two parts they make a whole: ip-adapter, v1.5, snake_case
	hyphen, nbHyphen = '‐', '‑'
)

// token is one term of a text. Every part has a position of its own, 1, 2, 3 ...; a whole stands at the position of its first
// part.
type token struct {
	term       []byte // folded; valid until the callback returns
	pos        int
	start, end int  // bytes of the text
	whole      bool // made of several parts or with a sign that matters: ip-adapter, c++, .env
}

// tokenize calls emit for the terms of a text. There are no stop words. A word joined by - _ . + @ is found by its parts and,
// as a whole, by itself: "ip-adapter" gives ip, adapter and ip-adapter; "c++" gives c and c++; ".env" gives env and .env.
// Signs between letters that are no joiners only separate, so "denoise: 0.40" is denoise and 0.40. Scripts written without
// blanks give one part for each character, which makes every word of them a phrase.
func tokenize(text string, emit func(token)) { tokenizeSome(text, nil, emit) }

// firstBytes are those that the terms begin with that somebody looks for.
type firstBytes [256]bool

// tokenizeSome is tokenize for who looks for some terms only: most of a text are plain words that begin with another letter, and
// are passed over. nil = all are wanted.
func tokenizeSome(text string, wanted *firstBytes, emit func(token)) {
	var (
		chain = make([]byte, 0, 128) // the whole so far, folded
		pos   int
	)
	for i := 0; i < len(text); {
		end, ascii, solo := part(text, i)
		if end == i {
			_, n := utf8.DecodeRuneInString(text[i:])
			i += n
			continue
		}
		if wanted != nil && !wanted[lower(text[i])] && plain(text, i, end, ascii) {
			pos++
			i = end
			continue
		}
		chain = chain[:0]
		if leadingDot(text, i) {
			chain = append(chain, '.')
		}
		start, first, parts, wholeOK := i, pos+1, 0, !solo
		for {
			from := len(chain)
			chain = appendFolded(chain, text[i:end], ascii)
			term := chain[from:]
			if len(term) > maxTermBytes {
				term = term[:maxTermBytes]
			}
			if len(term) > 0 {
				pos++
				parts++
				emit(token{term: term, pos: pos, start: i, end: end})
			}
			i = end
			if solo || i >= len(text) {
				break
			}
			sign, n := joiner(text[i:])
			if n == 0 {
				break
			}
			next, nextASCII, nextSolo := part(text, i+n)
			if next == i+n || nextSolo {
				break
			}
			chain = append(chain, sign)
			if len(chain) > 4*maxTermBytes { // a line of joined letters without end: forget the whole
				chain, wholeOK = chain[:0], false
			}
			i, end, ascii = i+n, next, nextASCII
		}
		if n := trailingSign(text[i:]); n > 0 && wholeOK {
			chain = append(chain, text[i:i+n]...)
			i += n
		} else if parts == 1 && (len(chain) == 0 || chain[0] != '.') {
			continue
		}
		if wholeOK && parts > 0 && parts <= maxWholeParts && len(chain) <= maxWholeBytes {
			emit(token{term: chain, pos: first, start: start, end: i, whole: true})
		}
	}
}

// part returns where the part that begins at i ends (i if none begins there), whether it is ASCII, and whether it is a
// character of a script without blanks, which stands alone.
func part(s string, i int) (end int, ascii, solo bool) {
	ascii = true
	for end = i; end < len(s); {
		c := s[end]
		if c < utf8.RuneSelf {
			if !asciiWord[c] {
				return end, ascii, false
			}
			end++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[end:])
		if noBlanks(r) {
			if end == i {
				return end + n, false, true
			}
			return end, ascii, false
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) {
			return end, ascii, false
		}
		ascii = false
		end += n
	}
	return end, ascii, false
}

var asciiWord = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return t
}()

// plain reports whether a part is one term, which begins with the letter it begins with: nothing stands beside it that could make
// a whole of it, and there is no accent on that letter.
func plain(text string, start, end int, ascii bool) bool {
	if !ascii && (text[start] >= utf8.RuneSelf || text[start+1] >= utf8.RuneSelf) {
		return false
	}
	if start > 0 && text[start-1] == '.' {
		return false
	}
	if end == len(text) {
		return true
	}
	c := text[end]
	return c < utf8.RuneSelf && c != '#' && strings.IndexByte(joiners, c) < 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// noBlanks reports whether a character belongs to a script whose words are not separated.
func noBlanks(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// joiner returns the sign that joins two parts, and its length; 0 if there is none.
func joiner(s string) (sign byte, n int) {
	if strings.IndexByte(joiners, s[0]) >= 0 {
		return s[0], 1
	}
	if s[0] < utf8.RuneSelf {
		return 0, 0
	}
	if r, n := utf8.DecodeRuneInString(s); r == hyphen || r == nbHyphen {
		return '-', n
	}
	return 0, 0
}

// leadingDot reports whether the part at i has a dot that begins a name: .env, ~/.config.
func leadingDot(s string, i int) bool {
	return i > 0 && s[i-1] == '.' && (i == 1 || strings.IndexByte(" \t\n\r/\\\"'`([{*,=:", s[i-2]) >= 0)
}

// trailingSign returns the length of a sign that ends a name: c++, c#.
func trailingSign(s string) int {
	n := 0
	switch {
	case strings.HasPrefix(s, "++"):
		n = 2
	case strings.HasPrefix(s, "#"):
		n = 1
	default:
		return 0
	}
	if end, _, _ := part(s, n); end != n {
		return 0
	}
	return n
}

// appendFolded appends a word as it is indexed and looked up: lower case, without accents.
func appendFolded(dst []byte, word string, ascii bool) []byte {
	if !ascii {
		return append(dst, foldWord(word)...)
	}
	for i := range len(word) {
		dst = append(dst, lower(word[i]))
	}
	return dst
}

// foldWord folds a word: compatibility forms and accents are undone (ü is u, ﬁ is fi), letters that have no accent to lose
// are written as people without that key write them (ß is ss), and case is ignored.
func foldWord(word string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(word)) {
		switch {
		case r >= 0x300 && r <= 0x36F: // combining accents
		case r == 'ß':
			b.WriteString("ss")
		case r == 'æ':
			b.WriteString("ae")
		case r == 'œ':
			b.WriteString("oe")
		case r == 'ø':
			b.WriteByte('o')
		case r == 'đ' || r == 'ð':
			b.WriteByte('d')
		case r == 'ł':
			b.WriteByte('l')
		case r == 'ı':
			b.WriteByte('i')
		case r == 'þ':
			b.WriteString("th")
		case r == 'ς':
			b.WriteRune('σ')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return norm.NFC.String(b.String()) // Hangul was taken apart
}

// foldValue folds a whole value of a keyword field: agent, tag, status.
func foldValue(v string) string {
	v = strings.Join(strings.Fields(v), " ")
	if len(v) > 4*maxTermBytes {
		v = strings.ToValidUTF8(v[:4*maxTermBytes], "")
	}
	return foldWord(v)
}

// word is a word of a query taken apart as the index does it: parts that must stand side by side, and the whole, if there is
// one that spans all of them.
type word struct {
	parts []string
	whole string
}

// analyzeWord takes the text between two blanks of a query apart. The words of `foo/bar` are one word with two parts, which
// is how the substring foo/bar is found.
func analyzeWord(text string) word {
	var w word
	var whole []string
	tokenize(text, func(t token) {
		if t.whole {
			whole = append(whole, string(t.term))
		} else {
			w.parts = append(w.parts, string(t.term))
		}
	})
	if len(whole) == 1 && (len(w.parts) == 1 || strings.Trim(strings.ToLower(text), ".,;:!?()[]{}<>\"'`*") == strings.Trim(whole[0], ".")) {
		w.whole = whole[0]
	}
	return w
}
