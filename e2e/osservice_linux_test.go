package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallAsAServiceOfSystemd runs the real verbs where no systemd runs: a script in the place of systemctl notes what it is
// told. The unit is judged by systemd-analyze where there is one.
func TestInstallAsAServiceOfSystemd(t *testing.T) {
	home, bin := t.TempDir(), t.TempDir()
	notes := filepath.Join(home, "systemctl.log")
	script := `#!/bin/sh
echo "$*" >> ` + notes + `
case "$1" in
is-active) if [ -e "$HOME/running" ]; then echo active; else echo inactive; exit 3; fi;;
list-unit-files) ls "$HOME/.config/systemd/user";;
start) touch "$HOME/running";;
stop) rm "$HOME/running";;
esac
`
	// rpm-ostree is what the library takes for a sign of systemd where none runs.
	for name, text := range map[string]string{"systemctl": script, "rpm-ostree": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (int, string) {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"service"}, args...)...)
		cmd.Dir = home
		cmd.Env = []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if e, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			t.Fatal(err)
		} else if ok {
			return e.ExitCode(), string(out)
		}
		return 0, string(out)
	}
	check := func(wantCode int, wantText string, args ...string) {
		t.Helper()
		if code, out := run(args...); code != wantCode || !strings.Contains(out, wantText) {
			t.Errorf("service %s: %d %q, want %d and %q", strings.Join(args, " "), code, out, wantCode, wantText)
		}
	}
	unit := filepath.Join(home, ".config/systemd/user/controlcenter.service")
	check(3, "not installed", "status", "--user")
	check(3, "not installed", "uninstall", "--user")
	check(2, "--run-as", "install", "--user", "--run-as", "nobody")
	check(0, "systemctl --user start controlcenter", "install", "--user", "--config.file", "my conf.yaml")
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nKillMode=process\n", "\nOOMPolicy=continue\n", "\nType=notify\n", "\nWantedBy=default.target\n", ` "serve" "--config.file=` + home + "/my conf.yaml\"\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the unit has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "{{") || strings.Contains(string(text), "\nUser=") {
		t.Errorf("the unit is not filled in:\n%s", text)
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		if out, err := exec.CommandContext(t.Context(), analyze, "--user", "verify", unit).CombinedOutput(); err != nil && !strings.Contains(string(out), "Failed to initialize manager") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	} else {
		t.Log("systemd-analyze is not installed: the unit was not judged")
	}
	check(1, "already exists", "install", "--user")
	check(1, "stopped", "status", "--user")
	check(0, "removed", "uninstall", "--user")
	if _, err := os.Stat(unit); !os.IsNotExist(err) {
		t.Errorf("the unit is still there: %v", err)
	}
	check(0, "is running", "install", "--user", "--start")
	check(0, `"status": "running"`, "status", "--user", "-o", "json")
	check(0, "removed", "uninstall", "--user")
	log, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"enable --user controlcenter.service", "daemon-reload --user", "start --user controlcenter.service", "stop --user controlcenter.service", "disable --user controlcenter.service"} {
		if !strings.Contains(string(log), want+"\n") {
			t.Errorf("systemctl was not told %q:\n%s", want, log)
		}
	}
}
