package kb

import (
	"regexp"
	"strings"
	"sync"
)

// markdown reads a body: the old form (bold labels, "## Key Insights" with a list), the hand-kept form (one "## title" a video,
// with labels of its own) and any other Markdown.
func (d *draft) markdown(body string) {
	r := &mdReader{d: d, fromFront: len(d.Entries) > 0, file: -1, entry: -1, item: -1}
	r.text.Grow(len(body) + 1)
	for line := range strings.Lines(body) {
		r.line(strings.TrimRight(line, "\n"))
	}
	r.endItem()
	r.finish()
	d.Text = r.text.String()
}

// mdSection is what the lines below a heading are.
type mdSection uint8

const (
	secText mdSection = iota
	secInsights
	secMetadata
)

// mdReader goes through the lines of a body once.
type mdReader struct {
	d         *draft
	fromFront bool // the front matter made entry 0
	text      strings.Builder
	fence     string // closes the code block we are in; "" = none
	section   mdSection
	file      int     // entry of the whole file in d.Entries, -1 = not made
	entry     int     // entry of the "## title" we are below, -1 = none
	title     string  // of the "## title" we are below while it may be an entry
	item      int     // 0 or more: an insight is being read
	insight   Insight // it
	sentence  string  // last line that speaks of confidence and a percentage
	labelled  bool    // some label said a confidence
}

func (r *mdReader) line(s string) {
	trimmed := strings.TrimSpace(s)
	if r.inFence(trimmed) {
		r.write(s)
		return
	}
	if level, heading := headingOf(s); level > 0 {
		r.endItem()
		r.heading(level, heading)
		r.write(heading)
		return
	}
	if key, val, bold := labelOf(trimmed, r.section == secMetadata); key != "" {
		if r.section != secInsights || bold && !isListItem(trimmed) {
			r.endItem()
			r.label(key, val)
		} else {
			r.listLine(s)
		}
		r.write(strings.ReplaceAll(s, "**", ""))
		return
	}
	if r.section == secInsights {
		r.listLine(s)
	}
	if lower := strings.ToLower(trimmed); strings.Contains(lower, "confidence") && strings.Contains(lower, "%") {
		r.sentence = lower
	}
	r.write(s)
}

func (r *mdReader) write(s string) {
	r.text.WriteString(s)
	r.text.WriteByte('\n')
}

// inFence follows code blocks; what is in them is neither heading nor label.
func (r *mdReader) inFence(trimmed string) bool {
	if r.fence != "" {
		if strings.HasPrefix(trimmed, r.fence) && strings.Trim(trimmed, r.fence[:1]) == "" {
			r.fence = ""
		}
		return true
	}
	for _, mark := range []string{"`", "~"} {
		if n := len(trimmed) - len(strings.TrimLeft(trimmed, mark)); n >= 3 {
			r.fence = strings.Repeat(mark, n)
			return true
		}
	}
	return false
}

// headingOf returns the level 1 to 6 and the text of a "# heading", 0 for another line.
func headingOf(s string) (int, string) {
	level := len(s) - len(strings.TrimLeft(s, "#"))
	if level == 0 || level > 6 || level < len(s) && s[level] != ' ' && s[level] != '\t' {
		return 0, ""
	}
	return level, strings.TrimSpace(strings.TrimRight(strings.TrimSpace(s[level:]), "#"))
}

func (r *mdReader) heading(level int, text string) {
	name := strings.ToLower(strings.TrimRight(strings.Trim(text, "*_ "), ": "))
	r.section = secText
	switch {
	case level == 1:
		fill(&r.d.Title, oneLine(text, maxTitle))
		r.leaveEntry()
	case strings.HasSuffix(name, "key insights") || name == "insights":
		r.section = secInsights
	case name == "metadata":
		r.section = secMetadata
		r.leaveEntry()
	case strings.HasPrefix(name, "topic:"):
		r.topic(strings.TrimSpace(text[strings.IndexByte(text, ':')+1:]))
	case level == 2 && !isOldSection(name):
		r.leaveEntry()
		r.title = oneLine(text, maxTitle)
	}
}

// isOldSection knows the headings of the old form that are no title of an entry.
func isOldSection(name string) bool {
	switch name {
	case "technical settings", "workflow steps", "code examples", "tools & technologies", "tools and technologies", "key takeaways", "timestamp references":
		return true
	}
	return false
}

func (r *mdReader) leaveEntry() { r.entry, r.title = -1, "" }

// topic names the entry of the file.
func (r *mdReader) topic(s string) {
	r.leaveEntry()
	if e := r.fileEntry(); e != nil {
		fill(&e.Title, oneLine(s, maxTitle))
	}
}

