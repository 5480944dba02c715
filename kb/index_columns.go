package kb

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// columns are what ranking, sorting, ranges and facets need of the documents of one segment, by their number in it. They are
// read once for each segment, which never changes, and take about 100 bytes a document.
type columns struct {
	once sync.Once
	err  error

	id         []string
	length     []uint32 // words of the text
	words      uint64   // their sum
	generation []uint64 // of the batch that wrote it
	modified   []int64  // Unix seconds, or noTime
	published  []int64
	size       []int64
	confidence []float32 // NaN = not said
	values     [4][]uint32
	names      [4][]string // what the numbers in values mean
	tags       [][]uint32
	tagNames   []string

	dictOnce sync.Once // see dictionaryOf
	dict     *dictionary
	dictErr  error
}

// Facets that are columns with one value for each document, in the order of storedField.Value.
var columnFacets = [4]string{"agent", "category", "creator", "status"}

func (x *BleveIndex) columnsOf(s *scorch.SegmentSnapshot) (*columns, error) {
	x.mu.Lock()
	c, ok := x.columns[s.Id()]
	if !ok {
		c = &columns{}
		x.columns[s.Id()] = c
	}
	x.mu.Unlock()
	c.once.Do(func() { c.err = c.read(x, s.Segment()) })
	return c, c.err
}

// forget drops the columns of segments that are gone, when there are more than some: searches under way may still use them.
func (x *BleveIndex) forget(live []*scorch.SegmentSnapshot, some int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.columns) <= len(live)+some {
		return
	}
	keep := make(map[uint64]bool, len(live))
	for _, s := range live {
		keep[s.Id()] = true
	}
	for id := range x.columns {
		if !keep[id] {
			delete(x.columns, id)
		}
	}
}

// keepWarm prepares segments for searches until the index is closed: those it was opened with, and those of batches and merges.
func (x *BleveIndex) keepWarm() {
	for {
		x.warm()
		select {
		case <-x.lull.closed:
			return
		case <-x.lull.merged:
		}
	}
}

// warm reads the columns and the dictionaries of all segments, so that the first search need not.
func (x *BleveIndex) warm() {
	if x.enter() != nil {
		return
	}
	defer x.leave()
	var err error
	defer func() {
		if err != nil {
			_ = x.damaged(err)
		}
	}()
	defer recoverDamage(&err)()
	reader, rerr := x.snapshot()
	if rerr != nil {
		return
	}
	defer reader.Close()
	for _, s := range reader.Segments() {
		if _, err = x.columnsOf(s); err != nil {
			return
		}
	}
	for _, s := range reader.Segments() {
		select {
		case <-x.lull.closed:
			return
		default:
		}
		var c *columns
		if c, err = x.columnsOf(s); err == nil {
			_, err = c.dictionaryOf(s.Segment())
		}
		if err != nil {
			return
		}
	}
	if now, lerr := x.snapshot(); lerr == nil { // what has come meanwhile stays
		x.forget(now.Segments(), 0)
		_ = now.Close()
	}
}

var errColumns = errors.New("the columns of a document are cut off")

func (c *columns) read(x *BleveIndex, s segment.Segment) (err error) {
	defer recoverDamage(&err)()
	n := int(s.Count())
	c.id, c.length, c.modified, c.published = make([]string, n), make([]uint32, n), make([]int64, n), make([]int64, n)
	c.generation = make([]uint64, n)
	c.size, c.confidence, c.tags = make([]int64, n), make([]float32, n), make([][]uint32, n)
	for i := range c.values {
		c.values[i] = make([]uint32, n)
	}
	numbers := [5]map[string]uint32{}
	for i := range numbers {
		numbers[i] = map[string]uint32{}
	}
	number := func(i int, names *[]string, v []byte) uint32 {
		if k, ok := numbers[i][string(v)]; ok {
			return k
		}
		k := uint32(len(*names))
		name := x.intern(v)
		*names = append(*names, name)
		numbers[i][name] = k
		return k
	}
	for doc := range n {
		var bad error
		err := s.VisitStoredFields(uint64(doc), func(field string, _ byte, value []byte, _ []uint64) bool {
			switch field {
			case "_id":
				c.id[doc] = string(value)
			case columnField:
				r := columnReader{b: value}
				c.length[doc] = uint32(r.uvarint())
				c.words += uint64(c.length[doc])
				c.generation[doc] = r.uvarint()
				c.modified[doc], c.published[doc], c.size[doc] = r.varint(), r.varint(), r.varint()
				c.confidence[doc] = math.Float32frombits(r.uint32())
				for i := range c.values {
					c.values[i][doc] = number(i, &c.names[i], r.bytes())
				}
				if tags := r.uvarint(); tags > 0 && tags <= uint64(len(r.b)) {
					c.tags[doc] = make([]uint32, tags)
					for i := range c.tags[doc] {
						c.tags[doc][i] = number(4, &c.tagNames, r.bytes())
					}
				}
				if r.short {
					bad = errColumns
				}
			}
			return true
		})
		if err == nil {
			err = bad
		}
		if err != nil {
			return fmt.Errorf("read document %d of a segment: %w", doc, err)
		}
	}
	return nil
}

