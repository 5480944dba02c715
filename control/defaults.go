package control

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"controlcenter/control/probe"
)

// defaults is what every definition starts from.
const defaults = `{
	"type": "service", "success_codes": [0],
	"env_inherit": ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA"],
	"restart": {"policy": "on-failure", "initial": "1s", "factor": 2, "max": "60s", "jitter": 0.2, "healthy_after": "10s", "limit": {"attempts": 5, "window": "5m"}},
	"stop": {"signal": "SIGTERM", "grace": "10s"},
	"logs": {"mode": "pipe", "max_size": "64MiB", "max_age": "7d", "keep": 10, "compress": "zstd", "when_full": "block"}
}`

// jobDefaults lie over defaults for jobs: a job that failed runs again when its schedule says so, not by back-off.
const jobDefaults = `{"restart": {"policy": "no"}}`

const scheduleDefaults = `{"overlap": "skip", "catch_up": "none", "keep": 100, "keep_for": "90d"}`

// templates fill what a definition of a well-known program leaves out.
var templates = map[string]string{
	"comfyui": `{"display_name": "ComfyUI", "description": "image generation", "ports": [8188],
		"command": ["python3", "main.py", "--listen", "127.0.0.1", "--port", "8188"], "env": {"PYTHONUNBUFFERED": "1"},
		"stop": {"signal": "SIGINT", "grace": "20s"},
		"probes": {"startup": {"http": "http://127.0.0.1:8188/system_stats", "interval": "2s", "failure": 150},
			"readiness": {"http": "http://127.0.0.1:8188/system_stats", "interval": "5s"}}}`,
	"ollama": `{"display_name": "Ollama", "description": "language models", "ports": [11434], "command": ["ollama", "serve"],
		"env": {"OLLAMA_HOST": "127.0.0.1:11434"},
		"probes": {"readiness": {"http": "http://127.0.0.1:11434/api/version", "interval": "5s"}}}`,
	"n8n": `{"display_name": "n8n", "description": "workflow automation", "ports": [5678], "command": ["n8n", "start"],
		"env": {"N8N_HOST": "127.0.0.1", "N8N_LISTEN_ADDRESS": "127.0.0.1", "N8N_PORT": "5678"}, "stop": {"grace": "30s"},
		"probes": {"startup": {"http": "http://127.0.0.1:5678/healthz", "interval": "2s", "failure": 60},
			"readiness": {"http": "http://127.0.0.1:5678/healthz", "interval": "5s"}}}`,
	"jupyter": `{"display_name": "Jupyter", "description": "notebooks", "ports": [8888],
		"command": ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=8888"], "stop": {"grace": "20s"},
		"probes": {"readiness": {"http": "http://127.0.0.1:8888/api", "interval": "5s"}}}`,
	"kb-scheduler": `{"display_name": "Knowledge base scheduler", "description": "scans the creators of the knowledge base", "type": "job",
		"command": ["python3", "manage.py", "scan-all"], "env": {"PYTHONUNBUFFERED": "1"},
		"schedule": {"cron": "0 9 * * MON", "overlap": "skip", "catch_up": "once", "timeout": "2h"}}`,
}

// Templates returns what each template fills in, by its name.
func Templates() map[string]Spec {
	out := map[string]Spec{}
	for name, text := range templates {
		s, err := parse([]byte(text))
		if err != nil {
			panic(err) // a template of ours; the test of this function has read them all
		}
		s.Template = name
		out[name] = *s
	}
	return out
}

