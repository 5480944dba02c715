package kb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxJSONValues bounds the pieces of a JSON text that are taken apart; a value here takes some ten times the bytes it has on disk.
const maxJSONValues = 200_000

// sidecar fills what is still empty from a downloader's file beside the document.
func (d *draft) sidecar(data []byte) {
	if len(data) == 0 {
		return
	}
	text, _, err := decodeText(data)
	if err != nil {
		d.warn(BadJSON, "sidecar: %v", err)
		return
	}
	v, err := parseJSON(text)
	if err != nil || v.kind != object {
		d.warn(BadJSON, "sidecar: %v", err)
		return
	}
	d.apply(v, false)
	fill(&d.VideoID, videoID(v.get("id").string()))
}

// json reads an analysis, a list of them, or a map with such a list. Other JSON is code: its text can be found, it says nothing.
func (d *draft) json(text string) {
	d.Words = countWords(text)
	d.HasLinks = strings.Contains(text, "http://") || strings.Contains(text, "https://")
	v, err := parseJSON(text)
	if err != nil {
		d.warn(BadJSON, "%v", err)
		d.Type, d.Text = "code", text
		return
	}
	switch {
	case v.kind == object && isAnalysis(v):
		d.apply(v, false)
		d.analysis(v)
	case v.kind == list && anyAnalysis(v.items):
		d.analyses(v.items)
	default:
		entries := v.get("entries", "videos", "analyses", "results")
		if !anyAnalysis(entries.items) {
			d.Type, d.Text = "code", text
			return
		}
		d.apply(v, false)
		d.analyses(entries.items)
	}
	d.Text = readable(v)
}

// jsonLines reads one analysis a line; lines that are none stay text.
func (d *draft) jsonLines(text string) {
	d.Words = countWords(text)
	d.HasLinks = strings.Contains(text, "http://") || strings.Contains(text, "https://")
	var b strings.Builder
	bad, number := 0, 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := parseJSON(line)
		if err != nil {
			if bad++; bad == 1 {
				d.warn(BadJSON, "line %d: %v", number, err)
			}
			b.WriteString(line + "\n")
			continue
		}
		if v.kind == object && isAnalysis(v) {
			d.analyses([]value{v})
		}
		b.WriteString(readable(v) + "\n")
	}
	d.Text = b.String()
}

func isAnalysis(v value) bool {
	return v.has("primary_topic", "key_insights", "insights", "key_takeaways", "knowledge_category", "confidence_score") ||
		v.has("title") && v.has("video_id", "videoid", "creator", "creator_id", "content", "text", "summary")
}

func anyAnalysis(items []value) bool {
	for _, it := range items {
		if it.kind == object && isAnalysis(it) {
			return true
		}
	}
	return false
}

func (d *draft) analyses(items []value) {
	for _, it := range items {
		if it.kind == object {
			d.analysis(it)
		}
	}
}

// analysis adds one entry.
func (d *draft) analysis(v value) {
	e := d.addEntry(Entry{})
	if e == nil {
		return
	}
	e.Title = oneLine(v.get("title", "primary_topic").string(), maxTitle)
	fill(&d.Title, e.Title)
	e.VideoID = videoID(v.get("video_id", "videoid").string())
	e.URL = webURL(v.get("url", "youtube_url", "webpage_url", "source").string())
	e.Status = knownStatus(v.get("status").string())
	d.trust(&e.Confidence, v.get("confidence_score", "confidence").string())
	d.date(&e.Published, "published", v.get("published", "date", "upload_date").string())
	d.length(&e.Duration, v.get("duration").string())
	d.insights(e, v.get("key_insights", "insights"))
	fill(&d.Source, strings.TrimPrefix(oneLine(v.get("creator_id", "channel_id").string(), maxName), "@"))
	fill(&d.Creator, oneLine(v.get("creator", "author", "channel", "uploader").string(), maxName))
	d.HasCode = d.HasCode || v.has("code_snippets")
	for _, key := range []string{"model", "analyzed_at", "primary_topic", "target_agents"} {
		if x := v.get(key); x.kind != absent {
			d.addMeta(key, x.flat())
		}
	}
	d.addTags(v.get("tools_mentioned").strings()...)
}

// readable writes the values of JSON as lines, without its brackets and quotes.
func readable(v value) string {
	var b strings.Builder
	v.write(&b, "\n", 32<<20)
	return b.String()
}

func parseJSON(text string) (value, error) {
	if n := strings.Count(text, ",") + strings.Count(text, "[") + strings.Count(text, "{"); n > maxJSONValues {
		return value{}, fmt.Errorf("more than %d values", maxJSONValues)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	v, err := fromJSON(dec, 0)
	if err != nil {
		return value{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return value{}, errors.New("text behind the end of the value")
	}
	return v, nil
}

func fromJSON(dec *json.Decoder, depth int) (value, error) {
	if depth > 100 {
		return value{}, errors.New("nested deeper than 100")
	}
	t, err := dec.Token()
	if err != nil {
		return value{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return jsonList(dec, depth)
		}
		return jsonObject(dec, depth)
	case string:
		return value{kind: scalar, text: t}, nil
	case json.Number:
		return value{kind: scalar, text: t.String()}, nil
	case bool:
		return value{kind: scalar, text: fmt.Sprint(t)}, nil
	}
	return value{}, nil
}

func jsonList(dec *json.Decoder, depth int) (value, error) {
	v := value{kind: list}
	for dec.More() {
		x, err := fromJSON(dec, depth+1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, x)
	}
	_, err := dec.Token()
	return v, err
}

func jsonObject(dec *json.Decoder, depth int) (value, error) {
	v := value{kind: object}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return value{}, err
		}
		x, err := fromJSON(dec, depth+1)
		if err != nil {
			return value{}, err
		}
		key, _ := k.(string)
		v.fields = append(v.fields, member{fieldKey(key), x})
	}
	_, err := dec.Token()
	return v, err
}
