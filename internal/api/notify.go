package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"controlcenter/internal/notify"
	"controlcenter/internal/unit"
)

// AlertsInput are the parameters of GET /api/alerts.
type AlertsInput struct {
	State    string `query:"state" enum:"pending,firing,resolved" doc:"Only in this state"`
	Severity string `query:"severity" enum:"info,warning,critical" doc:"Only of this severity"`
	Service  string `query:"service" maxLength:"200" doc:"Only of this service or job"`
	Rule     string `query:"rule" maxLength:"100" doc:"Only of this rule"`
}

// AlertsBody is the answer of GET /api/alerts.
type AlertsBody struct {
	Success bool       `json:"success"`
	Firing  int        `json:"firing" doc:"How many of all fire"`
	Alerts  []AlertRow `json:"alerts" doc:"Firing ones first, then pending, then those that ended in the last day"`
}

// AlertRow is one alert of the built-in rules.
type AlertRow struct {
	Rule        string   `json:"rule"`
	Severity    string   `json:"severity" enum:"info,warning,critical"`
	Subject     string   `json:"subject" doc:"What it is about: a service, a mount point, ...; empty = this machine"`
	Service     *string  `json:"service"`
	State       string   `json:"state" enum:"pending,firing,resolved"`
	Since       string   `json:"since" format:"date-time"`
	Last        string   `json:"last" format:"date-time" doc:"Its last event"`
	EndedAt     *string  `json:"ended_at"`
	Count       int      `json:"count" doc:"Events since it began"`
	Value       *float64 `json:"value"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Muted       bool     `json:"muted" doc:"A mute or a time of maintenance keeps it from being told"`
	ToldAt      *string  `json:"told_at" doc:"When people were last told that it fires"`
}

// NotifyRulesBody is the answer of GET /api/notify/rules.
type NotifyRulesBody struct {
	Success bool            `json:"success"`
	Rules   []NotifyRuleRow `json:"rules"`
}

// NotifyRuleRow is one built-in rule as it is in force.
type NotifyRuleRow struct {
	Name        string   `json:"name"`
	Enabled     bool     `json:"enabled"`
	Severity    string   `json:"severity" enum:"info,warning,critical"`
	ForSeconds  float64  `json:"for_seconds" doc:"How long something must last to be an alert"`
	Limit       *float64 `json:"limit" doc:"null = it has none to set"`
	Unit        string   `json:"unit" doc:"Of limit"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
}

// NotifyChannelsBody is the answer of GET /api/notify/channels.
type NotifyChannelsBody struct {
	Success  bool                  `json:"success"`
	Channels []notify.ChannelState `json:"channels"`
}

// NotifyChannelInput names a channel.
type NotifyChannelInput struct {
	Name string `path:"name" maxLength:"100"`
}

// MutesBody is the answer of GET /api/notify/mutes.
type MutesBody struct {
	Success bool          `json:"success"`
	Mutes   []notify.Mute `json:"mutes"`
}

// MuteInput is the body of POST /api/notify/mutes.
type MuteInput struct {
	Body struct {
		Service string     `json:"service,omitempty" maxLength:"200" doc:"Alerts of this service or job; this or rule is needed"`
		Rule    string     `json:"rule,omitempty" maxLength:"100" doc:"Alerts of this rule"`
		Until   *time.Time `json:"until,omitempty" doc:"When it ends; this or for is needed"`
		For     string     `json:"for,omitempty" maxLength:"40" doc:"How long it lasts, such as 30m, 2h or 7d"`
		Reason  string     `json:"reason,omitempty" maxLength:"500"`
	}
}

// MuteBody is the answer of POST /api/notify/mutes.
type MuteBody struct {
	Success bool        `json:"success"`
	Mute    notify.Mute `json:"mute"`
}

// MuteIDInput names a mute.
type MuteIDInput struct {
	ID string `path:"id" maxLength:"100"`
}

// DeliveriesInput are the parameters of GET /api/notifications.
type DeliveriesInput struct {
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most rows"`
	Cursor  uint64 `query:"cursor" doc:"next of the page before"`
	State   string `query:"state" enum:"pending,delivered,failed,dropped" doc:"Only in this state"`
	Channel string `query:"channel" maxLength:"100" doc:"Only of this channel"`
}

