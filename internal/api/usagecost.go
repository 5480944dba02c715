package api

import (
	"context"
	"errors"
	"time"

	"controlcenter/usage"
)

// UsagePrice is a price in US dollars. api and model are patterns over lower-case names.
type UsagePrice struct {
	API         string   `json:"api" doc:"Pattern: * for any text, a vertical bar between alternatives"`
	Service     string   `json:"service" doc:"Same as api"`
	Model       string   `json:"model" doc:"Pattern"`
	Input       float64  `json:"input_per_million" doc:"Per million input tokens that were not cached"`
	Output      float64  `json:"output_per_million" doc:"Per million output tokens"`
	CachedInput *float64 `json:"cached_input_per_million" doc:"Per million cached input tokens; null = as input_per_million"`
	PerCall     float64  `json:"per_call"`
	PerUnits    float64  `json:"per_thousand_units" doc:"Per 1,000 units of a quota, characters or whatever is reported as units"`
	Note        string   `json:"note"`
	Source      string   `json:"source" enum:"api,config,default"`
	AsOf        *string  `json:"as_of" doc:"Day it was written down; null when unknown"`
}

func priceOf(p *usage.Price) UsagePrice {
	return UsagePrice{p.API, p.API, p.Model, p.InputPerMillion, p.OutputPerMillion, p.CachedInputPerMillion, p.PerCall, p.PerThousandUnits, p.Note, p.Source, given(p.AsOf)}
}

// UsagePricing is the answer of GET /api/usage/pricing.
type UsagePricing struct {
	Success  bool         `json:"success"`
	Count    int          `json:"count"`
	Currency string       `json:"currency" doc:"Always USD"`
	AsOf     string       `json:"as_of" doc:"Day the shipped prices were written down"`
	Note     string       `json:"note"`
	Pricing  []UsagePrice `json:"pricing"`
}

func (s *Server) usagePricing(ctx context.Context, in *UsageAPIInput) (*answerOf[UsagePricing], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	list, err := t.Prices(ctx, in.API)
	if err != nil {
		return nil, usageProblem("query", err)
	}
	out := UsagePricing{Success: true, Count: len(list), Currency: "USD", AsOf: usage.PricesAsOf, Note: usage.Disclaimer, Pricing: make([]UsagePrice, len(list))}
	for i := range list {
		out.Pricing[i] = priceOf(&list[i])
	}
	return ok(out), nil
}

// UsageSetPriceInput is the body of PUT /api/usage/pricing.
type UsageSetPriceInput struct {
	Body struct {
		API         string   `json:"api" maxLength:"400" example:"openai" doc:"Name or pattern: * for any text, a vertical bar between alternatives"`
		Model       string   `json:"model,omitempty" maxLength:"400" example:"gpt-4o*" doc:"Name or pattern; every model when not given"`
		Input       float64  `json:"input_per_million,omitempty" minimum:"0" maximum:"100000"`
		Output      float64  `json:"output_per_million,omitempty" minimum:"0" maximum:"100000"`
		CachedInput *float64 `json:"cached_input_per_million,omitempty" minimum:"0" maximum:"100000" doc:"As input_per_million when not given"`
		PerCall     float64  `json:"per_call,omitempty" minimum:"0" maximum:"100000"`
		PerUnits    float64  `json:"per_thousand_units,omitempty" minimum:"0" maximum:"100000"`
		Note        string   `json:"note,omitempty" maxLength:"200"`
	}
}

// UsagePriceSet is its answer.
type UsagePriceSet struct {
	Success bool       `json:"success"`
	Message string     `json:"message"`
	Price   UsagePrice `json:"price"`
}

func (s *Server) usageSetPrice(ctx context.Context, in *UsageSetPriceInput) (*answerOf[UsagePriceSet], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	b := &in.Body
	p, err := t.SetPrice(ctx, usage.Price{
		API: b.API, Model: b.Model, InputPerMillion: b.Input, OutputPerMillion: b.Output, CachedInputPerMillion: b.CachedInput, PerCall: b.PerCall,
		PerThousandUnits: b.PerUnits, Note: b.Note,
	})
	if err != nil {
		return nil, usageProblem("body", err)
	}
	return ok(UsagePriceSet{true, "price set", priceOf(&p)}), nil
}

// UsageDeletePriceInput are the parameters of DELETE /api/usage/pricing.
type UsageDeletePriceInput struct {
	API   string `query:"api" required:"true" maxLength:"400" doc:"Pattern as it was set"`
	Model string `query:"model" maxLength:"400" doc:"Pattern as it was set; * when not given"`
}

