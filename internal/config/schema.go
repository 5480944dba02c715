package config

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"controlcenter/control"
)

// Schema returns the JSON Schema (draft 2020-12) of the configuration file: every key with its meaning, default and accepted
// values, and no other key. Defaults that depend on the machine are named in the descriptions only.
func Schema() ([]byte, error) {
	r := jsonschema.Reflector{FieldNameTag: "yaml", DoNotReference: true, ExpandedStruct: true, Anonymous: true, RequiredFromJSONSchemaTags: true, Mapper: textSchema}
	s := r.ReflectFromType(reflect.TypeFor[Config]())
	s.Title = "Control Center configuration"
	s.Description = "The file " + FileName + ". Every key is optional."
	describeFields(s, reflect.TypeFor[Config](), reflect.ValueOf(defaults("")))
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// textSchema is the form of what is written as text, or as a number of bytes.
func textSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case durationType:
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+$`, Examples: []any{"2s", "5m", "7d"}}
	case bytesType:
		text := &jsonschema.Schema{Type: "string", Pattern: `^[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)?$`}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, {Type: "integer", Minimum: "0"}}, Examples: []any{"64MiB", "10MB", 1 << 20}}
	}
	return nil
}

// describeFields puts what our tags say into the schema of a struct. v holds the defaults, the zero Value where there are none.
func describeFields(s *jsonschema.Schema, t reflect.Type, v reflect.Value) {
	for i := range t.NumField() {
		sf := t.Field(i)
		name := yamlName(sf)
		if name == "" {
			continue
		}
		p, ok := s.Properties.Get(name)
		if !ok {
			continue
		}
		tag := tagOf(t, sf)
		p.Description = tag.Get("doc")
		if text := tag.Get("default"); text != "" {
			p.Description += " Default: " + text + "."
		}
		var value reflect.Value
		if v.IsValid() {
			value = v.Field(i)
		}
		describe(p, deref(sf.Type), tag, value)
		if value.IsValid() && !isSection(sf.Type) && tag.Get("default") == "" && tag.Get("secret") == "" && sf.Type.Kind() != reflect.Map {
			p.Default = plain(value, tag)
		}
	}
}

func describe(s *jsonschema.Schema, t reflect.Type, tag reflect.StructTag, v reflect.Value) {
	switch {
	case isSection(t):
		describeFields(s, t, v)
	case t.Kind() == reflect.Slice:
		if least, most := itemRange(tag); least > 0 || most >= 0 {
			s.MinItems = items(least)
			if most >= 0 {
				s.MaxItems = items(most)
			}
		}
		s.UniqueItems = tag.Get("unique") != ""
		describe(s.Items, t.Elem(), tag, reflect.Value{})
	case t.Kind() == reflect.Map:
		if t.Elem() == reflect.TypeFor[*control.Spec]() {
			s.PropertyNames = &jsonschema.Schema{Pattern: `^[a-zA-Z0-9_-]{1,100}$`}
		}
		for _, entry := range append(mapValues(s.PatternProperties), s.AdditionalProperties) {
			if entry != nil {
				describe(entry, deref(t.Elem()), tag, reflect.Value{})
			}
		}
	default:
		for _, word := range strings.Fields(tag.Get("enum")) {
			s.Enum = append(s.Enum, word)
		}
		if isText(t) || tag.Get("format") != "" {
			s.Description = strings.TrimSpace(s.Description + " Accepted: " + accepted(t, tag) + ".")
			break
		}
		s.Minimum, s.Maximum = json.Number(tag.Get("min")), json.Number(tag.Get("max"))
	}
}

func mapValues(m map[string]*jsonschema.Schema) (out []*jsonschema.Schema) {
	for _, s := range m {
		out = append(out, s)
	}
	return out
}

func items(n int) *uint64 {
	u := uint64(max(n, 0))
	return &u
}
