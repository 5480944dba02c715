package exporter

import (
	"log/slog"
	"slices"
	"time"
)

// Settings are what may change while the sampler runs ([Sampler.Apply]). A value is never changed after it was handed over.
type Settings struct {
	Interval     time.Duration // cadence of the fast parts and of the WebSocket stream; 1 s .. 60 s, default 2 s
	PortStart    int           // first listening port shown, 1..65535, default 3000
	PortEnd      int           // last listening port shown, default 9000
	TopProcesses int           // process names with series of their own; the rest is summed as "other"; default 50
	Disable      []string      // collector names that are not read and not shown
	TextfileDir  string        // folder of *.prom files shown at /metrics/node; "" = none
}

// DefaultSettings returns the settings of a start without configuration.
func DefaultSettings() Settings {
	return Settings{Interval: 2 * time.Second, PortStart: 3000, PortEnd: 9000, TopProcesses: 50}
}

// Disabled says whether the named collector is switched off.
func (s *Settings) Disabled(name string) bool { return slices.Contains(s.Disable, name) }

// ServiceOf returns the id of the managed service that a process belongs to, or "" when it belongs to none. It must be safe
// for concurrent use and must not block.
type ServiceOf func(pid int) string

// Options are what a sampler is built with.
type Options struct {
	Settings  Settings
	ProcRoot  string       // "/proc" unless a test says otherwise
	SysRoot   string       // "/sys" unless a test says otherwise
	ServiceOf ServiceOf    // nil = no process belongs to a service
	Logger    *slog.Logger // required
	// Current returns the settings in force; the sampler fills it in before it builds the parts, which may call it from Read.
	Current func() *Settings
}

func (o *Options) fill() {
	if o.ProcRoot == "" {
		o.ProcRoot = "/proc"
	}
	if o.SysRoot == "" {
		o.SysRoot = "/sys"
	}
	if o.ServiceOf == nil {
		o.ServiceOf = func(int) string { return "" }
	}
	if o.Settings.Interval == 0 {
		o.Settings = DefaultSettings()
	}
}
