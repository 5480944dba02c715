package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// Restore replaces the whole state by a backup read from r. The backup is checked in full first; one that is not good changes
// nothing and returns ErrInvalidBackup with the reason. The replaced file stays as state.db.before-restore-TIME. Transactions
// wait while the files are exchanged (milliseconds); the record of the current run is carried over, and every watch is woken.
// A limit on what r may deliver is the caller's.
func (s *Store) Restore(ctx context.Context, r io.Reader) error {
	f, err := s.tempFile(s.dir)
	if err != nil {
		return unavailable("restore", err)
	}
	tmp := f.Name()
	defer func() { _ = os.Remove(tmp) }() // a no-op once it was renamed
	_, err = io.Copy(&ctxWriter{ctx, f}, &sourceReader{r: r})
	err = errors.Join(err, f.Sync(), f.Close())
	var src *sourceError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &src):
		return fmt.Errorf("read backup: %w", src.err)
	case err != nil:
		return unavailable("restore", err)
	}
	if err := s.checkBackup(tmp); err != nil {
		var se *SchemaError
		if errors.As(err, &se) {
			return fmt.Errorf("%w: schema version %d, this program knows versions up to %d", ErrInvalidBackup, se.File, se.Known)
		}
		return fmt.Errorf("%w: %w", ErrInvalidBackup, err)
	}
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.closed.Load() {
		return ErrClosed
	}
	return s.exchange(ctx, tmp)
}

// exchange swaps state.db for tmp. The caller is the writer.
func (s *Store) exchange(ctx context.Context, tmp string) error {
	wait, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	if err := s.closeFile(wait); err != nil {
		return unavailable("restore", err)
	}
	defer s.gate.Release(readers)
	// From here on it must come to an end: an ended ctx would leave the store without a file.
	ctx = context.WithoutCancel(ctx)
	starts, unclean := s.m.runs()
	aside, err := s.putAside("before-restore")
	if err == nil {
		err = s.install(tmp)
	}
	if err == nil {
		err = s.openFile(ctx)
	}
	if err != nil {
		s.log.Error("the restore failed; the former state is used again", "err", err)
		return errors.Join(fmt.Errorf("restore: %w", err), s.takeBack(ctx, aside))
	}
	s.log.Info("the state was restored from a backup", "former_state", aside)
	if err := s.carryOver(ctx, starts, unclean); err != nil {
		s.log.Warn("noting the current run in the restored state", "err", err)
	}
	s.notifyAll()
	return nil
}

// takeBack reopens the former file after a restore that failed half way.
func (s *Store) takeBack(ctx context.Context, aside string) error {
	if aside != "" {
		if err := os.Rename(aside, s.path); err != nil {
			return err
		}
	}
	return s.openFile(ctx)
}

// carryOver writes the current run and the counters, which must not fall, into the file just opened. The caller is the writer
// and holds the gate.
func (s *Store) carryOver(ctx context.Context, starts, unclean float64) error {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run == nil {
		return nil
	}
	var adopted Run
	_, err := s.update(ctx, func(tx *Tx) (err error) {
		adopted, err = adoptRun(tx, *run, starts, unclean)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.run = &adopted
	s.mu.Unlock()
	return s.loadStatus(s.db.Load())
}

// copyBeforeMigration keeps a copy of the file as the older program wrote it.
func (s *Store) copyBeforeMigration(ctx context.Context, db *bbolt.DB, version int) error {
	f, err := s.tempFile(s.backupDir())
	if err != nil {
		return err
	}
	err = guard("copy "+s.path, func() error {
		return db.View(func(b *bbolt.Tx) error {
			_, err := b.WriteTo(&ctxWriter{ctx, f})
			return err
		})
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	prefix := filepath.Join(s.backupDir(), migrationPrefix)
	name := fmt.Sprintf("%s%s-schema-%d.db", prefix, time.Now().UTC().Format(stampFormat), version)
	if err := s.finishBackup(f.Name(), name); err != nil {
		return err
	}
	s.keepNewest(prefix, keepAside)
	s.log.Info("a copy was kept before the schema changes", "path", name, "from_version", version, "to_version", len(s.migrations))
	return nil
}

// sourceReader marks the errors of an upload, which are not the disk's.
type sourceReader struct{ r io.Reader }

type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

func (r *sourceReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}
