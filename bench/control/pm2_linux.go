package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pm2 has a daemon, started by its command line program, which is the only documented way to talk to it.
type pm2 struct {
	binary, helper, dir string
	again               bool
}

// installPM2 brings pm2 into a folder of ours with npm, once.
func installPM2(ctx context.Context, cache string) (string, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "node_modules/.bin/pm2")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", errors.New("npm is not installed")
	}
	say("installing pm2 with npm, once")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	return path, run(ctx, nil, "npm", "install", "--prefix", cache, "--no-audit", "--no-fund", "--silent", "pm2@7")
}

// pm2Version reads the version of an installed pm2: asking the program would start its daemon.
func pm2Version(binary string) string {
	b, _ := os.ReadFile(filepath.Join(filepath.Dir(binary), "../pm2/package.json"))
	var p struct {
		Version string `json:"version"`
	}
	_ = json.Unmarshal(b, &p) // without it the report has no version
	return p.Version
}

func (m *pm2) home() string { return filepath.Join(m.dir, "home") }
func (m *pm2) env() []string {
	return []string{"PM2_HOME=" + m.home(), "PM2_DISCRETE_MODE=true", "NO_UPDATE_NOTIFIER=1"}
}

func (m *pm2) pm2(ctx context.Context, args ...string) error {
	return run(ctx, m.env(), append([]string{m.binary}, args...)...)
}

func (m *pm2) write(dir string, services []service) error {
	m.dir = dir
	type object = map[string]any
	save := func(name string, apps ...object) error {
		text, err := json.Marshal(object{"apps": apps})
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600)
	}
	var apps []object
	for _, s := range services {
		app := object{
			"name": s.id, "script": s.args[0], "args": s.args[1:], "interpreter": "none", "exec_mode": "fork", "cwd": dir,
			"autorestart": s.restart, "kill_timeout": grace.Milliseconds(), "vizion": false,
			"out_file": filepath.Join(dir, s.id+".log"), "error_file": filepath.Join(dir, s.id+".err"),
		}
		if s.autostart {
			apps = append(apps, app)
		} else if err := save(s.id, app); err != nil { // what it knows it also starts
			return err
		}
	}
	return save("eco", apps...)
}

func (m *pm2) start(ctx context.Context) error {
	if m.again {
		return m.pm2(ctx, "resurrect")
	}
	m.again = true
	if err := m.pm2(ctx, "start", filepath.Join(m.dir, "eco.json")); err != nil {
		return err
	}
	return m.pm2(ctx, "save")
}

func (m *pm2) main() int {
	b, _ := os.ReadFile(filepath.Join(m.home(), "pm2.pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func (m *pm2) all() []int { return family(m.helper, m.main()) }

func (m *pm2) begin(ctx context.Context, id string) error {
	return m.pm2(ctx, "start", filepath.Join(m.dir, id+".json"))
}
func (m *pm2) end(ctx context.Context, id string) error { return m.pm2(ctx, "stop", id) }
func (m *pm2) list(ctx context.Context) error           { return m.pm2(ctx, "jlist") }

func (m *pm2) command() []string {
	return append(append([]string{"env"}, m.env()...), m.binary, "list")
}

func (m *pm2) exitCode(ctx context.Context, id string) string {
	cmd := exec.CommandContext(ctx, m.binary, "jlist")
	cmd.Env = append(os.Environ(), m.env()...)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	if i := strings.Index(string(out), "[{"); i > 0 {
		out = out[i:]
	}
	var all []struct {
		Name string `json:"name"`
		Env  struct {
			Status   string `json:"status"`
			ExitCode *int   `json:"exit_code"`
		} `json:"pm2_env"`
	}
	if json.Unmarshal(out, &all) != nil {
		return ""
	}
	for _, a := range all {
		if a.Name == id && a.Env.Status != "online" && a.Env.ExitCode != nil {
			return fmt.Sprint(*a.Env.ExitCode)
		}
	}
	return ""
}

// There is no rotation in pm2 itself; a module of its own copies and truncates.
func (m *pm2) logs(id string) []string { return []string{filepath.Join(m.dir, id+".log")} }

func (m *pm2) close() {
	pid := m.main()
	if pid == 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for i := 0; i < 300 && living(pid); i++ {
		time.Sleep(10 * time.Millisecond)
	}
}
