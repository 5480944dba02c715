package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"controlcenter/usage"
)

// usagePrefix is where the routes of API usage are; usageAlias, where one older client looks for them.
const (
	usagePrefix = "/api/usage"
	usageAlias  = "/api/api-usage"
)

func (s *Server) usageRows() []*row {
	alias := func(r *row) { r.hidden = true }
	return slices.Concat(s.usageRowsAt(usagePrefix), s.usageRowsAt(usageAlias, alias))
}

func (s *Server) usageRowsAt(at string, more ...option) []*row {
	with := func(opts ...option) []option {
		return []option{func(r *row) { r.with(opts).with([]option{group("API usage")}).with(more) }}
	}
	return []*row{
		typed(s, "POST", at+"/track", operator, "Count calls to an outside API", s.usageTrack, with(about(
			"The body is one call, or up to 1,000 of them as `{\"calls\": [...]}`. All are counted or, when one is refused, none. A call with an `id` is counted "+
				"once in 24 hours however often it is sent, so a report whose answer was lost can be sent again. Without `cost_usd` the cost is estimated by the price "+
				"(`GET /api/usage/pricing`); without a price it is 0 and the call counts as unpriced.\n\n"+
				"All routes below `/api/usage` also answer below `/api/api-usage`. Days and months are those of UTC."), unaudited)...),
		typed(s, "GET", at+"/stats", viewer, "What was counted since ever, per API and model", s.usageStats, with()...),
		typed(s, "GET", at+"/history", viewer, "What was counted per UTC day", s.usageHistory, with(about(
			"`daily` has each day, also those without calls; `history` one row per day, API and model that was used, the newest 10,000."))...),
		typed(s, "GET", at+"/summary", viewer, "The last days, the dearest APIs and models, the budgets", s.usageSummary, with()...),
		typed(s, "GET", at+"/recent", viewer, "The last calls as they were counted, newest first", s.usageRecent, with()...),
		typed(s, "GET", at+"/pricing", viewer, "Prices, the strongest source first", s.usagePricing, with(about(
			"Of several prices that match a call, those set here (`api`) win over those of the configuration file (`config`), those over the shipped ones (`default`); "+
				"within a source the one that says more of the API's name, then of the model's. "+usage.Disclaimer))...),
		typed(s, "PUT", at+"/pricing", admin, "Set a price", s.usageSetPrice, with(about(
			"Replaces the price set before for the same `api` and `model` patterns. Calls that were counted keep their cost."))...),
		typed(s, "DELETE", at+"/pricing", admin, "Delete a price that was set", s.usageDeletePrice, with(about(
			"404 when none was set for exactly these patterns, 409 when the price is the configuration file's."))...),
		typed(s, "GET", at+"/estimate", viewer, "What a call would cost", s.usageEstimate, with(about("404 when no price is known."))...),
		typed(s, "GET", at+"/budgets", viewer, "Budgets and what is used of them", s.usageBudgets, with()...),
		typed(s, "GET", at+"/budgets/{api}", viewer, "The budget of an API, or of all", s.usageBudget, with(about(
			"Where there is none, the limits are null and the answer tells what was spent."))...),
		typed(s, "PUT", at+"/budgets/{api}", admin, "Set the budget of an API, or of all", s.usageSetBudget, with(about(
			"Wins over the budget of the configuration file. At 80 and at 100 % an event `usage.budget` is sent and kept, once per period."))...),
		typed(s, "DELETE", at+"/budgets/{api}", admin, "Delete a budget that was set", s.usageDeleteBudget, with(about(
			"The budget of the configuration file, if there is one, is in force again; that one cannot be deleted here (409)."))...),
	}
}

// tracker is nil's answer: 503.
func (s *Server) tracker() (*usage.Tracker, error) {
	if s.o.Usage == nil {
		return nil, problem(http.StatusServiceUnavailable, "API usage is not counted here")
	}
	return s.o.Usage, nil
}

// usageProblem turns what package usage refuses into answers; in says where the field was: body, query or path.
func usageProblem(in string, err error) error {
	if bad, ok := errors.AsType[*usage.InvalidError](err); ok {
		return invalid(FieldError{Loc: []string{in, bad.Field}, Msg: bad.Text, Type: "value"})
	}
	if gone, ok := errors.AsType[*usage.NotFoundError](err); ok {
		return problem(http.StatusNotFound, gone.Error())
	}
	if owned, ok := errors.AsType[*usage.ConfigOwnedError](err); ok {
		return problem(http.StatusConflict, owned.Error())
	}
	return err
}

