package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The verbs of notify against the real server: each line is a command and what it must print.
func TestNotifyVerbs(t *testing.T) {
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer receiver.Close()
	p := newPlace(t)
	p.channels = map[string]string{"hook": receiver.URL + "/secretpath", "bad": receiver.URL + "/bad"}
	p.start(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"notify", ExitOK, "no alerts"},
		{"notify alerts --state firing", ExitOK, "no alerts"},
		{"notify alerts --state x", ExitUsage, "state: must be one of"},
		{"notify channels", ExitOK, "webhook"},
		{"notify rules", ExitOK, "service_crash_loop"},
		{"notify test hook", ExitOK, "took a test message"},
		{"notify test bad", ExitFailed, "answered 418"},
		{"notify test nosuch", ExitNotFound, `there is no channel "nosuch"`},
		{"notify test", ExitUsage, "missing argument CHANNEL"},
		{"notify list", ExitOK, "CHANNEL"},
		{"notify list -n 0", ExitUsage, "--lines: must be between 1 and 1000"},
		{"notify mute", ExitUsage, "--service or --rule is needed"},
		{"notify mute --rule nosuch", ExitUsage, `rule: no rule "nosuch"`},
		{"notify mute --service web --for 5", ExitUsage, "for: must be a duration"},
		{"notify mute --service web --rule cpu_high --reason work", ExitOK, "muted until"},
		{"notify mutes", ExitOK, "work"},
		{"notify unmute nosuch", ExitNotFound, "not found"},
	} {
		r := p.run(t, strings.Fields(c.args)...)
		if all := r.out + r.err; r.code != c.code || !strings.Contains(all, c.want) || strings.Contains(all, "secretpath") {
			t.Errorf("%s: exit %d, want %d with %q in\n%s", c.args, r.code, c.code, c.want, all)
		}
	}
	if body := <-got; !strings.Contains(body, `"test":true`) {
		t.Errorf("the receiver got %s", body)
	}
	_, id, _ := strings.Cut(p.run(t, "notify", "mute", "--service", "web").out, "unmute ")
	id, _, _ = strings.Cut(id, `"`)
	if r := p.run(t, "notify", "unmute", id); r.code != ExitOK || !strings.Contains(r.out, "no longer muted") {
		t.Errorf("unmute %s: %+v", id, r)
	}
}
