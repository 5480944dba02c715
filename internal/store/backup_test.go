package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunBacksUpOnTimeAndKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, Options{Dir: dir, BackupEvery: time.Hour, BackupKeep: 3})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		start := time.Now()
		synctest.Wait()
		if names := s.backupNames(); len(names) != 1 {
			t.Errorf("right after the start: %v, want one backup", names)
		}
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if names := s.backupNames(); len(names) != 2 {
			t.Errorf("after an hour: %v, want two", names)
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		names := s.backupNames()
		if len(names) != 3 {
			t.Errorf("after 11 hours: %v, want the newest three", names)
		}
		if last := s.Info().LastBackup; last == nil || last.Sub(start) < 10*time.Hour {
			t.Errorf("last backup at %v, start %v", last, start)
		}
		s.SetBackup(0, 3)
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if got := s.backupNames(); got[2] != names[2] {
			t.Errorf("backups went on after they were switched off: %v", got)
		}
		s.SetBackup(time.Minute, 1)
		synctest.Wait()
		if got := s.backupNames(); len(got) != 1 || got[0] == names[2] {
			t.Errorf("after switching to one a minute: %v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRunDoesNotRepeatAYoungBackup(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		for range 2 {
			s := openTest(t, Options{Dir: dir, BackupEvery: time.Hour, BackupKeep: 3})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			cancel()
			<-done
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if names := s.backupNames(); len(names) != 1 {
				t.Errorf("backups: %v, want one", names)
			}
		}
	})
}

func TestFailedBackupIsCountedTriedAgainAndRemovesNothing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openTest(t, Options{Dir: dir, BackupEvery: time.Hour, BackupKeep: 1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		first := s.backupNames()
		hidden := s.backupDir() + ".hidden"
		if err := os.Rename(s.backupDir(), hidden); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + 90*time.Second)
		synctest.Wait()
		if got := counterValue(t, s, "controlcenter_store_backup_failures_total"); got != 2 {
			t.Errorf("%v failures counted, want 2 (one a minute)", got)
		}
		if err := os.Rename(hidden, s.backupDir()); err != nil {
			t.Fatal(err)
		}
		if got := s.backupNames(); len(got) != 1 || got[0] != first[0] {
			t.Errorf("the good backup %v became %v", first, got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.backupNames(); len(got) != 1 || got[0] == first[0] {
			t.Errorf("backups %v, want a new one", got)
		}
		cancel()
		<-done
	})
}

