package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

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
