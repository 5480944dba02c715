package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// Options is what a Manager works with. Store, Bus and Launcher are needed; a function that is nil is a thing not known here.
type Options struct {
	Store    *store.Store
	Bus      *event.Bus
	Launcher Launcher
	Log      *slog.Logger // nil = slog.Default
	BootID   string       // of the machine's boot: runs of another boot are not looked for
	Files    []Definition // what the configuration file defines

	Getenv       func(string) (string, bool) // nil = os.LookupEnv
	NotifySocket string                      // given to services as NOTIFY_SOCKET; "" = none. Its reader calls [Manager.Notify].

	// Tail returns the last n lines a run has written.
	Tail func(ctx context.Context, service, run string, n int) ([]string, error)
	// Lines returns the lines of a run behind a position, and the next position.
	Lines func(ctx context.Context, service, run string, after int64) ([]string, int64, error)
	// PortOwner says who listens on a port.
	PortOwner func(port uint16) (owner string, taken bool)
	// Resources says what a service's tree uses now.
	Resources func(service string) (Resources, bool)
	// LogCounts says what a service has logged.
	LogCounts func(service string) (LogCounts, bool)
}

// Definition is a definition of the configuration file with the place it stands at, "controlcenter.yaml:12".
type Definition struct {
	Spec   *Spec
	Origin string
}

// Resources is what the processes of a service use at one moment; NaN = not known.
type Resources struct {
	CPUSeconds    float64
	ResidentBytes float64
	OpenFDs       float64
	Processes     float64
}

// LogCounts counts what was logged, since the log was first written.
type LogCounts struct{ Bytes, Lines, Dropped float64 }

// Manager holds all services. See the package comment.
type Manager struct {
	o      Options
	writer *writer
	index  atomic.Pointer[index]
	edit   chan struct{}              // one token: who holds it may change the index
	work   chan func(context.Context) // for Run to run
	ready  chan struct{}              // closed when every service has been taken up
	ended  chan struct{}              // closed when Run returns
	wg     sync.WaitGroup

	restartSeconds prometheus.Histogram
}

// index is the set of services at one moment.
type index struct {
	byKey map[string]*service
	list  []*service // by id
}

func (x *index) graph() Graph {
	g := Graph{}
	for k, s := range x.byKey {
		g[k] = s.status().Spec.Needs()
	}
	return g
}

func newIndex(all map[string]*service) *index {
	x := &index{byKey: all}
	for _, s := range all {
		x.list = append(x.list, s)
	}
	slices.SortFunc(x.list, func(a, b *service) int { return cmp.Compare(a.key, b.key) })
	return x
}

// New reads what is stored, lays the definitions of the file over it, and returns a Manager whose Run has yet to be called.
// A wrong definition in the file is an [InvalidError]; one in the store, which an older version may have accepted, is logged
// and left alone.
func New(ctx context.Context, o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log = o.Log.With("component", "control")
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	m := &Manager{
		o: o, writer: &writer{o.Store, make(chan *write, batch)}, edit: make(chan struct{}, 1), work: make(chan func(context.Context)),
		ready: make(chan struct{}), ended: make(chan struct{}), restartSeconds: newRestartHistogram(),
	}
	files := map[string]Definition{}
	for _, d := range o.Files {
		if other, twice := files[Key(d.Spec.ID)]; twice {
			return nil, &InvalidError{Service: d.Spec.ID, Fields: []FieldError{{"name", fmt.Sprintf("%q is also defined at %s; case, - and _ make no difference", d.Spec.ID, other.Origin)}}}
		}
		files[Key(d.Spec.ID)] = d
	}
	all := map[string]*service{}
	err := o.Store.Update(ctx, func(tx *store.Tx) error {
		clear(all)
		return m.load(tx, files, all)
	})
	if err != nil {
		return nil, err
	}
	m.index.Store(newIndex(all))
	return m, nil
}