// DeliveriesBody is the answer of GET /api/notifications.
type DeliveriesBody struct {
	Success       bool          `json:"success"`
	Notifications []DeliveryRow `json:"notifications" doc:"Newest first"`
	Next          *uint64       `json:"next" doc:"For cursor, to read on; null = there is nothing older"`
}

// DeliveryRow is one message to one channel.
type DeliveryRow struct {
	ID        uint64        `json:"id"`
	Time      string        `json:"time" format:"date-time"`
	Rule      string        `json:"rule" doc:"Of its first item"`
	Severity  string        `json:"severity" doc:"The highest of its items"`
	Channel   string        `json:"channel"`
	State     string        `json:"state" enum:"pending,delivered,failed,dropped"`
	Attempts  int           `json:"attempts"`
	LastError string        `json:"last_error"`
	NextTry   *string       `json:"next_attempt" doc:"Of a pending one"`
	EndedAt   *string       `json:"ended_at"`
	Held      bool          `json:"held" doc:"Gathered through quiet hours"`
	Count     int           `json:"count" doc:"Number of items"`
	Summary   string        `json:"summary" doc:"Of its first item"`
	Items     []notify.Item `json:"items"`
}

func (s *Server) notifyRows() []*row {
	g := group("Notifications")
	return []*row{
		typed(s, "GET", "/api/alerts", viewer, "What the built-in rules found", s.alerts, g),
		typed(s, "GET", "/api/notifications", viewer, "Messages and how far their delivery is, newest first", s.deliveries, g,
			about("A message stays pending until its channel took it, also across restarts; it is given up after `notify.give_up`.")),
		typed(s, "GET", "/api/notify/rules", viewer, "All built-in rules", s.notifyRules, g),
		typed(s, "GET", "/api/notify/channels", viewer, "Channels, without their secrets", s.notifyChannels, g),
		typed(s, "POST", "/api/notify/channels/{name}/test", operator, "Send a test message through a channel", s.notifyTest, g,
			about("Answers when the channel took the message, or 502 with its reason.")),
		typed(s, "GET", "/api/notify/mutes", viewer, "Mutes in force", s.mutes, g),
		typed(s, "POST", "/api/notify/mutes", operator, "Keep alerts of a service or rule from being told for a time", s.mute, g, answers(http.StatusCreated)),
		typed(s, "DELETE", "/api/notify/mutes/{id}", operator, "End a mute", s.unmute, g),
	}
}

func (s *Server) notifier() (*notify.Notifier, error) {
	if s.o.Notify == nil {
		return nil, problem(http.StatusServiceUnavailable, "this server notifies nobody")
	}
	return s.o.Notify, nil
}

// notifyProblem is the answer for the kinds of errors of package notify; nil for others.
func notifyProblem(err error) *Problem {
	if wrong, ok := errors.AsType[*notify.InvalidError](err); ok {
		return invalid(FieldError{Loc: []string{"body", wrong.Field}, Msg: wrong.Text, Type: "value"})
	}
	if errors.Is(err, notify.ErrNotFound) {
		return problem(http.StatusNotFound, err.Error())
	}
	return nil
}

