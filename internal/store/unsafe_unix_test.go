//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"controlcenter/internal/private"
)

func TestFolderThatOthersCanChangeIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
	if !errors.Is(err, private.ErrUnsafe) || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("Open = %v", err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 0 {
		t.Errorf("it was touched: %v, %v", all, err)
	}
}

func TestStateIsNotOpenedThroughALink(t *testing.T) {
	for _, name := range []string{fileName, lockName, pidName} {
		dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "precious")
		if err := errors.Join(os.WriteFile(elsewhere, []byte("precious"), 0o600), os.Symlink(elsewhere, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
		if err == nil {
			_ = s.Close()
		}
		if (err == nil) != (name == pidName) { // that one only helps error messages
			t.Errorf("%s is a link: %v", name, err)
		}
		if b, err := os.ReadFile(elsewhere); err != nil || string(b) != "precious" {
			t.Errorf("%s is a link: its target is %q, %v", name, b, err)
		}
	}
}

func TestStateIsTheUsersAlone(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, Options{Dir: dir})
	if err := s.takeBackup(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