// load makes the services of the store and the file.
func (m *Manager) load(tx *store.Tx, files map[string]Definition, all map[string]*service) error {
	rows, err := services.List(tx, "", "", 0)
	if err != nil {
		return err
	}
	have := map[string]record{}
	for _, r := range rows {
		if _, still := files[r.Key]; r.Value.Origin != "" && !still {
			continue // removed from the file: taken care of when what lives is known, see dropLeft
		}
		have[r.Key] = r.Value
	}
	specs := map[string]*Spec{}
	for key, d := range files {
		rec, known := have[key]
		if !known {
			if rec, err = newRecord(tx, d.Spec, d.Origin); err != nil {
				return err
			}
		}
		if known && !sameJSON(rec.Spec, d.Spec) {
			rec.UpdatedAt = time.Now().UTC()
			if !sameJSON(rec.Spec.Schedule, d.Spec.Schedule) {
				rec.Anchor, rec.LastDue = rec.UpdatedAt, rec.UpdatedAt
			}
		}
		rec.Spec, rec.Origin = d.Spec, d.Origin
		if err := services.Put(tx, key, rec); err != nil {
			return err
		}
		have[key] = rec
	}
	for key, rec := range have {
		spec, err := rec.Spec.Effective()
		if err == nil {
			err = spec.Check()
		}
		if err != nil {
			if rec.Origin != "" {
				return fmt.Errorf("%s: service %q: %w", rec.Origin, rec.Spec.ID, err)
			}
			m.o.Log.Error("stored definition is not valid any more", "service", key, "err", err)
			continue
		}
		specs[key] = spec
		s, err := m.newService(tx, key, rec, spec)
		if err != nil {
			return err
		}
		all[key] = s
	}
	for key, wrong := range checkTogether(specs) {
		err := &InvalidError{Service: key, Fields: wrong}
		if have[key].Origin != "" {
			return fmt.Errorf("%s: service %q: %w", have[key].Origin, have[key].Spec.ID, err)
		}
		m.o.Log.Error("stored definition does not fit the others", "service", key, "err", err)
	}
	return nil
}

func newRecord(tx *store.Tx, spec *Spec, origin string) (record, error) {
	n, err := services.NextID(tx)
	now := time.Now().UTC()
	return record{
		Number: n, Spec: spec, Origin: origin, CreatedAt: now, UpdatedAt: now, Since: now, Anchor: now, LastDue: now,
		Wanted: spec.Autostart && spec.Type != TypeJob,
	}, err
}

// newService makes a service out of its record; its owner is not started yet.
func (m *Manager) newService(tx *store.Tx, key string, rec record, spec *Spec) (*service, error) {
	s := &service{m: m, key: key, inbox: make(chan any, 64), done: make(chan struct{}), spec: spec}
	s.rec, s.health = rec, HealthUnknown
	s.said.Store(&notice{})
	s.mach = machine{state: rec.State, gen: rec.Gen}
	if rec.Run != "" {
		row, err := runs.Get(tx, key+"/"+rec.Run)
		switch {
		case err == nil:
			s.cur = row
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged):
			now := rec.Since
			s.cur = Run{ID: rec.Run, Service: rec.Spec.ID, Gen: rec.Gen, StartedAt: rec.StartedAt, EndedAt: &now, Result: ResultUnknown}
			if !rec.State.Final() {
				s.cur.EndedAt = nil
			}
		default:
			return nil, err
		}
	}
	switch {
	case s.cur.ID != "" && s.cur.EndedAt == nil:
		s.mach = machine{state: Unknown, proc: maybe, gen: rec.Gen}
	case !rec.State.Final():
		s.mach.state = Stopped
	}
	st := s.describe()
	s.pub.Store(&published{st, make(chan struct{})})
	return s, nil
}

var errNotRunning = errors.New("control has ended")

// Run owns every goroutine of the package. It takes up what lives, starts what is wanted, and then serves until ctx ends;
// it returns nil after all have ended. Services go on.
func (m *Manager) Run(ctx context.Context) error {
	defer close(m.ended)
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var writers sync.WaitGroup
	writers.Go(func() { m.writer.run(writing) })
	defer writers.Wait()
	defer stopWriting()
	defer m.wg.Wait()

	for _, s := range m.index.Load().list {
		m.wg.Go(func() { s.run(ctx) })
	}
	wanted := m.takeUp(ctx)
	if ctx.Err() != nil {
		return nil
	}
	close(m.ready)
	for _, s := range wanted {
		m.wg.Go(func() { m.boot(ctx, s) })
	}
	exits := m.o.Launcher.Exits()
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-m.work:
			m.wg.Go(func() { f(ctx) })
		case e, ok := <-exits:
			if !ok {
				exits = nil
				continue
			}
			m.exit(ctx, &e)
		}
	}
}

// exit hands the end of a run to its service.
func (m *Manager) exit(ctx context.Context, e *Exit) {
	s := m.index.Load().byKey[Key(e.Service)]
	if s == nil || s.post(ctx, newsMsg{sig: sigExited, run: e.Run, exit: e}) != nil && ctx.Err() == nil {
		m.wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, launchTimeout)
			defer cancel()
			_ = m.o.Launcher.Ack(ctx, e.Run) // of a service that is no more: nobody waits for it
		})
	}
}

