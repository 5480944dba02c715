package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A real Alertmanager's posts become events, and a real Prometheus finds us by our own list.
func TestAlertmanagerPostsArriveAsEvents(t *testing.T) {
	program := need(t, "prometheus-alertmanager")
	d := serve(t, launch{})
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "alertmanager.yml")
	write(t, conf, fmt.Sprintf("route: {receiver: cc, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}\nreceivers:\n  - name: cc\n    webhook_configs: [{url: %q, send_resolved: true}]\n", d.url+"/api/alerts/webhook"))
	log := &buffer{}
	run(t, log, program, "--config.file="+conf, "--storage.path="+dir, fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--cluster.listen-address=")
	alerts := fmt.Sprintf("http://127.0.0.1:%d/api/v2/alerts", port)
	post := func(more string) bool {
		body := `[{"labels":{"alertname":"DiskFull","severity":"critical","mountpoint":"/"},"annotations":{"summary":"The disk is full"},"startsAt":"2026-07-01T10:00:00Z"` + more + `}]`
		resp, err := http.Post(alerts, "application/json", bytes.NewBufferString(body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	kinds := func() string {
		var page struct {
			Events []struct{ Kind, Title, Severity string }
		}
		d.json("/api/events?part=alert", &page)
		var out []string
		for _, e := range page.Events {
			out = append(out, e.Kind+" "+e.Severity+" "+e.Title)
		}
		return strings.Join(out, "; ")
	}
	waitFor(t, "Alertmanager", func() bool { return post("") }, log.String)
	waitFor(t, "the alert as an event", func() bool { return kinds() == "alert.firing error DiskFull: The disk is full" }, log.String)
	waitFor(t, "its end", func() bool { return post(`,"endsAt":"2026-07-01T10:05:00Z"`) }, log.String)
	// It posts again each second; what it repeats is no new event.
	waitFor(t, "its end as an event", func() bool {
		return kinds() == "alert.resolved success DiskFull is resolved; alert.firing error DiskFull: The disk is full"
	}, func() string { return kinds() + "\n" + log.String() })
}

func TestPrometheusFindsServersByOurList(t *testing.T) {
	program := need(t, "prometheus")
	dir := t.TempDir()
	ours := filepath.Join(dir, "controlcenter.yaml")
	write(t, ours, "fleet: {targets: [{targets: [\"127.0.0.1:1\"], labels: {site: berlin}}]}\n")
	d := serve(t, launch{args: []string{"--config.file=" + ours}})
	conf, port := filepath.Join(dir, "prometheus.yml"), freePort(t)
	write(t, conf, fmt.Sprintf("scrape_configs:\n  - job_name: fleet\n    scrape_interval: 1s\n    http_sd_configs: [{url: %q}]\n", d.url+"/api/sd/prometheus"))
	log := &buffer{}
	run(t, log, program, "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	want := map[string]string{strings.TrimPrefix(d.url, "http://"): "up ", "127.0.0.1:1": "down berlin"}
	got := map[string]string{}
	waitFor(t, "the targets", func() bool {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/targets", port))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var body struct {
			Data struct {
				ActiveTargets []struct {
					Health string
					Labels map[string]string
				}
			}
		}
		if json.NewDecoder(resp.Body).Decode(&body) != nil {
			return false
		}
		for _, target := range body.Data.ActiveTargets {
			got[target.Labels["instance"]] = target.Health + " " + target.Labels["site"]
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	}, func() string { return fmt.Sprintf("got %v, want %v\n%s", got, want, log) })
}

// run runs a program until the test ends.
func run(t *testing.T, log *buffer, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}
