package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/control"
	"controlcenter/internal/lazy"
)

// mostListed is the largest page. It is also the default for services: clients of the first generation know of no pages.
const mostListed = 500

// PageInput are the parameters of a list; limit is another name of page_size, and offset overrides page.
type PageInput struct {
	Page     int `query:"page" default:"1" minimum:"1" maximum:"1000000" doc:"From 1"`
	PageSize int `query:"page_size" minimum:"1" maximum:"500" doc:"Rows of a page; default 500"`
	Limit    int `query:"limit" minimum:"1" maximum:"500" doc:"Same as page_size"`
	Offset   int `query:"offset" minimum:"0" maximum:"1000000000" doc:"Rows passed over; overrides page"`
}

// span returns which of total rows are asked for.
func (p *PageInput) span(total int) (from, to int, meta PageMeta) {
	size := cmp.Or(p.Limit, p.PageSize, mostListed)
	page, offset := p.Page, (p.Page-1)*size
	if p.Offset > 0 {
		page, offset = p.Offset/size+1, p.Offset
	}
	from = min(offset, total)
	to = min(from+size, total)
	meta = PageMeta{Total: total, Page: page, PageSize: size, TotalPages: (total + size - 1) / size, HasPrev: page > 1, HasNext: to < total, offset: offset}
	if meta.HasNext {
		next := page + 1
		meta.NextPage = &next
	}
	if meta.HasPrev {
		prev := page - 1
		meta.PrevPage = &prev
	}
	return from, to, meta
}

// PageMeta describes a page of a list.
type PageMeta struct {
	Total      int  `json:"total"`
	Page       int  `json:"page"`
	PageSize   int  `json:"page_size"`
	TotalPages int  `json:"total_pages"`
	HasNext    bool `json:"has_next"`
	HasPrev    bool `json:"has_prev"`
	NextPage   *int `json:"next_page"`
	PrevPage   *int `json:"prev_page"`

	offset int
}

// ServicesInput are the parameters of GET /api/services.
type ServicesInput struct {
	PageInput
	Status string `query:"status" maxLength:"20" doc:"Only services with this status or state: running, stopped, starting, stopping, error, unknown, or a finer one such as backoff, failed"`
	Tag    string `query:"tag" maxLength:"50" doc:"Only services with this tag"`
	Search string `query:"search" maxLength:"200" doc:"Only services with this text in their name, display name or description, in any letter case"`
}

// ServicesBody is its answer.
type ServicesBody struct {
	Success  bool             `json:"success"`
	Count    int              `json:"count" doc:"Same as total"`
	Total    int              `json:"total" doc:"All services that match, on this page or not"`
	Limit    int              `json:"limit"`
	Offset   int              `json:"offset"`
	Cached   bool             `json:"cached" doc:"Always false: the list is what is known now"`
	Meta     PageMeta         `json:"meta"`
	Services []control.Object `json:"services"`

	list func(b []byte) []byte
}

// appendJSON writes the body from the encoded services; see [shownServices].
func (b ServicesBody) appendJSON(out []byte) []byte {
	out = fmt.Appendf(out, `{"success":true,"count":%d,"total":%d,"limit":%d,"offset":%d,"cached":false,"meta":`, b.Total, b.Total, b.Limit, b.Offset)
	meta, _ := json.Marshal(b.Meta) // numbers only
	out = append(append(out, meta...), `,"services":[`...)
	return append(b.list(out), ']', '}')
}

// ServiceInput names a service: its name or display name, in any letter case, with - or _.
type ServiceInput struct {
	Name string `path:"name" doc:"Name or display name, in any letter case; _ and - are the same"`
}

// ServiceStatusBody is the answer of GET /api/services/{name}/status.
type ServiceStatusBody struct {
	Success bool `json:"success"`
	control.Object
}

// ServiceBody is the answer of GET /api/services/{name}.
type ServiceBody struct {
	Success bool `json:"success"`
	control.Object
	Definition *control.Spec   `json:"definition" nullable:"false" doc:"As it was given; what looks like a secret is masked, and a mask written back keeps the value"`
	Effective  *control.Spec   `json:"effective" nullable:"false" doc:"With template and defaults filled in"`
	Secrets    map[string]bool `json:"secrets" doc:"Whether each secret of the definition has a value"`
}

// ChangedServiceBody is the answer of what made or changed a service.
type ChangedServiceBody struct {
	Success bool           `json:"success"`
	Service control.Object `json:"service"`
}

type changedService struct {
	Status   int
	Location string `header:"Location" doc:"Path of a service that was made"`
	Body     ChangedServiceBody
}

// specBody is a definition or a patch of one, read by package control, which names all that is wrong.
type specBody struct{ json json.RawMessage }

// UnmarshalJSON keeps the text.
func (b *specBody) UnmarshalJSON(text []byte) error { b.json = bytes.Clone(text); return nil }

// Schema documents the body as the definition that it is.
func (specBody) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(typeOf[control.Spec](), true, "")
}

func checkedLater(r *row) { r.edit = func(op *huma.Operation) { op.SkipValidateBody = true } }

// NewServiceInput is a definition.
type NewServiceInput struct{ Body specBody }

