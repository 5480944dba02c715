package config

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// field is one key of the file that holds a value: the unit of environment variables, flags and documentation.
type field struct {
	Key   string // "web.listen_addresses"
	Env   string // "CC_WEB_LISTEN_ADDRESSES"; "" for what a variable cannot hold
	Alias string // the flag's name as a variable, where it differs: "CC_WEB_LISTEN_ADDRESS"; else ""
	Flag  string // "web.listen-address", without dashes in front; "" = no flag
	Type  reflect.Type
	Tag   reflect.StructTag
	index []int
}

// in returns the field's place in a value of the struct that was walked.
func (f *field) in(root reflect.Value) reflect.Value { return root.FieldByIndex(f.index) }

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// isText says whether t reads itself from text, as [unit.Duration] does.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isSection says whether t is a group of keys and no value.
func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// isScalar says whether one word of text can give a t.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint16, reflect.Float64:
		return true
	}
	return isText(t)
}

// walk lists the keys below t in the order of the struct.
func walk(t reflect.Type) []*field {
	var out []*field
	var visit func(t reflect.Type, prefix string, index []int)
	visit = func(t reflect.Type, prefix string, index []int) {
		for i := range t.NumField() {
			sf := t.Field(i)
			name := yamlName(sf)
			if name == "" {
				continue
			}
			key, at := join(prefix, name), append(index[:len(index):len(index)], i)
			if isSection(sf.Type) {
				visit(sf.Type, key, at)
				continue
			}
			f := &field{Key: key, Flag: sf.Tag.Get("flag"), Type: sf.Type, Tag: sf.Tag, index: at}
			if isScalar(sf.Type) || sf.Type.Kind() == reflect.Slice && isScalar(sf.Type.Elem()) {
				f.Env = envName(key)
				if alias := envName(f.Flag); f.Flag != "" && alias != f.Env {
					f.Alias = alias
				}
			}
			out = append(out, f)
		}
	}
	visit(t, "", nil)
	return out
}

// keys are the keys of Config. The walk needs no state, so it is done once, at first use.
var keys = sync.OnceValue(func() []*field { return walk(reflect.TypeFor[Config]()) })

func keyNamed(key string) *field {
	for _, f := range keys() {
		if f.Key == key {
			return f
		}
	}
	return nil
}

func yamlName(sf reflect.StructField) string {
	name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
	if name == "-" || !sf.IsExported() {
		return ""
	}
	return name
}

func envName(path string) string {
	return "CC_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// accepted says in words which values a field takes: for errors, help and documentation.
func accepted(t reflect.Type, tag reflect.StructTag) string {
	t = deref(t)
	if t.Kind() == reflect.Slice {
		s := "a list"
		if least, _ := itemRange(tag); least > 0 {
			s += " of at least " + itoa(least)
		}
		return s + ", each entry " + accepted(t.Elem(), tag)
	}
	if words := tag.Get("enum"); words != "" {
		return strings.Join(strings.Fields(words), ", ")
	}
	limits := ""
	switch lo, hi := tag.Get("min"), tag.Get("max"); {
	case lo != "" && hi != "":
		limits = lo + " to " + hi
	case lo != "":
		limits = lo + " or more"
	case hi != "":
		limits = "up to " + hi
	}
	switch {
	case t == durationType:
		if limits != "" {
			return limits
		}
		return "a duration such as 2s, 5m or 7d"
	case t == bytesType:
		return "a size such as 64MiB, 10MB or 1048576"
	case isText(t):
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Uint16:
		if limits != "" {
			return limits
		}
		return "a whole number"
	case t.Kind() == reflect.Float64:
		if limits != "" {
			return limits
		}
		return "a number"
	case t.Kind() == reflect.String:
		if f, ok := formats[tag.Get("format")]; ok {
			return f.accepted
		}
		return "a text"
	case t.Kind() == reflect.Map:
		return "a map of names"
	}
	return "a section"
}

// itemRange reads the tag items; most is -1 when there is no upper bound.
func itemRange(tag reflect.StructTag) (least, most int) {
	lo, hi, ok := strings.Cut(tag.Get("items"), "..")
	if !ok {
		return 0, -1
	}
	least, _ = strconv.Atoi(lo)
	most, err := strconv.Atoi(hi)
	if err != nil {
		most = -1
	}
	return least, most
}

func itoa(n int) string { return strconv.Itoa(n) }
