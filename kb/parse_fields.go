package kb

import (
	"slices"
	"strings"
	"time"
)

// value is a piece of front matter or JSON: a scalar as it was written, a list, or a map in its order. Numbers stay text, so that
// a video id such as 12e45 is never taken for one.
type value struct {
	text   string
	items  []value
	fields []member // of a map
	kind   valueKind
}

type member struct {
	key   string // lower case, "_" for "-" and " "
	value value
}

type valueKind uint8

const (
	absent valueKind = iota
	scalar
	list
	object
)

func fieldKey(s string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(s)))
}

// get returns the first of the keys that says something.
func (v value) get(keys ...string) value {
	for _, k := range keys {
		for _, m := range v.fields {
			if m.key == k && !m.value.empty() {
				return m.value
			}
		}
	}
	return value{}
}

func (v value) has(keys ...string) bool { return v.get(keys...).kind != absent }

func (v value) empty() bool {
	switch v.kind {
	case scalar:
		return strings.TrimSpace(v.text) == ""
	case list:
		return len(v.items) == 0
	case object:
		return len(v.fields) == 0
	}
	return true
}

// string returns a scalar, the first of a list, or the name within a map.
func (v value) string() string {
	switch v.kind {
	case scalar:
		return v.text
	case list:
		if len(v.items) > 0 {
			return v.items[0].string()
		}
	case object:
		return v.get("name", "title", "text", "id").string()
	}
	return ""
}

// strings returns the scalars of a list; one scalar is split at commas.
func (v value) strings() []string {
	switch v.kind {
	case scalar:
		return strings.Split(v.text, ",")
	case list:
		out := make([]string, 0, len(v.items))
		for _, it := range v.items {
			out = append(out, it.string())
		}
		return out
	}
	return nil
}

// flat writes a value as one line, for keys that nobody knows.
func (v value) flat() string {
	var b strings.Builder
	v.write(&b, ", ", 4*maxMetaValue)
	return b.String()
}

func (v value) write(b *strings.Builder, sep string, limit int) {
	if b.Len() > limit {
		return
	}
	switch v.kind {
	case scalar:
		b.WriteString(v.text)
	case list:
		for i, it := range v.items {
			if i > 0 {
				b.WriteString(sep)
			}
			it.write(b, sep, limit)
		}
	case object:
		for i, m := range v.fields {
			if i > 0 {
				b.WriteString(sep)
			}
			b.WriteString(m.key)
			b.WriteString(": ")
			m.value.write(b, sep, limit)
		}
	}
}

// knownFields are the keys that have a field of their own; any other is kept as meta.
func knownFields() []string {
	return []string{
		"id", "title", "fulltitle", "creator", "author", "author_name", "channel", "uploader", "creator_id", "channel_id", "uploader_id",
		"video_id", "videoid", "url", "source", "youtube_url", "webpage_url", "published", "date", "upload_date", "duration", "language",
		"agent", "category", "knowledge_category", "tags", "confidence", "confidence_score", "status", "supersedes", "contradicts",
		"valid_until", "insights", "type",
	}
}

// apply fills what is still empty from a map that follows the names of the front matter or one of their aliases. strict says
// that a person wrote it, who wants to know of values that say nothing.
func (d *draft) apply(v value, strict bool) {
	fill(&d.Title, oneLine(v.get("title", "fulltitle").string(), maxTitle))
	fill(&d.Creator, oneLine(v.get("creator", "author", "author_name", "channel", "uploader").string(), maxName))
	fill(&d.Source, strings.TrimPrefix(oneLine(v.get("creator_id", "channel_id", "uploader_id").string(), maxName), "@"))
	fill(&d.VideoID, videoID(v.get("video_id", "videoid").string()))
	d.applyURL(v)
	d.date(&d.Published, "published", v.get("published", "date", "upload_date").string())
	d.date(&d.ValidUntil, "valid_until", v.get("valid_until").string())
	d.length(&d.Duration, v.get("duration").string())
	fill(&d.Language, strings.ToLower(oneLine(v.get("language").string(), 20)))
	fill(&d.Agent, oneLine(v.get("agent").string(), maxName))
	fill(&d.Category, oneLine(v.get("category", "knowledge_category").string(), maxName))
	d.addTags(v.get("tags").strings()...)
	d.trust(&d.Confidence, v.get("confidence", "confidence_score").string())
	if s := v.get("status").string(); s != "" && d.Status == "" {
		if d.Status = knownStatus(s); d.Status == "" && strict {
			d.warn(OddValue, "status %q is none of approved, pending, rejected, conflicting, superseded", clip(s, 100))
		}
	}
	if d.Supersedes == nil {
		d.Supersedes = names(v.get("supersedes"))
	}
	if d.Contradicts == nil {
		d.Contradicts = names(v.get("contradicts"))
	}
	if t := strings.ToLower(v.get("type").string()); strict && (t == "video" || t == "document" || t == "transcript" || t == "code") {
		d.Type = t
	}
}

