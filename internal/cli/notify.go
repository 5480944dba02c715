package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) notifyCmd() *cobra.Command {
	cmd := group("notify", "Show alerts and what people are told of, and mute it",
		`  controlcenter notify               # alerts
  controlcenter notify channels
  controlcenter notify test ops      # send a test message
  controlcenter notify list          # messages and whether they arrived
  controlcenter notify mute --service comfyui --for 2h --reason "new model"`,
		e.notifyAlertsCmd(), e.notifyListCmd(), e.notifyRulesCmd(), e.notifyChannelsCmd(), e.notifyTestCmd(),
		e.notifyMutesCmd(), e.notifyMuteCmd(), e.notifyUnmuteCmd())
	cmd.Long = `Show alerts and what people are told of, and mute it. Channels and rules are set in
the configuration file (notify:), see docs/notifications.md.`
	cmd.RunE = e.run(func(c *call) error { return e.notifyAlerts(c, url.Values{}) }, needDaemon)
	return cmd
}

func (e *env) notifyAlertsCmd() *cobra.Command {
	var state, service string
	cmd := &cobra.Command{
		Use: "alerts", Short: "Show what the rules found: firing, pending, and over in the last day",
		Example: "  controlcenter notify alerts\n  controlcenter notify alerts --state firing -o json",
		Args:    maxArgs(0),
	}
	cmd.Flags().StringVar(&state, "state", "", "only in this state: pending, firing, resolved")
	cmd.Flags().StringVar(&service, "service", "", "only of this service or job")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "firing", "resolved"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("service", e.completeServices(nil))
	cmd.RunE = e.run(func(c *call) error {
		q := url.Values{}
		for name, v := range map[string]string{"state": state, "service": service} {
			if v != "" {
				q.Set(name, v)
			}
		}
		return e.notifyAlerts(c, q)
	}, needDaemon)
	return cmd
}

func (e *env) notifyAlerts(c *call, q url.Values) error {
	var body struct {
		Alerts []struct {
			Rule     string     `json:"rule"`
			Severity string     `json:"severity"`
			Subject  string     `json:"subject"`
			State    string     `json:"state"`
			Since    *time.Time `json:"since"`
			Count    int        `json:"count"`
			Summary  string     `json:"summary"`
			Muted    bool       `json:"muted"`
		} `json:"alerts"`
	}
	raw, err := c.client.decode(c.ctx, withQuery("/api/alerts", q), &body)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		if len(body.Alerts) == 0 {
			_, err := fmt.Fprintln(e.o.Stdout, "no alerts")
			return err
		}
		t := newTable("STATE", "SEVERITY", "RULE", "SUBJECT", "SINCE", "COUNT>", "WHAT")
		for _, a := range body.Alerts {
			if a.Muted {
				a.State += ", muted"
			}
			t.add(a.State, a.Severity, a.Rule, a.Subject, localTime(a.Since), strconv.Itoa(a.Count), a.Summary)
		}
		return t.write(e.o.Stdout, e.styled())
	})
}

func (e *env) notifyListCmd() *cobra.Command {
	var state, channel string
	limit := 50
	cmd := &cobra.Command{
		Use: "list", Short: "Show messages and whether they were delivered, newest first",
		Example: "  controlcenter notify list\n  controlcenter notify list --state pending --channel ops",
		Args:    maxArgs(0),
	}
	cmd.Flags().StringVar(&state, "state", "", "only in this state: pending, delivered, failed, dropped")
	cmd.Flags().StringVar(&channel, "channel", "", "only of this channel")
	cmd.Flags().IntVarP(&limit, "lines", "n", limit, "rows shown at most, 1-1000")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "delivered", "failed", "dropped"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		if limit < 1 || limit > 1000 {
			return usagef("--lines: must be between 1 and 1000")
		}
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, v := range map[string]string{"state": state, "channel": channel} {
			if v != "" {
				q.Set(name, v)
			}
		}
		var body struct {
			Notifications []struct {
				ID       uint64     `json:"id"`
				Time     *time.Time `json:"time"`
				Channel  string     `json:"channel"`
				State    string     `json:"state"`
				Attempts int        `json:"attempts"`
				Error    string     `json:"last_error"`
				Count    int        `json:"count"`
				Summary  string     `json:"summary"`
			} `json:"notifications"`
		}
		raw, err := c.client.decode(c.ctx, withQuery("/api/notifications", q), &body)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			t := newTable("ID>", "TIME", "CHANNEL", "STATE", "TRIES>", "ITEMS>", "FIRST", "ERROR")
			for _, d := range body.Notifications {
				t.add(strconv.FormatUint(d.ID, 10), localTime(d.Time), d.Channel, d.State, strconv.Itoa(d.Attempts), strconv.Itoa(d.Count), d.Summary, d.Error)
			}
			return t.write(e.o.Stdout, e.styled())
		})
	}, needDaemon)
	return cmd
}

