package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"controlcenter/internal/lazy"
)

var envAssign = lazy.Regexp(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*`)

// variable is one setting of the environment and how it is named in sources and errors.
type variable struct{ value, detail string }

// parseDotEnv reads lines of KEY=VALUE, with "export " in front or not. '…' is taken as it stands; "…" knows \n \r \t \" \\ \$;
// both may go over several lines. An unquoted value ends at " #" and loses blanks at its ends. Nothing is expanded. A key given
// twice counts as the last, as a shell would have it.
func parseDotEnv(name string, data []byte) (map[string]variable, []Problem) {
	out := map[string]variable{}
	if !utf8.Valid(data) {
		return out, []Problem{{Source: Source{"file", name}, Text: "not UTF-8 text"}}
	}
	var problems []Problem
	rest := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	for number := 1; rest != "" && len(problems) < maxProblems; {
		line, _, _ := strings.Cut(rest, "\n")
		used := len(line)
		if text := strings.Trim(line, " \t"); text != "" && text[0] != '#' {
			at := fmt.Sprintf("%s:%d", name, number)
			indent := len(line) - len(strings.TrimLeft(line, " \t"))
			m := envAssign().FindStringSubmatch(line[indent:])
			wrong := "expected KEY=VALUE"
			if m != nil {
				var value string
				var n int
				start := indent + len(m[0])
				if value, n, wrong = unquote(rest[start:]); wrong == "" {
					used = start + n
					out[m[1]] = variable{value, m[1] + " (" + at + ")"}
				}
			}
			if wrong != "" {
				// The line itself is not shown: such files hold passwords.
				problems = append(problems, Problem{Source: Source{"file", at}, Line: number, Text: wrong})
			}
		}
		number += strings.Count(rest[:used], "\n") + 1
		rest = strings.TrimPrefix(rest[used:], "\n")
	}
	return out, problems
}

// unquote reads the value in front of s, which goes on to the end of the file. n is what it took, up to the end of a line.
func unquote(s string) (value string, n int, wrong string) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		line, _, _ := strings.Cut(s, "\n")
		value = line
		for i := range len(line) {
			if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
				value = line[:i]
				break
			}
		}
		return strings.TrimRight(value, " \t"), len(line), ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			tail, _, _ := strings.Cut(s[i+1:], "\n")
			if after := strings.TrimLeft(tail, " \t"); after != "" && after[0] != '#' {
				return "", 0, "text after the closing quote"
			}
			return b.String(), i + 1 + len(tail), ""
		case c == '\\' && s[0] == '"' && i+1 < len(s) && strings.IndexByte(`nrt"\$`, s[i+1]) >= 0:
			i++
			b.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '$': '$'}[s[i]])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, "the quote is never closed"
}
