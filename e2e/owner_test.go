package e2e

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Users that need not exist.
const (
	daemonUser = "65531"
	otherUser  = "65532"
)

// askAs asks as another user by curl and returns the status.
func askAs(t *testing.T, uid string, args ...string) string {
	t.Helper()
	all := append([]string{"--reuid=" + uid, "--regid=" + uid, "--clear-groups", need(t, "curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}"}, args...)
	cmd := exec.CommandContext(t.Context(), need(t, "setpriv"), all...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v %s", args, err, out)
	}
	return string(out)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can become another user")
	}
}

func TestOtherLocalUsersReadOnlyWhatIsOpen(t *testing.T) {
	needRoot(t)
	cwd := t.TempDir()
	file := filepath.Join(cwd, "controlcenter.yaml")
	write(t, file, "auth: {anonymous: [health, metrics, stats]}\n")
	d := serve(t, launch{cwd: cwd})
	check := func(when string, want map[string]string) {
		t.Helper()
		for row, status := range want {
			method, path, _ := strings.Cut(row, " ")
			if got := askAs(t, otherUser, "-X", method, d.url+path); got != status {
				t.Errorf("%s: %s: %s, want %s", when, row, got, status)
			}
		}
	}
	check("default", map[string]string{
		"GET /health": "200", "GET /metrics": "200", "GET /metrics/node": "200", "GET /api/system/stats": "200",
		"GET /api/system/processes": "401", "GET /": "401", "GET /ws": "401", "POST /-/reload": "401", "GET /api/backup": "401", "GET /nothing": "401",
	})
	if code, body := d.get("/api/system/info"); code != http.StatusOK {
		t.Errorf("the owner: %d %s", code, body)
	}

	reload := func() {
		t.Helper()
		if out, err := exec.Command("curl", "-sf", "--unix-socket", d.sock, "-X", "POST", "http://localhost/-/reload").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	write(t, file, "auth: {mode: credentials, anonymous: [health]}\n")
	reload()
	check("mode credentials", map[string]string{"GET /health": "200", "GET /metrics": "401", "GET /api/system/stats": "401"})
	if code, body := d.get("/api/system/info"); code != http.StatusUnauthorized || !strings.Contains(string(body), "auth.mode is credentials") {
		t.Errorf("the owner in mode credentials: %d %s", code, body)
	}
	write(t, file, "auth: {mode: open}\n")
	reload()
	check("mode open", map[string]string{"POST /-/reload": "200", "GET /api/system/processes": "200"})
}

// TestDaemonOfAPlainUser runs the daemon as a user without any rights, as it is meant to be run.
func TestDaemonOfAPlainUser(t *testing.T) {
	needRoot(t)
	dir, err := os.MkdirTemp("", "cc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "controlcenter")
	if out, err := exec.Command("cp", binary, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	old := binary
	binary = copied
	defer func() { binary = old }()
	d := start(t, launch{dir: filepath.Join(dir, "state"), cwd: "/", wrap: []string{need(t, "setpriv"), "--reuid=" + daemonUser, "--regid=" + daemonUser, "--clear-groups"}})
	if d.url == "" {
		t.Fatalf("the daemon ended: %v\n%s", d.err, d.log)
	}
	d.waitFor("/health answers 200", func() bool { code, _ := d.get("/health"); return code == http.StatusOK })
	reload := []string{"-X", "POST", d.url + "/-/reload"}
	for uid, want := range map[string]string{daemonUser: "200", otherUser: "401", "0": "401"} {
		if got := askAs(t, uid, reload...); got != want {
			t.Errorf("uid %s: %s, want %s", uid, got, want)
		}
	}
	if got := askAs(t, daemonUser, append(reload, "-H", "X-Forwarded-For: 192.0.2.1")...); got != "401" {
		t.Errorf("the owner, forwarding: %s, want 401", got)
	}
	if got := askAs(t, daemonUser, append(reload, "-H", "Authorization: Bearer wrong")...); got != "401" {
		t.Errorf("the owner with a wrong key: %s, want 401", got)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.sock)
	}}}
	resp, err := client.Post("http://localhost/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("root over the unix socket: %d, want 200", resp.StatusCode)
	}
	if got := d.log.String(); strings.Contains(got, "cannot tell whose") {
		t.Errorf("the lookup failed:\n%s", got)
	}
}

func TestOpenModeNeedsLoopbackListeners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	write(t, file, "basic_auth_users:\n  ann: $2a$04$WpIrTR6ZnDEPg7YOOSLW7OaRPfLpiWkY78Pdj70DXDSm7TAveSYdO\n")
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		code, said := fails(t, launch{addr: addr, args: []string{"--auth.mode=open", "--web.config.file=" + file, "--web.insecure"}})
		if code != 1 || !strings.Contains(said, "auth.mode") || !strings.Contains(said, addr) {
			t.Errorf("%s: exit code %d, said %q: want 1, the key and the address", addr, code, said)
		}
	}
	if _, said := fails(t, launch{args: []string{"--auth.mode=nobody"}}); !strings.Contains(said, "owner, credentials, open") {
		t.Errorf("said %q, want the accepted modes", said)
	}

	// Nor may a reload open what is not on loopback.
	cwd := t.TempDir()
	d := start(t, launch{addr: "0.0.0.0:0", cwd: cwd, args: []string{"--web.config.file=" + file, "--web.insecure"}})
	if d.url == "" {
		t.Fatalf("the daemon ended: %v\n%s", d.err, d.log)
	}
	write(t, filepath.Join(cwd, "controlcenter.yaml"), "auth: {mode: open}\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.waitFor("the reload is refused", func() bool {
		return strings.Contains(d.log.String(), "reload refused") && strings.Contains(d.log.String(), "auth.mode: open")
	})
}
