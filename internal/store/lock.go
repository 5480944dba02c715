package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"controlcenter/internal/private"
)

// lockName is a file of its own, not state.db: Restore and repair exchange state.db while the lock stays held.
const (
	lockName = "state.lock"
	pidName  = "state.pid"
)

// lockDir takes the data directory for this process, trying for at most wait, and notes our pid beside the lock for systems
// that cannot name a lock's holder. The lock ends with the process, however it ends.
func lockDir(ctx context.Context, dir string, wait time.Duration) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := private.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, dirError(dir, err)
	}
	deadline := time.Now().Add(wait)
	for {
		ok, err := tryLock(f)
		if ok {
			break
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !time.Now().Before(deadline) {
			_ = f.Close()
			return nil, lockedBy(dir, path)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(25 * time.Millisecond):
		}
	}
	// The note only helps error messages, so a full disk must not stop us here.
	note := strconv.Itoa(os.Getpid()) + "\n" + shorten(strings.Join(os.Args, " ")) + "\n"
	if p, err := private.Open(filepath.Join(dir, pidName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC); err == nil {
		_, _ = p.WriteString(note)
		_ = p.Close()
	}
	return f, nil
}

func lockedBy(dir, path string) error {
	e := &LockedError{Dir: dir}
	if e.PID, e.Command = lockHolder(path); e.PID != 0 {
		return e
	}
	b, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil {
		return e
	}
	pid, command, _ := strings.Cut(string(b), "\n")
	if n, err := strconv.Atoi(strings.TrimSpace(pid)); err == nil {
		e.PID, e.Command = n, strings.TrimSpace(command)
	}
	return e
}

func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
