package cli

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// usageBudget is what the tables show of a budget.
type usageBudget struct {
	API     string  `json:"api"`
	Source  *string `json:"source"`
	Periods []struct {
		Period  string   `json:"period"`
		Limit   *float64 `json:"limit_usd"`
		Spent   *float64 `json:"spent_usd"`
		Percent *float64 `json:"percent"`
		State   string   `json:"state"`
	} `json:"periods"`
}

func budgetTable(list []usageBudget) *table {
	t := newTable("BUDGET", "PERIOD (UTC)", "SPENT USD>", "LIMIT USD>", "USED%>", "STATE", "SOURCE")
	for _, b := range list {
		for _, p := range b.Periods {
			t.add(b.API, p.Period, dollars(p.Spent), dollars(p.Limit), percent(p.Percent), p.State, text(b.Source))
		}
	}
	return t
}

func (e *env) usageBudgetCmd() *cobra.Command {
	var daily, monthly float64
	var remove bool
	cmd := &cobra.Command{
		Use: "budget [API]", Short: "Show budgets, or set the one of an API",
		Long: `Show budgets and what is used of them, or set (--daily, --monthly) or delete
(--remove) the one of an API; "total" is the budget of all APIs together. Setting
replaces both limits.`,
		Example: `  controlcenter usage budget
  controlcenter usage budget total --monthly 50
  controlcenter usage budget openai --remove`,
		Args: maxArgs(1),
		RunE: e.run(func(c *call) error {
			flags := c.cmd.Flags()
			set := flags.Changed("daily") || flags.Changed("monthly")
			switch {
			case (set || remove) && len(c.args) == 0:
				return usagef("missing argument API (total = all APIs)")
			case set && remove:
				return usagef("--remove and --daily or --monthly exclude each other")
			case daily < 0 || monthly < 0:
				return usagef("--daily and --monthly: must not be below 0")
			}
			path := usagePath + "/budgets"
			if len(c.args) == 0 {
				var body struct {
					Budgets []usageBudget `json:"budgets"`
				}
				raw, err := c.client.decode(c.ctx, path, &body)
				if err != nil {
					return err
				}
				return e.print(raw, func() error { return budgetTable(body.Budgets).write(e.o.Stdout, e.styled()) })
			}
			path += "/" + url.PathEscape(c.args[0])
			var body struct {
				Budget usageBudget `json:"budget"`
			}
			var raw json.RawMessage
			var err error
			switch {
			case remove:
				return e.usageDone(c, http.MethodDelete, path, nil)
			case set:
				raw, err = usageSend(c.ctx, c.client, http.MethodPut, path, map[string]float64{"daily_usd": daily, "monthly_usd": monthly}, &body)
			default:
				raw, err = c.client.decode(c.ctx, path, &body)
			}
			if err != nil {
				return err
			}
			return e.print(raw, func() error { return budgetTable([]usageBudget{body.Budget}).write(e.o.Stdout, e.styled()) })
		}, needDaemon),
	}
	cmd.Flags().Float64Var(&daily, "daily", 0, "US dollars per day; 0 = no limit")
	cmd.Flags().Float64Var(&monthly, "monthly", 0, "US dollars per month; 0 = no limit")
	cmd.Flags().BoolVar(&remove, "remove", false, "delete the budget")
	return cmd
}
