package api

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// APIMarkdown returns docs/api.md, made from the same rows as the OpenAPI document.
func APIMarkdown() ([]byte, error) {
	s, err := newDocumentServer()
	if err != nil {
		return nil, err
	}
	m := markdown{schemas: s.api.OpenAPI().Components.Schemas}
	m.line("# HTTP and WebSocket interface\n")
	m.line("Made from the route table by `go test ./internal/api -run TestCommittedDocumentsAreCurrent -update`; a test keeps it current.")
	m.line("The same as OpenAPI: `openapi.json` here, `/openapi.json` and `/openapi.yaml` of a running server, `/docs` to try it out, `/redoc` to read.\n")
	m.line("Roles: **anonymous** needs nothing; **viewer** reads; **operator** starts and stops; **admin** may do all. The user that the server")
	m.line("runs as is admin over loopback and the unix socket, with no proxy between; users of the listener's basic authentication are viewers;")
	m.line("others are anonymous ([security.md](security.md)). Credentials that are wrong are 401 on every route.\n")
	m.line("Numbers that are unknown are `null`; the key stays. Times are RFC 3339 with a zone. Percents are 0 to 100, `*_gb` are 2^30 bytes.\n")
	m.line("## Errors\n")
	m.line("Every answer of 400 and above has this body, also for unknown paths and methods:\n")
	m.line("```json\n{\"success\": false, \"error\": \"limit: must be between 1 and 500\", \"detail\": \"limit: must be between 1 and 500\", \"code\": \"validation\",\n" +
		" \"errors\": [{\"loc\": [\"query\", \"limit\"], \"msg\": \"must be between 1 and 500\", \"type\": \"range\"}], \"request_id\": \"5b3c8e1f0a9d7724\"}\n```\n")
	m.line("`detail` is always a string. Unknown query parameters are refused with 422.\n")
	m.routes(s.table(), s)
	m.types()
	return m.out.Bytes(), nil
}

type markdown struct {
	out     bytes.Buffer
	schemas huma.Registry
}

func (m *markdown) line(format string, a ...any) {
	if len(a) == 0 {
		m.out.WriteString(format + "\n")
		return
	}
	fmt.Fprintf(&m.out, format+"\n", a...)
}

func (m *markdown) routes(rows []*row, s *Server) {
	var tags []string
	for _, r := range rows {
		if !r.hidden && !slices.Contains(tags, r.tag) {
			tags = append(tags, r.tag)
		}
	}
	for _, tag := range tags {
		m.line("## %s\n", tag)
		for _, r := range rows {
			if r.tag == tag && !r.hidden {
				m.route(r, operationOf(s.api.OpenAPI().Paths[r.path], r.method))
			}
		}
	}
}

func operationOf(item *huma.PathItem, method string) *huma.Operation {
	switch method {
	case "POST":
		return item.Post
	case "PUT":
		return item.Put
	case "PATCH":
		return item.Patch
	case "DELETE":
		return item.Delete
	}
	return item.Get
}

func (m *markdown) route(r *row, op *huma.Operation) {
	m.line("### `%s %s`\n", r.method, r.path)
	needs := r.role.String()
	if r.open != "" {
		needs += "; without credentials on this machine when `auth.anonymous` has " + r.open
	}
	m.line("%s. Role: %s.\n", strings.TrimSuffix(r.summary, "."), needs)
	if r.about != "" {
		m.line(r.about + "\n")
	}
	if len(op.Parameters) > 0 {
		m.line("| parameter | accepted | default | |\n|---|---|---|---|")
		for _, p := range op.Parameters {
			def := ""
			if p.Schema.Default != nil {
				def = fmt.Sprintf("`%v`", p.Schema.Default)
			}
			m.line("| `%s` | %s | %s | %s |", p.Name, m.typeName(p.Schema), def, p.Description)
		}
		m.line("")
	}
	if op.RequestBody != nil {
		for ct, media := range op.RequestBody.Content {
			m.line("Body: `%s`, %s.\n", ct, m.typeName(media.Schema))
		}
	}
	for _, status := range []string{"101", "200", "201", "202"} {
		answer := op.Responses[status]
		if answer == nil {
			continue
		}
		var kinds []string
		for ct := range answer.Content {
			kinds = append(kinds, ct)
		}
		slices.Sort(kinds)
		for _, ct := range kinds {
			m.line("%s: `%s`, %s.\n", status, ct, m.typeName(answer.Content[ct].Schema))
		}
	}
}

// types lists every body, sorted by name.
func (m *markdown) types() {
	m.line("## Bodies\n")
	var names []string
	for name := range m.schemas.Map() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := m.schemas.Map()[name]
		m.line("### %s\n", name)
		m.line("| field | type | |\n|---|---|---|")
		var fields []string
		for f := range s.Properties {
			fields = append(fields, f)
		}
		slices.Sort(fields)
		for _, f := range fields {
			p := s.Properties[f]
			m.line("| `%s` | %s | %s |", f, m.typeName(p), p.Description)
		}
		m.line("")
	}
}

// typeName is a schema in a few words; named bodies are links.
func (m *markdown) typeName(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	name := s.Type
	switch {
	case s.Ref != "":
		n := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return "[" + n + "](#" + strings.ToLower(n) + ")"
	case len(s.AnyOf) > 0:
		names := make([]string, len(s.AnyOf))
		for i, one := range s.AnyOf {
			names[i] = m.typeName(one)
		}
		return strings.Join(names, " or ")
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprintf("`%v`", v)
		}
		return strings.Join(values, ", ")
	case s.Type == huma.TypeArray:
		return "list of " + m.typeName(s.Items)
	case s.Minimum != nil && s.Maximum != nil:
		name = fmt.Sprintf("%s %v to %v", s.Type, *s.Minimum, *s.Maximum)
	case s.Format == "binary":
		name = "bytes"
	case s.Format == "date-time":
		name = "time"
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok && s.Type == huma.TypeObject {
		name = "map to " + m.typeName(more)
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}
