package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// probe is one thing that selftest tries. It returns what it saw, or why it is wrong.
type probe struct {
	name string
	run  func(ctx context.Context) (detail string, err error)
	slow bool // waits for the server's clock (streams): run beside the others
}

// errSkip marks a probe that does not apply to this server; wrap it with the reason.
var errSkip = errors.New("skipped")

// probeResult is one row of selftest.
type probeResult struct {
	Name    string  `json:"name"`
	Result  string  `json:"result"` // pass, FAIL or skip
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
}

func (e *env) selftestCmd() *cobra.Command {
	interval, slack := 2*time.Second, 500*time.Millisecond
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Try every documented endpoint and stream of a running server",
		Long: `Try every documented endpoint and stream of a running server and say what holds.

It reads the server's own /openapi.json, calls each GET route and compares the
answer with its documented schema, reads the metrics, tries the documented
errors (404, 405, 413, 415, 421, 422, 403 for foreign origins), and opens each
WebSocket: the first frame must come at once, the next ones in step. It changes
nothing on the server.`,
		Example: `  controlcenter selftest
  controlcenter selftest --url http://127.0.0.1:8080
  controlcenter selftest -o json | jq '.results[] | select(.result=="FAIL")'`,
		Args: maxArgs(0),
		RunE: e.run(func(c *call) error {
			if interval < time.Second || interval > time.Minute {
				return usagef("--interval: must be between 1s and 1m")
			}
			if slack <= 0 {
				return usagef("--slack: must be above 0")
			}
			s := &selftest{c: c.client, interval: interval, slack: slack}
			probes, err := s.probes(c.ctx)
			if err != nil {
				return err
			}
			return e.printSelftest(runProbes(c.ctx, probes))
		}, needDaemon),
	}
	cmd.Flags().DurationVar(&interval, "interval", interval, "the server's stream.interval")
	cmd.Flags().DurationVar(&slack, "slack", slack, "how far from its time a frame of a stream may come")
	return cmd
}

// selftest is one run against one server.
type selftest struct {
	c        *client
	interval time.Duration // of the streams
	slack    time.Duration // how far from its time a frame may come
	doc      document
}

// probes reads the server's document and lists what to try.
func (s *selftest) probes(ctx context.Context) ([]probe, error) {
	if _, err := s.c.decode(ctx, "/openapi.json", &s.doc); err != nil {
		return nil, err
	}
	routes, err := s.routeProbes()
	if err != nil {
		return nil, err
	}
	all := append(routes, s.contentProbes()...)
	all = append(all, s.errorProbes()...)
	return append(all, s.streamProbes()...), nil
}

// runProbes runs them in order, the slow ones all at once beside. The results stand in the order of the probes.
func runProbes(ctx context.Context, probes []probe) []probeResult {
	results := make([]probeResult, len(probes))
	one := func(i int) {
		begin := time.Now()
		detail, err := probes[i].run(ctx)
		r := probeResult{Name: probes[i].name, Result: "pass", Detail: detail, Seconds: time.Since(begin).Seconds()}
		switch {
		case errors.Is(err, errSkip):
			r.Result, r.Detail = "skip", err.Error()
		case err != nil:
			r.Result, r.Detail = "FAIL", err.Error()
		}
		results[i] = r
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, p := range probes {
		if p.slow {
			wg.Go(func() { one(i) })
		}
	}
	for i, p := range probes {
		if !p.slow {
			one(i)
		}
	}
	wg.Wait()
	return results
}

func (e *env) printSelftest(results []probeResult) error {
	count := map[string]int{}
	for _, r := range results {
		count[r.Result]++
	}
	out := struct {
		Passed  int           `json:"passed"`
		Failed  int           `json:"failed"`
		Skipped int           `json:"skipped"`
		Results []probeResult `json:"results"`
	}{count["pass"], count["FAIL"], count["skip"], results}
	err := e.print(out, func() error {
		t := newTable("RESULT", "TRIED", "TIME>", "DETAIL")
		for _, r := range results {
			t.add(r.Result, r.Name, time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Microsecond).String(), shorten(r.Detail, 160))
		}
		if err := t.write(e.o.Stdout, e.styled()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(e.o.Stdout, "%d passed, %d failed, %d skipped\n", out.Passed, out.Failed, out.Skipped)
		return err
	})
	if err == nil && out.Failed > 0 {
		err = fmt.Errorf("%d of %d probes failed", out.Failed, len(results))
	}
	return err
}
