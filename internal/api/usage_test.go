package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"controlcenter/usage"
)

// send sends a JSON body and returns the answer.
func (s *site) send(method, path, body string) reply {
	s.t.Helper()
	return s.ask(method, path, strings.NewReader(body), "Content-Type", "application/json")
}

// done checks for 200 and returns the body.
func (r reply) done(t *testing.T) map[string]any {
	t.Helper()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.body)
	}
	var m map[string]any
	r.decode(t, &m)
	wantAt(t, m, true, "success")
	return m
}

func TestUsageIsTrackedAndReported(t *testing.T) {
	s := start(t, nil, nil)
	m := s.send("POST", "/api/usage/track", `{"api":"OpenAI","model":"gpt-4o","input_tokens":1000000,"cached_tokens":400000,"output_tokens":100000,"duration_seconds":1.5,"id":"r1"}`).done(t)
	wantAt(t, m, 1.0, "tracked")
	wantAt(t, m, 3.0, "cost_usd") // 1.5 + 0.5 + 1
	wantAt(t, m, 3.0, "cost")
	wantAt(t, m, "openai", "calls", 0, "api")
	wantAt(t, m, true, "calls", 0, "priced")
	m = s.send("POST", "/api/usage/track", `{"calls":[{"service":"openai","cost":0.1,"id":"r1"},{"service":"youtube","units":100},{"api":"odd","success":false,"timestamp":"`+
		time.Now().UTC().AddDate(0, 0, -1).Format(time.RFC3339)+`"}]}`).done(t)
	wantAt(t, m, 2.0, "tracked")
	wantAt(t, m, 1.0, "duplicates")
	wantAt(t, m, true, "calls", 0, "duplicate")
	wantAt(t, m, false, "calls", 2, "priced")
	for _, prefix := range []string{"/api/usage", "/api/api-usage"} {
		m = s.get(prefix + "/stats").done(t)
		wantAt(t, m, 3.0, "total", "calls")
		wantAt(t, m, 2.0, "today", "calls")
		wantAt(t, m, 1.0, "total", "errors")
		wantAt(t, m, 1.0, "total", "unpriced_calls")
		wantAt(t, m, 1100000.0, "total", "total_tokens")
		wantAt(t, m, 3000000.0, "total", "cost_micro_usd")
		wantAt(t, m, "openai", "apis", 0, "api")
		wantAt(t, m, "gpt-4o", "apis", 0, "models", 0, "model")
		wantAt(t, m, 1.5, "apis", 0, "average_duration_seconds")
		wantAt(t, m, "UTC", "timezone")
		wantAt(t, s.get(prefix+"/stats?api=youtube").done(t), 100.0, "total", "units")
		m = s.get(prefix + "/history?days=2&api=odd").done(t)
		wantAt(t, m, 1.0, "daily", 0, "calls")
		wantAt(t, m, 0.0, "daily", 1, "calls")
		wantAt(t, m, "odd", "history", 0, "service")
		wantAt(t, m, 1.0, "count")
		wantAt(t, s.get(prefix+"/history").done(t), 30.0, "days")
		m = s.get(prefix + "/summary").done(t)
		wantAt(t, m, 3.0, "last_30_days", "calls")
		wantAt(t, m, "openai", "top_apis", 0, "api")
		wantAt(t, m, 3.0, "models")
		m = s.get(prefix + "/recent?limit=1").done(t)
		wantAt(t, m, "odd", "calls", 0, "api")
		wantAt(t, m, false, "calls", 0, "success")
		m = s.get(prefix + "/estimate?api=openai&model=gpt-4o&input_tokens=1000&output_tokens=100").done(t)
		wantAt(t, m, 0.0035, "cost_usd")
		wantAt(t, m, 0.0025, "input_cost_usd")
		wantAt(t, m, "default", "price", "source")
		wantAt(t, m, usage.PricesAsOf, "price", "as_of")
	}
}

