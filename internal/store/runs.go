package store

import (
	"context"
	"fmt"
	"os"
	"time"
)

// runsKept is how many runs the history holds; a restart every ten minutes fills a week.
const runsKept = 1000

var runTable = NewTable[Run]("runs")

// RunID numbers the runs of an instance from 1.
type RunID uint64

func (id RunID) key() string { return fmt.Sprintf("%012d", uint64(id)) }

// Run is one life of the daemon.
type Run struct {
	ID        RunID      `json:"id"`
	Version   string     `json:"version"` // program version
	PID       int        `json:"pid"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"` // absent while it runs, and when nobody could note its end
	Clean     bool       `json:"clean"`              // it ended by itself, in order
	Reason    string     `json:"reason,omitempty"`   // why it ended
}

// reasonLost is the reason of a run whose end nobody noted: killed, crashed, or the machine lost power.
const reasonLost = "no end recorded: killed, crashed or power lost"

// BeginRun notes the start of this process. The run before it, if it has no end, is marked as ended uncleanly and counted.
func (s *Store) BeginRun(ctx context.Context, version string) (RunID, error) {
	run := &Run{Version: version, PID: os.Getpid(), StartedAt: time.Now().UTC()}
	var starts, unclean float64
	err := s.Update(ctx, func(tx *Tx) error {
		starts, unclean = 0, 0
		for key, v := range map[string]*float64{keyStarts: &starts, keyUnclean: &unclean} {
			if err := getMeta(tx, key, v); err != nil {
				return err
			}
		}
		last, err := runTable.Last(tx, "", "", 1)
		if err != nil {
			return err
		}
		if len(last) == 1 && last[0].Value.EndedAt == nil && last[0].Value.Reason == "" {
			last[0].Value.Reason = reasonLost
			unclean++
			if err := runTable.Put(tx, last[0].Key, last[0].Value); err != nil {
				return err
			}
		}
		id, err := runTable.NextID(tx)
		if err != nil {
			return err
		}
		run.ID = RunID(id)
		starts++
		if err := putMeta(tx, keyStarts, starts); err != nil {
			return err
		}
		if err := putMeta(tx, keyUnclean, unclean); err != nil {
			return err
		}
		if err := trimRuns(tx, run.ID); err != nil {
			return err
		}
		return runTable.Put(tx, run.ID.key(), *run)
	})
	if err != nil {
		return 0, fmt.Errorf("note the start: %w", err)
	}
	s.m.setRuns(starts, unclean)
	s.mu.Lock()
	s.run = run
	s.mu.Unlock()
	return run.ID, nil
}

// trimRuns removes runs so that with the newest one at most runsKept remain.
func trimRuns(tx *Tx, newest RunID) error {
	if newest <= runsKept {
		return nil
	}
	oldest := (newest - runsKept + 1).key()
	for {
		rows, err := runTable.List(tx, "", "", 100)
		if err != nil {
			return err
		}
		removed := 0
		for _, row := range rows {
			if row.Key < oldest {
				if err := runTable.Delete(tx, row.Key); err != nil {
					return err
				}
				removed++
			}
		}
		if removed < 100 {
			return nil
		}
	}
}

// EndRun notes that this process ends in order, and why. Without BeginRun it does nothing.
func (s *Store) EndRun(ctx context.Context, reason string) error {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run == nil {
		return nil
	}
	ended := *run
	now := time.Now().UTC()
	ended.EndedAt, ended.Clean, ended.Reason = &now, true, reason
	if err := s.Update(ctx, func(tx *Tx) error { return runTable.Put(tx, ended.ID.key(), ended) }); err != nil {
		return fmt.Errorf("note the end: %w", err)
	}
	s.mu.Lock()
	s.run = nil
	s.mu.Unlock()
	return nil
}

// LastRuns returns the newest n runs (0 = all kept), newest first; the first is the current one after BeginRun.
func (s *Store) LastRuns(ctx context.Context, n int) ([]Run, error) {
	runs := []Run{}
	err := s.View(ctx, func(tx *Tx) error {
		rows, err := runTable.Last(tx, "", "", n)
		for _, row := range rows {
			runs = append(runs, row.Value)
		}
		return err
	})
	return runs, err
}

// adoptRun gives the current run a place in a state that was just restored, under a number that is free there, and keeps the
// counters from falling. It returns the run as it stands there.
func adoptRun(tx *Tx, run Run, starts, unclean float64) (Run, error) {
	for key, old := range map[string]float64{keyStarts: starts, keyUnclean: unclean} {
		var v float64
		if err := getMeta(tx, key, &v); err != nil {
			return run, err
		}
		if err := putMeta(tx, key, max(v, old)); err != nil {
			return run, err
		}
	}
	last, err := runTable.Last(tx, "", "", 1)
	if err != nil {
		return run, err
	}
	if len(last) == 1 {
		r := last[0].Value
		if r.PID == run.PID && r.StartedAt.Equal(run.StartedAt) {
			return r, nil
		}
		if r.EndedAt == nil && r.Reason == "" {
			r.Reason = "running when the backup was made that was restored later"
			if err := runTable.Put(tx, last[0].Key, r); err != nil {
				return run, err
			}
		}
	}
	id, err := runTable.NextID(tx)
	if err != nil {
		return run, err
	}
	run.ID = RunID(id)
	return run, runTable.Put(tx, run.ID.key(), run)
}
