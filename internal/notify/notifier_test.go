package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// receiver is an outside party that takes webhooks.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(http.ResponseWriter, *http.Request) bool // true = it answered
	messages []Message
	headers  []http.Header
	bodies   [][]byte
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.answer != nil && r.answer(w, req) {
			return
		}
		var m Message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("body %s: %v", body, err)
		}
		r.messages, r.headers, r.bodies = append(r.messages, m), append(r.headers, req.Header), append(r.bodies, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) items() (out []Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		out = append(out, m.Items...)
	}
	return out
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// rig is a notifier on a real store.
type rig struct {
	t     testing.TB
	dir   string
	store *store.Store
	n     *Notifier
	stop  func()
}

func quick(channels ...ChannelSettings) Settings {
	st := DefaultSettings()
	st.Channels, st.GroupWait, st.GroupInterval = channels, 10*time.Millisecond, 10*time.Millisecond
	st.RetryMin, st.RetryMax, st.Look, st.Host = 10*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond, "box"
	return st
}

func newRig(t testing.TB, dir string, st Settings, read func() *Reading) *rig {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(t.Context(), Options{Store: s, Log: slog.New(slog.DiscardHandler), Read: read}, st)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, store: s, n: n}
	r.stop = sync.OnceFunc(func() { _ = s.Close() })
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) run() *rig {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.n.Run(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(errors.New("test is over")); <-done; _ = r.store.Close() })
	return r
}

