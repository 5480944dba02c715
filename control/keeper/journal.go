package keeper

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"controlcenter/control"
	"controlcenter/internal/private"
)

// entry is one line of the journal.
type entry struct {
	Op      string    `json:"op"` // begin, pid, end, ack, left
	Run     string    `json:"run"`
	Service string    `json:"service,omitempty"`
	Gen     uint64    `json:"gen,omitempty"`
	BootID  string    `json:"boot,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Ticks   uint64    `json:"ticks,omitempty"`
	Group   string    `json:"cgroup,omitempty"`
	Raw     bool      `json:"raw,omitempty"`
	At      time.Time `json:"at,omitzero"`

	Code    *int          `json:"code,omitempty"`
	Signal  string        `json:"signal,omitempty"`
	Unknown bool          `json:"unknown,omitempty"`
	Usage   control.Usage `json:"usage,omitzero"`
}

// Operations of the journal. A run is written down before it is started, so that a keeper that dies in between leaves its id
// to look for; its end is written down before the process is reaped, so that it can be learned twice but never be lost.
const (
	jBegin = "begin"
	jPID   = "pid"
	jEnd   = "end"
	jAck   = "ack"
	jNone  = "none" // it was not started after all
)

// journal is the append-only record of runs that began and ended and were not acknowledged. What is appended has reached the
// kernel when append returns, so it outlives this process; Sync makes it outlive the machine. Space for what must be written
// of runs that live is reserved ahead: a full disk refuses starts, not ends.
type journal struct {
	path string

	mu   sync.Mutex
	f    *os.File
	size int64
	room int64 // up to where space is reserved
	book book

	dirty chan struct{} // one token: sync it soon
}

const (
	compactAbove = 256 << 10
	reserveBytes = 128 << 10
)

// openJournal opens or makes the journal and returns the runs it knows, oldest first.
func openJournal(path string) (*journal, []*entryRun, error) {
	f, err := private.Open(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{path: path, f: f, dirty: make(chan struct{}, 1)}
	end, err := j.book.replay(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read journal: %w", err), f.Close())
	}
	// A line that a crash of the machine cut is no record: what follows must begin on a line of its own.
	if err := f.Truncate(end); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("mend journal: %w", err), f.Close())
	}
	j.size = end
	return j, slices.Clone(j.book.order), nil
}

// resumeJournal goes on with a journal whose file was kept open over an upgrade.
func resumeJournal(path string, f *os.File) (*journal, error) {
	j := &journal{path: path, f: f, dirty: make(chan struct{}, 1)}
	j.dirty <- struct{}{} // the last binary may not have come to it
	var err error
	if j.size, err = j.book.replay(io.NewSectionReader(f, 0, 1<<40)); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return j, nil
}

// entryRun is a run as the journal tells it.
type entryRun struct {
	begin entry
	pid   *entry
	end   *entry
}

// book holds the runs of a journal that are still of use, oldest first.
type book struct {
	byRun map[string]*entryRun
	order []*entryRun
}

func (b *book) apply(e *entry) {
	if b.byRun == nil {
		b.byRun = map[string]*entryRun{}
	}
	known := b.byRun[e.Run]
	switch {
	case e.Op == jBegin && known == nil:
		known = &entryRun{begin: *e}
		b.byRun[e.Run] = known
		b.order = append(b.order, known)
	case known == nil:
	case e.Op == jPID:
		known.pid = e
	case e.Op == jEnd && known.end == nil:
		known.end = e
	case e.Op == jAck || e.Op == jNone:
		delete(b.byRun, e.Run)
		b.order = slices.DeleteFunc(b.order, func(r *entryRun) bool { return r == known })
	}
}

// replay reads a journal and returns where its last whole line ends. Lines that are no records are passed over: one bad sector
// must not lose the rest.
func (b *book) replay(r io.Reader) (int64, error) {
	var end int64
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, err //nolint:wrapcheck // the caller says what was being done
		}
		end += int64(len(line))
		e := &entry{}
		if json.Unmarshal(bytes.TrimSpace(line), e) == nil && e.Run != "" {
			b.apply(e)
		}
	}
}

// append writes entries as one piece.
func (j *journal) append(entries ...entry) error {
	var b []byte
	for i := range entries {
		line, err := json.Marshal(&entries[i])
		if err != nil {
			return fmt.Errorf("encode journal entry: %w", err)
		}
		b = append(append(b, line...), '\n')
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n, err := j.f.Write(b)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, j.f.Truncate(j.size)) // half a line would spoil the next one
			j.room = 0                                   // that gave up what lay behind
		}
		return fmt.Errorf("write journal: %w", err)
	}
	j.size += int64(n)
	for i := range entries {
		j.book.apply(&entries[i])
	}
	select {
	case j.dirty <- struct{}{}:
	default:
	}
	return nil
}

// reserve makes sure that the ends of all living runs find room. It is asked before each start.
func (j *journal) reserve() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size+reserveBytes <= j.room {
		return nil
	}
	var err error
	for _, n := range []int64{2 * reserveBytes, reserveBytes} { // more than is needed, so that not each start asks; what a full disk has will do
		if err = allocate(j.f, j.size, n); err == nil {
			j.room = j.size + n
			return nil
		}
	}
	return fmt.Errorf("reserve space in journal: %w", err)
}

// sync makes what was appended outlive the machine. It blocks for the disk.
func (j *journal) sync() {
	j.mu.Lock()
	f := j.f
	j.mu.Unlock()
	_ = f.Sync() // closed by a compaction meanwhile: that one has synced
}

func (j *journal) large() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size > compactAbove
}

// compact writes the journal anew with what is still of use. When it fails the old one goes on.
func (j *journal) compact() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b []byte
	for _, known := range j.book.order {
		for _, e := range []*entry{&known.begin, known.pid, known.end} {
			if e == nil {
				continue
			}
			line, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("encode journal entry: %w", err)
			}
			b = append(append(b, line...), '\n')
		}
	}
	next := j.path + ".new"
	f, err := private.Open(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("compact journal: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = allocate(f, int64(len(b)), reserveBytes)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(next, j.path)
	}
	if err != nil {
		_ = os.Remove(next)
		return errors.Join(fmt.Errorf("compact journal: %w", err), f.Close())
	}
	syncDir(filepath.Dir(j.path))
	_ = j.f.Close()
	j.f, j.size, j.room = f, int64(len(b)), int64(len(b))+reserveBytes
	return nil
}

func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
}
