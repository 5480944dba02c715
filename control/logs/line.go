package logs

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Stream is where a line came from.
type Stream uint8

// The streams. The names of all three have six letters, which readers rely on.
const (
	Stdout Stream = iota
	Stderr
	Keeper // marks: what the keeper says of the service, not what the service says
)

var streamNames = [...]string{"stdout", "stderr", "keeper"}

// String is stdout, stderr or keeper.
func (s Stream) String() string { return streamNames[s] }

const (
	stampForm = "2006-01-02T15:04:05.000000Z"
	stampLen  = len(stampForm)
	prefixLen = stampLen + len(" stdout F ")
	maxText   = 64 << 10 // of one line on disk; what is longer is cut, as container runtimes do (at 16 KiB)
)

// Line is a line of a log as a reader gets it: its parts joined, without prefix and newline.
type Line struct {
	// Pos is the position of its first byte, Next where reading may go on behind it without missing a line. (Where parts
	// of several lines lie between each other, Next of all but the last of these lines is the start of the first, so
	// that going on there repeats some.)
	Pos    int64     `json:"pos"`
	Next   int64     `json:"next"`
	Time   time.Time `json:"time"` // UTC, when it was read from the service; in direct mode when its file was last changed
	Stream string    `json:"stream"`
	// Partial is set when the line goes on in the next one of its stream: an unfinished one, or one longer than 1 MiB.
	Partial bool   `json:"partial,omitempty"`
	Text    string `json:"text"` // any bytes but newlines; see Escape
}

// record is a line on disk, or the joined parts of one.
type record struct {
	pos, next int64
	stamp     []byte // nil: when is known otherwise
	when      time.Time
	stream    Stream
	partial   bool
	text      []byte
}

func (r *record) time() time.Time {
	if t, ok := parseStamp(r.stamp); ok {
		return t
	}
	return r.when
}

func (r *record) line() Line {
	return Line{Pos: r.pos, Next: r.next, Time: r.time(), Stream: r.stream.String(), Partial: r.partial, Text: string(r.text)}
}

// appendPrefix appends all that stands before the text of a line.
func appendPrefix(b []byte, now time.Time, stream Stream, flag byte) []byte {
	b = now.UTC().AppendFormat(b, stampForm)
	b = append(b, ' ')
	b = append(b, streamNames[stream]...)
	return append(b, ' ', flag, ' ')
}

// parse reads a line on disk, given without its newline. What has no valid prefix is text of stdout: the torn rest of a
// crash, or a line the service wrote itself. Of the latter (raw) only the keeper's marks have a prefix.
func parse(b []byte, raw bool, when time.Time) record {
	if len(b) >= prefixLen && b[stampLen-1] == 'Z' && b[10] == 'T' && b[stampLen] == ' ' && b[prefixLen-1] == ' ' && b[prefixLen-3] == ' ' {
		r := record{stamp: b[:stampLen], text: b[prefixLen:], partial: b[prefixLen-2] == 'P'}
		name := b[stampLen+1 : prefixLen-3]
		switch {
		case raw && string(name) != "keeper", b[prefixLen-2] != 'F' && b[prefixLen-2] != 'P':
			return record{when: when, text: b}
		case string(name) == "stdout":
			return r
		case string(name) == "stderr":
			r.stream = Stderr
			return r
		case string(name) == "keeper":
			r.stream = Keeper
			return r
		}
	}
	return record{when: when, text: b}
}

// parseStamp reads the time of a line; time.Parse takes five times as long.
func parseStamp(b []byte) (time.Time, bool) {
	if len(b) != stampLen || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[26] != 'Z' {
		return time.Time{}, false
	}
	ok := true
	num := func(from, to int) int {
		n := 0
		for _, c := range b[from:to] {
			if c < '0' || c > '9' {
				ok = false
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := num(0, 4), num(5, 7), num(8, 10)
	hour, minute, sec, micro := num(11, 13), num(14, 16), num(17, 19), num(20, 26)
	if !ok || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 60 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, sec, micro*1000, time.UTC), true
}

// mark reads a mark's verb ("start") and the run it names.
func mark(text []byte) (verb, run string) {
	head, rest, _ := bytes.Cut(text, []byte{' '})
	for field := range bytes.FieldsSeq(rest) {
		if id, ok := bytes.CutPrefix(field, []byte("run=")); ok {
			return string(head), string(id)
		}
	}
	return string(head), ""
}

// Escape makes what a terminal could take for a command visible: control characters but the tab become \x1b or \u009b, so do
// bytes that are no UTF-8 and characters that turn the direction of text.
func Escape(s string) string {
	clean := true
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < ' ' && r != '\t', r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r >= 0x80 && r < 0xa0, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
