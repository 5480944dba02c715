package cli

import (
	"bytes"
	"slices"
	"strings"

	"controlcenter/internal/lazy"
)

// redacted stands where a secret was.
const redacted = "********"

// secretNames are the parts of a variable's name that mark its value as a secret.
var secretNames = [...]string{"SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "APIKEY", "API_KEY", "AUTH", "_KEY"}

// minSecret is the shortest value that is searched for: hiding each "1" or "true" would destroy the bundle.
const minSecret = 6

// secrets lists the values of the environment that must not leave this machine, longest first, so that one that contains
// another is hidden whole.
func (e *env) secrets() []string {
	var out []string
	for _, name := range sortedKeys(e.vars) {
		v := e.vars[name]
		if len(v) < minSecret || strings.HasSuffix(name, "_FILE") || strings.HasSuffix(name, "_SOCK") {
			continue
		}
		upper := strings.ToUpper(name)
		if slices.ContainsFunc(secretNames[:], func(s string) bool { return strings.Contains(upper, s) }) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// urlPassword is the password in scheme://user:password@host, or the token in scheme://token@host.
var urlPassword = lazy.Regexp(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/"'@?#]+@`)

// bearer is a credential after its scheme.
var bearer = lazy.Regexp(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)

// redact hides secrets in a text: the second line of defence behind the masking of each part, so it looks at form and at
// known values, not at meaning.
func redact(text []byte, secrets []string) []byte {
	for _, s := range secrets {
		text = bytes.ReplaceAll(text, []byte(s), []byte(redacted))
		if quoted, err := marshal(s); err == nil { // as it stands in JSON
			q := bytes.Trim(bytes.TrimSpace(quoted), `"`)
			text = bytes.ReplaceAll(text, q, []byte(redacted))
		}
	}
	text = urlPassword().ReplaceAll(text, []byte("${1}"+redacted+"@"))
	return bearer().ReplaceAll(text, []byte("${1} "+redacted))
}