// UsageCall is a call as it is reported.
type UsageCall struct {
	ID           string     `json:"id,omitempty" maxLength:"128" doc:"Counted once in 24 hours; any text without blanks"`
	API          string     `json:"api,omitempty" maxLength:"64" example:"openai" doc:"Letters, digits, '.', '_' and '-'; letter case is dropped"`
	Service      string     `json:"service,omitempty" maxLength:"64" doc:"Older name of api"`
	Model        string     `json:"model,omitempty" maxLength:"128" example:"gpt-4o" doc:"Letters, digits and . _ : / @ + -; letter case is dropped"`
	Count        int64      `json:"count,omitempty" minimum:"0" maximum:"1000000" doc:"Calls this stands for; 1 when not given"`
	InputTokens  int64      `json:"input_tokens,omitempty" minimum:"0" maximum:"10000000000" doc:"Cached ones included"`
	OutputTokens int64      `json:"output_tokens,omitempty" minimum:"0" maximum:"10000000000"`
	CachedTokens int64      `json:"cached_tokens,omitempty" minimum:"0" maximum:"10000000000" doc:"The part of input_tokens that the provider had cached"`
	Units        int64      `json:"units,omitempty" minimum:"0" maximum:"10000000000" doc:"Units of a quota, characters, seconds: what per_thousand_units counts"`
	CostUSD      *float64   `json:"cost_usd,omitempty" minimum:"0" maximum:"1000000" doc:"What the provider charged; estimated when not given"`
	Cost         *float64   `json:"cost,omitempty" minimum:"0" maximum:"1000000" doc:"Older name of cost_usd"`
	Duration     float64    `json:"duration_seconds,omitempty" minimum:"0" maximum:"1000000"`
	Success      *bool      `json:"success,omitempty" doc:"false: the call failed"`
	Error        string     `json:"error,omitempty" maxLength:"10000" doc:"Why the call failed; 500 characters are kept"`
	Timestamp    *time.Time `json:"timestamp,omitempty" doc:"With a zone; from 90 days ago to 5 minutes ahead; now when not given. Its UTC day is the day it counts for"`
}

func (c *UsageCall) call() usage.Call {
	out := usage.Call{
		ID: c.ID, API: c.API, Model: c.Model, Count: c.Count, InputTokens: c.InputTokens, OutputTokens: c.OutputTokens, CachedTokens: c.CachedTokens,
		Units: c.Units, CostUSD: c.CostUSD, Duration: time.Duration(c.Duration * float64(time.Second)), Error: c.Error,
		Failed: c.Success != nil && !*c.Success,
	}
	if out.API == "" {
		out.API = c.Service
	}
	if out.CostUSD == nil {
		out.CostUSD = c.Cost
	}
	if c.Timestamp != nil {
		out.At = *c.Timestamp
	}
	return out
}

// UsageTrackInput is the body of POST /api/usage/track.
type UsageTrackInput struct{ Body UsageTrackBody }

// UsageTrackBody is one call, or several as calls.
type UsageTrackBody struct {
	UsageCall
	Calls []UsageCall `json:"calls,omitempty" maxItems:"1000" doc:"Several calls; nothing else may then be given"`
}

// UsageTracked is its answer.
type UsageTracked struct {
	Success    bool               `json:"success"`
	Message    string             `json:"message"`
	Tracked    int                `json:"tracked" doc:"Reported calls that were counted"`
	Duplicates int                `json:"duplicates" doc:"Reported calls whose id was counted before"`
	CostUSD    num                `json:"cost_usd" doc:"Added by this report"`
	Cost       num                `json:"cost" doc:"Same as cost_usd"`
	Calls      []UsageCallCounted `json:"calls" doc:"One per reported call, in its order"`
	Alerts     []UsageAlert       `json:"alerts" doc:"Budgets that passed 80 or 100 % by this report"`
	Timestamp  string             `json:"timestamp" format:"date-time"`
}

// UsageCallCounted is a call as it was counted.
type UsageCallCounted struct {
	ID           string `json:"id,omitempty"`
	Timestamp    string `json:"timestamp" format:"date-time"`
	API          string `json:"api"`
	Service      string `json:"service" doc:"Same as api"`
	Model        string `json:"model"`
	Count        int64  `json:"count"`
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	CachedTokens int64  `json:"cached_tokens"`
	Units        int64  `json:"units"`
	CostUSD      num    `json:"cost_usd"`
	Cost         num    `json:"cost" doc:"Same as cost_usd"`
	CostMicro    int64  `json:"cost_micro_usd" doc:"Millionths of a US dollar, rounded"`
	Priced       bool   `json:"priced" doc:"false: no price is known, the cost is 0"`
	Duplicate    bool   `json:"duplicate" doc:"The id was counted before; nothing was added"`
	Duration     num    `json:"duration_seconds"`
	Success      bool   `json:"success"`
	Error        string `json:"error,omitempty"`
}