func TestUsagePricesAndBudgetsAreSetAndDeleted(t *testing.T) {
	s := start(t, func(o *Options) {
		var err error
		o.Usage, err = usage.Open(t.Context(), usage.Options{Store: o.Store, Log: slog.New(slog.DiscardHandler)}, usage.Settings{
			Pricing: []usage.Price{{API: "filed", PerCall: 1}}, Budgets: map[string]usage.Limits{"filed": {DailyUSD: 10}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}, nil)
	m := s.send("PUT", "/api/usage/pricing", `{"api":"Acme","model":"x*","input_per_million":4,"per_call":0.5,"note":"guess"}`).done(t)
	wantAt(t, m, "api", "price", "source")
	wantAt(t, m, nil, "price", "cached_input_per_million")
	m = s.get("/api/usage/pricing?api=acme").done(t)
	wantAt(t, m, 1.0, "count")
	wantAt(t, m, "x*", "pricing", 0, "model")
	if note := at(t, m, "note").(string); !strings.Contains(note, "check your provider") {
		t.Errorf("note %q", note)
	}
	wantAt(t, s.get("/api/usage/estimate?api=acme&model=x1&count=2").done(t), 1.0, "cost_usd")
	s.ask("DELETE", "/api/usage/pricing?api=acme&model=x*", nil).done(t)
	wantProblem(t, s.get("/api/usage/estimate?api=acme&model=x1"), 404, "no price known for API acme, model x1")
	wantProblem(t, s.ask("DELETE", "/api/usage/pricing?api=acme&model=x*", nil), 404, "no price set")
	wantProblem(t, s.ask("DELETE", "/api/usage/pricing?api=filed", nil), 409, "configuration file")

	m = s.get("/api/usage/budgets/acme").done(t)
	wantAt(t, m, nil, "budget", "source")
	wantAt(t, m, nil, "budget", "daily_usd")
	wantAt(t, m, "unlimited", "budget", "periods", 0, "state")
	m = s.send("PUT", "/api/usage/budgets/acme", `{"daily_usd":2,"monthly_usd":null}`).done(t)
	wantAt(t, m, 2.0, "budget", "daily_usd")
	wantAt(t, m, nil, "budget", "monthly_usd")
	m = s.send("POST", "/api/usage/track", `{"api":"acme","cost_usd":1.7}`).done(t)
	wantAt(t, m, 80.0, "alerts", 0, "percent")
	wantAt(t, m, "daily", "alerts", 0, "period")
	m = s.get("/api/usage/budgets").done(t)
	wantAt(t, m, 2.0, "count")
	wantAt(t, m, "warning", "budgets", 0, "periods", 0, "state")
	wantAt(t, m, 85.0, "budgets", 0, "periods", 0, "percent")
	wantAt(t, m, 0.3, "budgets", 0, "periods", 0, "remaining_usd")
	s.ask("DELETE", "/api/usage/budgets/acme", nil).done(t)
	wantProblem(t, s.ask("DELETE", "/api/usage/budgets/acme", nil), 404, "no budget of acme")
	wantProblem(t, s.ask("DELETE", "/api/usage/budgets/filed", nil), 409, "usage.budgets.filed")
}

func TestUsageRefusesWhatIsWrongAndNamesIt(t *testing.T) {
	s := start(t, nil, nil)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/track", `{}`, "api: must be"},
		{"POST", "/track", `{"calls":[]}`, "calls: must be 1 to 1000"},
		{"POST", "/track", `{"api":"a","calls":[{"api":"a"}]}`, "beside"},
		{"POST", "/track", `{"calls":[{"api":"a"},{"api":"b","model":"x y"}]}`, "calls[1].model"},
		{"POST", "/track", `{"api":"total"}`, "budget over all APIs"},
		{"POST", "/track", `{"api":"a","input_tokens":-1}`, "input_tokens"},
		{"POST", "/track", `{"api":"a","input_tokens":"5"}`, "input_tokens"},
		{"POST", "/track", `{"api":"a","input_tokens":1.5}`, "input_tokens"},
		{"POST", "/track", `{"api":"a","cached_tokens":5}`, "cached_tokens: must be between 0 and input_tokens"},
		{"POST", "/track", `{"api":"a","inputtokens":5}`, "inputtokens"},
		{"POST", "/track", `{"calls":[{"api":"a","inputtokens":5}]}`, "inputtokens"},
		{"POST", "/track", `{"api":"a","timestamp":"2026-01-02T03:04:05"}`, "timestamp"},
		{"POST", "/track", `{"api":"a","timestamp":"1999-01-02T03:04:05Z"}`, "timestamp: must be between 90 days ago"},
		{"POST", "/track", `{"calls":[` + strings.Repeat(`{"api":"a"},`, 1000) + `{"api":"a"}]}`, "calls"},
		{"GET", "/history?days=0", "", "days: must be between 1 and 800"},
		{"GET", "/history?days=801", "", "days: must be between 1 and 800"},
		{"GET", "/history?days=soon", "", "days"},
		{"GET", "/history?day=1", "", "unknown parameter"},
		{"GET", "/history?model=x%20y", "", "model: must be"},
		{"GET", "/stats?api=a/b", "", "api: must be"},
		{"GET", "/recent?limit=1001", "", "limit: must be between 1 and 1000"},
		{"GET", "/estimate", "", "api"},
		{"GET", "/estimate?api=openai&input_tokens=-1", "", "input_tokens: must be between 0 and"},
		{"GET", "/estimate?api=openai&cached_tokens=1", "", "cached_tokens"},
		{"PUT", "/pricing", `{"model":"x"}`, "api"},
		{"PUT", "/pricing", `{"api":"a b"}`, "must be a name or a pattern"},
		{"PUT", "/pricing", `{"api":"a","per_call":100001}`, "per_call"},
		{"DELETE", "/pricing", "", "api"},
		{"PUT", "/budgets/acme", `{}`, "needs a limit above 0"},
		{"PUT", "/budgets/acme", `{"daily_usd":-1}`, "daily_usd"},
		{"PUT", "/budgets/a%20b", `{"daily_usd":1}`, "api: must be"},
		{"GET", "/budgets/a%20b", "", "api: must be"},
	} {
		var r reply
		if c.body == "" {
			r = s.ask(c.method, "/api/usage"+c.path, nil)
		} else {
			r = s.send(c.method, "/api/usage"+c.path, c.body)
		}
		if r.StatusCode != 422 {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, r.StatusCode, r.body)
			continue
		}
		wantProblem(t, r, 422, c.want)
	}
	if total := at(t, s.get("/api/usage/stats").done(t), "total", "calls"); total != 0.0 {
		t.Errorf("%v calls were counted", total)
	}
	wantProblem(t, s.ask("POST", "/api/usage/track", strings.NewReader(`{"api":"a"}`), "Content-Type", "text/plain"), 415, "")
	wantProblem(t, s.get("/api/usage/track"), 405, "")
	wantProblem(t, s.send("POST", "/api/usage/track", `{"api":`), 400, "")
}

func TestUsageRolesOfRoutes(t *testing.T) {
	s := start(t, nil, nil)
	for _, prefix := range []string{usagePrefix, usageAlias} {
		for key, want := range map[string]role{
			"POST %s/track": operator, "GET %s/stats": viewer, "GET %s/history": viewer, "GET %s/summary": viewer, "GET %s/recent": viewer,
			"GET %s/pricing": viewer, "PUT %s/pricing": admin, "DELETE %s/pricing": admin, "GET %s/estimate": viewer, "GET %s/budgets": viewer,
			"GET %s/budgets/{api}": viewer, "PUT %s/budgets/{api}": admin, "DELETE %s/budgets/{api}": admin,
		} {
			key = fmt.Sprintf(key, prefix)
			if r := s.rows[key]; r == nil || r.role != want || r.hidden != (prefix == usageAlias) {
				t.Errorf("%s: %+v, want role %s", key, r, want)
			}
		}
	}
	r := s.ask("POST", "/api/usage/track", strings.NewReader(`{"api":"a"}`), "Content-Type", "application/json", "X-Forwarded-For", "192.0.2.1")
	wantProblem(t, r, 401, "Not authenticated")
}

func TestUsageWithoutTrackerOrStore(t *testing.T) {
	s := start(t, func(o *Options) { o.Usage = nil }, nil)
	for _, path := range []string{"/stats", "/history", "/summary", "/recent", "/pricing", "/estimate?api=a", "/budgets", "/budgets/total"} {
		wantProblem(t, s.get("/api/usage"+path), 503, "not counted here")
	}
	wantProblem(t, s.send("POST", "/api/usage/track", `{"api":"a"}`), 503, "not counted here")
	wantProblem(t, s.send("PUT", "/api/usage/budgets/a", `{"daily_usd":1}`), 503, "not counted here")

	s = start(t, nil, nil)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, s.send("POST", "/api/usage/track", `{"api":"a"}`), 503, "store is closed")
	wantProblem(t, s.get("/api/usage/summary"), 503, "store is closed")
}
