package kb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"controlcenter/internal/store"
)

// States of a [Job].
const (
	JobQueued    = "queued"
	JobRunning   = "running"
	JobCompleted = "completed"
	JobFailed    = "failed"
	JobCancelled = "cancelled"
	JobUnknown   = "unknown" // of an old log that does not say
)

// Kinds of a scan.
const (
	ScanFull        = "full"        // every file is read again
	ScanIncremental = "incremental" // files that changed
	ScanCreator     = "creator"     // files of one creator that changed
	ScanTier        = "tier"        // files of the creators of one tier that changed
)

// Job is one scan: of this program, or read from a log that the old tool left. A value is a copy.
type Job struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Trigger  string     `json:"trigger"` // manual, start, rescan, schedule, or what the caller said; "log" for an old one
	Actor    string     `json:"actor,omitempty"`
	Status   string     `json:"status"` // queued, running, completed, failed, cancelled, unknown
	Root     string     `json:"root,omitempty"`
	Creator  string     `json:"creator,omitempty"`
	Tier     string     `json:"priority,omitempty"`
	Force    bool       `json:"force,omitempty"`
	Confirm  bool       `json:"confirm,omitempty"` // deletions that were held are made
	After    string     `json:"after_run,omitempty" doc:"Run of the outside scan command that this scan followed"`
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
	ExitCode *int       `json:"exit_code"` // 0 or 1 once it ended; null before
	Error    string     `json:"error,omitempty"`
	Resumed  int        `json:"resumed,omitempty"` // times it went on after the process had died
	LogFile  string     `json:"log_file,omitempty"`
	Size     int64      `json:"size"` // bytes of the log

	Progress
	Videos      int            `json:"videos_processed"` // documents about a video that were indexed
	Insights    int            `json:"insights_extracted"`
	Errors      []FileError    `json:"errors"` // the first maxJobErrors
	ErrorsTotal int            `json:"errors_total"`
	Reasons     map[Reason]int `json:"rejected_by_reason,omitempty"` // of the files that became no document
	Held        *Held          `json:"held,omitempty"`
	Log         []string       `json:"log"`
}

// Progress says how far a scan is.
type Progress struct {
	Seen       int      `json:"files_seen"`
	Unchanged  int      `json:"files_unchanged"`
	ToDo       int      `json:"files_todo"` // found to be new or changed; known once the folders were listed
	Parsed     int      `json:"files_parsed"`
	Indexed    int      `json:"files_indexed"`
	Renamed    int      `json:"files_renamed"`
	Deleted    int      `json:"files_deleted"`
	Rejected   int      `json:"files_rejected"`
	Bytes      int64    `json:"bytes"`            // read
	Rate       float64  `json:"files_per_second"` // parsed
	ETASeconds *float64 `json:"eta_seconds"`      // null while unknown
}

const (
	maxJobErrors = 300
	maxJobLog    = 100
	jobsKept     = 200
)

// ScanProgress is the event of a job that began, went on or ended; it carries the whole of it.
type ScanProgress struct{ Job Job }

// Topic is "knowledge.scan".
func (ScanProgress) Topic() string { return "knowledge.scan" }

// DocumentsChanged is the event of a batch that can be searched from now on.
type DocumentsChanged struct {
	Generation   uint64
	Put, Deleted int
}

// Topic is "knowledge.changed".
func (DocumentsChanged) Topic() string { return "knowledge.changed" }

// errCancelled is the cause of a scan that somebody ended.
var errCancelled = errors.New("cancelled")

// running is a job that is queued or under way, and what may change it.
type running struct {
	cancel   context.CancelCauseFunc // nil while queued
	progress func(Job)
	hint     []string // folders to look at; such a job is not kept

	mu       sync.Mutex
	job      Job
	readFrom time.Time // when the first file was read
	told     time.Time // when progress was last published
}

// newJobID is the time and some chance, so that ids sort by age and are never used twice.
func newJobID(at time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return at.UTC().Format("20060102T150405.000000") + "-" + hex.EncodeToString(b[:])
}

