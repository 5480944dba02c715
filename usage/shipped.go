package usage

// PricesAsOf is the day on which the shipped prices were written down.
const PricesAsOf = "2026-11-24"

// Disclaimer belongs wherever a shipped price or an estimate is shown.
const Disclaimer = "Prices are estimates in US dollars, those shipped were written down on " + PricesAsOf +
	"; they change, and discounts, tiers for long prompts, cache writes and taxes are not in them: check your provider."

// Shipped returns the prices this program knows: list prices per million tokens, standard tier, shortest prompts. They are
// estimates; see [Disclaimer].
func Shipped() []Price {
	const (
		openai    = "openai*|azure*"
		anthropic = "anthropic*|claude*"
		google    = "google*|gemini*|vertex*"
		local     = "ollama*|comfyui*|llama.cpp*|llamacpp*|lmstudio*|vllm*|local*"
	)
	var all []Price
	// tokens adds models: input, cached input, output. Dated and preview names of a model cost what it costs.
	tokens := func(api, model string, input, cached, output float64) {
		all = append(all, Price{
			API: api, Model: model + "|" + model + "-20*|" + model + "-latest|" + model + "-preview*",
			InputPerMillion: input, CachedInputPerMillion: &cached, OutputPerMillion: output, Source: FromShipped, AsOf: PricesAsOf,
		})
	}
	units := func(api, model string, perThousand float64, note string) {
		all = append(all, Price{API: api, Model: model, PerThousandUnits: perThousand, Note: note, Source: FromShipped, AsOf: PricesAsOf})
	}

	tokens(openai, "gpt-5.6-sol", 5, 0.5, 30)
	tokens(openai, "gpt-5.6-terra", 2, 0.2, 12)
	tokens(openai, "gpt-5.6-luna", 0.2, 0.02, 1.2)
	tokens(openai, "gpt-5.5", 5, 0.5, 30)
	tokens(openai, "gpt-5.4", 2.5, 0.25, 15)
	tokens(openai, "gpt-5.4-mini", 0.75, 0.075, 4.5)
	tokens(openai, "gpt-5.4-nano", 0.2, 0.02, 1.25)
	tokens(openai, "gpt-5.3-codex", 1.75, 0.175, 14)
	tokens(openai, "gpt-5.2", 1.75, 0.175, 14)
	tokens(openai, "gpt-5.1", 1.25, 0.125, 10)
	tokens(openai, "gpt-5", 1.25, 0.125, 10)
	tokens(openai, "gpt-5-mini", 0.25, 0.025, 2)
	tokens(openai, "gpt-5-nano", 0.05, 0.005, 0.4)
	tokens(openai, "gpt-4.1", 2, 0.5, 8)
	tokens(openai, "gpt-4.1-mini", 0.4, 0.1, 1.6)
	tokens(openai, "gpt-4.1-nano", 0.1, 0.025, 0.4)
	tokens(openai, "gpt-4o", 2.5, 1.25, 10)
	tokens(openai, "gpt-4o-mini", 0.15, 0.075, 0.6)
	tokens(openai, "gpt-4-turbo", 10, 10, 30)
	tokens(openai, "gpt-3.5-turbo", 0.5, 0.5, 1.5)
	tokens(openai, "o1", 15, 7.5, 60)
	tokens(openai, "o3", 2, 0.5, 8)
	tokens(openai, "o3-mini", 1.1, 0.55, 4.4)
	tokens(openai, "o4-mini", 1.1, 0.275, 4.4)
	tokens(openai, "text-embedding-3-small", 0.02, 0.02, 0)
	tokens(openai, "text-embedding-3-large", 0.13, 0.13, 0)

	tokens(anthropic, "claude-fable-5", 10, 1, 50)
	tokens(anthropic, "claude-opus-5", 5, 0.5, 25)
	tokens(anthropic, "claude-opus-4-8", 5, 0.5, 25)
	tokens(anthropic, "claude-opus-4-7", 5, 0.5, 25)
	tokens(anthropic, "claude-opus-4-6", 5, 0.5, 25)
	tokens(anthropic, "claude-opus-4-5", 5, 0.5, 25)
	tokens(anthropic, "claude-opus-4-1", 15, 1.5, 75)
	tokens(anthropic, "claude-opus-4", 15, 1.5, 75)
	tokens(anthropic, "claude-sonnet-5", 2, 0.2, 10)
	tokens(anthropic, "claude-sonnet-4-6", 3, 0.3, 15)
	tokens(anthropic, "claude-sonnet-4-5", 3, 0.3, 15)
	tokens(anthropic, "claude-sonnet-4", 3, 0.3, 15)
	tokens(anthropic, "claude-3-7-sonnet", 3, 0.3, 15)
	tokens(anthropic, "claude-3-5-sonnet", 3, 0.3, 15)
	tokens(anthropic, "claude-haiku-4-5", 1, 0.1, 5)
	tokens(anthropic, "claude-3-5-haiku", 0.8, 0.08, 4)
	tokens(anthropic, "claude-3-haiku", 0.25, 0.03, 1.25)

	tokens(google, "gemini-3.7-flash", 0.75, 0.075, 3.75)
	tokens(google, "gemini-3.6-flash", 0.75, 0.075, 3.75)
	tokens(google, "gemini-3.5-flash", 1.5, 0.15, 9)
	tokens(google, "gemini-3.1-pro", 2, 0.2, 12)
	tokens(google, "gemini-2.5-pro", 1.25, 0.125, 10)
	tokens(google, "gemini-2.5-flash", 0.3, 0.03, 2.5)
	tokens(google, "gemini-2.5-flash-lite", 0.1, 0.01, 0.4)
	tokens(google, "gemini-2.0-flash", 0.1, 0.025, 0.4)

	tokens("xai*|grok*", "grok-4.6", 2, 0.5, 6)
	tokens("xai*|grok*", "grok-4.5", 2, 0.5, 6)
	tokens("deepseek*", "deepseek-v4-pro", 0.435, 0.0036, 0.87)
	tokens("deepseek*", "deepseek-v4-flash", 0.14, 0.0036, 0.28)
	tokens("moonshot*|kimi*", "kimi-k3", 3, 0.3, 15)

	units("youtube*", "*", 0, "free; the quota is 10,000 units a day: report them as units")
	units("google-translate*", "*", 0.02, "per 1,000 characters: report them as units")
	units("deepl*", "*", 0.025, "per 1,000 characters: report them as units")
	units(local, "*", 0, "runs on your own machine")
	return all
}