func (r *rig) append(kind, subject string, n int) {
	r.t.Helper()
	err := r.store.Update(r.t.Context(), func(tx *store.Tx) error {
		for range n {
			if err := event.Append(tx, event.Row{Type: kind, Level: event.Error, Subject: subject, Actor: "system", Title: subject + " crashed"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// place is how far the history was looked at, as the store has it.
func (r *rig) place() (n uint64) {
	r.t.Helper()
	if err := r.store.View(r.t.Context(), func(tx *store.Tx) (err error) { n, err = stateTable.Get(tx, cursorKey); return err }); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) deliveries(q Query) []Delivery {
	r.t.Helper()
	list, _, err := r.n.Deliveries(r.t.Context(), q)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func TestEventsReachAWebhookSignedAndWithItsBearer(t *testing.T) {
	in := newReceiver(t)
	r := newRig(t, t.TempDir(), quick(ChannelSettings{Name: "hook", URL: in.URL + "/x", Secret: "hush", Bearer: "token"}), nil).run()
	r.append("service.crashed", "web", 2)
	waitFor(t, "the message", func() bool { return len(in.items()) >= 2 })
	in.mu.Lock()
	m, h, body := in.messages[0], in.headers[0], in.bodies[0]
	in.mu.Unlock()
	if m.Version != 1 || m.Host != "box" || m.Status != Firing || m.Severity != Warning || m.Items[0].Rule != "service_crashed" || m.Items[0].Event != 1 || !strings.Contains(m.Title, "web crashed") {
		t.Errorf("got %+v", m)
	}
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write(body)
	if got, want := h.Get(SignatureHeader), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
	if h.Get("Authorization") != "Bearer token" || h.Get("Idempotency-Key") != m.ID {
		t.Errorf("headers %v", h)
	}
	waitFor(t, "the record of it", func() bool { return len(r.deliveries(Query{State: Delivered})) > 0 })
	waitFor(t, "the counter", func() bool { return testutil.ToFloat64(r.n.m.notifications.WithLabelValues("hook", Delivered)) >= 1 })
	problems, err := testutil.CollectAndLint(r.n)
	if err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	if n := testutil.CollectAndCount(prometheus.Collector(r.n), "controlcenter_alerts_firing"); n < 20 {
		t.Errorf("%d series of firing alerts", n)
	}
}

func TestFailedDeliveryIsRepeatedAndItsReasonShown(t *testing.T) {
	in := newReceiver(t)
	fails := 3
	in.set(func(w http.ResponseWriter, req *http.Request) bool {
		if fails--; fails < 0 {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "no room\n for %s", req.URL.Path)
		return true
	})
	r := newRig(t, t.TempDir(), quick(ChannelSettings{Name: "hook", URL: in.URL + "/hushhush"}), nil).run()
	r.append("service.crashed", "web", 1)
	seen := ""
	waitFor(t, "the message", func() bool {
		for _, d := range r.deliveries(Query{State: Waiting}) {
			if d.LastError != "" {
				seen = d.LastError
			}
		}
		return len(in.items()) == 1
	})
	waitFor(t, "the record of it", func() bool { return len(r.deliveries(Query{State: Delivered})) == 1 })
	if d := r.deliveries(Query{})[0]; d.Attempts != 4 || d.LastError != "" {
		t.Errorf("got %+v", d)
	}
	if strings.Contains(seen, "hushhush") || seen != "" && seen != "answered 500 Internal Server Error: no room for /"+masked {
		t.Errorf("last error %q", seen)
	}
}

func TestMessageIsGivenUpAfterItsTime(t *testing.T) {
	st := quick(ChannelSettings{Name: "hook", URL: "http://127.0.0.1:1/"})
	st.GiveUp = 50 * time.Millisecond
	r := newRig(t, t.TempDir(), st, nil).run()
	r.append("service.crashed", "web", 1)
	waitFor(t, "the end of it", func() bool { return len(r.deliveries(Query{State: Failed})) == 1 })
	if d := r.deliveries(Query{})[0]; !strings.Contains(d.LastError, "refused") || d.Ended == nil {
		t.Errorf("got %+v", d)
	}
}

func TestWhatWaitsSurvivesARestartAndNothingIsToldTwice(t *testing.T) {
	in, dir := newReceiver(t), t.TempDir()
	in.set(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
	st := quick(ChannelSettings{Name: "hook", URL: in.URL})
	r := newRig(t, dir, st, nil).run()
	r.append("service.crashed", "web", 3)
	waitFor(t, "an attempt", func() bool { d := r.deliveries(Query{State: Waiting}); return len(d) > 0 && d[0].Attempts > 0 })
	r.stop()

	r = newRig(t, dir, st, nil) // nobody looks: these are found later
	r.append("service.failed", "db", 1)
	r.stop()

	in.set(nil)
	r = newRig(t, dir, st, nil).run()
	waitFor(t, "all of them", func() bool { return len(r.deliveries(Query{State: Waiting})) == 0 && len(in.items()) >= 4 })
	r.stop()
	r = newRig(t, dir, st, nil).run()
	r.append("service.failed", "last", 1)
	waitFor(t, "the last", func() bool { items := in.items(); return items[len(items)-1].Subject == "last" })
	count := map[string]int{}
	for _, it := range in.items() {
		count[it.Rule+" "+it.Subject]++
	}
	for what, want := range map[string]int{"service_crashed web": 3, "service_failed db": 1, "service_failed last": 1} {
		if count[what] != want {
			t.Errorf("%s told %d times, want %d", what, count[what], want)
		}
	}
}

func TestUpgradeDoesNotTellOldEvents(t *testing.T) {
	dir, in := t.TempDir(), newReceiver(t)
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	old := &rig{t: t, store: s}
	old.append("service.failed", "old", 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, quick(ChannelSettings{Name: "hook", URL: in.URL}), nil).run()
	r.append("service.failed", "new", 1)
	waitFor(t, "the new one", func() bool { return len(in.items()) == 1 })
	if got := in.items()[0].Subject; got != "new" {
		t.Errorf("told of %s", got)
	}
}

func TestEventsThatWerePrunedUnseenAreToldAsAGap(t *testing.T) {
	dir, in := t.TempDir(), newReceiver(t)
	st := quick(ChannelSettings{Name: "hook", URL: in.URL})
	r := newRig(t, dir, st, nil)
	r.append("service.crashed", "web", 100)
	if err := r.store.Update(t.Context(), func(tx *store.Tx) error { _, err := event.Prune(tx, 40); return err }); err != nil {
		t.Fatal(err)
	}
	r.run()
	waitFor(t, "40 crashes and the gap", func() bool {
		crashes, gap := 0, ""
		for _, it := range in.items() {
			switch it.Rule {
			case "service_crashed":
				crashes++
			case "events_lost":
				gap = it.Data["lost"]
			}
		}
		return crashes == 40 && gap == "60"
	})
	waitFor(t, "the counter", func() bool { return testutil.ToFloat64(r.n.m.gaps) == 60 })
}

func TestReloadChangesChannelsAndDropsWhatWaitsForOldOnes(t *testing.T) {
	in := newReceiver(t)
	r := newRig(t, t.TempDir(), quick(ChannelSettings{Name: "old", URL: "http://127.0.0.1:1/"}), nil).run()
	r.append("service.crashed", "web", 1)
	waitFor(t, "an attempt", func() bool { d := r.deliveries(Query{Channel: "old"}); return len(d) == 1 && d[0].Attempts > 0 })
	r.n.Apply(quick(ChannelSettings{Name: "new", URL: in.URL}))
	waitFor(t, "the old channel's message to be dropped", func() bool { return len(r.deliveries(Query{Channel: "old", State: Dropped})) == 1 })
	r.append("service.crashed", "db", 1)
	waitFor(t, "a message on the new channel", func() bool { return len(in.items()) == 1 })
}

func TestMutesAreStoredAndEnd(t *testing.T) {
	in, dir := newReceiver(t), t.TempDir()
	st := quick(ChannelSettings{Name: "hook", URL: in.URL})
	r := newRig(t, dir, st, nil).run()
	m, err := r.n.Mute(t.Context(), Mute{Service: "My_Web", Until: time.Now().Add(time.Hour), By: "owner", Reason: "work"})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = newRig(t, dir, st, nil).run()
	r.append("service.failed", "my-web", 1)
	waitFor(t, "the alert", func() bool {
		list, err := r.n.Alerts(t.Context())
		return err == nil && len(list) == 1 && list[0].Muted && list[0].State == Firing
	})
	r.append("service.failed", "db", 1)
	waitFor(t, "the other service's", func() bool { return len(in.items()) == 1 })
	if got := in.items()[0].Subject; got != "db" {
		t.Errorf("told of %s", got)
	}
	if err := r.n.Unmute(t.Context(), m.ID, "owner"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "what was muted", func() bool { return len(in.items()) == 2 })
	if err := r.n.Unmute(t.Context(), m.ID, "owner"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []Mute{{Until: time.Now().Add(time.Hour)}, {Rule: "x", Until: time.Now().Add(time.Hour)}, {Service: "a"}, {Service: "a", Until: time.Now().Add(10 * maxMuteFor)}} {
		if _, err := r.n.Mute(t.Context(), bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}

func TestAlertmanagersPostsBecomeEventsOnce(t *testing.T) {
	r := newRig(t, t.TempDir(), quick(), nil)
	at := time.Now()
	firing := OutsideAlert{Status: "firing", Labels: map[string]string{"alertname": "Disk\x1b[2J", "severity": "critical", "bad name": "x", "service": "web"}, Annotations: map[string]string{"summary": strings.Repeat("é", 500)}, StartsAt: at, Fingerprint: "f"}
	resolved := firing
	resolved.Status = "resolved"
	for i, c := range []struct {
		list []OutsideAlert
		want int
	}{{[]OutsideAlert{firing}, 1}, {[]OutsideAlert{firing, resolved}, 1}, {[]OutsideAlert{firing, resolved}, 0}} {
		if got, err := r.n.Receive(t.Context(), "key", c.list); err != nil || got != c.want {
			t.Errorf("post %d: got %d, %v, want %d", i, got, err, c.want)
		}
	}
	var rows []event.Row
	if err := r.store.View(t.Context(), func(tx *store.Tx) (err error) { rows, err = event.Next(tx, 0, 10); return err }); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Type != alertFiring || rows[1].Type != alertResolved {
		t.Fatalf("got %+v", rows)
	}
	e := rows[0]
	if e.Level != event.Error || e.Data["service"] != "web" || e.Data["bad name"] != "" || strings.Contains(e.Title, "\x1b") || len(e.Title) > 300 {
		t.Errorf("got %+v", e)
	}
}

func TestChannelsAreShownWithoutSecrets(t *testing.T) {
	st := quick(
		ChannelSettings{Name: "hook", URL: "https://user:pass1@example.com/hook/secretpath?token=secretquery", Secret: "secretkey", Bearer: "secretbearer"},
		ChannelSettings{Name: "slack", URL: "slack://hook:T00000000-B00000000-secretsecretsecretsecret@webhook"},
		ChannelSettings{Name: "tg", URL: "telegram://123456:secrettoken@telegram?chats=@me"},
		ChannelSettings{Name: "mail", URL: "smtp://me:secretpass@mail.example.com:587/?from=a@example.com&to=b@example.com"})
	r := newRig(t, t.TempDir(), st, nil)
	list, err := r.n.Channels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(list)
	if strings.Contains(string(text), "secret") || strings.Contains(string(text), "pass1") {
		t.Errorf("a secret is shown: %s", text)
	}
	if list[0].URL != "https://example.com/"+masked || list[0].Kind != "webhook" || !list[0].Signed || list[1].URL != "slack://"+masked {
		t.Errorf("got %s", text)
	}
}

func TestRuleEnabledLaterDoesNotTellWhatHappenedBefore(t *testing.T) {
	in, dir := newReceiver(t), t.TempDir()
	st := quick(ChannelSettings{Name: "hook", URL: in.URL})
	r := newRig(t, dir, st, nil).run()
	r.append("service.failed", "mark", 1)
	waitFor(t, "the mark", func() bool { return len(in.items()) == 1 })
	r.append("job.skipped", "old", 3) // a rule that is off
	// A reload ends the look at events that goes on, so what was there before it was looked at when the next message comes.
	r.n.Apply(st)
	r.append("service.failed", "mark2", 1)
	waitFor(t, "the second mark", func() bool { return len(in.items()) == 2 })
	r.append("job.skipped", "old", 3)
	waitFor(t, "these to be looked at", func() bool { r.n.Apply(st); return r.place() == 8 })
	r.stop()
	st.Enable = []string{"job_skipped"}
	r = newRig(t, dir, st, nil).run()
	r.append("job.skipped", "new", 1)
	waitFor(t, "the new one", func() bool { return len(in.items()) == 3 })
	if got := in.items()[2].Subject; got != "new" {
		t.Errorf("told of %s", got)
	}
}
