package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestSecondProcessIsToldWhoHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "hold", dir)
	if !c.out.Scan() || c.out.Text() != "held" {
		t.Fatalf("child says %q", c.out.Text())
	}
	_, err := Open(t.Context(), Options{Dir: dir, Log: quiet(), LockWait: 100 * time.Millisecond})
	var locked *LockedError
	if !errors.As(err, &locked) || !errors.Is(err, ErrLocked) {
		t.Fatalf("Open = %v, want a LockedError", err)
	}
	if locked.PID != c.cmd.Process.Pid {
		t.Errorf("holder pid %d, want %d", locked.PID, c.cmd.Process.Pid)
	}
	for _, want := range []string{dir, fmt.Sprintf("pid %d", c.cmd.Process.Pid), "store.test"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	// The holder's own note alone must name it too, for systems that cannot look the holder up.
	b, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil || !strings.HasPrefix(string(b), fmt.Sprintf("%d\n", c.cmd.Process.Pid)) {
		t.Errorf("%s = %q, %v", pidName, b, err)
	}
	_ = c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	openTest(t, Options{Dir: dir})
}

func TestOpenWaitsForAHolderThatLeaves(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "hold", dir)
	if !c.out.Scan() {
		t.Fatal("child is silent")
	}
	opened := make(chan error, 1)
	go func() {
		s, err := Open(t.Context(), Options{Dir: dir, Log: quiet(), LockWait: time.Minute})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	_ = c.cmd.Process.Kill() // a lock ends with its process
	_ = c.cmd.Wait()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestUnusableDirectoryIsNamedWithTheReason(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "sub")
	_, err := Open(t.Context(), Options{Dir: dir, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), dir) || runtime.GOOS != "windows" && !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("Open = %v, want the directory and the reason", err)
	}
}