// fileEntry is the entry of a file that is about one video.
func (r *mdReader) fileEntry() *Entry {
	if r.file < 0 {
		if r.fromFront {
			r.file = 0
		} else if r.d.addEntry(Entry{}) != nil {
			r.file = len(r.d.Entries) - 1
		} else {
			return nil
		}
	}
	return &r.d.Entries[r.file]
}

// current is the entry that what is read now belongs to.
func (r *mdReader) current() *Entry {
	if r.title != "" && r.entry < 0 {
		if r.d.addEntry(Entry{Title: r.title}) == nil {
			return nil
		}
		r.entry = len(r.d.Entries) - 1
	}
	if r.entry >= 0 {
		return &r.d.Entries[r.entry]
	}
	return r.fileEntry()
}

// label takes a "**Label:** value" line. Below a "## title" it makes that title an entry if it is a label that videos have.
func (r *mdReader) label(key, val string) {
	if val == "" {
		return
	}
	if r.title != "" && (r.entry >= 0 || isVideoLabel(key)) && r.section != secMetadata {
		r.entryLabel(key, val)
		return
	}
	d := r.d
	switch key {
	case "source", "creator", "author", "channel":
		if u := firstURL(val); u != "" && key == "source" {
			fill(&d.URL, u)
			return
		}
		name, handle := splitHandle(val)
		fill(&d.Creator, name)
		fill(&d.Source, handle)
	case "creator id":
		fill(&d.Source, oneLine(val, maxName))
	case "video id":
		fill(&d.VideoID, videoID(val))
	case "video":
		u := firstURL(val)
		fill(&d.URL, u)
		fill(&d.VideoID, videoIDOf(u))
	case "url", "link":
		fill(&d.URL, firstURL(val))
	case "date", "published":
		d.date(&d.Published, key, val)
	case "duration":
		d.length(&d.Duration, val)
	case "confidence":
		r.labelled = true
		d.trust(&d.Confidence, val)
	case "status":
		fill(&d.Status, knownStatus(val))
	case "tags":
		d.addTags(strings.Split(val, ",")...)
	case "language":
		fill(&d.Language, strings.ToLower(oneLine(val, 20)))
	case "category", "added", "focus", "priority", "last updated", "model", "analyzed":
		d.addMeta(fieldKey(key), val)
	}
}

// isFileLabel knows what label takes.
func isFileLabel(key string) bool {
	switch key {
	case "source", "creator", "author", "channel", "creator id", "link", "published", "tags", "language",
		"category", "added", "focus", "priority", "last updated", "model", "analyzed":
		return true
	}
	return isVideoLabel(key)
}

func isVideoLabel(key string) bool {
	switch key {
	case "video", "video id", "url", "date", "duration", "confidence", "status", "published":
		return true
	}
	return false
}

func (r *mdReader) entryLabel(key, val string) {
	e, d := r.current(), r.d
	if e == nil {
		return
	}
	switch key {
	case "video", "url", "link":
		u := firstURL(val)
		fill(&e.URL, u)
		fill(&e.VideoID, videoIDOf(u))
		if e.VideoID == "" && !strings.ContainsAny(val, " /") {
			e.VideoID = videoID(val)
		}
	case "video id":
		e.VideoID = videoID(val)
	case "date", "published":
		d.date(&e.Published, key, val)
	case "duration":
		d.length(&e.Duration, val)
	case "confidence":
		r.labelled = true
		d.trust(&e.Confidence, val)
	case "status":
		fill(&e.Status, knownStatus(val))
	}
}

// splitHandle takes "Name (@handle)" apart.
func splitHandle(s string) (name, handle string) {
	if at := strings.IndexByte(s, '@'); at >= 0 {
		handle = s[at+1:]
		if end := strings.IndexAny(handle, ") \t,"); end >= 0 {
			handle = handle[:end]
		}
		if before := strings.TrimSpace(strings.TrimRight(s[:at], "( ")); before != "" {
			s = before
		}
	}
	return oneLine(strings.TrimPrefix(s, "@"), maxName), oneLine(handle, maxName)
}

