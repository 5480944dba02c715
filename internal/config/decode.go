package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"controlcenter/control"
)

// decode reads node into v, whose key is key, and reports everything that is wrong below it. keyAt is the place of the key,
// blamed when the value is missing. It says whether v was read in full.
func (d *document) decode(node ast.Node, v reflect.Value, tag reflect.StructTag, key string, keyAt place) bool {
	at := keyAt
	if !isNull(node) {
		at = placeOf(startOf(node))
	}
	if v.Kind() == reflect.Pointer { // nil says that a key is not in the file
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	problems := len(d.problems)
	switch t := v.Type(); {
	case isSection(t):
		d.section(node, v, key, at)
		at = keyAt
	case t.Kind() == reflect.Map:
		d.mapping(node, v, tag, key, at)
		at = keyAt
	case t.Kind() == reflect.Slice:
		d.list(node, v, tag, key, at)
	default:
		d.scalar(node, v, tag, key, at)
	}
	if len(d.problems) > problems {
		return false
	}
	if key != "" {
		d.sources[key], d.places[key] = d.source(keyAt), at
	}
	return true
}

// section reads a map of known keys. An empty one ("web:" and nothing below) sets nothing.
func (d *document) section(node ast.Node, v reflect.Value, key string, at place) {
	if isNull(node) {
		return
	}
	t := v.Type()
	index, names := map[string]int{}, []string{}
	for i := range t.NumField() {
		if name := yamlName(t.Field(i)); name != "" {
			index[name], names = i, append(names, name)
		}
	}
	d.pairs(node, key, at, "", "a map of keys: "+strings.Join(names, ", "), func(name string, value ast.Node, nameAt place) {
		i, known := index[name]
		if !known {
			d.report(nameAt, join(key, name), "unknown key"+hint(t, name, key, names))
			return
		}
		d.decode(value, v.Field(i), tagOf(t, t.Field(i)), join(key, name), nameAt)
	})
}

// hint names the key that was meant: a sibling, or one of the same name elsewhere; else what is known here.
func hint(t reflect.Type, name, section string, siblings []string) string {
	if near := nearest(name, siblings); near != "" {
		return "; did you mean " + near + "?"
	}
	if t == reflect.TypeFor[control.Spec]() {
		for _, k := range specKeys() {
			if strings.HasSuffix(k.Key, "."+name) {
				return "; did you mean " + k.Key + "?"
			}
		}
	}
	for _, f := range keys() {
		if strings.HasSuffix(f.Key, "."+name) {
			return "; did you mean " + f.Key + "?"
		}
	}
	if section == "" {
		return "; known keys: " + strings.Join(siblings, ", ")
	}
	return "; known keys of " + section + ": " + strings.Join(siblings, ", ")
}

func (d *document) mapping(node ast.Node, v reflect.Value, tag reflect.StructTag, key string, at place) {
	out := reflect.MakeMap(v.Type())
	d.pairs(node, key, at, tag, accepted(v.Type(), tag), func(name string, value ast.Node, nameAt place) {
		item := reflect.New(v.Type().Elem()).Elem()
		if d.decode(value, item, tag, join(key, name), nameAt) {
			out.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
		}
	})
	v.Set(out)
}

// pairs calls each for the pairs of a map, and reports keys that are given twice or are no plain word.
func (d *document) pairs(node ast.Node, key string, at place, tag reflect.StructTag, want string, each func(name string, value ast.Node, nameAt place)) {
	shown := tag.Get("secret") == ""
	m, ok := node.(ast.MapNode)
	if !ok || isNull(node) {
		d.add(at, key, "expected a map, got "+kindOf(node)+"; accepted: "+want, shown)
		return
	}
	first := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		k := it.Key()
		nameAt := placeOf(startOf(k))
		switch k.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		default:
			d.add(nameAt, key, "a key must be a plain word", shown)
			continue
		}
		name := k.GetToken().Value
		if line, twice := first[name]; twice {
			d.add(nameAt, join(key, name), fmt.Sprintf("given twice, first in line %d; accepted: each key once", line), shown)
			continue
		}
		first[name] = nameAt.line
		each(name, it.Value(), nameAt)
	}
}

func (d *document) list(node ast.Node, v reflect.Value, tag reflect.StructTag, key string, at place) {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.report(at, key, "expected a list, got "+kindOf(node)+"; accepted: "+accepted(v.Type(), tag))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	whole := true
	for i, value := range seq.Values {
		itemAt := at
		if !isNull(value) {
			itemAt = placeOf(startOf(value))
		}
		whole = d.decode(value, out.Index(i), tag, fmt.Sprintf("%s[%d]", key, i), itemAt) && whole
	}
	if !whole {
		return
	}
	if i, wrong := checkItems(out, tag); wrong != "" {
		if i >= 0 {
			key = fmt.Sprintf("%s[%d]", key, i)
			at = d.places[key]
		}
		d.report(at, key, wrong)
		return
	}
	v.Set(out)
}

// scalar wants the YAML type that belongs to v: 8080 is no text and "8080" no number, so that a value means what it looks like.
func (d *document) scalar(node ast.Node, v reflect.Value, tag reflect.StructTag, key string, at place) {
	secret := tag.Get("secret") != ""
	var text string
	right := false
	switch n := node.(type) {
	case *ast.StringNode:
		text, right = n.Value, v.Kind() == reflect.String || isText(v.Type())
		// A number too large for the parser arrives as text; it is out of range, not of the wrong type.
		right = right || (v.CanInt() || v.CanUint()) && n.Token.Type == token.StringType && strings.Trim(text, "0123456789") == ""
	case *ast.LiteralNode:
		text, right = n.Value.Value, v.Kind() == reflect.String || isText(v.Type())
	case *ast.BoolNode:
		text, right = fmt.Sprint(n.Value), v.Kind() == reflect.Bool
	case *ast.IntegerNode:
		text = fmt.Sprint(n.Value)
		// A duration's own reader says that the unit is missing.
		right = v.CanInt() || v.CanUint() || v.CanFloat()
	case *ast.FloatNode:
		text, right = n.Token.Value, v.CanFloat() && !isText(v.Type())
	}
	if !right {
		d.add(at, key, "expected "+kindWanted(v.Type())+", got "+kindOf(node)+"; accepted: "+accepted(v.Type(), tag), !secret)
		return
	}
	if wrong := setScalar(v, tag, d.dir, text); wrong != "" {
		d.add(at, key, wrong, !secret)
	}
}

func kindWanted(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration"
	case t == bytesType:
		return "a size"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64, t.Kind() == reflect.Uint16:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a text"
}

func kindOf(node ast.Node) string {
	if isNull(node) {
		return "nothing"
	}
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode:
		return "a whole number (quote it if it is a text)"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number (quote it if it is a text)"
	case *ast.BoolNode:
		return "true or false (quote it if it is a text)"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a map"
	}
	return "something else"
}

func isNull(node ast.Node) bool {
	if node == nil || reflect.ValueOf(node).IsNil() {
		return true
	}
	_, null := node.(*ast.NullNode)
	return null
}

// startOf returns the first token of a node: that of a map is the colon of its first pair.
func startOf(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		if n.Key != nil {
			return startOf(n.Key)
		}
	}
	return node.GetToken()
}
