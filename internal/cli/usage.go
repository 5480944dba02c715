package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// usagePrice is what the tables show of a price.
type usagePrice struct {
	API      string   `json:"api"`
	Model    string   `json:"model"`
	Input    float64  `json:"input_per_million"`
	Cached   *float64 `json:"cached_input_per_million"`
	Output   float64  `json:"output_per_million"`
	PerCall  float64  `json:"per_call"`
	PerUnits float64  `json:"per_thousand_units"`
	Source   string   `json:"source"`
	Note     string   `json:"note"`
}

// price shows a price with as many decimals as it has.
func price(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (e *env) usagePricingCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pricing [API]", Short: "Show prices, or set one",
		Long: `Show prices in US dollars: per million tokens, per call, per 1,000 units. Those
of the source "default" are shipped estimates.`,
		Example: `  controlcenter usage pricing
  controlcenter usage pricing openai
  controlcenter usage pricing set openai 'gpt-4o*' --input-per-million 2.5 --output-per-million 10
  controlcenter usage pricing rm openai 'gpt-4o*'`,
		Args: maxArgs(1),
		RunE: e.run(func(c *call) error {
			q := url.Values{}
			if len(c.args) == 1 {
				q.Set("api", c.args[0])
			}
			var body struct {
				Pricing []usagePrice `json:"pricing"`
				Note    string       `json:"note"`
			}
			raw, err := c.client.decode(c.ctx, withQuery(usagePath+"/pricing", q), &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("API", "MODEL", "INPUT>", "CACHED>", "OUTPUT>", "CALL>", "1000 UNITS>", "SOURCE", "NOTE")
				for _, p := range body.Pricing {
					cached := price(p.Input)
					if p.Cached != nil {
						cached = price(*p.Cached)
					}
					t.add(shorten(p.API, 24), shorten(p.Model, 40), price(p.Input), cached, price(p.Output), price(p.PerCall), price(p.PerUnits), p.Source, p.Note)
				}
				if err := t.write(e.o.Stdout, e.styled()); err != nil {
					return err
				}
				_, err := fmt.Fprintln(e.o.Stdout, clean(body.Note))
				return err
			})
		}, needDaemon),
	}
	var input, output, cached, perCall, perUnits float64
	var note string
	set := &cobra.Command{
		Use: "set API [MODEL]", Short: "Set a price; patterns with * and | are taken",
		Example: "  controlcenter usage pricing set youtube --per-thousand-units 0.5\n  controlcenter usage pricing set openai 'gpt-4o*' --input-per-million 2.5 --output-per-million 10",
		Args:    usageNames,
		RunE: e.run(func(c *call) error {
			body := map[string]any{
				"api": c.args[0], "input_per_million": input, "output_per_million": output, "per_call": perCall, "per_thousand_units": perUnits, "note": note,
			}
			if len(c.args) == 2 {
				body["model"] = c.args[1]
			}
			if c.cmd.Flags().Changed("cached-input-per-million") {
				body["cached_input_per_million"] = cached
			}
			return e.usageDone(c, http.MethodPut, usagePath+"/pricing", body)
		}, needDaemon),
	}
	f := set.Flags()
	f.Float64Var(&input, "input-per-million", 0, "US dollars per million input tokens")
	f.Float64Var(&cached, "cached-input-per-million", 0, "US dollars per million cached input tokens (as uncached ones when not given)")
	f.Float64Var(&output, "output-per-million", 0, "US dollars per million output tokens")
	f.Float64Var(&perCall, "per-call", 0, "US dollars per call")
	f.Float64Var(&perUnits, "per-thousand-units", 0, "US dollars per 1,000 units")
	f.StringVar(&note, "note", "", "shown with the price")
	rm := &cobra.Command{
		Use: "rm API [MODEL]", Short: "Delete a price that was set",
		Example: "  controlcenter usage pricing rm openai 'gpt-4o*'",
		Args:    usageNames,
		RunE: e.run(func(c *call) error {
			q := url.Values{"api": {c.args[0]}}
			if len(c.args) == 2 {
				q.Set("model", c.args[1])
			}
			return e.usageDone(c, http.MethodDelete, withQuery(usagePath+"/pricing", q), nil)
		}, needDaemon),
	}
	cmd.AddCommand(set, rm)
	return cmd
}

