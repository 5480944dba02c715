package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write docs/configuration.md and .env.example")

func TestConfigurationDocIsCurrent(t *testing.T) {
	current(t, filepath.Join("..", "..", "docs", "configuration.md"), Markdown())
}

func TestEnvExampleIsCurrent(t *testing.T) {
	current(t, filepath.Join("..", "..", ".env.example"), EnvExample())
}

func current(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("%s is stale: go test ./internal/config -run Current -update", name)
	}
}

func TestDocNamesEveryKeyAndOldName(t *testing.T) {
	doc := string(Markdown())
	for _, f := range keys() {
		for _, name := range []string{f.Key, f.Env, f.Alias} {
			if name != "" && !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%s is missing", name)
			}
		}
		if f.Flag != "" && !strings.Contains(doc, "`--"+f.Flag+"`") {
			t.Errorf("--%s is missing", f.Flag)
		}
	}
	for _, name := range strings.Fields("HOST PORT DEBUG CORS_ORIGINS DATABASE_URL WS_UPDATE_INTERVAL PORT_SCAN_START PORT_SCAN_END JWT_SECRET OLLAMA_URL AI_AGENTS_ROOT") {
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("old name %s is missing", name)
		}
	}
}

// Whoever uncomments everything in .env.example must get the defaults.
func TestEnvExampleLoads(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env"), regexp.MustCompile(`(?m)^#CC_`).ReplaceAllString(string(EnvExample()), "CC_"))
	l := load(t, Options{Dir: dir})
	want := defaults(filepath.Join(dir, "state"))
	want.Web.Socket = "" // an empty variable switches it off
	want.Web.TrustedProxies = []string{}
	want.Web.AllowedHosts, want.Exporter.Disable, want.Knowledge.Scan.Command = []string{}, []string{}, []string{}
	want.Notify.Rules.Enable, want.Notify.Rules.Disable = []string{}, []string{}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got  %+v\nwant %+v", l.Config, want)
	}
}

