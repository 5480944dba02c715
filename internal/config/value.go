package config

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// setScalar reads text into v, checks it against the tags and returns what is wrong, or "". Relative paths become paths
// below dir. v is changed only when nothing is wrong.
func setScalar(v reflect.Value, tag reflect.StructTag, dir, text string) string {
	fresh := reflect.New(v.Type()).Elem()
	reason := readScalar(fresh, tag, dir, text)
	if reason == "" {
		reason = checkRange(fresh, tag)
	}
	if reason != "" {
		shown := quote(text)
		if tag.Get("secret") != "" {
			shown = "the value"
		}
		return shown + " " + reason + "; accepted: " + accepted(v.Type(), tag)
	}
	v.Set(fresh)
	return ""
}

func readScalar(v reflect.Value, tag reflect.StructTag, dir, text string) string {
	if isText(v.Type()) {
		err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		switch {
		case err == nil:
			return ""
		case v.Type() == durationType && strings.Trim(text, "0123456789.") == "" && text != "":
			return "has no unit, write " + text + "s for seconds"
		}
		return "is not " + kindWanted(v.Type())
	}
	switch v.Kind() {
	case reflect.Bool:
		switch text {
		case "true", "false":
			v.SetBool(text == "true")
		default:
			return "is neither true nor false"
		}
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			return "is out of range"
		}
		if err != nil {
			return "is not a whole number"
		}
		v.SetInt(n)
	case reflect.Uint16:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return "is not a whole number"
		}
		if err != nil || n < 0 || n > math.MaxUint16 {
			return "is out of range"
		}
		v.SetUint(uint64(n))
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x-x != 0 { // infinities and NaN are numbers to ParseFloat only
			return "is not a number"
		}
		v.SetFloat(x)
	case reflect.String:
		return readString(v, tag, dir, text)
	default:
		return fmt.Sprintf("cannot be read into %s", v.Type())
	}
	return ""
}

func readString(v reflect.Value, tag reflect.StructTag, dir, text string) string {
	if words := tag.Get("enum"); words != "" && !slices.Contains(strings.Fields(words), text) {
		if near := nearest(text, strings.Fields(words)); near != "" {
			return "is unknown, did you mean " + near + "?"
		}
		return "is unknown"
	}
	kind := tag.Get("format")
	if f, ok := formats[kind]; ok {
		norm, ok := f.norm(text)
		if !ok {
			if strings.HasPrefix(text, "~") {
				return "starts with ~, which is not expanded here, write the whole path"
			}
			return "is not of the accepted form"
		}
		text = norm
	}
	if (kind == "path" || kind == "folder") && text != "" {
		if !filepath.IsAbs(text) {
			text = filepath.Join(dir, text)
		}
		text = filepath.Clean(text)
	}
	v.SetString(text)
	return ""
}

// checkRange compares numbers and durations with the tags min and max.
func checkRange(v reflect.Value, tag reflect.StructTag) string {
	for _, bound := range []struct {
		text string
		sign int
	}{{tag.Get("min"), -1}, {tag.Get("max"), 1}} {
		if bound.text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if readScalar(limit, "", "", bound.text) != "" {
			return "has a bound that cannot be read: " + bound.text // a tag of ours; the test of the struct finds it
		}
		if compare(v, limit) == bound.sign {
			return "is out of range"
		}
	}
	return ""
}

func compare(a, b reflect.Value) int {
	switch {
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	}
	return cmp.Compare(a.Float(), b.Float())
}

// checkItems checks number and uniqueness of a list's entries. at is the entry to blame, -1 for the list.
func checkItems(list reflect.Value, tag reflect.StructTag) (at int, reason string) {
	least, most := itemRange(tag)
	if n := list.Len(); n < least || most >= 0 && n > most {
		return -1, "has " + itoa(n) + " entries; accepted: " + accepted(list.Type(), tag)
	}
	if tag.Get("unique") == "" {
		return -1, ""
	}
	seen := map[any]bool{}
	for i := range list.Len() {
		item := list.Index(i).Interface()
		if seen[item] {
			return i, quote(fmt.Sprint(item)) + " is listed twice; accepted: each entry once"
		}
		seen[item] = true
	}
	return -1, ""
}

// setText reads the text of variables and flags into v: one value for a scalar (the last wins), for a list every value as a
// comma list or a JSON list.
func setText(v reflect.Value, tag reflect.StructTag, dir string, values []string) string {
	if v.Kind() != reflect.Slice {
		return setScalar(v, tag, dir, values[len(values)-1])
	}
	list := reflect.MakeSlice(v.Type(), 0, len(values))
	for _, value := range values {
		items, err := splitList(value)
		if err != nil {
			return quote(value) + " is not a JSON list (" + err.Error() + "); accepted: " + accepted(v.Type(), tag)
		}
		for _, item := range items {
			x := reflect.New(v.Type().Elem()).Elem()
			if wrong := setScalar(x, tag, dir, item); wrong != "" {
				return wrong
			}
			list = reflect.Append(list, x)
		}
	}
	if _, wrong := checkItems(list, tag); wrong != "" {
		return wrong
	}
	v.Set(list)
	return ""
}

func splitList(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	// "[::1]:8080,…" is a comma list, `["…"]` and `[]` are JSON.
	if rest, ok := strings.CutPrefix(text, "["); ok && strings.IndexAny(strings.TrimSpace(rest), `"]`) == 0 {
		var items []string
		err := json.Unmarshal([]byte(text), &items)
		return items, err
	}
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, nil
}

// takesEmpty says whether an empty text is a value of the field, rather than "not set" as compose files write it.
func takesEmpty(f *field) bool {
	v := reflect.New(f.Type).Elem()
	return setText(v, f.Tag, "", []string{""}) == ""
}