// labelOf reads "**Label:** value" and "**Label**: value", in a list or not; within metadata also "- Label: value".
func labelOf(s string, metadata bool) (key, val string, bold bool) {
	item := isListItem(s)
	if item {
		s = strings.TrimSpace(s[1:])
	}
	rest, bold := strings.CutPrefix(s, "**")
	switch {
	case bold:
		end := strings.Index(rest, "**")
		if end < 1 || end > 60 {
			return "", "", false
		}
		key, val = rest[:end], rest[end+2:]
		inner, after := strings.HasSuffix(key, ":"), strings.HasPrefix(val, ":")
		if !inner && !after {
			return "", "", false
		}
		key, val = strings.TrimSuffix(key, ":"), strings.TrimPrefix(val, ":")
	case metadata && item:
		var found bool
		if key, val, found = strings.Cut(s, ":"); !found || len(key) > 60 {
			return "", "", false
		}
	default:
		return "", "", false
	}
	val = strings.TrimRight(strings.TrimSpace(val), "\\")
	return strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(val), bold
}

func isListItem(s string) bool {
	return len(s) > 1 && (s[0] == '-' || s[0] == '*' || s[0] == '+') && (s[1] == ' ' || s[1] == '\t')
}

// listItem returns the text of a numbered or dotted item that is not nested.
func listItem(s string) (string, bool) {
	trimmed := strings.TrimLeft(s, " \t")
	if indent := len(s) - len(trimmed); indent > 3 || strings.HasPrefix(s, "\t") {
		return "", false
	}
	if isListItem(trimmed) {
		return strings.TrimSpace(trimmed[1:]), true
	}
	n := len(trimmed) - len(strings.TrimLeft(trimmed, "0123456789"))
	if n == 0 || n > 5 || len(trimmed) < n+2 || trimmed[n] != '.' && trimmed[n] != ')' || trimmed[n+1] != ' ' {
		return "", false
	}
	return strings.TrimSpace(trimmed[n+1:]), true
}

// listLine reads a line below "Key Insights": an item, or the continuation of one.
func (r *mdReader) listLine(s string) {
	trimmed := strings.TrimSpace(s)
	if text, ok := listItem(s); ok {
		r.endItem()
		r.insight, r.item = Insight{Text: text}, 0
		return
	}
	switch {
	case trimmed == "" || strings.Trim(trimmed, "-*_ ") == "":
		r.endItem()
	case r.item >= 0 && len(r.insight.Text) <= maxInsightText:
		r.insight.Text += " " + strings.TrimLeft(trimmed, "-*+ ")
	}
}

func (r *mdReader) endItem() {
	if r.item < 0 {
		return
	}
	r.item = -1
	r.d.markers(&r.insight)
	r.insight.Text = oneLine(strings.ReplaceAll(r.insight.Text, "**", ""), maxInsightText+1)
	if r.insight.Text != "" {
		r.d.addInsight(r.current(), r.insight)
	}
}

// insightTime finds "(timestamp 2:30)", "[2:30](address)", "(2:30-3:10)"; built at first use, since most runs of the program
// parse nothing.
var insightTime = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)[\[(](?:timestamps?:? *|at +|@ *)?(\d{1,4}:\d{2}(?::\d{2})?)(?: *[-–] *(\d{1,4}:\d{2}(?::\d{2})?))?[\])](?:\([^()\s]*\))?`)
})

var insightTrust = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)[\[(]confidence:? *([^)\]]{1,40})[\])]`)
})

// markers takes the time and the confidence out of an insight's text.
func (d *draft) markers(in *Insight) {
	if strings.Contains(in.Text, ":") {
		if m := insightTime().FindStringSubmatchIndex(in.Text); m != nil {
			in.Start = moment(in.Text[m[2]:m[3]])
			if m[4] >= 0 {
				in.End = moment(in.Text[m[4]:m[5]])
			}
			if in.Start != nil {
				in.Text = in.Text[:m[0]] + in.Text[m[1]:]
			}
		}
	}
	if !strings.ContainsAny(in.Text, "([") {
		return
	}
	if m := insightTrust().FindStringSubmatchIndex(in.Text); m != nil {
		d.trust(&in.Confidence, in.Text[m[2]:m[3]])
		in.Text = in.Text[:m[0]] + in.Text[m[1]:]
	}
}

// finish adds the entry of a file that is about one video, drops the one that says nothing, and takes the confidence of a
// sentence where no label, front matter or sidecar says one.
func (r *mdReader) finish() {
	d := r.d
	if r.file < 0 && len(d.Entries) == 0 && (d.VideoID != "" || d.URL != "") {
		d.addEntry(Entry{})
	}
	if r.file >= 0 && !r.fromFront && len(d.Entries) > 1 {
		if e := d.Entries[r.file]; len(e.Insights) == 0 && e.Title == "" {
			d.Entries = append(d.Entries[:r.file], d.Entries[r.file+1:]...)
		}
	}
	if d.Confidence == nil && !r.labelled && r.sentence != "" {
		if v, ok := parseConfidence(r.sentence); ok {
			d.Confidence = &v
		}
	}
}
