package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The seekable format of zstd (its contrib/seekable_format): frames that stand for themselves, then a table of their sizes in
// a frame that decoders skip. Before the table stands such a frame of ours with the number of lines.
const (
	frameSize  = 1 << 20 // uncompressed; the last may be smaller
	tableMagic = 0x184D2A5E
	linesMagic = 0x184D2A50
	footMagic  = 0x8F92EAB1
	footLen    = 9
	linesLen   = 16
)

var errDamaged = errors.New("damaged packed log")

// source is the content of one file.
type source interface {
	// ReadAt fills p from off on, or up to the end, where it gives io.EOF.
	ReadAt(p []byte, off int64) (int, error)
	Close() error
}

// packedFile reads a packed file. It keeps two frames, so that reading backwards over their border decodes none twice.
type packedFile struct {
	f      *os.File
	dec    *zstd.Decoder
	starts []int64 // of each frame in the file, and the end of the last
	size   int64   // uncompressed
	lines  int64   // whole lines of the service
	kept   [2]frame
	in     []byte
}

type frame struct {
	n    int
	data []byte
}

func openPacked(f *os.File, dec *zstd.Decoder) (*packedFile, error) {
	p := &packedFile{f: f, dec: dec, kept: [2]frame{{n: -1}, {n: -1}}}
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read packed log: %w", err)
	}
	var foot [footLen]byte
	if _, err := f.ReadAt(foot[:], st.Size()-footLen); err != nil || binary.LittleEndian.Uint32(foot[5:]) != footMagic || foot[4] != 0 {
		return nil, errDamaged
	}
	n := int64(binary.LittleEndian.Uint32(foot[:]))
	at := st.Size() - footLen - 8*n
	if at < 8+linesLen {
		return nil, errDamaged
	}
	table := make([]byte, 8*n)
	var lines [linesLen]byte
	if _, err := f.ReadAt(table, at); err != nil {
		return nil, fmt.Errorf("read packed log: %w", err)
	}
	if _, err := f.ReadAt(lines[:], at-8-linesLen); err != nil || binary.LittleEndian.Uint32(lines[:]) != linesMagic {
		return nil, errDamaged
	}
	p.lines = int64(binary.LittleEndian.Uint64(lines[8:]))
	p.starts = make([]int64, 1, n+1)
	for i := range n {
		full := int64(binary.LittleEndian.Uint32(table[8*i+4:]))
		if full > frameSize || full < frameSize && i < n-1 {
			return nil, errDamaged
		}
		p.size += full
		p.starts = append(p.starts, p.starts[i]+int64(binary.LittleEndian.Uint32(table[8*i:])))
	}
	if p.starts[n] != at-8-linesLen {
		return nil, errDamaged
	}
	return p, nil
}

func (p *packedFile) frame(n int) ([]byte, error) {
	for _, k := range p.kept {
		if k.n == n {
			return k.data, nil
		}
	}
	size := int(p.starts[n+1] - p.starts[n])
	if cap(p.in) < size {
		p.in = make([]byte, size)
	}
	if _, err := p.f.ReadAt(p.in[:size], p.starts[n]); err != nil {
		return nil, fmt.Errorf("read packed log: %w", err)
	}
	old := p.kept[1]
	p.kept[1] = p.kept[0]
	p.kept[0] = frame{n: -1}
	data, err := p.dec.DecodeAll(p.in[:size], old.data[:0])
	if err != nil {
		return nil, fmt.Errorf("unpack log: %w", err)
	}
	p.kept[0] = frame{n: n, data: data}
	return data, nil
}

// ReadAt implements source.
func (p *packedFile) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		if off+int64(n) >= p.size {
			return n, io.EOF
		}
		at := off + int64(n)
		data, err := p.frame(int(at / frameSize))
		if err != nil {
			return n, err
		}
		if at%frameSize >= int64(len(data)) {
			return n, errDamaged
		}
		n += copy(b[n:], data[at%frameSize:])
	}
	return n, nil
}

