package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
)

// Options are what the command line gets from main.
type Options struct {
	// Serve runs the server until ctx ends; it loads the configuration that o describes, now and at each reload.
	Serve          func(ctx context.Context, o config.Options) error
	Version        Version
	Stdin          io.Reader // nil = empty
	Stdout, Stderr io.Writer // required
	Environ        []string  // as os.Environ
	// Config says where the configuration is looked for; nil = config.DefaultOptions. Its Environ is not used.
	Config *config.Options
}

// env is one command tree's shared state: what it was given and the values of the global flags.
type env struct {
	o       Options
	vars    map[string]string
	load    config.Options // without flags
	format  format
	url     string
	apiKey  string
	timeout time.Duration

	configFile, storagePath string
}

// New builds the command tree. Run it with Execute, which also knows the exit codes.
func New(o Options) *cobra.Command {
	if o.Stdin == nil {
		o.Stdin = strings.NewReader("")
	}
	e := &env{o: o, vars: map[string]string{}, format: formatTable}
	e.load = config.DefaultOptions()
	if o.Config != nil {
		e.load = *o.Config
	}
	e.load.Environ = o.Environ
	for _, kv := range o.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			e.vars[k] = v
		}
	}
	root := &cobra.Command{
		Use:   "controlcenter",
		Short: "Machine metrics, services and knowledge base in one binary",
		Long: `Control Center shows this machine's live state over HTTP, WebSocket and
Prometheus metrics, runs your services, and keeps a knowledge base.

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 daemon unreachable.`,
		Example: `  controlcenter serve                # start it; then open http://127.0.0.1:8080
  controlcenter status               # is it up, what does it read?
  controlcenter add web -- ./server  # define a service; start it with "start web"
  controlcenter logs -f web          # what does it write?
  controlcenter ports --all          # who listens where?
  controlcenter check                # is this machine ready for it?`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		DisableSuggestions:         true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(o.Stdin)
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	root.CompletionOptions.HiddenDefaultCmd = false
	p := root.PersistentFlags()
	p.VarP(&e.format, "output", "o", "output form: table, json or yaml")
	p.StringVar(&e.url, "url", "", "ask the daemon at this URL instead of the unix socket (also CC_URL)")
	p.StringVar(&e.apiKey, "api-key", "", "API key to send; rather CC_API_KEY or the keys file, which other users cannot see (see docs/auth.md)")
	p.DurationVar(&e.timeout, "timeout", 10*time.Second, "how long to wait for the daemon's answer")
	e.globalConfigFlags(root)
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))

	root.AddGroup(&cobra.Group{ID: "daemon", Title: "Daemon:"}, &cobra.Group{ID: "services", Title: "Services and jobs:"},
		&cobra.Group{ID: "access", Title: "Access:"}, &cobra.Group{ID: "machine", Title: "Machine:"},
		&cobra.Group{ID: "knowledge", Title: "Knowledge base:"},
		&cobra.Group{ID: "setup", Title: "Setup and diagnosis:"})
	e.addVerbs(root)
	root.SetHelpCommandGroupID("setup")
	root.SetCompletionCommandGroupID("setup")
	return root
}