func (s *Server) usageDeletePrice(ctx context.Context, in *UsageDeletePriceInput) (*answerOf[DoneBody], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	if err := t.DeletePrice(ctx, in.API, in.Model); err != nil {
		return nil, usageProblem("query", err)
	}
	return ok(done("price deleted")), nil
}

// UsageEstimateInput are the parameters of GET /api/usage/estimate.
type UsageEstimateInput struct {
	API          string `query:"api" required:"true" maxLength:"64" example:"youtube"`
	Model        string `query:"model" maxLength:"128" example:"gpt-4o"`
	InputTokens  int64  `query:"input_tokens" minimum:"0" maximum:"10000000000" doc:"Cached ones included"`
	OutputTokens int64  `query:"output_tokens" minimum:"0" maximum:"10000000000"`
	CachedTokens int64  `query:"cached_tokens" minimum:"0" maximum:"10000000000" doc:"Part of input_tokens"`
	Units        int64  `query:"units" minimum:"0" maximum:"10000000000"`
	Count        int64  `query:"count" default:"1" minimum:"1" maximum:"1000000" doc:"Calls; tokens and units are those of all of them"`
}

// UsageEstimate is its answer. The parts add up to the cost.
type UsageEstimate struct {
	Success      bool       `json:"success"`
	API          string     `json:"api"`
	Service      string     `json:"service" doc:"Same as api"`
	Model        string     `json:"model"`
	InputTokens  int64      `json:"input_tokens"`
	OutputTokens int64      `json:"output_tokens"`
	CachedTokens int64      `json:"cached_tokens"`
	Units        int64      `json:"units"`
	Count        int64      `json:"count"`
	CostUSD      num        `json:"cost_usd"`
	Cost         num        `json:"cost" doc:"Same as cost_usd"`
	Estimated    num        `json:"estimated_cost" doc:"Same as cost_usd"`
	CostMicro    int64      `json:"cost_micro_usd" doc:"Millionths of a US dollar, rounded"`
	Input        num        `json:"input_cost_usd" doc:"Of input that was not cached"`
	CachedInput  num        `json:"cached_input_cost_usd"`
	Output       num        `json:"output_cost_usd"`
	Calls        num        `json:"calls_cost_usd"`
	UnitsCost    num        `json:"units_cost_usd"`
	Currency     string     `json:"currency" doc:"Always USD"`
	Price        UsagePrice `json:"price" doc:"By which it was computed"`
	Note         string     `json:"note"`
}

func (s *Server) usageEstimate(ctx context.Context, in *UsageEstimateInput) (*answerOf[UsageEstimate], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	c, p, k, err := t.Estimate(ctx, usage.Call{
		API: in.API, Model: in.Model, InputTokens: in.InputTokens, OutputTokens: in.OutputTokens, CachedTokens: in.CachedTokens, Units: in.Units, Count: in.Count,
	})
	if err != nil {
		return nil, usageProblem("query", err)
	}
	usd := func(u usage.USD) num { return num(u.Dollars()) }
	return ok(UsageEstimate{
		Success: true, API: c.API, Service: c.API, Model: c.Model, InputTokens: c.InputTokens, OutputTokens: c.OutputTokens, CachedTokens: c.CachedTokens,
		Units: c.Units, Count: c.Count, CostUSD: usd(k.Sum), Cost: usd(k.Sum), Estimated: usd(k.Sum), CostMicro: k.Sum.Micro(), Input: usd(k.Input),
		CachedInput: usd(k.CachedInput), Output: usd(k.Output), Calls: usd(k.Calls), UnitsCost: usd(k.Units), Currency: "USD", Price: priceOf(&p),
		Note: usage.Disclaimer,
	}), nil
}

// UsageBudget is a budget and what is used of it.
type UsageBudget struct {
	API        string        `json:"api" doc:"total = all APIs"`
	DailyUSD   num           `json:"daily_usd" doc:"null = no limit"`
	MonthlyUSD num           `json:"monthly_usd" doc:"null = no limit"`
	Source     *string       `json:"source" doc:"config or api; null when there is no budget"`
	Periods    []UsagePeriod `json:"periods" doc:"The running day and month"`
}

