package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func (p *place) must(t *testing.T, args ...string) string {
	t.Helper()
	r := p.run(t, args...)
	if r.code != ExitOK {
		t.Fatalf("%v: exit %d: %s", args, r.code, r.err)
	}
	return r.out
}

func TestKeysFromTheCommandLine(t *testing.T) {
	p := newPlace(t)
	url, _ := p.start(t)
	key := strings.TrimSpace(p.must(t, "token", "create", "robot", "--role", "operator", "--expires", "90d", "-q"))
	if !strings.HasPrefix(key, "cc_") {
		t.Fatalf("key %q", key)
	}
	if out := p.must(t, "token", "create", "other"); !strings.Contains(out, "only time") || !strings.Contains(out, "viewer") {
		t.Errorf("%s", out)
	}
	if out := p.must(t, "token", "list"); !strings.Contains(out, "robot") || strings.Contains(out, key) {
		t.Errorf("%s", out)
	}
	if out := p.must(t, "whoami"); !strings.HasPrefix(out, "owner, role admin, known by owner at unix:") {
		t.Errorf("%s", out)
	}

	// Each way to give the key. The socket knows its owner, whatever the environment says.
	robot := "robot, role operator, known by key at " + url + "\n"
	if out := p.must(t, "whoami", "--url", url, "--api-key", key); out != robot {
		t.Errorf("%s", out)
	}
	p.environ = append(p.environ, "CC_API_KEY="+key)
	if out := p.must(t, "whoami", "--url", url); out != robot {
		t.Errorf("%s", out)
	}
	if out := p.must(t, "whoami"); !strings.HasPrefix(out, "owner") {
		t.Errorf("%s", out)
	}
	keys := filepath.Join(p.dir, "keys")
	if err := os.WriteFile(keys, []byte("# mine\nhttps://elsewhere cc_other\n"+url+"/ "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.environ = []string{"CC_KEYS_FILE=" + keys}
	if out := p.must(t, "whoami", "--url", url); out != robot {
		t.Errorf("%s", out)
	}
	if err := os.Chmod(keys, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := p.run(t, "whoami", "--url", url); r.code != ExitUsage || !strings.Contains(r.err, "chmod 600") {
		t.Errorf("%d %s", r.code, r.err)
	}
	p.environ = nil

	p.must(t, "token", "revoke", "robot")
	if r := p.run(t, "whoami", "--url", url, "--api-key", key); r.code != ExitRefused || !strings.Contains(r.err, "Invalid API key") {
		t.Errorf("%d %s", r.code, r.err)
	}
	if r := p.run(t, "token", "revoke", "robot"); r.code != ExitNotFound {
		t.Errorf("%d %s", r.code, r.err)
	}
	if r := p.run(t, "token", "create", "x", "--role", "root"); r.code != ExitUsage || !strings.Contains(r.err, "viewer, operator, admin") {
		t.Errorf("%d %s", r.code, r.err)
	}
}

func TestUsersFromTheCommandLine(t *testing.T) {
	p := newPlace(t)
	url, _ := p.start(t)
	p.stdin = "correct horse\n"
	p.must(t, "user", "add", "ann", "--role", "admin", "--full-name", "Ann A")
	r := p.run(t, "user", "add", "bob", "--generate")
	if r.code != ExitOK || !strings.Contains(r.err, "shown once") {
		t.Fatalf("%d %s", r.code, r.err)
	}
	login := func(name, password string) int {
		res, err := http.Post(url+"/api/auth/login", "application/json", strings.NewReader(`{"username":"`+name+`","password":"`+password+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	_, password, _ := strings.Cut(strings.TrimSpace(r.err), ": ")
	if a, b := login("ann", "correct horse"), login("bob", password); a != 200 || b != 200 {
		t.Errorf("logins: %d %d", a, b)
	}
	p.must(t, "user", "role", "bob", "operator")
	p.must(t, "user", "disable", "bob")
	if got := login("bob", password); got != 403 {
		t.Errorf("a disabled user: %d", got)
	}
	p.must(t, "user", "enable", "bob")
	p.stdin = "another horse"
	p.must(t, "user", "passwd", "bob")
	if a, b := login("bob", password), login("bob", "another horse"); a != 401 || b != 200 {
		t.Errorf("logins: %d %d", a, b)
	}
	if out := p.must(t, "user", "list"); !strings.Contains(out, "operator") || !strings.Contains(out, "Ann A") {
		t.Errorf("%s", out)
	}
	p.must(t, "user", "rm", "bob")
	if r := p.run(t, "user", "rm", "ann"); r.code != ExitRefused || !strings.Contains(r.err, "last active") {
		t.Errorf("%d %s", r.code, r.err)
	}

	deadline := time.Now().Add(60 * time.Second)
	for out := ""; !strings.Contains(out, "DELETE /api/auth/users/{id} bob"); {
		if out = p.must(t, "audit", "tail", "-n", "100"); time.Now().After(deadline) {
			t.Fatalf("%s", out)
		}
	}
	for { // rows that changed nothing are written right after the answer
		out := p.must(t, "audit", "tail", "--result", "failed", "-o", "json")
		var body struct {
			Entries []auditEntry `json:"entries"`
		}
		if err := json.Unmarshal([]byte(out), &body); err != nil || strings.Contains(out, "horse") || time.Now().After(deadline) {
			t.Fatalf("%v %s", err, out)
		}
		if len(body.Entries) > 0 {
			break
		}
	}
}

func TestLoginAddressWorksOnce(t *testing.T) {
	p := newPlace(t)
	url, _ := p.start(t)
	out := strings.TrimSpace(p.must(t, "login", "--url", url))
	base, code, ok := strings.Cut(out, "/#code=")
	if !ok || base != url {
		t.Fatalf("%s", out)
	}
	for _, want := range []int{200, 401} {
		res, err := http.Post(url+"/api/auth/session", "application/json", strings.NewReader(`{"code":"`+code+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}
	if out := p.must(t, "login"); !strings.HasPrefix(out, "http://127.0.0.1:") {
		t.Errorf("%s", out)
	}
}
