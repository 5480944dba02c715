package cli

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// directives are the lines of a unit that say something, without those that differ from machine to machine.
func directives(unit string) string {
	var out []string
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "{{Name}}", "controlcenter"))
		line = strings.TrimPrefix(line, "{{end}}")
		key, _, _ := strings.Cut(line, "=")
		switch {
		case line == "", line[0] == '#', strings.HasPrefix(line, "{{if"), key == "ExecStart", key == "ConditionFileIsExecutable", key == "Description", key == "User":
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestUnitsOfDeployAreThoseThatInstallWrites(t *testing.T) {
	for name, user := range map[string]bool{"controlcenter.service": false, "controlcenter-user.service": true} {
		file, err := os.ReadFile("../../deploy/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		want, got := directives(systemdUnit(user)), directives(string(file))
		if got != want {
			t.Errorf("%s says\n%s\n\nservice install writes\n%s", name, got, want)
		}
		// What keeps services alive when the unit stops, or one of them is killed for want of memory.
		for _, line := range []string{"KillMode=process", "OOMPolicy=continue", "Delegate=yes", "Type=notify"} {
			if !strings.Contains("\n"+got+"\n", "\n"+line+"\n") {
				t.Errorf("%s: no %s", name, line)
			}
		}
		for _, breaks := range []string{"NoNewPrivileges", "ProtectSystem", "PrivateTmp", "SystemCall", "RestrictAddressFamilies"} {
			if strings.Contains(got, breaks) {
				t.Errorf("%s: %s would bind every service", name, breaks)
			}
		}
	}
}

func TestPropertyListIsWellFormedAndLeavesServicesAlone(t *testing.T) {
	text := regexp.MustCompile(`\{\{(if|range|end)[^}]*\}\}`).ReplaceAllString(launchdPlist, "")
	text = strings.ReplaceAll(text, "<{{RunAtLoad}}/>", "<true/>")
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !regexp.MustCompile(`<key>AbandonProcessGroup</key>\s*<true/>`).MatchString(text) {
		t.Error("launchd would kill the keeper with the daemon")
	}
}
