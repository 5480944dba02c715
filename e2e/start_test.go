package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStopsCleanlyOnInterrupt(t *testing.T) {
	d := serve(t, launch{})
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, d.log)
	}
	if _, err := os.Stat(d.sock); err == nil {
		t.Error("the socket file is left behind")
	}
}

func TestKilledAtRandomItStartsEachTime(t *testing.T) {
	rounds := 50
	if os.Getenv("CC_SOAK") != "" {
		rounds = 500
	}
	dir := filepath.Join(t.TempDir(), "state")
	var slowest time.Duration
	for i := range rounds {
		begin := time.Now()
		d := start(t, launch{dir: dir})
		if d.url == "" {
			t.Fatalf("start %d failed\n%s", i, d.log)
		}
		if i%3 == 0 { // two of three are killed while they still start
			d.waitFor("/health answers 200", func() bool { code, _ := d.get("/health"); return code == http.StatusOK })
			slowest = max(slowest, time.Since(begin))
			_, _ = http.Post(d.url+"/-/reload", "", nil)
		}
		pause := time.NewTimer(time.Duration(rand.IntN(20)) * time.Millisecond)
		<-pause.C
		d.kill()
	}
	t.Logf("slowest start to the first 200 of %d: %v", rounds, slowest)
	d := serve(t, launch{dir: dir})
	if n, ok := d.metric("controlcenter_starts_total"); !ok || n < float64(rounds)/3 || n > float64(rounds)+1 {
		t.Errorf("controlcenter_starts_total is %v (present %v), want at most %d and at least a third of it", n, ok, rounds+1)
	}
}

func TestSecondDaemonOnOneStorageNamesTheFirst(t *testing.T) {
	d := serve(t, launch{})
	code, said := fails(t, launch{dir: d.dir})
	if pid := strconv.Itoa(d.cmd.Process.Pid); code != 1 || !strings.Contains(said, pid) {
		t.Errorf("exit code %d, said %q: want 1 and pid %s", code, said, pid)
	}
	if code, _ := d.get("/health"); code != http.StatusOK {
		t.Errorf("the first daemon answers %d", code)
	}
}

func TestTakenPortNamesItsOwner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, said := fails(t, launch{addr: l.Addr().String()})
	if want := fmt.Sprintf("pid %d", os.Getpid()); code != 1 || !strings.Contains(said, want) {
		t.Errorf("exit code %d, said %q: want 1 and %q", code, said, want)
	}
}

func TestBrokenConfigurationShowsTheLine(t *testing.T) {
	cwd := t.TempDir()
	write(t, filepath.Join(cwd, "controlcenter.yaml"), "web:\n  listen_adresses: [\"127.0.0.1:0\"]\n")
	d := start(t, launch{cwd: cwd})
	if d.url != "" || d.cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("started at %q, exit code %d", d.url, d.cmd.ProcessState.ExitCode())
	}
	for _, want := range []string{"controlcenter.yaml:2:3", "^", "listen_addresses"} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("said\n%s\nwant %q in it", d.log, want)
		}
	}
}

func TestReloadKeepsTheOldConfigurationWhenTheNewIsBroken(t *testing.T) {
	cwd := t.TempDir()
	file := filepath.Join(cwd, "controlcenter.yaml")
	write(t, file, "exporter:\n  ports: {start: 1, end: 65535}\n")
	d := serve(t, launch{cwd: cwd})
	listing := func() string {
		_, body := d.get("/api/system/ports")
		return string(body)
	}
	mine := ":" + strings.TrimPrefix(d.url, "http://127.0.0.1:")
	shown := func() bool { return strings.Contains(listing(), `"port":`+mine[1:]) }
	d.waitFor("our own port is listed", shown)

	write(t, file, "exporter:\n  ports: {start: 70000}\n")
	resp, err := http.Post(d.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		t.Errorf("reload of a broken file answers %d", resp.StatusCode)
	}
	if v, ok := d.metric("controlcenter_config_last_reload_successful"); !ok || v != 0 {
		t.Errorf("config_last_reload_successful %v %v, want 0", v, ok)
	}
	if !shown() {
		t.Error("the old configuration is no longer in force")
	}

	write(t, file, "exporter:\n  ports: {start: 1, end: 2}\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.waitFor("the new range is in force", func() bool { return !shown() })
	if v, _ := d.metric("controlcenter_config_last_reload_successful"); v != 1 {
		t.Errorf("config_last_reload_successful %v, want 1", v)
	}
}

func TestUnwritableStorageSaysWhichAndWhy(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can become another user")
	}
	setpriv := need(t, "setpriv")
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for p := dir; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(filepath.Dir(dir), "controlcenter")
	if out, err := exec.Command("cp", binary, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	old := binary
	binary = copied
	defer func() { binary = old }()
	code, said := fails(t, launch{dir: dir, cwd: "/", wrap: []string{setpriv, "--reuid=65533", "--regid=65533", "--clear-groups"}})
	if code != 1 || !strings.Contains(said, dir) || !strings.Contains(said, "permission denied") {
		t.Errorf("exit code %d, said %q: want 1, the folder and the reason", code, said)
	}
}

func TestListenersForOthersNeedCredentials(t *testing.T) {
	for args, want := range map[string]string{"": "web.config_file", "--web.insecure": "basic_auth_users"} {
		code, said := fails(t, launch{addr: "0.0.0.0:0", args: strings.Fields(args)})
		if code != 1 || !strings.Contains(said, want) {
			t.Errorf("with %q: exit code %d, said %q: want 1 and %q", args, code, said, want)
		}
	}
}

func TestSocketIsTheOwnersAlone(t *testing.T) {
	d := serve(t, launch{})
	fi, err := os.Stat(d.sock)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 || fi.Mode()&os.ModeSocket == 0 {
		t.Errorf("mode %v, want a socket with 0600", fi.Mode())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.sock)
	}}}
	resp, err := client.Get("http://anything/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%d over the socket", resp.StatusCode)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
