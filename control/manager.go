package control

import (
	"cmp"
	"context"
	"log/slog"
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

	Getenv    func(string) (string, bool) // nil = os.LookupEnv
	NotifyDir string                      // where the sockets are that services with a watchdog or notify probe speak to; "" = none

	// Tail returns the last n lines a run has written.
	Tail func(ctx context.Context, service, run string, n int) ([]string, error)
	// Lines returns the lines of a run behind a position, and the next position.
	Lines func(ctx context.Context, service, run string, after int64) ([]string, int64, error)
	// PortOwner says who listens on a port; it may try the port, and is asked right before a start.
	PortOwner func(port uint16) (owner string, taken bool)
	// Listening says whether somebody listened on a TCP port a moment ago, without touching it; known is false when nobody looked.
	Listening func(port uint16) (listening, known bool)
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
	At            time.Time // nothing of it is older
}

// LogCounts counts what was logged, since the log was first written.
type LogCounts struct {
	Bytes, Lines, Dropped float64
	Fault                 string // why the log takes nothing at present; "" = it does
}

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
	m.wg.Go(func() { m.watchLogs(ctx) })
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
		return ErrEnded
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
		return ErrEnded
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

// Notify takes a message of a service as if it had come over its notification socket: READY=1, WATCHDOG=1.
func (m *Manager) Notify(service, message string) {
	if s := m.index.Load().byKey[Key(service)]; s != nil {
		s.heard(message)
	}
}
