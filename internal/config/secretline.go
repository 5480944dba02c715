package config

import (
	"strings"
	"unicode/utf8"

	"controlcenter/internal/lazy"
)

// secretPair finds values of secret keys in a line of the file. An error about a neighbour on the same line
// ("ops: {url: ..., min_severity: x}") must not show them. What has less than four characters is no secret.
var secretPair = lazy.Regexp(`(\b(?:url|secret|bearer|token|password)["']?[ \t]*:[ \t]*)("[^"]{4,}"?|'[^']{4,}'?|[^,}\s]{4,})`)

// hideSecrets keeps the width of what it hides, so that the mark below the line stays where it belongs.
func hideSecrets(line string) string {
	return secretPair().ReplaceAllStringFunc(line, func(pair string) string {
		m := secretPair().FindStringSubmatch(pair)
		return m[1] + strings.Repeat("*", utf8.RuneCountInString(m[2]))
	})
}