// intern returns one copy of a name that many documents share.
func (x *BleveIndex) intern(v []byte) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	s, ok := x.names[string(v)]
	if !ok {
		s = string(v)
		x.names[s] = s
	}
	return s
}

// columnReader reads what storedField.Value wrote. After the end it gives zeros and says so.
type columnReader struct {
	b     []byte
	short bool
}

func (r *columnReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *columnReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *columnReader) uint32() uint32 {
	if len(r.b) < 4 {
		r.short, r.b = true, nil
		return 0
	}
	v := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *columnReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.short, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// key returns the number that a document is sorted by, larger first. What is not known comes last either way.
func (c *columns) key(s Sort, doc uint32) float64 {
	var v float64
	switch s.By {
	case "modified":
		v = float64(c.modified[doc])
	case "published":
		v = float64(c.published[doc])
	case "size":
		v = float64(c.size[doc])
	case "confidence":
		v = float64(c.confidence[doc])
	}
	switch {
	case v != v || v == noTime:
		return math.Inf(-1)
	case s.Reverse:
		return -v
	}
	return v
}

// between returns the documents whose column lies in a range, both ends included.
func (c *columns) between(field string, lo, hi float64, within *roaring.Bitmap) *roaring.Bitmap {
	out := roaring.New()
	test := func(doc uint32) {
		var v float64
		switch field {
		case "confidence":
			v = float64(c.confidence[doc])
		case "published":
			v = float64(c.published[doc])
		default:
			v = float64(c.modified[doc])
		}
		if v >= lo && v <= hi { // false for NaN
			out.Add(doc)
		}
	}
	if within == nil {
		for doc := range uint32(len(c.id)) {
			test(doc)
		}
		return out
	}
	for it := within.Iterator(); it.HasNext(); {
		test(it.Next())
	}
	return out
}

// facetFields are what facets are counted by.
var facetFields = []string{"agent", "category", "creator", "status", "tag", "confidence"}

// facets counts the values of documents. The zero value is ready.
type facets struct{ counts map[string]map[string]int }

// confidenceBands are the names of bands of confidence and their lower ends. They are the thresholds of the pipeline:
// approved, pending, flagged, rejected.
var confidenceBands = []struct {
	name string
	from float32
}{{"0.8-1.0", 0.8}, {"0.6-0.8", 0.6}, {"0.4-0.6", 0.4}, {"0.0-0.4", 0}}

// maxFacetValues is how many values a facet lists, the most frequent first.
const maxFacetValues = 50

// lists are the values of each facet.
func (f *facets) lists() map[string][]FacetCount {
	out := make(map[string][]FacetCount, len(facetFields))
	for _, field := range facetFields {
		list := make([]FacetCount, 0, len(f.counts[field]))
		for v, n := range f.counts[field] {
			list = append(list, FacetCount{v, n})
		}
		slices.SortFunc(list, func(a, b FacetCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Value, b.Value)) })
		out[field] = list[:min(len(list), maxFacetValues)]
	}
	return out
}

func (f *facets) join(g *facets) {
	for field, values := range g.counts {
		for v, n := range values {
			f.count(field, v, n)
		}
	}
}

func (f *facets) count(field, value string, n int) {
	if f.counts == nil {
		f.counts = map[string]map[string]int{}
	}
	if f.counts[field] == nil {
		f.counts[field] = map[string]int{}
	}
	f.counts[field][value] += n
}

func (f *facets) add(c *columns, docs []uint32) {
	for i, field := range columnFacets {
		n := make([]int, len(c.names[i]))
		for _, d := range docs {
			n[c.values[i][d]]++
		}
		for k, count := range n {
			if count > 0 && c.names[i][k] != "" {
				f.count(field, c.names[i][k], count)
			}
		}
	}
	tags := make([]int, len(c.tagNames))
	bands := make([]int, len(confidenceBands)+1)
	for _, d := range docs {
		for _, t := range c.tags[d] {
			tags[t]++
		}
		band := len(confidenceBands)
		for i, b := range confidenceBands {
			if c.confidence[d] >= b.from {
				band = i
				break
			}
		}
		bands[band]++
	}
	for k, count := range tags {
		if count > 0 {
			f.count("tag", c.tagNames[k], count)
		}
	}
	for i, count := range bands {
		name := "unknown"
		if i < len(confidenceBands) {
			name = confidenceBands[i].name
		}
		if count > 0 {
			f.count("confidence", name, count)
		}
	}
}