func TestBackupIsTheWholeStateOfOneMoment(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 2000)
	r, w := io.Pipe()
	type result struct {
		n   int64
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := s.Backup(t.Context(), w)
		_ = w.Close()
		done <- result{n, err}
	}()
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, 4096); err != nil { // the moment has passed once the first byte is there
		t.Fatal(err)
	}
	// A reader that stops here must not hold up writers, however much they write.
	fill(t, s, 5000)
	put(t, s, "later", item{})
	if _, err := io.Copy(&b, r); err != nil {
		t.Fatal(err)
	}
	res := <-done
	if res.err != nil || res.n != int64(b.Len()) {
		t.Errorf("Backup = %d, %v; %d bytes arrived", res.n, res.err, b.Len())
	}
	path := filepath.Join(t.TempDir(), fileName)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	checkFile(t, path)
	if n := count(t, openTest(t, Options{Dir: filepath.Dir(path)})); n != 2000 {
		t.Errorf("%d records in the backup, want 2000", n)
	}
	if left, _ := filepath.Glob(filepath.Join(s.backupDir(), ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupToAWriterThatFails(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	r, w := io.Pipe()
	gone := errors.New("client gone")
	_ = r.CloseWithError(gone)
	if _, err := s.Backup(t.Context(), w); !errors.Is(err, gone) {
		t.Errorf("got %v, want the writer's error", err)
	}
	put(t, s, "a", item{})
}

func backupOf(t *testing.T, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRestoreReplacesEverything(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 500)
	b := backupOf(t, s)
	fill(t, s, 900)
	put(t, s, "000001", item{"changed", 0})
	w := s.Watch(items.Name())
	if err := s.Restore(t.Context(), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s); n != 500 {
		t.Errorf("%d records, want 500", n)
	}
	if v, err := get(t, s, "000001"); err != nil || v.N != 1 {
		t.Errorf("record 1 = %v, %v", v, err)
	}
	<-w.C
	put(t, s, "after", item{})
	if n := count(t, s); n != 501 {
		t.Errorf("%d records after a write, want 501", n)
	}
	aside, _ := filepath.Glob(s.path + ".before-restore-*")
	if len(aside) != 1 {
		t.Fatalf("put aside: %v", aside)
	}
	checkFile(t, aside[0])
	dir := t.TempDir()
	if err := os.Rename(aside[0], filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openTest(t, Options{Dir: dir})); n != 900 {
		t.Errorf("%d records in the former state, want 900", n)
	}
}

func TestRestoreOfABadBackupChangesNothing(t *testing.T) {
	s := openTest(t, Options{Dir: t.TempDir()})
	fill(t, s, 1000)
	good := backupOf(t, s)
	newer, err := open(t.Context(), Options{Dir: t.TempDir(), Log: quiet()}, append(migrations(), func(*Tx) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	future := backupOf(t, newer)
	_ = newer.Close()
	fill(t, s, 1200)
	patched := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for _, c := range []struct {
		name   string
		upload []byte
		want   string
	}{
		{"nothing", nil, "no valid meta"},
		{"garbage", []byte(strings.Repeat("garbage ", 10000)), "no valid meta"},
		{"a web page", []byte("<!doctype html><title>Login</title>"), "no valid meta"},
		{"truncated", good[:len(good)-4096], "truncated"},
		{"only the metas", good[:8192], "truncated"},
		{"a damaged page", patched(len(good)-4096, bytes.Repeat([]byte{0xff}, 64)...), "page"},
		{"newer schema", future, "schema version 2, this program knows versions up to 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.Restore(t.Context(), bytes.NewReader(c.upload))
			if !errors.Is(err, ErrInvalidBackup) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrInvalidBackup with %q", err, c.want)
			}
			if n := count(t, s); n != 1200 {
				t.Errorf("%d records, want 1200", n)
			}
			entries, _ := os.ReadDir(s.dir)
			for _, e := range entries {
				if strings.Contains(e.Name(), "tmp") || strings.Contains(e.Name(), "before") {
					t.Errorf("left behind: %s", e.Name())
				}
			}
		})
	}
	t.Run("upload breaks off", func(t *testing.T) {
		gone := errors.New("connection reset")
		r := io.MultiReader(bytes.NewReader(good[:len(good)/2]), failingReader{gone})
		if err := s.Restore(t.Context(), r); !errors.Is(err, gone) || errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want the reader's error", err)
		}
		put(t, s, "still", item{})
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestRestoreKeepsTheRunAndTheCounters(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	if _, err := s.BeginRun(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	old := backupOf(t, s) // made while run 1 is on
	if err := s.EndRun(t.Context(), "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.BeginRun(t.Context(), "v2"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Restore(t.Context(), bytes.NewReader(old)); err != nil {
		t.Fatal(err)
	}
	runs, err := s.LastRuns(t.Context(), 0)
	if err != nil || len(runs) != 2 || runs[0].Version != "v2" || runs[0].EndedAt != nil || runs[1].Version != "v1" || runs[1].Reason == "" {
		t.Errorf("runs after the restore: %+v, %v", runs, err)
	}
	if got := counterValue(t, s, "controlcenter_starts_total"); got != 4 {
		t.Errorf("starts = %v, want 4: the counter must not fall", got)
	}
	if err := s.EndRun(t.Context(), "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	if runs, _ := s.LastRuns(t.Context(), 1); len(runs) != 1 || !runs[0].Clean {
		t.Errorf("last run %+v, want a clean end", runs)
	}
	if again := backupOf(t, s); s.Restore(t.Context(), bytes.NewReader(again)) != nil {
		t.Error("a second restore failed")
	}
}
