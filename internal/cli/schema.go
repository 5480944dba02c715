package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// document is what selftest needs of an OpenAPI 3 document.
type document struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Summary    string              `json:"summary"`
	Parameters []parameter         `json:"parameters"`
	Responses  map[string]response `json:"responses"`
}

type parameter struct {
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required"`
	Schema   *schema `json:"schema"`
	Example  any     `json:"example"`
}

type response struct {
	Content map[string]media `json:"content"`
}

type media struct {
	Schema *schema `json:"schema"`
}

// schema is the part of JSON Schema that our document uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       stringOrList       `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	AnyOf      []*schema          `json:"anyOf"`
	Additional json.RawMessage    `json:"additionalProperties"`
	Enum       []any              `json:"enum"`
	Minimum    *float64           `json:"minimum"`
	Maximum    *float64           `json:"maximum"`
	Default    any                `json:"default"`
	Examples   []any              `json:"examples"`
}

// stringOrList is a type given as "string" or ["string","null"].
type stringOrList []string

// UnmarshalJSON reads either form.
func (s *stringOrList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = stringOrList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// resolve follows a $ref into the document; an unknown one accepts everything.
func (d *document) resolve(s *schema) *schema {
	for range 10 {
		if s == nil || s.Ref == "" {
			return s
		}
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return nil
}

// validate compares a decoded JSON value with its schema and names the first difference: the path and what is wrong there.
func (d *document) validate(s *schema, v any, path string) error {
	s = d.resolve(s)
	if s == nil {
		return nil
	}
	if len(s.AnyOf) > 0 {
		var first error
		for _, one := range s.AnyOf {
			err := d.validate(one, v, path)
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
		}
		return first
	}
	if len(s.Type) > 0 && !slices.ContainsFunc(s.Type, func(t string) bool { return isType(v, t) }) {
		return fmt.Errorf("%s is %s, documented as %s", path, typeName(v), strings.Join(s.Type, " or "))
	}
	if len(s.Enum) > 0 && v != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s is %v, documented as one of %v", path, v, s.Enum)
	}
	switch t := v.(type) {
	case float64:
		if s.Minimum != nil && t < *s.Minimum || s.Maximum != nil && t > *s.Maximum {
			return fmt.Errorf("%s is %v, outside of its documented range", path, t)
		}
	case []any:
		for i, item := range t {
			if err := d.validate(s.Items, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		return d.validateObject(s, t, path)
	}
	return nil
}

func (d *document) validateObject(s *schema, v map[string]any, path string) error {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s lacks %s", path, name)
		}
	}
	var more *schema
	closed := string(s.Additional) == "false"
	if len(s.Additional) > 0 && s.Additional[0] == '{' {
		more = &schema{}
		if err := json.Unmarshal(s.Additional, more); err != nil {
			return fmt.Errorf("document: %s: %w", path, err)
		}
	}
	for _, name := range sortedKeys(v) {
		p, known := s.Properties[name]
		if !known {
			if closed {
				return fmt.Errorf("%s has the undocumented %s", path, clean(name))
			}
			p = more
		}
		if err := d.validate(p, v[name], path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func isType(v any, t string) bool {
	switch t {
	case "integer":
		f, ok := v.(float64)
		return ok && f == math.Trunc(f)
	default:
		return typeName(v) == t
	}
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// sample returns a sensible value for a required parameter: its example, default or lowest value.
func (d *document) sample(p parameter) (string, bool) {
	s := d.resolve(p.Schema)
	switch {
	case p.Example != nil:
		return fmt.Sprint(p.Example), true
	case s == nil:
	case len(s.Examples) > 0:
		return fmt.Sprint(s.Examples[0]), true
	case s.Default != nil:
		return fmt.Sprint(s.Default), true
	case len(s.Enum) > 0:
		return fmt.Sprint(s.Enum[0]), true
	case s.Minimum != nil:
		return fmt.Sprint(*s.Minimum), true
	}
	return "", false
}
