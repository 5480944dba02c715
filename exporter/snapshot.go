package exporter

import (
	"errors"
	"time"
)

// Reading is the last result of one part. Value stays the last good one when a read fails.
type Reading struct {
	Name        string
	Value       any           // *T of the part, nil before the first success
	At          time.Time     // when Value was read; zero before the first success
	Every       time.Duration // the interval in force; a value older than three of them is not shown
	Took        time.Duration // wall time of the last attempt
	CPUSeconds  float64       // CPU time of all attempts so far, user + system; NaN where the platform cannot tell
	Attempted   time.Time     // when the last attempt ended or was abandoned; zero before the first
	Attempts    uint64        // attempts so far
	Timeouts    uint64        // attempts abandoned at their deadline
	Err         error         // of the last attempt, nil after a success
	LastSuccess time.Time     // when an attempt last succeeded in full
}

// Fresh says whether the value may still be shown at time now.
func (r *Reading) Fresh(now time.Time) bool {
	return r.Value != nil && now.Sub(r.At) <= 3*r.Every
}

// Absent says that the last attempt found nothing to read on this machine.
func (r *Reading) Absent() bool { return errors.Is(r.Err, ErrNoData) }

// Snapshot is one immutable state of the machine. It is safe for any number of readers; nothing in it may be changed.
type Snapshot struct {
	Seq      uint64    // grows with each published snapshot
	At       time.Time // when it was published
	Settings Settings  // in force when it was published
	Readings []Reading // one per part, in table order
}

// Reading returns the named part's reading, or nil when there is no such part.
func (s *Snapshot) Reading(name string) *Reading {
	for i := range s.Readings {
		if s.Readings[i].Name == name {
			return &s.Readings[i]
		}
	}
	return nil
}

// Get returns the reading of type T, or nil when no part reads a T, none was read yet, or it is too old to be shown.
func Get[T any](s *Snapshot) *T {
	now := time.Now()
	for i := range s.Readings {
		if v, ok := s.Readings[i].Value.(*T); ok && s.Readings[i].Fresh(now) {
			return v
		}
	}
	return nil
}
