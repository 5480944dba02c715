package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"controlcenter/control"
)

// Setting is one key as `config show` prints it.
type Setting struct {
	Key     string
	Value   string // as text; "********" for a secret that is set
	Default string // as text, or the phrase for a default that depends on the machine
	Env     string // the variable that sets it; "" when none can
	Flag    string // "--log.level", "" when there is none
	Doc     string
	Source  Source
	Secret  bool
}

const masked = "********"

// Settings lists every key with its value in force and where it came from, in the order of the documentation.
func (l *Loaded) Settings() []Setting {
	root, standard := reflect.ValueOf(l.Config), reflect.ValueOf(defaults(""))
	out := make([]Setting, 0, len(keys()))
	for _, f := range keys() {
		if f.Key == "services" && len(l.Config.Services) > 0 {
			out = append(out, l.serviceSettings(f)...)
			continue
		}
		s := Setting{Key: f.Key, Value: show(f.in(root), f.Tag), Default: f.standard(standard), Env: f.Env, Doc: f.Tag.Get("doc"), Source: l.Sources[f.Key], Secret: f.Tag.Get("secret") != ""}
		if f.Flag != "" {
			s.Flag = "--" + f.Flag
		}
		out = append(out, s)
	}
	return out
}

// serviceSettings are the definitions of the file, one each, as JSON.
func (l *Loaded) serviceSettings(f *field) (out []Setting) {
	for _, name := range slices.Sorted(maps.Keys(l.Config.Services)) {
		key := join(f.Key, name)
		out = append(out, Setting{Key: key, Value: show(reflect.ValueOf(l.Config.Services[name]), ""), Doc: f.Tag.Get("doc"), Source: l.Sources[key]})
	}
	return out
}

// Flag is one flag of serve.
type Flag struct {
	Key        string // to hand the values to [Options].Flags
	Name       string // "web.listen-address", without dashes in front
	Kind       string // "string", "bool", "int", "number", "duration", "list" or "map"
	Doc        string
	Default    string // as text, for the help; the flag's own default stays unset
	Repeatable bool   // lists: may be given more than once, or as a comma list
}

// Flags lists the flags that set keys, in the order of the documentation. --config.file is no key and not among them.
func Flags() []Flag {
	standard := reflect.ValueOf(defaults(""))
	var out []Flag
	for _, f := range keys() {
		if f.Flag != "" {
			out = append(out, Flag{Key: f.Key, Name: f.Flag, Kind: kind(f.Type), Doc: f.Tag.Get("doc"), Default: f.standard(standard), Repeatable: f.Type.Kind() == reflect.Slice})
		}
	}
	return out
}

func kind(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == bytesType:
		return "size"
	case t.Kind() == reflect.Map:
		return "map"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map:
		return "map"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64, t.Kind() == reflect.Uint16:
		return "int"
	case t.Kind() == reflect.Float64:
		return "number"
	}
	return "string"
}

// standard returns the default as text.
func (f *field) standard(root reflect.Value) string {
	if text := f.Tag.Get("default"); text != "" {
		return text
	}
	return show(f.in(root), f.Tag)
}

// show writes a value as one line of text: a list of scalars as a comma list, what is deeper as JSON.
func show(v reflect.Value, tag reflect.StructTag) string {
	switch {
	case tag.Get("secret") != "":
		if v.IsZero() {
			return ""
		}
		return masked
	case isScalar(v.Type()):
		return fmt.Sprint(plain(v, tag))
	case v.Kind() == reflect.Slice && isScalar(v.Type().Elem()):
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = fmt.Sprint(plain(v.Index(i), tag))
		}
		return strings.Join(parts, ",")
	}
	text, err := json.Marshal(plain(v, tag))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// plain turns a value into what JSON and YAML know, with the names of the file, secrets masked at any depth.
func plain(v reflect.Value, tag reflect.StructTag) any {
	if tag.Get("secret") != "" {
		if v.IsZero() {
			return ""
		}
		return masked
	}
	if spec, ok := v.Interface().(*control.Spec); ok {
		return shownSpec(spec)
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if name := yamlName(v.Type().Field(i)); name != "" {
				out[name] = plain(v.Field(i), v.Type().Field(i).Tag)
			}
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = plain(it.Value(), "")
		}
		return out
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i), "")
		}
		return out
	}
	return v.Interface()
}

// Map returns the configuration as maps with the names of the file, secrets masked: for JSON and YAML output.
func (l *Loaded) Map() map[string]any {
	return plain(reflect.ValueOf(l.Config), "").(map[string]any)
}
