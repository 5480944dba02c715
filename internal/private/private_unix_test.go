//go:build unix

package private

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode().Perm()
}

func TestFoldersAreMadePrivateAndUnsafeOnesRefused(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	if err := Dir(dir); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if got := mode(t, d); got != 0o700 {
			t.Errorf("%s has mode %o", d, got)
		}
	}
	for m, ok := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: true, 0o777: false, 0o702: false, 0o777 | os.ModeSticky: true} {
		if err := os.Chmod(dir, m); err != nil {
			t.Fatal(err)
		}
		if err := Dir(dir); ok != (err == nil) || !ok && !errors.Is(err, ErrUnsafe) {
			t.Errorf("mode %o: %v", m, err)
		}
		if got := mode(t, dir); got != m.Perm() {
			t.Errorf("mode %o became %o: a folder of the user's stays as it is", m, got)
		}
	}
	if os.Geteuid() == 0 {
		other := filepath.Join(base, "other")
		if err := errors.Join(os.Mkdir(other, 0o700), os.Chown(other, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		if err := Dir(other); !errors.Is(err, ErrUnsafe) {
			t.Errorf("folder of another user: %v", err)
		}
	}
}

func TestFilesAreNotOpenedThroughLinks(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("keep"), 0o644); err != nil {
		t.Fatal(err)
	}
	link, pipe, gone := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "gone")
	if err := errors.Join(os.Symlink(target, link), syscall.Mkfifo(pipe, 0o600), os.Symlink(filepath.Join(dir, "made"), gone)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, gone, dir} {
		f, err := Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err == nil {
			t.Errorf("%s was opened", f.Name())
			_ = f.Close()
		} else if path != dir && !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "keep" {
		t.Errorf("target: %q, %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "made")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made through a link: %v", err)
	}
	for _, name := range []string{"target", "new"} {
		f, err := Open(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if got := mode(t, f.Name()); got != 0o600 {
			t.Errorf("%s has mode %o", name, got)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(target, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if f, err := Open(target, os.O_RDONLY); !errors.Is(err, ErrUnsafe) {
			t.Errorf("file of another user: %v, %v", f, err)
		}
	}
}
