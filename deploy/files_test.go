package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type compose struct {
	Name     string
	Services map[string]struct {
		Image       string
		Build       struct{ Context, Dockerfile string }
		NetworkMode string `yaml:"network_mode"`
		PID         string
		Init        bool
		ReadOnly    bool `yaml:"read_only"`
		Restart     string
		Profiles    []string
		Command     []string
		Environment map[string]string
		Volumes     []string
		Tmpfs       []string
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
	}
	Volumes map[string]struct{}
}

// TestComposeNamesOnlyWhatIsThere parses the compose file strictly; nothing here can start it.
func TestComposeNamesOnlyWhatIsThere(t *testing.T) {
	var c compose
	readYAML(t, "docker/compose.yml", &c)
	for _, want := range []string{"prometheus", "alertmanager", "grafana", "controlcenter"} {
		if _, ok := c.Services[want]; !ok {
			t.Errorf("no service %s", want)
		}
	}
	exists := func(name, path string) {
		if _, err := os.Stat(filepath.Join("docker", path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	mounted := map[string]string{} // path in a container to folder here
	for name, s := range c.Services {
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") || s.Build.Context == "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			to, _, _ = strings.Cut(to, ":")
			if _, named := c.Volumes[from]; !named {
				exists(name, from)
				mounted[to] = filepath.Join("docker", from)
			}
		}
		if s.Build.Context != "" {
			exists(name, s.Build.Context)
			if _, err := os.Stat(filepath.Join("docker", s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		}
		// On the network of the machine, so everything must stay on loopback.
		if s.NetworkMode != "host" {
			t.Errorf("%s: network %q", name, s.NetworkMode)
		}
		listens := strings.Join(s.Command, " ") + s.Environment["GF_SERVER_HTTP_ADDR"]
		if !strings.Contains(listens, "127.0.0.1") || strings.Contains(listens, "0.0.0.0") {
			t.Errorf("%s listens on more than loopback: %q", name, listens)
		}
	}
	// Paths that commands and provisioning name inside containers are those of mounted files.
	named := map[string][]string{"compose.yml": {c.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]}}
	for _, s := range c.Services {
		for _, arg := range s.Command {
			if _, path, ok := strings.Cut(arg, "--config.file="); ok {
				named["compose.yml"] = append(named["compose.yml"], path)
			}
		}
	}
	var p struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, FolderUID, Type   string
			DisableDeletion, AllowUIUpdates bool
			UpdateIntervalSeconds           int
			Options                         struct{ Path string }
		}
	}
	looseYAML(t, "grafana/provisioning/dashboards/controlcenter.yml", &p)
	if len(p.Providers) != 1 || p.Providers[0].Type != "file" {
		t.Fatalf("providers %+v", p)
	}
	named["provisioning"] = []string{p.Providers[0].Options.Path}
	for where, paths := range named {
		for _, path := range paths {
			here := ""
			for to, from := range mounted {
				if rest, ok := strings.CutPrefix(path, to); ok {
					here = from + rest
				}
			}
			if _, err := os.Stat(here); here == "" || err != nil {
				t.Errorf("%s names %s, which no volume brings (%v)", where, path, err)
			}
		}
	}
	var ds struct {
		Datasources []struct{ Type, URL, UID string }
	}
	looseYAML(t, "grafana/provisioning/datasources/prometheus.yml", &ds)
	if len(ds.Datasources) == 0 || ds.Datasources[0].Type != "prometheus" || !strings.Contains(strings.Join(c.Services["prometheus"].Command, " "), strings.TrimPrefix(ds.Datasources[0].URL, "http://")) {
		t.Errorf("the data source %+v is not the Prometheus of the compose file", ds)
	}
}

// looseYAML reads a file of another program, of which we know a part.
func looseYAML(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestImageIsOneStaticFileThatRunsAsNobodySpecial(t *testing.T) {
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	for _, want := range []string{"USER 65532:65532", "ENTRYPOINT [\"/usr/local/bin/controlcenter\"]", "--chown=65532:65532"} {
		if !strings.Contains(last, want) {
			t.Errorf("the image has no %s", want)
		}
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if !strings.Contains(string(text), "FROM golang:"+string(goVersion[1])+" ") {
		t.Errorf("the image is built with another Go than %s", goVersion[1])
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(makefile), "export CGO_ENABLED = 0") {
		t.Error("make build does not make a static binary")
	}
}

func TestAmtoolAcceptsTheConfigurationOfAlertmanager(t *testing.T) {
	amtool := need(t, "amtool")
	check := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), amtool, args...).Output() // it warns on the other stream
		if err != nil {
			t.Fatalf("amtool %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	const config = "alertmanager/alertmanager.yml"
	if out := check("check-config", config); !strings.Contains(out, "1 templates") {
		t.Errorf("the template was not found:\n%s", out)
	}
	// Each severity of our rules has a way that ends where it should.
	for severity, want := range map[string]string{"critical": "controlcenter,phone", "warning": "controlcenter,chat"} {
		if got := strings.TrimSpace(check("config", "routes", "test", "--config.file="+config, "alertname=ServiceDown", "severity="+severity)); got != want {
			t.Errorf("%s goes to %q, want %q", severity, got, want)
		}
	}
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	analyze := need(t, "systemd-analyze")
	binary, err := os.Executable() // any file that can be executed
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"controlcenter.service", "controlcenter-user.service"} {
		text, err := os.ReadFile("systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), "/usr/bin/controlcenter", binary)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", copied).CombinedOutput()
		if err != nil || strings.Contains(string(out), name) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", name, err, out)
		}
	}
}
