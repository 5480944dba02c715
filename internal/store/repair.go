package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// stampFormat is how times stand in file names: UTC, and sorting by name sorts by time.
const stampFormat = "20060102T150405.000Z"

// keepAside is how many damaged or replaced files of a kind are kept; more would fill the disk of a machine whose disk is dying.
const keepAside = 5

// prepareFile sees to it that state.db is a file that can be opened: whole as it is, or repaired, restored, or new.
func (s *Store) prepareFile() error {
	report, err := verifyFile(s.path, time.Now().Add(checkBudget), nil)
	var bad *damage
	switch {
	case err == nil:
		if report.Bad > 0 {
			s.log.Error("damaged records in the state file", "path", s.path, "records", report.Bad)
		}
		return s.private()
	case errors.Is(err, fs.ErrNotExist):
		return s.replaceMissing()
	case errors.Is(err, errVersion):
		return fmt.Errorf("open %s: %w: written by a newer program", s.path, err)
	case !errors.As(err, &bad):
		return dirError(s.dir, err)
	}
	return s.replaceDamaged(bad)
}

// private narrows the file's mode to 0600: it holds key hashes and secrets.
func (s *Store) private() error {
	st, err := os.Stat(s.path)
	if err != nil || st.Mode().Perm()&0o077 == 0 {
		return err
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		s.log.Warn("the state file is open to others", "path", s.path, "err", err)
	}
	return nil
}

// replaceMissing makes the first file. A directory with backups but no state lost it by accident: nobody removes the state
// and keeps its backups.
func (s *Store) replaceMissing() error {
	tmp, from, err := s.fromBackups()
	if err != nil {
		return err
	}
	if tmp == "" {
		if tmp, err = s.freshFile(); err != nil {
			return err
		}
	} else {
		s.setRestored(from)
		s.log.Error("the state file is missing: the newest backup is used; to start afresh, remove the backups too", "path", s.path, "backup", from)
	}
	return s.install(tmp)
}

// replaceDamaged puts state.db aside and installs the best replacement there is.
func (s *Store) replaceDamaged(bad *damage) error {
	tmp, from, err := s.salvage(bad)
	if tmp == "" && err == nil {
		tmp, from, err = s.fromBackups()
	}
	if tmp == "" && err == nil {
		from = "nothing: no good backup, starting empty"
		tmp, err = s.freshFile()
	}
	if err != nil {
		return err
	}
	aside, err := s.putAside("corrupt")
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := s.install(tmp); err != nil {
		return err
	}
	s.setRestored(from)
	s.mu.Lock()
	s.status.quarantined = aside
	s.mu.Unlock()
	s.log.Error("the state file was damaged and has been replaced", "path", s.path, "damage", bad.what, "put_aside_as", aside, "replaced_by", from)
	return nil
}

func (s *Store) setRestored(from string) {
	s.mu.Lock()
	s.status.restoredFrom = from
	s.mu.Unlock()
}

// putAside gives state.db a second name, state.db.KIND-TIME. A hard link leaves no moment in which there is no state.db; where
// the file system has none, the file is renamed.
func (s *Store) putAside(kind string) (string, error) {
	aside := fmt.Sprintf("%s.%s-%s", s.path, kind, time.Now().UTC().Format(stampFormat))
	if err := os.Link(s.path, aside); err != nil {
		if err := os.Rename(s.path, aside); err != nil {
			return "", dirError(s.dir, err)
		}
	}
	s.keepNewest(s.path+"."+kind+"-", keepAside)
	return aside, nil
}

// keepNewest removes all but the newest n files whose path begins with prefix and goes on with a time.
func (s *Store) keepNewest(prefix string, n int) {
	names, _ := filepath.Glob(escapeGlob(prefix) + "*")
	slices.Sort(names)
	for ; len(names) > n; names = names[1:] {
		if err := os.Remove(names[0]); err != nil {
			s.log.Warn("removing an old file", "path", names[0], "err", err)
		}
	}
}

