package audit

import (
	"fmt"
	"strings"
	"time"

	"controlcenter/internal/store"
)

// Results of a [Row].
const (
	Changed = "changed" // written in the transaction of the change; a row with Failed and the same request follows if the call failed after all
	OK      = "ok"      // succeeded, and changed nothing in the store
	Failed  = "failed"  // the call was allowed and did not succeed
	Denied  = "denied"  // the call was refused: who called, or from where, or too often
)

// Row is one line of the audit log. It holds no body, no query and no credential.
type Row struct {
	ID      uint64    `json:"id"` // rising, never used twice
	At      time.Time `json:"time"`
	Who     string    `json:"who"`            // name of the caller; "anonymous" for nobody
	Subject string    `json:"subject"`        // its stable identity: "owner", "user:3", "key:…"; "" for nobody
	Role    string    `json:"role"`           // that it had
	Method  string    `json:"method"`         // how it was proved
	From    string    `json:"from"`           // address of the caller, "unix" for the socket
	Action  string    `json:"action"`         // method and route: "POST /api/services/{name}/start"
	Target  string    `json:"target"`         // what the route's parameters named: "web"
	Result  string    `json:"result"`         // changed, ok, failed or denied
	Status  int       `json:"status"`         // of the answer; 0 in a row with changed
	Request string    `json:"request_id"`     //
	Detail  string    `json:"detail"`         // why it was refused or failed
	Count   int       `json:"count,omitzero"` // refusals that this row sums up; 0 = one
	Until   time.Time `json:"until,omitzero"` // time of the last of them
	N       uint64    `json:"n"`              // of its table, for pruning
}

var (
	changes  = store.NewTable[Row]("audit")
	refusals = store.NewTable[Row]("audit_denied")
	numbers  = store.NewTable[Row]("audit_numbers") // holds nothing; counts the rows of both, so that they have one order
)

func key(id uint64) string { return fmt.Sprintf("%016x", id) }

// Append adds rows in a transaction and numbers them.
func Append(tx *store.Tx, rows ...Row) error {
	for i := range rows {
		id, err := numbers.NextID(tx)
		if err != nil {
			return err
		}
		r := &rows[i]
		r.ID = id
		if r.At.IsZero() {
			r.At = time.Now().UTC()
		}
		t := changes
		if r.Result == Denied {
			t = refusals
		}
		if r.N, err = t.NextID(tx); err != nil {
			return err
		}
		if err := t.Put(tx, key(id), *r); err != nil {
			return err
		}
	}
	return nil
}

// Query chooses rows; empty fields choose everything.
type Query struct {
	Before uint64 // only rows older than this number: the cursor of the page before
	After  uint64 // only rows newer than this number
	Who    string // only of this name or subject
	Action string // only with this text in the action, in any letter case
	Target string // only of this target
	Result string // only this result
	From   string // only from this address
	Since  time.Time
	Until  time.Time
	Limit  int // 0 = 100
}

// scanLimit bounds the rows one List looks at.
const scanLimit = 50_000

// List returns rows, newest first, and the cursor of the next page, 0 when there is none.
func List(tx *store.Tx, q Query) ([]Row, uint64, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	a, b := &side{table: changes, tx: tx, done: q.Result == Denied}, &side{table: refusals, tx: tx, done: q.Result != "" && q.Result != Denied}
	if q.Before > 0 {
		a.before, b.before = key(q.Before), key(q.Before)
	}
	out := []Row{}
	for range scanLimit {
		x, err := a.peek()
		if err != nil {
			return nil, 0, err
		}
		y, err := b.peek()
		if err != nil {
			return nil, 0, err
		}
		switch {
		case x == nil && y == nil:
			return out, 0, nil
		case x == nil || y != nil && y.ID > x.ID:
			x = y
			b.rows = b.rows[1:]
		default:
			a.rows = a.rows[1:]
		}
		if x.ID <= q.After || x.At.Before(q.Since) && x.Until.Before(q.Since) {
			return out, 0, nil
		}
		if q.matches(x) {
			if out = append(out, *x); len(out) == q.Limit {
				return out, x.ID, nil
			}
		}
		q.Before = x.ID
	}
	return out, q.Before, nil
}

// side is one of the two tables, read backwards in pieces.
type side struct {
	table  store.Table[Row]
	tx     *store.Tx
	before string
	rows   []store.Row[Row]
	done   bool
}

func (s *side) peek() (*Row, error) {
	if len(s.rows) == 0 && !s.done {
		const chunk = 200
		rows, err := s.table.Last(s.tx, "", s.before, chunk)
		if err != nil {
			return nil, err
		}
		s.rows, s.done = rows, len(rows) < chunk
		if len(rows) > 0 {
			s.before = rows[len(rows)-1].Key
		}
	}
	if len(s.rows) == 0 {
		return nil, nil //nolint:nilnil // no row is no error
	}
	return &s.rows[0].Value, nil
}

func (q *Query) matches(r *Row) bool {
	return (q.Until.IsZero() || r.At.Before(q.Until)) && (q.Who == "" || r.Who == q.Who || r.Subject == q.Who) && (q.Target == "" || r.Target == q.Target) &&
		(q.Result == "" || r.Result == q.Result) && (q.From == "" || r.From == q.From) &&
		(q.Action == "" || strings.Contains(strings.ToLower(r.Action), strings.ToLower(q.Action)))
}

// prune deletes the oldest rows of a table until keep are left and none is older than before, at most 1,000 at a time.
func prune(tx *store.Tx, t store.Table[Row], keep int, before time.Time) (int, error) {
	newest, err := t.Last(tx, "", "", 1)
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	oldest, err := t.List(tx, "", "", 1000)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range oldest {
		if newest[0].Value.N-r.Value.N < uint64(keep) && !r.Value.At.Before(before) {
			break
		}
		if err := t.Delete(tx, r.Key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