// usageNames takes an API and perhaps a model.
func usageNames(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("missing argument API")
	}
	return maxArgs(2)(nil, args)
}

// tokenFlags are those that tell what a call used.
type tokenFlags struct{ input, output, cached, units, count int64 }

func (f *tokenFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Int64Var(&f.input, "input-tokens", 0, "input tokens, cached ones included")
	fs.Int64Var(&f.output, "output-tokens", 0, "output tokens")
	fs.Int64Var(&f.cached, "cached-tokens", 0, "cached input tokens")
	fs.Int64Var(&f.units, "units", 0, "units of a quota, characters, seconds")
	fs.Int64Var(&f.count, "count", 1, "calls this stands for")
}

// check says which flag is out of the range that the daemon takes.
func (f *tokenFlags) check() error {
	for _, n := range []struct {
		flag     string
		v, least int64
		most     int64
	}{
		{"input-tokens", f.input, 0, 10_000_000_000},
		{"output-tokens", f.output, 0, 10_000_000_000},
		{"cached-tokens", f.cached, 0, f.input},
		{"units", f.units, 0, 10_000_000_000},
		{"count", f.count, 1, 1_000_000},
	} {
		if n.v < n.least || n.v > n.most {
			return usagef("--%s: must be between %d and %d", n.flag, n.least, n.most)
		}
	}
	return nil
}

func (e *env) usageEstimateCmd() *cobra.Command {
	var use tokenFlags
	cmd := &cobra.Command{
		Use: "estimate API [MODEL]", Short: "Say what a call would cost",
		Example: "  controlcenter usage estimate openai gpt-4o --input-tokens 1200 --output-tokens 300",
		Args:    usageNames,
		RunE: e.run(func(c *call) error {
			if err := use.check(); err != nil {
				return err
			}
			q := url.Values{
				"api": {c.args[0]}, "input_tokens": {whole(use.input)}, "output_tokens": {whole(use.output)}, "cached_tokens": {whole(use.cached)},
				"units": {whole(use.units)}, "count": {whole(use.count)},
			}
			if len(c.args) == 2 {
				q.Set("model", c.args[1])
			}
			var body struct {
				Cost   float64    `json:"cost_usd"`
				Input  float64    `json:"input_cost_usd"`
				Cached float64    `json:"cached_input_cost_usd"`
				Output float64    `json:"output_cost_usd"`
				Calls  float64    `json:"calls_cost_usd"`
				Units  float64    `json:"units_cost_usd"`
				Price  usagePrice `json:"price"`
				Note   string     `json:"note"`
			}
			raw, err := c.client.decode(c.ctx, withQuery(usagePath+"/estimate", q), &body)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("PART", "USD>")
				for _, p := range []struct {
					name string
					v    float64
				}{{"input", body.Input}, {"cached input", body.Cached}, {"output", body.Output}, {"calls", body.Calls}, {"units", body.Units}} {
					if p.v > 0 {
						t.add(p.name, price(p.v))
					}
				}
				t.add("cost", price(body.Cost))
				if err := t.write(e.o.Stdout, e.styled()); err != nil {
					return err
				}
				_, err := fmt.Fprintf(e.o.Stdout, "by the price of %s %s (%s). %s\n", clean(body.Price.API), clean(body.Price.Model), clean(body.Price.Source), clean(body.Note))
				return err
			})
		}, needDaemon),
	}
	use.add(cmd)
	return cmd
}