// UsageAlert is a budget that passed a threshold.
type UsageAlert struct {
	API      string `json:"api" doc:"total = all APIs"`
	Period   string `json:"period" enum:"daily,monthly"`
	Start    string `json:"start" format:"date-time"`
	Percent  int    `json:"percent" enum:"80,100"`
	LimitUSD num    `json:"limit_usd"`
	SpentUSD num    `json:"spent_usd"`
	Message  string `json:"message"`
}

func counted(r *usage.Recorded) UsageCallCounted {
	return UsageCallCounted{
		ID: r.ID, Timestamp: stamp(r.At), API: r.API, Service: r.API, Model: r.Model, Count: r.Count, InputTokens: r.InputTokens, OutputTokens: r.OutputTokens,
		CachedTokens: r.CachedTokens, Units: r.Units, CostUSD: num(r.Cost.Dollars()), Cost: num(r.Cost.Dollars()), CostMicro: r.Cost.Micro(),
		Priced: r.Priced, Duplicate: r.Duplicate, Duration: num(r.Duration.Seconds()), Success: !r.Failed, Error: r.Error,
	}
}

func (s *Server) usageTrack(ctx context.Context, in *UsageTrackInput) (*answerOf[UsageTracked], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	given := []UsageCall{in.Body.UsageCall}
	if in.Body.Calls != nil {
		if in.Body.UsageCall != (UsageCall{}) {
			return nil, invalid(FieldError{Loc: []string{"body", "calls"}, Msg: "cannot be given beside the fields of one call", Type: "value"})
		}
		given = in.Body.Calls
	}
	calls := make([]usage.Call, len(given))
	for i := range given {
		calls[i] = given[i].call()
	}
	done, err := t.Track(ctx, calls...)
	if err != nil {
		return nil, usageProblem("body", err)
	}
	cost := num(done.Cost.Dollars())
	out := UsageTracked{
		Success: true, Message: "counted", Tracked: len(calls) - done.Duplicates, Duplicates: done.Duplicates, CostUSD: cost, Cost: cost,
		Calls: make([]UsageCallCounted, len(done.Calls)), Alerts: []UsageAlert{}, Timestamp: stamp(time.Now()),
	}
	if out.Tracked == 0 {
		out.Message = "counted before"
	}
	for i := range done.Calls {
		out.Calls[i] = counted(&done.Calls[i])
	}
	for _, a := range done.Alerts {
		out.Alerts = append(out.Alerts, UsageAlert{a.API, a.Period, stamp(a.Start), a.Percent, num(a.Limit.Dollars()), num(a.Spent.Dollars()), a.String()})
	}
	return ok(out), nil
}

// UsageCounts is what calls add up to. Money is in US dollars.
type UsageCounts struct {
	Calls           int64 `json:"calls"`
	Errors          int64 `json:"errors" doc:"Calls that failed"`
	UnpricedCalls   int64 `json:"unpriced_calls" doc:"Calls without a known price: their cost counts as 0"`
	InputTokens     int64 `json:"input_tokens" doc:"Cached ones included"`
	OutputTokens    int64 `json:"output_tokens"`
	CachedTokens    int64 `json:"cached_tokens" doc:"Part of input_tokens"`
	TotalTokens     int64 `json:"total_tokens" doc:"Input and output"`
	Units           int64 `json:"units"`
	CostUSD         num   `json:"cost_usd"`
	Cost            num   `json:"cost" doc:"Same as cost_usd"`
	CostMicro       int64 `json:"cost_micro_usd" doc:"Millionths of a US dollar, rounded"`
	Duration        num   `json:"duration_seconds" doc:"Of all calls together"`
	AverageDuration num   `json:"average_duration_seconds" doc:"null without calls"`
}

func countsOf(c usage.Counts) UsageCounts {
	average := unknown()
	if c.Calls > 0 {
		average = num(c.Duration.Seconds() / float64(c.Calls))
	}
	return UsageCounts{
		Calls: c.Calls, Errors: c.Errors, UnpricedCalls: c.Unpriced, InputTokens: c.InputTokens, OutputTokens: c.OutputTokens, CachedTokens: c.CachedTokens,
		TotalTokens: c.InputTokens + c.OutputTokens, Units: c.Units, CostUSD: num(c.Cost.Dollars()), Cost: num(c.Cost.Dollars()), CostMicro: c.Cost.Micro(),
		Duration: num(c.Duration.Seconds()), AverageDuration: average,
	}
}

