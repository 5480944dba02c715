package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Source says where a value came from.
type Source struct {
	Kind   string // "default", "file", "environment" or "flag"
	Detail string // "/etc/controlcenter.yaml:7", "CC_LOG_LEVEL", "CC_LOG_LEVEL (/srv/.env:3)", "--log.level"; "" for a default
}

// String returns the source as one phrase, "flag --log.level".
func (s Source) String() string {
	if s.Detail == "" {
		return s.Kind
	}
	return s.Kind + " " + s.Detail
}

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Key     string // "stream.interval"; "" when the problem is not one of a key (broken YAML, a line of .env)
	Text    string // what is wrong and what is accepted
	Source  Source
	Line    int    // of the file, from 1; 0 = not from a file
	Column  int    // in characters, from 1
	Excerpt string // the line with a caret under the column, two lines; "" = none
}

// String returns the problem as it is shown: place, key, text, and the excerpt in the lines below.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Source.Kind == "file" && p.Column > 0:
		fmt.Fprintf(&b, "%s:%d: ", p.Source.Detail, p.Column)
	case p.Source.Kind == "file":
		b.WriteString(p.Source.Detail + ": ")
	case p.Source.Kind == "environment" || p.Source.Kind == "flag":
		b.WriteString(p.Source.String() + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	if p.Excerpt != "" {
		b.WriteString("\n" + p.Excerpt)
	}
	return b.String()
}

// Error lists everything that is wrong with the configuration: of the file in its order, then environment, then flags.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what one broken file can print.
const maxProblems = 20

// excerptWidth is how many characters of a long line are shown.
const excerptWidth = 100

// excerpt shows one line with a caret below the column (characters, from 1). Only that line: its neighbours may hold secrets.
func excerpt(line string, number, column int) string {
	text := []rune(strings.TrimRight(line, "\r\n"))
	at := min(max(column-1, 0), len(text))
	if len(text) > excerptWidth {
		from := max(0, min(at-excerptWidth/2, len(text)-excerptWidth))
		text, at = text[from:min(from+excerptWidth, len(text))], at-from
	}
	head := fmt.Sprintf("%5d | ", number)
	return head + printable(string(text)) + "\n" + strings.Repeat(" ", len(head)-2) + "| " + strings.Repeat(" ", at) + "^"
}

// printable replaces what could steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// clean makes text that holds parts of a file fit to be shown in one line.
func clean(s string) string {
	if r := []rune(s); len(r) > 600 {
		s = string(r[:600]) + "…"
	}
	return printable(s)
}

// quote shows a value in an error, cut when it is long.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