// takeUp asks the launcher what lives until it answers, gives every service its part, and returns those to be started.
func (m *Manager) takeUp(ctx context.Context) []*service {
	var all []RunState
	for failed := false; ; {
		limited, cancel := context.WithTimeout(ctx, launchTimeout)
		var err error
		all, err = m.o.Launcher.Runs(limited)
		cancel()
		if err == nil {
			break
		}
		if !failed {
			failed = true
			m.o.Log.Error("ask launcher for runs", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askTime):
		}
	}
	of := map[string][]RunState{}
	for _, r := range all {
		of[Key(r.Service)] = append(of[Key(r.Service)], r)
	}
	var wanted []*service
	replies := map[*service]chan bool{}
	for _, s := range m.index.Load().list {
		replies[s] = make(chan bool, 1)
		if s.post(ctx, attachMsg{of[s.key], replies[s]}) != nil {
			return nil
		}
		delete(of, s.key)
	}
	for _, s := range m.index.Load().list {
		select {
		case start := <-replies[s]:
			if start {
				wanted = append(wanted, s)
			}
		case <-ctx.Done():
			return nil
		}
	}
	for key, left := range of {
		m.wg.Go(func() { m.dropLeft(ctx, key, left) })
	}
	return wanted
}

// dropLeft ends what runs of a service that is not defined any more (it was taken out of the file while we were away) and
// forgets it.
func (m *Manager) dropLeft(ctx context.Context, key string, left []RunState) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l := m.o.Launcher
	err := l.Hold(ctx, key)
	for _, r := range left {
		if r.Exit == nil {
			m.o.Log.Warn("ending a service that is not defined any more", "service", key, "pid", r.PID)
			err = errors.Join(err, l.KillTree(ctx, r.Run))
		} else {
			err = errors.Join(err, l.Ack(ctx, r.Run))
		}
	}
	if err != nil && ctx.Err() == nil {
		m.o.Log.Error("end undefined service", "service", key, "err", err)
	}
}

// boot starts a wanted service once what it needs is there, however long that takes, unless somebody decides otherwise.
func (m *Manager) boot(ctx context.Context, s *service) {
	c := Command{Service: s.key, Verb: VerbStart, Actor: system, Why: "wanted", trigger: "boot"}
	for {
		st := s.status()
		if !st.Wanted || !st.State.Final() {
			return
		}
		err := m.needs(ctx, s, &c, true)
		if err == nil {
			if st = s.status(); st.Wanted && st.State.Final() {
				_ = m.send(ctx, s, &c, sigStart, waitNothing) // what goes wrong is in its status and history
			}
			return
		}
		if ctx.Err() != nil {
			return
		}
		if s.post(ctx, waitingMsg{err.Error()}) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askTime):
		}
	}
}

// find returns a service by its id or display name, in any case.
func (m *Manager) find(name string) (*service, error) {
	x := m.index.Load()
	if s := x.byKey[Key(name)]; s != nil {
		return s, nil
	}
	for _, s := range x.list {
		if strings.EqualFold(s.status().Spec.DisplayName, name) {
			return s, nil
		}
	}
	return nil, errorf(ErrNotFound, "there is no service %q", name)
}

// taken waits until every service has been taken up after the start.
func (m *Manager) taken(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	default:
	}
	select {
	case <-m.ready:
		return nil
	case <-m.ended:
		return errNotRunning
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin lets Run run f.
func (m *Manager) begin(ctx context.Context, f func(context.Context)) error {
	select {
	case m.work <- f:
		return nil
	case <-m.ended:
		return errNotRunning
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// List returns the status of every service, sorted by id. It waits for nobody.
func (m *Manager) List() []*Status {
	x := m.index.Load()
	out := make([]*Status, len(x.list))
	for i, s := range x.list {
		out[i] = s.status()
	}
	return out
}

// Get returns the status of a service by id or display name, or an ErrNotFound. It waits for nobody.
func (m *Manager) Get(name string) (*Status, error) {
	s, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return s.status(), nil
}

// Subscribe returns all statuses and, in the same step, the events of every later change: [Changed] and [Removed]. The caller
// closes the subscription.
func (m *Manager) Subscribe(buffer int) ([]*Status, *event.Subscription) {
	return event.Snapshot(m.o.Bus, m.List, buffer, Changed{}.Topic(), Removed{}.Topic())
}

// Notify takes a message that a service has sent over the notification socket: READY=1 and WATCHDOG=1.
func (m *Manager) Notify(service, message string) {
	s := m.index.Load().byKey[Key(service)]
	if s == nil {
		return
	}
	for line := range strings.Lines(message) {
		switch strings.TrimSpace(line) {
		case "READY=1":
			s.said.Load().ready.Store(true)
		case "WATCHDOG=1":
			s.said.Load().alive.Store(time.Now().UnixNano())
		}
	}
}