// DefinitionInput is a definition, or a patch, of a service.
type DefinitionInput struct {
	ServiceInput
	Body specBody
}

// GraphBody is the answer of GET /api/services/graph.
type GraphBody struct {
	Success bool           `json:"success"`
	Nodes   []control.Node `json:"nodes" doc:"In the order of starting"`
	Edges   []control.Edge `json:"edges"`
}

// TemplatesBody is the answer of GET /api/services/templates.
type TemplatesBody struct {
	Success   bool          `json:"success"`
	Templates []TemplateRow `json:"templates"`
}

// TemplateRow is what a template fills in.
type TemplateRow struct {
	Name        string       `json:"name" doc:"For the field template of a definition"`
	DisplayName string       `json:"display_name"`
	Description string       `json:"description"`
	Spec        control.Spec `json:"spec" doc:"What a definition with this template need not say"`
}

// SecretsBody says which secrets have a value.
type SecretsBody struct {
	Success bool            `json:"success"`
	Secrets map[string]bool `json:"secrets"`
}

// SecretInput is one secret of a service.
type SecretInput struct {
	ServiceInput
	Key string `path:"key" doc:"Name of the secret, as the definition lists it"`
}

// NewSecretInput is its value.
type NewSecretInput struct {
	SecretInput
	Body struct {
		Value string `json:"value" maxLength:"65536" doc:"Nothing shows it again"`
	}
}

const serviceStatuses = "running, stopped, starting, stopping, error or unknown"

func (s *Server) serviceRows() []*row {
	g := group("Services")
	return []*row{
		typed(s, "GET", "/api/services", viewer, "All services, by name", s.listServices, g,
			about("`status` is one of "+serviceStatuses+"; `state` is the finer one.")),
		typed(s, "POST", "/api/services", admin, "Define a service", s.createService, g, answers(http.StatusCreated), checkedLater,
			about("`id` is another name of `name`. With `autostart` it is started. 409 when there is one of that name, 422 with every wrong field.")),
		typed(s, "GET", "/api/services/graph", viewer, "Who needs whom, in the order of starting", s.serviceGraph, g),
		typed(s, "GET", "/api/services/templates", viewer, "Templates for well-known programs", s.serviceTemplates, g),
		typed(s, "GET", "/api/services/{name}", viewer, "A service with its definition", s.getService, g),
		typed(s, "PUT", "/api/services/{name}", admin, "Define a service, or replace its definition", s.putService, g, checkedLater,
			about("201 when it is new. What runs is not touched: most fields are in force from the next start on (`restart_needed`). "+
				"409 when the configuration file owns it; the text says where.")),
		typed(s, "PATCH", "/api/services/{name}", admin, "Change fields of a definition", s.patchService, g, checkedLater,
			about("A JSON merge patch (RFC 7396): null removes a field, what is left out stays.")),
		typed(s, "DELETE", "/api/services/{name}", admin, "Stop a service and forget it, its runs and its secrets", s.deleteService, g),
		typed(s, "GET", "/api/services/{name}/status", viewer, "How a service is", s.serviceStatus, g),
		typed(s, "GET", "/api/services/{name}/secrets", viewer, "Which secrets have a value", s.secrets, g, about("No route shows a value.")),
		typed(s, "PUT", "/api/services/{name}/secrets/{key}", admin, "Give a secret its value", s.putSecret, g, about("In force at the next start.")),
		typed(s, "DELETE", "/api/services/{name}/secrets/{key}", admin, "Forget the value of a secret", s.deleteSecret, g),
	}
}

// control returns the manager of services, or the error that there is none.
func (s *Server) control() (*control.Manager, error) {
	if s.o.Services == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server controls no services")
	}
	return s.o.Services, nil
}

var serviceName = lazy.Regexp(`^[a-zA-Z0-9_-]{1,100}$`)

// service finds a service; 422 for what no service can be called.
func (s *Server) service(name string) (*control.Manager, *control.Status, error) {
	m, err := s.control()
	if err != nil {
		return nil, nil, err
	}
	st, err := m.Get(name)
	if errors.Is(err, control.ErrNotFound) && !serviceName().MatchString(name) {
		return nil, nil, invalid(FieldError{Loc: []string{"path", "name"}, Msg: "must be 1 to 100 letters, digits, _ or -", Type: "value"})
	}
	return m, st, err //nolint:wrapcheck // problemOf reads the kind
}

// actor names the caller in the history.
func actor(ctx context.Context) string {
	c := infoOf(ctx).caller
	return c.title()
}

func (s *Server) listServices(_ context.Context, in *ServicesInput) (*answerOf[ServicesBody], error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	if err := knownStatus(in.Status); err != nil {
		return nil, err
	}
	all := m.List()
	count := len(all)
	if in.Status != "" || in.Tag != "" || in.Search != "" {
		search, status := strings.ToLower(in.Search), strings.ToLower(in.Status)
		all = slices.DeleteFunc(all, func(st *control.Status) bool {
			return status != "" && st.State.Wire() != status && st.State.String() != status ||
				in.Tag != "" && !slices.Contains(st.Spec.Tags, in.Tag) ||
				search != "" && !strings.Contains(strings.ToLower(st.ID+"\n"+st.Spec.DisplayName+"\n"+st.Spec.Description), search)
		})
	}
	from, to, meta := in.span(len(all))
	now := time.Now()
	return ok(ServicesBody{
		Success: true, Count: len(all), Total: len(all), Limit: meta.PageSize, Offset: meta.offset, Meta: meta,
		list: func(b []byte) []byte { return s.shown.append(b, all[from:to], count, now) },
	}), nil
}

