package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
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
	raw           json.RawMessage
}

// processOrders are the values of ps --sort; each compares two rows, first shown first.
var processOrders = map[string]func(a, b *processRow) int{
	"cpu":    func(a, b *processRow) int { return cmp.Compare(value(b.CPUPercent), value(a.CPUPercent)) },
	"memory": func(a, b *processRow) int { return cmp.Compare(value(b.MemoryRSS), value(a.MemoryRSS)) },
	"pid":    func(a, b *processRow) int { return cmp.Compare(a.PID, b.PID) },
	"name":   func(a, b *processRow) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
}

func value(p *float64) float64 {
	if p == nil {
		return -1 // unknown sorts below nothing
	}
	return *p
}

func (e *env) psCmd() *cobra.Command {
	order, limit := "cpu", 20
	cmd := &cobra.Command{
		Use:   "ps [NAME|PID]",
		Short: "Show processes, busiest first",
		Long: `Show processes as the daemon sees them, busiest first.

An argument keeps the processes whose name contains it (any case), or the one with that PID.`,
		Example: `  controlcenter ps
  controlcenter ps --sort memory --limit 5
  controlcenter ps python            # names that contain "python"
  controlcenter ps -o json`,
		Args: maxArgs(1),
		RunE: e.run(func(c *call) error {
			compare, ok := processOrders[order]
			if !ok {
				return usagef("--sort: %q is none of %s", order, strings.Join(sortedKeys(processOrders), ", "))
			}
			if limit < 0 {
				return usagef("--limit: must be 0 (no limit) or above")
			}
			count, rows, err := c.client.processes(c)
			if err != nil {
				return err
			}
			if len(c.args) == 1 {
				rows = slices.DeleteFunc(rows, func(r *processRow) bool { return !matches(r, c.args[0]) })
				if len(rows) == 0 {
					return exitf(ExitNotFound, "no process matches %q", c.args[0])
				}
			}
			slices.SortStableFunc(rows, compare)
			if limit > 0 && len(rows) > limit {
				rows = rows[:limit]
			}
			return e.printProcesses(count, rows)
		}, needDaemon),
	}
	cmd.Flags().StringVar(&order, "sort", order, "order: "+strings.Join(sortedKeys(processOrders), ", "))
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "rows shown at most, 0 = all that the daemon lists")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(sortedKeys(processOrders), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// processes fetches every row the daemon lists; count is how many processes the machine has.
func (cl *client) processes(c *call) (count int, rows []*processRow, err error) {
	var body struct {
		Count     int               `json:"count"`
		Processes []json.RawMessage `json:"processes"`
	}
	const path = "/api/system/processes"
	if _, err = cl.decode(c.ctx, path, &body); err != nil {
		return 0, nil, err
	}
	for _, raw := range body.Processes {
		r := &processRow{raw: raw}
		if err := json.Unmarshal(raw, r); err != nil {
			return 0, nil, fmt.Errorf("answer of %s%s: %w", cl.where, path, err)
		}
		rows = append(rows, r)
	}
	return body.Count, rows, nil
}

func matches(r *processRow, want string) bool {
	if pid, err := strconv.Atoi(want); err == nil && pid == r.PID {
		return true
	}
	return strings.Contains(strings.ToLower(r.Name), strings.ToLower(want))
}

func (e *env) printProcesses(count int, rows []*processRow) error {
	out := struct {
		Success   bool              `json:"success"`
		Count     int               `json:"count"` // of the machine, not of the rows
		Processes []json.RawMessage `json:"processes"`
	}{true, count, make([]json.RawMessage, len(rows))}
	for i, r := range rows {
		out.Processes[i] = r.raw
	}
	return e.print(out, func() error {
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
	})
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