func escapeGlob(path string) string {
	if filepath.Separator == '\\' { // no escapes there, and only [ could be in a path
		return strings.ReplaceAll(path, "[", "?")
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// install makes a finished temporary file the state.
func (s *Store) install(tmp string) error {
	if err := os.Rename(tmp, s.path); err != nil {
		_ = os.Remove(tmp)
		return dirError(s.dir, err)
	}
	if err := syncDir(s.dir); err != nil {
		return dirError(s.dir, err)
	}
	return nil
}

// freshFile makes a file of the newest schema under a temporary name, so that state.db is never half made.
func (s *Store) freshFile() (string, error) {
	tmp, err := s.tempFile(s.dir)
	if err != nil {
		return "", dirError(s.dir, err)
	}
	_ = tmp.Close()
	db, err := s.openBolt(tmp.Name(), false)
	if err == nil {
		err = s.migrate(context.Background(), db, func(int) error { return nil })
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return "", unavailable("make "+s.path, err)
	}
	return tmp.Name(), nil
}

// fromBackups copies the newest good backup to a temporary file. No name and no error: there is none.
func (s *Store) fromBackups() (tmp, from string, err error) {
	names := s.backupNames()
	for _, name := range slices.Backward(names) {
		path := filepath.Join(s.backupDir(), name)
		if err := s.checkBackup(path); err != nil {
			s.log.Error("a backup is not good", "path", path, "err", err)
			continue
		}
		tmp, err := s.copyFile(path)
		if err != nil {
			return "", "", unavailable("restore "+path, err)
		}
		return tmp, path, nil
	}
	return "", "", nil
}

// salvage rebuilds the file from its own records, when all of them can be reached: with the newest transaction if only the
// list of free pages is wrong, else with the last but one. No name and no error: it cannot be done.
func (s *Store) salvage(bad *damage) (tmp, from string, err error) {
	age := 1
	from = "its last but one transaction"
	if bad.treeGood {
		age, from = 0, "its own records: only the list of free pages was damaged"
	} else {
		_, err := verifyMeta(s.path, 1, time.Now().Add(checkBudget), nil)
		var older *damage
		if err != nil && (!errors.As(err, &older) || !older.treeGood) {
			return "", "", nil
		}
	}
	f, err := s.tempFile(s.dir)
	if err != nil {
		return "", "", dirError(s.dir, err)
	}
	_ = f.Close()
	db, err := s.openBolt(f.Name(), false)
	if err != nil {
		_ = os.Remove(f.Name())
		return "", "", err
	}
	db.NoSync = true // until the end: nobody uses the file before that
	c := &copier{db: db}
	_, err = verifyMeta(s.path, age, time.Time{}, c)
	var d *damage
	if errors.As(err, &d) && d.treeGood {
		err = nil
	}
	err = errors.Join(err, c.finish(), db.Sync(), db.Close())
	if err == nil {
		err = s.checkBackup(f.Name()) // what is rebuilt must be a state of ours, too
	}
	if err != nil {
		_ = os.Remove(f.Name())
		if isFull(err) {
			return "", "", unavailable("repair "+s.path, err)
		}
		s.log.Error("the damaged file could not be rebuilt from its records", "err", err)
		return "", "", nil
	}
	return f.Name(), from, nil
}

// copier writes what it is shown into another file, in transactions of bounded size.
type copier struct {
	db    *bbolt.DB
	tx    *bbolt.Tx
	b     *bbolt.Bucket
	name  []byte
	bytes int
}

func (c *copier) bucket(name []byte, sequence uint64) (err error) {
	if c.tx == nil {
		if c.tx, err = c.db.Begin(true); err != nil {
			return err
		}
	}
	if c.b, err = c.tx.CreateBucketIfNotExists(name); err != nil {
		return err
	}
	c.name = name
	return c.b.SetSequence(sequence)
}

func (c *copier) record(_, key, value []byte) (err error) {
	if c.bytes += len(key) + len(value); c.bytes > 8<<20 {
		if err := c.finish(); err != nil {
			return err
		}
		if c.tx, err = c.db.Begin(true); err != nil {
			return err
		}
		c.b = c.tx.Bucket(c.name)
	}
	return c.b.Put(slices.Clone(key), slices.Clone(value))
}

// finish commits what is open.
func (c *copier) finish() error {
	if c.tx == nil {
		return nil
	}
	tx := c.tx
	c.tx, c.bytes = nil, 0
	return tx.Commit()
}

// healIfSuspect is called by the writer before a transaction: after damage or a failed write it checks the file again, and
// replaces it if it is damaged.
func (s *Store) healIfSuspect(ctx context.Context) error {
	if !s.suspect.Load() || s.closed.Load() {
		return nil
	}
	if s.db.Load() != nil {
		_, err := verifyFile(s.path, time.Now().Add(checkBudget), nil)
		var bad *damage
		if !errors.As(err, &bad) && !errors.Is(err, fs.ErrNotExist) {
			// The file is whole, or cannot be read at all now: then nothing better than waiting can be done.
			s.suspect.Store(false)
			return nil
		}
		s.mu.Lock()
		s.status.damage = err.Error()
		s.mu.Unlock()
		s.log.Error("the state file was damaged while in use", "path", s.path, "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	if err := s.closeFile(ctx); err != nil {
		return unavailable("repair", err)
	}
	defer s.gate.Release(readers)
	if err := s.openFile(ctx); err != nil {
		return err
	}
	s.notifyAll()
	return nil
}
