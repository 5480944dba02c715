package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/notify"
	"controlcenter/internal/store"
)

func (r reply) text() string { return string(r.body) }

func TestAlertsAndTheirDeliveryAreShown(t *testing.T) {
	refuse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refuse.Close()
	s := start(t, func(o *Options) {
		st := notify.DefaultSettings()
		st.GroupWait = 0
		st.Channels = []notify.ChannelSettings{{Name: "ops", URL: refuse.URL + "/secretpath", MinSeverity: notify.Critical}}
		n, err := notify.New(t.Context(), notify.Options{Store: o.Store, Log: slog.New(slog.DiscardHandler)}, st)
		if err != nil {
			t.Fatal(err)
		}
		o.Notify = n
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.o.Notify.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	err := s.store.Update(t.Context(), func(tx *store.Tx) error {
		return event.Append(tx, event.Row{Type: "service.crashed", Subject: "web", Title: "web crashed", Level: event.Error},
			event.Row{Type: "service.failed", Subject: "web", Title: "web has failed", Level: event.Error})
	})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an attempt", func() bool { return strings.Contains(s.get("/api/notifications").text(), "answered 403") })
	m := s.get("/api/alerts").done(t)
	wantAt(t, m, 2.0, "firing")
	wantAt(t, m, "service_failed", "alerts", 0, "rule")
	wantAt(t, m, "critical", "alerts", 0, "severity")
	wantAt(t, m, "web", "alerts", 0, "service")
	wantAt(t, m, "service_crashed", "alerts", 1, "rule")
	m = s.get("/api/alerts?severity=warning").done(t)
	wantAt(t, m, "service_crashed", "alerts", 0, "rule")
	m = s.get("/api/notifications?state=pending").done(t)
	wantAt(t, m, "service_failed", "notifications", 0, "rule")
	wantAt(t, m, "ops", "notifications", 0, "channel")
	wantAt(t, m, 1.0, "notifications", 0, "count")
	wantAt(t, m, "web has failed", "notifications", 0, "summary")
	m = s.get("/api/notify/channels").done(t)
	wantAt(t, m, "webhook", "channels", 0, "kind")
	wantAt(t, m, 1.0, "channels", 0, "pending")
	for _, path := range []string{"/api/notify/channels", "/api/notifications", "/metrics"} {
		if body := s.get(path).text(); strings.Contains(body, "secretpath") {
			t.Errorf("%s shows a secret", path)
		}
	}
	if r := s.send("POST", "/api/notify/channels/ops/test", ""); r.StatusCode != http.StatusBadGateway || !strings.Contains(r.text(), "answered 403") || strings.Contains(r.text(), "secretpath") {
		t.Errorf("test of a channel that refuses: %d %s", r.StatusCode, r.text())
	}
	if r := s.send("POST", "/api/notify/channels/other/test", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("test of no channel: %d %s", r.StatusCode, r.text())
	}
}

func TestMutesAreMadeAndDeleted(t *testing.T) {
	s := start(t, nil, nil)
	r := s.send("POST", "/api/notify/mutes", `{"service":"web","for":"2h","reason":"work"}`)
	var made struct{ Mute notify.Mute }
	r.decode(t, &made)
	if r.StatusCode != http.StatusCreated || made.Mute.Reason != "work" || made.Mute.By != "owner" || time.Until(made.Mute.Until) < time.Hour {
		t.Fatalf("%d %s", r.StatusCode, r.text())
	}
	wantAt(t, s.get("/api/notify/mutes").done(t), "web", "mutes", 0, "service")
	s.send("DELETE", "/api/notify/mutes/"+made.Mute.ID, "").done(t)
	if r := s.send("DELETE", "/api/notify/mutes/"+made.Mute.ID, ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("twice: %d %s", r.StatusCode, r.text())
	}
	for body, want := range map[string]string{
		`{"for":"1h"}`:                "service: needed when rule is not given",
		`{"service":"web"}`:           "until: needed when for is not given",
		`{"service":"web","for":"x"}`: "for: must be a duration",
		`{"service":"web","for":"1h","until":"2030-01-01T00:00:00Z"}`: "exclude each other",
		`{"service":"web","until":"2001-01-01T00:00:00Z"}`:            "until: is not in the future",
		`{"rule":"nosuch","for":"1h"}`:                                `rule: no rule`,
		`{"servce":"web","for":"1h"}`:                                 "servce",
	} {
		if r := s.send("POST", "/api/notify/mutes", body); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(r.text(), want) {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.text())
		}
	}
}

// What Alertmanager 0.28 posts, with fields that are not used.
const alertmanagerPost = `{"receiver":"cc","status":"firing","alerts":[{"status":"%s","labels":{"alertname":"DiskFull","severity":"critical","service":"web"},
"annotations":{"summary":"The disk is full","description":"At 99 %%"},"startsAt":"2026-07-01T10:00:00.5Z","endsAt":"0001-01-01T00:00:00Z",
"generatorURL":"http://prometheus:9090/graph","fingerprint":"b1f8d4e2"}],"groupLabels":{"alertname":"DiskFull"},"commonLabels":{"a":"b"},"commonAnnotations":{},
"externalURL":"http://alertmanager:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}`

func TestAlertmanagerPostsBecomeEvents(t *testing.T) {
	s := start(t, nil, nil)
	for i, status := range []string{"firing", "firing", "resolved"} {
		m := s.send("POST", "/api/alerts/webhook", fmt.Sprintf(alertmanagerPost, status)).done(t)
		wantAt(t, m, 1.0, "received")
		wantAt(t, m, []float64{1, 0, 1}[i], "new")
	}
	m := s.get("/api/events?part=alert").done(t)
	wantAt(t, m, "alert.resolved", "events", 0, "kind")
	wantAt(t, m, "alert.firing", "events", 1, "kind")
	wantAt(t, m, "DiskFull: The disk is full", "events", 1, "title")
	wantAt(t, m, "error", "events", 1, "severity")
	wantAt(t, m, "web", "events", 1, "data", "service")
	for _, bad := range []string{`{}`, `{"version":"3","alerts":[]}`, `{"version":"4","alerts":[{"status":"odd","fingerprint":"x"}]}`, `{"version":"4","alerts":[{"status":"firing"}]}`, `[`} {
		if r := s.send("POST", "/api/alerts/webhook", bad); r.StatusCode != http.StatusUnprocessableEntity && r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, r.StatusCode, r.text())
		}
	}
	if r := s.send("POST", "/api/alerts/webhook", `{"alerts":[],"x":"`+strings.Repeat("x", bodyLimit)+`"}`); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d %s", r.StatusCode, r.text())
	}
}

func TestPrometheusFindsTheFleet(t *testing.T) {
	s := start(t, func(o *Options) {
		st := *o.Settings()
		st.Fleet = Fleet{Self: true, Groups: []TargetGroup{{Targets: []string{"a:8080", "b:8080"}, Labels: map[string]string{"site": "x"}}}}
		o.Settings = func() *Settings { return &st }
	}, nil)
	r := s.get("/api/sd/prometheus")
	var got []TargetGroup
	r.decode(t, &got)
	if r.StatusCode != http.StatusOK || len(got) != 2 || !slices.Equal(got[0].Targets, []string{strings.TrimPrefix(s.url, "http://")}) || got[1].Labels["site"] != "x" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%d %s", r.StatusCode, r.text())
	}
}
