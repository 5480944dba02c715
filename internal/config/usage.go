package config

// Usage says what calls to outside APIs cost and may cost. Names and patterns are checked by who uses them.
type Usage struct {
	Pricing []APIPrice           `yaml:"pricing" items:"..500" doc:"Prices that win over the shipped ones; of several that match, the most specific counts."`
	Budgets map[string]APIBudget `yaml:"budgets" doc:"Budgets by the name of the API, total for all of them; an event tells of 80 and of 100 percent."`
}

// APIPrice is one price, in US dollars.
type APIPrice struct {
	API    string  `yaml:"api" format:"pattern" doc:"Name of the API, or a pattern of it; needed."`
	Model  string  `yaml:"model" format:"pattern" doc:"Name of the model, or a pattern of it."`
	Input  float64 `yaml:"input_per_million" min:"0" max:"100000" doc:"US dollars per million input tokens that were not cached."`
	Output float64 `yaml:"output_per_million" min:"0" max:"100000" doc:"US dollars per million output tokens."`
	// CachedInput is not a pointer, so 0 cannot mean "free".
	CachedInput float64 `yaml:"cached_input_per_million" min:"0" max:"100000" doc:"US dollars per million cached input tokens; 0 is the same as input_per_million."`
	PerCall     float64 `yaml:"per_call" min:"0" max:"100000" doc:"US dollars per call."`
	PerUnits    float64 `yaml:"per_thousand_units" min:"0" max:"100000" doc:"US dollars per 1,000 units of a quota, characters or whatever is reported as units."`
	Note        string  `yaml:"note" doc:"Shown with the price, 200 characters at most."`
}

// APIBudget is what an API may cost, in US dollars; 0 = no limit.
type APIBudget struct {
	Daily   float64 `yaml:"daily_usd" min:"0" max:"1000000000" doc:"US dollars per day of UTC; 0 for no limit."`
	Monthly float64 `yaml:"monthly_usd" min:"0" max:"1000000000" doc:"US dollars per month of UTC; 0 for no limit."`
}
