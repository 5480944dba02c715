package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
)

// verbs of services: what they do, and how a success is called.
var actVerbs = map[string]struct{ short, done, long, example string }{
	"start": {"Start services", "started", "Start services, and first the ones they need.", `  controlcenter start comfyui
  controlcenter start --tag ai
  controlcenter start --all`},
	"stop": {"Stop services", "stopped", `Stop services: each is asked to end, and after its grace time all its processes are
killed. They stay stopped until started again, also over a restart of the machine.`, `  controlcenter stop comfyui
  controlcenter stop comfyui --grace 60s
  controlcenter stop --tag ai`},
	"restart": {"Stop and start services", "restarted", "Stop services and start them again.", `  controlcenter restart comfyui`},
	"reload":  {"Make services read their configuration again", "reloaded", "Send services the signal of their definition that makes them read their configuration\nagain.", `  controlcenter reload nginx`},
	"kill": {"Kill services at once", "killed", `Kill all processes of services at once; they stay stopped. With --signal another signal
goes to the main process of each, which is not a stop: when one ends by it, its
restart policy decides, as when it ends by itself. Signals: SIGHUP, SIGINT, SIGQUIT,
SIGUSR1, SIGUSR2, SIGTERM, SIGKILL, SIGCONT, SIGSTOP, SIGWINCH, also without SIG.`, `  controlcenter kill comfyui
  controlcenter kill comfyui --signal SIGUSR1`},
}

// result of one verb on one service.
type actResult struct {
	Name    string `json:"name"`
	Success bool   `json:"success"`
	Error   string `json:"error,omitempty"`
	Code    string `json:"code,omitempty"`
}

// selection is which services a verb is for.
type selection struct {
	tags []string
	all  bool
}

func (e *env) selectionFlags(cmd *cobra.Command, s *selection) {
	cmd.Flags().StringSliceVar(&s.tags, "tag", nil, "services with this tag")
	_ = cmd.RegisterFlagCompletionFunc("tag", e.completeTags)
	cmd.ValidArgsFunction = e.completeServices(nil)
}

func (e *env) actCmd(verb string) *cobra.Command {
	v := actVerbs[verb]
	var sel selection
	var grace, signal string
	var force bool
	cmd := &cobra.Command{
		Use:   verb + " NAME... | --tag TAG | --all",
		Short: v.short,
		Long: v.long + `

Several are done in the order of their dependencies. There is a result for each, and
the exit code is that of the worst: 1 failed, 4 refused, 3 not found.`,
		Example: v.example,
	}
	cmd.RunE = e.run(func(c *call) error {
		if len(c.args) == 0 && len(sel.tags) == 0 && !sel.all {
			return usagef("missing argument NAME; --tag and --all name several")
		}
		if sel.all && (len(c.args) > 0 || len(sel.tags) > 0) {
			return usagef("--all and names or --tag exclude each other")
		}
		q := url.Values{}
		if grace != "" {
			d, err := parseAge(grace)
			if err != nil || d.Seconds() < 1 || d.Seconds() > 300 {
				return usagef("--grace: must be a duration between 1s and 5m")
			}
			q.Set("timeout", strconv.Itoa(int(d.Seconds())))
		}
		if force {
			q.Set("force", "true")
		}
		done := v.done
		if signal != "" {
			name := "SIG" + strings.TrimPrefix(strings.ToUpper(signal), "SIG")
			q.Set("signal", name)
			if name != "SIGKILL" {
				done = name + " sent"
			}
		}
		results, err := c.client.act(c.ctx, verb, c.args, sel, q)
		if err != nil {
			return err
		}
		return e.writeResults(results, done)
	}, needDaemon)
	e.selectionFlags(cmd, &sel)
	cmd.Flags().BoolVar(&sel.all, "all", false, "all services (jobs are not among them)")
	switch verb {
	case "stop", "restart":
		cmd.Flags().StringVar(&grace, "grace", "", "time they have to end, instead of that of their definition, 1s to 5m")
		if verb == "stop" {
			cmd.Flags().BoolVar(&force, "force", false, "kill them without waiting")
		}
	case "kill":
		cmd.Flags().StringVar(&signal, "signal", "", "send this signal to the main process, instead of SIGKILL to all")
	}
	return cmd
}

