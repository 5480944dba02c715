package control

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/internal/lazy"
	"controlcenter/internal/unit"
)

const defaultDependencyTimeout = unit.Duration(60 * time.Second)

var (
	envName   = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_.()-]*$`)
	tagName   = lazy.Regexp(`^[a-zA-Z0-9_.:-]{1,50}$`)
	umaskText = lazy.Regexp(`^0?[0-7]{1,3}$`)
)

// signals that may be sent, by name. The numbers are the launcher's business.
var signals = []string{"SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGSTOP", "SIGWINCH"}

// reserved are names that stand in the API's paths where names of services do.
var reserved = []string{"actions", "graph", "templates", "usage", "ws"}

func signalName(s string) string {
	s = strings.ToUpper(s)
	if !strings.HasPrefix(s, "SIG") {
		s = "SIG" + s
	}
	return s
}

// checker collects what is wrong.
type checker struct{ wrong []FieldError }

func (c *checker) must(ok bool, field, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, FieldError{field, fmt.Sprintf(format, args...)})
	}
}

func oneOf[T ~string](c *checker, field string, v T, accepted ...T) {
	if !slices.Contains(accepted, v) {
		var names []string
		for _, a := range accepted {
			names = append(names, string(a))
		}
		c.must(false, field, "%q is none of %s", string(v), strings.Join(names, ", "))
	}
}

// Check returns nil or an [InvalidError] with every wrong field of an effective definition (see [Spec.Effective]). What
// depends on other services, existing files and users is checked elsewhere: by the manager, and when it starts.
func (s *Spec) Check() error {
	c := &checker{}
	c.must(idPattern().MatchString(s.ID), "name", "%q must match %s", s.ID, idPattern())
	c.must(!slices.Contains(reserved, Key(s.ID)), "name", "%q is taken: it stands for something else in the paths of the API", s.ID)
	oneOf(c, "type", s.Type, TypeService, TypeJob)
	if s.Template != "" {
		_, known := templates[Key(s.Template)]
		c.must(known, "template", "%q is none of %s", s.Template, strings.Join(slices.Sorted(maps.Keys(templates)), ", "))
	}
	c.must(len(s.DisplayName) <= 200 && !hasControl(s.DisplayName), "display_name", "must have at most 200 characters and no control characters")
	c.must(len(s.Description) <= 2000, "description", "must have at most 2000 characters")
	s.checkCommand(c)
	s.checkEnv(c)
	s.checkRestart(c)
	s.checkProbes(c)
	s.checkSchedule(c)
	for i, p := range s.Ports {
		c.must(p != 0 && !slices.Contains(s.Ports[:i], p), fmt.Sprintf("ports[%d]", i), "%d must be 1 to 65535 and stand once", p)
	}
	for i, t := range s.Tags {
		c.must(tagName().MatchString(t), fmt.Sprintf("tags[%d]", i), "%q must match %s", t, tagName())
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		d, field := s.DependsOn[name], "depends_on."+name
		c.must(idPattern().MatchString(name), field, "%q must match %s", name, idPattern())
		c.must(Key(name) != Key(s.ID), field, "a service cannot depend on itself")
		oneOf(c, field+".condition", d.Condition, ConditionStarted, ConditionHealthy, ConditionCompleted)
		c.must(d.Timeout > 0, field+".timeout", "must be more than 0s")
	}
	l := &s.Limits
	c.must(l.CPU >= 0 && l.CPU <= 4096, "limits.cpu", "must be 0 to 4096 cores")
	c.must(l.Pids >= 0, "limits.pids", "must not be negative")
	c.must(l.Nofile >= 0, "limits.nofile", "must not be negative")
	c.must(l.Memory == 0 || l.Memory >= 1<<20, "limits.memory", "must be at least 1MiB")
	oneOf(c, "logs.mode", s.Logs.Mode, "pipe", "direct")
	oneOf(c, "logs.compress", s.Logs.Compress, "zstd", "none")
	oneOf(c, "logs.when_full", s.Logs.WhenFull, "block", "drop")
	c.must(s.Logs.MaxSize >= 4096, "logs.max_size", "must be at least 4KiB")
	c.must(s.Logs.MaxAge > 0, "logs.max_age", "must be more than 0s")
	c.must(s.Logs.Keep >= 0 && s.Logs.Keep <= 10000, "logs.keep", "must be 0 to 10000 files")
	if c.wrong == nil {
		return nil
	}
	return &InvalidError{Service: s.ID, Fields: c.wrong}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func (s *Spec) checkCommand(c *checker) {
	c.must(len(s.Command) > 0 && s.Command[0] != "", "command", "must name a program")
	c.must(!s.Shell || len(s.Command) == 1, "command", "must be one string when shell is true")
	for i, a := range s.Command {
		c.must(!strings.ContainsRune(a, 0), fmt.Sprintf("command[%d]", i), "must not contain a NUL byte")
	}
	c.must(s.Cwd == "" || filepath.IsAbs(s.Cwd), "cwd", "%q must be an absolute path", s.Cwd)
	c.must(!strings.ContainsRune(s.Cwd, 0), "cwd", "must not contain a NUL byte")
	c.must(s.Umask == "" || umaskText().MatchString(s.Umask), "umask", "%q is not octal such as 027", s.Umask)
	c.must(s.Nice >= -20 && s.Nice <= 19, "nice", "must be -20 to 19")
	c.must(s.OOMScore >= -1000 && s.OOMScore <= 1000, "oom_score_adjust", "must be -1000 to 1000")
	c.must(s.Group == "" || s.User != "", "group", "needs a user")
	for i, code := range s.SuccessCodes {
		c.must(code >= 0 && code <= 255, fmt.Sprintf("success_codes[%d]", i), "must be 0 to 255")
	}
	if len(s.Stop.Command) == 0 {
		oneOf(c, "stop.signal", signalName(s.Stop.Signal), signals...)
	} else {
		c.must(s.Stop.Command[0] != "", "stop.command", "must name a program")
	}
	c.must(s.Stop.Grace.Std() <= time.Hour, "stop.grace", "must be at most 1h")
	if s.Reload != "" {
		oneOf(c, "reload", signalName(s.Reload), signals...)
	}
}

func (s *Spec) checkEnv(c *checker) {
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		c.must(envName().MatchString(name), "env."+strconv.Quote(name), "is not a name of a variable")
		c.must(!strings.ContainsRune(s.Env[name], 0), "env."+name, "must not contain a NUL byte")
		c.must(!slices.Contains(s.Secrets, name), "env."+name, "is also a secret; its value belongs there")
	}
	for i, name := range s.Secrets {
		c.must(envName().MatchString(name), fmt.Sprintf("secrets[%d]", i), "%q is not a name of a variable", name)
	}
	for i, name := range s.EnvInherit {
		c.must(envName().MatchString(name), fmt.Sprintf("env_inherit[%d]", i), "%q is not a name of a variable", name)
	}
	for i, f := range s.EnvFiles {
		c.must(f != "" && (filepath.IsAbs(f) || s.Cwd != ""), fmt.Sprintf("env_files[%d]", i), "%q must be an absolute path, or cwd must be given", f)
	}
}

func (s *Spec) checkRestart(c *checker) {
	r := &s.Restart
	oneOf(c, "restart.policy", r.Policy, RestartNo, RestartOnFailure, RestartAlways, RestartUnlessStopped)
	c.must(s.Type != TypeJob || r.Policy == RestartNo, "restart.policy", "a job has schedule.retries instead")
	c.must(r.Initial.Std() >= time.Millisecond, "restart.initial", "must be at least 1ms")
	c.must(*r.Max >= *r.Initial, "restart.max", "must be at least restart.initial, %s", r.Initial)
	c.must(r.Factor >= 1 && r.Factor <= 100, "restart.factor", "must be 1 to 100")
	c.must(*r.Jitter >= 0 && *r.Jitter <= 1, "restart.jitter", "must be 0 to 1")
	c.must(*r.Limit.Attempts >= 0 && *r.Limit.Attempts <= 1000, "restart.limit.attempts", "must be 0 (no limit) to 1000")
	c.must(r.Limit.Window > 0 || *r.Limit.Attempts == 0, "restart.limit.window", "must be more than 0s")
}

func (s *Spec) checkProbes(c *checker) {
	for _, p := range s.Probes.named() {
		if p.spec == nil {
			continue
		}
		field := "probes." + p.name
		for _, w := range p.spec.Check() {
			c.must(false, strings.TrimSuffix(field+"."+w[0], "."), "%s", w[1])
		}
		once := p.spec.Log != "" || p.spec.Notify
		c.must(p.name != "liveness" || !once, field, "must be http, tcp or exec: a line or a notice is said once; see watchdog")
	}
	c.must(s.Watchdog == 0 || s.Watchdog.Std() >= 100*time.Millisecond, "watchdog", "must be at least 100ms")
}

func (s *Spec) checkSchedule(c *checker) {
	p := s.Schedule
	if p == nil {
		return
	}
	c.must(s.Type == TypeJob, "schedule", "is for type: job")
	n := 0
	for _, given := range []bool{p.Cron != "", p.Every != 0, p.At != ""} {
		if given {
			n++
		}
	}
	c.must(n == 1, "schedule", "must have exactly one of cron, every, at")
	c.must(p.Every == 0 || p.Every.Std() >= time.Second, "schedule.every", "must be at least 1s")
	if n == 1 {
		if field, err := p.check(); err != nil {
			c.must(false, "schedule."+field, "%v", err)
		}
	}
	oneOf(c, "schedule.overlap", p.Overlap, "skip", "queue", "replace")
	oneOf(c, "schedule.catch_up", p.CatchUp, "none", "once", "all")
	c.must(p.Retries >= 0 && p.Retries <= 100, "schedule.retries", "must be 0 to 100")
	c.must(p.Keep >= 1 && p.Keep <= 10000, "schedule.keep", "must be 1 to 10000")
	c.must(p.KeepFor > 0, "schedule.keep_for", "must be more than 0s")
}