// applyURL takes the address; "source" may also be the name of the creator, as in the old files.
func (d *draft) applyURL(v value) {
	for _, key := range []string{"url", "source", "youtube_url", "webpage_url"} {
		s := v.get(key).string()
		u := webURL(s)
		switch {
		case u != "":
			fill(&d.URL, u)
		case s != "" && key == "source":
			fill(&d.Creator, oneLine(s, maxName))
		case s != "":
			d.warn(OddValue, "%s %q is no http or https address", key, clip(s, 100))
		}
	}
}

// insights reads the list of insights of a front matter or an analysis: texts, or maps with a text.
func (d *draft) insights(e *Entry, v value) {
	items := v.items
	if v.kind == scalar || v.kind == object {
		items = []value{v}
	}
	for _, it := range items {
		in := Insight{Text: oneLine(it.text, maxInsightText+1)}
		if it.kind == object {
			in.Text = oneLine(it.get("text", "insight", "content", "description", "title").string(), maxInsightText+1)
			in.ID = frontMatterID(it.get("id").string())
			in.Evidence = oneLine(it.get("evidence", "quote").string(), maxInsightText)
			in.Status = knownStatus(it.get("status").string())
			d.trust(&in.Confidence, it.get("confidence", "confidence_score").string())
			in.Start = moment(it.get("t", "timestamp", "start").string())
			in.End = moment(it.get("t_end", "end").string())
			for _, t := range it.get("tags").strings() {
				if t = strings.ToLower(oneLine(t, maxName)); t != "" && len(in.Tags) < maxTags {
					in.Tags = append(in.Tags, t)
				}
			}
		} else {
			d.markers(&in)
		}
		d.addInsight(e, in)
	}
}

func fill(dst *string, s string) {
	if *dst == "" {
		*dst = s
	}
}

func names(v value) []string {
	var out []string
	for _, s := range v.strings() {
		if s = oneLine(s, maxName); s != "" && len(out) < maxTags && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (d *draft) date(dst *time.Time, key, s string) {
	if s == "" || !dst.IsZero() {
		return
	}
	t, ok := parseDate(s)
	if !ok {
		d.warn(OddValue, "%s %q is no date", key, clip(s, 100))
		return
	}
	*dst = t
}

func (d *draft) length(dst *time.Duration, s string) {
	if s == "" || *dst != 0 {
		return
	}
	v, ok := parseDuration(s)
	if !ok {
		d.warn(OddValue, "duration %q is none of seconds, mm:ss, h:mm:ss", clip(s, 100))
		return
	}
	*dst = v
}

// trust reads a confidence; one that says nothing leaves nil, which is not 0.
func (d *draft) trust(dst **float64, s string) {
	if s == "" || *dst != nil {
		return
	}
	v, ok := parseConfidence(s)
	if !ok {
		d.warn(OddValue, "confidence %q is no number from 0 to 1, no percentage to 100%%, and none of high, medium, low", clip(s, 100))
		return
	}
	*dst = &v
}

// moment reads a time within a video, in seconds.
func moment(s string) *float64 {
	v, ok := clock(s)
	if !ok {
		if v, ok = plainNumber(strings.TrimSuffix(strings.TrimSpace(s), "s")); !ok || v > maxDuration.Seconds() {
			return nil
		}
	}
	return &v
}
