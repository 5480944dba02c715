package logs

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Retention says what becomes of the rotated files of a service.
type Retention struct {
	Keep     int           // files; below 0 = all
	MaxAge   time.Duration // since the last line of a file; 0 = no limit
	Compress bool
}

// PackerOptions are what a Packer works with.
type PackerOptions struct {
	Retention func(service string) Retention // asked in each pass
	MaxTotal  int64                          // bytes of all files in the folder; the oldest rotated ones go first; 0 = no limit
	Every     time.Duration                  // of Run; 0 = a minute
	Log       *slog.Logger                   // nil = slog.Default
}

// Packed counts what a pass did.
type Packed struct {
	Packed  int   // files
	Removed int   // files
	Before  int64 // bytes of the files that were packed
	After   int64
	Total   int64 // bytes in the folder after the pass
}

// Packer compresses and removes rotated files. There must be one at most for a folder; writers and readers of other
// processes may be at work meanwhile.
type Packer struct {
	d   *Dir
	o   PackerOptions
	ask chan struct{}
	mu  sync.Mutex // one pass at a time
}

// NewPacker makes the packer of a folder.
func NewPacker(d *Dir, o PackerOptions) *Packer {
	o.Every = cmp.Or(o.Every, time.Minute)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log = o.Log.With("component", "logs")
	return &Packer{d: d, o: o, ask: make(chan struct{}, 1)}
}

// Ask makes Run do a pass now. It does not block.
func (p *Packer) Ask() {
	select {
	case p.ask <- struct{}{}:
	default:
	}
}

// Run does a pass now, each minute and when asked, until its context ends. Failures are logged when they begin and end.
func (p *Packer) Run(ctx context.Context) error {
	t := time.NewTicker(p.o.Every)
	defer t.Stop()
	failing := false
	for {
		if _, err := p.Pack(ctx); err != nil && ctx.Err() == nil {
			if !failing {
				p.o.Log.Error("pack logs", "err", err)
			}
			failing = true
		} else if failing && err == nil {
			p.o.Log.Info("logs are packed again")
			failing = false
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		case <-p.ask:
		}
	}
}

// rotatedFile is a segment of a service as a pass sees it.
type rotatedFile struct {
	segment

	service string
	newest  bool
	changed time.Time
	bytes   int64 // on disk
	done    bool  // it was replaced or removed in this pass
}

// Pack does one pass: it cleans up what a crash has left, removes what retention does not keep, and compresses the rest. A file
// that cannot be handled does not keep it from the others; all such errors are joined.
func (p *Packer) Pack(ctx context.Context) (Packed, error) {
	p.mu.Lock() // held over the pass, which is what it is for: a second one waits
	defer p.mu.Unlock()
	var did Packed
	files, liveBytes, err := p.look()
	if err != nil || len(files) == 0 {
		did.Total = liveBytes
		return did, err
	}
	root, err := os.OpenRoot(p.d.dir)
	if err != nil {
		return did, fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	var errs []error
	note := func(err error) { errs = append(errs, err) }

	for _, f := range files {
		note(p.clean(root, f))
	}
	for _, f := range p.surplus(files, liveBytes) {
		err := discard(root, f.service, f.segment, f.newest)
		note(err)
		if f.done = true; err == nil {
			f.bytes = 0
			did.Removed++
		}
	}
	var enc *zstd.Encoder
	for _, f := range files {
		if f.done || f.forms != plain || !p.o.Retention(f.service).Compress {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			note(err)
			break
		}
		if enc == nil {
			enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(frameSize), zstd.WithLowerEncoderMem(true))
			if err != nil {
				note(fmt.Errorf("set up zstd: %w", err))
				break
			}
		}
		after, err := p.pack(ctx, root, enc, f)
		note(err)
		if err == nil && after > 0 {
			did.Packed++
			did.Before += f.bytes
			did.After += after
			f.bytes = after
		}
	}
	did.Total = liveBytes
	for _, f := range files {
		did.Total += f.bytes
	}
	return did, errors.Join(errs...)
}

