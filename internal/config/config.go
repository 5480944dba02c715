package config

import (
	"path/filepath"
	"time"

	"controlcenter/control"
	"controlcenter/internal/unit"
)

// Tags of a field:
//
//	yaml    name in the file; the key is the path of these names
//	flag    name of the flag of serve, for keys that have one
//	doc     one sentence: what it does, in which unit
//	min,max range of a number or duration, bounds included
//	items   least and greatest number of entries of a list, "1.." or "..8"
//	enum    accepted words, separated by blanks
//	format  accepted form of a text or of each entry of a list, see formats.go
//	unique  "true": no entry of a list twice
//	default text of the documentation for a default that depends on the machine
//	secret  "true": never shown

// Config is the whole configuration, checked. A value is never changed after [Load] returned it.
type Config struct {
	Web      Web      `yaml:"web" doc:"Where the server listens and whom it answers."`
	Auth     Auth     `yaml:"auth" doc:"Who may do what, with and without credentials; see security.md and auth.md."`
	Audit    Audit    `yaml:"audit" doc:"Who did what; see auth.md."`
	Log      Log      `yaml:"log" doc:"What the server writes to standard error."`
	Stream   Stream   `yaml:"stream" doc:"Live data over WebSocket."`
	Exporter Exporter `yaml:"exporter" doc:"What is read of this machine."`
	Storage  Storage  `yaml:"storage" doc:"Where the server keeps its state."`
	Usage    Usage    `yaml:"usage" doc:"Prices and budgets of calls to outside APIs, see docs/usage.md."`
	// Services are the definitions that the file owns, as given, each with its name; see [Loaded.Definitions].
	Services  map[string]*control.Spec `yaml:"services" doc:"Services and jobs by name, as this file defines them. They can be changed here only."`
	Knowledge Knowledge                `yaml:"knowledge" doc:"Folders of knowledge that are scanned and searched."`
	Notify    Notify                   `yaml:"notify" doc:"Who is told of what, see docs/notifications.md."`
	Fleet     Fleet                    `yaml:"fleet" doc:"Other machines, for Prometheus to find them."`
	Limits    Limits                   `yaml:"limits" doc:"How often others than the owner may call."`
	Compat    Compat                   `yaml:"compat" doc:"Behaviour of the older backend for clients that rely on it."`
}

// Web says where the server listens and whom it answers.
type Web struct {
	// ListenAddresses are host:port pairs; port 0 lets the system choose, an empty host means every address.
	ListenAddresses []string `yaml:"listen_addresses" flag:"web.listen-address" format:"hostport" items:"1.." unique:"true" doc:"Addresses to listen on. Anything but loopback needs credentials, and TLS unless web.insecure is set."`
	// Socket is the path of the unix socket; "" = none.
	Socket string `yaml:"socket" flag:"web.socket" format:"path" default:"<storage.path>/controlcenter.sock" doc:"Unix socket to listen on, mode 0600; an empty text switches it off."`
	// ConfigFile is the path of an exporter-toolkit web configuration; "" = none.
	ConfigFile   string   `yaml:"config_file" flag:"web.config.file" format:"path" doc:"Web configuration file in exporter-toolkit's format: TLS and basic authentication."`
	AllowedHosts []string `yaml:"allowed_hosts" flag:"web.allowed-hosts" format:"host" default:"loopback names and addresses of the listeners" doc:"Host names and addresses a request may ask for besides loopback names and the listeners' addresses; others are answered 421."`
	// TrustedProxies are addresses or networks.
	TrustedProxies []string `yaml:"trusted_proxies" format:"network" unique:"true" doc:"Proxies whose X-Forwarded-For names the client for limits and the audit log, as addresses or networks. It never makes anybody the owner."`
	CORSOrigins    []string `yaml:"cors_origins" flag:"web.cors-origins" format:"origin" doc:"Origins whose pages may call the API from a browser."`
	Insecure       bool     `yaml:"insecure" flag:"web.insecure" doc:"Allow a listener that is not loopback without TLS (behind a TLS proxy, inside a container network). Never without credentials."`
}

// Log says what the server writes to standard error.
type Log struct {
	Level  string `yaml:"level" flag:"log.level" enum:"debug info warn error" doc:"Least severity that is logged."`
	Format string `yaml:"format" flag:"log.format" enum:"logfmt json" doc:"Form of a log line."`
}

// Stream is the live data over WebSocket.
type Stream struct {
	Interval unit.Duration `yaml:"interval" min:"1s" max:"1m" doc:"Time between two frames, and cadence of the fast collectors."`
}

// Exporter says what is read of this machine.
type Exporter struct {
	Ports     Ports     `yaml:"ports" doc:"Listening ports that are shown."`
	Processes Processes `yaml:"processes" doc:"Series per process name."`
	Disable   []string  `yaml:"disable" format:"name" unique:"true" doc:"Names of collectors that are not read."`
	// TextfileDirectory is the folder of *.prom files; "" = none.
	TextfileDirectory string `yaml:"textfile_directory" format:"path" doc:"Folder whose *.prom files are shown at /metrics/node."`
}

