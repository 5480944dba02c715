// Package mask hides secrets in command lines, URLs and other text by the names that stand before them. It keeps no state; all
// of it may be called from any goroutine.
package mask

import (
	"strings"
	"unicode"
)

// Hidden stands where a secret was.
const Hidden = "***"

// Cmdline is Args for /proc/PID/cmdline, whose arguments end with NUL. The result is valid UTF-8 without control
// characters.
func Cmdline(b []byte) string {
	s := strings.TrimRight(string(b), "\x00 ")
	if s == "" {
		return ""
	}
	s = Args(strings.Split(s, "\x00"))
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Args joins a command line's arguments by blanks with the values of secrets replaced by three stars: what follows an
// option or stands behind a key whose name says that it is secret (--password=x, --token x, -e API_KEY=x, {"token": "x"}),
// the password of a URL and the credentials of an HTTP header. It would rather hide too much than too little, but knows only
// names: a secret given as a bare argument cannot be told from any other word.
func Args(args []string) string {
	var b strings.Builder
	hide := false // the argument before was a secret's option
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if hide {
			hide = false
			if scheme, _, ok := cutScheme(arg); ok && scheme == arg && i+1 < len(args) {
				b.WriteString(arg) // "--header Authorization: Bearer" x: the secret is the next one
				hide = true
				continue
			}
			if !isOption(arg) {
				b.WriteString(Hidden)
				continue
			}
		}
		hide = maskArg(&b, arg, i+1 < len(args))
	}
	return b.String()
}

// maskArg writes one argument and says whether the next one is its secret value.
func maskArg(b *strings.Builder, arg string, more bool) (next bool) {
	if isOption(arg) && !strings.ContainsAny(arg, "=: ") {
		b.WriteString(arg)
		return more && SecretName(arg)
	}
	for arg != "" { // pieces of an argument that is a script or a list: each may hold a key and its value
		end := strings.IndexAny(arg, " \t\n&;,?|")
		if end < 0 {
			end = len(arg)
		}
		piece, rest := arg[:end], arg[end:]
		cut := strings.IndexAny(piece, "=:")
		switch {
		case cut >= 0 && SecretName(piece[:cut]) && !strings.HasPrefix(piece[cut:], "://"):
			value := piece[cut+1:]
			quote := openQuote(value)
			b.WriteString(piece[:cut+1])
			if value == "" || value == quote { // "password: x", "{"token": "x"}"
				lead := rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
				if lead == "" && quote == "" {
					if rest == "" {
						return more
					}
					break // "password=&user=x"
				}
				b.WriteString(value + lead)
				value = rest[len(lead):]
				quote = openQuote(value)
			} else {
				value += rest
			}
			if value == "" {
				return more
			}
			if scheme, after, ok := cutScheme(value); ok { // "Authorization: Bearer x"
				b.WriteString(scheme)
				if after == "" {
					return more
				}
				value = value[len(scheme):]
				trimmed := strings.TrimLeft(value, " ")
				b.WriteString(value[:len(value)-len(trimmed)])
				value = trimmed
			}
			b.WriteString(Hidden)
			rest = afterValue(value, quote)
		default:
			b.WriteString(URL(piece))
			// "sh -c 'tool --password x'": the value is the next word of the same argument.
			if isOption(piece) && SecretName(piece) {
				trimmed := strings.TrimLeft(rest, " \t\n")
				if trimmed == "" {
					b.WriteString(rest)
					return more
				}
				if len(trimmed) < len(rest) && !isOption(trimmed) {
					b.WriteString(rest[:len(rest)-len(trimmed)] + Hidden)
					rest = afterValue(trimmed, openQuote(trimmed))
				}
			}
		}
		arg = rest
		// Separators are written as they are.
		n := 0
		for n < len(arg) && strings.IndexByte(" \t\n&;,?|", arg[n]) >= 0 {
			n++
		}
		b.WriteString(arg[:n])
		arg = arg[n:]
	}
	return false
}

// afterValue is what follows a value: up to its closing quote, or to the end of the word. A comma or a semicolon may belong
// to a password, so only blanks and what separates URL parameters ends it.
func afterValue(s, quote string) string {
	if quote != "" {
		if end := strings.Index(s[len(quote):], quote); end >= 0 {
			return s[end+2*len(quote):]
		}
		return ""
	}
	if end := strings.IndexAny(s, " \t\n&"); end >= 0 {
		return s[end:]
	}
	return ""
}

