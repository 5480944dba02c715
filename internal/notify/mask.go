package notify

import (
	"net/url"
	"slices"
	"strings"

	"controlcenter/internal/lazy"
)

const masked = "********"

var anyURL = lazy.Regexp(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]+`)

// mask takes out of a text what is secret of a channel: libraries put the URL they called, with the token in its path or
// query, into their errors. Whatever looks like a URL loses all but its host, and all parts of the channel's own URL go.
func mask(text string, c *ChannelSettings) string {
	for _, s := range secretsOf(c) {
		text = strings.ReplaceAll(text, s, masked)
	}
	return anyURL().ReplaceAllStringFunc(text, func(m string) string {
		u, err := url.Parse(m)
		if err != nil || u.Host == "" || u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
			if err == nil && u.Host != "" {
				return m
			}
			return masked
		}
		return u.Scheme + "://" + u.Host + "/" + masked
	})
}

// secretsOf lists what must not be seen, longest first. Short words (a port, "yes") are left: they say nothing, and
// replacing them everywhere would spoil the text.
func secretsOf(c *ChannelSettings) []string {
	all := []string{c.URL, c.Secret, c.Bearer}
	if u, err := url.Parse(strings.TrimSpace(c.URL)); err == nil {
		parts := strings.FieldsFunc(u.EscapedPath(), func(r rune) bool { return r == '/' })
		if u.User != nil {
			password, _ := u.User.Password()
			parts = append(parts, u.User.Username(), password, u.User.String())
		}
		if !strings.Contains(u.Host, ".") && !strings.Contains(u.Host, ":") { // of slack, discord, telegram: no host at all
			parts = append(parts, u.Host)
		}
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		for _, p := range parts {
			all = append(all, p)
			if plain, err := url.PathUnescape(p); err == nil {
				all = append(all, plain)
			}
			all = append(all, url.QueryEscape(p), url.PathEscape(p))
			for _, piece := range strings.FieldsFunc(p, func(r rune) bool { return r == ':' || r == '-' || r == ',' }) {
				if len(piece) >= 8 {
					all = append(all, piece)
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < 5 })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}
