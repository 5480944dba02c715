package config

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"controlcenter/internal/unit"
)

// What the design promises to users by name.
func TestNamesOfKeysVariablesAndFlags(t *testing.T) {
	want := []string{
		"web.listen_addresses CC_WEB_LISTEN_ADDRESSES web.listen-address",
		"web.socket CC_WEB_SOCKET web.socket",
		"web.config_file CC_WEB_CONFIG_FILE web.config.file",
		"web.allowed_hosts CC_WEB_ALLOWED_HOSTS web.allowed-hosts",
		"web.cors_origins CC_WEB_CORS_ORIGINS web.cors-origins",
		"web.insecure CC_WEB_INSECURE web.insecure",
		"log.level CC_LOG_LEVEL log.level",
		"log.format CC_LOG_FORMAT log.format",
		"stream.interval CC_STREAM_INTERVAL ",
		"exporter.ports.start CC_EXPORTER_PORTS_START ",
		"exporter.ports.end CC_EXPORTER_PORTS_END ",
		"exporter.processes.top CC_EXPORTER_PROCESSES_TOP ",
		"exporter.disable CC_EXPORTER_DISABLE ",
		"exporter.textfile_directory CC_EXPORTER_TEXTFILE_DIRECTORY ",
		"storage.path CC_STORAGE_PATH storage.path",
		"storage.backup.every CC_STORAGE_BACKUP_EVERY ",
		"storage.backup.keep CC_STORAGE_BACKUP_KEEP ",
	}
	var got []string
	for _, f := range keys() {
		got = append(got, f.Key+" "+f.Env+" "+f.Flag)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing %q in\n%s", w, strings.Join(got, "\n"))
		}
	}
}

// A typing error in a tag would switch a check off without a word.
func TestTagsOfTheStructAreSound(t *testing.T) {
	known := []string{"yaml", "flag", "doc", "min", "max", "items", "enum", "format", "unique", "default", "secret"}
	pair := regexp.MustCompile(`([^ :]+):"(?:[^"\\]|\\.)*"`)
	var visit func(typ reflect.Type)
	visit = func(typ reflect.Type) {
		for i := range typ.NumField() {
			sf := typ.Field(i)
			at := typ.String() + "." + sf.Name
			if sf.Tag.Get("yaml") == "-" {
				continue
			}
			if _, known := specTags[typ.String()+"."+yamlName(sf)]; known {
				sf.Tag = `yaml:"x" ` + tagOf(typ, sf)
			}
			for _, m := range pair.FindAllStringSubmatch(string(sf.Tag), -1) {
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s: unknown tag %s", at, m[1])
				}
			}
			if sf.Tag.Get("doc") == "" || sf.Tag.Get("yaml") == "" || strings.ContainsAny(sf.Tag.Get("doc"), "|\n") {
				t.Errorf("%s: tags yaml and doc are needed, without | and line ends", at)
			}
			if f := sf.Tag.Get("format"); f != "" && formats[f].norm == nil {
				t.Errorf("%s: unknown format %s", at, f)
			}
			if u := sf.Tag.Get("items"); u != "" && !regexp.MustCompile(`^\d*\.\.\d*$`).MatchString(u) {
				t.Errorf("%s: items %q", at, u)
			}
			elem := sf.Type
			for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Map || elem.Kind() == reflect.Pointer {
				elem = elem.Elem()
			}
			for _, bound := range []string{sf.Tag.Get("min"), sf.Tag.Get("max")} {
				if bound == "" {
					continue
				}
				if wrong := readScalar(reflect.New(elem).Elem(), "", "", bound); wrong != "" {
					t.Errorf("%s: bound %s %s", at, bound, wrong)
				}
			}
			if isSection(elem) {
				visit(elem)
			} else if !isScalar(elem) {
				t.Errorf("%s: %s cannot be read", at, sf.Type)
			}
		}
	}
	visit(reflect.TypeFor[Config]())
}

func TestVariablesAndFlagsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, f := range keys() {
		for _, name := range []string{f.Env, f.Alias, f.Flag} {
			if name == "" {
				continue
			}
			if other, twice := seen[name]; twice {
				t.Errorf("%s names both %s and %s", name, other, f.Key)
			}
			seen[name] = f.Key
		}
	}
	for _, name := range otherNames {
		if key, twice := seen[name]; twice {
			t.Errorf("%s names %s and something else", name, key)
		}
	}
	for _, rule := range oldRules {
		if keyNamed(rule.key) == nil {
			t.Errorf("old name %v sets %s, which is no key", rule.names, rule.key)
		}
	}
}

// What the documentation prints as default must be accepted where a user would write it.
func TestDefaultsPassTheirOwnChecks(t *testing.T) {
	root := reflect.ValueOf(defaults("/state"))
	for _, f := range keys() {
		if f.Env == "" {
			continue
		}
		v := reflect.New(f.Type).Elem()
		if wrong := setText(v, f.Tag, "/", []string{show(f.in(root), f.Tag)}); wrong != "" {
			t.Errorf("%s: %s", f.Key, wrong)
		} else if got, want := show(v, f.Tag), show(f.in(root), f.Tag); got != want {
			t.Errorf("%s: default %s read back as %s", f.Key, want, got)
		}
	}
	for _, c := range crossChecks {
		cfg := defaults("/state")
		if text := c.check(&cfg); text != "" {
			t.Errorf("%v: %s", c.keys, text)
		}
	}
}

// later stands for the keys that come with other parts: maps of sections, secrets, numbers of every kind.
type later struct {
	Services map[string]laterService `yaml:"services" doc:"d"`
	Roots    []laterRoot             `yaml:"roots" doc:"d"`
	Key      string                  `yaml:"key" secret:"true" doc:"d"`
	Limits   struct {
		Factor float64 `yaml:"factor" min:"1" max:"10" doc:"d"`
		Size   int64   `yaml:"size" doc:"d"`
	} `yaml:"limits" doc:"d"`
}

