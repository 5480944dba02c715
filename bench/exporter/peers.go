package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"controlcenter/bench/internal/rig"
)

// peer is a running program and what is asked of it.
type peer struct {
	*rig.Proc
	url     string
	version string
	scrapes []string // paths with an exposition
	rest    []string // paths with JSON
}

// startPeers starts every program. What is missing on this machine is left out, with a word about it; without ours nothing
// can be measured.
func startPeers(ctx context.Context, o *options, dir string) ([]*peer, error) {
	var peers []*peer
	rest := []string{"/api/system/stats", "/api/system/processes", "/api/system/ports"}

	p, url, err := rig.Server(ctx, o.binary, dir)
	if err != nil {
		return nil, err
	}
	peers = append(peers, &peer{Proc: p, url: url, version: strings.TrimPrefix(firstLine(o.binary, "version"), "controlcenter "), scrapes: []string{"/metrics", "/metrics/node"}, rest: rest})

	start := func(name, version, ready string, scrapes, rest []string, command func(port int) *exec.Cmd) error {
		port, err := rig.FreePort()
		if err != nil {
			return err
		}
		cmd := command(port)
		cmd.Dir, cmd.Env = dir, rig.CleanEnv()
		p, err := rig.Start(name, cmd)
		if err != nil {
			say("WITHOUT %s: %v", name, err)
			return nil
		}
		url := fmt.Sprintf("http://127.0.0.1:%d", port)
		if err := p.Ready(ctx, url+ready); err != nil {
			p.Stop()
			if ctx.Err() != nil {
				return err
			}
			say("WITHOUT %s: %v", name, err)
			return nil
		}
		peers = append(peers, &peer{Proc: p, url: url, version: version, scrapes: scrapes, rest: rest})
		return nil
	}

	node := nodeExporter(ctx, o)
	if err := start("node_exporter", moduleVersion(node), "/", []string{"/metrics"}, nil, func(port int) *exec.Cmd {
		return exec.Command(node, fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--log.level=error")
	}); err != nil {
		return peers, err
	}
	names := filepath.Join(dir, "process-exporter.yml")
	if err := os.WriteFile(names, []byte("process_names:\n  - name: \"{{.Comm}}\"\n    cmdline: ['.+']\n"), 0o600); err != nil {
		return peers, err
	}
	if err := start("process-exporter", firstLine(o.processExporter, "--version"), "/", []string{"/metrics"}, nil, func(port int) *exec.Cmd {
		return exec.Command(o.processExporter, "-config.path", names, "-web.listen-address", fmt.Sprintf("127.0.0.1:%d", port))
	}); err != nil {
		return peers, err
	}
	app, err := filepath.Abs(o.standin)
	if err != nil {
		return peers, err
	}
	versions := firstLine(o.python, "-c", "import sys,fastapi,psutil,uvicorn; print('Python', sys.version.split()[0], 'FastAPI', fastapi.__version__, 'psutil', psutil.__version__, 'uvicorn', uvicorn.__version__)")
	err = start("psutil+FastAPI", versions, "/health", nil, rest, func(port int) *exec.Cmd {
		return exec.Command(o.python, "-m", "uvicorn", "app:app", "--app-dir", app, "--host", "127.0.0.1", "--port", fmt.Sprint(port),
			"--log-level", "warning", "--no-access-log")
	})
	return peers, err
}

func stopPeers(peers []*peer) {
	for _, p := range peers {
		p.Stop()
	}
}

// nodeExporter finds the binary to measure: the one asked for, the newest release (built once, kept in the user's cache), or
// Debian's.
func nodeExporter(ctx context.Context, o *options) string {
	if o.nodeExporter != "" {
		return o.nodeExporter
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		bin := filepath.Join(cache, "controlcenter-bench")
		path := filepath.Join(bin, "node_exporter")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		say("building the newest node_exporter, once")
		cmd := exec.CommandContext(ctx, "go", "install", "github.com/prometheus/node_exporter@latest")
		cmd.Env = append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err == nil {
			return path
		} else {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			say("it could not be built (%v: %s); using Debian's", err, lines[len(lines)-1])
		}
	}
	return "prometheus-node-exporter"
}

// firstLine runs a program for its version. Debian's builds name it only as "revision".
func firstLine(binary string, args ...string) string {
	out, _ := exec.Command(binary, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	name, rest, built := strings.Cut(line, "(branch")
	if !built {
		return strings.Join(strings.Fields(line), " ")
	}
	if f := strings.Fields(name); len(f) > 0 && f[len(f)-1] != "version" {
		return f[len(f)-1]
	}
	_, revision, _ := strings.Cut(rest, "revision: ")
	return strings.TrimRight(revision, ") \n")
}

// moduleVersion is the version of a program made by go install, which does not print it.
func moduleVersion(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil || !strings.HasPrefix(info.Main.Version, "v") {
		return firstLine(path, "--version")
	}
	return info.Main.Version
}
