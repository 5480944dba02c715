package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"controlcenter/bench/internal/rig"
)

// ours is Control Center: the daemon, and the keeper that it starts.
type ours struct {
	binary, helper string
	dir, url       string
	daemon         *rig.Proc
	keeper         int
	client         *http.Client
	answer         bytes.Buffer
}

func (m *ours) write(dir string, services []service) error {
	m.dir = dir
	type object = map[string]any
	all := object{}
	for _, s := range services {
		policy, compress, size := "always", "none", rotateAt
		switch s.rotate {
		case "never":
			size = 1 << 40
		case "zstd":
			compress = "zstd"
		}
		if !s.restart {
			policy = "no"
		}
		all[s.id] = object{
			"command": s.args, "autostart": s.autostart,
			"restart": object{"policy": policy, "healthy_after": "1s", "limit": object{"attempts": 0}},
			"stop":    object{"grace": grace.String()},
			"logs":    object{"max_size": fmt.Sprint(size), "keep": rotateKeep, "compress": compress},
		}
	}
	text, err := json.Marshal(object{"services": all}) // which is YAML too
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "controlcenter.yaml"), text, 0o600)
}

func (m *ours) start(ctx context.Context) error {
	port, err := rig.FreePort()
	if err != nil {
		return err
	}
	m.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	cmd := exec.Command(m.binary, "serve", "--config.file="+filepath.Join(m.dir, "controlcenter.yaml"), "--storage.path="+filepath.Join(m.dir, "state"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--web.socket="+filepath.Join(m.dir, "cc.sock"))
	cmd.Dir, cmd.Env = m.dir, append(rig.CleanEnv(), "XDG_CONFIG_HOME="+m.dir)
	if m.daemon, err = rig.Start("controlcenter", cmd); err != nil {
		return err
	}
	m.client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	return m.daemon.Ready(ctx, m.url+"/health")
}

func (m *ours) main() int { return m.daemon.PID }

func (m *ours) all() []int { return append([]int{m.daemon.PID}, m.keepers()...) }

// keepers finds the keeper: it is in a session of its own, and stays when the daemon goes.
func (m *ours) keepers() []int {
	if m.keeper != 0 && living(m.keeper) {
		return []int{m.keeper}
	}
	for _, pid := range below(m.dir) {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(args), "\x00keep\x00") {
			m.keeper = pid
			return []int{pid}
		}
	}
	return nil
}

func (m *ours) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, err
	}
	m.answer.Reset() // growing it for each answer would be what is measured
	_, err = m.answer.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	body := m.answer.Bytes()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: status %s", method, path, resp.Status)
	}
	return body, err
}

func (m *ours) begin(ctx context.Context, id string) error {
	_, err := m.do(ctx, http.MethodPost, "/api/services/"+id+"/start?wait=none")
	return err
}

func (m *ours) end(ctx context.Context, id string) error {
	_, err := m.do(ctx, http.MethodPost, "/api/services/"+id+"/stop")
	return err
}

func (m *ours) list(ctx context.Context) error {
	_, err := m.do(ctx, http.MethodGet, "/api/services?page_size=500")
	return err
}

func (m *ours) command() []string {
	return []string{m.binary, "--url", m.url, "status"}
}

func (m *ours) exitCode(ctx context.Context, id string) string {
	body, err := m.do(ctx, http.MethodGet, "/api/services/"+id+"/status")
	if err != nil {
		return ""
	}
	var st struct {
		ExitCode *int `json:"exit_code"`
	}
	if json.Unmarshal(body, &st) != nil || st.ExitCode == nil {
		return ""
	}
	return fmt.Sprint(*st.ExitCode)
}

func (m *ours) logs(id string) []string {
	// Names of rotated files tell their position.
	files, _ := filepath.Glob(filepath.Join(m.dir, "state/logs", id+".0*.log"))
	return append(files, filepath.Join(m.dir, "state/logs", id+".log"))
}

func (m *ours) close() {
	if m.client != nil {
		m.client.CloseIdleConnections()
	}
	keepers := m.keepers()
	if m.daemon != nil {
		m.daemon.Stop()
	}
	for _, pid := range keepers {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range keepers {
		for i := 0; i < 100 && exists(pid); i++ {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
