//go:build unix

package keeper

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// spare holds descriptors that are given up when there are no others: stopping and killing must work when starting does not.
type spare struct {
	mu    sync.Mutex
	files []*os.File
}

const (
	// spareFDs is what looking through processes and signalling one take at the same time, and a few more, because others may
	// be faster.
	spareFDs = 6
	// roomFDs must be free for a start: what it needs, what comes with the next daemon, and some for ends.
	roomFDs = 48
)

func (s *spare) fill() {
	for len(s.files) < spareFDs {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		s.files = append(s.files, f)
	}
}

// lend carries out what needs descriptors, once more with the spare ones if there are no others.
func (s *spare) lend(do func() error) error {
	err := do()
	if !noneLeft(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAll(s.files)
	s.files = nil
	defer s.fill()
	return do()
}

func noneLeft(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// room refuses a start that would take the descriptors which ends and the next daemon need.
func (k *keeper) room() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	next := f.Fd() // the lowest free number
	_ = f.Close()
	if uint64(next)+roomFDs > limit.Cur { //nolint:unconvert // its type differs between systems
		return fmt.Errorf("the keeper has %d of at most %d files open: %w", next, limit.Cur, unix.EMFILE)
	}
	return nil
}
