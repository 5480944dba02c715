package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"time"

	"controlcenter/internal/private"
)

// This file checks a bbolt file without bbolt. Opening or even checking a damaged file through bbolt can end the process: it
// follows page numbers and offsets through the memory map, where a wrong one is SIGBUS, a cycle is a stack overflow and a
// wrong count an endless allocation, none of which can be recovered. Here every number read is bounded by the file's size
// before it is used. What passes here is safe to map.
//
// Format (bbolt 1.x, file format version 2, the machine's byte order): pages 0 and 1 are metas, the valid one with the higher
// transaction id counts. A page has a 16-byte header {id u64, flags u16, count u16, overflow u32}; branch elements are
// {pos u32, ksize u32, page u64}, leaf elements {flags u32, pos u32, ksize u32, vsize u32}, pos counted from the element
// itself. A leaf element with flag 1 is a bucket: {root u64, sequence u64}, and when root is 0 the bucket's only page follows.

const (
	fileMagic   = 0xED0CDAED
	fileVersion = 2
	noFreelist  = ^uint64(0)

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	headerSize  = 16
	elementSize = 16
	metaSize    = 64 // without the page header; the last 8 bytes are the FNV-64a of the others
	bucketSize  = 16
	treeDepth   = 16 // levels of one tree; with two keys a page and more above, no disk holds that much
)

// errVersion is a whole file of another bbolt file format.
var errVersion = errors.New("unknown file format version")

// damage is what was found wrong with a file.
type damage struct {
	what string
	// treeGood says that all records can be reached and are well-formed: only the list of free pages is wrong.
	treeGood bool
}

func (d *damage) Error() string { return d.what }

func damaged(format string, a ...any) error { return &damage{what: fmt.Sprintf(format, a...)} }

// visitor is shown the content of a file in key order while it is checked. Byte slices are valid during the call only.
type visitor interface {
	bucket(name []byte, sequence uint64) error
	record(table, key, value []byte) error
}

// fileReport is what a check learned.
type fileReport struct {
	Pages   uint64
	Records int
	Bad     int  // records whose checksum is wrong
	Partial bool // the time ran out; what was looked at is good
}

type fileMeta struct {
	pageSize, root, freelist, pages, txid uint64

	bad string // why it cannot be right; "" = nothing seen
}

// verifyFile checks the state a file would be opened with. Until the deadline (zero: none) it looks at every page. A
// *damage error says that the content is bad; any other error is of reading it.
func verifyFile(path string, deadline time.Time, v visitor) (fileReport, error) {
	return verifyMeta(path, 0, deadline, v)
}

// verifyMeta is verifyFile for the newest (0) or the last but one (1) transaction of a file.
func verifyMeta(path string, age int, deadline time.Time, v visitor) (fileReport, error) {
	f, err := private.Open(path, os.O_RDONLY)
	if err != nil {
		return fileReport{}, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return fileReport{}, err
	}
	if !st.Mode().IsRegular() {
		return fileReport{}, fmt.Errorf("%s is not a regular file", path)
	}
	metas, err := readMetas(f, st.Size())
	if err != nil {
		return fileReport{}, err
	}
	if age >= len(metas) {
		return fileReport{}, damaged("no older transaction")
	}
	c := &checker{f: f, meta: metas[age], deadline: deadline, visit: v}
	return c.run(st.Size())
}

// readMetas returns the metas that bbolt would take, newest first. One that bbolt would take although its content cannot be
// right is among them, with bad set.
func readMetas(f io.ReaderAt, size int64) ([]fileMeta, error) {
	var metas []fileMeta
	first, err := readMeta(f, 0)
	if errors.Is(err, errVersion) {
		return nil, err
	}
	if err == nil {
		metas = append(metas, first)
	}
	if err == nil && first.bad == "" {
		if second, err := readMeta(f, int64(first.pageSize)); err == nil {
			metas = append(metas, second)
		}
	} else {
		// The page size is not known then: the second meta is looked for where bbolt looks for it.
		for at := int64(1024); at <= 1024<<14 && at < size; at <<= 1 {
			if second, err := readMeta(f, at); err == nil {
				if second.bad == "" && int64(second.pageSize) != at {
					second.bad = fmt.Sprintf("meta page of %d-byte pages at %d", second.pageSize, at)
				}
				metas = append(metas, second)
				break
			}
		}
	}
	if len(metas) == 0 {
		return nil, damaged("no valid meta page")
	}
	if len(metas) == 2 {
		if metas[0].bad == "" && metas[1].bad == "" && metas[0].pageSize != metas[1].pageSize {
			return nil, damaged("meta pages disagree about the page size")
		}
		if metas[1].txid > metas[0].txid {
			metas[0], metas[1] = metas[1], metas[0]
		}
	}
	return metas, nil
}

