package api

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"controlcenter/internal/notify"
)

// Fleet is what Prometheus finds by GET /api/sd/prometheus.
type Fleet struct {
	Self   bool // this server too
	Groups []TargetGroup
}

// TargetGroup is a group of targets as Prometheus' HTTP service discovery reads it.
type TargetGroup struct {
	Targets []string          `json:"targets" doc:"host:port"`
	Labels  map[string]string `json:"labels"`
}

// AlertmanagerInput is what an Alertmanager posts to a webhook, version 4. What is not used is not looked at.
type AlertmanagerInput struct {
	Body struct {
		_       struct{}            `additionalProperties:"true"`
		Version string              `json:"version,omitempty" doc:"4"`
		Alerts  []AlertmanagerAlert `json:"alerts" maxItems:"1000" nullable:"false"`
	}
}

// AlertmanagerAlert is one alert of it.
type AlertmanagerAlert struct {
	_           struct{}          `additionalProperties:"true"`
	Status      string            `json:"status" enum:"firing,resolved"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt,omitempty"`
	Fingerprint string            `json:"fingerprint" minLength:"1" maxLength:"100"`
}

// AlertmanagerBody is the answer.
type AlertmanagerBody struct {
	Success  bool `json:"success"`
	Received int  `json:"received"`
	New      int  `json:"new" doc:"That became events; the rest was known"`
}

// SDInput takes the address by which we were reached.
type SDInput struct {
	host string
	tls  bool
}

// Resolve implements huma.Resolver.
func (in *SDInput) Resolve(ctx huma.Context) []error {
	in.host, in.tls = ctx.Host(), ctx.TLS() != nil
	return nil
}

func (s *Server) alertmanagerRows() []*row {
	return []*row{
		typed(s, "POST", "/api/alerts/webhook", operator, "Take over alerts of an Alertmanager", s.alertmanager, group("Notifications"),
			about("For a `webhook_configs` receiver of an Alertmanager. Each alert becomes an event, `alert.firing` or `alert.resolved`, once per fingerprint, status and "+
				"start however often it is posted.")),
		typed(s, "GET", "/api/sd/prometheus", viewer, "Servers, for Prometheus to find them", s.serviceDiscovery, group("Metrics"),
			about("The format of Prometheus' `http_sd_configs`. The list is `fleet.targets` of the configuration; this server itself is in it unless `fleet.self` is false.")),
	}
}

func (s *Server) alertmanager(ctx context.Context, in *AlertmanagerInput) (*answerOf[AlertmanagerBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	if v := in.Body.Version; v != "" && v != "4" {
		return nil, invalid(FieldError{Loc: []string{"body", "version"}, Msg: fmt.Sprintf("%.20q is not known; accepted: 4", v), Type: "enum"})
	}
	list := make([]notify.OutsideAlert, len(in.Body.Alerts))
	for i := range in.Body.Alerts {
		a := &in.Body.Alerts[i]
		list[i] = notify.OutsideAlert{Status: a.Status, Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, Fingerprint: a.Fingerprint}
	}
	fresh, err := n.Receive(ctx, actor(ctx), list)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(AlertmanagerBody{true, len(list), fresh}), nil
}

func (s *Server) serviceDiscovery(_ context.Context, in *SDInput) (*answerOf[[]TargetGroup], error) {
	f := &s.settings().Fleet
	out := []TargetGroup{}
	if f.Self && in.host != "" {
		labels := map[string]string{}
		if in.tls {
			labels["__scheme__"] = "https"
		}
		out = append(out, TargetGroup{[]string{in.host}, labels})
	}
	return ok(append(out, f.Groups...)), nil
}
