package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

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
