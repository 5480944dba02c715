package kb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// record writes a job that ended into the history, if it is worth it, with an event for what somebody should know.
func (b *Base) record(ctx context.Context, j *Job) {
	err := b.o.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if !j.worthKeeping() {
			return jobTable.Delete(tx, j.ID)
		}
		if err := putJob(tx, j); errors.Is(err, store.ErrInvalid) { // too long a list of odd names
			short := *j
			short.Errors = nil
			err = putJob(tx, &short)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if err := pruneJobs(tx); err != nil {
			return err
		}
		return event.Append(tx, scanEvent(j))
	})
	if err != nil {
		b.log.Error("a scan was not recorded", "job", j.ID, "err", err)
	}
}

func scanEvent(j *Job) event.Row {
	row := event.Row{
		Type: "knowledge.scan_" + j.Status, Level: event.Success, Subject: j.ID, Actor: cmp.Or(j.Actor, "system"), Why: j.Error,
		Title: fmt.Sprintf("Knowledge scan %s: %d indexed, %d deleted, %d rejected", j.Status, j.Indexed, j.Deleted, j.Rejected),
		Data:  map[string]string{"trigger": j.Trigger, "kind": j.Kind},
	}
	switch j.Status {
	case JobFailed:
		row.Level = event.Error
	case JobCancelled:
		row.Level = event.Info
	}
	return row
}

func heldEvent(root string, h *Held) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		return event.Append(tx, event.Row{
			Type: "knowledge.deletion_held", Level: event.Warning, Subject: root, Actor: "system", Why: h.Why,
			Title: fmt.Sprintf("%d of %d knowledge files vanished; nothing is deleted until it is confirmed", h.Count, h.Of),
		})
	}
}

// resume queues the jobs that were cut off, once each.
func (b *Base) resume(ctx context.Context) error {
	var open []Job
	err := b.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := jobTable.Last(tx, "", "", jobsKept)
		for _, r := range rows {
			if r.Value.Status == JobRunning || r.Value.Status == JobQueued {
				open = append(open, r.Value)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the jobs of the knowledge base: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := map[string]bool{}
	for _, q := range b.queue {
		waiting[q.snapshot().ID] = true
	}
	for _, job := range slices.Backward(open) {
		if waiting[job.ID] {
			continue
		}
		if job.Status == JobRunning {
			job.Resumed++
			job.Seen, job.Unchanged, job.ToDo, job.Parsed, job.Rejected = 0, 0, 0, 0, 0
			job.Errors, job.ErrorsTotal, job.Reasons = []FileError{}, 0, nil
		}
		job.Status = JobQueued
		b.queue = append(b.queue, &running{job: job, progress: func(j Job) { b.publish(ScanProgress{j}) }})
	}
	return nil
}

// Cancel ends a scan that is queued or runs. What was indexed stays. Errors: [ErrNotFound] when no such job is.
func (b *Base) Cancel(ctx context.Context, id string) error {
	b.mu.Lock()
	if b.current != nil && b.current.snapshot().ID == id && b.current.cancel != nil {
		b.current.cancel(errCancelled)
		b.mu.Unlock()
		return nil
	}
	i := slices.IndexFunc(b.queue, func(q *running) bool { return q.snapshot().ID == id })
	if i < 0 {
		b.mu.Unlock()
		return fmt.Errorf("no scan %q is queued or running: %w", id, ErrNotFound)
	}
	j := b.queue[i]
	b.queue = slices.Delete(b.queue, i, i+1)
	b.mu.Unlock()
	now, code := time.Now().UTC(), 1
	j.update(func(c *Job) {
		c.Status, c.Error, c.Finished, c.ExitCode = JobCancelled, errCancelled.Error(), &now, &code
	})
	done := j.snapshot()
	b.record(ctx, &done)
	b.publish(ScanProgress{done})
	return nil
}

// Jobs returns the newest scans first, those of old logs among them, at most limit, and how many there are.
func (b *Base) Jobs(ctx context.Context, limit int) ([]Job, int, error) {
	byID := map[string]Job{}
	err := b.o.Store.View(ctx, func(tx *store.Tx) error {
		rows, err := jobTable.Last(tx, "", "", jobsKept)
		for _, r := range rows {
			byID[r.Key] = r.Value
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the jobs of the knowledge base: %w", err)
	}
	for _, j := range b.readOldLogs(ctx) {
		byID[j.ID] = j
	}
	b.mu.Lock()
	live := append([]*running{b.current}, b.queue...)
	b.mu.Unlock()
	for _, j := range live {
		if j != nil && j.hint == nil {
			c := j.snapshot()
			byID[c.ID] = c
		}
	}
	jobs := slices.SortedFunc(maps.Values(byID), func(a, b Job) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	for i := range jobs {
		jobs[i].presentable()
	}
	return jobs[:min(len(jobs), max(0, limit))], len(jobs), nil
}

func (j *Job) presentable() {
	if j.Errors == nil {
		j.Errors = []FileError{}
	}
	if j.Log == nil {
		j.Log = []string{}
	}
}

// Job returns one scan. Errors: [ErrNotFound].
func (b *Base) Job(ctx context.Context, id string) (Job, error) {
	b.mu.Lock()
	live := append([]*running{b.current}, b.queue...)
	b.mu.Unlock()
	for _, j := range live {
		if j == nil || j.hint != nil {
			continue
		}
		if c := j.snapshot(); c.ID == id {
			return c, nil
		}
	}
	var job Job
	err := b.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		job, err = jobTable.Get(tx, id)
		return err
	})
	if err == nil {
		job.presentable()
		return job, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Job{}, fmt.Errorf("read scan %q: %w", id, err)
	}
	for _, j := range b.readOldLogs(ctx) {
		if j.ID == id {
			return j, nil
		}
	}
	return Job{}, fmt.Errorf("scan %q: %w", id, ErrNotFound)
}