func openQuote(s string) string {
	for _, q := range []string{`"`, "'", `\"`} {
		if strings.HasPrefix(s, q) {
			return q
		}
	}
	return ""
}

func isOption(s string) bool { return len(s) > 1 && s[0] == '-' }

// cutScheme splits the name of an HTTP authentication scheme off its credentials.
func cutScheme(s string) (scheme, after string, ok bool) {
	scheme, after, _ = strings.Cut(s, " ")
	switch strings.ToLower(strings.TrimLeft(scheme, `"'`)) {
	case "bearer", "basic", "digest", "token", "negotiate":
		return scheme, after, true
	}
	return "", s, false
}

// URL hides the user information of a URL: scheme://user:password@host and scheme://token@host. The user's name stays
// where a password follows it.
func URL(s string) string {
	from := 0
	var b strings.Builder
	for {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			break
		}
		start := from + i + len("://")
		authority := s[start:]
		if end := strings.IndexAny(authority, "/#\"'"); end >= 0 {
			// A password may hold an unescaped slash; what stands before the last @ of the word is credentials then too.
			if !strings.Contains(authority[:end], "@") && strings.Contains(authority[:end], ":") && strings.Contains(authority[end:], "@") {
				end = strings.LastIndexByte(authority, '@') + 1
			}
			authority = authority[:end]
		}
		b.WriteString(s[from:start])
		from = start
		at := strings.LastIndexByte(authority, '@')
		if at < 0 {
			continue
		}
		if user, _, ok := strings.Cut(authority[:at], ":"); ok {
			b.WriteString(user + ":")
		}
		b.WriteString(Hidden)
		from = start + at
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

// secretWords are parts of a key's name, in lower case and without signs, that make its value a secret.
var secretWords = []string{
	"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "accesskey", "privatekey", "authkey",
	"signingkey", "encryptionkey", "masterkey", "accountkey", "sharedkey", "sessionkey", "licensekey", "credential", "authorization",
	"cookie", "bearer", "connectionstring",
}

// secretEnds make a secret only as the last word of a name: "DB_PASS" is one, "--bypass" and "--pass-through" are none.
var secretEnds = []string{"pass", "pwd", "pw", "auth", "key", "pin", "dsn", "sig", "signature", "jwt", "otp"}

// openNames hold one of secretWords or end in one of secretEnds, and yet no secret.
var openNames = []string{"tokenizer", "tokens", "tokenlimit", "tokencount", "publickey", "keyfile", "passwordfile", "secretname", "tokenfile", "secretfile"}

// SecretName says whether a name in front of a value (--db-password, GITHUB_TOKEN, "apiKey) is that of a secret.
func SecretName(name string) bool {
	if i := strings.LastIndexAny(name, `&?;,{( `); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Trim(name, `-"'\[`)
	if name == "" || len(name) > 100 {
		return false
	}
	flat := make([]byte, 0, 100)
	last := 0 // where the last word starts in flat
	lower := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if lower {
				last = len(flat)
			}
			c += 'a' - 'A'
			lower = false
		case c == '-' || c == '_' || c == '.' || c == '/' || c == '\\':
			last, lower = len(flat), false
			continue
		default:
			lower = true
		}
		flat = append(flat, c)
	}
	s := string(flat)
	for _, w := range openNames {
		if strings.HasSuffix(s, w) || w == "tokenizer" && strings.Contains(s, w) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(s, w) {
			return true
		}
	}
	for _, w := range secretEnds {
		if s[last:] == w {
			return true
		}
	}
	return false
}

// Text hides the secrets of one text: a value, a line of a log.
func Text(s string) string { return Args([]string{s}) }

// List is Args that keeps the arguments apart.
func List(args []string) []string {
	out := make([]string, len(args))
	next := false
	for i, arg := range args {
		if next && !isOption(arg) {
			out[i], next = Hidden, false
			continue
		}
		var b strings.Builder
		next = maskArg(&b, arg, i+1 < len(args))
		out[i] = b.String()
	}
	return out
}
