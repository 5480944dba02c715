package kb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"
)

// indexFormat is the version of what we write into an index. Another one is rebuilt, like a damaged one.
const indexFormat = "2"

// Keys of what is stored in the index beside its documents.
var (
	keyFormat     = []byte("cc_format")
	keyGeneration = []byte("cc_generation")
	keyApplied    = []byte("cc_applied") // Unix nanoseconds
)

// IndexOptions are the settings of an index. The zero value is good.
type IndexOptions struct {
	Workers int // goroutines that analyze documents; 0 = one for each CPU
}

// DamagedError says that the index in a folder cannot be used: it is damaged, or was written in another format. It holds
// nothing that cannot be made again from the files, so the caller puts it aside with [SetIndexAside] and builds a new one.
type DamagedError struct {
	Dir string
	Err error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("index %s is damaged: %v", e.Dir, e.Err) }
func (e *DamagedError) Unwrap() error { return e.Err }

// BleveIndex is a full-text index of documents, kept in a folder by bleve's storage engine (scorch): segments of immutable
// files that are merged in the background. What documents match and how they rank is ours, see docs/adr/0009.
//
// All methods may be called from several goroutines at once. Apply calls are carried out one after the other; searches never
// wait for them.
type BleveIndex struct {
	dir     string
	workers int
	store   *scorch.Scorch
	queue   *bleveindex.AnalysisQueue

	applying sync.Mutex
	applied  atomic.Int64 // Unix nanoseconds of the last batch; 0 = never
	lull     *lull
	damage   atomic.Pointer[DamagedError]

	life    sync.RWMutex // held for reading by who uses store, for writing by Close
	closed  bool
	warming sync.WaitGroup

	mu      sync.Mutex
	columns map[uint64]*columns // by segment
	names   map[string]string   // one copy of each agent, category, creator and tag
}

// Open opens the index in a folder, or makes one there when the folder is missing or empty. It reads little, whatever the
// size of the index. An error of type *[DamagedError] means that the index must be built anew; any other that it could not be
// opened now (it is in use by another process, no permission). The storage engine falls back to an older state when a file of
// the newest is missing: an index whose Generation is less than the record's must be built anew, too.
func Open(ctx context.Context, dir string, opts IndexOptions) (x *BleveIndex, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open index %s: %w", dir, context.Cause(ctx))
	}
	if opts.Workers < 0 || opts.Workers > 256 {
		return nil, fmt.Errorf("open index %s: workers: must be between 0 and 256, is %d", dir, opts.Workers)
	}
	fresh, err := emptyFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	queue := bleveindex.NewAnalysisQueue(opts.Workers)
	x = &BleveIndex{
		dir: dir, workers: opts.Workers, queue: queue,
		columns: map[uint64]*columns{}, names: map[string]string{}, lull: newLull(),
	}
	defer func(x *BleveIndex) {
		if err != nil {
			lulls.Delete(x.store)
			queue.Close()
		}
	}(x)
	if err := x.open(); err != nil {
		if strings.Contains(err.Error(), "timeout") || errors.Is(err, os.ErrPermission) { // of the lock on its file
			return nil, fmt.Errorf("open index %s: %w", dir, err)
		}
		return nil, &DamagedError{dir, err}
	}
	if fresh {
		if err := x.store.SetInternal(keyFormat, []byte(indexFormat)); err != nil {
			_ = x.store.Close()
			return nil, fmt.Errorf("write new index %s: %w", dir, err)
		}
	}
	if err := x.readState(); err != nil {
		_ = x.store.Close()
		return nil, &DamagedError{dir, err}
	}
	x.warming.Go(x.keepWarm)
	return x, nil
}

func (x *BleveIndex) open() (err error) {
	defer recoverDamage(&err)()
	store, err := scorch.NewScorch(scorch.Name, map[string]any{
		"path":               x.dir,
		"eventCallbackName":  lullEvents,
		"bolt_timeout":       "1s",
		"numSnapshotsToKeep": 1,
		"scorchMergePlanOptions": map[string]any{
			"MaxSegmentsPerTier": 10, "SegmentsPerMergeTask": 10, "TierGrowth": 10.0, "ReclaimDeletesWeight": 2.0,
			"MaxSegmentSize": 50_000_000, "FloorSegmentSize": 2_000, // in documents
		},
	}, x.queue)
	if err != nil {
		return err
	}
	s, ok := store.(*scorch.Scorch)
	if !ok {
		return fmt.Errorf("storage engine is %T", store)
	}
	lulls.Store(s, x.lull)
	if err := s.Open(); err != nil {
		lulls.Delete(s)
		return err
	}
	x.store = s
	return nil
}