type laterService struct {
	Command []string          `yaml:"command" items:"1.." doc:"d"`
	Env     map[string]string `yaml:"env" doc:"d"`
	Grace   unit.Duration     `yaml:"grace" max:"1m" doc:"d"`
	Token   string            `yaml:"token" secret:"true" doc:"d"`
	Ports   []int             `yaml:"ports" min:"1" max:"65535" doc:"d"`
}

type laterRoot struct {
	ID string `yaml:"id" format:"name" doc:"d"`
}

func decodeLater(text string) (later, *document) {
	d := newDocument("f", "/dir", []byte(text))
	var v later
	if top := d.parse([]byte(text)); top != nil {
		d.decode(top, reflect.ValueOf(&v).Elem(), "", "", place{1, 1})
	}
	return v, d
}

func TestMapsListsOfSectionsAndSecrets(t *testing.T) {
	v, d := decodeLater(`services:
  web:
    command: [run, "a b"]
    env: {A: "1"}
    grace: 5s
    ports: [80, 443]
    token: hush
  "8080": {command: [x]}
roots:
  - id: main
  - {id: other}
key: |
  hush
limits: {factor: 1.5, size: 9007199254740993}
`)
	if len(d.problems) != 0 {
		t.Fatal(&Error{d.problems})
	}
	want := later{
		Services: map[string]laterService{
			"web":  {Command: []string{"run", "a b"}, Env: map[string]string{"A": "1"}, Grace: unit.Duration(5 * time.Second), Token: "hush", Ports: []int{80, 443}},
			"8080": {Command: []string{"x"}},
		},
		Roots: []laterRoot{{"main"}, {"other"}},
		Key:   "hush\n",
	}
	want.Limits.Factor, want.Limits.Size = 1.5, 9007199254740993
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got  %+v\nwant %+v", v, want)
	}
	for key, detail := range map[string]string{"services.web": "f:2", "services.web.env.A": "f:4", "roots[1].id": "f:11"} {
		if got := d.sources[key]; got != (Source{"file", detail}) {
			t.Errorf("source of %s: %v, want %s", key, got, detail)
		}
	}
	for _, f := range walk(reflect.TypeFor[later]()) {
		if text := show(f.in(reflect.ValueOf(v)), f.Tag); strings.Contains(text, "hush") {
			t.Errorf("%s shows the secret: %s", f.Key, text)
		}
		if wants := f.Key == "key" || strings.HasPrefix(f.Key, "limits."); wants != (f.Env != "") {
			t.Errorf("%s: variable %q", f.Key, f.Env)
		}
	}
}

func TestProblemsBelowMapsAndListsNameTheWholeKey(t *testing.T) {
	_, d := decodeLater("services:\n  web: {comand: [], ports: [0], env: {A: 1}}\n  db:\n    grace: 2m\nroots: [{id: A}]\nlimits: {factor: 11}\n")
	var got []string
	for _, p := range d.problems {
		got = append(got, p.Key)
	}
	if want := []string{"services.web.comand", "services.web.ports[0]", "services.web.env.A", "services.db.grace", "roots[0].id", "limits.factor"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretIsNotShownInErrors(t *testing.T) {
	for _, text := range []string{"key: [hush]\n", "services: {a: {token: {hush: 1}}}\n"} {
		_, d := decodeLater(text)
		if len(d.problems) == 0 {
			t.Fatalf("%q was accepted", text)
		}
		if got := (&Error{d.problems}).Error(); strings.Contains(got, "hush") {
			t.Errorf("%s", got)
		}
	}
	var n int
	if wrong := setScalar(reflect.ValueOf(&n).Elem(), `secret:"true"`, "", "hush"); wrong == "" || strings.Contains(wrong, "hush") {
		t.Errorf("got %q", wrong)
	}
}

func TestSettingsAndFlags(t *testing.T) {
	l := load(t, Options{Dir: t.TempDir(), Environ: []string{"CC_WEB_CORS_ORIGINS=http://a,http://b"}})
	byKey := map[string]Setting{}
	for _, s := range l.Settings() {
		byKey[s.Key] = s
	}
	got, want := byKey["web.cors_origins"], Setting{
		Key: "web.cors_origins", Value: "http://a,http://b", Default: "http://localhost:3000,http://localhost:3001,http://localhost:3002",
		Env: "CC_WEB_CORS_ORIGINS", Flag: "--web.cors-origins", Doc: "Origins whose pages may call the API from a browser.", Source: Source{"environment", "CC_WEB_CORS_ORIGINS"},
	}
	if got != want || len(byKey) != len(keys()) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if s := byKey["stream.interval"]; s.Value != "2s" || s.Flag != "" || s.Source.Kind != "default" {
		t.Errorf("got %+v", s)
	}
	kinds := map[string]string{}
	for _, f := range Flags() {
		kinds[f.Name] = f.Kind
		if f.Repeatable != (f.Kind == "list") || f.Doc == "" || keyNamed(f.Key) == nil {
			t.Errorf("flag %+v", f)
		}
	}
	for name, kind := range map[string]string{"web.listen-address": "list", "web.insecure": "bool", "log.level": "string", "web.config.file": "string"} {
		if kinds[name] != kind {
			t.Errorf("--%s is %q, want %q", name, kinds[name], kind)
		}
	}
	text, err := json.Marshal(l.Map())
	if err != nil || !strings.Contains(string(text), `"stream":{"interval":"2s"}`) {
		t.Errorf("map %s, %v", text, err)
	}
}
