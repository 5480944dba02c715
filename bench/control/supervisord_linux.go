package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// supervisord is asked over its own socket; supervisorctl, a Python program, does the same after 100 ms.
type supervisord struct {
	helper, dir string
	proc        *rig.Proc
	client      *http.Client
}

func (m *supervisord) write(dir string, services []service) error {
	m.dir = dir
	var b strings.Builder
	fmt.Fprintf(&b, "[supervisord]\nnodaemon=true\nlogfile=%[1]s/main.txt\npidfile=%[1]s/pid\nchildlogdir=%[1]s\nminfds=4096\nuser=root\n", dir)
	fmt.Fprintf(&b, "[unix_http_server]\nfile=%s/s.sock\n[supervisorctl]\nserverurl=unix://%s/s.sock\n", dir, dir)
	b.WriteString("[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n")
	for _, s := range services {
		fmt.Fprintf(&b, "[program:%s]\ncommand=%s\nautostart=%v\nautorestart=%v\nstopwaitsecs=%d\nstopasgroup=true\nkillasgroup=true\n",
			s.id, strings.Join(s.args, " "), s.autostart, s.restart, int(grace.Seconds()))
		fmt.Fprintf(&b, "stdout_logfile=%[1]s/%[2]s.log\nstderr_logfile=%[1]s/%[2]s.err\nstdout_logfile_maxbytes=%[3]d\nstdout_logfile_backups=%[4]d\n", dir, s.id, rotateAt, rotateKeep)
	}
	if os.Getuid() != 0 {
		return os.WriteFile(filepath.Join(dir, "conf"), []byte(strings.Replace(b.String(), "user=root\n", "", 1)), 0o600)
	}
	return os.WriteFile(filepath.Join(dir, "conf"), []byte(b.String()), 0o600)
}

func (m *supervisord) start(context.Context) (err error) {
	m.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(m.dir, "s.sock"))
	}}, Timeout: time.Minute}
	cmd := exec.Command("supervisord", "-n", "-c", filepath.Join(m.dir, "conf"))
	cmd.Dir = m.dir
	m.proc, err = rig.Start("supervisord", cmd)
	return err
}

func (m *supervisord) main() int  { return m.proc.PID }
func (m *supervisord) all() []int { return family(m.helper, m.proc.PID) }

func (m *supervisord) call(ctx context.Context, method, params string) (string, error) {
	body := "<?xml version='1.0'?><methodCall><methodName>supervisor." + method + "</methodName><params>" + params + "</params></methodCall>"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/RPC2", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/xml")
	resp, err := m.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && strings.Contains(string(answer), "<fault>") {
		err = fmt.Errorf("%s: %s", method, answer)
	}
	return string(answer), err
}

func (m *supervisord) named(id string, wait bool) string {
	w := 0
	if wait {
		w = 1
	}
	return fmt.Sprintf("<param><value><string>%s</string></value></param><param><value><boolean>%d</boolean></value></param>", id, w)
}

func (m *supervisord) begin(ctx context.Context, id string) error {
	_, err := m.call(ctx, "startProcess", m.named(id, false))
	return err
}

func (m *supervisord) end(ctx context.Context, id string) error {
	_, err := m.call(ctx, "stopProcess", m.named(id, true))
	return err
}

func (m *supervisord) list(ctx context.Context) error {
	_, err := m.call(ctx, "getAllProcessInfo", "")
	return err
}

func (m *supervisord) command() []string {
	return []string{"supervisorctl", "-c", filepath.Join(m.dir, "conf"), "status"}
}

var (
	exitStatus = regexp.MustCompile(`(?s)<name>exitstatus</name>\s*<value><int>(\d+)</int>`)
	stateName  = regexp.MustCompile(`(?s)<name>statename</name>\s*<value><string>(\w+)</string>`)
)

func (m *supervisord) exitCode(ctx context.Context, id string) string {
	answer, err := m.call(ctx, "getProcessInfo", "<param><value><string>"+id+"</string></value></param>")
	if err != nil {
		return ""
	}
	st, code := stateName.FindStringSubmatch(answer), exitStatus.FindStringSubmatch(answer)
	if st == nil || code == nil || st[1] != "EXITED" {
		return ""
	}
	return code[1]
}

func (m *supervisord) logs(id string) []string {
	return newestLast(filepath.Join(m.dir, id+".log"), filepath.Join(m.dir, id+".log.*"))
}

func (m *supervisord) close() {
	if m.proc != nil {
		m.proc.Stop()
		m.client.CloseIdleConnections()
	}
}