func TestExampleFileLoads(t *testing.T) {
	name := filepath.Join("..", "..", "examples", FileName)
	l := load(t, Options{Dir: t.TempDir(), File: absolute(t, name), Executable: "/bin/controlcenter"})
	want := defaults(l.Config.Storage.Path)
	if len(l.Config.Services) < 3 {
		t.Errorf("services %v", l.Config.Services)
	}
	for name, s := range l.Config.Services {
		if s.Command[0] != "/bin/controlcenter" {
			t.Errorf("%s runs %q, which need not be there", name, s.Command)
		}
	}
	if want := filepath.Join(absolute(t, filepath.Dir(name)), "knowledge"); len(l.Config.Knowledge.Roots) != 1 || l.Config.Knowledge.Roots[0].Path != want {
		t.Errorf("knowledge roots %+v, want %s", l.Config.Knowledge.Roots, want)
	}
	l.Config.Services, l.Config.Knowledge.Roots = nil, nil
	if !reflect.DeepEqual(l.Config, want) || l.Sources["storage.path"].Kind != "default" {
		t.Errorf("got  %+v\nwant %+v", l.Config, want)
	}
	// The second listen address that its comment proposes must be one that loads.
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`# .*(\["127.0.0.1:8080", "127.0.0.1:54112"\])`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the note about a second listen address is gone")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, FileName), "web: {listen_addresses: "+string(m[1])+"}\n")
	if got := load(t, Options{Dir: dir}).Config.Web.ListenAddresses; len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

type schema struct {
	Type                 string            `json:"type"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"` // false, or the schema of a map's entries
	Items                *schema           `json:"items"`
	Enum                 []string          `json:"enum"`
	Description          string            `json:"description"`
	Default              any               `json:"default"`
	Minimum, Maximum     *float64
	MinItems             int
	Pattern              string
	Required             []string
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaHasExactlyTheKeysWithTheirRules(t *testing.T) {
	root := readSchema(t)
	var leaves []string
	var visit func(s schema, key string)
	visit = func(s schema, key string) {
		if key != "" && s.Description == "" {
			t.Errorf("%s has no description", key)
		}
		isMap := strings.HasPrefix(string(s.AdditionalProperties), "{")
		if s.Type != "object" || isMap || key == "services" {
			leaves = append(leaves, key)
			return
		}
		if string(s.AdditionalProperties) != "false" || len(s.Required) > 0 {
			t.Errorf("%q allows other keys or requires some", key)
		}
		for name, p := range s.Properties {
			visit(p, join(key, name))
		}
	}
	visit(root, "")
	if len(leaves) != len(keys()) {
		t.Errorf("%d keys in the schema, %d in the struct", len(leaves), len(keys()))
	}
	standard := reflect.ValueOf(defaults(""))
	for _, f := range keys() {
		s := root
		for name := range strings.SplitSeq(f.Key, ".") {
			s = s.Properties[name]
		}
		item := s
		if s.Items != nil {
			item = *s.Items
		}
		if f.Type.Kind() == reflect.Map && f.Tag.Get("enum") != "" {
			for word := range strings.FieldsSeq(f.Tag.Get("enum")) {
				if !strings.Contains(string(s.AdditionalProperties), `"`+word+`"`) {
					t.Errorf("%s: values are not bound to %s: %s", f.Key, word, s.AdditionalProperties)
				}
			}
		} else if got, want := strings.Join(item.Enum, " "), f.Tag.Get("enum"); got != want {
			t.Errorf("%s: enum %q, want %q", f.Key, got, want)
		}
		if f.Tag.Get("default") == "" && f.Tag.Get("secret") == "" && f.Type.Kind() != reflect.Map {
			want, err := json.Marshal(plain(f.in(standard), f.Tag))
			if got, _ := json.Marshal(s.Default); err != nil || string(got) != string(want) {
				t.Errorf("%s: default %s, want %s", f.Key, got, want)
			}
		}
		if f.Type.Kind() == reflect.Int && (s.Minimum == nil || s.Maximum == nil) {
			t.Errorf("%s: no range", f.Key)
		}
	}
	if p := root.Properties["exporter"].Properties["ports"].Properties["end"]; *p.Minimum != 1 || *p.Maximum != 65535 {
		t.Errorf("exporter.ports.end: %v to %v", *p.Minimum, *p.Maximum)
	}
	if p := root.Properties["web"].Properties["listen_addresses"]; p.MinItems != 1 {
		t.Errorf("web.listen_addresses: at least %d", p.MinItems)
	}
}

// Every key of a definition is in the schema, with its meaning, and no other.
func TestSchemaHasTheKeysOfDefinitions(t *testing.T) {
	var entry schema
	if err := json.Unmarshal(readSchema(t).Properties["services"].AdditionalProperties, &entry); err != nil {
		t.Fatal(err)
	}
	var got []string
	var visit func(s schema, key string)
	visit = func(s schema, key string) {
		if key != "" && s.Description == "" {
			t.Errorf("%s has no description", key)
		}
		if string(s.AdditionalProperties) != "false" && s.Type == "object" && key != "env" {
			var sub schema
			if err := json.Unmarshal(s.AdditionalProperties, &sub); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			sub.Description = s.Description
			visit(sub, key+".*")
			return
		}
		if s.Type != "object" || key == "env" {
			key = regexp.MustCompile(`^probes\.[a-z]+`).ReplaceAllString(key, "probes.*")
			if !slices.Contains(got, key) {
				got = append(got, key)
			}
		}
		for name, p := range s.Properties {
			visit(p, join(key, name))
		}
	}
	visit(entry, "")
	var want []string
	for _, k := range specKeys() {
		want = append(want, k.Key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if p := entry.Properties["restart"].Properties["policy"]; strings.Join(p.Enum, " ") != "no on-failure always unless-stopped" || !strings.Contains(p.Description, "Default: on-failure") {
		t.Errorf("restart.policy: %+v", p)
	}
	if p := entry.Properties["ports"].Items; *p.Minimum != 1 || *p.Maximum != 65535 {
		t.Errorf("ports: %+v", p)
	}
}

func TestSchemaAcceptsTheExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", FileName))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	var check func(s schema, v any, key string)
	check = func(s schema, v any, key string) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				p, ok := s.Properties[name]
				if more := string(s.AdditionalProperties); !ok && more != "false" {
					if ok = json.Unmarshal(s.AdditionalProperties, &p) == nil; !ok {
						t.Fatal(more)
					}
				}
				if !ok {
					t.Errorf("%s is not in the schema", join(key, name))
					continue
				}
				check(p, value, join(key, name))
			}
		case []any:
			for _, item := range v {
				check(*s.Items, item, key+"[]")
			}
		case string:
			if s.Type != "string" || !regexp.MustCompile(s.Pattern).MatchString(v) {
				t.Errorf("%s: %q is not of the schema", key, v)
			}
		case bool:
			if s.Type != "boolean" {
				t.Errorf("%s: %v is not of the schema", key, v)
			}
		case uint64:
			if s.Type != "integer" && s.Type != "number" || s.Minimum != nil && float64(v) < *s.Minimum || s.Maximum != nil && float64(v) > *s.Maximum {
				t.Errorf("%s: %d is not of the schema", key, v)
			}
		default:
			t.Errorf("%s: a %T", key, v)
		}
	}
	check(readSchema(t), v, "")
}
