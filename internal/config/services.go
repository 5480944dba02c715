package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"controlcenter/control"
	"controlcenter/internal/mask"
	"controlcenter/internal/unit"
)

// self stands in a file for the program that reads it: a command that begins with it runs another mode of this binary.
const self = "${self}"

// specTags are the tags of definitions, whose structs stand in package control: by type and name in the file.
var specTags = map[string]reflect.StructTag{ // #nosec G101 -- documentation that speaks of passwords
	"control.Spec.display_name":     `doc:"Name shown to people, at most 200 characters." default:"the name"`,
	"control.Spec.description":      `doc:"What it is, at most 2000 characters."`,
	"control.Spec.template":         `doc:"Well-known program whose template fills what is left out: comfyui, ollama, n8n, jupyter, kb-scheduler."`,
	"control.Spec.type":             `doc:"A service runs on, a job runs and ends." enum:"service job" default:"service"`,
	"control.Spec.command":          `doc:"Program and arguments, without a shell; ${self} as the first word is this program itself."`,
	"control.Spec.shell":            `doc:"The command is one text for the platform's shell." default:"false"`,
	"control.Spec.cwd":              `doc:"Working directory; a relative one is relative to this file." format:"path"`,
	"control.Spec.ports":            `doc:"Ports it listens on, the main one first." min:"1" max:"65535" unique:"true"`,
	"control.Spec.tags":             `doc:"Words by which several are started, stopped and listed together." unique:"true"`,
	"control.Spec.autostart":        `doc:"Start it with the server." default:"false"`,
	"control.Spec.env":              `doc:"Environment variables; for passwords and keys see secrets." secret:"true"`,
	"control.Spec.env_files":        `doc:"Files of NAME=value lines, relative to cwd." format:"file"`,
	"control.Spec.env_inherit":      `doc:"Names of variables taken over from the server's environment." default:"PATH, HOME, USER, LANG and the like"`,
	"control.Spec.secrets":          `doc:"Names of variables whose values are set by secret set or the API and never shown."`,
	"control.Spec.user":             `doc:"User it runs as."`,
	"control.Spec.group":            `doc:"Group it runs as; needs user."`,
	"control.Spec.umask":            `doc:"File mode creation mask, octal as text, 027."`,
	"control.Spec.nice":             `doc:"Scheduling priority." min:"-20" max:"19" default:"0"`,
	"control.Spec.oom_score_adjust": `doc:"How much sooner (above 0) or later (below 0, root only) than others it is killed when memory is out; Linux." min:"-1000" max:"1000" default:"0, as the server"`,
	"control.Spec.no_new_privs":     `doc:"No program it runs gains privileges." default:"false"`,
	"control.Spec.success_codes":    `doc:"Exit codes that are no failure." min:"0" max:"255" default:"0"`,
	"control.Spec.restart":          `doc:"What follows an exit that nobody asked for."`,
	"control.Spec.stop":             `doc:"How it is asked to end."`,
	"control.Spec.reload":           `doc:"Signal that makes it read its configuration again, SIGHUP."`,
	"control.Spec.depends_on":       `doc:"Names of services that come first."`,
	"control.Spec.probes":           `doc:"Questions that tell how it is."`,
	"control.Spec.watchdog":         `doc:"It must say WATCHDOG=1 at least this often, or it is restarted." default:"0s (off)"`,
	"control.Spec.limits":           `doc:"What it may use; 0 is no limit."`,
	"control.Spec.logs":             `doc:"How its output is kept."`,
	"control.Spec.schedule":         `doc:"When a job runs; without one it runs by hand only."`,

	"control.Restart.policy":        `doc:"After which exits it is started again." enum:"no on-failure always unless-stopped" default:"on-failure; no for a job"`,
	"control.Restart.initial":       `doc:"Wait before the first restart of a row." default:"1s"`,
	"control.Restart.factor":        `doc:"Each wait is that many times the last." min:"1" max:"100" default:"2"`,
	"control.Restart.max":           `doc:"Longest wait." default:"60s"`,
	"control.Restart.jitter":        `doc:"Share by which a wait differs at random." min:"0" max:"1" default:"0.2"`,
	"control.Restart.healthy_after": `doc:"After a run this long the first restart is immediate." default:"10s"`,
	"control.Restart.limit":         `doc:"More restarts than this in the window and it is given up as failed."`,
	"control.RestartLimit.attempts": `doc:"Restarts in the window; 0 is no limit." min:"0" max:"1000" default:"5"`,
	"control.RestartLimit.window":   `doc:"Length of the window." default:"5m"`,

	"control.Stop.signal":  `doc:"Signal that asks it to end." default:"SIGTERM"`,
	"control.Stop.command": `doc:"Command that asks it to end, instead of the signal."`,
	"control.Stop.grace":   `doc:"Time it has; then all its processes are killed." default:"10s"`,

	"control.Dependency.condition": `doc:"What must be true of it: its process lives, its probe is well, or it has run and ended well." enum:"started healthy completed" default:"started"`,
	"control.Dependency.timeout":   `doc:"How long it is waited for." default:"60s"`,

	"control.Probes.startup":   `doc:"Well once it has come up; until then the others wait."`,
	"control.Probes.readiness": `doc:"Decides whether it counts as healthy."`,
	"control.Probes.liveness":  `doc:"Unwell, it is restarted by its policy."`,

	"probe.Spec.http":     `doc:"URL that must answer, 200 to 399 unless status says otherwise."`,
	"probe.Spec.tcp":      `doc:"host:port that must accept a connection."`,
	"probe.Spec.exec":     `doc:"Command that must exit with 0."`,
	"probe.Spec.log":      `doc:"RE2 expression that a line of this run must match, once."`,
	"probe.Spec.notify":   `doc:"It says READY=1 over $NOTIFY_SOCKET, once."`,
	"probe.Spec.status":   `doc:"HTTP status codes that are well." min:"100" max:"599"`,
	"probe.Spec.body":     `doc:"RE2 expression that the HTTP body must match."`,
	"probe.Spec.delay":    `doc:"Time before the first question." default:"0s"`,
	"probe.Spec.interval": `doc:"Time between questions." default:"10s"`,
	"probe.Spec.timeout":  `doc:"Time for one answer." default:"2s"`,
	"probe.Spec.success":  `doc:"Good answers in a row until it is well." min:"1" default:"1"`,
	"probe.Spec.failure":  `doc:"Bad answers in a row until it is unwell." min:"1" default:"3"`,

	"control.Limits.memory":        `doc:"Memory of all its processes."`,
	"control.Limits.cpu":           `doc:"Processor cores of all its processes, 1.5." min:"0" max:"4096"`,
	"control.Limits.pids":          `doc:"Number of its processes." min:"0"`,
	"control.Limits.nofile":        `doc:"Open files of each process." min:"0"`,
	"control.Limits.core":          `doc:"Size of a core dump."`,
	"control.Limits.file_size":     `doc:"Size of a file it writes."`,
	"control.Limits.restart_above": `doc:"Resident memory of all its processes at which it is restarted."`,

	"control.Logs.mode":      `doc:"pipe stamps and rotates; direct writes straight to one file, which survives even the loss of the keeper." enum:"pipe direct" default:"pipe"`,
	"control.Logs.max_size":  `doc:"Size at which a file is rotated." default:"64MiB"`,
	"control.Logs.max_age":   `doc:"Age at which a file is rotated." default:"7d"`,
	"control.Logs.keep":      `doc:"Rotated files that stay." min:"0" max:"10000" default:"10"`,
	"control.Logs.compress":  `doc:"How rotated files are compressed." enum:"zstd none" default:"zstd"`,
	"control.Logs.when_full": `doc:"When its output cannot be written fast enough: it waits, or lines are dropped and counted." enum:"block drop" default:"block"`,

	"control.Schedule.cron":     `doc:"Cron expression of five fields, or six with seconds, or @daily and its like."`,
	"control.Schedule.every":    `doc:"Time from one start to the next."`,
	"control.Schedule.at":       `doc:"RFC 3339 time of its only run."`,
	"control.Schedule.timezone": `doc:"Time zone of cron, Europe/Berlin." default:"the machine's"`,
	"control.Schedule.overlap":  `doc:"When it is due while it runs." enum:"skip queue replace" default:"skip"`,
	"control.Schedule.catch_up": `doc:"Which missed runs are made up for after downtime." enum:"none once all" default:"none"`,
	"control.Schedule.timeout":  `doc:"Longest run." default:"0s (no limit)"`,
	"control.Schedule.retries":  `doc:"Runs after one that failed." min:"0" max:"100" default:"0"`,
	"control.Schedule.keep":     `doc:"Runs that are remembered." min:"1" max:"10000" default:"100"`,
	"control.Schedule.keep_for": `doc:"How long runs are remembered." default:"90d"`,
}

