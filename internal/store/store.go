package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/semaphore"

	"controlcenter/internal/private"
)

const (
	fileName = "state.db"
	// readers is how many views and updates may run at once; whoever exchanges the file takes them all.
	readers = 1 << 20
	// growStep is how much the file grows at a time. bbolt's 16 MiB would make a small file look large.
	growStep = 1 << 20
	// checkBudget bounds the check at start; a full check reads some GB a second from the page cache.
	checkBudget = time.Second
	// closeWait bounds how long Close and repair wait for transactions that are still open.
	closeWait = 5 * time.Second
)

var errNotOpen = errors.New("no file open")

// Options configures a [Store].
type Options struct {
	Dir         string        // data directory; created with mode 0700 if missing
	Log         *slog.Logger  // nil = slog.Default
	BackupEvery time.Duration // age of the newest backup at which Run makes another; 0 = none
	BackupKeep  int           // backups kept, at least 1
	// LockWait is how long Open tries while another process holds the directory; 0 = 2.5 s, so that an error that names the
	// holder is on the screen within 3 s.
	LockWait time.Duration
}

// Store is an open data directory. See the package comment.
type Store struct {
	dir, path  string
	log        *slog.Logger
	lock       *os.File
	migrations []migration
	m          *metrics

	db      atomic.Pointer[bbolt.DB]
	closed  atomic.Bool
	suspect atomic.Bool         // a transaction met damage or an error: check the file before the next update
	writer  chan struct{}       // holds one token: who writes, restores or repairs
	gate    *semaphore.Weighted // each transaction holds 1, exchanging the file holds all
	nudge   chan struct{}       // wakes Run: settings or the disk's state changed

	mu          sync.Mutex
	watches     map[*Watch]struct{}
	backupEvery time.Duration
	backupKeep  int
	status      status
	run         *Run // the current run, nil before BeginRun
}

// status is what Info and the metrics show.
type status struct {
	schema       int
	instanceID   string
	created      time.Time
	lastBackup   time.Time
	quarantined  string // path of the file put aside by this process
	restoredFrom string // what replaced it
	writeErr     error  // last write failed with this; nil = writable
	writeErrAt   time.Time
	damage       string // found while running, not repaired
	badRecords   int
	badNamed     map[string]struct{} // damaged records already logged
}

// Open opens the data directory's state, repairing or restoring it if it is damaged (see the package comment), and brings its
// schema up to date after a backup copy. Errors: [LockedError], [SchemaError], a directory that cannot be written (named, with
// the reason), ErrUnavailable when the disk is too full for a new file.
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, migrations()) }

func open(ctx context.Context, o Options, steps []migration) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.LockWait == 0 {
		o.LockWait = 2500 * time.Millisecond
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, dirError(o.Dir, err)
	}
	s := &Store{
		dir: dir, path: filepath.Join(dir, fileName), log: o.Log.With("component", "store"), migrations: steps, m: newMetrics(),
		writer: make(chan struct{}, 1), gate: semaphore.NewWeighted(readers), nudge: make(chan struct{}, 1),
		watches: map[*Watch]struct{}{}, backupEvery: o.BackupEvery, backupKeep: max(1, o.BackupKeep),
	}
	for _, d := range []string{dir, s.backupDir()} {
		if err := private.Dir(d); err != nil {
			return nil, dirError(dir, err)
		}
	}
	if s.lock, err = lockDir(ctx, dir, o.LockWait); err != nil {
		return nil, err
	}
	s.removeTemporary()
	s.status.lastBackup = s.newestBackupTime()
	if err := s.openFile(ctx); err != nil {
		_ = s.lock.Close()
		return nil, err
	}
	return s, nil
}

// openFile checks, repairs if needed, opens and migrates state.db, and makes it current. The caller is the only one that
// touches the file.
func (s *Store) openFile(ctx context.Context) error {
	if err := s.prepareFile(); err != nil {
		return err
	}
	db, err := s.openBolt(s.path, false)
	if err != nil {
		return err
	}
	err = s.migrate(ctx, db, func(version int) error { return s.copyBeforeMigration(ctx, db, version) })
	if err != nil {
		_ = db.Close()
		var se *SchemaError
		if errors.As(err, &se) || ctx.Err() != nil {
			return err
		}
		return unavailable("open "+s.path, err)
	}
	s.db.Store(db)
	s.suspect.Store(false)
	return s.loadStatus(db)
}