// UsagePeriod is the running day or month of a budget.
type UsagePeriod struct {
	Period       string `json:"period" enum:"daily,monthly"`
	Start        string `json:"start" format:"date-time"`
	End          string `json:"end" format:"date-time" doc:"First moment of the next"`
	LimitUSD     num    `json:"limit_usd" doc:"null = no limit"`
	SpentUSD     num    `json:"spent_usd"`
	RemainingUSD num    `json:"remaining_usd" doc:"0 when it is used up, null without a limit"`
	Percent      num    `json:"percent" doc:"Used; above 100 when exceeded, null without a limit"`
	State        string `json:"state" enum:"unlimited,ok,warning,exceeded" doc:"warning from 80 % on, exceeded from 100 % on"`
}

func usageBudget(b *usage.Budget) UsageBudget {
	out := UsageBudget{API: b.API, DailyUSD: unknown(), MonthlyUSD: unknown(), Source: given(b.Source), Periods: []UsagePeriod{}}
	for _, p := range b.Periods {
		row := UsagePeriod{
			Period: p.Name, Start: stamp(p.Start), End: stamp(p.End), LimitUSD: unknown(), SpentUSD: num(p.Spent.Dollars()), RemainingUSD: unknown(), Percent: unknown(),
			State: p.State(),
		}
		if p.Limit > 0 {
			row.LimitUSD, row.RemainingUSD, row.Percent = num(p.Limit.Dollars()), num(max(p.Limit-p.Spent, 0).Dollars()), round1(p.Percent())
			if p.Name == "daily" {
				out.DailyUSD = row.LimitUSD
			} else {
				out.MonthlyUSD = row.LimitUSD
			}
		}
		out.Periods = append(out.Periods, row)
	}
	return out
}

func usageBudgets(list []usage.Budget) []UsageBudget {
	out := make([]UsageBudget, len(list))
	for i := range list {
		out[i] = usageBudget(&list[i])
	}
	return out
}

// UsageBudgets is the answer of GET /api/usage/budgets.
type UsageBudgets struct {
	Success   bool          `json:"success"`
	Count     int           `json:"count"`
	Timezone  string        `json:"timezone" doc:"Of days and months: always UTC"`
	Timestamp string        `json:"timestamp" format:"date-time"`
	Budgets   []UsageBudget `json:"budgets"`
}

func (s *Server) usageBudgets(ctx context.Context, _ *noInput) (*answerOf[UsageBudgets], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	list, err := t.Budgets(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows it
	}
	return ok(UsageBudgets{true, len(list), "UTC", stamp(time.Now()), usageBudgets(list)}), nil
}

// UsageBudgetInput names a budget.
type UsageBudgetInput struct {
	API string `path:"api" maxLength:"64" example:"total" doc:"Name of the API; total for all of them"`
}

// UsageBudgetBody is one budget.
type UsageBudgetBody struct {
	Success bool        `json:"success"`
	Budget  UsageBudget `json:"budget"`
}

func (s *Server) usageBudget(ctx context.Context, in *UsageBudgetInput) (*answerOf[UsageBudgetBody], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	b, err := t.Budget(ctx, in.API)
	if err != nil {
		return nil, usageProblem("path", err)
	}
	return ok(UsageBudgetBody{true, usageBudget(&b)}), nil
}

// UsageSetBudgetInput are path and body of PUT /api/usage/budgets/{api}.
type UsageSetBudgetInput struct {
	UsageBudgetInput
	Body struct {
		Daily   *float64 `json:"daily_usd,omitempty" minimum:"0" maximum:"1000000000" doc:"Per UTC day; 0, null or not given = no limit"`
		Monthly *float64 `json:"monthly_usd,omitempty" minimum:"0" maximum:"1000000000" doc:"Per UTC month; likewise"`
	}
}

func (s *Server) usageSetBudget(ctx context.Context, in *UsageSetBudgetInput) (*answerOf[UsageBudgetBody], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	var l usage.Limits
	if v := in.Body.Daily; v != nil {
		l.DailyUSD = *v
	}
	if v := in.Body.Monthly; v != nil {
		l.MonthlyUSD = *v
	}
	if err := t.SetBudget(ctx, in.API, l); err != nil {
		at := "body"
		if bad, ok := errors.AsType[*usage.InvalidError](err); ok && bad.Field == "api" {
			at = "path"
		}
		return nil, usageProblem(at, err)
	}
	return s.usageBudget(ctx, &in.UsageBudgetInput)
}

func (s *Server) usageDeleteBudget(ctx context.Context, in *UsageBudgetInput) (*answerOf[DoneBody], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	if err := t.DeleteBudget(ctx, in.API); err != nil {
		return nil, usageProblem("path", err)
	}
	return ok(done("budget deleted")), nil
}
