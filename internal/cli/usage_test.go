package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The verbs of usage against the real server: each line is a command and what it must print.
func TestUsageVerbs(t *testing.T) {
	p := newPlace(t)
	p.start(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"usage", ExitOK, "ever"},
		{"usage track openai gpt-4o --input-tokens 1000000 --output-tokens 100000 --id a", ExitOK, "counted 1 calls, 3.5000 USD"},
		{"usage track openai gpt-4o --input-tokens 1000000 --output-tokens 100000 --id a", ExitOK, "counted 0 calls, 0.0000 USD; 1 were counted before"},
		{"usage track youtube --units 100", ExitOK, "counted 1 calls, 0.0000 USD"},
		{"usage track mystery --error timeout --seconds 1.5", ExitOK, "counted 1 calls"},
		{"usage track shop --cost 0.25", ExitOK, "0.2500 USD"},
		{"usage summary", ExitOK, "today             4       1  1000000  100000    100    3.7500"},
		{"usage summary", ExitOK, "1 calls have no known price"},
		{"usage history --days 2", ExitOK, "4 calls, 3.7500 USD in 2 days"},
		{"usage history --days 2 --api openai --models", ExitOK, "gpt-4o"},
		{"usage history --days 0", ExitUsage, "--days: must be between 1 and 800"},
		{"usage history --api a/b", ExitUsage, "api: must be 1 to 64"},
		{"usage estimate openai gpt-4o --input-tokens 1000000 --cached-tokens 400000", ExitOK, "cost            2"},
		{"usage estimate nosuch thing", ExitNotFound, "there is no price known for API nosuch, model thing"},
		{"usage estimate openai gpt-4o --input-tokens 1 --cached-tokens 2", ExitUsage, "--cached-tokens: must be between 0 and 1"},
		{"usage estimate", ExitUsage, "missing argument API"},
		{"usage pricing openai", ExitOK, "check your provider"},
		{"usage pricing set mystery * --per-call 0.5 --note guess", ExitOK, "price set"},
		{"usage pricing mystery", ExitOK, "guess"},
		{"usage pricing set mystery --input-per-million -1", ExitUsage, "input_per_million"},
		{"usage track mystery", ExitOK, "0.5000 USD"},
		{"usage pricing rm mystery", ExitOK, "price deleted"},
		{"usage pricing rm mystery", ExitNotFound, "there is no price set for API mystery"},
		{"usage budget", ExitOK, "filed"},
		{"usage budget shop --daily 0.5 --monthly 100", ExitOK, "0.2500     0.5000   50.0  ok"},
		{"usage track shop --cost 0.25", ExitOK, "API budget of shop: 100 % used"},
		{"usage budget shop", ExitOK, "exceeded"},
		{"usage budget shop --remove", ExitOK, "budget deleted"},
		{"usage budget shop --remove", ExitNotFound, "there is no budget of shop"},
		{"usage budget filed --remove", ExitRefused, "usage.budgets.filed in the configuration file"},
		{"usage budget --daily 1", ExitUsage, "missing argument API"},
		{"usage budget shop --daily 1 --remove", ExitUsage, "exclude each other"},
		{"usage budget shop --daily 0", ExitUsage, "needs a limit above 0"},
		{"usage track", ExitUsage, "missing argument API"},
		{"usage track a b c", ExitUsage, `unexpected argument "c"`},
		{"usage track total", ExitUsage, "budget over all APIs"},
		{"usage track x --count 0", ExitUsage, "--count: must be between 1 and 1000000"},
		{"usage sumary", ExitUsage, "did you mean summary?"},
	} {
		r := p.run(t, strings.Fields(c.args)...)
		got := r.out
		if c.code != ExitOK {
			got = r.err
		}
		if r.code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.want, r.out, r.err)
		}
	}
	for _, verb := range []string{"summary", "history", "pricing", "budget", "estimate openai gpt-4o"} {
		var v struct {
			Success bool `json:"success"`
		}
		if r := p.run(t, append(strings.Fields("usage "+verb), "-o", "json")...); r.code != 0 || json.Unmarshal([]byte(r.out), &v) != nil || !v.Success {
			t.Errorf("%s as JSON: %+v", verb, r)
		}
	}
}

func TestUsageTrackFileTakesEveryFormInBatches(t *testing.T) {
	p := newPlace(t)
	p.start(t)
	var lines strings.Builder
	for i := range 1200 { // more than one report takes
		fmt.Fprintf(&lines, "{\"api\": \"bulk\", \"model\": \"m%d\", \"cost_usd\": 0.01, \"id\": \"l%d\"}\n", i%3, i)
	}
	p.stdin = lines.String() + `[{"api": "bulk", "id": "l0"}, {"api": "bulk", "cost_usd": 1}] {"calls": [{"service": "bulk", "cost": 2}]}`
	if r := p.run(t, "usage", "track", "--file", "-"); r.code != 0 || r.out != "counted 1202 calls, 15.0000 USD; 1 were counted before\n" {
		t.Errorf("got %+v", r)
	}
	file := filepath.Join(p.dir, "calls.json")
	if err := os.WriteFile(file, []byte(`{"api": "bulk"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := p.run(t, "usage", "track", "--file", file); r.code != ExitUsage || !strings.Contains(r.err, "value 1: unexpected EOF") {
		t.Errorf("half a file: %+v", r)
	}
	if r := p.run(t, "usage", "track", "--file", file, "openai"); r.code != ExitUsage {
		t.Errorf("file and API: %+v", r)
	}
	p.stdin = `{"api": "bulk", "inputtokens": 1}`
	if r := p.run(t, "usage", "track", "--file", "-"); r.code != ExitUsage || !strings.Contains(r.err, "inputtokens") {
		t.Errorf("unknown field: %+v", r)
	}
	var sum struct {
		Tracked int `json:"tracked"`
	}
	p.stdin = `{"api": "bulk"}`
	if r := p.run(t, "usage", "track", "--file", "-", "-o", "json"); json.Unmarshal([]byte(r.out), &sum) != nil || sum.Tracked != 1 {
		t.Errorf("as JSON: %+v", r)
	}
}