// openBolt opens a file that passed verifyFile.
func (s *Store) openBolt(path string, readOnly bool) (db *bbolt.DB, err error) {
	err = guard("open "+path, func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: 200 * time.Millisecond, FreelistType: bbolt.FreelistMapType, ReadOnly: readOnly, PreLoadFreelist: !readOnly,
			InitialMmapSize: mapReserve, NoStatistics: true,
			OpenFile: func(path string, flags int, _ os.FileMode) (*os.File, error) { return private.Open(path, flags) },
		})
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout): // not one of ours: they take state.lock first
		return nil, lockedBy(s.dir, path)
	case err != nil && isFull(err):
		return nil, unavailable("open "+path, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.AllocSize = growStep
	return db, nil
}

// loadStatus reads what Info and the metrics show of the file.
func (s *Store) loadStatus(db *bbolt.DB) error {
	b, err := db.Begin(false)
	if err != nil {
		return unavailable("read "+s.path, err)
	}
	defer func() { _ = b.Rollback() }()
	var schema int
	var id string
	var created time.Time
	var starts, unclean float64
	tx := &Tx{store: s, bolt: b}
	for key, v := range map[string]any{keySchema: &schema, keyInstance: &id, keyCreated: &created, keyStarts: &starts, keyUnclean: &unclean} {
		if err := getMeta(tx, key, v); err != nil {
			s.badRecord(metaTable.name, key, err)
		}
	}
	s.m.setRuns(starts, unclean)
	s.mu.Lock()
	s.status.schema, s.status.instanceID, s.status.created, s.status.damage = schema, id, created, ""
	s.mu.Unlock()
	return nil
}

// Close waits up to 5 s for transactions under way and closes the file. It does not end the current run; see EndRun.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return fmt.Errorf("close %s: an update is still running", s.path)
	}
	err := s.closeFile(ctx)
	if err == nil {
		defer s.gate.Release(readers)
	}
	return errors.Join(err, s.lock.Close())
}

// closeFile waits for all transactions, keeps new ones out and closes the file. When it returns nil the caller holds the gate.
func (s *Store) closeFile(ctx context.Context) error {
	if err := s.gate.Acquire(ctx, readers); err != nil {
		return fmt.Errorf("close %s: transactions are still open: %w", s.path, context.Cause(ctx))
	}
	db := s.db.Swap(nil)
	if db == nil {
		return nil
	}
	// After a panic inside a commit bbolt's locks may stay held for ever; Close would then wait as long.
	done := make(chan error, 1)
	go func() { done <- guard("close", db.Close) }()
	select {
	case err := <-done:
		if err != nil {
			s.log.Error("closing the state file", "err", err)
		}
		return nil
	case <-ctx.Done():
		s.gate.Release(readers)
		return fmt.Errorf("close %s: %w", s.path, context.Cause(ctx))
	}
}

// writeFailed turns an error of the disk into the answer, and notes the state.
func (s *Store) writeFailed(err error) error {
	err = unavailable("write "+s.path, err)
	if !isFull(err) {
		s.suspect.Store(true)
	}
	s.m.transactions.WithLabelValues("failed").Inc()
	s.mu.Lock()
	first := s.status.writeErr == nil
	s.status.writeErr = err
	if first {
		s.status.writeErrAt = time.Now()
	}
	s.mu.Unlock()
	if first {
		s.log.Error("the state cannot be written; reads go on", "err", err)
		s.wakeRun()
	}
	return err
}

func (s *Store) writeWorked() {
	s.mu.Lock()
	was, at := s.status.writeErr, s.status.writeErrAt
	s.status.writeErr = nil
	s.mu.Unlock()
	if was != nil {
		s.log.Info("the state can be written again", "after_seconds", time.Since(at).Seconds())
	}
}

func (s *Store) wakeRun() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// badRecord counts a record that cannot be read, and names it in the log once.
func (s *Store) badRecord(table, key string, err error) {
	name := table + "/" + key
	s.mu.Lock()
	if s.status.badNamed == nil {
		s.status.badNamed = map[string]struct{}{}
	}
	_, known := s.status.badNamed[name]
	if !known {
		s.status.badRecords++
		if len(s.status.badNamed) < 1000 {
			s.status.badNamed[name] = struct{}{}
		}
	}
	s.mu.Unlock()
	if !known {
		s.log.Error("a damaged record is left out", "table", table, "key", key, "err", err)
	}
}

func newInstanceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
