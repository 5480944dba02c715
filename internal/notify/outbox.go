package notify

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"controlcenter/internal/store"
)

// States of a [Delivery].
const (
	Waiting   = "pending"
	Delivered = "delivered"
	Failed    = "failed"  // given up
	Dropped   = "dropped" // never tried to the end: its channel is gone, or too many waited
)

// Delivery is one message to one channel.
type Delivery struct {
	ID        uint64     `json:"id"`
	Time      time.Time  `json:"time"` // when its first item came
	Channel   string     `json:"channel"`
	State     string     `json:"state"`
	Attempts  int        `json:"attempts"`
	LastError string     `json:"last_error,omitempty"`
	NotBefore time.Time  `json:"not_before"`        // of a pending one: the next attempt
	Ended     *time.Time `json:"ended_at"`          // null while pending
	Held      bool       `json:"held,omitempty"`    // through quiet hours
	Sending   bool       `json:"sending,omitempty"` // an attempt is under way, or the process ended in the middle of one
	Items     []Item     `json:"items"`
}

const (
	maxItems   = 100 // of one message
	maxWaiting = 500 // messages of one channel
	keptDone   = 1000
	maxError   = 300 // bytes of last_error
)

var (
	waiting    = store.NewTable[Delivery]("notify_pending") // by number: what is still to be delivered
	done       = store.NewTable[Delivery]("notify_done")    // by number: the rest
	alertTable = store.NewTable[Alert]("notify_alerts")     // by rule and subject
	muteTable  = store.NewTable[Mute]("notify_mutes")       // by id
	stateTable = store.NewTable[uint64]("notify_state")     // cursorKey
)

// cursorKey is the number of the last event that rules have looked at.
const cursorKey = "cursor"

func rowKey(id uint64) string { return fmt.Sprintf("%016x", id) }

// open says whether items may still join the message.
func (d *Delivery) open(held bool) bool {
	return d.State == Waiting && d.Attempts == 0 && !d.Sending && d.Held == held && len(d.Items) < maxItems
}

// route puts items into messages: it returns those that are new (ID 0) or changed. rows are all that wait, oldest first.
func (s *Settings) route(now time.Time, items []Item, rows []Delivery) (changed []*Delivery) {
	for i := range s.Channels {
		c := &s.Channels[i]
		var current [2]*Delivery // told soon, held
		for _, held := range []bool{false, true} {
			for k := range slices.Backward(rows) {
				if rows[k].Channel == c.Name && rows[k].open(held) {
					current[slot(held)] = &rows[k]
					break
				}
			}
		}
		var mine []*Delivery
		for _, it := range items {
			if !c.takes(&it) {
				continue
			}
			due := now.Add(s.GroupWait)
			if it.more {
				due = now.Add(max(s.GroupInterval, s.GroupWait))
			}
			end, held := s.Quiet.until(now)
			if held = held && it.Severity != Critical; held {
				due = end
			}
			d := current[slot(held)]
			if d == nil || !d.open(held) {
				d = &Delivery{Time: now, Channel: c.Name, State: Waiting, NotBefore: due, Held: held}
				current[slot(held)] = d
			}
			if due.Before(d.NotBefore) {
				d.NotBefore = due
			}
			d.Items = append(slices.Clone(d.Items), it)
			if len(d.Items) == maxItems && !held {
				d.NotBefore = now
			}
			if !slices.Contains(mine, d) {
				mine = append(mine, d)
			}
		}
		changed = append(changed, mine...)
	}
	return changed
}

func slot(held bool) int {
	if held {
		return 1
	}
	return 0
}

// enqueue writes items into the outbox, in the transaction of what they came of. It returns the channels that have something
// new and how many messages of each were dropped because too many wait.
func (s *Settings) enqueue(tx *store.Tx, now time.Time, items []Item) (dropped map[string]int, err error) {
	if len(items) == 0 || len(s.Channels) == 0 {
		return nil, nil
	}
	rows, err := waitingRows(tx)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for i := range rows {
		count[rows[i].Channel]++
	}
	for _, d := range s.route(now, items, rows) {
		if d.ID == 0 {
			if d.ID, err = waiting.NextID(tx); err != nil {
				return nil, err
			}
			count[d.Channel]++
		}
		if err := waiting.Put(tx, rowKey(d.ID), *d); err != nil {
			return nil, err
		}
	}
	dropped = map[string]int{}
	for i := range rows {
		d := rows[i]
		if count[d.Channel] <= maxWaiting || d.Sending {
			continue
		}
		count[d.Channel]--
		dropped[d.Channel]++
		d.LastError = cmp.Or(d.LastError, strconv.Itoa(maxWaiting)+" messages wait for this channel")
		if err := finish(tx, &d, Dropped, now); err != nil {
			return nil, err
		}
	}
	return dropped, nil
}

func waitingRows(tx *store.Tx) ([]Delivery, error) {
	list, err := waiting.List(tx, "", "", 0)
	rows := make([]Delivery, len(list))
	for i := range list {
		rows[i] = list[i].Value
	}
	return rows, err
}

// finish moves a message out of the outbox.
func finish(tx *store.Tx, d *Delivery, state string, now time.Time) error {
	d.State, d.Sending, d.Ended = state, false, &now
	if err := waiting.Delete(tx, rowKey(d.ID)); err != nil {
		return err
	}
	if err := done.Put(tx, rowKey(d.ID), *d); err != nil {
		return err
	}
	if d.ID%50 != 0 { // looked at now and then
		return nil
	}
	old, err := done.Last(tx, "", "", 0)
	if err != nil {
		return err
	}
	for _, row := range old[min(len(old), keptDone):] {
		if err := done.Delete(tx, row.Key); err != nil {
			return err
		}
	}
	return nil
}

// retryAfter is the wait after an attempt that failed: exponential, with jitter, so that many machines do not come back at once.
func (s *Settings) retryAfter(attempts int) time.Duration {
	least, most := cmp.Or(s.RetryMin, 5*time.Second), cmp.Or(s.RetryMax, 15*time.Minute)
	wait := least << min(attempts-1, 20)
	if wait <= 0 || wait > most {
		wait = most
	}
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64())) // #nosec G404 -- jitter, not a secret
}

// Severity is the highest of the items.
func (d *Delivery) Severity() Severity {
	s := Info
	for i := range d.Items {
		if d.Items[i].Severity.atLeast(s) {
			s = d.Items[i].Severity
		}
	}
	return s
}
