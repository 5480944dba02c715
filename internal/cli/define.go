package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"controlcenter/internal/config"
)

// addFlags are the flags of add that set one key of a definition each.
var addFlags = []struct{ name, key, doc string }{
	{"display-name", "display_name", "name shown to people"},
	{"description", "description", "what it is"},
	{"template", "template", "fill what is left out from a template: comfyui, ollama, n8n, jupyter, kb-scheduler"},
	{"cwd", "cwd", "working directory"},
	{"user", "user", "user it runs as"},
	{"restart", "restart.policy", "when it is started again: no, on-failure, always, unless-stopped"},
	{"grace", "stop.grace", "time it has to end"},
	{"memory", "limits.memory", "memory it may use, 2GiB"},
	{"ready-http", "probes.readiness.http", "URL that answers when it is ready"},
	{"ready-tcp", "probes.readiness.tcp", "host:port that is open when it is ready"},
	{"cron", "schedule.cron", "it is a job that runs at these times, \"0 9 * * MON\""},
	{"every", "schedule.every", "it is a job that runs this often"},
}

func (e *env) addCmd() *cobra.Command {
	var file string
	var replace, job, autostart, shell, start bool
	var set, vars, envFiles, ports, secrets, tags, needs []string
	single := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "add NAME [flags] -- COMMAND... | add [NAME] -f FILE",
		Short: "Define a service or job",
		Long: `Define a service or job. It is kept by the daemon; to own definitions in the
configuration file write them below "services:" there.

A file holds a "services:" block as the configuration does, or with NAME the keys of
that one entry. "-" is stdin. Keys: docs/configuration.md.`,
		Example: `  controlcenter add web --port 8000 --ready-http http://127.0.0.1:8000/ --autostart -- python3 -m http.server 8000
  controlcenter add tidy --cron "0 3 * * *" -- ./tidy.sh --all
  controlcenter add comfyui --template comfyui --cwd /opt/comfyui
  controlcenter add -f services.yaml`,
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "read the definition from this file, - for stdin")
	f.BoolVar(&replace, "replace", false, "replace a definition of this name")
	f.BoolVar(&start, "start", false, "start it at once")
	f.BoolVar(&job, "job", false, "it is a job: it runs and ends")
	f.BoolVar(&autostart, "autostart", false, "start it with the daemon")
	f.BoolVar(&shell, "shell", false, "the command is one text for the shell")
	for _, flag := range addFlags {
		single[flag.key] = f.String(flag.name, "", flag.doc)
	}
	f.StringArrayVarP(&vars, "env", "e", nil, "variable NAME=value")
	f.StringSliceVar(&envFiles, "env-file", nil, "file of NAME=value lines")
	f.StringSliceVarP(&ports, "port", "p", nil, "port it listens on")
	f.StringSliceVar(&secrets, "secret", nil, "name of a variable that \"secret set\" gives its value")
	f.StringSliceVar(&tags, "tag", nil, "word to name several by")
	f.StringSliceVar(&needs, "needs", nil, "service that comes first: NAME or NAME:started|healthy|completed")
	f.StringArrayVar(&set, "set", nil, "any other key of a definition, restart.limit.attempts=3")
	cmd.RunE = e.run(func(c *call) error {
		name, command := c.args, []string(nil)
		if dash := c.cmd.ArgsLenAtDash(); dash >= 0 {
			name, command = c.args[:dash], c.args[dash:]
		}
		if len(name) > 1 {
			return usagef("unexpected argument %q; the command stands behind --", name[1])
		}
		if file != "" {
			var clash string
			f.Visit(func(fl *pflag.Flag) {
				if fl.Name != "file" && fl.Name != "replace" && fl.Name != "start" && f.Lookup(fl.Name) != nil && c.cmd.InheritedFlags().Lookup(fl.Name) == nil {
					clash = fl.Name
				}
			})
			if clash != "" || len(command) > 0 {
				return usagef("--file and a command or --%s exclude each other: the file says it all", clash)
			}
			specs, err := e.readSpecs(file, name)
			if err != nil {
				return err
			}
			return e.define(c, specs, replace, start)
		}
		if len(name) == 0 {
			return usagef("missing argument NAME or --file")
		}
		if len(command) == 0 && *single["template"] == "" {
			return usagef("missing the command: add %s -- COMMAND...", name[0])
		}
		pairs := []string{}
		for _, flag := range addFlags {
			if v := *single[flag.key]; v != "" {
				pairs = append(pairs, flag.key+"="+v)
			}
		}
		for _, need := range needs {
			need, condition, given := strings.Cut(need, ":")
			if !given {
				condition = "started"
			}
			pairs = append(pairs, "depends_on."+need+".condition="+condition)
		}
		for _, v := range vars {
			if !strings.Contains(v, "=") {
				return usagef("--env: %q is not of the form NAME=value", v)
			}
			pairs = append(pairs, "env."+v)
		}
		for key, list := range map[string][]string{"env_files": envFiles, "ports": ports, "secrets": secrets, "tags": tags} {
			if len(list) > 0 {
				pairs = append(pairs, key+"="+strings.Join(list, ","))
			}
		}
		spec, err := config.PatchService(append(pairs, set...), e.load.Dir)
		if err != nil {
			return usagef("%w", err)
		}
		spec["name"] = name[0]
		if len(command) > 0 {
			spec["command"] = command
		}
		for key, on := range map[string]bool{"autostart": autostart, "shell": shell} {
			if on {
				spec[key] = true
			}
		}
		if job || spec["schedule"] != nil {
			spec["type"] = "job"
		}
		// A relative program is meant as it stands here, where the user is, not below the service's directory.
		if _, given := spec["cwd"]; !given && *single["template"] == "" {
			spec["cwd"] = e.load.Dir
		}
		return e.define(c, []map[string]any{spec}, replace, start)
	}, needDaemon)
	return cmd
}

