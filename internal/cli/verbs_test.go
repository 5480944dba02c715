package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"controlcenter/internal/config"
)

func TestServeHandsItsFlagsToTheApplication(t *testing.T) {
	p := newPlace(t)
	var got config.Options
	p.serve = func(_ context.Context, o config.Options) error { got = o; return nil }
	r := p.run(t, "serve", "--config.file", "my.yaml", "--web.listen-address", "127.0.0.1:1", "--web.listen-address=127.0.0.1:2", "--web.insecure",
		"--log.level", "debug", "--storage.path", "/var/x")
	if r.code != 0 {
		t.Fatal(r)
	}
	want := map[string][]string{
		"web.listen_addresses": {"127.0.0.1:1", "127.0.0.1:2"}, "web.insecure": {"true"}, "log.level": {"debug"}, "storage.path": {"/var/x"},
	}
	if fmt.Sprint(got.Flags) != fmt.Sprint(want) || got.File != "my.yaml" || got.Dir != p.dir || fmt.Sprint(got.Environ) != fmt.Sprint(p.environ) {
		t.Errorf("got %+v, want flags %v", got, want)
	}
	p.serve = func(context.Context, config.Options) error {
		return errors.New("listen 127.0.0.1:8080: in use by python3 (pid 7)")
	}
	if r := p.run(t, "serve"); r.code != ExitFailed || r.err != "controlcenter: serve: listen 127.0.0.1:8080: in use by python3 (pid 7)\n" {
		t.Errorf("failure of serve: %+v", r)
	}
}

func TestHelpOfServeNamesEveryFlagWithItsDefault(t *testing.T) {
	r := newPlace(t).run(t, "serve", "--help")
	for _, f := range config.Flags() {
		if !strings.Contains(r.out, "--"+f.Name) {
			t.Errorf("--%s is missing", f.Name)
		}
	}
	if !strings.Contains(r.out, `127.0.0.1:8080`) || !strings.Contains(r.out, "info") {
		t.Errorf("defaults are missing:\n%s", r.out)
	}
}

