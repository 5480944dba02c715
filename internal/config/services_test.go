package config

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"controlcenter/control"
	"controlcenter/control/probe"
	"controlcenter/internal/unit"
)

func ptr[T any](v T) *T { return &v }

func TestServicesAreReadAsTheyAreWritten(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, FileName), `log: {level: info}
services:
  comfyui:
    display_name: ComfyUI
    template: comfyui
    command: ["./venv/bin/python", "main.py"]
    cwd: opt/comfyui
    ports: [8188, 65535]
    autostart: true
    env: {HF_HOME: /data/hf, EMPTY: ""}
    env_files: [.env]
    secrets: [HF_TOKEN]
    restart: {policy: on-failure, initial: 0s, factor: 1.5, jitter: 0, limit: {attempts: 0}}
    stop: {signal: TERM, grace: 10s}
    depends_on: {kb-scheduler: {condition: completed, timeout: 2m}, other: {}}
    probes:
      readiness: {http: "http://127.0.0.1:8188/system_stats", interval: 5s, status: [200]}
      liveness: {tcp: "127.0.0.1:8188"}
    limits: {memory: 24GiB, cpu: 2, core: 1048576}
    logs: {max_age: 1d}
  kb-scheduler:
    type: job
    command: ["${self}", scan]
    schedule: {cron: "0 9 * * MON", timeout: 2h}
`)
	var e *Error
	// What the file says is one mistake away from right: an initial wait of 0 is below its least.
	if _, err := Load(Options{Dir: dir, StateDir: dir, Executable: "/bin/cc"}); !errors.As(err, &e) || len(e.Problems) != 1 || e.Problems[0].Key != "services.comfyui.restart.initial" || e.Problems[0].Line != 13 {
		t.Fatalf("got %v", err)
	}
	text := readFile(t, filepath.Join(dir, FileName))
	write(t, filepath.Join(dir, FileName), strings.Replace(text, "initial: 0s", "initial: 1ms", 1))
	l := load(t, Options{Dir: dir, Executable: "/bin/cc"})
	want := map[string]*control.Spec{
		"comfyui": {
			ID: "comfyui", DisplayName: "ComfyUI", Template: "comfyui", Command: []string{"./venv/bin/python", "main.py"}, Cwd: filepath.Join(dir, "opt", "comfyui"),
			Ports: []uint16{8188, 65535}, Autostart: true, Env: map[string]string{"HF_HOME": "/data/hf", "EMPTY": ""}, EnvFiles: []string{".env"}, Secrets: []string{"HF_TOKEN"},
			Restart: control.Restart{Policy: control.RestartOnFailure, Initial: ptr(unit.Duration(time.Millisecond)), Factor: 1.5, Jitter: ptr(0.0), Limit: control.RestartLimit{Attempts: ptr(0)}},
			Stop:    control.Stop{Signal: "TERM", Grace: ptr(unit.Duration(10 * time.Second))},
			DependsOn: map[string]control.Dependency{
				"kb-scheduler": {Condition: control.ConditionCompleted, Timeout: unit.Duration(2 * time.Minute)}, "other": {},
			},
			Probes: control.Probes{
				Readiness: &probe.Spec{HTTP: "http://127.0.0.1:8188/system_stats", Interval: unit.Duration(5 * time.Second), Status: []int{200}},
				Liveness:  &probe.Spec{TCP: "127.0.0.1:8188"},
			},
			Limits: control.Limits{Memory: 24 << 30, CPU: 2, Core: 1 << 20},
			Logs:   control.Logs{MaxAge: unit.Duration(24 * time.Hour)},
		},
		"kb-scheduler": {ID: "kb-scheduler", Type: control.TypeJob, Command: []string{"/bin/cc", "scan"}, Schedule: &control.Schedule{Cron: "0 9 * * MON", Timeout: unit.Duration(2 * time.Hour)}},
	}
	if !reflect.DeepEqual(l.Config.Services, want) {
		got, _ := json.Marshal(l.Config.Services)
		wanted, _ := json.Marshal(want)
		t.Errorf("got  %s\nwant %s", got, wanted)
	}
	file := filepath.Join(dir, FileName)
	if got := l.Definitions(); len(got) != 2 || got[0].Spec != l.Config.Services["comfyui"] || got[0].Origin != file+":3" || got[1].Origin != file+":21" {
		t.Errorf("definitions %+v", got)
	}
}

func TestWrongServicesAreShownWithPlaceAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "services:\n  web: {comand: [x]}\n", `controlcenter.yaml:2:9: services.web.comand: unknown key; did you mean command?
    2 |   web: {comand: [x]}
      |         ^`},
		{"key that belongs deeper", "services:\n  web:\n    grace: 5s\n", `controlcenter.yaml:3:5: services.web.grace: unknown key; did you mean stop.grace?
    3 |     grace: 5s
      |     ^`},
		{"unknown key below", "services: {web: {command: [x], restart: {inital: 1s}}}\n", `controlcenter.yaml:1:42: services.web.restart.inital: unknown key; did you mean initial?
    1 | services: {web: {command: [x], restart: {inital: 1s}}}
      |                                          ^`},
		{"unknown key of a probe", "services: {web: {command: [x], probes: {liveness: {url: x}}}}\n", `controlcenter.yaml:1:52: services.web.probes.liveness.url: unknown key; known keys of services.web.probes.liveness: http, tcp, exec, log, notify, status, body, delay, interval, timeout, success, failure
    1 | services: {web: {command: [x], probes: {liveness: {url: x}}}}
      |                                                    ^`},
		{"the name is the key", "services: {web: {command: [x], name: other}}\n", "controlcenter.yaml:1:32: services.web.name: unknown key; known keys of services.web: display_name,"},
		{"text for a command", "services: {web: {command: run me}}\n", `controlcenter.yaml:1:27: services.web.command: expected a list, got a text; accepted: a list, each entry a text
    1 | services: {web: {command: run me}}
      |                           ^`},
		{"no duration", "services: {web: {command: [x], stop: {grace: soon}}}\n", `controlcenter.yaml:1:46: services.web.stop.grace: "soon" is not a duration; accepted: a duration such as 2s, 5m or 7d
    1 | services: {web: {command: [x], stop: {grace: soon}}}
      |                                              ^`},
		{"duration without unit", "services: {web: {command: [x], stop: {grace: 5}}}\n", `controlcenter.yaml:1:46: services.web.stop.grace: "5" has no unit, write 5s for seconds; accepted: a duration such as 2s, 5m or 7d
    1 | services: {web: {command: [x], stop: {grace: 5}}}
      |                                              ^`},
		{"no size", "services: {web: {command: [x], limits: {memory: 24 gigs}}}\n", `controlcenter.yaml:1:49: services.web.limits.memory: "24 gigs" is not a size; accepted: a size such as 64MiB, 10MB or 1048576
    1 | services: {web: {command: [x], limits: {memory: 24 gigs}}}
      |                                                 ^`},
		{"no such word", "services: {web: {command: [x], restart: {policy: alway}}}\n", `controlcenter.yaml:1:50: services.web.restart.policy: "alway" is unknown, did you mean always?; accepted: no, on-failure, always, unless-stopped
    1 | services: {web: {command: [x], restart: {policy: alway}}}
      |                                                  ^`},
		{"port out of range", "services: {web: {command: [x], ports: [80, 65536]}}\n", `controlcenter.yaml:1:44: services.web.ports[1]: "65536" is out of range; accepted: 1 to 65535
    1 | services: {web: {command: [x], ports: [80, 65536]}}
      |                                            ^`},
		{"port below range", "services: {web: {command: [x], ports: [-1]}}\n", `controlcenter.yaml:1:40: services.web.ports[0]: "-1" is out of range; accepted: 1 to 65535
    1 | services: {web: {command: [x], ports: [-1]}}
      |                                        ^`},
		{"nothing in a service", "services:\n  web:\n", `controlcenter.yaml:2:3: services.web.command: must name a program
    2 |   web:
      |   ^`},
		{"definition errors of all services, in the file's order", `services:
  zoo:
    command: [x]
    restart: {initial: 2s, max: 1s}
    probes:
      readiness: {interval: 5s}
  apple: {cwd: a, schedule: {every: 1s}, success_codes: [0]}
`, `controlcenter.yaml:4:33: services.zoo.restart.max: must be at least restart.initial, 2s
    4 |     restart: {initial: 2s, max: 1s}
      |                                 ^
controlcenter.yaml:6:7: services.zoo.probes.readiness: must have one of http, tcp, exec, log, notify
    6 |       readiness: {interval: 5s}
      |       ^
controlcenter.yaml:7:3: services.apple.command: must name a program
    7 |   apple: {cwd: a, schedule: {every: 1s}, success_codes: [0]}
      |   ^
controlcenter.yaml:7:19: services.apple.schedule: is for type: job
    7 |   apple: {cwd: a, schedule: {every: 1s}, success_codes: [0]}
      |                   ^`},
		{"name of a service", "services: {\"we b\": {command: [x]}}\n", `controlcenter.yaml:1:12: services.we b: "we b" must match ^[a-zA-Z0-9_-]{1,100}$
    1 | services: {"we b": {command: [x]}}
      |            ^`},
		{"two names that are one", "services:\n  kb_scheduler: {command: [x]}\n  KB-scheduler: {command: [x]}\n", `controlcenter.yaml:3:3: services.KB-scheduler: is the same name as kb_scheduler in line 2; - and _ and the case of letters make no difference
    3 |   KB-scheduler: {command: [x]}
      |   ^`},
		{"a circle", "services:\n  a: {command: [x], depends_on: {b: {}}}\n  b: {command: [x], depends_on: {A: {}}}\n", `controlcenter.yaml:2:21: services.a.depends_on: goes round in a circle: a -> b -> a
    2 |   a: {command: [x], depends_on: {b: {}}}
      |                     ^`},
		{"the program itself, unknown", "services: {a: {command: [\"${self}\"]}}\n", `controlcenter.yaml:1:25: services.a.command: ${self} cannot be used: the path of this program is not known
    1 | services: {a: {command: ["${self}"]}}
      |                         ^`},
		{"home sign", "services: {a: {command: [x], cwd: ~/a}}\n", `controlcenter.yaml:1:35: services.a.cwd: "~/a" starts with ~, which is not expanded here, write the whole path; accepted: a path; empty for none
    1 | services: {a: {command: [x], cwd: ~/a}}
      |                                   ^`},
		{"list for services", "services: [a]\n", `controlcenter.yaml:1:11: services: expected a map, got a list; accepted: a map of names
    1 | services: [a]
      |           ^`},
		{"unknown key of compat", "compat: {rate_limit: true}\n", `controlcenter.yaml:1:10: compat.rate_limit: unknown key; did you mean rate_limits?
    1 | compat: {rate_limit: true}
      |          ^`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := failure(t, Options{}, c.yaml, "")
			if short := strings.HasSuffix(c.want, ","); got != c.want && !(short && strings.HasPrefix(got, c.want)) {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// A value of the environment may be a secret, also where it is of the wrong type.
func TestEnvironmentOfServicesIsNotShownInErrors(t *testing.T) {
	for _, text := range []string{
		"services: {a: {command: [x], env: {KEY: [hush]}}}\n",
		"services: {a: {command: [x], env: [KEY=hush]}}\n",
		"services: {a: {command: [x], env: KEY=hush}}\n",
		"services: {a: {command: [x], env: {KEY: hush, KEY: hush}}}\n",
		"services: {a: {command: [x], env: {\"K Y\": hush}}}\n",
		"services: {a: {command: [x], env: {KEY: hush}, secrets: [KEY]}}\n",
	} {
		if got := failure(t, Options{}, text, ""); strings.Contains(got, "hush") || !strings.Contains(got, "services.a.env") {
			t.Errorf("%s\n%s", text, got)
		}
	}
}

func TestShownServicesHoldNoSecrets(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, FileName), "services:\n  a:\n    command: [x]\n    env: {API_TOKEN: hush, LANG: C}\n    secrets: [PW]\n  b: {command: [y]}\n")
	l := load(t, Options{Dir: dir})
	var got []string
	for _, s := range l.Settings() {
		if strings.HasPrefix(s.Key, "services") {
			got = append(got, s.Key+" "+s.Value+" "+s.Source.String())
		}
	}
	file := filepath.Join(dir, FileName)
	want := []string{
		`services.a {"command":["x"],"env":{"API_TOKEN":"********","LANG":"C","PW":"********"},"secrets":["PW"]} file ` + file + ":2",
		`services.b {"command":["y"]} file ` + file + ":6",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if text, err := json.Marshal(l.Map()); err != nil || strings.Contains(string(text), "hush") || !strings.Contains(string(text), `"LANG":"C"`) {
		t.Errorf("map %s %v", text, err)
	}
	if got := l.Config.Services["a"].Env["API_TOKEN"]; got != "hush" {
		t.Errorf("showing it changed it to %q", got)
	}
}

func TestVariablesDoNotReachIntoServices(t *testing.T) {
	got := failure(t, Options{Environ: []string{"CC_SERVICES_WEB_CWD=/x"}}, "services: {web: {command: [x]}}\n", "")
	if !strings.HasPrefix(got, "environment CC_SERVICES_WEB_CWD: unknown variable") {
		t.Errorf("got %s", got)
	}
}

func TestEveryTagOfADefinitionIsOfAField(t *testing.T) {
	used := map[string]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if !isSection(typ) {
			return
		}
		for i := range typ.NumField() {
			if name := yamlName(typ.Field(i)); name != "" {
				used[typ.String()+"."+name] = true
				visit(typ.Field(i).Type)
			}
		}
	}
	visit(reflect.TypeFor[control.Spec]())
	for name := range specTags {
		if !used[name] {
			t.Errorf("%s is no field", name)
		}
	}
	for name := range used {
		if specTags[name] == "" {
			t.Errorf("%s has no tags", name)
		}
	}
}