// tagOf returns the tags of a field of t.
func tagOf(t reflect.Type, sf reflect.StructField) reflect.StructTag {
	if tag, ok := specTags[t.String()+"."+yamlName(sf)]; ok {
		return tag
	}
	return sf.Tag
}

// specKey is one key of a definition, "restart.limit.attempts".
type specKey struct {
	Key  string
	Type reflect.Type
	Tag  reflect.StructTag
}

// specKeys lists the keys of a definition that hold values, in the order of the struct; "*" stands for a name or a kind of
// probe.
var specKeys = sync.OnceValue(func() (out []specKey) {
	var visit func(t reflect.Type, prefix string)
	visit = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			sf := t.Field(i)
			name := yamlName(sf)
			if name == "" {
				continue
			}
			key, ft, tag := join(prefix, name), deref(sf.Type), tagOf(t, sf)
			switch {
			case ft == reflect.TypeFor[control.Probes]():
				visit(deref(ft.Field(0).Type), key+".*") // all are of one type
			case isSection(ft):
				visit(ft, key)
			case ft.Kind() == reflect.Map && isSection(deref(ft.Elem())):
				visit(deref(ft.Elem()), key+".*")
			default:
				out = append(out, specKey{key, ft, tag})
			}
		}
	}
	visit(reflect.TypeFor[control.Spec](), "")
	return out
})

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// Definitions returns the services of the file by name, each with the place that owns it, "file:line".
func (l *Loaded) Definitions() []control.Definition {
	var out []control.Definition
	for _, name := range slices.Sorted(maps.Keys(l.Config.Services)) {
		out = append(out, control.Definition{Spec: l.Config.Services[name], Origin: l.Sources["services."+name].Detail})
	}
	return out
}