func TestVerbsFindTheDaemonByItsSocket(t *testing.T) {
	p := newPlace(t)
	if r := p.run(t, "status"); r.code != ExitUnreachable || !strings.Contains(r.err, "unix:"+filepath.Join(p.storage, "controlcenter.sock")+": no such socket") {
		t.Errorf("without a daemon: %+v", r)
	}
	url, stop := p.start(t)
	r := p.run(t, "status")
	if r.code != 0 || !regexp.MustCompile(fmt.Sprintf(`(?m)^version +9\.9\.9\npid +%d$`, os.Getpid())).MatchString(r.out) {
		t.Errorf("status: %+v", r)
	}
	var rep statusReport
	if r := p.run(t, "status", "-o", "json"); json.Unmarshal([]byte(r.out), &rep) != nil || !rep.Running || len(rep.Health) == 0 {
		t.Errorf("status as json: %+v", r)
	}
	for _, args := range [][]string{{"ports", "--all"}, {"ps"}, {"status", "--url", url}, {"ports", "-o", "yaml"}} {
		if r := p.run(t, args...); r.code != 0 || r.out == "" || r.err != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
	// The daemon refuses what the verb cannot know; its word is passed on.
	if r := p.run(t, "ps", strings.Repeat("x", 201)); r.code != ExitUsage || !strings.Contains(r.err, "search") {
		t.Errorf("search too long: %+v", r)
	}
	stop()
	if r := p.run(t, "status"); r.code != ExitUnreachable {
		t.Errorf("after the daemon ended: %+v", r)
	}
}

func TestWithoutSocketTheFirstListenerIsAsked(t *testing.T) {
	p := newPlace(t)
	p.environ = []string{"CC_WEB_SOCKET=", "CC_WEB_LISTEN_ADDRESSES=0.0.0.0:1"}
	if r := p.run(t, "ps"); r.code != ExitUnreachable || !strings.Contains(r.err, "http://127.0.0.1:1") {
		t.Errorf("got %+v", r)
	}
}

func TestBrokenConfigurationIsShownWithItsPlace(t *testing.T) {
	p := newPlace(t)
	if err := os.WriteFile(filepath.Join(p.dir, "controlcenter.yaml"), []byte("web:\n  listen_adresses: [\"127.0.0.1:0\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ps"}, {"config", "check"}, {"config", "show"}} {
		if r := p.run(t, args...); r.code != ExitFailed || !strings.Contains(r.err, "controlcenter.yaml:2:3") || !strings.Contains(r.err, "listen_addresses") || !strings.Contains(r.err, "^") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	r := p.run(t, "config", "check", "-o", "json")
	var v configVerdict
	if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != ExitFailed || v.Valid || len(v.Problems) != 1 || v.Problems[0].Line != 2 {
		t.Errorf("as json: %+v %+v", v, r)
	}
	if r := p.run(t, "check"); r.code != ExitFailed || !strings.Contains(r.out, "controlcenter.yaml:2:3") || !strings.Contains(r.out, "^") {
		t.Errorf("check: %+v", r)
	}
}

func TestConfigVerbs(t *testing.T) {
	p := newPlace(t)
	p.environ = append(p.environ, "CC_LOG_LEVEL=warn")
	if r := p.run(t, "config", "check"); r.code != 0 || !strings.HasPrefix(r.out, "valid: no file") {
		t.Errorf("check: %+v", r)
	}
	if r := p.run(t, "config", "check", "nosuch.yaml"); r.code != ExitFailed || !strings.Contains(r.err, "nosuch.yaml") {
		t.Errorf("check of a missing file: %+v", r)
	}
	r := p.run(t, "config", "show", "--changed", "--log.format", "json")
	if want := "log.level             warn         environment CC_LOG_LEVEL\nlog.format            json         flag --log.format\n"; r.code != 0 || !strings.Contains(r.out, want) {
		t.Errorf("show: %+v\nwant %s", r, want)
	}
	var schema map[string]any
	if r := p.run(t, "config", "schema"); r.code != 0 || json.Unmarshal([]byte(r.out), &schema) != nil || schema["properties"] == nil {
		t.Errorf("schema: %+v", r)
	}
	if r := p.run(t, "config"); r.code != 0 || !strings.Contains(r.out, "schema") {
		t.Errorf("help of config: %+v", r)
	}
}

func TestOpenAPIPrintsTheDocument(t *testing.T) {
	var doc document
	if r := newPlace(t).run(t, "openapi"); r.code != 0 || json.Unmarshal([]byte(r.out), &doc) != nil || doc.Paths["/health"] == nil {
		t.Errorf("json: %d %s", r.code, r.err)
	}
	if r := newPlace(t).run(t, "openapi", "--yaml"); r.code != 0 || !strings.Contains(r.out, "\n  /health:\n") {
		t.Errorf("yaml: %d %s", r.code, r.err)
	}
}

func TestCheckNamesTheProcessOnATakenPort(t *testing.T) {
	p := newPlace(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	r := p.run(t, "check", "--json", "--web.listen-address", taken)
	if r.code != ExitFailed {
		t.Errorf("exit code %d, want %d: %s", r.code, ExitFailed, r.err)
	}
	row := checkRow(t, r.out, "listen "+taken)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if row.Status != checkFail || row.Holder == nil || row.Holder.PID != os.Getpid() || row.Holder.Name != filepath.Base(self) {
		t.Errorf("got %+v %+v, want pid %d of %s", row, row.Holder, os.Getpid(), filepath.Base(self))
	}
	if want := fmt.Sprintf("in use by %s (pid %d)", filepath.Base(self), os.Getpid()); row.Detail != want {
		t.Errorf("got %q, want %q", row.Detail, want)
	}
	l.Close()
	if r := p.run(t, "check", "--web.listen-address", taken); r.code != 0 || !strings.Contains(r.out, "free") {
		t.Errorf("after the port was freed: %+v", r)
	}
}

func checkRow(t *testing.T, out, name string) checkResult {
	t.Helper()
	var rep checkReport
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		t.Fatal(err, out)
	}
	for _, r := range rep.Checks {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no check %q in %s", name, out)
	return checkResult{}
}

func TestCheckKnowsItsOwnDaemon(t *testing.T) {
	p := newPlace(t)
	url, _ := p.start(t)
	r := p.run(t, "check", "--json", "--web.listen-address", strings.TrimPrefix(url, "http://"))
	row := checkRow(t, r.out, "listen "+strings.TrimPrefix(url, "http://"))
	if r.code != 0 || row.Status != checkOK || !strings.Contains(row.Detail, "served by the running controlcenter") {
		t.Errorf("got %+v; %s", row, r.err)
	}
}

func TestCheckJudgesTheDataDirectory(t *testing.T) {
	p := newPlace(t)
	if row := checkRow(t, p.run(t, "check", "--json").out, "data directory"); row.Status != checkOK || !strings.Contains(row.Detail, "will be made") {
		t.Errorf("missing: %+v", row)
	}
	if err := os.WriteFile(p.storage, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.run(t, "check", "--json")
	if row := checkRow(t, r.out, "data directory"); r.code != ExitFailed || row.Status != checkFail || !strings.Contains(row.Detail, "not a directory") {
		t.Errorf("a file: %+v", row)
	}
	if err := os.Remove(p.storage); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.storage, 0o755); err != nil {
		t.Fatal(err)
	}
	r = p.run(t, "check", "--json")
	if row := checkRow(t, r.out, "permissions"); r.code != ExitOK || row.Status != checkWarn || !strings.Contains(row.Detail, "0755") {
		t.Errorf("open to others: %d %+v", r.code, row)
	}
	if left, _ := os.ReadDir(p.storage); len(left) > 0 {
		t.Errorf("check left %v behind", left)
	}
}

func TestBackupAndRestoreWithAndWithoutTheDaemon(t *testing.T) {
	p := newPlace(t)
	file := filepath.Join(p.dir, "a.backup")
	if r := p.run(t, "backup", file); r.code != ExitNotFound || !strings.Contains(r.err, "no data directory") {
		t.Errorf("backup of nothing: %+v", r)
	}
	url, stop := p.start(t)
	if r := p.run(t, "backup", file); r.code != 0 || !strings.Contains(r.out, "wrote "+file) {
		t.Fatalf("online: %+v", r)
	}
	online, err := os.ReadFile(file)
	if err != nil || len(online) == 0 {
		t.Fatal(err)
	}
	if st, _ := os.Stat(file); st.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %o", st.Mode().Perm())
	}
	if r := p.run(t, "backup", file); r.code != ExitRefused || !strings.Contains(r.err, "--force") {
		t.Errorf("existing file: %+v", r)
	}
	if r := p.run(t, "backup", "--force", "--url", url, file); r.code != 0 {
		t.Errorf("by url: %+v", r)
	}
	if r := p.run(t, "restore", file); r.code != 0 {
		t.Errorf("restore online: %+v", r)
	}
	p.stdin = "no backup"
	if r := p.run(t, "restore", "-"); r.code != ExitUsage || !strings.Contains(r.err, "backup") {
		t.Errorf("restore of rubbish online: %+v", r)
	}
	stop()
	if r := p.run(t, "restore", "-"); r.code != ExitFailed || !strings.Contains(r.err, "invalid backup") {
		t.Errorf("restore of rubbish offline: %+v", r)
	}
	if r := p.run(t, "backup", "-"); r.code != 0 || len(r.out) == 0 {
		t.Errorf("backup to stdout offline: %d %s", r.code, r.err)
	}
	if r := p.run(t, "restore", file); r.code != 0 || !strings.Contains(r.out, "state restored") {
		t.Errorf("restore offline: %+v", r)
	}
	if r := p.run(t, "restore", file+"x"); r.code != ExitNotFound {
		t.Errorf("restore of a missing file: %+v", r)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, ".controlcenter-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupThatBreaksOffLeavesNoFile(t *testing.T) {
	p := newPlace(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nhalf")
			c.Close()
		}
	}()
	file := filepath.Join(p.dir, "b.backup")
	if r := p.run(t, "backup", "--url", "http://"+l.Addr().String(), file); r.code != ExitFailed || !strings.Contains(r.err, "unexpected EOF") {
		t.Errorf("got %+v", r)
	}
	if left, _ := os.ReadDir(p.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDoctorBundleHoldsNoSecrets(t *testing.T) {
	p := newPlace(t)
	p.start(t)
	p.environ = append(p.environ, "MY_API_TOKEN=hunter2hunter2", "CC_WEB_CORS_ORIGINS=http://hunter2hunter2.example", "JWT_SECRET=s3cr3t-value-1")
	file := filepath.Join(p.dir, "bundle.tar.gz")
	r := p.run(t, "doctor", "--file", file)
	if r.code != 0 || !strings.Contains(r.out, "wrote "+file) {
		t.Fatalf("%+v", r)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v %v", st, err)
	}
	files := untar(t, file)
	for _, name := range []string{"check.json", "build.json", "system.json", "config.json", "health.json", "metrics.txt", "missing.json"} {
		if files["controlcenter-doctor/"+name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if !bytes.Contains(files["controlcenter-doctor/health.json"], []byte("9.9.9")) {
		t.Errorf("no health: %s", files["controlcenter-doctor/health.json"])
	}
	if !bytes.Contains(files["controlcenter-doctor/metrics.txt"], []byte("http_requests_total")) {
		t.Errorf("no metrics: %s", files["controlcenter-doctor/metrics.txt"])
	}
	asJSON := p.run(t, "doctor", "--json")
	if !json.Valid([]byte(asJSON.out)) {
		t.Errorf("no JSON: %s", asJSON.out)
	}
	files["json"] = []byte(asJSON.out)
	for name, data := range files {
		for _, secret := range []string{"hunter2", "s3cr3t"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds %s: %s", name, secret, data)
			}
		}
	}
	if !bytes.Contains(files["json"], []byte("http://"+redacted+".example")) {
		t.Error("the secret did not pass through the bundle at all: this test proves nothing")
	}
}

func untar(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedactHidesFormsOfSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"discord://tok3n@id":                             "discord://********@id",
		"postgres://u:pw@h/db":                           "postgres://********@h/db",
		`{"a":"Authorization: Bearer abcdef0123456789"}`: `{"a":"Authorization: Bearer ********"}`,
		"mail ada@example.org":                           "mail ada@example.org",
		"http://127.0.0.1:8080/x":                        "http://127.0.0.1:8080/x",
		`key "quo\"ted-secret"`:                          `key "********"`,
	} {
		if got := string(redact([]byte(in), []string{`quo"ted-secret`})); got != want {
			t.Errorf("redact(%s) = %s, want %s", in, got, want)
		}
	}
}