// The documentation names the defaults of package control; they must not drift apart.
func TestDocumentedDefaultsAreThoseInForce(t *testing.T) {
	effective, err := (&control.Spec{ID: "a", Command: []string{"x"}, Type: control.TypeJob, Schedule: &control.Schedule{}, Probes: control.Probes{Startup: &probe.Spec{}}, DependsOn: map[string]control.Dependency{"b": {}}}).Effective()
	if err != nil {
		t.Fatal(err)
	}
	service, err := (&control.Spec{ID: "a", Command: []string{"x"}}).Effective()
	if err != nil {
		t.Fatal(err)
	}
	effective.Restart, effective.Type = service.Restart, service.Type
	root := reflect.ValueOf(effective).Elem()
	for _, k := range specKeys() {
		doc, _, _ := strings.Cut(k.Tag.Get("default"), " (")
		doc, _, _ = strings.Cut(doc, ";")
		if doc == "" || strings.ContainsAny(doc, ", '") {
			continue // in words
		}
		v := root
		for name := range strings.SplitSeq(k.Key, ".") {
			for v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			if v.Kind() == reflect.Map {
				v = v.MapIndex(reflect.ValueOf("b"))
				continue
			}
			if name == "*" {
				name = "startup"
			}
			for i := range v.NumField() {
				if yamlName(v.Type().Field(i)) == name {
					v = v.Field(i)
					break
				}
			}
		}
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		want := reflect.New(k.Type).Elem()
		if wrong := setText(want, k.Tag, "", []string{doc}); wrong != "" {
			t.Errorf("%s: default %s", k.Key, wrong)
		} else if got, wanted := show(v, ""), show(want, ""); got != wanted {
			t.Errorf("%s: documented default %s, in force %s", k.Key, wanted, got)
		}
	}
}

