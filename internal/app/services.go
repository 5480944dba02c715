package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"controlcenter/control"
	"controlcenter/control/keeper"
	"controlcenter/control/logs"
	"controlcenter/exporter"
	"controlcenter/internal/config"
)

// services is the control plane of the daemon with what it needs of the other parts.
type services struct {
	log     *slog.Logger
	sampler *exporter.Sampler
	keeper  *keeper.Client
	manager *control.Manager
	logs    *logs.Dir
	packer  *logs.Packer
	owners  owners
	usage   resources
	notify  string // folder of notification sockets, "" = none
}

// Build names this program's binary: a keeper of another one is replaced.
func Build() string {
	return version.Version + " " + version.GetRevision() + " " + version.BuildDate
}

// openServices builds the control plane. The store must be open: it is locked, so no other daemon has this keeper. Only the
// keeper's client runs yet, as a keeper takes longest to come up.
func (d *daemonState) openServices(ctx context.Context, c *config.Config, g *group) error {
	log := d.log.With("component", "control")
	dir := filepath.Join(c.Storage.Path, "logs")
	s := &d.services
	s.log, s.sampler, s.logs = log, d.sampler, logs.Open(dir)
	s.keeper = keeper.NewClient(keeper.ClientOptions{Dir: filepath.Join(c.Storage.Path, "keeper"), LogDir: dir, Build: Build(), Binary: d.o.Binary, Log: log})
	g.run("keeper", s.keeper.Run)
	var err error
	if s.notify, err = notifyDir(c.Storage.Path); err != nil {
		log.Warn("services cannot notify: watchdogs and notify probes will fail", "err", err)
	}
	manager, err := control.New(ctx, control.Options{
		Store: d.store, Bus: &d.bus, Launcher: s.keeper, Log: log, BootID: keeper.BootID(), Files: definitions(d.loaded.Load(), nil),
		NotifyDir: s.notify, Tail: s.tail, Lines: s.lines, PortOwner: s.portOwner, Listening: s.listening, Resources: s.resources, LogCounts: s.keeper.LogCounts,
	})
	if err != nil {
		return fmt.Errorf("services: %w", err)
	}
	s.owners.mu.Lock() // the sampler runs already, and asks
	s.manager = manager
	s.owners.mu.Unlock()
	s.packer = logs.NewPacker(s.logs, logs.PackerOptions{Retention: s.retention, MaxTotal: maxLogs, Log: log})
	return nil
}

// maxLogs bounds all rotated logs together; each service has its own, smaller bounds.
const maxLogs = 20 << 30

// runServices starts the other parts of the control plane.
func (d *daemonState) runServices(g *group) {
	s := &d.services
	g.run("control", func(ctx context.Context) error {
		err := s.manager.Run(ctx)
		_ = os.Remove(s.notify) // stays while there are sockets in it, of services that go on
		if err != nil {
			return err //nolint:wrapcheck // the group names the part
		}
		return context.Cause(ctx)
	})
	g.run("logs", s.packer.Run)
}

// notifyDir makes the folder of notification sockets: beside the store, or, where services run as other users (they cannot
// enter the store's) or the path is too long for a socket, in the temporary directory under a name that stays.
func notifyDir(state string) (string, error) {
	dir, mode := filepath.Join(state, "notify"), os.FileMode(0o700)
	if len(dir) > 60 || os.Geteuid() == 0 {
		sum := fnv32(state)
		dir, mode = filepath.Join(os.TempDir(), "controlcenter-"+strconv.Itoa(os.Geteuid())+"-"+strconv.FormatUint(uint64(sum), 36)), 0o711
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make folder of notification sockets: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at folder of notification sockets: %w", err)
	}
	if !st.IsDir() || !isOurs(st) {
		return "", fmt.Errorf("%s is not a folder of ours", dir)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return "", fmt.Errorf("protect folder of notification sockets: %w", err)
	}
	return dir, nil
}

// fnv32 is FNV-1a: a short name for a path.
func fnv32(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

func (s *services) tail(ctx context.Context, service, run string, n int) ([]string, error) {
	page, err := s.logs.Tail(ctx, service, n, logs.Filter{Run: run})
	if errors.Is(err, logs.ErrNone) {
		return nil, nil
	}
	return texts(page.Lines), err //nolint:wrapcheck // control says what was being done
}

func (s *services) lines(ctx context.Context, service, run string, after int64) ([]string, int64, error) {
	page, err := s.logs.Range(ctx, service, after, 10_000, logs.Filter{Run: run})
	if errors.Is(err, logs.ErrNone) {
		return nil, after, nil
	}
	return texts(page.Lines), page.Next, err //nolint:wrapcheck // control says what was being done
}

func texts(lines []logs.Line) []string {
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = lines[i].Text
	}
	return out
}

func (s *services) retention(service string) logs.Retention {
	st, err := s.manager.Get(service)
	if err != nil {
		return logs.Retention{Keep: -1, MaxAge: 30 * 24 * time.Hour, Compress: true} // of a service that is no more
	}
	l := st.Spec.Logs
	return logs.Retention{Keep: l.Keep, MaxAge: time.Duration(l.MaxAge), Compress: l.Compress != "none"}
}

