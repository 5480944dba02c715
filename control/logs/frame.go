package logs

import (
	"bytes"
	"sync"
)

// bufferSize is what one write takes at most: 64 KiB, what a pipe holds, of 100-byte lines with their prefixes.
const bufferSize = 128 << 10

// Buffers are the buffers in which writers put lines together. Writers that share one Buffers need as many as are writing at
// the same moment, not one each. The zero value is ready; it may be used from several goroutines.
type Buffers struct{ pool sync.Pool }

func (b *Buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, bufferSize)
	return &p
}

func (b *Buffers) put(p *[]byte) { b.pool.Put(p) }

// framer cuts what was read from a pipe into lines. It is a value, so that a writer can go back to where it was.
type framer struct {
	head []byte // unfinished line of earlier reads
	data []byte
	off  int // what of data is taken
}

// unit is the text of one line on disk: head and then body.
type unit struct {
	head, body []byte
	flag       byte
	off        int // of data, before it
}

func (u unit) size() int { return prefixLen + len(u.head) + len(u.body) + 1 }

// before is the framer that gives u next.
func (u unit) before(data []byte) framer { return framer{u.head, data, u.off} }

// next takes the next line; what it leaves when there is none is unfinished and at most maxText long.
func (f *framer) next() (unit, bool) {
	rest := f.data[f.off:]
	room := maxText - len(f.head)
	u := unit{head: f.head, flag: 'F', off: f.off}
	n := bytes.IndexByte(rest, '\n')
	switch {
	case n >= 0 && n <= room:
		u.body = rest[:n]
		f.off += n + 1
	case n > room, n < 0 && len(rest) > room:
		u.body, u.flag = rest[:room], 'P'
		f.off += room
	default:
		return unit{}, false
	}
	f.head = nil
	return u, true
}
