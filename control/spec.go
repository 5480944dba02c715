package control

import (
	"maps"
	"slices"
	"strings"

	"controlcenter/control/probe"
	"controlcenter/internal/lazy"
	"controlcenter/internal/mask"
	"controlcenter/internal/unit"
)

// Spec is the definition of a service or job as users write it, in the file or over the API. What is left out is filled by
// [Spec.Effective] from the template and the defaults, so pointers mark the fields in which zero says something.
type Spec struct {
	ID          string   `json:"name" yaml:"-"`
	DisplayName string   `json:"display_name,omitempty" yaml:"display_name,omitempty"`
	Description string   `json:"description,omitempty" yaml:"description,omitempty"`
	Template    string   `json:"template,omitempty" yaml:"template,omitempty"`
	Type        Type     `json:"type,omitempty" yaml:"type,omitempty"`
	Command     []string `json:"command,omitempty" yaml:"command,omitempty"` // program and arguments, no shell
	Shell       bool     `json:"shell,omitempty" yaml:"shell,omitempty"`     // Command is one string for the platform's shell
	Cwd         string   `json:"cwd,omitempty" yaml:"cwd,omitempty"`         // absolute; the file's folder for relative ones of the file
	Ports       []uint16 `json:"ports,omitempty" yaml:"ports,omitempty"`     // it listens on; the first is its main one
	Tags        []string `json:"tags,omitempty" yaml:"tags,omitempty"`
	Autostart   bool     `json:"autostart,omitempty" yaml:"autostart,omitempty"`

	Env        map[string]string `json:"env,omitempty" yaml:"env,omitempty"`
	EnvFiles   []string          `json:"env_files,omitempty" yaml:"env_files,omitempty"`     // NAME=value lines; relative to Cwd
	EnvInherit []string          `json:"env_inherit,omitempty" yaml:"env_inherit,omitempty"` // names taken over from the daemon
	Secrets    []string          `json:"secrets,omitempty" yaml:"secrets,omitempty"`         // names whose values are set apart, write-only

	User       string `json:"user,omitempty" yaml:"user,omitempty"`
	Group      string `json:"group,omitempty" yaml:"group,omitempty"`
	Umask      string `json:"umask,omitempty" yaml:"umask,omitempty"`                       // octal, "027"
	Nice       int    `json:"nice,omitempty" yaml:"nice,omitempty"`                         // -20..19
	OOMScore   int    `json:"oom_score_adjust,omitempty" yaml:"oom_score_adjust,omitempty"` // -1000..1000
	NoNewPrivs bool   `json:"no_new_privs,omitempty" yaml:"no_new_privs,omitempty"`

	SuccessCodes []int                 `json:"success_codes,omitempty" yaml:"success_codes,omitempty"` // default 0
	Restart      Restart               `json:"restart,omitzero" yaml:"restart,omitempty"`
	Stop         Stop                  `json:"stop,omitzero" yaml:"stop,omitempty"`
	Reload       string                `json:"reload,omitempty" yaml:"reload,omitempty"` // signal that makes it read its configuration anew
	DependsOn    map[string]Dependency `json:"depends_on,omitempty" yaml:"depends_on,omitempty"`
	Probes       Probes                `json:"probes,omitzero" yaml:"probes,omitempty"`
	Watchdog     unit.Duration         `json:"watchdog,omitempty" yaml:"watchdog,omitempty"` // WATCHDOG=1 must come at least this often; 0 = none
	Limits       Limits                `json:"limits,omitzero" yaml:"limits,omitempty"`
	Logs         Logs                  `json:"logs,omitzero" yaml:"logs,omitempty"`
	Schedule     *Schedule             `json:"schedule,omitempty" yaml:"schedule,omitempty"` // of a job; none = it runs by hand only
}

// Type says whether a definition runs on or runs and ends.
type Type string

const (
	TypeService Type = "service"
	TypeJob     Type = "job"
)

