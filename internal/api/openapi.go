package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
)

// apiVersion is that of the interface, not of the build: the committed document must not change with each release.
const apiVersion = "1.0.0"

func newAdapter(r *mux.Router, customize func(*huma.Operation, *mux.Route)) huma.Adapter {
	return &adapter{Adapter: humamux.NewAdapter(r, humamux.WithRouteCustomizer(func(op *huma.Operation, route *mux.Route) {
		plain := *op
		plain.Path = strings.ReplaceAll(op.Path, restOfPath, "}")
		customize(&plain, route)
	}))}
}

// adapter is huma's for this router, with parameters that may hold slashes. The document shows the plain path.
type adapter struct{ huma.Adapter }

// Handle registers an operation.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	routed := *op
	routed.Path = muxPath(op.Path)
	a.Adapter.Handle(&routed, handler)
}

// restOfPath lets a parameter of the router match more than one part of a path.
const restOfPath = ":.+}"

// muxPath is a path as the router takes it. The id of a file may be base64, which holds slashes.
func muxPath(path string) string { return strings.ReplaceAll(path, "{file_id}", "{file_id"+restOfPath) }

// transform turns the library's errors into our one shape. It runs before the status is sent, so it can still set the
// content type.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	var p *Problem
	switch e := v.(type) {
	case *huma.ErrorModel:
		p = problemFromHuma(ctx.Operation(), e.Status, e)
	case *Problem:
		p = e
	default:
		return v, nil
	}
	r, _ := humamux.Unwrap(ctx)
	s.finish(p, r)
	ctx.SetHeader("Content-Type", jsonType)
	ctx.SetHeader("Cache-Control", "no-store")
	return p, nil
}

// finishDocument replaces what huma says about errors by what we answer, and makes arrays never null, as they are.
func (s *Server) finishDocument() {
	doc := s.api.OpenAPI()
	schemas := doc.Components.Schemas
	problemSchema := schemas.Schema(typeOf[Problem](), true, "")
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
	for name, schema := range schemas.Map() {
		arraysNotNull(schema)
		pointersMayBeNull(schema, schemas.TypeFromRef("#/components/schemas/"+name))
		if schema.AdditionalProperties == false { // answers gain fields; the document must not forbid it
			schema.AdditionalProperties = nil
		}
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			for status := range op.Responses {
				if status == "default" || status >= "400" {
					delete(op.Responses, status)
				}
			}
			if media := jsonBody(op); media != nil {
				closeSchema(schemas, media.Schema) // a misspelt field is refused, at any depth
			}
			op.Responses["default"] = &huma.Response{
				Description: "Error, in the one shape of all errors",
				Content:     map[string]*huma.MediaType{jsonType: {Schema: problemSchema}},
			}
		}
	}
}

func jsonBody(op *huma.Operation) *huma.MediaType {
	if op.RequestBody == nil {
		return nil
	}
	return op.RequestBody.Content[jsonType]
}

// closeSchema forbids unknown fields in a named body and in those it holds, but in what other programs send (whose type says
// additionalProperties:"true").
func closeSchema(schemas huma.Registry, s *huma.Schema) {
	if s == nil {
		return
	}
	if body := schemas.SchemaFromRef(s.Ref); body != nil && body.AdditionalProperties != false {
		if _, isMap := body.AdditionalProperties.(*huma.Schema); !isMap && body.AdditionalProperties != true {
			body.AdditionalProperties = false
		}
		for _, p := range body.Properties {
			closeSchema(schemas, p)
		}
	}
	closeSchema(schemas, s.Items)
}

// pointersMayBeNull says of fields that hold another named body, or null, that they do: huma names the body only.
func pointersMayBeNull(s *huma.Schema, t reflect.Type) {
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[name]
		if p == nil || p.Ref == "" || f.Type.Kind() != reflect.Pointer || strings.Contains(options, "omit") || f.Tag.Get("nullable") == "false" {
			continue
		}
		s.Properties[name] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}, Description: f.Tag.Get("doc")}
	}
}

func arraysNotNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
		arraysNotNull(s.Items)
	}
	for _, p := range s.Properties {
		arraysNotNull(p)
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		arraysNotNull(more)
	}
}

// OpenAPI returns the document of every route, as JSON (indented) and YAML, without a running server.
func OpenAPI() (jsonDoc, yamlDoc []byte, err error) {
	s, err := newDocumentServer()
	if err != nil {
		return nil, nil, err
	}
	return s.document()
}

func newDocumentServer() (*Server, error) {
	s := &Server{}
	s.router = mux.NewRouter()
	s.api = newAPI(s)
	if err := s.register(s.table()); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) document() (jsonDoc, yamlDoc []byte, err error) {
	doc := s.api.OpenAPI()
	if jsonDoc, err = json.MarshalIndent(doc, "", "  "); err != nil {
		return nil, nil, fmt.Errorf("encode the document: %w", err)
	}
	if yamlDoc, err = doc.YAML(); err != nil {
		return nil, nil, fmt.Errorf("encode the document: %w", err)
	}
	return append(jsonDoc, '\n'), yamlDoc, nil
}

// docOf makes the doc function of a raw row that answers one content type.
func docOf(contentType, says string, params ...*huma.Param) func(*huma.Operation, huma.Registry) {
	return func(op *huma.Operation, _ huma.Registry) {
		op.Parameters = params
		media := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		switch contentType {
		case binaryType:
			media.Schema.Format = "binary"
		case jsonType:
			media.Schema.Type = huma.TypeObject
		}
		op.Responses["200"] = &huma.Response{Description: says, Content: map[string]*huma.MediaType{contentType: media}}
	}
}

func queryParam(name, says string, schema *huma.Schema) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: says, Schema: schema}
}
