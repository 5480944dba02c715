package kb

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// row is what memory keeps of a document: what scans compare and listings filter and sort by; some 300 bytes with its name.
// A row is never changed once it is in the catalog, but for mark, which belongs to the scan, and shadow.
type row struct {
	root, dir, name          string // dir is shared by the files in it, "" at the top
	own                      string // id, when it is not that of the path
	agent, category, creator string // shared
	size, mtime, valid       int64  // bytes; Unix nanoseconds; Unix seconds, 0 = for ever
	inode, beside, gen       uint64
	video                    uint64 // hash of the id of the video, 0 = none
	hash                     [16]byte
	key                      pathKey
	confidence               uint16 // as packConfidence
	status, kind             uint8
	flags                    rowFlags
	tags                     []string
	insights                 []byte                 // packed, see packInsights
	mark                     uint32                 // scan that saw the file last
	shadow                   atomic.Pointer[shadow] // nil = not known
}

type rowFlags uint8

const (
	flagRacy       rowFlags = 1 << iota // changed so shortly before it was read that time and size cannot tell a change since
	flagTranscript                      // has one beside it
	flagLinked                          // supersedes or contradicts something
)

func (r *row) path() string { return below(r.dir, r.name) }

// below is path.Join for parts that are clean.
func below(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (r *row) id() string {
	if r.own != "" {
		return r.own
	}
	return r.key.id()
}

func (r *row) has(f rowFlags) bool { return r.flags&f != 0 }

// statuses are the review states in the order of their small numbers.
func statuses() [6]string {
	return [...]string{"", "approved", "pending", "rejected", "conflicting", "superseded"}
}

func kinds() [4]string { return [...]string{"document", "video", "transcript", "code"} }

func statusNumber(s string) uint8 {
	all := statuses()
	return uint8(max(0, slices.Index(all[:], s)))
}

func kindNumber(s string) uint8 {
	all := kinds()
	return uint8(max(0, slices.Index(all[:], s)))
}

// noConfidence is the packed form of nil.
const noConfidence = math.MaxUint16

// packConfidence keeps four digits.
func packConfidence(c *float64) uint16 {
	if c == nil {
		return noConfidence
	}
	return uint16(math.Round(max(0, min(1, *c)) * 10000))
}

const packedInsight = 3 // bytes: confidence and status

func packInsights(d *Document) []byte {
	var b []byte
	for i := range d.Entries {
		e := &d.Entries[i]
		for k := range e.Insights {
			b = binary.BigEndian.AppendUint16(b, packConfidence(e.Insights[k].Confidence))
			b = append(b, statusNumber(insightStatus(d, e, &e.Insights[k])))
		}
	}
	return b
}

// insightStatus is the status of an insight: its own, else its entry's, else its document's.
func insightStatus(d *Document, e *Entry, in *Insight) string {
	return cmp.Or(in.Status, cmp.Or(e.Status, d.Status))
}

func (r *row) insightCount() int { return len(r.insights) / packedInsight }

func videoHash(id string) uint64 {
	if id == "" {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return max(1, h.Sum64())
}

// catalog is the rows of all documents. Scans change it, a batch at a time; anybody reads it.
type catalog struct {
	mu      sync.RWMutex
	paths   map[pathKey]*row // by where the file is now
	ids     map[string]*row  // those whose id is not that of their path
	shared  map[string]string
	version uint64            // rises with each change
	orders  map[string][]*row // by name of the order, for this version
	shadows shadows
}

func newCatalog() *catalog {
	return &catalog{paths: map[pathKey]*row{}, ids: map[string]*row{}, shared: map[string]string{}, orders: map[string][]*row{}}
}

// shareLocked returns one copy of each string that many rows have.
func (c *catalog) shareLocked(s string) string {
	if have, ok := c.shared[s]; ok {
		return have
	}
	s = strings.Clone(s)
	c.shared[s] = s
	return s
}

// newRowLocked makes a row of a record.
func (c *catalog) newRowLocked(rec *record) *row {
	dir, name := path.Split(rec.Path)
	r := &row{
		root: c.shareLocked(rec.Root), dir: c.shareLocked(strings.TrimSuffix(dir, "/")), name: strings.Clone(name),
		agent: c.shareLocked(rec.Agent), category: c.shareLocked(rec.Category), creator: c.shareLocked(creatorKey(rec.Source)),
		size: rec.Size, mtime: rec.Modified.UnixNano(), inode: rec.Inode, beside: rec.Beside, gen: rec.Generation,
		video: videoHash(rec.VideoID), key: keyOf(rec.Root, rec.Path), confidence: packConfidence(rec.Confidence),
		status: statusNumber(rec.Status), kind: kindNumber(rec.Type), insights: rec.Packed,
	}
	if b, err := hex.DecodeString(rec.Hash); err == nil {
		copy(r.hash[:], b)
	}
	if rec.ID != r.key.id() {
		r.own = strings.Clone(rec.ID)
	}
	if !rec.ValidUntil.IsZero() {
		r.valid = rec.ValidUntil.Unix()
	}
	if rec.Scanned.Sub(rec.Modified) < 2*time.Second {
		r.flags |= flagRacy
	}
	if rec.Transcript != "" {
		r.flags |= flagTranscript
	}
	if len(rec.Supersedes)+len(rec.Contradicts) > 0 {
		r.flags |= flagLinked
	}
	for _, t := range rec.AllTags {
		r.tags = append(r.tags, c.shareLocked(t))
	}
	return r
}

// change applies what a transaction has made durable: removed rows, then records put.
func (c *catalog) change(removed []*row, put []*record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range removed { // by path: a review may have made a new row of it
		if now := c.paths[r.key]; now != nil {
			c.removeLocked(now)
		}
	}
	for _, rec := range put {
		r := c.newRowLocked(rec)
		if old := c.paths[r.key]; old != nil {
			r.mark = old.mark
			c.removeLocked(old)
		}
		c.paths[r.key] = r
		c.shadows.expect(r)
		if r.own != "" {
			c.ids[r.own] = r
		}
	}
	c.version++
	clear(c.orders)
}

func (c *catalog) removeLocked(r *row) {
	if c.paths[r.key] == r {
		delete(c.paths, r.key)
	}
	if r.own != "" && c.ids[r.own] == r {
		delete(c.ids, r.own)
	}
	c.shadows.forget(r)
}

// see returns the row of a path and notes that a scan saw the file. Marks are written under the lock for reading, each by the
// one goroutine that lists the folder, and copied under the one for writing.
func (c *catalog) see(key pathKey, mark uint32) *row {
	c.mu.RLock()
	defer c.mu.RUnlock()
	r := c.paths[key]
	if r != nil {
		r.mark = mark
	}
	return r
}

func (c *catalog) at(key pathKey) *row {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.paths[key]
}

func (c *catalog) byID(id string) *row {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if r := c.ids[id]; r != nil {
		return r
	}
	if key, ok := parseDerivedID(id); ok {
		if r := c.paths[key]; r != nil && r.own == "" {
			return r
		}
	}
	return nil
}

// all calls fn for each row of a root, "" = of all, in no order. fn must not wait.
func (c *catalog) all(root string, fn func(*row)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, r := range c.paths {
		if root == "" || r.root == root {
			fn(r)
		}
	}
}

// sortNames are the orders of a listing, those of the existing client and two of ours.
func sortNames() []string {
	return []string{"date_desc", "date", "name", "name_desc", "size", "size_desc", "type", "confidence_desc"}
}

// ordered returns all rows in an order of sortNames, or byFolder; the slice is not to be changed. The first call after a change
// sorts, which takes some 50 ms for 100,000 files.
func (c *catalog) ordered(name string) []*row {
	c.mu.RLock()
	rows, version := c.orders[name], c.version
	if rows == nil {
		rows = make([]*row, 0, len(c.paths))
		for _, r := range c.paths {
			rows = append(rows, r)
		}
		c.mu.RUnlock()
		if slices.SortFunc(rows, less(name)); name == byFolder {
			rows = keptTogether(rows)
		}
		c.mu.Lock()
		if c.version == version {
			c.orders[name] = rows
		}
		c.mu.Unlock()
		return rows
	}
	c.mu.RUnlock()
	return rows
}

// byFolder is the order of a search through the files: newest first, but those of a folder together.
const byFolder = "folder"

// keptTogether moves the rows of each folder to its first one.
func keptTogether(rows []*row) []*row {
	type place struct{ root, dir string }
	at := map[place]int{}
	var groups [][]*row
	for _, r := range rows {
		in := place{r.root, r.dir}
		i, ok := at[in]
		if !ok {
			i = len(groups)
			at[in], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return slices.Concat(groups...)
}

func less(name string) func(a, b *row) int {
	newest := func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.mtime, a.mtime), cmp.Compare(a.name, b.name), cmp.Compare(a.dir, b.dir), cmp.Compare(a.root, b.root))
	}
	byName := func(a, b *row) int {
		return cmp.Or(compareFold(a.name, b.name), cmp.Compare(a.dir, b.dir), cmp.Compare(a.root, b.root))
	}
	switch name {
	case "date":
		return func(a, b *row) int { return newest(b, a) }
	case "name":
		return byName
	case "name_desc":
		return func(a, b *row) int { return byName(b, a) }
	case "size":
		return func(a, b *row) int { return cmp.Or(cmp.Compare(a.size, b.size), byName(a, b)) }
	case "size_desc":
		return func(a, b *row) int { return cmp.Or(cmp.Compare(b.size, a.size), byName(a, b)) }
	case "type":
		return func(a, b *row) int { return cmp.Or(cmp.Compare(a.kind, b.kind), newest(a, b)) }
	case "confidence_desc": // unknown last
		return func(a, b *row) int { return cmp.Or(cmp.Compare(b.confidence+1, a.confidence+1), newest(a, b)) }
	}
	return newest
}

// compareFold compares without regard to the case of ASCII letters, without making copies.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
