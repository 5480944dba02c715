package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// format is the value of -o.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

// String, Set and Type make format a pflag.Value.
func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "format" }

func (f *format) Set(s string) error {
	switch v := format(strings.ToLower(s)); v {
	case formatTable, formatJSON, formatYAML:
		*f = v
		return nil
	}
	return fmt.Errorf("accepted values are table, json and yaml")
}

// print shows v in the chosen format; asTable is called for the table form. A json.RawMessage keeps the order of its keys.
func (e *env) print(v any, asTable func() error) error {
	if e.format == formatTable {
		return asTable()
	}
	raw, ok := v.(json.RawMessage)
	if !ok {
		b, err := marshal(v)
		if err != nil {
			return err
		}
		raw = b
	}
	b, err := render(raw, e.format)
	if err != nil {
		return err
	}
	_, err = e.o.Stdout.Write(b)
	return err
}

// marshal is json.Marshal without the escaping of <, > and &, which is for HTML.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	return b.Bytes(), nil
}

// render turns a JSON text into indented JSON or YAML, keys in their order, ending in a line break.
func render(raw json.RawMessage, f format) ([]byte, error) {
	raw = cleanJSON(bytes.TrimSpace(raw))
	if f == formatYAML {
		return toYAML(raw)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// styled says how to paint on stdout: only on a terminal, and never against NO_COLOR (any value) or TERM=dumb.
func (e *env) styled() style {
	f, ok := e.o.Stdout.(*os.File)
	if !ok || e.vars["NO_COLOR"] != "" || e.vars["TERM"] == "dumb" {
		return style{}
	}
	st, err := f.Stat()
	return style{on: err == nil && st.Mode()&os.ModeCharDevice != 0}
}
