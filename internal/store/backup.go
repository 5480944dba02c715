package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	backupPrefix = "state-"
	// migrationPrefix marks the copies made before a migration; keepAside of them are kept beside the others.
	migrationPrefix = "before-migration-"
	tempPattern     = ".tmp-*"

	retryBackup = time.Minute     // after a backup that failed
	retryWrite  = 5 * time.Second // between tests whether a broken disk can be written again
)

func (s *Store) backupDir() string { return filepath.Join(s.dir, "backups") }

// SetBackup changes how often Run backs up (0 = never) and how many backups it keeps (at least 1).
func (s *Store) SetBackup(every time.Duration, keep int) {
	s.mu.Lock()
	s.backupEvery, s.backupKeep = every, max(1, keep)
	s.mu.Unlock()
	s.wakeRun()
}

// Run makes backups, the first at once when none is younger than the interval, and finds out when a disk that refused writes
// takes them again. It blocks until ctx ends and returns nil.
func (s *Store) Run(ctx context.Context) error {
	var retryAt time.Time
	for ctx.Err() == nil {
		wait, degraded := s.untilBackup(), s.writeError() != nil
		if !degraded && wait <= 0 {
			if wait = time.Until(retryAt); wait <= 0 {
				if err := s.takeBackup(ctx); err != nil && ctx.Err() == nil {
					s.m.backupFailures.Inc()
					s.log.Error("the backup failed", "err", err)
					retryAt = time.Now().Add(retryBackup)
				}
				continue
			}
		}
		if degraded {
			wait = retryWrite
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.nudge:
		case <-timer.C:
			if degraded {
				_ = s.probe(ctx) // notes the outcome itself
			}
		}
		timer.Stop()
	}
	return nil
}

// untilBackup returns how long the newest backup is still good for; a year when there are to be none.
func (s *Store) untilBackup() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backupEvery <= 0 {
		return 365 * 24 * time.Hour
	}
	age := time.Since(s.status.lastBackup)
	if age < 0 { // the clock was set back: do not wait for the future
		return 0
	}
	return s.backupEvery - age
}

// takeBackup writes a verified backup under its final name and removes those that are too many.
func (s *Store) takeBackup(ctx context.Context) error {
	now := time.Now().UTC()
	tmp, err := s.snapshot(ctx, s.backupDir())
	if err != nil {
		return err
	}
	if err := s.finishBackup(tmp, filepath.Join(s.backupDir(), backupPrefix+now.Format(stampFormat)+".db")); err != nil {
		return err
	}
	s.mu.Lock()
	s.status.lastBackup = now
	keep := s.backupKeep
	s.mu.Unlock()
	s.keepNewest(filepath.Join(s.backupDir(), backupPrefix), keep)
	return nil
}

// finishBackup verifies a snapshot and gives it its name.
func (s *Store) finishBackup(tmp, path string) error {
	if err := s.checkBackup(tmp); err != nil {
		_ = os.Remove(tmp)
		var bad *damage
		if errors.As(err, &bad) { // the copy is what the file is: look at the file before the next update
			s.suspect.Store(true)
		}
		return fmt.Errorf("verify backup %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return syncDir(s.backupDir())
}

// snapshot copies the state of this moment to a temporary file in dir, on disk when it returns.
func (s *Store) snapshot(ctx context.Context, dir string) (string, error) {
	f, err := s.tempFile(dir)
	if err != nil {
		return "", unavailable("back up", err)
	}
	_, err = s.copyState(ctx, f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", unavailable("back up", err)
	}
	return f.Name(), nil
}

// copyState writes one consistent state. While it runs, updates go on, but cannot reuse the pages they free.
func (s *Store) copyState(ctx context.Context, w io.Writer) (n int64, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		return tx.guard("copy "+s.path, func() error {
			n, err = tx.bolt.WriteTo(&ctxWriter{ctx, w})
			return err
		})
	})
	return n, err
}

// Backup writes the whole state of this moment to w and returns the bytes written. It works while the store is in use. The
// state is copied to a file beside the state first, so that a slow w holds up nobody; when the disk has no room for that, w is
// fed directly. A w that fails leaves no trace.
func (s *Store) Backup(ctx context.Context, w io.Writer) (int64, error) {
	tmp, err := s.snapshot(ctx, s.backupDir())
	if err != nil {
		var u *UnavailableError
		if errors.As(err, &u) && ctx.Err() == nil {
			return s.copyState(ctx, w)
		}
		return 0, err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := s.checkBackup(tmp); err != nil {
		return 0, fmt.Errorf("verify backup: %w", err)
	}
	f, err := os.Open(tmp)
	if err != nil {
		return 0, unavailable("back up", err)
	}
	defer func() { _ = f.Close() }()
	return io.Copy(&ctxWriter{ctx, w}, f)
}

// ctxWriter stops a copy when its context ends.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w *ctxWriter) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(b)
}

// checkBackup verifies every page of a file by our own check and then by bbolt's, that its records are as written, and that
// its schema is one this program knows.
func (s *Store) checkBackup(path string) error {
	report, err := verifyFile(path, time.Time{}, nil)
	if err != nil {
		return err
	}
	if report.Bad > 0 {
		s.log.Error("damaged records are part of the backup", "path", path, "records", report.Bad)
	}
	db, err := s.openBolt(path, true)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var first error
	for err := range tx.Check() {
		if first == nil { // the channel must be read to its end
			first = err
		}
	}
	if first != nil {
		return damaged("%v", first)
	}
	version, err := schemaVersion(db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return damaged("no schema version")
	case version > len(s.migrations):
		return &SchemaError{Path: path, File: version, Known: len(s.migrations)}
	}
	return nil
}

// backupNames lists the regular backups, oldest first.
func (s *Store) backupNames() []string {
	entries, err := os.ReadDir(s.backupDir()) // sorted by name, which is by time
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if _, ok := backupTime(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	return names
}

func backupTime(name string) (time.Time, bool) {
	stamp, ok := strings.CutPrefix(name, backupPrefix)
	if stamp, ok2 := strings.CutSuffix(stamp, ".db"); ok && ok2 {
		t, err := time.Parse(stampFormat, stamp)
		return t, err == nil
	}
	return time.Time{}, false
}

func (s *Store) newestBackupTime() time.Time {
	names := s.backupNames()
	if len(names) == 0 {
		return time.Time{}
	}
	t, _ := backupTime(names[len(names)-1])
	return t
}

// tempFile makes a file with mode 0600 whose name removeTemporary knows.
func (s *Store) tempFile(dir string) (*os.File, error) { return os.CreateTemp(dir, tempPattern) }

// removeTemporary removes what a killed process left half written. Only the holder of the lock may.
func (s *Store) removeTemporary() {
	for _, dir := range []string{s.dir, s.backupDir()} {
		names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), tempPattern))
		for _, name := range names {
			_ = os.Remove(name)
		}
	}
}

// copyFile copies a file to a temporary one in the data directory, on disk when it returns.
func (s *Store) copyFile(path string) (string, error) {
	src, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = src.Close() }()
	dst, err := s.tempFile(s.dir)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		_ = os.Remove(dst.Name())
		return "", err
	}
	return dst.Name(), nil
}