func knownStatus(given string) error {
	given = strings.ToLower(given)
	var fine control.State
	switch given {
	case "", "running", "stopped", "starting", "stopping", "error", "unknown":
		return nil
	}
	if err := fine.UnmarshalText([]byte(given)); err != nil {
		return invalidQuery("status", "enum", "must be "+serviceStatuses+", or a state")
	}
	return nil
}

func (s *Server) getService(ctx context.Context, in *ServiceInput) (*answerOf[ServiceBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	set, err := m.SecretsSet(ctx, st.Key)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	body := ServiceBody{true, st.Object(time.Now()), st.Given(), st.Effective(), set}
	if infoOf(ctx).caller.role < admin { // only who may write it back needs it whole
		body.Definition, body.Effective = body.Definition.Masked(), body.Effective.Masked()
	}
	return ok(body), nil
}

func (s *Server) serviceStatus(_ context.Context, in *ServiceInput) (*answerOf[ServiceStatusBody], error) {
	_, st, err := s.service(in.Name)
	if err != nil {
		return nil, s.legacy(err)
	}
	return ok(ServiceStatusBody{true, st.Object(time.Now())}), nil
}

func changed(status int, st *control.Status) *changedService {
	out := &changedService{Status: status, Body: ChangedServiceBody{true, st.Object(time.Now())}}
	if status == http.StatusCreated {
		out.Location = "/api/services/" + st.ID
	}
	return out
}

func (s *Server) createService(ctx context.Context, in *NewServiceInput) (*changedService, error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	spec, err := control.ParseSpec(in.Body.json)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	aimAt(ctx, spec.ID)
	st, err := m.Create(ctx, spec, actor(ctx))
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return changed(http.StatusCreated, st), nil
}

func (s *Server) putService(ctx context.Context, in *DefinitionInput) (*changedService, error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	spec, err := control.ParseSpec(in.Body.json)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	name := in.Name
	if st, err := m.Get(name); err == nil {
		name = st.ID // the path may have the display name
	}
	if spec.ID != "" && control.Key(spec.ID) != control.Key(name) {
		return nil, invalid(FieldError{Loc: []string{"body", "name"}, Msg: fmt.Sprintf("must be %q, as in the path, or left out", name), Type: "value"})
	}
	spec.ID = name
	st, created, err := m.Define(ctx, spec, actor(ctx))
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	if created {
		return changed(http.StatusCreated, st), nil
	}
	return changed(http.StatusOK, st), nil
}

func (s *Server) patchService(ctx context.Context, in *DefinitionInput) (*changedService, error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	if st, err = m.Patch(ctx, st.Key, in.Body.json, actor(ctx)); err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return changed(http.StatusOK, st), nil
}

func (s *Server) deleteService(ctx context.Context, in *ServiceInput) (*answerOf[DoneBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	if err := m.Remove(ctx, st.Key, actor(ctx)); err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(done(st.Spec.DisplayName + " was removed")), nil
}

func (s *Server) serviceGraph(context.Context, *noInput) (*answerOf[GraphBody], error) {
	m, err := s.control()
	if err != nil {
		return nil, err
	}
	nodes, edges := m.Graph()
	return ok(GraphBody{true, nodes, edges}), nil
}

func (s *Server) serviceTemplates(context.Context, *noInput) (*answerOf[TemplatesBody], error) {
	b := TemplatesBody{Success: true, Templates: []TemplateRow{}}
	for name, spec := range control.Templates() {
		b.Templates = append(b.Templates, TemplateRow{name, spec.DisplayName, spec.Description, spec})
	}
	slices.SortFunc(b.Templates, func(x, y TemplateRow) int { return cmp.Compare(x.Name, y.Name) })
	return ok(b), nil
}

func (s *Server) secrets(ctx context.Context, in *ServiceInput) (*answerOf[SecretsBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	set, err := m.SecretsSet(ctx, st.Key)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(SecretsBody{true, set}), nil
}

func (s *Server) putSecret(ctx context.Context, in *NewSecretInput) (*answerOf[DoneBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	if err := m.SetSecret(ctx, st.Key, in.Key, in.Body.Value, actor(ctx)); err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(done("secret " + in.Key + " was set; it is in force at the next start")), nil
}

func (s *Server) deleteSecret(ctx context.Context, in *SecretInput) (*answerOf[DoneBody], error) {
	m, st, err := s.service(in.Name)
	if err != nil {
		return nil, err
	}
	if err := m.DeleteSecret(ctx, st.Key, in.Key, actor(ctx)); err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(done("secret " + in.Key + " was deleted")), nil
}
