package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"
	"github.com/klauspost/compress/gzhttp"
)

const (
	jsonType   = "application/json"
	binaryType = "application/octet-stream"
	bodyLimit  = 1 << 20 // of a JSON body
	gzipFrom   = 1000    // smaller answers are sent as they are
)

// row is one route. Rows are made by typed and raw and completed by the options after them.
type row struct {
	method, path string
	role         role
	login        bool   // called to get credentials: those of the request are not looked at
	socket       bool   // a WebSocket: its address may carry ?token=
	tolerant     bool   // a wrong ?token= is as none: older clients send one where none is needed
	unaudited    bool   // changes nothing, or its own records say who did it
	open         string // group that Settings.Anonymous may open, "" = none
	tag          string // group in the document
	summary      string
	about        string // longer text, Markdown
	hidden       bool   // not in the document: assets of pages
	page         bool   // browsers get the dashboard here: its files, which anybody may load

	query    []string // accepted names; typed rows take them from their input
	anyQuery bool     // names are not looked at
	plain    bool     // no compression by the chain: streams, upgrades, what is compressed already

	bodyType  string
	bodyLimit int64
	ownLimit  bool // the handler itself enforces the limit

	typed func(huma.API, huma.Operation)                 // one of these two
	raw   http.HandlerFunc                               //
	doc   func(op *huma.Operation, schema huma.Registry) // of a raw row, or a typed one that streams
	edit  func(op *huma.Operation)                       // of a typed row

	serve http.Handler
	name  string // method and path, as key returns them
	limit limit  // how often one caller may come
}

func (r *row) key() string { return r.method + " " + r.path }

type option func(*row)

// group names the part of the document a row belongs to.
func group(tag string) option { return func(r *row) { r.tag = tag } }

func about(text string) option { return func(r *row) { r.about = text } }

// typed makes a row whose input and output are Go types: huma reads and checks the input and documents both.
func typed[I, O any](s *Server, method, path string, need role, summary string, h func(context.Context, *I) (*O, error), opts ...option) *row {
	r := &row{method: method, path: path, role: need, summary: summary, bodyType: jsonType, bodyLimit: bodyLimit, ownLimit: true}
	r.typed = func(api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := h(ctx, in)
			if err != nil {
				return nil, problemOf(err)
			}
			return out, nil
		})
	}
	return r.with(opts)
}

// raw makes a row that writes its answer itself: metrics, streams, pages.
func raw(method, path string, need role, summary string, h http.HandlerFunc, doc func(*huma.Operation, huma.Registry), opts ...option) *row {
	r := &row{method: method, path: path, role: need, summary: summary, bodyType: jsonType, bodyLimit: bodyLimit, raw: h, doc: doc}
	return r.with(opts)
}

func (r *row) with(opts []option) *row {
	for _, o := range opts {
		o(r)
	}
	return r
}

// documented says what a typed row that streams answers.
func documented(doc func(*huma.Operation, huma.Registry)) option {
	return func(r *row) { r.doc = doc }
}

// answers sets the status of a typed row's success.
func answers(status int) option {
	return func(r *row) { r.edit = func(op *huma.Operation) { op.DefaultStatus = status } }
}

// table lists every route.
func (s *Server) table() []*row {
	return slices.Concat(s.rootRows(), s.healthRows(), s.systemRows(), s.metricsRows(), s.adminRows(), s.docsRows(), s.pageRows(), s.streamRows(), s.liveRows(),
		s.serviceStreamRows(), s.serviceUsageRows(), s.serviceRows(), s.serviceActionRows(), s.serviceLogRows(), s.jobRows(), s.eventRows(), s.processRows(), s.usageRows(), s.mcpRows(),
		s.knowledgeRows(), s.notifyRows(), s.alertmanagerRows(), s.loginRows(), s.userRows(), s.keyRows(), s.auditRows(), s.configRows())
}