// Ports is a range of port numbers, both ends included.
type Ports struct {
	Start int `yaml:"start" min:"1" max:"65535" doc:"First port of the range."`
	End   int `yaml:"end" min:"1" max:"65535" doc:"Last port of the range."`
}

// Processes bounds the series of processes.
type Processes struct {
	Top int `yaml:"top" min:"0" max:"1000" doc:"Process names that get series of their own; the rest is summed as \"other\"."`
}

// Storage says where the server keeps its state.
type Storage struct {
	Path   string `yaml:"path" flag:"storage.path" format:"folder" default:"<state directory of the platform>/controlcenter" doc:"Folder of the server's state, created with mode 0700."`
	Backup Backup `yaml:"backup" doc:"Copies of the store, made while it runs."`
}

// Backup says how often the store is copied and how many copies stay.
type Backup struct {
	Every unit.Duration `yaml:"every" min:"1m" max:"30d" doc:"Time between two backups."`
	Keep  int           `yaml:"keep" min:"1" max:"1000" doc:"Backups kept; older ones are removed."`
}

// Limits says how often others than the owner may call.
type Limits struct {
	Enabled bool `yaml:"enabled" doc:"Hold callers other than the owner to so many requests a minute, see docs/security.md; false = no limits for anybody, whatever compat.rate_limits says."`
}

// Compat is behaviour of the older backend.
type Compat struct {
	LegacyStatus200 bool `yaml:"legacy_status_200" doc:"Answer a start, stop, restart or status that failed with status 200 and success false, as the older backend did."`
	RateLimits      bool `yaml:"rate_limits" doc:"Apply the older backend's limits of requests to everyone, the owner of this machine included."`
}

// Default returns the configuration of a start without file, environment and flags. Storage.Path and Web.Socket are those of
// this user on this platform, or "" where no home directory is known.
func Default() Config { return defaults(stateDir()) }

func defaults(state string) Config {
	return Config{
		Web: Web{
			ListenAddresses: []string{"127.0.0.1:8080"},
			Socket:          socketIn(state),
			CORSOrigins:     []string{"http://localhost:3000", "http://localhost:3001", "http://localhost:3002"},
		},
		Auth: Auth{
			Mode: "owner", Anonymous: []string{"health", "metrics", "stats"}, DefaultAdmin: DefaultAdmin{Username: "admin"},
			Session: Session{Idle: unit.Duration(12 * time.Hour), Max: unit.Duration(7 * 24 * time.Hour)},
		},
		Audit:  Audit{Keep: 100_000, MaxAge: unit.Duration(365 * 24 * time.Hour)},
		Log:    Log{Level: "info", Format: "logfmt"},
		Stream: Stream{Interval: unit.Duration(2 * time.Second)},
		Exporter: Exporter{
			Ports:     Ports{Start: 3000, End: 9000},
			Processes: Processes{Top: 50},
		},
		Storage: Storage{Path: state, Backup: Backup{Every: unit.Duration(time.Hour), Keep: 24}},
		Limits:  Limits{Enabled: true},
		Knowledge: Knowledge{
			Scan:        KnowledgeScan{Every: unit.Duration(10 * time.Minute), Watch: true},
			MaxFileSize: 8 << 20,
		},
		Notify: Notify{
			Rules:     NotifyRules{Defaults: true},
			GroupWait: unit.Duration(5 * time.Second), GroupInterval: unit.Duration(5 * time.Minute),
			RepeatInterval: unit.Duration(4 * time.Hour), GiveUp: unit.Duration(24 * time.Hour),
		},
		Fleet: Fleet{Self: true},
	}
}

func socketIn(storage string) string {
	if storage == "" {
		return ""
	}
	return filepath.Join(storage, "controlcenter.sock")
}

// crossChecks are the rules between keys: check says what is wrong, or "". Blamed is that of the keys which was set last.
var crossChecks = []struct {
	keys  []string
	check func(*Config) string
}{
	{[]string{"exporter.ports.end", "exporter.ports.start"}, func(c *Config) string {
		if p := c.Exporter.Ports; p.Start > p.End {
			return "end " + itoa(p.End) + " is below start " + itoa(p.Start) + "; accepted: start up to end"
		}
		return ""
	}},
	{[]string{"knowledge.roots"}, checkRoots},
	{[]string{"knowledge.scan.command"}, checkScanCommand},
	{[]string{"notify.channels"}, checkChannels},
	{[]string{"notify.quiet_hours.from", "notify.quiet_hours.to"}, checkQuietHours},
	{[]string{"notify.maintenance"}, checkMaintenance},
	{[]string{"fleet.targets"}, checkFleet},
	{[]string{"storage.path"}, func(c *Config) string {
		if c.Storage.Path == "" {
			return "no home directory is known, so there is no default; accepted: a path"
		}
		return ""
	}},
}