// Effective returns the definition with everything filled in: what is given, over its template, over the defaults. The
// command, ports and lists that are given replace those of the template whole; objects are merged key by key.
func (s *Spec) Effective() (*Spec, error) {
	given, err := tree(s)
	if err != nil {
		return nil, err
	}
	base := object(defaults)
	if text, ok := templates[Key(s.Template)]; ok {
		merge(base, object(text))
	}
	merged := maps.Clone(base)
	merge(merged, given)
	if merged["type"] == string(TypeJob) {
		base := object(defaults)
		merge(base, object(jobDefaults))
		if text, ok := templates[Key(s.Template)]; ok {
			merge(base, object(text))
		}
		merge(base, given)
		merged = base
	}
	if schedule, ok := merged["schedule"].(map[string]any); ok {
		full := object(scheduleDefaults)
		merge(full, schedule)
		merged["schedule"] = full
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	out, err := parse(text)
	if err != nil {
		return nil, err
	}
	if out.DisplayName == "" {
		out.DisplayName = out.ID
	}
	for _, p := range []**probe.Spec{&out.Probes.Startup, &out.Probes.Readiness, &out.Probes.Liveness} {
		if *p != nil {
			full := (*p).WithDefaults()
			*p = &full
		}
	}
	for name, d := range out.DependsOn {
		if d.Condition == "" {
			d.Condition = ConditionStarted
		}
		if d.Timeout == 0 {
			d.Timeout = defaultDependencyTimeout
		}
		out.DependsOn[name] = d
	}
	return out, nil
}

// ParseSpec reads a definition from JSON, strictly: unknown fields and wrong types are an [InvalidError] that names them.
func ParseSpec(data []byte) (*Spec, error) {
	var names struct {
		ID *string `json:"id"`
	}
	// "id" is an alias of "name".
	if json.Unmarshal(data, &names) == nil && names.ID != nil {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(data, &m); err == nil {
			if _, both := m["name"]; !both {
				m["name"] = m["id"]
			}
			delete(m, "id")
			data, _ = json.Marshal(m)
		}
	}
	return parse(data)
}

func parse(data []byte) (*Spec, error) {
	var s Spec
	err := decode(data, &s)
	if err == nil {
		return &s, nil
	}
	// The decoder stops at the first fault and names the field of some kinds only.
	if m, e := readObject(data); e == nil {
		if wrong := faults(m, "", func(part map[string]any) map[string]any { return part }); len(wrong) > 0 {
			return nil, &InvalidError{Fields: wrong}
		}
	}
	return nil, &InvalidError{Fields: []FieldError{faultOf("", err)}}
}

// decode reads one strict JSON object and nothing behind it.
func decode(data []byte, s *Spec) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return err
	}
	if _, more := dec.Token(); !errors.Is(more, io.EOF) {
		return errors.New("there is something behind the JSON object")
	}
	return nil
}

func readObject(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // numbers go back as they came
	var m map[string]any
	return m, dec.Decode(&m)
}

// faults returns what is wrong with each field of an object that stands at a path of a definition; within puts a part of the
// object in its place.
func faults(m map[string]any, path string, within func(map[string]any) map[string]any) []FieldError {
	var wrong []FieldError
	for _, name := range slices.Sorted(maps.Keys(m)) {
		text, err := json.Marshal(within(map[string]any{name: m[name]}))
		if err == nil {
			err = decode(text, &Spec{})
		}
		if err == nil {
			continue
		}
		at := path + name
		var inner []FieldError
		if sub, isObject := m[name].(map[string]any); isObject {
			inner = faults(sub, at+".", func(part map[string]any) map[string]any { return within(map[string]any{name: part}) })
		}
		if inner == nil {
			inner = []FieldError{faultOf(at, err)}
		}
		wrong = append(wrong, inner...)
	}
	return wrong
}

// faultOf says what the decoder means, of the field that it names or else of the one at path.
func faultOf(path string, err error) FieldError {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if len(e.Field) > len(path) {
			path = e.Field
		}
		return FieldError{path, fmt.Sprintf("must not be a %s", e.Value)}
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return FieldError{cmp.Or(path, strings.Trim(name, `"`)), "unknown field"}
	}
	return FieldError{path, text}
}

// Patched returns the definition changed by a JSON merge patch (RFC 7396): null removes a field, what is left out stays. The
// name cannot be changed.
func (s *Spec) Patched(patch []byte) (*Spec, error) {
	var p map[string]any
	if err := json.Unmarshal(patch, &p); err != nil || p == nil {
		return nil, &InvalidError{Service: s.ID, Fields: []FieldError{{"", "must be a JSON object"}}}
	}
	for _, name := range []string{"name", "id"} {
		if v, ok := p[name]; ok && (!isString(v) || Key(v.(string)) != Key(s.ID)) {
			return nil, &InvalidError{Service: s.ID, Fields: []FieldError{{name, "cannot be changed; define another service and remove this one"}}}
		}
		delete(p, name)
	}
	m, err := tree(s)
	if err != nil {
		return nil, err
	}
	merge(m, p)
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

func isString(v any) bool { _, ok := v.(string); return ok }

func object(text string) map[string]any {
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		panic(err) // only called with constants of this file
	}
	return m
}

func tree(s *Spec) (map[string]any, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(text, &m)
}

// merge lays src over dst. A probe is one thing: another kind of probe replaces it, it does not join it.
func merge(dst, src map[string]any) {
	for k, v := range src {
		if v == nil {
			delete(dst, k)
			continue
		}
		sub, isObject := v.(map[string]any)
		old, wasObject := dst[k].(map[string]any)
		if isObject && !wasObject {
			old = map[string]any{}
			wasObject = true
		}
		if !isObject || !wasObject {
			dst[k] = v
			continue
		}
		old = maps.Clone(old)
		kinds := []string{"http", "tcp", "exec", "log", "notify"}
		if slices.ContainsFunc(kinds, func(kind string) bool { return sub[kind] != nil }) {
			for _, kind := range kinds {
				delete(old, kind)
			}
			delete(old, "status")
			delete(old, "body")
		}
		merge(old, sub)
		dst[k] = old
	}
}
