package logs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Levels are how grave a line can be, least first. A line that does not say is info.
var Levels = []string{"debug", "info", "warn", "error"}

const (
	levelDebug = iota
	levelInfo
	levelWarn
	levelError
)

// beginning is how many bytes of a line are looked at: a word far behind is part of a message.
const beginning = 160

// words are what programs call the levels, in lower case; those that a message may well have in it only count after "level=".
var words = map[string]struct {
	level  int
	spoken bool // also by itself, not only as the value of a field
}{
	"error": {levelError, true}, "err": {levelError, true}, "fatal": {levelError, true}, "panic": {levelError, true}, "critical": {levelError, true},
	"crit": {levelError, true}, "exception": {levelError, true}, "traceback": {levelError, true}, "warn": {levelWarn, true}, "warning": {levelWarn, true},
	"debug": {levelDebug, true}, "trace": {levelDebug, true}, "dbg": {levelDebug, true}, "info": {levelInfo, false}, "notice": {levelInfo, false},
}

// levelOf reads the level of a line: the value of a field named level, else the gravest of the words that
// name one.
func levelOf(line []byte) int {
	var buf [2 * beginning]byte
	head := withoutEscapes(buf[:0], line)
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	gravest := -1
	for at := 0; at < len(head); {
		if !isWord(head[at]) {
			at++
			continue
		}
		begin := at
		for at < len(head) && isWord(head[at]) {
			at++
		}
		word := head[begin:at]
		if len(word) > len("exception") {
			continue
		}
		if string(word) == "level" {
			if w, ok := words[string(fieldValue(head[at:]))]; ok {
				return w.level
			}
		}
		if w, ok := words[string(word)]; ok && w.spoken {
			gravest = max(gravest, w.level)
		}
	}
	if gravest < 0 {
		return levelInfo
	}
	return gravest
}

// fieldValue returns the word after the name of a field: of `="warn"`, `": "warn"` and ` = warn` that is warn.
func fieldValue(rest []byte) []byte {
	rest = bytes.TrimLeft(bytes.TrimLeft(rest, `"'`), " \t")
	if len(rest) == 0 || rest[0] != '=' && rest[0] != ':' {
		return nil
	}
	rest = bytes.TrimLeft(bytes.TrimLeft(rest[1:], " \t"), `"'`)
	end := 0
	for end < len(rest) && 'a' <= rest[end] && rest[end] <= 'z' {
		end++
	}
	return rest[:end]
}

func isWord(c byte) bool { return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' }

// withoutEscapes appends the beginning of a line in lower case, without the escape sequences that colour it.
func withoutEscapes(dst, line []byte) []byte {
	for i := 0; i < len(line) && len(dst) < beginning; i++ {
		c := line[i]
		if c == 0x1b && i+1 < len(line) && line[i+1] == '[' {
			for i += 2; i < len(line) && (line[i] < '@' || line[i] > '~'); i++ { //nolint:revive // skips
			}
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// leastLevel returns the number of a level by its name; "" is that of all lines.
func leastLevel(name string) (int, error) {
	if name == "" {
		return levelDebug, nil
	}
	n := slices.Index(Levels, name)
	if n < 0 {
		return 0, fmt.Errorf("level %q: must be %s", name, strings.Join(Levels, ", "))
	}
	return n, nil
}
