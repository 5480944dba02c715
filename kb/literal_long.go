package kb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// long looks through a file that is longer than what is looked at as a whole, window by window. begin is what was read of it
// already. When ctx ends, what was found until then is the answer.
func (f *finder) long(ctx context.Context, begin []byte, rest io.Reader, s *scratch) (LiteralHit, bool, error) {
	var (
		found  lines
		r      = transform.NewReader(io.MultiReader(bytes.NewReader(begin), rest), unicode.BOMOverride(transform.Nop))
		window = append(s.window[:0], make([]byte, maxLiteralBytes)...)[:0]
	)
	for last := false; !last && ctx.Err() == nil; {
		n, err := io.ReadFull(r, window[len(window):maxLiteralBytes])
		last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return LiteralHit{}, false, err
		}
		window = window[:len(window)+n]
		whole := len(window)
		if !last {
			whole -= cutRune(window)
		}
		text, lower := f.folded(window[:whole], s)
		until := len(lower)
		if !last { // what may begin a match that ends in the next window is looked at there
			until = max(0, until-len(f.needle)+1)
			// Of what is no UTF-8 nothing may be carried over without end.
			for n := 1; n < utf8.UTFMax && until > 0 && until < len(lower) && !utf8.RuneStart(lower[until]); n++ {
				until--
			}
		}
		f.count(text, lower, until, &found)
		next := append(bytes.Clone(text[until:]), window[whole:]...)
		window = append(window[:0], next...)
	}
	s.window = window
	return found.hit, found.hit.MatchCount > 0, nil
}

// cutRune is how many bytes at the end of a text begin a character that they do not end.
func cutRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if c := text[len(text)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
