package logs

import (
	"bytes"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"
)

// Filter says which lines a reader wants. The zero value wants all that the service wrote.
type Filter struct {
	Streams    []string       // of stdout, stderr and keeper (as Marks); none = stdout and stderr
	Since      time.Time      // no earlier ones; zero = no limit
	Until      time.Time      // only earlier ones; zero = no limit
	Contains   string         // text in the line
	Regexp     *regexp.Regexp // matches the line
	IgnoreCase bool           // for both
	Level      string         // at least so grave, one of Levels; "" = all
	Run        string         // lines of this run: from its start to its end, or to the start of the next
	Marks      bool           // the keeper's lines too; Contains, Regexp and Level do not apply to them
	Times      bool           // Download only: put time and stream before each line
}

// matcher is a filter made ready. The run is not its business: it is a stretch of positions.
type matcher struct {
	streams      [3]bool
	since, until []byte // as on disk, where times sort as bytes
	filter       Filter
	needle       []byte
	fold         bool // needle is lower case ASCII
	res          []*regexp.Regexp
	lower        []byte
	least        int // level
}

// slack is how far a clock may have been set back before lines are missed because reading begins too late or ends too early.
const slack = time.Minute

func (f Filter) matcher() (*matcher, error) {
	m := &matcher{filter: f, streams: [3]bool{true, true, f.Marks}}
	if len(f.Streams) > 0 {
		m.streams = [3]bool{Keeper: f.Marks}
		for _, s := range f.Streams {
			switch s {
			case "stdout":
				m.streams[Stdout] = true
			case "stderr":
				m.streams[Stderr] = true
			case "keeper":
				m.streams[Keeper] = true
			default:
				return nil, fmt.Errorf("stream %q: must be stdout, stderr or keeper", s)
			}
		}
	}
	var err error
	if m.least, err = leastLevel(f.Level); err != nil {
		return nil, err
	}
	if !f.Since.IsZero() {
		m.since = f.Since.UTC().AppendFormat(nil, stampForm)
	}
	if !f.Until.IsZero() {
		m.until = f.Until.UTC().AppendFormat(nil, stampForm)
	}
	switch {
	case f.Contains == "":
	case !f.IgnoreCase:
		m.needle = []byte(f.Contains)
	case ascii(f.Contains):
		m.needle, m.fold = lower(nil, []byte(f.Contains)), true
	default:
		m.res = append(m.res, regexp.MustCompile("(?i)"+regexp.QuoteMeta(f.Contains)))
	}
	if f.Regexp != nil {
		re := f.Regexp
		if f.IgnoreCase {
			if re, err = regexp.Compile("(?i:" + re.String() + ")"); err != nil {
				return nil, fmt.Errorf("regular expression: %w", err)
			}
		}
		m.res = append(m.res, re)
	}
	return m, nil
}

func (m *matcher) match(r *record) bool {
	if !m.streams[r.stream] {
		return false
	}
	if m.since != nil || m.until != nil {
		stamp := r.stamp
		if stamp == nil {
			stamp = r.when.AppendFormat(nil, stampForm)
		}
		if m.since != nil && bytes.Compare(stamp, m.since) < 0 || m.until != nil && bytes.Compare(stamp, m.until) >= 0 {
			return false
		}
	}
	if r.stream == Keeper {
		return true
	}
	text := r.text
	if m.fold {
		m.lower = lower(m.lower[:0], text)
		text = m.lower
	}
	if m.needle != nil && !bytes.Contains(text, m.needle) {
		return false
	}
	for _, re := range m.res {
		if !re.Match(r.text) {
			return false
		}
	}
	return m.least == levelDebug || levelOf(r.text) >= m.least
}

// late says whether no line that follows r can be early enough.
func (m *matcher) late(r *record) bool {
	if m.until == nil || r.stamp == nil || bytes.Compare(r.stamp, m.until) < 0 {
		return false
	}
	return r.time().After(m.filter.Until.Add(slack))
}

// early says whether no line before r can be late enough.
func (m *matcher) early(r *record) bool {
	if m.since == nil || r.stamp == nil || bytes.Compare(r.stamp, m.since) >= 0 {
		return false
	}
	return r.time().Before(m.filter.Since.Add(-slack))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lower appends b with A to Z in lower case.
func lower(dst, b []byte) []byte {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
