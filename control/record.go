package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// record is what is stored of a service: its definition and what its life needs to go on after a restart of this process.
// Values it points to are never changed, only replaced: the writer reads them in another goroutine.
type record struct {
	Number    uint64    `json:"number"`
	Spec      *Spec     `json:"spec"`             // as given
	Origin    string    `json:"origin,omitempty"` // "file:line"; "" = API
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	Wanted     bool      `json:"wanted,omitempty"`
	State      State     `json:"state"`
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason,omitempty"`
	Gen        uint64    `json:"gen,omitempty"`
	Run        string    `json:"run,omitempty"`
	Trigger    string    `json:"trigger,omitempty"`
	PID        int       `json:"pid,omitempty"`
	StartTicks uint64    `json:"start_ticks,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	BootID     string    `json:"boot_id,omitempty"` // of the machine's boot in which it was launched
	Streak     streak    `json:"streak,omitzero"`
	Starts     uint64    `json:"starts,omitempty"`
	Restarts   uint64    `json:"restarts,omitempty"`
	Crashes    uint64    `json:"crashes,omitempty"`
	LastExit   *LastExit `json:"last_exit,omitempty"`

	// Of jobs.
	Anchor      time.Time         `json:"anchor,omitzero"`   // intervals count from here
	LastDue     time.Time         `json:"last_due,omitzero"` // runs due up to here are dealt with
	LastSuccess time.Time         `json:"last_success,omitzero"`
	Results     map[Result]uint64 `json:"results,omitempty"`
}

// Run is one run of a service or job, kept in the history.
type Run struct {
	ID        string     `json:"id"` // rises with time
	Service   string     `json:"service"`
	Gen       uint64     `json:"generation"`
	Trigger   string     `json:"trigger"` // command, boot, restart, schedule, catch-up, queue, retry, launcher
	Actor     string     `json:"actor"`
	PID       int        `json:"pid,omitempty"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"finished_at"`
	Seconds   float64    `json:"duration_seconds"`
	Result    Result     `json:"result"`
	Code      *int       `json:"exit_code"`
	Signal    string     `json:"signal,omitempty"`
	Reason    string     `json:"reason"`
	Usage     Usage      `json:"usage"`
	Lines     []string   `json:"lines,omitempty"` // of a run that ended badly: the last ones it wrote
}

var (
	services = store.NewTable[record]("services")
	runs     = store.NewTable[Run]("service_runs")       // key/run
	secrets  = store.NewTable[string]("service_secrets") // key/NAME; the file has mode 0600, and so have its backups
)

const (
	// runsKeptOfService is how many runs of a service are remembered; of a job its schedule says so.
	runsKeptOfService = 50
	// historyKept rows of all parts are kept; about 10 MB.
	historyKept = 50_000
)

// change is what one owner wants written in one transaction.
type change struct {
	key    string
	rec    *record
	rows   []event.Row
	runs   []Run
	keep   int       // runs kept; 0 = do not prune
	before time.Time // runs that ended before are removed
	acks   []string  // runs whose end is recorded by this change
	also   func(*store.Tx) error
	landed bool         // it is written; only the writer looks
	rider  *store.Rider // of the request that asked for it; nil = nobody did
}

func (c *change) empty() bool {
	return c.rec == nil && len(c.rows) == 0 && len(c.runs) == 0 && c.also == nil && len(c.acks) == 0
}

func (c *change) write(tx *store.Tx) error {
	if c.rec != nil {
		if err := services.Put(tx, c.key, *c.rec); err != nil {
			return err
		}
	}
	for _, r := range c.runs {
		if err := runs.Put(tx, c.key+"/"+r.ID, r); err != nil {
			return err
		}
	}
	if err := event.Append(tx, c.rows...); err != nil {
		return err
	}
	if c.keep > 0 {
		if err := c.prune(tx); err != nil {
			return err
		}
	}
	if c.also != nil {
		if err := c.also(tx); err != nil {
			return err
		}
	}
	return c.rider.With(tx)
}

func (c *change) prune(tx *store.Tx) error {
	all, err := runs.Last(tx, c.key+"/", "", 0)
	if err != nil {
		return err
	}
	for i, r := range all {
		if r.Value.EndedAt != nil && (i >= c.keep || r.Value.EndedAt.Before(c.before)) {
			if err := runs.Delete(tx, r.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// writer gathers the changes of all owners into common transactions: 200 services that crash at once cost a few fsyncs, not
// 200.
type writer struct {
	db    *store.Store
	queue chan *write
}

type write struct {
	c    *change
	done chan error // buffered
}

const batch = 256

// run writes until ctx ends, and what was queued by then.
func (w *writer) run(ctx context.Context) {
	lasting := context.WithoutCancel(ctx)
	written := 0
	for {
		var all []*write
		select {
		case first := <-w.queue:
			all = append(all, first)
		case <-ctx.Done():
			select {
			case first := <-w.queue:
				all = append(all, first)
			default:
				return
			}
		}
	gather:
		for len(all) < batch {
			select {
			case next := <-w.queue:
				all = append(all, next)
			default:
				break gather
			}
		}
		w.commit(lasting, all)
		if written += len(all); written >= 1000 {
			written = 0
			// What fails here fails again, and is then seen, with the next change.
			_ = w.db.Update(lasting, func(tx *store.Tx) error { _, err := event.Prune(tx, historyKept); return err })
		}
	}
}

func (w *writer) commit(ctx context.Context, all []*write) {
	err := w.db.Update(ctx, func(tx *store.Tx) error {
		for i, one := range all {
			// Once, where the disk answers after its owner has given up waiting and come again.
			if one.c.landed || slices.ContainsFunc(all[:i], func(w *write) bool { return w.c == one.c }) {
				continue
			}
			if err := one.c.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && len(all) > 1 && !errors.Is(err, store.ErrUnavailable) {
		// One of them cannot be written (say, a record too large): the others must not suffer.
		for _, one := range all {
			w.commit(ctx, []*write{one})
		}
		return
	}
	for _, one := range all {
		if err == nil && !one.c.landed {
			one.c.landed = true
			one.c.rider.Landed()
		}
		one.done <- err
	}
}

// writeTimeout bounds how long an owner waits for a disk that hangs.
const writeTimeout = 5 * time.Second

// save writes a change; when it returns nil, the change is on disk. After a timeout it may be yet to come.
func (w *writer) save(ctx context.Context, c *change) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTimeout, fmt.Errorf("%w: the disk has not answered in %s", store.ErrUnavailable, writeTimeout))
	defer cancel()
	if c.rider == nil { // an owner sets it itself: its context is not that of a caller
		c.rider = store.RiderOf(ctx)
	}
	one := &write{c, make(chan error, 1)}
	select {
	case w.queue <- one:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
