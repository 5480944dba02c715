package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// processRow is what the table of processes shows of one row of /api/system/processes.
type processRow struct {
	PID           int      `json:"pid"`
	Name          string   `json:"name"`
	User          *string  `json:"user"`
	Status        string   `json:"status"`
	CPUPercent    *float64 `json:"cpu_percent"`
	MemoryPercent *float64 `json:"memory_percent"`
	MemoryRSS     *float64 `json:"memory_rss"`
	Cmdline       *string  `json:"cmdline"`
}

// processOrders are the values of ps --sort, and maxProcesses the most rows the daemon lists.
var processOrders = [...]string{"cpu", "memory", "name", "pid"}

const maxProcesses = 500

func (e *env) psCmd() *cobra.Command {
	order, limit := "cpu", 20
	cmd := &cobra.Command{
		Use:   "ps [TEXT]",
		Short: "Show processes, busiest first",
		Long: `Show processes as the daemon sees them, busiest first.

An argument keeps the processes with this text in their name or command line, in
any letter case.`,
		Example: `  controlcenter ps
  controlcenter ps --sort memory --limit 5
  controlcenter ps python
  controlcenter ps -o json`,
		Args: maxArgs(1),
		RunE: e.run(func(c *call) error {
			if !slices.Contains(processOrders[:], order) {
				return usagef("--sort: %q is none of %s", order, strings.Join(processOrders[:], ", "))
			}
			if limit < 1 || limit > maxProcesses {
				return usagef("--limit: must be between 1 and %d", maxProcesses)
			}
			q := url.Values{"sort": {order}, "limit": {strconv.Itoa(limit)}}
			if len(c.args) == 1 {
				q.Set("search", c.args[0])
			}
			var body struct {
				Count     int          `json:"count"`
				Processes []processRow `json:"processes"`
			}
			raw, err := c.client.decode(c.ctx, withQuery("/api/system/processes", q), &body)
			if err != nil {
				return err
			}
			if len(c.args) == 1 && len(body.Processes) == 0 {
				return exitf(ExitNotFound, "no process matches %q", c.args[0])
			}
			return e.print(raw, func() error { return e.writeProcesses(body.Count, body.Processes) })
		}, needDaemon),
	}
	cmd.Flags().StringVar(&order, "sort", order, "order: "+strings.Join(processOrders[:], ", "))
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "rows shown at most, 1-500")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(processOrders[:], cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *env) writeProcesses(count int, rows []processRow) error {
	t := newTable("PID>", "USER", "STATUS", "CPU%>", "MEM%>", "MEMORY>", "NAME", "COMMAND")
	for _, r := range rows {
		mem := ""
		if r.MemoryRSS != nil {
			mem = bytesText(*r.MemoryRSS)
		}
		t.add(strconv.Itoa(r.PID), text(r.User), r.Status, percent(r.CPUPercent), percent(r.MemoryPercent), mem, r.Name, shorten(text(r.Cmdline), 80))
	}
	if err := t.write(e.o.Stdout, e.styled()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.o.Stdout, "%d of %d processes\n", len(rows), count)
	return err
}

func percent(p *float64) string {
	if p == nil {
		return ""
	}
	return strconv.FormatFloat(*p, 'f', 1, 64)
}

// shorten cuts a text to n characters, marking the cut.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