// portOwner says who listens on a port. It is asked right before a start, so a socket decides; the collector only
// gives it a name.
func (s *services) portOwner(port uint16) (string, bool) {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(int(port))) // #nosec G102 -- only tries whether the port is free, and closes at once
	if err == nil {
		_ = l.Close()
		return "", false
	}
	if !errors.Is(err, syscall.EADDRINUSE) && !addressInUse(err) {
		return "", false // not ours to say: a low port, no IPv6 ...
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if all := exporter.Get[exporter.Sockets](s.sampler.FreshPart(ctx, "sockets")); all != nil {
		for i := range all.List {
			p := &all.List[i]
			if p.Port != int(port) || p.State != "LISTEN" {
				continue
			}
			switch {
			case p.Service != "":
				return fmt.Sprintf("service %s (pid %d)", p.Service, p.PID), true
			case p.PID != 0:
				return fmt.Sprintf("%s (pid %d)", p.Process, p.PID), true
			}
		}
	}
	return "a process that may not be seen", true
}

// listening implements control.Options.Listening by the ports collector, which knows all ports, also those it does not show.
func (s *services) listening(port uint16) (listening, known bool) {
	ports := exporter.Get[exporter.Ports](s.sampler.Snapshot())
	if ports == nil {
		return false, false
	}
	return ports.Listens(int(port)), true
}

// owners knows which service each process belongs to.
type owners struct {
	mu      sync.Mutex
	at      time.Time
	service map[int]string
}

// ownersAge is how old the picture may be: collectors ask for hundreds of processes at a time, every few seconds.
const ownersAge = 2 * time.Second

// serviceOf implements exporter.ServiceOf.
func (s *services) serviceOf(pid int) string {
	s.owners.mu.Lock()
	defer s.owners.mu.Unlock()
	if now := time.Now(); s.manager != nil && now.Sub(s.owners.at) > ownersAge {
		s.owners.at, s.owners.service = now, s.trees()
	}
	return s.owners.service[pid]
}

// trees maps the processes of all services to their service: by control group where there is one, else by descent.
func (s *services) trees() map[int]string {
	out := map[int]string{}
	byDescent := false
	for _, st := range s.manager.List() {
		if st.PID == 0 {
			continue
		}
		out[st.PID] = st.ID
		members := keeper.Group(st.PID)
		byDescent = byDescent || members == nil
		for _, pid := range members {
			out[pid] = st.ID
		}
	}
	if len(out) == 0 || !byDescent {
		return out
	}
	procs := exporter.Get[exporter.Processes](s.sampler.Snapshot())
	if procs == nil {
		return out
	}
	for grown := true; grown; {
		grown = false
		for i := range procs.List {
			p := &procs.List[i]
			if _, known := out[p.PID]; known {
				continue
			}
			if service, ok := out[p.PPID]; ok {
				out[p.PID], grown = service, true
			}
		}
	}
	return out
}

// resources sums what the processes of services use, once for each reading of the processes.
type resources struct {
	mu  sync.Mutex
	of  *exporter.Processes
	sum map[string]control.Resources
}

func (s *services) resources(service string) (control.Resources, bool) {
	snap := s.sampler.Snapshot()
	procs := exporter.Get[exporter.Processes](snap)
	if procs == nil {
		return control.Resources{}, false
	}
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if s.usage.of != procs {
		sum := map[string]control.Resources{}
		var began time.Time // of the reading
		if r := snap.Reading("processes"); r != nil {
			began = r.At.Add(-r.Took)
		}
		for i := range procs.List {
			p := &procs.List[i]
			if p.Service == "" {
				continue
			}
			key := control.Key(p.Service)
			r := sum[key]
			r.At = began
			r.CPUSeconds += p.CPUSeconds
			r.ResidentBytes += p.MemoryBytes
			r.Processes++
			r.OpenFDs += filesOf(p.PID)
			sum[key] = r
		}
		s.usage.of, s.usage.sum = procs, sum
	}
	r, ok := s.usage.sum[control.Key(service)]
	return r, ok
}

// keeperMetrics says whether the process that holds the services is there.
type keeperMetrics struct{ c *keeper.Client }

var descKeeperUp = prometheus.NewDesc("controlcenter_keeper_up", "Whether the keeper, the parent of all services, is connected (1) or not (0).", nil, nil)

// Describe implements prometheus.Collector.
func (m keeperMetrics) Describe(c chan<- *prometheus.Desc) { c <- descKeeperUp }

// Collect implements prometheus.Collector.
func (m keeperMetrics) Collect(c chan<- prometheus.Metric) {
	up := 0.0
	if m.c.Peer().Up {
		up = 1
	}
	c <- prometheus.MustNewConstMetric(descKeeperUp, prometheus.GaugeValue, up)
}

// eventMetrics counts what the bus could not deliver.
func (d *daemonState) eventMetrics() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "controlcenter_events_lagged_total", Help: "Subscribers of live events that were cut off because they did not keep up.",
	}, func() float64 { return float64(d.bus.Lagged()) })
}

var unknown = math.NaN()
