package kb

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Reason says why a file became no document, or what was odd about one that did. It is a label of a metric: a closed set.
type Reason string

// Reasons, as kb.Job lists them for each file.
const (
	TooLarge            Reason = "too_large"              // larger than the limit; not read
	Binary              Reason = "binary"                 // holds NUL bytes
	BadUTF8             Reason = "bad_utf8"               // read, with U+FFFD for what was no UTF-8
	BadFrontMatter      Reason = "bad_front_matter"       // front matter left out, body read
	FrontMatterTooLarge Reason = "front_matter_too_large" // front matter left out, body read
	AliasesRefused      Reason = "aliases_refused"        // front matter with anchors or aliases left out, body read
	BadJSON             Reason = "bad_json"               // read as plain text
	Unreadable          Reason = "unreadable"             // the system refused to open or read it
	NotRegular          Reason = "not_regular"            // FIFO, device or socket; never opened
	LinkOutsideRoot     Reason = "link_outside_root"      // symbolic link that leaves the root; not followed
	LinkLoop            Reason = "link_loop"              // symbolic link that leads back to itself or above itself
	ChangedWhileReading Reason = "changed_while_reading"  // read again at the next scan
	Truncated           Reason = "truncated"              // more entries, insights or tags than are kept
	OddValue            Reason = "odd_value"              // a value that says nothing, "confidence: 250%"
	IDNotUnique         Reason = "id_not_unique"          // another file has the same id in its front matter
)

// RejectError says why a file became no document.
type RejectError struct {
	Reason Reason
	Detail string
}

func (e *RejectError) Error() string {
	if e.Detail == "" {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Detail
}

// Bounds of what is kept of one file, so that no file makes a record that the store refuses or a listing that cannot be shown.
const (
	maxFrontMatter = 64 << 10
	maxEntries     = 2_000
	maxInsights    = 10_000
	maxInsightText = 4_000 // bytes
	maxTitle       = 500   // bytes
	maxName        = 200   // bytes: creators, ids, categories
	maxTags        = 100
	maxMeta        = 100
	maxMetaValue   = 500 // bytes
	maxWarnings    = 20
)

// Input is a file to be parsed.
type Input struct {
	Root     string    // id of the root
	Path     string    // relative to the root, with slashes
	Data     []byte    // content as it is on disk
	Sidecar  []byte    // content of X.meta.json or X.info.json beside it, nil when there is none
	Size     int64     // bytes
	Modified time.Time // of the file

	textOnly bool // nothing but Text and Hash is wanted
}

// Parse reads one file in any of the forms a knowledge base holds. It never fails because of what the file says: what cannot be
// understood is text, with a warning. The only error is a [RejectError] for a file that is not text. The document has an ID only
// if its front matter names one. Parse touches no file and may be called from any goroutine.
func Parse(in Input) (*Parsed, error) {
	d := &draft{textOnly: in.textOnly}
	d.Root, d.Path, d.Size, d.Modified = in.Root, in.Path, in.Size, in.Modified.UTC()
	sum := sha256.Sum256(in.Data)
	d.Hash = hex.EncodeToString(sum[:])
	text, replaced, err := decodeText(in.Data)
	if err != nil {
		return nil, err
	}
	if replaced {
		d.warn(BadUTF8, "bytes that are no UTF-8 were replaced")
	}
	d.Type = "document"
	switch ext := strings.ToLower(path.Ext(in.Path)); ext {
	case ".json":
		d.sidecar(in.Sidecar)
		d.json(text)
	case ".jsonl":
		d.sidecar(in.Sidecar)
		d.jsonLines(text)
	case ".vtt", ".srt":
		d.Type = "transcript"
		d.sidecar(in.Sidecar)
		d.captions(text)
	case ".txt":
		d.sidecar(in.Sidecar)
		if looksTimed(text) || strings.Contains(strings.ToLower(path.Base(in.Path)), "transcript") {
			d.Type = "transcript"
			d.timedText(text)
		} else {
			d.measure(text)
			d.Text = text
		}
	default:
		d.measure(text)
		body := d.frontMatter(text)
		d.sidecar(in.Sidecar)
		d.markdown(body)
	}
	if !in.textOnly {
		d.fromPath()
		d.finish()
	}
	return &d.Parsed, nil
}

// draft is a document while it is read. Sources are applied from the strongest to the weakest, and each only fills what is
// still empty.
type draft struct {
	Parsed
	textOnly  bool
	docID     string // of the front matter
	dropped   map[Reason]bool
	nInsights int
}

// warn notes what was odd, each reason once.
func (d *draft) warn(r Reason, format string, args ...any) {
	if d.dropped[r] && r != OddValue || len(d.Warnings) >= maxWarnings {
		return
	}
	if d.dropped == nil {
		d.dropped = map[Reason]bool{}
	}
	d.dropped[r] = true
	d.Warnings = append(d.Warnings, clip(string(r)+": "+fmt.Sprintf(format, args...), maxMetaValue))
}

// measure counts what the old interface shows of a file.
func (d *draft) measure(text string) {
	if d.textOnly {
		return
	}
	d.Words = countWords(text)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## ") {
			d.Sections++
		}
	}
	d.HasCode = strings.Contains(text, "```") || strings.Contains(text, "~~~")
	d.HasLinks = strings.Contains(text, "http://") || strings.Contains(text, "https://") || strings.Contains(text, "](")
}

