package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"controlcenter/internal/config"
)

// checkReport is the output of check.
type checkReport struct {
	Status  checkStatus   `json:"status"` // the worst of the rows
	Version string        `json:"version"`
	Checks  []checkResult `json:"checks"`
}

func (e *env) checkCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check whether this machine is ready for serve",
		Long: `Check whether this machine is ready for serve: configuration, data directory and
its permissions, listen addresses (and who holds one that is taken), disk space,
clock, file descriptors, GPU tool. Nothing is changed. Exit code 1 when a check
fails; a warning does not count.`,
		Example: `  controlcenter check
  controlcenter check --json
  controlcenter check --web.listen-address 127.0.0.1:9000`,
		Args: maxArgs(0),
	}
	flags := configFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "as -o json")
	cmd.RunE = e.run(func(c *call) error {
		if asJSON {
			e.format = formatJSON
		}
		rep, _ := e.check(c.ctx, e.loadOptions(flags()))
		err := e.print(rep, func() error { return e.writeChecks(rep) })
		if n := countStatus(rep.Checks, checkFail); err == nil && n > 0 {
			err = fmt.Errorf("%d of %d checks failed", n, len(rep.Checks))
		}
		return err
	})
	return cmd
}

// check runs every check; the configuration is nil when it is not valid.
func (e *env) check(ctx context.Context, o config.Options) (checkReport, *config.Loaded) {
	begin := time.Now()
	rows := []checkResult{verdict("version", checkInfo, "controlcenter %s", e.o.Version)}
	l, err := config.Load(o)
	if err != nil {
		rows = append(rows, verdict("configuration", checkFail, "%v", err))
	} else {
		rows = append(rows, verdict("configuration", checkOK, "%s", sourceFile(l)))
		for _, w := range l.Warnings {
			rows = append(rows, verdict("configuration", checkWarn, "%s", w))
		}
		rows = append(rows, checkStorage(l.Config.Storage.Path)...)
		pid, row := e.checkDaemon(ctx, &l.Config)
		rows = append(rows, row)
		for _, a := range l.Config.Web.ListenAddresses {
			rows = append(rows, checkPort(ctx, a, pid))
		}
	}
	rows = append(rows, checkDescriptors(), checkGPU(e.vars), checkClock(begin))
	return checkReport{worst(rows), e.o.Version.String(), rows}, l
}

// checkDaemon asks whether the configured daemon runs, and its pid.
func (e *env) checkDaemon(ctx context.Context, c *config.Config) (pid int, row checkResult) {
	const name = "daemon"
	cl, err := e.local(c)
	if err != nil {
		return 0, verdict(name, checkInfo, "not asked: %v", err)
	}
	defer cl.close()
	h, err := cl.health(ctx)
	if err != nil {
		return 0, verdict(name, checkInfo, "not running (%s)", cl.where)
	}
	return h.ProcessID, verdict(name, checkInfo, "running at %s, version %s", cl.where, Version{Version: h.Version})
}

func (e *env) writeChecks(rep checkReport) error {
	t := newTable("CHECK", "STATUS", "DETAIL")
	var below []string
	for _, r := range rep.Checks {
		first, rest := firstLine(r.Detail)
		t.add(r.Name, string(r.Status), first)
		if rest != "" {
			below = append(below, rest)
		}
	}
	if err := t.write(e.o.Stdout, e.styled()); err != nil {
		return err
	}
	// The excerpt of a broken configuration would tear the columns apart.
	for _, b := range below {
		if _, err := fmt.Fprintf(e.o.Stdout, "\n%s\n", cleanLines(b)); err != nil {
			return err
		}
	}
	return nil
}

// cleanLines is clean for a text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
