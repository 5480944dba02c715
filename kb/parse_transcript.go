package kb

import (
	"html"
	"slices"
	"strings"
)

// maxSegments bounds the cues of one transcript: ten hours of one cue a second.
const maxSegments = 36_000

// cue is one caption as it stands in the file.
type cue struct {
	start, end float64
	lines      []string
}

// captions reads WebVTT and SubRip. Rolling captions show each line twice or more; it is kept once.
func (d *draft) captions(text string) {
	d.Words = countWords(text)
	var cues []cue
	var cur *cue
	note := false // within NOTE, STYLE or REGION
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		start, end, timing := cueTimes(line)
		switch {
		case timing && len(cues) < maxSegments:
			cues = append(cues, cue{start: start, end: end})
			cur, note = &cues[len(cues)-1], false
		case timing:
			d.warn(Truncated, "more than %d cues", maxSegments)
			cur = nil
		case line == "":
			cur, note = nil, false
		case cur != nil:
			if s := cueText(line); s != "" {
				cur.lines = append(cur.lines, s)
			}
		case strings.HasPrefix(line, "NOTE") || line == "STYLE" || line == "REGION":
			note = true
		case !note && strings.HasPrefix(line, "Language:"):
			fill(&d.Language, strings.ToLower(oneLine(line[len("Language:"):], 20)))
		}
	}
	d.segments(cues)
}

// timedText reads a transcript of lines "[0:02:30] text" or "2:30 text"; lines without a time go on with the one before.
func (d *draft) timedText(text string) {
	d.measure(text)
	var cues []cue
	var rest []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at, said, ok := timedLine(line)
		switch {
		case ok && len(cues) < maxSegments:
			if n := len(cues); n > 0 {
				cues[n-1].end = max(at, cues[n-1].start)
			}
			cues = append(cues, cue{start: at, end: at, lines: []string{said}})
		case ok:
			d.warn(Truncated, "more than %d cues", maxSegments)
		case line == "":
		case len(cues) > 0:
			cues[len(cues)-1].lines = append(cues[len(cues)-1].lines, line)
		default:
			rest = append(rest, line)
		}
	}
	d.segments(cues)
	if len(rest) > 0 {
		d.Text = strings.Join(rest, "\n") + "\n" + d.Text
	}
}

// looksTimed says whether several lines of a text begin with a time.
func looksTimed(text string) bool {
	timed, n := 0, 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, _, ok := timedLine(line); ok {
			timed++
		}
		if n++; n >= 200 {
			break
		}
	}
	return timed >= 3 && timed*4 >= n
}

func timedLine(line string) (at float64, said string, ok bool) {
	line = strings.TrimLeft(line, "[(")
	end := 0
	for end < len(line) && end < 16 && (line[end] >= '0' && line[end] <= '9' || line[end] == ':' || line[end] == '.' || line[end] == ',') {
		end++
	}
	if at, ok = clock(line[:end]); !ok {
		return 0, "", false
	}
	return at, strings.TrimSpace(strings.TrimLeft(line[end:], "]) -–\t")), true
}

// cueTimes reads "00:01:02.000 --> 00:01:04,500 align:start".
func cueTimes(line string) (start, end float64, ok bool) {
	a, b, found := strings.Cut(line, "-->")
	if !found {
		return 0, 0, false
	}
	b, _, _ = strings.Cut(strings.TrimSpace(b), " ")
	start, ok1 := clock(a)
	end, ok2 := clock(b)
	return start, max(start, end), ok1 && ok2
}

// cueText removes the tags of a caption's line and resolves its entities.
func cueText(line string) string {
	if strings.ContainsRune(line, '<') {
		var b strings.Builder
		for line != "" {
			before, after, found := strings.Cut(line, "<")
			b.WriteString(before)
			if !found {
				break
			}
			_, line, found = strings.Cut(after, ">")
			if !found { // "a < b"
				b.WriteString("<" + after)
				break
			}
		}
		line = b.String()
	}
	if strings.HasPrefix(line, "{\\") { // position, in SubRip
		if _, after, found := strings.Cut(line, "}"); found {
			line = after
		}
	}
	return oneLine(html.UnescapeString(line), 10*maxTitle)
}

// segments makes segments of cues, leaving out what a rolling caption shows again. A line that is said twice, in cues that do
// not touch, stays twice.
func (d *draft) segments(cues []cue) {
	var b strings.Builder
	var shown []string // lines of the cue before
	var words []string // of the last line kept
	lastEnd := -1.0
	for _, c := range cues {
		rolling := lastEnd >= 0 && c.start <= lastEnd+0.1
		var fresh []string
		for _, l := range c.lines {
			if rolling && slices.Contains(shown, l) {
				continue
			}
			if rolling && len(fresh) == 0 {
				l = withoutOverlap(words, l)
			}
			if l != "" {
				fresh = append(fresh, l)
			}
		}
		shown, lastEnd = c.lines, c.end
		if len(fresh) == 0 {
			if n := len(d.Segments); n > 0 && rolling {
				d.Segments[n-1].End = max(d.Segments[n-1].End, c.end)
			}
			continue
		}
		text := strings.Join(fresh, " ")
		words = strings.Fields(text)
		d.Segments = append(d.Segments, Segment{Start: c.start, End: c.end, Text: text})
		b.WriteString(text)
		b.WriteByte('\n')
	}
	d.Text = b.String()
}

// withoutOverlap cuts from the beginning of line the words, three or more, that end what was kept before.
func withoutOverlap(before []string, line string) string {
	now := strings.Fields(line)
	for n := min(len(before), len(now), 40); n >= 3; n-- {
		if slices.Equal(before[len(before)-n:], now[:n]) {
			return strings.Join(now[n:], " ")
		}
	}
	return line
}
