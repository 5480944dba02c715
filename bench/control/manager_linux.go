package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"controlcenter/bench/internal/rig"
)

// service is what a supervisor is told to run, in its own words.
type service struct {
	id        string
	args      []string // of the helper, its path included
	autostart bool
	restart   bool
	rotate    string // "" = at 16 MB, uncompressed; "never", "zstd" (ours only)
}

// What all supervisors are told.
const (
	grace      = time.Second // between SIGTERM and SIGKILL
	rotateAt   = 16_000_000
	rotateKeep = 40
)

// manager is a supervisor under test.
type manager interface {
	// write puts the configuration of services into a folder of its own, which it may use for all it needs.
	write(dir string, services []service) error
	// start starts it, or starts it again; services that start by themselves follow.
	start(ctx context.Context) error
	// main is the process that kill -9 is tried on.
	main() int
	// all are its processes: supervisors and loggers of single services too.
	all() []int
	begin(ctx context.Context, id string) error
	end(ctx context.Context, id string) error
	// list asks for the state of all services by the shortest way there is.
	list(ctx context.Context) error
	// command is the command line that people use for that.
	command() []string
	// exitCode is what it knows of how a service ended, "" for nothing.
	exitCode(ctx context.Context, id string) string
	// logs are the files of a service, oldest first.
	logs(id string) []string
	close()
}

// contestant is a row of the table.
type contestant struct {
	name, version string
	make          func(helper string) manager
	bare          bool
}

// contestants are ours and the peers that this machine has. What is missing is left out, with a word about it.
func contestants(ctx context.Context, o *options) ([]contestant, error) {
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("our binary: %w", err)
	}
	all := []contestant{{name: "controlcenter", version: strings.TrimPrefix(firstLine(binary, "version"), "controlcenter "), make: func(helper string) manager {
		return &ours{binary: binary, helper: helper}
	}}}
	wanted := func(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }
	packaged := func(name, pkg string, make func(string) manager, programs ...string) {
		if !wanted(name) {
			return
		}
		for _, p := range programs {
			if _, err := exec.LookPath(p); err != nil {
				say("WITHOUT %s: %v", name, err)
				return
			}
		}
		out, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", pkg).Output()
		all = append(all, contestant{name: name, version: string(out), make: make})
	}
	packaged("supervisord", "supervisor", func(helper string) manager { return &supervisord{helper: helper} }, "supervisord", "supervisorctl")
	if wanted("pm2") {
		if path, err := installPM2(ctx, o.cache); err != nil {
			say("WITHOUT pm2: %v", err)
		} else {
			all = append(all, contestant{name: "pm2", version: pm2Version(path), make: func(helper string) manager { return &pm2{binary: path, helper: helper} }})
		}
	}
	packaged("runit", "runit", func(helper string) manager { return &folders{style: runit, helper: helper} }, "runsvdir", "runsv", "svlogd", "sv")
	packaged("s6", "s6", func(helper string) manager { return &folders{style: s6, helper: helper} }, "s6-svscan", "s6-supervise", "s6-log", "s6-svc", "s6-svstat")
	if o.wants("crash") || o.wants("fleet") {
		all = append(all, contestant{name: floorName, version: "this benchmark itself", make: func(string) manager { return &floor{} }, bare: true})
	}
	if !wanted("controlcenter") {
		all = all[1:]
	}
	return all, nil
}

func firstLine(binary string, args ...string) string {
	out, _ := exec.Command(binary, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " (")
	return line
}

// run runs a command to its end and says what it printed when it failed.
func run(ctx context.Context, env []string, argv ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(rig.CleanEnv(), env...)
	cmd.WaitDelay = time.Second // its daemon may keep the pipe
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && !strings.Contains(err.Error(), "WaitDelay") {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// newestLast sorts the files that match by when they were last written.
func newestLast(patterns ...string) []string {
	var all []string
	for _, p := range patterns {
		files, _ := filepath.Glob(p)
		all = append(all, files...)
	}
	when := map[string]time.Time{}
	for _, file := range all {
		if st, err := os.Stat(file); err == nil {
			when[file] = st.ModTime()
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if c := when[a].Compare(when[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return all
}
