package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/control"
	"controlcenter/control/logs"
	"controlcenter/exporter"
	"controlcenter/internal/audit"
	"controlcenter/internal/auth"
	"controlcenter/internal/notify"
	"controlcenter/internal/store"
	"controlcenter/usage"
	"controlcenter/web"
)

// Settings may change while the server runs. A value is never changed after it was handed over.
type Settings struct {
	AllowedHosts    []string             // names and addresses served beside the loopback ones and those of the listeners
	CORSOrigins     []string             // origins whose pages may read answers and act: scheme://host[:port]
	ListenAddresses []string             // host:port of the listeners
	StreamInterval  time.Duration        // least time between two frames of the system stream; 0 = each round of the sampler
	LegacyStatus200 bool                 // failures of start, stop, restart and status answer 200, as older servers did
	BasicAuth       bool                 // the listeners ask for a user and password themselves; who passes is a viewer
	BasicRoles      map[string]auth.Role // of users that the listener checked; who is not named is a viewer
	TrustedProxies  []netip.Prefix       // who may name the client in X-Forwarded-For
	Auth            AuthMode             // whom to take for the owner; "" = ModeOwner
	NoLimits        bool                 // no limits of requests, for nobody
	OldLimits       bool                 // the owner has limits too, and all are counted by address, as older servers did
	Fleet           Fleet                // servers for Prometheus to find
	Anonymous       []string             // Group* whose routes callers on this machine may read without credentials
}

// DefaultSettings are those of a server that was given none.
func DefaultSettings() *Settings {
	return &Settings{Auth: ModeOwner, Anonymous: []string{GroupHealth, GroupMetrics, GroupStats}}
}

// Options are what a server is built with.
type Options struct {
	Sampler  *exporter.Sampler               // required
	Store    *store.Store                    // nil = no store: backup and restore answer 503
	Notify   *notify.Notifier                // nil = nobody is notified: its routes answer 503
	Usage    *usage.Tracker                  // nil = API usage is not counted: its routes answer 503
	Settings func() *Settings                // in force now; must be cheap and return the same pointer until they change; nil = defaults
	Reload   func(ctx context.Context) error // reads the configuration again; its error is the client's (400). nil = 503
	Registry *prometheus.Registry            // http_* and controlcenter_ws_* are registered here; all of it is shown at /metrics. Required
	Log      *slog.Logger                    // required
	Version  string                          // of the build, shown at / and /health
	Revision string                          //
	Started  time.Time                       // of the program; zero = now
	Services *control.Manager                // nil = the routes of services and jobs answer 503
	Logs     *logs.Dir                       // what the services wrote; nil = their routes answer 503
	// KeeperPID says which process runs the services, so that nobody kills it; 0 = none. nil = none.
	KeeperPID func() int
	MCP       Agents // nil = 503
	// Knowledge is the knowledge base; nil = its routes and those of agents answer 503.
	Knowledge *Knowledge
	// Auth holds keys, users and sessions; nil = there are none, and their routes answer 503.
	Auth *auth.Auth
	// Audit takes what callers did; nil = it is not written down.
	Audit *audit.Log
	// Config lists the configuration in force, secrets masked; nil = 503.
	Config func() []ConfigSetting
	// RestoreLimit is the most bytes a restore may have; 0 = 1 GiB.
	RestoreLimit int64
}

// Server answers all HTTP. Its methods may be called from any goroutine.
type Server struct {
	o        Options
	log      *slog.Logger
	settings func() *Settings
	policies atomic.Pointer[policy]

	owners     owners      // of the other ends of connections
	ownersFail atomic.Bool // the last question was answered by an error
	conns      *conns
	rates      *limiter

	router    *mux.Router
	api       huma.API
	rows      map[string]*row
	handler   http.Handler // the chain
	metrics   *selfMetrics
	hub       *hub
	shown     shownServices
	portLists portLists
	feeds     feeds
	assets    *assets
	site      *web.Site
	docs      func() documents // written when they are first asked for: a tenth of a second that a start need not take

	instanceOnce sync.Once
	instanceID   string
	live         live // streams by whose they are
}

// New builds the server: every route, the document, its metrics. Nothing runs before [Server.Run].
func New(o Options) (*Server, error) {
	return newServer(o, nil)
}

// newServer takes extra rows for tests of what no real row shows yet.
func newServer(o Options, extra func(*Server) []*row) (*Server, error) {
	if o.Sampler == nil || o.Registry == nil || o.Log == nil {
		return nil, errors.New("api server needs a sampler, a registry and a logger")
	}
	if o.Settings == nil {
		st := DefaultSettings()
		o.Settings = func() *Settings { return st }
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	if o.RestoreLimit == 0 {
		o.RestoreLimit = 1 << 30
	}
	s := &Server{o: o, log: o.Log, settings: o.Settings, router: mux.NewRouter(), rates: newLimiter(limiterKeys), conns: newConns()}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.site, err = web.Load(); err != nil {
		return nil, err //nolint:wrapcheck // says what it read
	}
	if s.metrics, err = newSelfMetrics(o.Registry); err != nil {
		return nil, err
	}
	var services *serviceFeed
	if o.Services != nil {
		services = &serviceFeed{list: s.shown.listOf(o.Services), listen: o.Services.Subscribe}
	}
	s.hub = newHub(o.Log, s.metrics, o.Sampler.Snapshot, func() rounds { return samplerRounds{o.Sampler.Subscribe()} }, o.Settings)
	s.hub.services = services
	s.api = newAPI(s)
	rows := s.table()
	if extra != nil {
		rows = append(rows, extra(s)...)
	}
	if err := s.register(rows); err != nil {
		return nil, err
	}
	s.docs = sync.OnceValue(func() (d documents) { d.json, d.yaml, d.err = s.document(); return d })
	if o.Auth != nil {
		o.Auth.OnRevoked(s.live.end)
	}
	s.handler = s.chain()
	return s, nil
}

// Handler returns the whole chain.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Run owns the goroutines of the streams. It returns after ctx ended and every stream was closed, at most two seconds later,
// with the cause. Without it, streams answer 503.
func (s *Server) Run(ctx context.Context) error {
	defer s.owners.close()
	defer s.feeds.close()
	return s.hub.run(ctx)
}

// CloseStreams sends every stream a close frame and refuses new ones. It belongs in http.Server.RegisterOnShutdown, because
// Shutdown does not know of connections that were taken over.
func (s *Server) CloseStreams() { s.hub.close() }

// fresh returns a snapshot no older than two rounds, waking the dear parts after an idle time; a second at most.
func (s *Server) fresh(ctx context.Context) *exporter.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.o.Sampler.Fresh(ctx, 2*s.o.Sampler.Settings().Interval)
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