// Policy says after which exits a service is started again. A stop asked for is never undone by any of them.
type Policy string

const (
	RestartNo            Policy = "no"
	RestartOnFailure     Policy = "on-failure"
	RestartAlways        Policy = "always"
	RestartUnlessStopped Policy = "unless-stopped" // the same as always here: stopped stays stopped
)

// Restart is the policy after an exit nobody asked for, and its back-off.
type Restart struct {
	Policy       Policy         `json:"policy,omitempty" yaml:"policy,omitempty"`
	Initial      *unit.Duration `json:"initial,omitempty" yaml:"initial,omitempty"`             // wait before the first restart of a row
	Factor       float64        `json:"factor,omitempty" yaml:"factor,omitempty"`               // each wait is that much longer than the last
	Max          *unit.Duration `json:"max,omitempty" yaml:"max,omitempty"`                     // but not longer than this
	Jitter       *float64       `json:"jitter,omitempty" yaml:"jitter,omitempty"`               // and off by at most this share, 0..1, either way
	HealthyAfter *unit.Duration `json:"healthy_after,omitempty" yaml:"healthy_after,omitempty"` // after a run this long the first restart is immediate
	Limit        RestartLimit   `json:"limit,omitzero" yaml:"limit,omitempty"`
}

// RestartLimit ends restarting: more than Attempts within Window is a failed service. 0 attempts = no limit.
type RestartLimit struct {
	Attempts *int          `json:"attempts,omitempty" yaml:"attempts,omitempty"`
	Window   unit.Duration `json:"window,omitempty" yaml:"window,omitempty"`
}

// Stop is how a service is asked to end, and for how long.
type Stop struct {
	Signal  string         `json:"signal,omitempty" yaml:"signal,omitempty"`
	Command []string       `json:"command,omitempty" yaml:"command,omitempty"` // instead of the signal, in the service's directory and environment
	Grace   *unit.Duration `json:"grace,omitempty" yaml:"grace,omitempty"`     // then the whole tree is killed
}

// Condition is what must be true of a dependency before its dependent starts.
type Condition string

const (
	ConditionStarted   Condition = "started"   // its process lives
	ConditionHealthy   Condition = "healthy"   // its readiness probe is well
	ConditionCompleted Condition = "completed" // it has run and ended well
)

