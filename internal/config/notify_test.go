package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsOfChannelsAreShownNowhere(t *testing.T) {
	for name, text := range map[string]string{
		"unknown severity on the same line": "notify: {channels: {ops: {url: \"slack://hushhush@webhook\", min_severity: loud}}}\n",
		"unknown key beside it":             "notify:\n  channels:\n    ops: {secret: hushhush, url: 'https://a/hushhush', nosuch: 1}\n",
		"both forms":                        "notify: {channels: {ops: {url: https://a/hushhush, url_file: x}}}\n",
		"no text":                           "notify: {channels: {ops: {url: [hushhush]}}}\n",
		"broken quotes":                     "notify: {channels: {ops: {url: \"hushhush}}}\n",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, FileName), text)
		_, err := Load(Options{Dir: dir, StateDir: dir})
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "hushhush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, FileName), "notify: {channels: {ops: {url: \"https://a/hushhush\", secret: hushhush, bearer: hushhush}}}\n")
	l := load(t, Options{Dir: dir})
	for _, s := range l.Settings() {
		if strings.Contains(s.Value, "hushhush") {
			t.Errorf("%s shows %s", s.Key, s.Value)
		}
	}
}

func TestNotifyKeysAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"notify: {channels: {ops: {min_severity: info}}}":               "has neither url nor url_file",
		"notify: {quiet_hours: {from: \"22:00\"}}":                      "only one of from and to",
		"notify: {quiet_hours: {from: \"25:00\", to: \"07:00\"}}":       "00:00 to 23:59",
		"notify: {maintenance: [{cron: \"0 3 * * *\"}]}":                "has no duration",
		"notify: {maintenance: [{duration: 1h}]}":                       "has no cron",
		"fleet: {targets: [{labels: {a: b}}]}":                          "has no targets",
		"fleet: {targets: [{targets: [\"a:1\"], labels: {\"9a\": b}}]}": "letters, digits and _",
		"fleet: {targets: [{targets: [\"http://a:1\"]}]}":               "host:port",
		"notify: {channels: {ops: {url: \"https://a\", url_file: /x}}}": "url and url_file",
		"notify: {rules: {override: {cpu_high: {severity: bad}}}}":      "info, warning, critical",
		"notify: {channels: {ops: {url: \"https://a\", timeout: 10m}}}": "up to 5m",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, FileName), text+"\n")
		if _, err := Load(Options{Dir: dir, StateDir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", text, err, want)
		}
	}
}