func (d *draft) addMeta(key, text string) {
	key, text = oneLine(key, maxName), oneLine(text, maxMetaValue)
	if key == "" || text == "" || len(d.Meta) >= maxMeta {
		return
	}
	if d.Meta == nil {
		d.Meta = map[string]string{}
	}
	if _, taken := d.Meta[key]; !taken {
		d.Meta[key] = text
	}
}

func (d *draft) addTags(tags ...string) {
	for _, t := range tags {
		t = strings.ToLower(oneLine(strings.TrimPrefix(strings.TrimSpace(t), "#"), maxName))
		if t == "" || slices.Contains(d.Tags, t) {
			continue
		}
		if len(d.Tags) >= maxTags {
			d.warn(Truncated, "more than %d tags", maxTags)
			return
		}
		d.Tags = append(d.Tags, t)
	}
}

// addEntry returns the new entry, nil when there are too many.
func (d *draft) addEntry(e Entry) *Entry {
	if len(d.Entries) >= maxEntries {
		d.warn(Truncated, "more than %d entries", maxEntries)
		return nil
	}
	d.Entries = append(d.Entries, e)
	return &d.Entries[len(d.Entries)-1]
}

func (d *draft) addInsight(e *Entry, in Insight) {
	in.Text = strings.TrimSpace(in.Text)
	if e == nil || in.Text == "" {
		return
	}
	if d.nInsights >= maxInsights {
		d.warn(Truncated, "more than %d insights", maxInsights)
		return
	}
	if len(in.Text) > maxInsightText {
		d.warn(Truncated, "an insight of more than %d bytes", maxInsightText)
		in.Text = clip(in.Text, maxInsightText)
	}
	d.nInsights++
	e.Insights = append(e.Insights, in)
}

// finish gives ids and inherited values once all sources were applied.
func (d *draft) finish() {
	d.ID = d.docID
	d.Source = strings.ToLower(d.Source)
	if d.Source == "" && d.Creator != "" {
		d.Source = slug(d.Creator)
	}
	if d.VideoID == "" {
		d.VideoID = videoIDOf(d.URL)
	}
	if d.Title == "" {
		d.Title = strings.TrimSuffix(path.Base(d.Path), path.Ext(d.Path))
	}
	seen := map[string]int{}
	for i := range d.Entries {
		e := &d.Entries[i]
		if e.VideoID == "" {
			e.VideoID = videoIDOf(e.URL)
		}
		if i == 0 && len(d.Entries) == 1 {
			d.shareWithOnly(e)
		}
		for j := range e.Insights {
			in := &e.Insights[j]
			if in.Confidence == nil {
				in.Confidence = e.Confidence
			}
			if in.Confidence == nil {
				in.Confidence = d.Confidence
			}
			if in.ID == "" || seen[in.ID] > 0 {
				in.ID = insightID(e, in, seen)
			}
			seen[in.ID] = max(seen[in.ID], 1)
		}
	}
}

// shareWithOnly makes a document and its only entry, which are about the same video, know the same.
func (d *draft) shareWithOnly(e *Entry) {
	fill := func(a, b *string) {
		switch {
		case *a == "":
			*a = *b
		case *b == "":
			*b = *a
		}
	}
	fill(&e.VideoID, &d.VideoID)
	fill(&e.URL, &d.URL)
	fill(&e.Status, &d.Status)
	if e.Title == "" {
		e.Title = d.Title
	}
	if e.Confidence == nil {
		e.Confidence = d.Confidence
	}
	if d.Confidence == nil {
		d.Confidence = e.Confidence
	}
	if e.Published.IsZero() {
		e.Published = d.Published
	}
	if d.Published.IsZero() {
		d.Published = e.Published
	}
	if e.Duration == 0 {
		e.Duration = d.Duration
	}
	if d.Duration == 0 {
		d.Duration = e.Duration
	}
}

// insightID names an insight by what it says and where, so that the name survives a new order of the list. The same text again
// gets a number; seen says how often each name was given, so that a file of one line a thousand times costs no more.
func insightID(e *Entry, in *Insight, seen map[string]int) string {
	about := e.VideoID
	if about == "" {
		about = e.Title
	}
	name := func(n int) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", about, in.Text, n))
		return "i-" + idEncoding.EncodeToString(sum[:5])
	}
	first := name(0)
	for n := seen[first]; ; n++ {
		if id := name(n); seen[id] == 0 {
			seen[first] = n + 1
			return id
		}
	}
}

// clip shortens s to at most n bytes, at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
