package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// receiver is what stands at the other end of Alertmanager: it keeps each body that is posted, by path.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  map[string][]string
	auth map[string]string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: map[string][]string{}, auth: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got[req.URL.Path] = append(r.got[req.URL.Path], string(body))
		r.auth[req.URL.Path] = req.Header.Get("Authorization")
		fmt.Fprint(w, "ok") // what Slack answers
	}))
	t.Cleanup(r.Close)
	return r
}

// find returns the first body posted to path that has all the texts in it.
func (r *receiver) find(path string, texts ...string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
next:
	for _, body := range r.got[path] {
		for _, text := range texts {
			if !strings.Contains(body, text) {
				continue next
			}
		}
		return body, true
	}
	return "", false
}

func (r *receiver) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("posted: %v", r.got)
}

// startAlertmanager starts a real one with the configuration of deploy/alertmanager, in which only addresses and waiting times are
// other ones, and returns its address.
func startAlertmanager(t *testing.T, r *receiver) (addr string, log *buffer) {
	t.Helper()
	program := need(t, "prometheus-alertmanager")
	dir := t.TempDir()
	text, err := os.ReadFile("../deploy/alertmanager/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	key := filepath.Join(dir, "key")
	write(t, key, "the-key")
	for old, other := range map[string]string{
		"http://127.0.0.1:8080/api/alerts/webhook":                            r.URL + "/controlcenter",
		"https://hooks.slack.com/services/T00000000/B00000000/CHANGE-ME":      r.URL + "/slack",
		"https://discord.com/api/webhooks/000000000000000000/CHANGE-ME":       r.URL + "/discord",
		"https://ntfy.sh/CHANGE-ME-a-long-random-topic?template=alertmanager": r.URL + "/ntfy",
		"bot_token: 000000000:CHANGE-ME":                                      "api_url: " + r.URL + "/telegram\n        bot_token: 000000000:CHANGE-ME",
		"/etc/alertmanager/controlcenter.key":                                 key,
		"group_wait: 15s":                                                     "group_wait: 1s",
		"group_wait: 5s":                                                      "group_wait: 1s",
		"group_interval: 2m":                                                  "group_interval: 2s",
	} {
		if !strings.Contains(config, old) {
			t.Fatalf("deploy/alertmanager/alertmanager.yml has no %s", old)
		}
		config = strings.ReplaceAll(config, old, other)
	}
	if strings.Contains(config, "https://") {
		t.Fatalf("an address outside is left:\n%s", config)
	}
	write(t, filepath.Join(dir, "alertmanager.yml"), config)
	template, err := os.ReadFile("../deploy/alertmanager/controlcenter.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "controlcenter.tmpl"), string(template))
	addr, log = fmt.Sprintf("127.0.0.1:%d", freePort(t)), &buffer{}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	waitFor(t, "Alertmanager is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, log.String)
	return addr, log
}

// TestKillOfAServiceIsNotifiedByAlertmanager goes the whole way with real parts: our binary, Prometheus with our rules, Alertmanager
// with our configuration and templates, a receiver. The first crash is notified, because its counter was there at 0.
func TestKillOfAServiceIsNotifiedByAlertmanager(t *testing.T) {
	need(t, "prometheus")
	r := newReceiver(t)
	alertmanager, amLog := startAlertmanager(t, r)
	s := newServices(t)
	s.add("victim", []string{"sleep", "100000"}, "restart: {policy: always}")
	d := s.serve()
	rules, err := filepath.Abs("../deploy/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	p := startPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs:
  - job_name: controlcenter
    static_configs: [{targets: [%q]}]
`, filepath.Join(rules, "*.rules.yml"), alertmanager, s.addr))
	const crashes = `controlcenter_service_crashes_total{service="victim"}`
	waitFor(t, "the counter of crashes is scraped twice before the first crash", func() bool {
		n := p.query(`count_over_time(` + crashes + `[1m])`)
		return len(n) == 1 && minimum(n) >= 2
	}, p.log.String)
	if v := p.query(crashes); len(v) != 1 || minimum(v) != 0 {
		t.Fatalf("before the first crash %s is %v, want 0", crashes, v)
	}
	var victim struct{ PID *int }
	d.json("/api/services/victim", &victim)
	if victim.PID == nil {
		t.Fatal("the service has no pid")
	}
	killed := time.Now()
	if err := syscall.Kill(*victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var body string
	waitFor(t, "Alertmanager posts the crash", func() bool {
		var ok bool
		body, ok = r.find("/controlcenter", "ServiceCrashed")
		return ok
	}, func() string { return r.String() + p.log.String() + amLog.String() })
	t.Logf("from kill -9 to the notification: %v (scrapes and rules every second, group_wait 1 s)", time.Since(killed).Round(time.Millisecond))
	var post struct {
		Status string
		Alerts []struct {
			Status              string
			Labels, Annotations map[string]string
		}
	}
	if err := json.Unmarshal([]byte(body), &post); err != nil {
		t.Fatal(err)
	}
	if a := post.Alerts[0]; post.Status != "firing" || a.Labels["service"] != "victim" || a.Labels["severity"] != "warning" || a.Labels["instance"] != s.addr ||
		a.Annotations["summary"] != "victim crashed on "+s.addr || a.Annotations["runbook_url"] != "docs/runbooks/ServiceCrashed.md" {
		t.Errorf("posted %s", body)
	}
	r.mu.Lock()
	auth := r.auth["/controlcenter"]
	r.mu.Unlock()
	if auth != "Bearer the-key" {
		t.Errorf("Alertmanager sent Authorization %q", auth)
	}
	// A warning goes to the chat too, in the words of our templates, and not to the phone.
	for _, chat := range []string{"/slack", "/discord"} {
		waitFor(t, "the chat "+chat+" gets it", func() bool {
			_, ok := r.find(chat, "warning: victim crashed on "+s.addr, "ended without being asked to, 1 time(s)", "docs/runbooks/ServiceCrashed.md")
			return ok
		}, func() string { return r.String() + amLog.String() })
	}
	if phone, ok := r.find("/ntfy", "ServiceCrashed"); ok {
		t.Errorf("a warning went to the phone: %s", phone)
	}
	waitFor(t, "the service runs again", func() bool {
		d.json("/api/services/victim", &victim)
		v, _ := d.metric(crashes)
		return victim.PID != nil && v == 1
	}, d.log.String)

	// What is critical goes to the phone: a daemon that is gone. for: 1m is not waited for; the same way is gone with an alert of hand.
	alert := fmt.Sprintf(`[{"labels": {"alertname": "ControlCenterDown", "severity": "critical", "instance": %q, "job": "controlcenter"},
		"annotations": {"summary": "Control Center does not answer", "description": "gone", "runbook_url": "docs/runbooks/ControlCenterDown.md"}}]`, s.addr)
	resp, err := http.Post("http://"+alertmanager+"/api/v2/alerts", "application/json", strings.NewReader(alert))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	waitFor(t, "the phone gets what is critical", func() bool {
		_, ntfy := r.find("/ntfy", "ControlCenterDown", "critical")
		_, telegram := r.find("/telegram/bot000000000:CHANGE-ME/sendMessage", "critical: Control Center does not answer")
		return ntfy && telegram
	}, func() string { return r.String() + amLog.String() })
}