// readMeta reads the meta at an offset. An error says that bbolt would not take it.
func readMeta(f io.ReaderAt, at int64) (m fileMeta, err error) {
	var page [headerSize + metaSize]byte
	if _, err := f.ReadAt(page[:], at); err != nil {
		return m, err
	}
	b := page[headerSize:]
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	if u32(b) != fileMagic || u64(b[metaSize-8:]) != sum.Sum64() {
		return m, damaged("meta page: wrong magic or checksum")
	}
	if u32(b[4:]) != fileVersion {
		return m, fmt.Errorf("%w %d", errVersion, u32(b[4:]))
	}
	m = fileMeta{pageSize: uint64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pages: u64(b[40:]), txid: u64(b[48:])}
	if m.pageSize < 1024 || m.pageSize > 1024<<14 || m.pageSize&(m.pageSize-1) != 0 {
		m.bad = fmt.Sprintf("meta page: page size %d", m.pageSize)
	}
	return m, nil
}

type checker struct {
	f        io.ReaderAt
	meta     fileMeta
	deadline time.Time
	visit    visitor
	report   fileReport
	used     bitmap
	bufs     [2 * treeDepth][]byte // page buffers by level, kept: first half for the root's tree, second for a table's
	looked   int
}

var errTimeUp = errors.New("time is up")

func (c *checker) run(size int64) (fileReport, error) {
	m := &c.meta
	c.report.Pages = m.pages
	if m.bad != "" {
		return c.report, damaged("%s", m.bad)
	}
	if m.pages < 4 || m.pages > uint64(size)/m.pageSize {
		return c.report, damaged("%d pages of %d bytes do not fit in %d bytes: truncated", m.pages, m.pageSize, size)
	}
	c.used = newBitmap(m.pages)
	c.used.set(0)
	c.used.set(1)
	err := c.tree(m.root, 0, nil, nil, c.rootElement)
	switch {
	case errors.Is(err, errTimeUp):
		c.report.Partial = true
		return c.report, nil
	case err != nil:
		return c.report, err
	}
	if err := c.freelist(); err != nil {
		var d *damage
		if errors.As(err, &d) {
			d.treeGood = true
		}
		return c.report, err
	}
	return c.report, nil
}

// page reads a page with its overflow, and takes it: a page that is reached twice is damage.
func (c *checker) page(id uint64, depth int) ([]byte, error) {
	if c.looked++; c.looked%64 == 0 && !c.deadline.IsZero() && time.Now().After(c.deadline) {
		return nil, errTimeUp
	}
	if id < 2 || id >= c.meta.pages {
		return nil, damaged("page %d of %d does not exist", id, c.meta.pages)
	}
	size := c.meta.pageSize
	if uint64(cap(c.bufs[depth])) < size {
		c.bufs[depth] = make([]byte, size)
	}
	buf := c.bufs[depth][:size]
	if _, err := c.f.ReadAt(buf, int64(id*size)); err != nil {
		return nil, damaged("read page %d: %v", id, err)
	}
	if got := binary.NativeEndian.Uint64(buf); got != id {
		return nil, damaged("page %d says it is page %d", id, got)
	}
	over := uint64(binary.NativeEndian.Uint32(buf[12:]))
	if over >= c.meta.pages-id {
		return nil, damaged("page %d is %d pages long", id, over+1)
	}
	for i := id; i <= id+over; i++ {
		if !c.used.set(i) {
			return nil, damaged("page %d is used twice", i)
		}
	}
	if over > 0 {
		if need := (over + 1) * size; uint64(cap(c.bufs[depth])) < need {
			c.bufs[depth] = append(make([]byte, 0, need), buf...)
		}
		buf = c.bufs[depth][:(over+1)*size]
		if _, err := c.f.ReadAt(buf[size:], int64((id+1)*size)); err != nil {
			return nil, damaged("read page %d: %v", id, err)
		}
	}
	return buf, nil
}

// tree walks a tree of pages; every key must lie in [least, limit) and above the one before it.
func (c *checker) tree(id uint64, depth int, least, limit []byte, leaf func(flags uint32, k, v []byte) error) error {
	buf, err := c.page(id, depth)
	if err != nil {
		return err
	}
	switch flags := binary.NativeEndian.Uint16(buf[8:]); flags {
	case flagLeaf:
		return c.leaf(buf, id, least, limit, leaf)
	case flagBranch:
		return c.branch(buf, id, depth, least, limit, leaf)
	default:
		return damaged("page %d: flags %#x", id, flags)
	}
}

func (c *checker) branch(buf []byte, id uint64, depth int, least, limit []byte, leaf func(uint32, []byte, []byte) error) error {
	if (depth+1)%treeDepth == 0 {
		return damaged("page %d: tree too deep", id)
	}
	n := int(binary.NativeEndian.Uint16(buf[10:]))
	if n == 0 || headerSize+n*elementSize > len(buf) {
		return damaged("page %d: %d branch elements", id, n)
	}
	element := func(i int) (key []byte, child uint64, err error) {
		at := headerSize + i*elementSize
		e := buf[at:]
		key, ok := slice(buf, at, binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]))
		if !ok {
			return nil, 0, damaged("page %d: key %d lies outside", id, i)
		}
		return key, binary.NativeEndian.Uint64(e[8:]), nil
	}
	key, child, err := element(0)
	for i := 0; i < n; i++ {
		if err != nil {
			return err
		}
		if bytes.Compare(key, least) < 0 || limit != nil && bytes.Compare(key, limit) >= 0 {
			return damaged("page %d: key %d out of order", id, i)
		}
		next, nextChild, upper := []byte(nil), uint64(0), limit
		if i+1 < n {
			if next, nextChild, err = element(i + 1); err != nil {
				return err
			}
			if bytes.Compare(next, key) <= 0 {
				return damaged("page %d: key %d out of order", id, i+1)
			}
			upper = next
		}
		if err := c.tree(child, depth+1, key, upper, leaf); err != nil {
			return err
		}
		key, child = next, nextChild
	}
	return nil
}