// Dependency is one entry of depends_on.
type Dependency struct {
	Condition Condition     `json:"condition,omitempty" yaml:"condition,omitempty"` // default started
	Timeout   unit.Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`     // for the condition; default 60s
}

// Probes of a service. Readiness and liveness begin when startup is well; a service without startup is up 300 ms after exec.
type Probes struct {
	Startup   *probe.Spec `json:"startup,omitempty" yaml:"startup,omitempty"`     // unwell: it is stopped as after a crash
	Readiness *probe.Spec `json:"readiness,omitempty" yaml:"readiness,omitempty"` // decides over "healthy"
	Liveness  *probe.Spec `json:"liveness,omitempty" yaml:"liveness,omitempty"`   // unwell: it is restarted by its policy
}

func (p *Probes) named() []namedProbe {
	return []namedProbe{{"startup", p.Startup}, {"readiness", p.Readiness}, {"liveness", p.Liveness}}
}

type namedProbe struct {
	name string
	spec *probe.Spec
}

// Limits of a service's tree (memory, CPU, pids; where the platform has cgroups) and of each process (the rest). 0 = none.
type Limits struct {
	Memory       unit.Bytes `json:"memory,omitempty" yaml:"memory,omitempty"`
	CPU          float64    `json:"cpu,omitempty" yaml:"cpu,omitempty"` // cores
	Pids         int        `json:"pids,omitempty" yaml:"pids,omitempty"`
	Nofile       int        `json:"nofile,omitempty" yaml:"nofile,omitempty"`
	Core         unit.Bytes `json:"core,omitempty" yaml:"core,omitempty"`
	FileSize     unit.Bytes `json:"file_size,omitempty" yaml:"file_size,omitempty"`
	RestartAbove unit.Bytes `json:"restart_above,omitempty" yaml:"restart_above,omitempty"` // resident memory of the tree at which it is restarted
}

// Logs is how the output is kept.
type Logs struct {
	Mode     string        `json:"mode,omitempty" yaml:"mode,omitempty"` // pipe | direct
	MaxSize  unit.Bytes    `json:"max_size,omitempty" yaml:"max_size,omitempty"`
	MaxAge   unit.Duration `json:"max_age,omitempty" yaml:"max_age,omitempty"`
	Keep     int           `json:"keep,omitempty" yaml:"keep,omitempty"`
	Compress string        `json:"compress,omitempty" yaml:"compress,omitempty"`   // zstd | none
	WhenFull string        `json:"when_full,omitempty" yaml:"when_full,omitempty"` // block | drop
}

// Schedule says when a job runs: one of Cron, Every and At.
type Schedule struct {
	Cron     string        `json:"cron,omitempty" yaml:"cron,omitempty"`
	Every    unit.Duration `json:"every,omitempty" yaml:"every,omitempty"`
	At       string        `json:"at,omitempty" yaml:"at,omitempty"`             // RFC 3339; once
	Timezone string        `json:"timezone,omitempty" yaml:"timezone,omitempty"` // of Cron, "Europe/Berlin"; default the machine's
	Overlap  string        `json:"overlap,omitempty" yaml:"overlap,omitempty"`   // skip | queue | replace
	CatchUp  string        `json:"catch_up,omitempty" yaml:"catch_up,omitempty"` // none | once | all, after downtime
	Timeout  unit.Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`   // of one run; 0 = none
	Retries  int           `json:"retries,omitempty" yaml:"retries,omitempty"`   // after a failed run; the waits are those of restart
	Keep     int           `json:"keep,omitempty" yaml:"keep,omitempty"`         // runs remembered; default 100
	KeepFor  unit.Duration `json:"keep_for,omitempty" yaml:"keep_for,omitempty"` // default 90d
}

var idPattern = lazy.Regexp(`^[a-zA-Z0-9_-]{1,100}$`)

// Key returns the form in which names are compared: "KB_Scheduler" and "kb-scheduler" are one service.
func Key(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// Needs returns the keys of the dependencies, sorted.
func (s *Spec) Needs() []string {
	var keys []string
	for name := range s.DependsOn {
		keys = append(keys, Key(name))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// dependency returns the entry of a key.
func (s *Spec) dependency(key string) Dependency {
	for name, d := range s.DependsOn {
		if Key(name) == key {
			return d
		}
	}
	return Dependency{}
}

// secretWords mark a variable whose value is not shown, whoever put it into env.
var secretWords = []string{"SECRET", "TOKEN", "PASSWORD", "PASSWD", "APIKEY", "API_KEY", "PRIVATE", "CREDENTIAL", "AUTH"}

// Mask is shown in place of a value that is not to be seen.
const Mask = "********"

// shown returns a copy with the secrets of env masked.
func (s *Spec) shown() *Spec {
	out := *s
	if s.Env != nil {
		out.Env = s.ShownEnv()
		maps.DeleteFunc(out.Env, func(name, _ string) bool { _, given := s.Env[name]; return !given })
	}
	return &out
}

// ShownEnv returns the environment for people: secrets by name only, and values that look like secrets masked.
func (s *Spec) ShownEnv() map[string]string {
	out := maps.Clone(s.Env)
	if out == nil {
		out = map[string]string{}
	}
	for name := range out {
		upper := strings.ToUpper(name)
		if slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(upper, w) }) || mask.Text(out[name]) != out[name] {
			out[name] = Mask
		}
	}
	for _, name := range s.Secrets {
		out[name] = Mask
	}
	return out
}
