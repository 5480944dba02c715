package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"controlcenter/bench/internal/rig"
)

// folders are supervisors of daemontools' kind: a folder for each service, a supervisor for each, and one for its logger.
type folders struct {
	style       folderStyle
	helper, dir string
	ids         []string
	proc        *rig.Proc
}

type folderStyle struct {
	name   string
	scan   func(dir string) []string // the program that looks after the folder
	logger func(dir string) string   // line of a script
	up     func(path string) []string
	down   func(path string) []string
	status func(paths []string) [][]string
	halt   syscall.Signal // ends everything
	extra  func(path string) error
}

var runit = folderStyle{
	name:   "runit",
	scan:   func(dir string) []string { return []string{"runsvdir", "-P", dir} },
	logger: func(dir string) string { return "svlogd " + dir },
	up:     func(path string) []string { return []string{"sv", "up", path} },
	down: func(path string) []string {
		return []string{"sv", "-w", fmt.Sprint(int(grace.Seconds())), "force-stop", path}
	},
	status: func(paths []string) [][]string { return [][]string{append([]string{"sv", "status"}, paths...)} },
	halt:   syscall.SIGHUP,
	extra: func(path string) error {
		logs := filepath.Join(path, "log/main")
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(logs, "config"), fmt.Appendf(nil, "s%d\nn%d\n", rotateAt, rotateKeep), 0o644)
	},
}

var s6 = folderStyle{
	name:   "s6",
	scan:   func(dir string) []string { return []string{"s6-svscan", "-c", "1000", "-t", "1000", dir} },
	logger: func(dir string) string { return fmt.Sprintf("s6-log -b n%d s%d %s", rotateKeep, rotateAt, dir) },
	up:     func(path string) []string { return []string{"s6-svc", "-u", path} },
	down:   func(path string) []string { return []string{"s6-svc", "-wd", "-d", path} },
	status: func(paths []string) [][]string {
		var all [][]string
		for _, p := range paths {
			all = append(all, []string{"s6-svstat", p})
		}
		return all
	},
	halt: syscall.SIGTERM,
	extra: func(path string) error {
		if err := os.MkdirAll(filepath.Join(path, "log/main"), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(path, "timeout-kill"), fmt.Appendf(nil, "%d\n", grace.Milliseconds()), 0o644)
	},
}

func (m *folders) scanDir() string       { return filepath.Join(m.dir, "scan") }
func (m *folders) path(id string) string { return filepath.Join(m.scanDir(), id) }

func (m *folders) write(dir string, services []service) error {
	m.dir, m.ids = dir, nil
	for _, s := range services {
		path := m.path(s.id)
		m.ids = append(m.ids, s.id)
		if err := m.style.extraFor(path); err != nil {
			return err
		}
		for name, line := range map[string]string{
			"run":     "exec " + strings.Join(s.args, " ") + " 2>&1",
			"log/run": "exec " + m.style.logger(filepath.Join(path, "log/main")),
			"finish":  "echo $1 > " + filepath.Join(path, "code"),
		} {
			if err := os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"+line+"\n"), 0o755); err != nil {
				return err
			}
		}
		if !s.autostart {
			if err := os.WriteFile(filepath.Join(path, "down"), nil, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s folderStyle) extraFor(path string) error {
	if err := os.MkdirAll(filepath.Join(path, "log"), 0o755); err != nil {
		return err
	}
	return s.extra(path)
}

func (m *folders) start(context.Context) (err error) {
	argv := m.style.scan(m.scanDir())
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = m.dir
	m.proc, err = rig.Start(m.style.name, cmd)
	return err
}

func (m *folders) main() int  { return m.proc.PID }
func (m *folders) all() []int { return family(m.helper, m.proc.PID) }

func (m *folders) begin(ctx context.Context, id string) error {
	return run(ctx, nil, m.style.up(m.path(id))...)
}

func (m *folders) end(ctx context.Context, id string) error {
	return run(ctx, nil, m.style.down(m.path(id))...)
}

func (m *folders) list(ctx context.Context) error {
	for _, argv := range m.command3() {
		if err := run(ctx, nil, argv...); err != nil {
			return err
		}
	}
	return nil
}

func (m *folders) command3() [][]string {
	var paths []string
	for _, id := range m.ids {
		paths = append(paths, m.path(id))
	}
	return m.style.status(paths)
}

func (m *folders) command() []string { return nil }

func (m *folders) exitCode(_ context.Context, id string) string {
	b, _ := os.ReadFile(filepath.Join(m.path(id), "code"))
	return strings.TrimSpace(string(b))
}

// Rotated files have a time in their names, which sorts.
func (m *folders) logs(id string) []string {
	dir := filepath.Join(m.path(id), "log/main")
	files, _ := filepath.Glob(filepath.Join(dir, "@*"))
	return append(files, filepath.Join(dir, "current"))
}

func (m *folders) close() {
	if m.proc == nil {
		return
	}
	_ = syscall.Kill(m.proc.PID, m.style.halt)
	m.proc.Stop()
}