func (e *env) usageTrackCmd() *cobra.Command {
	var use tokenFlags
	var id, file, why string
	var cost, seconds float64
	var failed bool
	cmd := &cobra.Command{
		Use: "track API [MODEL] | track --file FILE|-", Short: "Report calls",
		Long: `Report a call, or with --file many: JSON objects as POST /api/usage/track takes
them, one after another (JSON lines), as a list, or as {"calls": [...]}; "-" reads
stdin. Up to 1,000 calls are counted at once; a call with an id is counted once in
24 hours, so a report can be repeated.`,
		Example: `  controlcenter usage track openai gpt-4o --input-tokens 1200 --output-tokens 300 --id req-17
  controlcenter usage track youtube --units 100
  controlcenter usage track --file calls.jsonl`,
		Args: maxArgs(2),
		RunE: e.run(func(c *call) error {
			if file != "" {
				if len(c.args) > 0 {
					return usagef("--file and an API exclude each other")
				}
				return e.usageTrackFile(c, file)
			}
			if len(c.args) == 0 {
				return usagef("missing argument API")
			}
			if err := use.check(); err != nil {
				return err
			}
			if cost < 0 || seconds < 0 {
				return usagef("--cost and --seconds: must not be below 0")
			}
			body := map[string]any{
				"api": c.args[0], "input_tokens": use.input, "output_tokens": use.output, "cached_tokens": use.cached, "units": use.units, "count": use.count,
				"id": id, "duration_seconds": seconds, "error": why, "success": !failed && why == "",
			}
			if len(c.args) == 2 {
				body["model"] = c.args[1]
			}
			if c.cmd.Flags().Changed("cost") {
				body["cost_usd"] = cost
			}
			return e.usageReport(c, []any{body})
		}, needDaemon),
	}
	use.add(cmd)
	f := cmd.Flags()
	f.StringVar(&id, "id", "", "count this call once in 24 hours")
	f.Float64Var(&cost, "cost", 0, "US dollars the provider charged (estimated when not given)")
	f.Float64Var(&seconds, "seconds", 0, "how long the call took")
	f.BoolVar(&failed, "failed", false, "the call failed")
	f.StringVar(&why, "error", "", "why it failed")
	f.StringVar(&file, "file", "", "report the calls of this file; - for stdin")
	_ = cmd.MarkFlagFilename("file", "json", "jsonl")
	return cmd
}

// trackBatch is how many calls the daemon takes at once.
const trackBatch = 1000

func (e *env) usageTrackFile(c *call, name string) error {
	in, _, err := e.openInput(name)
	if err != nil {
		return err
	}
	defer in.Close()
	text, err := readLimited(in, maxAnswer)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	calls, err := readCalls(text)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	if len(calls) == 0 {
		return usagef("%s holds no calls", name)
	}
	return e.usageReport(c, calls)
}

// readCalls reads JSON values one after another; each is a call, a list of calls, or a batch.
func readCalls(text []byte) ([]any, error) {
	var calls []any
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return calls, nil
		}
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", len(calls)+1, err)
		}
		var list []json.RawMessage
		var batch struct {
			Calls []json.RawMessage `json:"calls"`
		}
		switch {
		case json.Unmarshal(raw, &list) == nil:
		case json.Unmarshal(raw, &batch) == nil && batch.Calls != nil:
			list = batch.Calls
		default:
			list = []json.RawMessage{raw}
		}
		for _, item := range list {
			calls = append(calls, item)
		}
	}
}

// usageTracked is what the daemon says of reported calls.
type usageTracked struct {
	Tracked    int               `json:"tracked"`
	Duplicates int               `json:"duplicates"`
	CostUSD    float64           `json:"cost_usd"`
	Alerts     []json.RawMessage `json:"alerts"`
}

// usageReport sends calls, at most trackBatch at once, and shows what was counted in all.
func (e *env) usageReport(c *call, calls []any) error {
	sum := usageTracked{Alerts: []json.RawMessage{}}
	for from := 0; from < len(calls); from += trackBatch {
		part := calls[from:min(from+trackBatch, len(calls))]
		var one usageTracked
		if _, err := usageSend(c.ctx, c.client, http.MethodPost, usagePath+"/track", map[string]any{"calls": part}, &one); err != nil {
			if sum.Tracked+sum.Duplicates > 0 {
				return fmt.Errorf("%w (%d calls before that were counted)", err, sum.Tracked)
			}
			return err
		}
		sum.Tracked += one.Tracked
		sum.Duplicates += one.Duplicates
		sum.CostUSD += one.CostUSD
		sum.Alerts = append(sum.Alerts, one.Alerts...)
	}
	return e.print(sum, func() error {
		text := fmt.Sprintf("counted %d calls, %s USD", sum.Tracked, dollars(&sum.CostUSD))
		if sum.Duplicates > 0 {
			text += fmt.Sprintf("; %d were counted before", sum.Duplicates)
		}
		for _, a := range sum.Alerts {
			var said struct {
				Message string `json:"message"`
			}
			if err := json.Unmarshal(a, &said); err != nil {
				return fmt.Errorf("read an alert: %w", err)
			}
			text += "\n" + clean(said.Message)
		}
		_, err := fmt.Fprintln(e.o.Stdout, text)
		return err
	})
}

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