// act does a verb on services: in one call where the daemon's own settings are to hold, else one call each, in order.
func (c *client) act(ctx context.Context, verb string, names []string, sel selection, q url.Values) ([]actResult, error) {
	if len(q) == 0 {
		body := map[string]any{}
		switch {
		case sel.all:
			body["all"] = true
		default:
			if len(names) > 0 {
				body["names"] = names
			}
			if len(sel.tags) > 0 {
				body["tags"] = sel.tags
			}
		}
		var out struct {
			Results []actResult `json:"results"`
		}
		_, err := c.exchange(ctx, http.MethodPost, servicesPath+"/actions/"+verb, body, &out)
		return out.Results, err
	}
	if sel.all || len(sel.tags) > 0 {
		all, err := c.services(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			tagged := slices.ContainsFunc(sel.tags, func(t string) bool { return slices.Contains(s.Tags, t) })
			if (tagged || sel.all && s.Type != "job") && !slices.ContainsFunc(names, func(n string) bool { return sameName(n, s.Name) }) {
				names = append(names, s.Name)
			}
		}
	}
	out := []actResult{}
	for _, name := range names {
		r, err := c.actOne(ctx, verb, name, q)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// actOne does a verb on one service. What the daemon says against it is in the result; an error means that it said nothing.
func (c *client) actOne(ctx context.Context, verb, name string, q url.Values) (actResult, error) {
	var answer struct {
		Success *bool  `json:"success"` // false with status 200 when compat.legacy_status_200 is set
		Error   string `json:"error"`
	}
	_, err := c.exchange(ctx, http.MethodPost, withQuery(servicePath(name, verb), q), nil, &answer)
	if ae, ok := errors.AsType[*apiError](err); ok {
		code := ae.Code
		if code == "" {
			code = strconv.Itoa(ae.Status)
		}
		return actResult{Name: name, Error: ae.Message, Code: code}, nil
	}
	return actResult{Name: name, Success: answer.Success == nil || *answer.Success, Error: answer.Error}, err
}

// writeResults shows what became of each and returns the error of the worst.
func (e *env) writeResults(results []actResult, done string) error {
	out := struct {
		Success bool        `json:"success"`
		Results []actResult `json:"results"`
	}{true, append([]actResult{}, results...)}
	for _, r := range results {
		out.Success = out.Success && r.Success
	}
	err := e.print(out, func() error {
		if len(results) == 0 {
			_, err := fmt.Fprintln(e.o.Stdout, "nothing to do")
			return err
		}
		for _, r := range results {
			if len(results) == 1 && !r.Success {
				break // the error says it
			}
			if _, err := fmt.Fprintln(e.o.Stdout, e.resultLine(r, done)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return worstOf(results)
}

func (e *env) resultLine(r actResult, done string) string {
	if r.Success {
		return clean(r.Name) + ": " + e.styled().wrap("32", done)
	}
	text := strings.TrimPrefix(r.Error, r.Name+": ")
	if text == "" {
		text = "failed"
	}
	return clean(r.Name) + ": " + e.styled().wrap("31", strings.ReplaceAll(cleanLines(text), "\n", "\n  "))
}

// worstOf returns the error of results, nil when all went well.
func worstOf(results []actResult) error {
	exit, bad := ExitOK, 0
	order := []int{ExitOK, ExitUsage, ExitNotFound, ExitRefused, ExitFailed} // from good to bad
	for _, r := range results {
		if r.Success {
			continue
		}
		bad++
		code := exitOfCode(r.Code)
		if slices.Index(order, code) > slices.Index(order, exit) {
			exit = code
		}
	}
	switch {
	case bad == 0:
		return nil
	case len(results) == 1:
		return exitf(exit, "%s", strings.ReplaceAll(results[0].Error, "\n", "\n  "))
	}
	return exitf(exit, "%d of %d services: see above", bad, len(results))
}

// exitOfCode maps a kind of error of the API to the exit code, as exitOfStatus does its status.
func exitOfCode(code string) int {
	if status, err := strconv.Atoi(code); err == nil {
		return exitOfStatus(status)
	}
	switch code {
	case "not_found", "gone":
		return ExitNotFound
	case "validation", "bad_request":
		return ExitUsage
	case "conflict", "denied", "unauthenticated", "rate_limited", "too_large":
		return ExitRefused
	}
	return ExitFailed
}

func (e *env) upCmd() *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "up [NAME...] [--tag TAG]",
		Short: "Start services in order and wait until they are ready",
		Long: `Start services in the order of their dependencies, wait until each is ready, and tell
of each in a line. Without names these are the ones with autostart. What runs
already is left alone.`,
		Example: `  controlcenter up
  controlcenter up comfyui ollama
  controlcenter up --tag ai`,
	}
	cmd.RunE = e.run(func(c *call) error {
		all, err := c.client.services(c.ctx)
		if err != nil {
			return err
		}
		wanted, err := named(all, c.args)
		if err != nil {
			return err
		}
		for _, s := range all {
			auto := len(c.args) == 0 && len(sel.tags) == 0 && s.Autostart && s.Type != "job"
			tagged := slices.ContainsFunc(sel.tags, func(t string) bool { return slices.Contains(s.Tags, t) })
			if (auto || tagged) && !slices.ContainsFunc(wanted, func(w service) bool { return w.Name == s.Name }) {
				wanted = append(wanted, s)
			}
		}
		var graph serviceGraph
		if _, err := c.client.decode(c.ctx, servicesPath+"/graph", &graph); err != nil {
			return err
		}
		return e.up(c, wanted, graph.levels())
	}, needDaemon)
	e.selectionFlags(cmd, &sel)
	return cmd
}

// up starts services level by level: those of one level do not need each other, so they start at the same time.
func (e *env) up(c *call, wanted []service, level map[string]int) error {
	slices.SortStableFunc(wanted, func(a, b service) int { return level[a.Name] - level[b.Name] })
	results := []actResult{}
	var mu sync.Mutex // guards results and the output
	var broken error
	tell := func(r actResult, done string) {
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
		if e.format == formatTable {
			_, err := fmt.Fprintln(e.o.Stdout, e.resultLine(r, done))
			broken = errors.Join(broken, err)
		}
	}
	for len(wanted) > 0 {
		n := 1
		for n < len(wanted) && level[wanted[n].Name] == level[wanted[0].Name] {
			n++
		}
		var wg sync.WaitGroup
		for _, s := range wanted[:n] {
			if s.Status == "running" {
				tell(actResult{Name: s.Name, Success: true}, "runs already")
				continue
			}
			wg.Go(func() {
				r, err := c.client.actOne(c.ctx, "start", s.Name, url.Values{"wait": {"ready"}})
				if err != nil {
					mu.Lock()
					broken = errors.Join(broken, err)
					mu.Unlock()
					return
				}
				tell(r, "started")
			})
		}
		wg.Wait()
		if broken != nil {
			return broken
		}
		wanted = wanted[n:]
	}
	if e.format == formatTable {
		if len(results) == 0 {
			_, err := fmt.Fprintln(e.o.Stdout, "nothing to start: no service has autostart; see \"controlcenter up --help\"")
			return err
		}
		return worstOf(results)
	}
	return e.writeResults(results, "started")
}

func (e *env) downCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop all services",
		Long: `Stop all services, those that need others first. The daemon itself runs on.

Ending the daemon (Ctrl-C of "serve") does not stop services: they go on and the
next daemon takes them up again. This verb is what stops them.`,
		Example: `  controlcenter down`,
		Args:    maxArgs(0),
		RunE: e.run(func(c *call) error {
			all, err := c.client.services(c.ctx)
			if err != nil {
				return err
			}
			results, err := c.client.act(c.ctx, "stop", nil, selection{all: true}, nil)
			if err != nil {
				return err
			}
			up := func(name string) bool {
				return slices.ContainsFunc(all, func(s service) bool { return sameName(s.Name, name) && s.Status != "stopped" })
			}
			results = slices.DeleteFunc(results, func(r actResult) bool { return r.Success && !up(r.Name) })
			if err := e.writeResults(results, "stopped"); err != nil || e.format != formatTable {
				return err
			}
			_, err = fmt.Fprintln(e.o.Stdout, "all services are stopped; the daemon runs on")
			return err
		}, needDaemon),
	}
}

// serviceGraph is who needs whom.
type serviceGraph struct {
	Nodes []graphNode `json:"nodes"`
	Edges []graphEdge `json:"edges"`
}

type graphNode struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Status    string `json:"status"`
	Health    string `json:"health"`
	Level     int    `json:"level"`
	StopOrder int    `json:"stop_order"`
}

type graphEdge struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Condition string `json:"condition"`
	Met       bool   `json:"met"`
}

func (g *serviceGraph) levels() map[string]int {
	out := map[string]int{}
	for _, n := range g.Nodes {
		out[n.ID] = n.Level
	}
	return out
}