func (j *running) snapshot() Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.copyLocked()
}

func (j *running) copyLocked() Job {
	c := j.job
	c.Errors, c.Log, c.Reasons = slices.Clone(c.Errors), slices.Clone(c.Log), maps.Clone(c.Reasons)
	if j.readFrom.IsZero() || c.Parsed == 0 || c.Status != JobRunning {
		return c
	}
	if spent := time.Since(j.readFrom).Seconds(); spent > 0 {
		c.Rate = float64(c.Parsed) / spent
		eta := float64(max(0, c.ToDo-c.Parsed)) / c.Rate
		c.ETASeconds = &eta
	}
	return c
}

// update changes the job and publishes it, at most five times a second.
func (j *running) update(fn func(*Job)) {
	j.mu.Lock()
	fn(&j.job)
	now := time.Now()
	if now.Sub(j.told) < 200*time.Millisecond || j.progress == nil {
		j.mu.Unlock()
		return
	}
	j.told = now
	c := j.copyLocked()
	j.mu.Unlock()
	j.progress(c)
}

func (j *running) note(format string, args ...any) {
	line := time.Now().UTC().Format(time.RFC3339) + " " + clip(fmt.Sprintf(format, args...), 500)
	j.update(func(c *Job) {
		if len(c.Log) < maxJobLog {
			c.Log = append(c.Log, line)
		}
	})
}

func (j *running) fail(errs ...FileError) {
	j.update(func(c *Job) {
		for _, e := range errs {
			c.ErrorsTotal++
			e.Path, e.Detail = clip(e.Path, 500), clip(e.Detail, 300)
			if len(c.Errors) < maxJobErrors {
				c.Errors = append(c.Errors, e)
			}
		}
	})
}

// reject is fail for files that became no document.
func (j *running) reject(errs ...FileError) {
	j.fail(errs...)
	j.update(func(c *Job) {
		if c.Reasons == nil {
			c.Reasons = map[Reason]int{}
		}
		for _, e := range errs {
			c.Rejected++
			c.Reasons[e.Reason]++
		}
	})
}

// reading notes when files began to be read, from where rates are counted.
func (j *running) reading(todo int) {
	j.mu.Lock()
	if j.readFrom.IsZero() {
		j.readFrom = time.Now()
	}
	j.job.ToDo += todo
	j.mu.Unlock()
}

// batchDone counts a batch and returns the job as it is to be stored with it, nil for one that is not kept.
func (j *running) batchDone(t *batch) *Job {
	j.update(func(c *Job) {
		for _, p := range t.puts {
			if p.moved != nil {
				c.Renamed++
			}
			if p.doc == nil {
				continue
			}
			c.Indexed++
			if p.rec.VideoID != "" {
				c.Videos++
			}
			for _, e := range p.rec.Entries {
				c.Insights += len(e.Insights)
			}
		}
		c.Deleted += len(t.removed)
	})
	if j.hint != nil {
		return nil
	}
	c := j.snapshot()
	return &c
}

// worthKeeping says whether anybody would want to read of the job later: not of a rescan that found nothing.
func (c *Job) worthKeeping() bool {
	if c.Trigger == "rescan" || c.Trigger == "watch" || c.Trigger == "start" {
		return c.Indexed+c.Renamed+c.Deleted > 0 || c.Status == JobFailed || c.Held != nil
	}
	return true
}

func putJob(tx *store.Tx, j *Job) error {
	return jobTable.Put(tx, j.ID, *j)
}

// pruneJobs deletes the oldest jobs beyond jobsKept.
func pruneJobs(tx *store.Tx) error {
	rows, err := jobTable.List(tx, "", "", 0)
	if err != nil {
		return err
	}
	for i := range len(rows) - jobsKept {
		if err := jobTable.Delete(tx, rows[i].Key); err != nil {
			return err
		}
	}
	return nil
}