// addVerbs is the table of verbs: a new one is one file and one line here.
func (e *env) addVerbs(root *cobra.Command) {
	for _, v := range []struct {
		group string
		cmd   *cobra.Command
	}{
		{"daemon", e.serveCmd()},
		{"daemon", e.statusCmd()},
		{"daemon", e.backupCmd()},
		{"daemon", e.restoreCmd()},
		{"access", e.loginCmd()},
		{"access", e.whoamiCmd()},
		{"access", e.tokenCmd()},
		{"access", e.userCmd()},
		{"access", e.auditCmd()},
		{"services", e.upCmd()},
		{"services", e.downCmd()},
		{"services", e.actCmd("start")},
		{"services", e.actCmd("stop")},
		{"services", e.actCmd("restart")},
		{"services", e.actCmd("reload")},
		{"services", e.actCmd("kill")},
		{"services", e.logsCmd()},
		{"services", e.eventsCmd()},
		{"services", e.runCmd()},
		{"services", e.cancelCmd()},
		{"services", e.jobsCmd()},
		{"services", e.addCmd()},
		{"services", e.editCmd()},
		{"services", e.rmCmd()},
		{"services", e.secretCmd()},
		{"services", e.graphCmd()},
		{"machine", e.portsCmd()},
		{"machine", e.psCmd()},
		{"machine", e.usageCmd()},
		{"knowledge", e.kbCmd()},
		{"machine", e.notifyCmd()},
		{"setup", e.checkCmd()},
		{"setup", e.configCmd()},
		{"setup", e.doctorCmd()},
		{"setup", e.openapiCmd()},
		{"setup", e.mcpCmd()},
		{"setup", e.selftestCmd()},
		{"setup", e.osServiceCmd()},
		{"setup", e.versionCmd()},
		{"", e.manCmd()},
	} {
		v.cmd.GroupID = v.group
		root.AddCommand(v.cmd)
	}
}

// Execute runs the verb that args (without the program's name) spell and returns the exit code. An error is one line on
// Options.Stderr. It ends early when ctx does.
func Execute(ctx context.Context, o Options, args []string) int {
	if len(args) > 0 && args[0] == "demo" { // before anything else: these processes are to stay small
		return demo(ctx, o, args[1:])
	}
	root := New(o)
	if args == nil {
		args = []string{} // cobra would take os.Args
	}
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	ee, ok := errors.AsType[*exitError](err)
	if !ok { // cobra found it before any verb ran
		ee = &exitError{ExitUsage, err}
		var word string
		if _, serr := fmt.Sscanf(err.Error(), "unknown command %q", &word); serr == nil {
			ee.err = unknownVerb(cmd, word)
		}
	}
	msg := err.Error()
	if !ok {
		msg = ee.Error()
	}
	_, verb, _ := strings.Cut(cmd.CommandPath(), " ")
	if verb != "" {
		verb += ": "
	}
	if ee.code == ExitUsage {
		msg += fmt.Sprintf(" (see \"%s --help\")", cmd.CommandPath())
	}
	fmt.Fprintf(o.Stderr, "controlcenter: %s%s\n", verb, cleanLines(strings.TrimRight(msg, "\n")))
	return ee.code
}

// unknownVerb names the verbs that were perhaps meant.
func unknownVerb(parent *cobra.Command, word string) error {
	parent.SuggestionsMinimumDistance = 2
	if s := parent.SuggestionsFor(word); len(s) > 0 {
		return usagef("unknown verb %q; did you mean %s?", word, strings.Join(s, " or "))
	}
	return usagef("unknown verb %q", word)
}

// call is one run of a verb.
type call struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of a verb
	cmd    *cobra.Command
	args   []string
	client *client // set for verbs that need the daemon
}

// need says what a verb wants prepared.
type need int

// needDaemon prepares a client of the daemon that the flags, the environment or the configuration name.
const needDaemon need = iota + 1

// run adapts a verb to cobra: errors that carry no exit code yet become "failed".
func (e *env) run(f func(*call) error, needs ...need) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c := &call{ctx: cmd.Context(), cmd: cmd, args: args}
		for _, n := range needs {
			if n == needDaemon {
				var err error
				if c.client, err = e.dial(); err != nil {
					return failed(err)
				}
				defer c.client.close()
			}
		}
		return failed(f(c))
	}
}

// group makes the command of a verb that only has verbs below it.
func group(use, short, example string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(sub...)
	return cmd
}

// maxArgs and exactArgs say in our words what is wrong with the number of arguments.
func maxArgs(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("unexpected argument %q", args[n])
		}
		return nil
	}
}

func exactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usagef("missing argument %s", names[len(args)])
		}
		return maxArgs(len(names))(nil, args)
	}
}