func (x *BleveIndex) readState() (err error) {
	defer recoverDamage(&err)()
	reader, err := x.snapshot()
	if err != nil {
		return err
	}
	defer reader.Close()
	format, err := reader.GetInternal(keyFormat)
	if err != nil {
		return err
	}
	if string(format) != indexFormat {
		return fmt.Errorf("its format is %q, this version writes %q", format, indexFormat)
	}
	if b, err := reader.GetInternal(keyApplied); err == nil && len(b) == 8 {
		x.applied.Store(int64(binary.BigEndian.Uint64(b)))
	}
	return nil
}

// emptyFolder reports whether a folder is missing or has nothing in it.
func emptyFolder(dir string) (bool, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err == io.EOF {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("read folder %s: %w", dir, err)
	}
	return false, nil
}

// recoverDamage turns a panic of the storage engine, which trusts its files, into an error. A file that was cut off under its
// mapping faults; that becomes a panic of this goroutine too. Use: defer recoverDamage(&err)().
func recoverDamage(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			*err = fmt.Errorf("reading it failed: %v", r)
		}
	}
}

var errClosed = errors.New("index is closed")

// enter keeps the index open until leave is called.
func (x *BleveIndex) enter() error {
	x.life.RLock()
	if x.closed {
		x.life.RUnlock()
		return errClosed
	}
	if d := x.damage.Load(); d != nil {
		x.life.RUnlock()
		return d
	}
	return nil
}

func (x *BleveIndex) leave() { x.life.RUnlock() }

func (x *BleveIndex) snapshot() (*scorch.IndexSnapshot, error) {
	reader, err := x.store.Reader()
	if err != nil {
		return nil, err
	}
	s, ok := reader.(*scorch.IndexSnapshot)
	if !ok || s == nil {
		return nil, errClosed
	}
	return s, nil
}

// Apply puts and deletes documents, and then sets the generation. All of it is durable when it returns without an error; after
// an error or a crash any of the documents may or may not be there, the generation is that of before, and the batch can be
// applied again. A search sees each document as it was or as it is now. An id that is put replaces what it named. Keep a batch
// near 1,000 documents or 16 MiB of text: memory follows it.
//
// The context is looked at before the work begins.
func (x *BleveIndex) Apply(ctx context.Context, generation uint64, puts []*Parsed, deletes []string) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("apply generation %d to the index: %w", generation, context.Cause(ctx))
	}
	if err := x.enter(); err != nil {
		return err
	}
	defer x.leave()
	x.applying.Lock()
	defer x.applying.Unlock()
	for _, p := range puts {
		if p.ID == "" {
			return fmt.Errorf("apply generation %d to the index: document %s has no id", generation, p.Path)
		}
	}
	now := time.Now()
	if err := x.write(puts, deletes, generation, now); err != nil {
		return fmt.Errorf("apply generation %d with %d documents to the index: %w", generation, len(puts)+len(deletes), err)
	}
	x.applied.Store(now.UnixNano())
	return nil
}

// partSize is how many documents are worth a segment of their own: the storage engine makes one by one goroutine, which is most
// of the work of a batch.
const partSize = 200

