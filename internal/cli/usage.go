package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

const usagePath = "/api/usage"

// usageCounts is what the tables show of counted calls.
type usageCounts struct {
	Calls        int64   `json:"calls"`
	Errors       int64   `json:"errors"`
	Unpriced     int64   `json:"unpriced_calls"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	Units        int64   `json:"units"`
	CostUSD      float64 `json:"cost_usd"`
}

func (n *usageCounts) cells() []string {
	return []string{whole(n.Calls), whole(n.Errors), whole(n.InputTokens), whole(n.OutputTokens), whole(n.Units), dollars(&n.CostUSD)}
}

// countTitles are the columns of cells.
var countTitles = [...]string{"CALLS>", "FAILED>", "INPUT>", "OUTPUT>", "UNITS>", "COST USD>"}

func whole(n int64) string { return strconv.FormatInt(n, 10) }

// dollars shows an amount with four decimals, which is what single calls need; "" for null.
func dollars(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', 4, 64)
}

func (e *env) usageCmd() *cobra.Command {
	cmd := group("usage", "Show and report what calls to outside APIs cost",
		`  controlcenter usage                # the summary
  controlcenter usage history --days 7 --api openai
  controlcenter usage estimate openai gpt-4o --input-tokens 1200 --output-tokens 300
  controlcenter usage track openai gpt-4o --input-tokens 1200 --output-tokens 300
  controlcenter usage budget openai --daily 5 --monthly 100`,
		e.usageSummaryCmd(), e.usageHistoryCmd(), e.usagePricingCmd(), e.usageEstimateCmd(), e.usageTrackCmd(), e.usageBudgetCmd())
	cmd.Long = `Show and report what calls to outside APIs cost: calls, tokens and US dollars per
API and model. Days and months are those of UTC. Costs that were not reported are
estimated by list prices (usage pricing); check your provider.`
	cmd.RunE = e.run(e.usageSummary, needDaemon)
	return cmd
}

func (e *env) usageSummaryCmd() *cobra.Command {
	return &cobra.Command{
		Use: "summary", Short: "Show the last days, the dearest models and the budgets",
		Example: "  controlcenter usage summary\n  controlcenter usage summary -o json",
		Args:    maxArgs(0),
		RunE:    e.run(e.usageSummary, needDaemon),
	}
}

func (e *env) usageSummary(c *call) error {
	var body struct {
		Today     usageCounts `json:"today"`
		Yesterday usageCounts `json:"yesterday"`
		Week      usageCounts `json:"last_7_days"`
		Month     usageCounts `json:"month"`
		Total     usageCounts `json:"total"`
		Forecast  *float64    `json:"month_forecast_usd"`
		TopModels []struct {
			API   string `json:"api"`
			Model string `json:"model"`
			usageCounts
		} `json:"top_models"`
		Budgets []usageBudget `json:"budgets"`
	}
	raw, err := c.client.decode(c.ctx, usagePath+"/summary", &body)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		t := newTable(append([]string{"PERIOD (UTC)"}, countTitles[:]...)...)
		for _, p := range []struct {
			name string
			n    usageCounts
		}{{"today", body.Today}, {"yesterday", body.Yesterday}, {"last 7 days", body.Week}, {"this month", body.Month}, {"ever", body.Total}} {
			t.add(append([]string{p.name}, p.n.cells()...)...)
		}
		if err := t.write(e.o.Stdout, e.styled()); err != nil {
			return err
		}
		if len(body.TopModels) > 0 {
			t = newTable(append([]string{"API (30 DAYS)", "MODEL"}, countTitles[:]...)...)
			for _, m := range body.TopModels {
				t.add(append([]string{m.API, m.Model}, m.cells()...)...)
			}
			if err := e.paragraph(t); err != nil {
				return err
			}
		}
		if len(body.Budgets) > 0 {
			if err := e.paragraph(budgetTable(body.Budgets)); err != nil {
				return err
			}
		}
		var notes []string
		if body.Forecast != nil {
			notes = append(notes, "at this pace the month ends at "+dollars(body.Forecast)+" USD")
		}
		if n := body.Total.Unpriced; n > 0 {
			notes = append(notes, whole(n)+" calls have no known price and count as 0")
		}
		for _, n := range notes {
			if _, err := fmt.Fprintln(e.o.Stdout, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// paragraph writes a table after an empty line.
func (e *env) paragraph(t *table) error {
	if _, err := fmt.Fprintln(e.o.Stdout); err != nil {
		return err
	}
	return t.write(e.o.Stdout, e.styled())
}

func (e *env) usageHistoryCmd() *cobra.Command {
	var days int
	var api, model string
	var perModel bool
	cmd := &cobra.Command{
		Use: "history", Short: "Show calls and cost per day",
		Long: `Show calls and cost per UTC day, today included; with --models one row per day,
API and model.`,
		Example: "  controlcenter usage history\n  controlcenter usage history --days 7 --api openai --models",
		Args:    maxArgs(0),
		RunE: e.run(func(c *call) error {
			if days < 1 || days > 800 {
				return usagef("--days: must be between 1 and 800")
			}
			q := url.Values{"days": {strconv.Itoa(days)}}
			for name, v := range map[string]string{"api": api, "model": model} {
				if v != "" {
					q.Set(name, v)
				}
			}
			type day struct {
				Date  string `json:"date"`
				API   string `json:"api"`
				Model string `json:"model"`
				usageCounts
			}
			var body struct {
				History []day       `json:"history"`
				Daily   []day       `json:"daily"`
				Total   usageCounts `json:"total"`
			}
			raw, err := c.client.decode(c.ctx, withQuery(usagePath+"/history", q), &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				titles, rows := []string{"DAY (UTC)"}, body.Daily
				if perModel {
					titles, rows = []string{"DAY (UTC)", "API", "MODEL"}, body.History
				}
				t := newTable(append(titles, countTitles[:]...)...)
				for _, d := range rows {
					head := []string{d.Date}
					if perModel {
						head = []string{d.Date, d.API, d.Model}
					}
					t.add(append(head, d.cells()...)...)
				}
				if err := t.write(e.o.Stdout, e.styled()); err != nil {
					return err
				}
				_, err := fmt.Fprintf(e.o.Stdout, "%d calls, %s USD in %d days\n", body.Total.Calls, dollars(&body.Total.CostUSD), days)
				return err
			})
		}, needDaemon),
	}
	cmd.Flags().IntVar(&days, "days", 30, "days back, today included, 1-800")
	cmd.Flags().StringVar(&api, "api", "", "only this API")
	cmd.Flags().StringVar(&model, "model", "", "only this model")
	cmd.Flags().BoolVar(&perModel, "models", false, "a row per day, API and model")
	return cmd
}

// usageDone sends a change and prints what the daemon says of it.
func (e *env) usageDone(c *call, method, path string, body any) error {
	var answer struct {
		Message string `json:"message"`
	}
	raw, err := usageSend(c.ctx, c.client, method, path, body, &answer)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		_, err := fmt.Fprintln(e.o.Stdout, clean(answer.Message))
		return err
	})
}

// usageSend sends a JSON body, none for nil, and reads the answer into v; it also returns it as it came.
func usageSend(ctx context.Context, cl *client, method, path string, body, v any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, cl.timeout)
	defer cancel()
	header := http.Header{"Accept": {"application/json"}}
	var in io.Reader
	if body != nil {
		b, err := marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	resp, err := cl.do(ctx, method, path, header, in)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := readLimited(resp.Body, maxAnswer)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		return nil, fmt.Errorf("answer of %s%s: %w", cl.where, strings.SplitN(path, "?", 2)[0], err)
	}
	return raw, nil
}