// UsageAPI is one API and its models.
type UsageAPI struct {
	API     string `json:"api"`
	Service string `json:"service" doc:"Same as api"`
	UsageCounts
	FirstUsed *string      `json:"first_used" format:"date-time"`
	LastUsed  *string      `json:"last_used" format:"date-time"`
	Models    []UsageModel `json:"models"`
}

// UsageModel is one model of an API.
type UsageModel struct {
	API   string `json:"api"`
	Model string `json:"model" doc:"Empty where the API has none"`
	UsageCounts
	FirstUsed *string `json:"first_used" format:"date-time"`
	LastUsed  *string `json:"last_used" format:"date-time"`
}

func stampOf(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return given(stamp(t))
}

func usageModels(list []usage.ModelUsage) []UsageModel {
	out := make([]UsageModel, len(list))
	for i, m := range list {
		out[i] = UsageModel{m.API, m.Model, countsOf(m.Counts), stampOf(m.First), stampOf(m.Last)}
	}
	return out
}

func usageAPIs(list []usage.APIUsage) []UsageAPI {
	out := make([]UsageAPI, len(list))
	for i, a := range list {
		out[i] = UsageAPI{a.API, a.API, countsOf(a.Counts), stampOf(a.First), stampOf(a.Last), usageModels(a.Models)}
	}
	return out
}

// UsageAPIInput chooses an API.
type UsageAPIInput struct {
	API string `query:"api" maxLength:"64" doc:"Only this API"`
}

// UsageStats is the answer of GET /api/usage/stats.
type UsageStats struct {
	Success   bool        `json:"success"`
	Timestamp string      `json:"timestamp" format:"date-time"`
	Timezone  string      `json:"timezone" doc:"Of days and months: always UTC"`
	Since     *string     `json:"since" format:"date-time" doc:"First call; null when there was none"`
	Total     UsageCounts `json:"total" doc:"Since ever"`
	Today     UsageCounts `json:"today" doc:"The running UTC day"`
	Month     UsageCounts `json:"month" doc:"The running UTC month"`
	Forecast  num         `json:"month_forecast_usd" doc:"The month at the pace so far; null on its first day"`
	Count     int         `json:"count" doc:"APIs"`
	APIs      []UsageAPI  `json:"apis" doc:"The dearest first"`
}

func statsOfUsage(st usage.Stats) UsageStats {
	forecast := unknown()
	if st.MonthForecastCost > 0 {
		forecast = num(st.MonthForecastCost.Dollars())
	}
	return UsageStats{
		Success: true, Timestamp: stamp(time.Now()), Timezone: "UTC", Since: stampOf(st.Since), Total: countsOf(st.Total), Today: countsOf(st.Today),
		Month: countsOf(st.Month), Forecast: forecast, Count: len(st.APIs), APIs: usageAPIs(st.APIs),
	}
}

func (s *Server) usageStats(ctx context.Context, in *UsageAPIInput) (*answerOf[UsageStats], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	st, err := t.Stats(ctx, in.API)
	if err != nil {
		return nil, usageProblem("query", err)
	}
	return ok(statsOfUsage(st)), nil
}

// UsageHistoryInput are the parameters of GET /api/usage/history.
type UsageHistoryInput struct {
	Days  int    `query:"days" default:"30" minimum:"1" maximum:"800" doc:"Days back, today included"`
	API   string `query:"api" maxLength:"64" doc:"Only this API"`
	Model string `query:"model" maxLength:"128" doc:"Only this model"`
}

// UsageDay is a UTC day, in history that of one API and model.
type UsageDay struct {
	Date    string `json:"date" doc:"YYYY-MM-DD, UTC"`
	API     string `json:"api,omitempty"`
	Service string `json:"service,omitempty" doc:"Same as api"`
	Model   string `json:"model,omitempty"`
	UsageCounts
}

// UsageHistory is its answer.
type UsageHistory struct {
	Success   bool        `json:"success"`
	Days      int         `json:"days"`
	API       *string     `json:"api"`
	Model     *string     `json:"model"`
	From      string      `json:"from" doc:"First day"`
	To        string      `json:"to" doc:"Last day: today"`
	Timezone  string      `json:"timezone" doc:"Of the days: always UTC"`
	Total     UsageCounts `json:"total" doc:"Of all these days"`
	Count     int         `json:"count" doc:"Rows of history"`
	Truncated bool        `json:"truncated" doc:"Older rows of history were left out; daily has them"`
	History   []UsageDay  `json:"history" doc:"Per day, API and model; rising"`
	Daily     []UsageDay  `json:"daily" doc:"Per day, each day; rising"`
}