func TestFilesOfServicesAlone(t *testing.T) {
	defs, err := ReadServices("/x/f.yaml", []byte("services:\n  a: {command: [\"${self}\"], cwd: y}\n"), "/bin/cc")
	if err != nil || len(defs) != 1 || defs[0].Spec.ID != "a" || defs[0].Spec.Command[0] != "/bin/cc" || defs[0].Spec.Cwd != filepath.Join("/x", "y") || defs[0].Origin != "/x/f.yaml:2" {
		t.Errorf("got %+v, %v", defs, err)
	}
	defs, err = ReadServices("f", []byte("services:\n  a: {command: [x], depends_on: {z: {}, from_api: {}}}\n  z: {command: [x]}\n"), "")
	if err != nil || len(defs) != 2 || defs[0].Spec.ID != "z" || defs[1].Spec.ID != "a" {
		t.Errorf("order of dependencies: %+v, %v", defs, err)
	}
	if _, err := ReadServices("f", []byte("web: {}\n"), ""); err == nil || !strings.Contains(err.Error(), "f:1:1: web: unknown key; known keys: services") {
		t.Errorf("got %v", err)
	}
	spec, err := ReadService("b", "f.yaml", "/d", []byte("command: [run]\ncwd: x\nstop: {grace: 5s}\n"), "")
	if err != nil || spec.ID != "b" || spec.Cwd != filepath.Join("/d", "x") || spec.Stop.Grace.Std() != 5*time.Second {
		t.Errorf("got %+v, %v", spec, err)
	}
	if _, err := ReadService("b", "f", "", []byte("command: [run]\nstop: {grace: 2h}\n"), ""); err == nil || err.Error() != "f:2:15: stop.grace: must be at most 1h\n    2 | stop: {grace: 2h}\n      |               ^" {
		t.Errorf("got %v", err)
	}
	if _, err := ReadService("b", "f", "", []byte("comand: [run]\n"), ""); err == nil || !strings.HasPrefix(err.Error(), "f:1:1: comand: unknown key; did you mean command?") {
		t.Errorf("got %v", err)
	}
}

