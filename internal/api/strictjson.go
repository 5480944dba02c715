package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// jsonDepth is how deep a body may nest: definitions of services need five.
const jsonDepth = 64

// strictJSON reads a body that two readers cannot take for two different things: no key twice in one object (what is checked may then
// not be what is done), nothing behind the value, no deep nesting.
func strictJSON(text []byte, v any) error {
	if err := checkJSON(text); err != nil {
		return err
	}
	return huma.DefaultJSONFormat.Unmarshal(text, v)
}

// Names are taken as they are written: else "name" is checked and "NAME", which stands behind it, is done. It is set before anything can
// run, because the library keeps it in a variable of its own.
var _ = func() bool { huma.ValidateStrictCasing = true; return true }()

// checkJSON looks at the structure only; values are the caller's.
func checkJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	type level struct {
		keys map[string]struct{} // nil in a list
		key  bool                // a key comes next
	}
	var open []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil // of a value that ends too early the caller's reader tells better
		}
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		top := len(open) - 1
		if name, text := t.(string); text && top >= 0 && open[top].keys != nil && open[top].key {
			if _, twice := open[top].keys[name]; twice {
				return fmt.Errorf("the key %q stands twice in one object", name)
			}
			open[top].keys[name] = struct{}{}
			open[top].key = false
			continue
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			if len(open) == jsonDepth {
				return fmt.Errorf("nested more than %d deep", jsonDepth)
			}
			if top >= 0 {
				open[top].key = true // what comes after this value
			}
			next := level{}
			if t == json.Delim('{') {
				next = level{map[string]struct{}{}, true}
			}
			open = append(open, next)
		case json.Delim('}'), json.Delim(']'):
			open = open[:top]
		default:
			if top >= 0 {
				open[top].key = true
			}
		}
	}
}