func usageDays(list []usage.Day) []UsageDay {
	out := make([]UsageDay, len(list))
	for i, d := range list {
		out[i] = UsageDay{d.Day, d.API, d.API, d.Model, countsOf(d.Counts)}
	}
	return out
}

func (s *Server) usageHistory(ctx context.Context, in *UsageHistoryInput) (*answerOf[UsageHistory], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	h, err := t.History(ctx, in.Days, in.API, in.Model)
	if err != nil {
		return nil, usageProblem("query", err)
	}
	return ok(UsageHistory{
		Success: true, Days: in.Days, API: given(in.API), Model: given(in.Model), From: h.From, To: h.To, Timezone: "UTC", Total: countsOf(h.Total()),
		Count: len(h.Rows), Truncated: h.Truncated, History: usageDays(h.Rows), Daily: usageDays(h.Daily),
	}), nil
}

// UsageSummary is the answer of GET /api/usage/summary.
type UsageSummary struct {
	Success       bool          `json:"success"`
	Timestamp     string        `json:"timestamp" format:"date-time"`
	Timezone      string        `json:"timezone" doc:"Of days and months: always UTC"`
	Since         *string       `json:"since" format:"date-time" doc:"First call; null when there was none"`
	Today         UsageCounts   `json:"today"`
	Yesterday     UsageCounts   `json:"yesterday"`
	Week          UsageCounts   `json:"last_7_days" doc:"Today included"`
	ThirtyDays    UsageCounts   `json:"last_30_days" doc:"Today included"`
	Month         UsageCounts   `json:"month" doc:"The running UTC month"`
	Total         UsageCounts   `json:"total" doc:"Since ever"`
	Forecast      num           `json:"month_forecast_usd" doc:"The month at the pace so far; null on its first day"`
	TopAPIs       []UsageAPI    `json:"top_apis" doc:"The dearest of the last 30 days, five at most"`
	TopModels     []UsageModel  `json:"top_models" doc:"Likewise"`
	APIs          int           `json:"apis" doc:"APIs ever used"`
	Models        int           `json:"models" doc:"Models ever used"`
	DaysWithCalls int           `json:"days_with_calls" doc:"Of the last 30"`
	Budgets       []UsageBudget `json:"budgets"`
	Note          string        `json:"note"`
}

func (s *Server) usageSummary(ctx context.Context, _ *noInput) (*answerOf[UsageSummary], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	sum, err := t.Summary(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows it
	}
	st := statsOfUsage(sum.Stats)
	return ok(UsageSummary{
		Success: true, Timestamp: st.Timestamp, Timezone: st.Timezone, Since: st.Since, Today: st.Today, Yesterday: countsOf(sum.Yesterday),
		Week: countsOf(sum.Week), ThirtyDays: countsOf(sum.ThirtyDays), Month: st.Month, Total: st.Total, Forecast: st.Forecast,
		TopAPIs: usageAPIs(sum.TopAPIs), TopModels: usageModels(sum.TopModels), APIs: st.Count, Models: sum.ModelsTracked, DaysWithCalls: sum.DaysWithCalls,
		Budgets: usageBudgets(sum.Budgets), Note: usage.Disclaimer,
	}), nil
}

// UsageRecentInput are the parameters of GET /api/usage/recent.
type UsageRecentInput struct {
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"Calls returned"`
	API   string `query:"api" maxLength:"64" doc:"Only this API"`
}

// UsageRecent is its answer.
type UsageRecent struct {
	Success bool               `json:"success"`
	Count   int                `json:"count"`
	Calls   []UsageCallCounted `json:"calls" doc:"Of the last 1,000, newest first"`
}

func (s *Server) usageRecent(ctx context.Context, in *UsageRecentInput) (*answerOf[UsageRecent], error) {
	t, err := s.tracker()
	if err != nil {
		return nil, err
	}
	list, err := t.Recent(ctx, in.Limit, in.API)
	if err != nil {
		return nil, usageProblem("query", err)
	}
	out := UsageRecent{Success: true, Count: len(list), Calls: make([]UsageCallCounted, len(list))}
	for i := range list {
		out.Calls[i] = counted(&list[i])
	}
	return ok(out), nil
}
