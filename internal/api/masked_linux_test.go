package api

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"controlcenter/control"
	"controlcenter/internal/audit"
)

// TestServicesInheritNothingThatIsNotListed: what this process was started with, passwords among it, is not for services.
func TestServicesInheritNothingThatIsNotListed(t *testing.T) {
	for _, name := range []string{"DEFAULT_ADMIN_PASSWORD", "JWT_SECRET", "CC_API_KEY", "CC_AUTH_JWT_SECRET", "SOME_TOKEN", "HARMLESS"} {
		t.Setenv(name, "leaked-"+name)
	}
	p := startPlant(t, nil)
	p.want(201, "POST", "/api/services", `{"name":"web","command":["sleep","1000"],"env":{"MINE":"given"}}`)
	pid := p.want(200, "POST", "/api/services/web/start", "")["pid"]
	b, err := os.ReadFile(fmt.Sprintf("/proc/%.0f/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "leaked") || !strings.Contains(string(b), "MINE=given") {
		t.Errorf("environment: %q", b)
	}
	st, err := p.manager.Get("web")
	if err != nil {
		t.Fatal(err)
	}
	allowed := append([]string{"MINE"}, st.Spec.EnvInherit...)
	for entry := range strings.SplitSeq(strings.TrimRight(string(b), "\x00"), "\x00") {
		name, _, _ := strings.Cut(entry, "=")
		known := strings.HasPrefix(name, "CONTROLCENTER_") || name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC" // made for the run
		for _, a := range allowed {
			known = known || a == name
		}
		if !known {
			t.Errorf("%s is inherited and not on the list %v", name, allowed)
		}
	}
}

func TestWhoOnlyReadsSeesNoSecretsOfDefinitions(t *testing.T) {
	p := startPlant(t, nil)
	p.want(201, "POST", "/api/services", `{"name":"web","command":["server","--password=hunter2","--token","hunter2","--port","80"],
		"env":{"DB":"postgres://u:hunter2@h/x","LEVEL":"hunter2-of-no-name"},
		"probes":{"readiness":{"exec":["check","--api-key=hunter2"]},"liveness":{"http":"http://u:hunter2@127.0.0.1:1/"}}}`)
	for _, role := range []string{"viewer", "operator"} {
		key, _ := p.key(role, role)
		r := p.get("/api/services/web", bearer(key)...)
		p.must(r, 200, nil)
		var body ServiceBody
		r.decode(t, &body)
		definition := fmt.Sprint(*body.Definition, *body.Effective, *body.Definition.Probes.Readiness, *body.Definition.Probes.Liveness)
		if strings.Contains(definition, "hunter2") || !strings.Contains(string(r.body), `"--port"`) {
			t.Errorf("%s sees %s", role, r.body)
		}
		for _, path := range []string{"/api/services", "/api/services/web/status", "/api/events"} {
			if r := p.get(path, bearer(key)...); strings.Contains(string(r.body), "u:hunter2") || strings.Contains(string(r.body), "=hunter2") {
				t.Errorf("%s sees at %s: %s", role, path, r.body)
			}
		}
	}
	// Who may define it can read it and write it back.
	r := p.get("/api/services/web")
	if !strings.Contains(string(r.body), "--password=hunter2") || strings.Contains(string(r.body), "u:hunter2@h/x") {
		t.Errorf("%s", r.body)
	}
	p.want(200, "PUT", "/api/services/web", `{"command":["server"],"env":{"DB":"`+control.Mask+`"}}`)
}

// TestCommandsAreAuditedInTheTransactionThatRecordsThem: the row is there when the answer comes, by whom it was.
func TestCommandsAreAuditedInTheTransactionThatRecordsThem(t *testing.T) {
	p := startPlant(t, nil)
	key, id := p.key("robot", "operator")
	p.want(201, "POST", "/api/services", `{"name":"web","command":["sleep","1000"]}`)
	p.must(p.ask("POST", "/api/services/web/start", nil, bearer(key)...), 200, nil)
	p.want(200, "PATCH", "/api/services/web", `{"description":"x"}`)
	p.must(p.post("POST", "/api/services/actions/stop", `{"names":["web"]}`, bearer(key)...), 200, nil)
	p.want(200, "DELETE", "/api/services/web", "")
	rows, _, err := p.o.Audit.List(t.Context(), audit.Query{Result: audit.Changed})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := len(rows) - 1; i >= 0; i-- {
		got = append(got, rows[i].Subject+" "+rows[i].Action+" "+rows[i].Target)
	}
	want := []string{
		"owner POST /api/keys robot",
		"owner POST /api/services web",
		"key:" + id + " POST /api/services/{name}/start web",
		"owner PATCH /api/services/{name} web",
		"key:" + id + " POST /api/services/actions/{verb} stop: web",
		"owner DELETE /api/services/{name} web",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var events EventsBody
	p.must(p.get("/api/events?service=web"), 200, &events)
	found := false
	for _, e := range events.Events {
		found = found || e.Kind == "service.start" && e.Actor == "key robot"
	}
	if !found {
		t.Errorf("the history does not name the key: %+v", events.Events)
	}
}