func TestPatchesFromPairs(t *testing.T) {
	got, err := PatchService([]string{
		"restart.initial=5s", "restart.limit.attempts=3", "ports=80,81", `command=["a","b c"]`, "env.A.B=1", "autostart=true", "cwd=sub",
		"limits.memory=1GiB", "limits.cpu=1.5", "depends_on.db.condition=healthy", "probes.readiness.http=http://x/", "description=", "env.GONE=",
	}, "/d")
	text, _ := json.Marshal(got)
	want := `{"autostart":true,"command":["a","b c"],"cwd":"/d/sub","depends_on":{"db":{"condition":"healthy"}},"description":null,"env":{"A.B":"1","GONE":null},` +
		`"limits":{"cpu":1.5,"memory":"1GiB"},"ports":[80,81],"probes":{"readiness":{"http":"http://x/"}},"restart":{"initial":"5s","limit":{"attempts":3}}}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	for pair, want := range map[string]string{
		"autostart":            `"autostart" is not of the form key=value`,
		"autostart=yes":        `autostart: "yes" is neither true nor false; accepted: true or false`,
		"restart.inital=1s":    "restart.inital: unknown key; did you mean restart.initial?",
		"grace=1s":             "grace: unknown key; did you mean stop.grace?",
		"restart=always":       "restart: has keys of its own, such as restart.policy",
		"env=A":                "env: has keys of its own, such as env.NAME",
		"ports=80,x":           `ports: "x" is not a whole number; accepted: 1 to 65535`,
		"ports=80,80":          `ports: "80" is listed twice; accepted: each entry once`,
		"stop.grace=5":         `stop.grace: "5" has no unit, write 5s for seconds; accepted: a duration such as 2s, 5m or 7d`,
		"probes.readiness=x":   "probes.readiness: has keys of its own, such as probes.*.http",
		"depends_on.a.b.c=1":   "depends_on.a.b.c: unknown key",
		"success_codes=256":    `success_codes: "256" is out of range; accepted: 0 to 255`,
		"completely.unheard=x": "completely.unheard: unknown key; known keys: display_name, ",
	} {
		if _, err := PatchService([]string{pair}, ""); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pair, err, want)
		}
	}
}

func TestMasksOfTheFileAreNoValues(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, FileName), `services:
  web:
    command: [web]
    env:
      LEVEL: debug
      API_TOKEN: "********"
`)
	var e *Error
	if _, err := Load(Options{Dir: dir, StateDir: dir}); !errors.As(err, &e) || len(e.Problems) != 1 || e.Problems[0].Key != "services.web.env.API_TOKEN" || e.Problems[0].Line != 6 {
		t.Errorf("got %v", err)
	}
}