// Close implements source.
func (p *packedFile) Close() error {
	p.dec = nil
	return p.f.Close()
}

// Dir reads the logs in a folder. Its methods may be called from any goroutine; they read files, so they block as long as the
// disk does, and end early with the context's cause when their context does. For a service that has no file, known or not,
// they give [ErrNone]; a name no service can have is another error.
type Dir struct {
	dir   string
	dec   func() (*zstd.Decoder, error)
	hints hints
	runs  runCache
	lines lineCache
}

// ErrNone is given for a service without any log file.
var ErrNone = errors.New("service has no log")

// Open gives access to the logs in a folder, which need not exist yet. It holds nothing open, so there is nothing to close.
func Open(dir string) *Dir {
	return &Dir{dir: dir, hints: hints{dir: dir}, dec: sync.OnceValues(func() (*zstd.Decoder, error) {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(8*frameSize))
		if err != nil {
			return nil, fmt.Errorf("set up zstd: %w", err)
		}
		return d, nil
	})}
}

func (d *Dir) openFile(name string) (*os.File, error) {
	root, err := os.OpenRoot(d.dir) // opens so that a file may be renamed meanwhile, on Windows too
	if err != nil {
		return nil, fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// opened is a file and where it stands.
type opened struct {
	source
	start   int64
	end     int64 // -1: live, it may grow
	raw     bool
	changed time.Time
	live    *os.File
	service string
}

// openSegment opens a rotated file under whichever of its names it has now. None is fs.ErrNotExist.
func (d *Dir) openSegment(service string, s segment) (*opened, error) {
	f, err := d.openFile(s.name(service, plain))
	isPacked := errors.Is(err, fs.ErrNotExist)
	if isPacked {
		f, err = d.openFile(s.name(service, packed))
	}
	if err != nil {
		return nil, err
	}
	o := &opened{source: f, start: s.start, end: s.end(), raw: s.raw, service: service}
	if st, err := f.Stat(); err == nil {
		o.changed = st.ModTime().UTC()
	}
	if isPacked {
		dec, err := d.dec()
		if err == nil {
			o.source, err = openPacked(f, dec)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.name(service, packed), err), f.Close())
		}
	}
	return o, nil
}

// view lists the rotated files of a service and opens the live one, if there is one. None is missing from the list and the
// position of the live file is sure: see the package comment.
func (d *Dir) view(service string) ([]segment, *opened, error) {
	for range 1000 {
		live, err := d.openLive(service)
		if err != nil {
			return nil, nil, err
		}
		segs, err := rotated(d.dir, service)
		if err != nil {
			if live != nil {
				_ = live.Close() // read only
			}
			return nil, nil, err
		}
		if live == nil {
			if live, err = d.openLive(service); err != nil || live == nil {
				return segs, nil, err
			}
			_ = live.Close()
			continue // it was in the middle of a rotation
		}
		if same, err := d.isLive(live); err != nil || !same {
			if err = errors.Join(err, live.Close()); err != nil {
				return nil, nil, err
			}
			continue
		}
		live.start = endOf(segs)
		return segs, live, nil
	}
	return nil, nil, errors.New("read log: it is rotated faster than it can be opened")
}

// openLive opens the live file; its position is not known yet. None is nil.
func (d *Dir) openLive(service string) (*opened, error) {
	for _, raw := range []bool{false, true} {
		f, err := d.openFile(liveName(service, raw))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open log: %w", err), f.Close())
		}
		return &opened{source: f, end: -1, raw: raw, changed: st.ModTime().UTC(), live: f, service: service}, nil
	}
	return nil, nil
}

// isLive says whether a file opened as live still is.
func (d *Dir) isLive(o *opened) (bool, error) {
	mine, err := o.live.Stat()
	if err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	root, err := os.OpenRoot(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	now, err := root.Stat(liveName(o.service, o.raw))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	return os.SameFile(mine, now), nil
}