// look lists the rotated files of all services, oldest first in each, and adds up the live ones. Unfinished files of an
// earlier pass, which has died, are removed.
func (p *Packer) look() ([]*rotatedFile, int64, error) {
	all := map[string][]segment{}
	live := []string{}
	temps := []string{}
	for i := range 2 {
		err := names(p.d.dir, func(name string) {
			service, s, ok := parseSegment(name)
			switch {
			case ok && s.forms != temporary:
				all[service] = append(all[service], s)
			case i > 0:
			case ok:
				temps = append(temps, name)
			default:
				live = append(live, name)
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if len(all) == 0 && len(live) == 0 && len(temps) == 0 {
		return nil, 0, nil
	}
	root, err := os.OpenRoot(p.d.dir)
	if err != nil {
		return nil, 0, fmt.Errorf("open log folder: %w", err)
	}
	defer root.Close()
	for _, name := range temps {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("remove unfinished packed log: %w", err)
		}
	}
	var liveBytes int64
	for _, name := range live {
		if st, err := root.Stat(name); err == nil && st.Mode().IsRegular() {
			liveBytes += st.Size()
		}
	}
	var files []*rotatedFile
	for service, segs := range all {
		segs = merge(segs)
		for i, s := range segs {
			f := &rotatedFile{segment: s, service: service, newest: i == len(segs)-1}
			for _, form := range []forms{plain, packed} {
				if s.forms&form == 0 {
					continue
				}
				st, err := root.Stat(s.name(service, form))
				if errors.Is(err, fs.ErrNotExist) {
					f.forms &^= form // removed meanwhile
					continue
				}
				if err != nil {
					return nil, 0, fmt.Errorf("read rotated log: %w", err)
				}
				f.bytes += st.Size()
				if st.ModTime().After(f.changed) {
					f.changed = st.ModTime()
				}
			}
			if f.forms != 0 {
				files = append(files, f)
			}
		}
	}
	return files, liveBytes, nil
}

// clean ends a replacement that a crash has interrupted.
func (p *Packer) clean(root *os.Root, f *rotatedFile) error {
	switch {
	case f.forms&gone != 0 && (f.forms != gone || !f.newest):
		f.done = true
		return discard(root, f.service, f.segment, f.newest)
	case f.forms == plain|packed:
		f.done = true
		name := f.name(f.service, plain)
		if !p.sound(f) {
			name = f.name(f.service, packed)
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove rotated log: %w", err)
		}
	}
	return nil
}

// sound says whether the packed form of a file has its whole table.
func (p *Packer) sound(f *rotatedFile) bool {
	file, err := p.d.openFile(f.name(f.service, packed))
	if err != nil {
		return false
	}
	defer file.Close()
	_, err = openPacked(file, nil)
	return err == nil
}

// surplus says which files have to go.
func (p *Packer) surplus(files []*rotatedFile, total int64) []*rotatedFile {
	now := time.Now()
	var surplus, stay []*rotatedFile
	left := map[string]int{}
	for _, f := range files {
		if f.forms&gone == 0 {
			left[f.service]++
		}
	}
	for _, f := range files {
		if f.done || f.forms&gone != 0 {
			continue
		}
		r := p.o.Retention(f.service)
		if r.Keep >= 0 && left[f.service] > r.Keep || r.MaxAge > 0 && now.Sub(f.changed) > r.MaxAge {
			left[f.service]--
			surplus = append(surplus, f)
			continue
		}
		total += f.bytes
		stay = append(stay, f)
	}
	if p.o.MaxTotal <= 0 || total <= p.o.MaxTotal {
		return surplus
	}
	// Oldest first; in a service always in the order of positions.
	slices.SortStableFunc(stay, func(a, b *rotatedFile) int { return a.changed.Compare(b.changed) })
	for _, f := range stay {
		if total <= p.o.MaxTotal {
			break
		}
		total -= f.bytes
		surplus = append(surplus, f)
	}
	return surplus
}

// pack compresses one file and puts the result in its place. 0 bytes: it was removed meanwhile.
func (p *Packer) pack(ctx context.Context, root *os.Root, enc *zstd.Encoder, f *rotatedFile) (after int64, err error) {
	o, err := p.d.openSegment(f.service, f.segment)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer o.Close()
	temp := f.name(f.service, temporary)
	out, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("pack log: %w", err)
	}
	after, err = writePacked(ctx, out, enc, o, f.size)
	if err == nil {
		err = out.Sync() // else a crash of the machine could leave the name without the content
	}
	if err = errors.Join(err, out.Close()); err == nil {
		if err = root.Chtimes(temp, f.changed, f.changed); err == nil { // readers and retention ask for it
			err = root.Rename(temp, f.name(f.service, packed))
		}
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("pack log: %w", err), root.Remove(temp))
	}
	syncFolder(root)
	err = root.Remove(f.name(f.service, plain))
	if errors.Is(err, fs.ErrNotExist) { // the writer has pruned it: its packed form has no right to be there
		after, err = 0, root.Remove(f.name(f.service, packed))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("remove rotated log: %w", err)
	}
	return after, nil
}

// syncFolder makes a rename last. Where a folder cannot be synced (Windows) renames last by themselves.
func syncFolder(root *os.Root) {
	if f, err := root.Open("."); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// writePacked writes the packed form of a file's first size bytes.
func writePacked(ctx context.Context, out io.Writer, enc *zstd.Encoder, o *opened, size int64) (int64, error) {
	count := lineCount{start: o.start, upto: o.start}
	if err := count.count(ctx, o); err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(out, 256<<10)
	le := binary.LittleEndian
	in := make([]byte, min(frameSize, size))
	var table, frame []byte
	var after int64
	for off := int64(0); off < size; {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		n, err := o.ReadAt(in[:min(frameSize, size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read log: %w", err)
		}
		if n == 0 {
			break // a crash of the machine took the rest
		}
		frame = enc.EncodeAll(in[:n], frame[:0])
		if _, err := w.Write(frame); err != nil {
			return 0, err
		}
		table = le.AppendUint32(le.AppendUint32(table, uint32(len(frame))), uint32(n))
		after += int64(len(frame))
		off += int64(n)
	}
	tail := le.AppendUint64(le.AppendUint32(le.AppendUint32(nil, linesMagic), 8), uint64(count.lines))
	tail = le.AppendUint32(le.AppendUint32(tail, tableMagic), uint32(len(table)+footLen))
	tail = append(tail, table...)
	tail = append(le.AppendUint32(tail, uint32(len(table)/8)), 0)
	tail = le.AppendUint32(tail, footMagic)
	if _, err := w.Write(tail); err != nil {
		return 0, err
	}
	return after + int64(len(tail)), w.Flush()
}