// ReadServices reads a file that holds nothing but a `services:` block, checked as [Load] does, and returns its definitions so
// that each stands behind those it needs. executable is what ${self} stands for. Errors are an [*Error].
func ReadServices(file string, data []byte, executable string) ([]control.Definition, error) {
	var v struct {
		Services map[string]*control.Spec `yaml:"services" doc:"Services and jobs by name."`
	}
	d := newDocument(file, filepath.Dir(file), data)
	if top := d.parse(data); top != nil {
		d.decode(top, reflect.ValueOf(&v).Elem(), "", "", place{1, 1})
	}
	d.finishServices(v.Services, executable)
	if len(d.problems) > 0 {
		return nil, &Error{d.problems}
	}
	graph, byKey := control.Graph{}, map[string]control.Definition{}
	for name, spec := range v.Services {
		key := control.Key(name)
		graph[key] = spec.Needs()
		byKey[key] = control.Definition{Spec: spec, Origin: d.sources["services."+name].Detail}
	}
	var out []control.Definition
	for _, key := range graph.Order() {
		if def, ok := byKey[key]; ok {
			out = append(out, def)
		}
	}
	return out, nil
}

// ReadService reads one definition in the form of an entry of `services:`, without its name. Errors name the file; relative
// paths are below dir. See [ReadServices].
func ReadService(name, file, dir string, data []byte, executable string) (*control.Spec, error) {
	spec := &control.Spec{}
	d := newDocument(file, dir, data)
	if top := d.parse(data); top != nil {
		d.decode(top, reflect.ValueOf(spec).Elem(), "", "", place{1, 1})
	}
	if len(d.problems) == 0 {
		d.finishService("", name, spec, executable)
	}
	if len(d.problems) > 0 {
		return nil, &Error{d.problems}
	}
	return spec, nil
}

// finishServices names the definitions that were read and reports everything that is wrong with them, in the file's order.
func (d *document) finishServices(services map[string]*control.Spec, executable string) {
	names := slices.SortedFunc(maps.Keys(services), func(a, b string) int {
		if x, y := d.places["services."+a], d.places["services."+b]; x != y {
			return max(-1, min(1, (x.line-y.line)*1_000_000+x.column-y.column))
		}
		return strings.Compare(a, b)
	})
	first := map[string]string{}
	graph := control.Graph{}
	for _, name := range names {
		key, at := "services."+name, d.places["services."+name]
		if other, twice := first[control.Key(name)]; twice {
			d.report(at, key, fmt.Sprintf("is the same name as %s in line %d; - and _ and the case of letters make no difference", other, d.places["services."+other].line))
		}
		first[control.Key(name)] = name
		d.finishService(key, name, services[name], executable)
		graph[control.Key(name)] = services[name].Needs()
	}
	if c := graph.Cycle(); c != nil {
		at := "services." + first[c[0]] + ".depends_on"
		d.report(d.places[at], at, "goes round in a circle: "+strings.Join(c, " -> "))
	}
}

// refuseMasks reports values that were copied out of what the server shows, where secrets are masked.
func (d *document) refuseMasks(services map[string]*control.Spec) {
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for _, f := range services[name].Masks() {
			at := "services." + name + "." + f.Field
			d.add(d.nearestPlace(at), at, f.Message, false)
		}
	}
}