func (c *checker) leaf(buf []byte, id uint64, least, limit []byte, leaf func(uint32, []byte, []byte) error) error {
	n := int(binary.NativeEndian.Uint16(buf[10:]))
	if headerSize+n*elementSize > len(buf) {
		return damaged("page %d: %d leaf elements", id, n)
	}
	var last []byte
	for i := range n {
		at := headerSize + i*elementSize
		e := buf[at:]
		u32 := binary.NativeEndian.Uint32
		both, ok := slice(buf, at, u32(e[4:]), u32(e[8:]), u32(e[12:]))
		if !ok {
			return damaged("page %d: element %d lies outside", id, i)
		}
		key, value := both[:u32(e[8:])], both[u32(e[8:]):]
		if i > 0 && bytes.Compare(key, last) <= 0 || bytes.Compare(key, least) < 0 || limit != nil && bytes.Compare(key, limit) >= 0 {
			return damaged("page %d: key %d out of order", id, i)
		}
		last = key
		if err := leaf(u32(e), key, value); err != nil {
			return err
		}
	}
	return nil
}

// slice returns the bytes of an element at offset at of buf: pos bytes further, as many as the sizes add up to.
func slice(buf []byte, at int, pos uint32, sizes ...uint32) ([]byte, bool) {
	from := uint64(at) + uint64(pos)
	to := from
	for _, n := range sizes {
		to += uint64(n)
	}
	if to > uint64(len(buf)) || pos < elementSize {
		return nil, false
	}
	return buf[from:to:to], true
}

// rootElement checks one entry of the root: a table, which holds records and nothing else.
func (c *checker) rootElement(flags uint32, name, value []byte) error {
	if flags != 1 || len(value) < bucketSize {
		return damaged("root holds something that is not a table")
	}
	// The root's page buffer stays as it is while the table is walked: each tree has buffers of its own depth.
	table := bytes.Clone(name)
	root, sequence := binary.NativeEndian.Uint64(value), binary.NativeEndian.Uint64(value[8:])
	if c.visit != nil {
		if err := c.visit.bucket(table, sequence); err != nil {
			return err
		}
	}
	record := func(flags uint32, k, v []byte) error {
		if flags != 0 {
			return damaged("table %q holds something that is not a record", table)
		}
		c.report.Records++
		if _, err := unseal(table, k, v); err != nil {
			c.report.Bad++
		}
		if c.visit != nil {
			return c.visit.record(table, k, v)
		}
		return nil
	}
	if root != 0 {
		return c.tree(root, treeDepth, nil, nil, record)
	}
	inline := value[bucketSize:]
	if len(inline) < headerSize || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return damaged("table %q: bad inline page", table)
	}
	return c.leaf(inline, 0, nil, nil, record)
}

// freelist checks that every page is either reached or free, and never both.
func (c *checker) freelist() error {
	m := &c.meta
	if m.freelist == noFreelist {
		return nil
	}
	buf, err := c.page(m.freelist, 0)
	if err != nil {
		return err
	}
	if flags := binary.NativeEndian.Uint16(buf[8:]); flags != flagFreelist {
		return damaged("page %d: flags %#x instead of a free list", m.freelist, flags)
	}
	ids, n := buf[headerSize:], uint64(binary.NativeEndian.Uint16(buf[10:]))
	if n == 0xFFFF { // does not fit 16 bits: the first entry is the count
		if len(ids) < 8 {
			return damaged("page %d: free list too short", m.freelist)
		}
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return damaged("page %d: %d free pages do not fit", m.freelist, n)
	}
	for ; n > 0; n, ids = n-1, ids[8:] {
		id := binary.NativeEndian.Uint64(ids)
		if id < 2 || id >= m.pages || !c.used.set(id) {
			return damaged("page %d is free and used, free twice, or does not exist", id)
		}
	}
	for id := range m.pages {
		if !c.used.has(id) {
			return damaged("page %d is neither used nor free", id)
		}
	}
	return nil
}

// bitmap holds one bit per page.
type bitmap []uint64

func newBitmap(n uint64) bitmap { return make(bitmap, n/64+1) }

func (b bitmap) has(i uint64) bool { return b[i/64]>>(i%64)&1 == 1 }

// set sets a bit; false when it was set already.
func (b bitmap) set(i uint64) bool {
	if b.has(i) {
		return false
	}
	b[i/64] |= 1 << (i % 64)
	return true
}
