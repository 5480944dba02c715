package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes outside text safe for one line of a terminal: whatever does not print (control characters, which could move
// the cursor or recolour the screen; bidirectional overrides; line breaks; bytes that are no UTF-8) is shown as an escape.
func clean(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
		}
	}
	return true
}

// cleanJSON escapes, inside a valid JSON text, the characters that JSON lets through but a terminal obeys (DEL, C1 controls,
// bidirectional overrides). Outside of strings JSON is ASCII, so the text stays the same document.
func cleanJSON(raw []byte) []byte {
	bad := func(r rune) bool {
		return r >= 0x7f && (r == utf8.RuneError || !unicode.IsPrint(r))
	}
	s := string(raw)
	if !strings.ContainsFunc(s, bad) {
		return raw
	}
	b := make([]byte, 0, len(raw)+64)
	for _, r := range s {
		switch {
		case !bad(r):
			b = utf8.AppendRune(b, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b
}