func (e *env) notifyRulesCmd() *cobra.Command {
	return &cobra.Command{
		Use: "rules", Short: "Show all rules, with their limits", Example: "  controlcenter notify rules", Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var body struct {
				Rules []struct {
					Name     string   `json:"name"`
					Enabled  bool     `json:"enabled"`
					Severity string   `json:"severity"`
					For      float64  `json:"for_seconds"`
					Limit    *float64 `json:"limit"`
					Unit     string   `json:"unit"`
					Summary  string   `json:"summary"`
				} `json:"rules"`
			}
			raw, err := c.client.decode(c.ctx, "/api/notify/rules", &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("RULE", "ON", "SEVERITY", "FOR>", "LIMIT>", "UNIT", "WHAT")
				for _, r := range body.Rules {
					on, limit, lasts := "yes", "", ""
					if !r.Enabled {
						on = "no"
					}
					if r.Limit != nil {
						limit = strconv.FormatFloat(*r.Limit, 'g', -1, 64)
					}
					if r.For > 0 {
						lasts = time.Duration(r.For * float64(time.Second)).String()
					}
					t.add(r.Name, on, r.Severity, lasts, limit, r.Unit, r.Summary)
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}

func (e *env) notifyChannelsCmd() *cobra.Command {
	return &cobra.Command{
		Use: "channels", Short: "Show channels, without their secrets", Example: "  controlcenter notify channels", Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var body struct {
				Channels []struct {
					Name        string   `json:"name"`
					Kind        string   `json:"kind"`
					URL         string   `json:"url"`
					MinSeverity string   `json:"min_severity"`
					Services    []string `json:"services"`
					Rules       []string `json:"rules"`
					Pending     int      `json:"pending"`
					Error       string   `json:"last_error"`
				} `json:"channels"`
			}
			raw, err := c.client.decode(c.ctx, "/api/notify/channels", &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				if len(body.Channels) == 0 {
					_, err := fmt.Fprintln(e.o.Stdout, "no channels: name one in notify.channels of the configuration file, see docs/notifications.md")
					return err
				}
				t := newTable("CHANNEL", "KIND", "URL", "FROM", "SERVICES", "RULES", "PENDING>", "ERROR")
				for _, ch := range body.Channels {
					t.add(ch.Name, ch.Kind, ch.URL, ch.MinSeverity, strings.Join(ch.Services, ","), strings.Join(ch.Rules, ","), strconv.Itoa(ch.Pending), ch.Error)
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}

func (e *env) notifyTestCmd() *cobra.Command {
	return &cobra.Command{
		Use: "test CHANNEL", Short: "Send a test message through a channel", Example: "  controlcenter notify test ops", Args: exactArgs("CHANNEL"),
		RunE: e.run(func(c *call) error {
			return e.notifyAsk(c, http.MethodPost, "/api/notify/channels/"+url.PathEscape(c.args[0])+"/test", nil)
		}, needDaemon),
	}
}

// notifyAsk sends a request and shows the message of its answer.
func (e *env) notifyAsk(c *call, method, path string, body any) error {
	var answer struct {
		Message string `json:"message"`
	}
	raw, err := c.client.exchange(c.ctx, method, path, body, &answer)
	if err != nil {
		return err
	}
	return e.print(raw, func() error { _, err := fmt.Fprintln(e.o.Stdout, clean(answer.Message)); return err })
}

// notifyMute is a mute as the daemon shows it.
type notifyMute struct {
	ID      string     `json:"id"`
	Service string     `json:"service"`
	Rule    string     `json:"rule"`
	Until   *time.Time `json:"until"`
	Reason  string     `json:"reason"`
	By      string     `json:"by"`
}

func (e *env) notifyMutesCmd() *cobra.Command {
	return &cobra.Command{
		Use: "mutes", Short: "Show the mutes in force", Example: "  controlcenter notify mutes", Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			var body struct {
				Mutes []notifyMute `json:"mutes"`
			}
			raw, err := c.client.decode(c.ctx, "/api/notify/mutes", &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("ID", "SERVICE", "RULE", "UNTIL", "BY", "REASON")
				for _, m := range body.Mutes {
					t.add(m.ID, m.Service, m.Rule, localTime(m.Until), m.By, m.Reason)
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
}

func (e *env) notifyMuteCmd() *cobra.Command {
	var service, rule, lasts, until, reason string
	cmd := &cobra.Command{
		Use: "mute", Short: "Tell nobody of a service, a rule, or a rule of a service, for a time",
		Example: `  controlcenter notify mute --service comfyui --for 2h --reason "new model"
  controlcenter notify mute --rule cpu_high --for 7d`,
		Args: maxArgs(0),
	}
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "of this service or job")
	f.StringVar(&rule, "rule", "", "of this rule, see notify rules")
	f.StringVar(&lasts, "for", "", "how long: 30m, 2h, 7d; 1h when neither this nor --until is given")
	f.StringVar(&until, "until", "", "when it ends: an RFC 3339 time")
	f.StringVar(&reason, "reason", "", "why, for others to read")
	_ = cmd.RegisterFlagCompletionFunc("service", e.completeServices(nil))
	cmd.RunE = e.run(func(c *call) error {
		if service == "" && rule == "" {
			return usagef("--service or --rule is needed")
		}
		body := map[string]any{}
		if lasts == "" && until == "" {
			lasts = "1h"
		}
		for name, v := range map[string]string{"service": service, "rule": rule, "for": lasts, "reason": reason, "until": until} {
			if v != "" {
				body[name] = v
			}
		}
		var answer struct {
			Mute notifyMute `json:"mute"`
		}
		raw, err := c.client.exchange(c.ctx, http.MethodPost, "/api/notify/mutes", body, &answer)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			_, err := fmt.Fprintf(e.o.Stdout, "muted until %s; \"controlcenter notify unmute %s\" ends it\n", localTime(answer.Mute.Until), clean(answer.Mute.ID))
			return err
		})
	}, needDaemon)
	return cmd
}

func (e *env) notifyUnmuteCmd() *cobra.Command {
	return &cobra.Command{
		Use: "unmute ID", Short: "End a mute", Example: "  controlcenter notify unmute 3f2a", Args: exactArgs("ID"),
		RunE: e.run(func(c *call) error {
			return e.notifyAsk(c, http.MethodDelete, "/api/notify/mutes/"+url.PathEscape(c.args[0]), nil)
		}, needDaemon),
	}
}