// finishService does it for one, whose keys begin with key.
func (d *document) finishService(key, name string, spec *control.Spec, executable string) {
	spec.ID = name
	if len(spec.Command) > 0 && spec.Command[0] == self {
		if executable == "" {
			at := join(key, "command")
			d.report(d.places[at], at, self+" cannot be used: the path of this program is not known")
			return
		}
		spec.Command[0] = executable
	}
	effective, err := spec.Effective()
	if err == nil {
		err = effective.Check()
	}
	if err == nil {
		return
	}
	invalid, ok := errors.AsType[*control.InvalidError](err)
	if !ok {
		d.report(d.places[key], key, err.Error())
		return
	}
	for _, f := range invalid.Fields {
		at := key
		if f.Field != "" && f.Field != "name" {
			at = join(key, f.Field)
		}
		// Nothing of the environment is quoted: a value may be a secret.
		d.add(d.nearestPlace(at), at, f.Message, !strings.HasPrefix(f.Field, "env."))
	}
}

// nearestPlace returns where a key stands in the file, or the closest section around it that does.
func (d *document) nearestPlace(key string) place {
	for key != "" {
		if at, ok := d.places[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return place{1, 1}
}

// PatchService turns "key=value" pairs into a JSON merge patch of a definition: {"restart":{"initial":"5s"}}. Lists are comma
// lists or JSON lists, an empty value takes the key back to its default. Relative paths are below dir. Errors name the pair.
func PatchService(pairs []string, dir string) (map[string]any, error) {
	patch := map[string]any{}
	for _, pair := range pairs {
		key, text, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not of the form key=value", pair)
		}
		t, tag, err := specField(key)
		if err != nil {
			return nil, err
		}
		var value any
		if text != "" {
			v := reflect.New(t).Elem()
			if wrong := setText(v, tag, dir, []string{text}); wrong != "" {
				return nil, fmt.Errorf("%s: %s", key, wrong)
			}
			value = plain(v, "")
		}
		names := strings.Split(key, ".")
		if names[0] == "env" { // names of variables may hold dots
			names = strings.SplitN(key, ".", 2)
		}
		at := patch
		for _, name := range names[:len(names)-1] {
			sub, ok := at[name].(map[string]any)
			if !ok {
				sub = map[string]any{}
				at[name] = sub
			}
			at = sub
		}
		at[names[len(names)-1]] = value
	}
	return patch, nil
}

// specField finds the type and tags of a key of a definition that one text can set.
func specField(key string) (reflect.Type, reflect.StructTag, error) {
	if name, ok := strings.CutPrefix(key, "env."); ok && name != "" {
		return reflect.TypeFor[string](), `secret:"true"`, nil
	}
	if key == "env" {
		return nil, "", errors.New("env: has keys of its own, such as env.NAME")
	}
	known := []string{}
	for _, k := range specKeys() {
		known = append(known, k.Key)
		if matches(k.Key, key) && (isScalar(k.Type) || k.Type.Kind() == reflect.Slice) {
			return k.Type, k.Tag, nil
		}
	}
	if near := nearest(key, known); near != "" && near != key {
		return nil, "", fmt.Errorf("%s: unknown key; did you mean %s?", key, near)
	}
	for _, k := range known {
		if strings.HasSuffix(k, "."+key) {
			return nil, "", fmt.Errorf("%s: unknown key; did you mean %s?", key, k)
		}
		if n := strings.Count(key, ".") + 1; strings.Count(k, ".") >= n && matches(strings.Join(strings.Split(k, ".")[:n], "."), key) {
			return nil, "", fmt.Errorf("%s: has keys of its own, such as %s", key, k)
		}
	}
	return nil, "", fmt.Errorf("%s: unknown key; known keys: %s", key, strings.Join(known, ", "))
}

// matches says whether a key is of a pattern, in which "*" is any one name.
func matches(pattern, key string) bool {
	p, k := strings.Split(pattern, "."), strings.Split(key, ".")
	return slices.EqualFunc(p, k, func(a, b string) bool { return a == b || a == "*" && b != "" })
}

// shownSpec returns a definition as maps, with the names of the file and what may be secret masked.
func shownSpec(s *control.Spec) any {
	shown := *s
	shown.Env = s.ShownEnv()
	shown.Command = mask.List(s.Command)
	text, err := json.Marshal(&shown)
	if err != nil {
		return err.Error()
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return err.Error()
	}
	delete(m, "name")
	if len(shown.Env) == 0 {
		delete(m, "env")
	}
	return m
}

var (
	durationType = reflect.TypeFor[unit.Duration]()
	bytesType    = reflect.TypeFor[unit.Bytes]()
)