// readSpecs reads definitions from a file, or stdin for "-", in the order of their dependencies.
func (e *env) readSpecs(file string, name []string) ([]map[string]any, error) {
	data, dir, shown, err := e.readInput(file)
	if err != nil {
		return nil, err
	}
	if len(name) == 1 {
		spec, err := config.ReadService(name[0], shown, dir, data, e.load.Executable)
		if err != nil {
			return nil, usagef("%w", err)
		}
		m, err := asMap(spec)
		return []map[string]any{m}, err
	}
	defs, err := config.ReadServices(filepath.Join(dir, shown), data, e.load.Executable)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if len(defs) == 0 {
		return nil, usagef("%s holds no services", shown)
	}
	var out []map[string]any
	for _, d := range defs {
		m, err := asMap(d.Spec)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// maxSpecs bounds a file of definitions, as the configuration file is.
const maxSpecs = 1 << 20

func (e *env) readInput(file string) (data []byte, dir, shown string, err error) {
	if file == "-" {
		data, err = readLimited(e.o.Stdin, maxSpecs)
		if err != nil {
			err = fmt.Errorf("read stdin: %w", err)
		}
		return data, e.load.Dir, "stdin", err
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(e.load.Dir, file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, "", "", exitf(ExitNotFound, "%w", err)
	}
	defer f.Close()
	if data, err = readLimited(f, maxSpecs); err != nil {
		err = fmt.Errorf("read %s: %w", file, bare(err))
	}
	return data, filepath.Dir(file), filepath.Base(file), err
}

func asMap(v any) (map[string]any, error) {
	b, err := marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("encode definition: %w", err)
	}
	return m, nil
}

// define hands definitions to the daemon, one after the other, and starts them when that is wanted.
func (e *env) define(c *call, specs []map[string]any, replace, start bool) error {
	var results []actResult
	done := "added"
	for _, spec := range specs {
		name, _ := spec["name"].(string)
		method, path := http.MethodPost, servicesPath
		if replace {
			method, path, done = http.MethodPut, servicePath(name), "defined"
		}
		_, err := c.client.exchange(c.ctx, method, path, spec, nil)
		r := actResult{Name: name, Success: err == nil}
		if ae, ok := errors.AsType[*apiError](err); ok {
			r.Error, r.Code = ae.Message, ae.Code
		} else if err != nil {
			return err
		}
		if start && r.Success && spec["type"] != "job" {
			if r, err = c.client.actOne(c.ctx, "start", name, url.Values{"wait": {"ready"}}); err != nil {
				return err
			}
		}
		results = append(results, r)
	}
	if start {
		done = "started"
	}
	return e.writeResults(results, done)
}

func (e *env) rmCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Stop services or jobs and forget them",
		Long: `Stop services or jobs and forget them, their runs and their secrets. One that the
configuration file defines is removed there.`,
		Example:           `  controlcenter rm web`,
		ValidArgsFunction: e.completeServices(func(s *service) bool { return s.Origin == "api" }),
	}
	cmd.RunE = e.run(func(c *call) error {
		if len(c.args) == 0 {
			return usagef("missing argument NAME")
		}
		var results []actResult
		for _, name := range c.args {
			_, err := c.client.exchange(c.ctx, http.MethodDelete, servicePath(name), nil, nil)
			r := actResult{Name: name, Success: err == nil}
			if ae, ok := errors.AsType[*apiError](err); ok {
				r.Error, r.Code = ae.Message, ae.Code
			} else if err != nil {
				return err
			}
			results = append(results, r)
		}
		return e.writeResults(results, "removed")
	}, needDaemon)
	return cmd
}
