package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestAddMakesADefinitionOfFlags(t *testing.T) {
	s := newStub(t).on("POST /api/services", replies(`{"success":true}`)).on("PUT /api/services/web", replies(`{"success":true}`)).
		on("POST /api/services/web/start", replies(`{"success":true}`))
	for _, c := range []struct {
		args []string
		want string
	}{
		{
			[]string{
				"add", "web", "--port", "8000", "--ready-http", "http://127.0.0.1:8000/", "--autostart", "-e", "A=b=c,d", "--secret", "KEY", "--tag", "ai,x", "--needs", "db:healthy", "--needs", "cache",
				"--restart", "always", "--cwd", "srv", "--memory", "2GiB", "--set", "restart.limit.attempts=3", "--", "python3", "-m", "http.server", "--bind", "a b",
			},
			`POST /api/services {"autostart":true,"command":["python3","-m","http.server","--bind","a b"],"cwd":"/work dir/srv","depends_on":{"cache":{"condition":"started"},"db":{"condition":"healthy"}},"env":{"A":"b=c,d"},"limits":{"memory":"2GiB"},"name":"web","ports":[8000],"probes":{"readiness":{"http":"http://127.0.0.1:8000/"}},"restart":{"limit":{"attempts":3},"policy":"always"},"secrets":["KEY"],"tags":["ai","x"]}`,
		},
		{[]string{"add", "tidy", "--cron", "0 3 * * *", "--", "./tidy.sh"}, `POST /api/services {"command":["./tidy.sh"],"cwd":"/work dir","name":"tidy","schedule":{"cron":"0 3 * * *"},"type":"job"}`},
		{[]string{"add", "comfyui", "--template", "comfyui"}, `POST /api/services {"name":"comfyui","template":"comfyui"}`},
		{[]string{"add", "web", "--replace", "--start", "--", "x"}, `PUT /api/services/web {"command":["x"],"cwd":"/work dir","name":"web"}` + "\nPOST /api/services/web/start?wait=ready"},
	} {
		if r := s.run(c.args...); r.code != ExitOK {
			t.Errorf("%v: %+v", c.args, r)
		}
		if got := s.asked(); got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.args, got, c.want)
		}
	}
	s.on("POST /api/services", problem(409, "there is a service \"web\" already", "conflict"))
	check(t, "exists", s.run("add", "web", "--", "x"), ExitRefused, "", "controlcenter: add: there is a service \"web\" already\n")
	s.on("POST /api/services", problem(422, "cwd: must exist", "validation"))
	if r := s.run("add", "web", "--", "x"); r.code != ExitUsage {
		t.Errorf("invalid: %+v", r)
	}
}

func TestAddReadsFiles(t *testing.T) {
	s := newStub(t).on("POST /api/services", replies(`{"success":true}`))
	block := "services:\n  a: {command: [\"${self}\"], cwd: sub, depends_on: {b: {}}}\n  b: {command: [y]}\n"
	file := filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, "block", s.run("add", "-f", file), ExitOK, "b: added\na: added\n", "")
	want := `POST /api/services {"command":["y"],"name":"b"}` + "\n" + `POST /api/services {"command":["/bin/controlcenter"],"cwd":"` + filepath.Join(filepath.Dir(file), "sub") + `","depends_on":{"a":{}},"name":"a"}`
	if got := s.asked(); got != strings.Replace(want, `{"a":{}}`, `{"b":{}}`, 1) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	check(t, "one from stdin", s.runWith(t.Context(), "command: [x]\n", nil, "add", "c", "-f", "-"), ExitOK, "c: added\n", "")
	if got := s.asked(); got != `POST /api/services {"command":["x"],"name":"c"}` {
		t.Error(got)
	}
	r := s.runWith(t.Context(), "services: {a: {comand: [x]}}\n", nil, "add", "-f", "-")
	if r.code != ExitUsage || !strings.Contains(r.err, "stdin:1:16: services.a.comand: unknown key; did you mean command?\n    1 | services: {a: {comand: [x]}}\n      |                ^") {
		t.Errorf("wrong key: %+v", r)
	}
	if r := s.run("add", "-f", file+"x"); r.code != ExitNotFound {
		t.Errorf("no file: %+v", r)
	}
	if got := s.asked(); got != "" {
		t.Errorf("asked %s", got)
	}
}

const webDefinition = `{"success":true,"name":"web","origin":"api","definition":{"name":"web","command":["run","8080"],"env":{"API_TOKEN":"********","KEY":"********","LANG":"C"},"secrets":["KEY"],"stop":{"grace":"5s"}},"effective":{},"secrets":{"KEY":true}}`

func TestEditBySet(t *testing.T) {
	s := newStub(t).on("PATCH /api/services/web", replies(`{"success":true,"service":{"restart_needed":true}}`))
	r := s.run("edit", "web", "--set", "restart.policy=always", "--set", "ports=1,2", "--set", "limits.memory=", "--set", "env.A=x")
	check(t, "set", r, ExitOK, "web: changed; what runs does not know it yet, see \"controlcenter restart web\"\n", "")
	if got := s.asked(); got != `PATCH /api/services/web {"env":{"A":"x"},"limits":{"memory":null},"ports":[1,2],"restart":{"policy":"always"}}` {
		t.Error(got)
	}
	r = s.run("edit", "web", "--set", "restart.polcy=always")
	check(t, "wrong key", r, ExitUsage, "", "controlcenter: edit: --set: restart.polcy: unknown key; did you mean restart.policy? (see \"controlcenter edit --help\")\n")
	s.on("PATCH /api/services/web", problem(409, "\"web\" is defined in the configuration file, at /x:3; change it there", "conflict"))
	if r = s.run("edit", "web", "--set", "nice=1"); r.code != ExitRefused || !strings.Contains(r.err, "/x:3") {
		t.Errorf("of the file: %+v", r)
	}
}

