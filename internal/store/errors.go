package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"controlcenter/internal/private"
)

var (
	// ErrNotFound says that a table has no such key.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that a key or value can never be stored (empty or oversized).
	ErrInvalid = errors.New("invalid record")
	// ErrUnavailable is matched by every error of a disk that cannot be written or read now; the cause is wrapped in
	// [UnavailableError]. The same call may succeed later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrDamaged is matched when a stored record or page does not have the checksum or shape it was written with.
	ErrDamaged = errors.New("damaged record")
	// ErrLocked is matched by [LockedError].
	ErrLocked = errors.New("data directory in use by another process")
	// ErrInvalidBackup says that what was given to Restore is not a whole, readable state of this or an older version.
	ErrInvalidBackup = errors.New("invalid backup")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("store closed")
)

// UnavailableError is a write or read that the disk refused.
type UnavailableError struct {
	Op   string // what we were doing
	Err  error  // cause
	Full bool   // no space or quota left (HTTP 507), otherwise broken or read-only (503)
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *UnavailableError) Unwrap() error { return e.Err }

// Is makes every UnavailableError match [ErrUnavailable].
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

func unavailable(op string, err error) error {
	return &UnavailableError{Op: op, Err: err, Full: isFull(err)}
}

// isFull also looks at the text: bbolt formats some causes with %s, which drops the type.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) ||
		strings.Contains(err.Error(), syscall.ENOSPC.Error()) || strings.Contains(err.Error(), errQuota.Error())
}

// LockedError says who holds the data directory.
type LockedError struct {
	Dir     string
	PID     int    // 0 = unknown
	Command string // command line of that process, shortened; "" = unknown
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("pid %d", e.PID)
		if e.Command != "" {
			who += " (" + e.Command + ")"
		}
	}
	return fmt.Sprintf("data directory %s is in use by %s: stop it or choose another storage.path", e.Dir, who)
}

// Is makes every LockedError match [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// SchemaError says that the file was written by a newer version of this program.
type SchemaError struct {
	Path        string
	File, Known int // schema version of the file, newest one this program knows
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("%s has schema version %d, this program knows versions up to %d: run the newer program, or restore a backup made by this one",
		e.Path, e.File, e.Known)
}

// dirError explains why a data directory cannot be used, naming it once.
func dirError(dir string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path == dir {
		err = pe.Err
	}
	if errors.Is(err, private.ErrUnsafe) {
		return fmt.Errorf("data directory %s is not safe: %w", dir, err)
	}
	return fmt.Errorf("data directory %s cannot be written: %w", dir, err)
}
