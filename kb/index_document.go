package kb

import (
	"encoding/binary"
	"math"
	"path"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/document"
	bleveindex "github.com/blevesearch/bleve_index_api"
)

// Names of the fields in the index. Every document has all of them, also empty: segments with the same fields are merged by
// copying.
const (
	textField   = "text"
	titleField  = "title"
	pathField   = "path"
	metaField   = "meta"
	hasField    = "has"
	columnField = "columns" // stored, not indexed
)

// gap stands between two parts of a text so that no phrase spans them.
const gap = 16

// newIndexDocument makes what is indexed of a document. The text is one field: title, then what the text lacks of insights
// and entries, the text itself, then tags, category and creator; a query over several fields would rank by the shortest one.
// Nothing of it is stored.
func newIndexDocument(p *Parsed) *document.Document {
	d := document.NewDocument(p.ID)
	d.Fields = make([]document.Field, 0, 12)
	text := &wordsField{name: textField, texts: textsOf(p)}
	d.AddField(text)
	d.AddField(&wordsField{name: titleField, texts: []string{p.Title}})
	d.AddField(&wordsField{name: pathField, texts: []string{p.Path}})
	d.AddField(&wordsField{name: "creator", texts: []string{p.Creator, p.Source}})
	d.AddField(&valuesField{name: "agent", values: []string{p.Agent}})
	d.AddField(&valuesField{name: "category", values: []string{p.Category}})
	d.AddField(&valuesField{name: "tag", values: p.Tags})
	d.AddField(&valuesField{name: "status", values: []string{p.Status}})
	d.AddField(&valuesField{name: "lang", values: []string{p.Language}})
	meta := make([]string, 0, len(p.Meta))
	for k, v := range p.Meta {
		meta = append(meta, k+"="+v)
	}
	d.AddField(&valuesField{name: metaField, values: meta})
	d.AddField(&valuesField{name: hasField, values: hasOf(p)})
	d.AddField(&storedField{name: columnField, doc: &p.Document, length: text.words})
	return d
}

func textsOf(p *Parsed) []string {
	texts := make([]string, 0, 8)
	texts = append(texts, p.Title)
	for _, e := range p.Entries {
		if e.Title != "" && !strings.Contains(p.Text, e.Title) {
			texts = append(texts, e.Title)
		}
		for _, in := range e.Insights {
			if !strings.Contains(p.Text, in.Text) {
				texts = append(texts, in.Text)
			}
			texts = append(texts, in.Tags...)
		}
	}
	texts = append(texts, p.Text)
	if p.Text == "" {
		for _, s := range p.Segments {
			texts = append(texts, s.Text)
		}
	}
	texts = append(texts, p.Tags...)
	return append(texts, p.Category, p.Creator, strings.TrimSuffix(path.Base(p.Path), path.Ext(p.Path)))
}

func hasOf(p *Parsed) []string {
	var has []string
	add := func(yes bool, name string) {
		if yes {
			has = append(has, name)
		}
	}
	insights := false
	for _, e := range p.Entries {
		insights = insights || len(e.Insights) > 0
	}
	add(insights, "insight")
	add(len(p.Entries) > 0, "entry")
	add(p.HasCode, "code")
	add(p.HasLinks, "links")
	add(p.Transcript != "" || len(p.Segments) > 0, "transcript")
	add(p.URL != "", "url")
	add(p.VideoID != "", "video")
	add(p.Confidence != nil, "confidence")
	add(len(p.Warnings) > 0, "warning")
	return has
}

// valuesField is a field of whole values, without positions.
type valuesField struct {
	name   string
	values []string
	freqs  bleveindex.TokenFrequencies
}

func (f *valuesField) Name() string              { return f.name }
func (f *valuesField) Value() []byte             { return nil }
func (f *valuesField) ArrayPositions() []uint64  { return nil }
func (f *valuesField) EncodedFieldType() byte    { return 't' }
func (f *valuesField) NumPlainTextBytes() uint64 { return 0 }
func (f *valuesField) Size() int                 { return 64 * len(f.freqs) }

func (f *valuesField) Options() bleveindex.FieldIndexingOptions              { return bleveindex.IndexField }
func (f *valuesField) AnalyzedLength() int                                   { return 1 }
func (f *valuesField) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return f.freqs }

func (f *valuesField) Analyze() {
	f.freqs = make(bleveindex.TokenFrequencies, len(f.values))
	for _, v := range f.values {
		if v = foldValue(v); v != "" {
			tf := &bleveindex.TokenFreq{Term: []byte(v)}
			tf.SetFrequency(1)
			f.freqs[v] = tf
		}
	}
}

// storedField holds what sorting, facets and ranking need of each document: see columns.
type storedField struct {
	name   string
	doc    *Document
	length func() int
	value  []byte
}

func (f *storedField) Name() string                                          { return f.name }
func (f *storedField) ArrayPositions() []uint64                              { return nil }
func (f *storedField) EncodedFieldType() byte                                { return 'b' }
func (f *storedField) NumPlainTextBytes() uint64                             { return 0 }
func (f *storedField) Size() int                                             { return 128 }
func (f *storedField) Options() bleveindex.FieldIndexingOptions              { return bleveindex.StoreField }
func (f *storedField) AnalyzedLength() int                                   { return 0 }
func (f *storedField) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return nil }
func (f *storedField) Analyze()                                              {}

// Value is called after the text was analyzed, when the segment is written.
func (f *storedField) Value() []byte {
	if f.value != nil {
		return f.value
	}
	d := f.doc
	b := make([]byte, 0, 96)
	b = binary.AppendUvarint(b, uint64(f.length()))
	b = binary.AppendUvarint(b, d.Generation)
	b = binary.AppendVarint(b, unixOf(d.Modified))
	b = binary.AppendVarint(b, unixOf(d.Published))
	b = binary.AppendVarint(b, d.Size)
	confidence := float32(math.NaN())
	if d.Confidence != nil {
		confidence = float32(*d.Confidence)
	}
	b = binary.BigEndian.AppendUint32(b, math.Float32bits(confidence))
	for _, s := range []string{d.Agent, d.Category, d.Creator, d.Status} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Tags)))
	for _, t := range d.Tags {
		b = appendString(b, t)
	}
	f.value = b
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func unixOf(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.Unix()
}
