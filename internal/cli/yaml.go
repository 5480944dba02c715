package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// toYAML writes a JSON text as YAML, keys in their order. It is our own because an encoder made for configuration files
// writes control characters as they are, which is neither valid YAML nor safe on a terminal.
func toYAML(raw []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	w := &yamlWriter{d: d}
	if err := w.value(0, false); err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	return w.b.Bytes(), nil
}

type yamlWriter struct {
	d *json.Decoder
	b bytes.Buffer
}

func (w *yamlWriter) indent(depth int) {
	for range depth {
		w.b.WriteString("  ")
	}
}

// value writes the next value. After a "key:" (inMap) a scalar stands on the same line and a collection on the next ones;
// elsewhere the first item stands where the cursor is.
func (w *yamlWriter) value(depth int, inMap bool) error {
	tok, err := w.d.Token()
	if err != nil {
		return err
	}
	space := ""
	if inMap {
		space = " "
	}
	switch t := tok.(type) {
	case json.Delim:
		if !w.d.More() {
			w.b.WriteString(space + string(t) + map[json.Delim]string{'{': "}", '[': "]"}[t] + "\n")
			_, err = w.d.Token()
			return err
		}
		if inMap {
			w.b.WriteByte('\n')
		}
		if t == '{' {
			return w.mapping(depth, inMap)
		}
		return w.sequence(depth, inMap)
	case string:
		w.b.WriteString(space + yamlString(t) + "\n")
	case json.Number:
		w.b.WriteString(space + t.String() + "\n")
	case bool:
		fmt.Fprintf(&w.b, "%s%t\n", space, t)
	case nil:
		w.b.WriteString(space + "null\n")
	}
	return nil
}

func (w *yamlWriter) mapping(depth int, newLine bool) error {
	for first := true; w.d.More(); first = false {
		if newLine || !first {
			w.indent(depth)
		}
		key, err := w.d.Token()
		if err != nil {
			return err
		}
		w.b.WriteString(yamlString(key.(string)) + ":")
		if err := w.value(depth+1, true); err != nil {
			return err
		}
	}
	_, err := w.d.Token()
	return err
}

func (w *yamlWriter) sequence(depth int, newLine bool) error {
	for first := true; w.d.More(); first = false {
		if newLine || !first {
			w.indent(depth)
		}
		w.b.WriteString("- ")
		if err := w.value(depth+1, false); err != nil {
			return err
		}
	}
	_, err := w.d.Token()
	return err
}

// yamlString writes s plain where no reader of any YAML version could take it for something else, else in double quotes.
func yamlString(s string) string {
	if plainYAML(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	b.WriteByte('"')
	return b.String()
}

func plainYAML(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', c == '/':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		case i > 0 && i < len(s)-1 && c == ' ':
		default:
			return false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return true
}