// The editor is a script that changes the file, another way at each call.
func TestEditInAnEditor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the editor of this test is a shell script")
	}
	dir := t.TempDir()
	editor := func(steps ...string) []string {
		t.Helper()
		script := "#!/bin/sh\nn=$(cat " + dir + "/n 2>/dev/null || echo 0)\necho $((n+1)) >" + dir + "/n\ncp \"$1\" " + dir + "/seen.$n\ncase $n in\n"
		for i, step := range steps {
			script += string(rune('0'+i)) + ") " + step + ";;\n"
		}
		_ = os.Remove(filepath.Join(dir, "n"))
		if err := os.WriteFile(filepath.Join(dir, "ed"), []byte(script+"esac\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return []string{"EDITOR=" + filepath.Join(dir, "ed")}
	}
	seen := func(n string) string {
		b, _ := os.ReadFile(filepath.Join(dir, "seen."+n))
		return string(b)
	}
	s := newStub(t).on("GET /api/services/web", replies(webDefinition)).
		on("PATCH /api/services/web", problem(422, "nice: must be -20 to 19", "validation"), replies(`{"success":true,"service":{}}`))
	r := s.runWith(t.Context(), "", editor(`sed -i 's/command:/comand:/' "$1"`, `sed -i 's/comand:/command:/; s/grace: .*/grace: 9s/' "$1"`, `echo 'nice: 3' >>"$1"`), "edit", "web")
	check(t, "third time right", r, ExitOK, "web: changed\n", "")
	if got := seen("0"); !strings.Contains(got, "command:\n  - run\n  - \"8080\"\nenv:\n  API_TOKEN: \"********\"\n  LANG: C\nsecrets:\n  - KEY\nstop:\n  grace: \"5s\"\n") {
		t.Errorf("the file was\n%s", got)
	}
	if got := seen("1"); !strings.HasPrefix(got, "#! web.yaml:3:1: comand: unknown key; did you mean command?\n#!     3 | comand:\n") {
		t.Errorf("the second time\n%s", got)
	}
	if got := seen("2"); !strings.HasPrefix(got, "#! nice: must be -20 to 19\n") {
		t.Errorf("the third time\n%s", got)
	}
	if got := s.asked(); got != "GET /api/services/web\n"+`PATCH /api/services/web {"stop":{"grace":"9s"}}`+"\n"+`PATCH /api/services/web {"nice":3,"stop":{"grace":"9s"}}` {
		t.Error(got)
	}
	check(t, "untouched", s.runWith(t.Context(), "", editor("true"), "edit", "web"), ExitOK, "web: nothing changed\n", "")
	check(t, "emptied", s.runWith(t.Context(), "", editor(`echo '# no' >"$1"`), "edit", "web"), ExitOK, "web: nothing changed\n", "")
	if r := s.runWith(t.Context(), "", editor(`echo 'x: 1' >"$1"`, "true"), "edit", "web"); r.code != ExitUsage || !strings.Contains(r.err, "web.yaml:1:1: x: unknown key") {
		t.Errorf("given up: %+v", r)
	}
	if r := s.runWith(t.Context(), "", []string{"EDITOR=/no/such/editor"}, "edit", "web"); r.code != ExitFailed || !strings.Contains(r.err, "use --set") {
		t.Errorf("no editor: %+v", r)
	}
	s.asked()
	s.on("GET /api/services/web", replies(strings.Replace(webDefinition, `"origin":"api"`, `"origin":"/etc/cc.yaml:7"`, 1)))
	check(t, "of the file", s.runWith(t.Context(), "", editor("true"), "edit", "web"), ExitRefused, "", "controlcenter: edit: web is defined in the configuration file, at /etc/cc.yaml:7; change it there\n")
}

func TestRemoveAndSecrets(t *testing.T) {
	s := newStub(t).on("DELETE /api/services/a", replies(`{"success":true,"message":"removed"}`)).on("DELETE /api/services/b", problem(409, "\"b\" is needed by c", "conflict")).
		on("PUT /api/services/a/secrets/KEY", replies(`{"success":true}`)).on("DELETE /api/services/a/secrets/KEY", replies(`{"success":true}`)).
		on("GET /api/services/a/secrets", replies(`{"success":true,"secrets":{"KEY":true,"A":false}}`))
	check(t, "rm", s.run("rm", "a", "b"), ExitRefused, "a: removed\nb: \"b\" is needed by c\n", "controlcenter: rm: 1 of 2 services: see above\n")
	s.asked()
	check(t, "set", s.runWith(t.Context(), "hush hush\n", nil, "secret", "set", "a", "KEY"), ExitOK, "a: KEY is set; in force from its next start\n", "")
	if got := s.asked(); got != `PUT /api/services/a/secrets/KEY {"value":"hush hush"}` {
		t.Error(got)
	}
	if r := s.run("secret", "set", "a", "KEY"); r.code != ExitUsage || s.asked() != "" {
		t.Errorf("empty: %+v", r)
	}
	check(t, "list", s.run("secret", "list", "a"), ExitOK, "SECRET  VALUE\nA       not set\nKEY     set\n", "")
	check(t, "secret rm", s.run("secret", "rm", "a", "KEY"), ExitOK, "a: KEY is forgotten\n", "")
}
