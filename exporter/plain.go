package exporter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain makes a name that another program chose harmless: what does not print (control characters, which a terminal would obey; what
// turns the direction of text) becomes a visible escape, bytes that are no UTF-8 the replacement character.
func plain(s string) string {
	ok := true
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			ok = utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
			break
		}
	}
	if ok {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r): // the replacement character, too
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
