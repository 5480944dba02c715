package event

import "controlcenter/internal/store"

// Next returns at most limit rows newer than the number after, oldest first: how a reader that keeps its place goes on.
func Next(tx *store.Tx, after uint64, limit int) ([]Row, error) {
	from := ""
	if after > 0 {
		from = key(after)
	}
	rows, err := history.List(tx, "", from, limit)
	out := make([]Row, len(rows))
	for i := range rows {
		out[i] = rows[i].Value
	}
	return out, err
}

// Bounds returns the numbers of the oldest and the newest row that are kept; both 0 when there is none.
func Bounds(tx *store.Tx) (oldest, newest uint64, err error) {
	first, err := history.List(tx, "", "", 1)
	if err != nil || len(first) == 0 {
		return 0, 0, err
	}
	last, err := history.Last(tx, "", "", 1)
	if err != nil || len(last) == 0 {
		return 0, 0, err
	}
	return first[0].Value.Seq, last[0].Value.Seq, nil
}

// HistoryTable is the name of the table of rows, for [store.Store.Watch].
func HistoryTable() string { return history.Name() }