// write writes a batch in as many parts as there are goroutines for it, and the generation with the only part or after all.
func (x *BleveIndex) write(puts []*Parsed, deletes []string, generation uint64, now time.Time) error {
	state := bleveindex.NewBatch()
	state.SetInternal(keyGeneration, binary.BigEndian.AppendUint64(nil, generation))
	state.SetInternal(keyApplied, binary.BigEndian.AppendUint64(nil, uint64(now.UnixNano())))
	n := max(1, min(x.workers, len(puts)/partSize))
	if len(puts) >= partSize {
		defer x.lull.busy(n)()
	}
	parts := make([]*bleveindex.Batch, n)
	for i := range parts {
		if parts[i] = bleveindex.NewBatch(); n == 1 {
			parts[i] = state
		}
	}
	for _, id := range deletes {
		parts[0].Delete(id)
	}
	for i, p := range puts {
		parts[i*n/len(puts)].Update(newIndexDocument(p))
	}
	if n == 1 {
		return x.writePart(state)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() { errs[i] = x.writePart(part) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return x.writePart(state)
}

func (x *BleveIndex) writePart(b *bleveindex.Batch) (err error) {
	defer recoverDamage(&err)()
	return x.store.Batch(b)
}

// Generation returns the generation of the last batch; 0 when there was none.
func (x *BleveIndex) Generation() (g uint64, err error) {
	if err := x.enter(); err != nil {
		return 0, err
	}
	defer x.leave()
	defer recoverDamage(&err)()
	reader, err := x.snapshot()
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	return generationOf(reader)
}

func generationOf(reader *scorch.IndexSnapshot) (uint64, error) {
	b, err := reader.GetInternal(keyGeneration)
	if err != nil || len(b) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

// IndexStats says how large an index is.
type IndexStats struct {
	Documents  uint64    `json:"documents"`
	DiskBytes  uint64    `json:"disk_bytes"`
	Segments   int       `json:"segments"`
	Merging    bool      `json:"merging"` // segments are being written or merged in the background
	Generation uint64    `json:"generation"`
	Applied    time.Time `json:"applied,omitzero"` // the last batch
}

// Stats returns how large the index is now. It lists the folder.
func (x *BleveIndex) Stats() (s IndexStats, err error) {
	if err := x.enter(); err != nil {
		return s, err
	}
	defer x.leave()
	defer recoverDamage(&err)()
	reader, err := x.snapshot()
	if err != nil {
		return s, err
	}
	defer reader.Close()
	if s.Documents, err = reader.DocCount(); err != nil {
		return s, fmt.Errorf("count documents: %w", err)
	}
	if s.Generation, err = generationOf(reader); err != nil {
		return s, fmt.Errorf("read generation: %w", err)
	}
	s.Segments = len(reader.Segments())
	if ns := x.applied.Load(); ns != 0 {
		s.Applied = time.Unix(0, ns).UTC()
	}
	m := x.store.StatsMap()
	s.DiskBytes, _ = m["num_bytes_used_disk"].(uint64)
	s.Merging, _ = m["index_bgthreads_active"].(bool)
	return s, nil
}

// Verify reads all files of the index and compares their checksums. It may take seconds; run it in the background after
// opening. An error of type *[DamagedError] means that the index must be rebuilt; from then on searches answer with it too.
func (x *BleveIndex) Verify(ctx context.Context) error {
	if err := x.enter(); err != nil {
		return err
	}
	defer x.leave()
	reader, err := x.snapshot()
	if err != nil {
		return err
	}
	defer reader.Close() // keeps the files from being removed
	for _, s := range reader.Segments() {
		file, ok := s.Segment().(interface{ Path() string })
		if !ok {
			continue
		}
		if err := verifyFile(ctx, file.Path()); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("verify index %s: %w", x.dir, context.Cause(ctx))
			}
			return x.damaged(err)
		}
	}
	return nil
}

// verifyFile checks the CRC-32 at the end of a segment's file.
func verifyFile(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < 4 {
		return fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	sum := crc32.NewIEEE()
	for left := info.Size() - 4; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(sum, f, min(left, 4<<20))
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		left -= n
	}
	var want [4]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := sum.Sum32(); got != binary.BigEndian.Uint32(want[:]) {
		return fmt.Errorf("checksum of %s is %08x, its end says %08x", path, got, want)
	}
	return nil
}

// damaged remembers that the index cannot be used any more.
func (x *BleveIndex) damaged(err error) error {
	d := &DamagedError{x.dir, err}
	x.damage.CompareAndSwap(nil, d)
	return d
}

// Close waits for searches and for the storage engine, and closes the index. A second call does nothing.
func (x *BleveIndex) Close() (err error) {
	x.lull.close()
	x.warming.Wait()
	x.life.Lock()
	defer x.life.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	defer recoverDamage(&err)()
	defer x.queue.Close()
	defer lulls.Delete(x.store)
	if err := x.store.Close(); err != nil {
		return fmt.Errorf("close index %s: %w", x.dir, err)
	}
	return nil
}

// Destroy closes the index and removes its folder.
func (x *BleveIndex) Destroy() error {
	err := x.Close()
	if rm := os.RemoveAll(x.dir); rm != nil {
		return fmt.Errorf("remove index: %w", rm)
	}
	return err
}

// SetIndexAside renames the folder of a closed or damaged index to dir.damaged, replacing an older one of that name, so that
// a new index can be made under dir while the damaged one can still be looked at. It returns the new name.
func SetIndexAside(dir string) (string, error) {
	aside := filepath.Clean(dir) + ".damaged"
	if err := os.RemoveAll(aside); err != nil {
		return "", fmt.Errorf("remove older damaged index: %w", err)
	}
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("put damaged index aside: %w", err)
	}
	return aside, nil
}
