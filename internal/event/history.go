package event

import (
	"fmt"
	"strings"
	"time"

	"controlcenter/internal/store"
)

// Row is one line of the event history: who did or noticed what, to what, when and why.
type Row struct {
	Seq     uint64            `json:"id"` // rising, never used twice
	At      time.Time         `json:"timestamp"`
	Type    string            `json:"type"`              // "service.started", "job.skipped"
	Level   string            `json:"level"`             // info, success, warning, error
	Subject string            `json:"subject,omitempty"` // id of the service, job, scan ...
	Actor   string            `json:"actor"`             // who: "system", "owner", a user's or key's name
	Title   string            `json:"title"`
	Why     string            `json:"why,omitempty"`
	Data    map[string]string `json:"data,omitempty"` // exit code, run id ...; never a secret
}

// Levels of a [Row].
const (
	Info    = "info"
	Success = "success"
	Warning = "warning"
	Error   = "error"
)

var history = store.NewTable[Row]("events")

func key(seq uint64) string { return fmt.Sprintf("%016x", seq) }

// Append writes rows in the transaction of the change they tell of, and numbers them. At is set where it is zero.
func Append(tx *store.Tx, rows ...Row) error {
	for i := range rows {
		seq, err := history.NextID(tx)
		if err != nil {
			return err
		}
		rows[i].Seq = seq
		if rows[i].At.IsZero() {
			rows[i].At = time.Now().UTC()
		}
		if err := history.Put(tx, key(seq), rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// Query chooses rows of the history. Empty fields choose everything.
type Query struct {
	Before  uint64    // only rows older than this number (the cursor of the page before)
	After   uint64    // only rows newer than this number
	Subject string    // only of this subject
	Type    string    // only this type, or all below it: "service" chooses "service.started"
	Level   string    // only this level
	Since   time.Time // only rows of this time or later
	Until   time.Time // only rows before this time
	Limit   int       // rows returned; 0 = 100
}

// scanLimit bounds the rows one List looks at, so that a filter that matches nothing costs milliseconds, not the whole history.
const scanLimit = 20_000

// List returns rows, newest first, and the cursor for the next page: give it as Before; 0 = there is nothing older.
func List(tx *store.Tx, q Query) ([]Row, uint64, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	before, out := "", []Row{}
	if q.Before > 0 {
		before = key(q.Before)
	}
	for seen := 0; seen < scanLimit; {
		const chunk = 500
		rows, err := history.Last(tx, "", before, chunk)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range rows {
			if r.Value.Seq <= q.After || r.Value.At.Before(q.Since) {
				return out, 0, nil
			}
			before = r.Key
			if q.matches(&r.Value) {
				out = append(out, r.Value)
				if len(out) == q.Limit {
					return out, r.Value.Seq, nil
				}
			}
		}
		seen += len(rows)
		if len(rows) < chunk {
			return out, 0, nil
		}
	}
	var cursor uint64
	_, err := fmt.Sscanf(before, "%x", &cursor)
	return out, cursor, err
}

func (q *Query) matches(r *Row) bool {
	return (q.Subject == "" || r.Subject == q.Subject) && (q.Level == "" || r.Level == q.Level) &&
		(q.Until.IsZero() || r.At.Before(q.Until)) &&
		(q.Type == "" || r.Type == q.Type || strings.HasPrefix(r.Type, q.Type+"."))
}

// Prune deletes the oldest rows until keep are left, at most 1,000 at a time so that no transaction grows long.
func Prune(tx *store.Tx, keep int) (int, error) {
	newest, err := history.Last(tx, "", "", 1)
	if err != nil || len(newest) == 0 || newest[0].Value.Seq <= uint64(keep) {
		return 0, err
	}
	end := newest[0].Value.Seq - uint64(keep)
	rows, err := history.List(tx, "", "", 1000)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rows {
		if r.Key > key(end) {
			break
		}
		if err := history.Delete(tx, r.Key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
