package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// portRow is what the table of ports shows of one row of /api/system/ports.
type portRow struct {
	Port     int     `json:"port"`
	Protocol string  `json:"protocol"`
	Address  string  `json:"address"`
	Status   string  `json:"status"`
	PID      *int    `json:"pid"`
	Process  *string `json:"process"`
	Service  *string `json:"service"`
}

func (e *env) portsCmd() *cobra.Command {
	var all, sockets bool
	var start, end int
	cmd := &cobra.Command{
		Use:   "ports [PORT]",
		Short: "Show listening ports and the processes that own them",
		Long: `Show listening ports and the processes that own them, as the daemon sees them.

Without flags the range of the configuration is shown (exporter.ports, 3000-9000 by default).`,
		Example: `  controlcenter ports
  controlcenter ports 8188           # who holds this port?
  controlcenter ports --all          # every port, 1-65535
  controlcenter ports --sockets      # any state, not only listeners
  controlcenter ports -o json`,
		Args: maxArgs(1),
		RunE: e.run(func(c *call) error {
			q := url.Values{}
			flags := c.cmd.Flags()
			if len(c.args) == 1 {
				p, err := parsePort(c.args[0])
				if err != nil {
					return err
				}
				if all || flags.Changed("start") || flags.Changed("end") {
					return usagef("a port and --all, --start or --end exclude each other")
				}
				start, end = p, p
			} else if all {
				if flags.Changed("start") || flags.Changed("end") {
					return usagef("--all and --start or --end exclude each other")
				}
				start, end = 1, 65535
			}
			for name, v := range map[string]int{"start": start, "end": end} {
				if v < 0 || v > 65535 || v == 0 && flags.Changed(name) {
					return usagef("--%s: must be between 1 and 65535", name)
				}
				if v != 0 {
					q.Set(name, strconv.Itoa(v))
				}
			}
			if start != 0 && end != 0 && start > end {
				return usagef("--start: must not be above --end (%d)", end)
			}
			if sockets {
				q.Set("state", "all")
			}
			var body struct {
				Ports []portRow `json:"ports"`
			}
			raw, err := c.client.decode(c.ctx, withQuery("/api/system/ports", q), &body)
			if err != nil {
				return err
			}
			if len(c.args) == 1 && len(body.Ports) == 0 {
				return exitf(ExitNotFound, "nothing listens on port %s", c.args[0])
			}
			return e.print(raw, func() error {
				t := newTable("PORT>", "PROTO", "ADDRESS", "STATUS", "PID>", "PROCESS", "SERVICE")
				for _, p := range body.Ports {
					t.add(strconv.Itoa(p.Port), p.Protocol, p.Address, p.Status, number(p.PID), text(p.Process), text(p.Service))
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all ports, 1-65535")
	cmd.Flags().IntVar(&start, "start", 0, "first port shown")
	cmd.Flags().IntVar(&end, "end", 0, "last port shown")
	cmd.Flags().BoolVar(&sockets, "sockets", false, "sockets in any state, not only listening ones")
	return cmd
}

func parsePort(s string) (int, error) {
	p, err := strconv.Atoi(strings.TrimPrefix(s, ":"))
	if err != nil || p < 1 || p > 65535 {
		return 0, usagef("port %q: must be a number between 1 and 65535", s)
	}
	return p, nil
}

// withQuery appends a query to a path.
func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// number and text show a nullable value; the empty string becomes "-" in a table.
func number(p *int) string {
	if p == nil {
		return ""
	}
	return strconv.Itoa(*p)
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// bytesText shows a size in the unit that keeps it short, as 3.2 GiB.
func bytesText(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// sortedKeys returns the keys of a map in order, so that output never depends on map order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