func (s *Server) alerts(ctx context.Context, in *AlertsInput) (*answerOf[AlertsBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	list, err := n.Alerts(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	b := AlertsBody{Success: true, Alerts: []AlertRow{}}
	for i := range list {
		a := &list[i]
		if a.State == notify.Firing {
			b.Firing++
		}
		if in.State != "" && a.State != in.State || in.Severity != "" && string(a.Severity) != in.Severity || in.Service != "" && a.Service != in.Service || in.Rule != "" && a.Rule != in.Rule {
			continue
		}
		b.Alerts = append(b.Alerts, AlertRow{
			Rule: a.Rule, Severity: string(a.Severity), Subject: a.Subject, Service: given(a.Service), State: a.State, Since: stamp(a.Since), Last: stamp(a.Last),
			EndedAt: stampOrNone(a.EndedAt), Count: a.Count, Value: a.Value, Summary: a.Summary, Description: a.Description, Muted: a.Muted, ToldAt: stampOrNone(a.Told),
		})
	}
	return ok(b), nil
}

func stampOrNone(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return given(stamp(*t))
}

func (s *Server) notifyRules(context.Context, *noInput) (*answerOf[NotifyRulesBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	b := NotifyRulesBody{Success: true, Rules: []NotifyRuleRow{}}
	for _, r := range n.Rules() {
		row := NotifyRuleRow{
			Name: r.Name, Enabled: r.Enabled, Severity: string(r.Severity), ForSeconds: r.For.Seconds(), Unit: r.Unit, Summary: r.Summary, Description: r.Description,
		}
		if r.Unit != "" {
			row.Limit = &r.Limit
		}
		b.Rules = append(b.Rules, row)
	}
	return ok(b), nil
}

func (s *Server) notifyChannels(ctx context.Context, _ *noInput) (*answerOf[NotifyChannelsBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	list, err := n.Channels(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(NotifyChannelsBody{true, list}), nil
}

func (s *Server) notifyTest(ctx context.Context, in *NotifyChannelInput) (*answerOf[DoneBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	err = n.Test(ctx, in.Name)
	switch {
	case errors.Is(err, notify.ErrNotFound):
		return nil, problemf(http.StatusNotFound, "there is no channel %q; GET /api/notify/channels lists them", in.Name)
	case err != nil:
		p := problem(http.StatusBadGateway, "the channel "+in.Name+" did not take the message: "+err.Error())
		p.Code = "failed"
		return nil, p
	}
	return ok(done("the channel " + in.Name + " took a test message")), nil
}

func (s *Server) mutes(ctx context.Context, _ *noInput) (*answerOf[MutesBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	list, err := n.Mutes(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(MutesBody{true, list}), nil
}

func (s *Server) mute(ctx context.Context, in *MuteInput) (*answerOf[MuteBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	m := notify.Mute{Service: in.Body.Service, Rule: in.Body.Rule, Reason: in.Body.Reason, By: actor(ctx)}
	switch {
	case in.Body.Until != nil && in.Body.For != "":
		return nil, &notify.InvalidError{Field: "for", Text: "until and for exclude each other"}
	case in.Body.Until != nil:
		m.Until = *in.Body.Until
	case in.Body.For != "":
		d, err := unit.ParseDuration(in.Body.For)
		if err != nil || d <= 0 {
			return nil, &notify.InvalidError{Field: "for", Text: "must be a duration such as 30m, 2h or 7d"}
		}
		m.Until = time.Now().Add(d.Std())
	default:
		return nil, &notify.InvalidError{Field: "until", Text: "needed when for is not given: an RFC 3339 time"}
	}
	m, err = n.Mute(ctx, m)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return &answerOf[MuteBody]{http.StatusCreated, MuteBody{true, m}}, nil
}

func (s *Server) unmute(ctx context.Context, in *MuteIDInput) (*answerOf[DoneBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	if err := n.Unmute(ctx, in.ID, actor(ctx)); err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	return ok(done("no longer muted")), nil
}

func (s *Server) deliveries(ctx context.Context, in *DeliveriesInput) (*answerOf[DeliveriesBody], error) {
	n, err := s.notifier()
	if err != nil {
		return nil, err
	}
	list, next, err := n.Deliveries(ctx, notify.Query{State: in.State, Channel: in.Channel, Before: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf reads the kind
	}
	b := DeliveriesBody{Success: true, Notifications: []DeliveryRow{}, Next: given(next)}
	for i := range list {
		d := &list[i]
		row := DeliveryRow{
			ID: d.ID, Time: stamp(d.Time), Channel: d.Channel, State: d.State, Attempts: d.Attempts, LastError: d.LastError, EndedAt: stampOrNone(d.Ended),
			Held: d.Held, Count: len(d.Items), Items: slices.Clone(d.Items),
		}
		if d.State == notify.Waiting {
			row.NextTry = stampOrNone(&d.NotBefore)
		}
		if len(d.Items) > 0 {
			row.Rule, row.Summary, row.Severity = d.Items[0].Rule, d.Items[0].Summary, string(d.Severity())
		}
		b.Notifications = append(b.Notifications, row)
	}
	return ok(b), nil
}