// register builds router and document from the rows.
func (s *Server) register(rows []*row) error {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(gzipFrom), gzhttp.EnableZstd(false))
	if err != nil {
		return fmt.Errorf("build the compressor: %w", err)
	}
	s.rows = make(map[string]*row, len(rows))
	for _, r := range rows {
		switch {
		case r.role < anonymous || r.role > admin:
			return fmt.Errorf("route %s has no role", r.key())
		case r.open != "" && r.method != http.MethodGet:
			return fmt.Errorf("route %s changes something and is in the group %s", r.key(), r.open)
		case r.summary == "":
			return fmt.Errorf("route %s has no summary", r.key())
		case s.rows[r.key()] != nil:
			return fmt.Errorf("route %s stands twice in the table", r.key())
		case (r.typed == nil) == (r.raw == nil):
			return errors.New("route " + r.key() + " needs one handler")
		}
		s.rows[r.key()] = r
		r.name = r.key()
		r.limit = limitOf(r)
		op := operation(r)
		if r.typed != nil {
			if r.doc != nil {
				op.Responses = map[string]*huma.Response{}
				r.doc(&op, s.api.OpenAPI().Components.Schemas)
			}
			if r.edit != nil {
				r.edit(&op)
			}
			r.typed(s.api, op)
		} else {
			op.Responses = map[string]*huma.Response{}
			if r.doc != nil {
				r.doc(&op, s.api.OpenAPI().Components.Schemas)
			}
			if !r.hidden {
				s.api.OpenAPI().AddOperation(&op)
			}
			s.router.NewRoute().Path(muxPath(r.path)).Methods(r.method).Name(r.key()).HandlerFunc(r.raw)
		}
		if r.serve = s.router.Get(r.key()).GetHandler(); !r.plain {
			r.serve = compress(r.serve)
		}
	}
	s.finishDocument()
	return nil
}

// operation is the documented form of a row.
func operation(r *row) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(r),
		Method:      r.method, Path: r.path,
		Summary: r.summary, Description: r.about,
		Hidden:       r.hidden,
		MaxBodyBytes: bodyLimit + 1, // huma refuses a body that reaches its limit, we one that passes it
		Extensions:   map[string]any{"x-role": r.role.String()},
	}
	if r.open != "" {
		op.Extensions["x-anonymous"] = r.open
	}
	if r.tag != "" {
		op.Tags = []string{r.tag}
	}
	return op
}

func operationID(r *row) string {
	name := strings.Trim(strings.NewReplacer("/", "-", "{", "", "}", "", ".", "-").Replace(r.path), "-")
	if name == "" {
		name = "root"
	}
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return strings.ToLower(r.method) + "-" + name
}

// newAPI is huma without what it would add by itself: no $schema in bodies, no pages of its own.
func newAPI(s *Server) huma.API {
	config := huma.DefaultConfig("Control Center", apiVersion)
	config.CreateHooks = nil
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.DocsPath, config.OpenAPIPath, config.SchemasPath = "", "", ""
	format := huma.Format{Marshal: marshalJSON, Unmarshal: strictJSON}
	config.Formats = map[string]huma.Format{jsonType: format, "json": format}
	config.Transformers = []huma.Transformer{s.transform}
	config.Info.Description = "One binary that exports what this machine does, controls its services and keeps a knowledge base."
	return huma.NewAPI(config, newAdapter(s.router, s.rowOf))
}

// schemaName tells types of the packages below from each other: control.Spec and probe.Spec are two things.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	prefix := map[string]string{"controlcenter/control": "Service", "controlcenter/control/probe": "Probe", "controlcenter/control/logs": "Log"}[t.PkgPath()]
	if t.Name() == "" || strings.HasPrefix(name, prefix) {
		return name
	}
	return prefix + name
}

// rowOf completes a row by what huma found out about its input, and names the route so that match finds the row again.
func (s *Server) rowOf(op *huma.Operation, route *mux.Route) {
	key := op.Method + " " + op.Path
	route.Name(key)
	for _, p := range op.Parameters {
		if p.In == "query" {
			s.rows[key].query = append(s.rows[key].query, p.Name)
		}
	}
}
