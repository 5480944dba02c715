package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// eventRow is one row of the history.
type eventRow struct {
	ID          json.Number `json:"id"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Kind        string      `json:"type"` // error, warning, success or info
	At          time.Time   `json:"timestamp"`
	Subject     string      `json:"subject"`
	Actor       string      `json:"actor"`
	Why         string      `json:"why"`

	raw json.RawMessage
}

// eventsPoll is how often -f asks for new rows.
const eventsPoll = time.Second

func (e *env) eventsCmd() *cobra.Command {
	var follow bool
	limit := 50
	filter := map[string]*string{}
	var since, until string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened: starts, ends, crashes, changes, and who did it",
		Example: `  controlcenter events
  controlcenter events -f
  controlcenter events --service comfyui --since 1d
  controlcenter events --severity error -n 500 -o json`,
		Args: maxArgs(0),
	}
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on with new ones")
	f.IntVarP(&limit, "lines", "n", limit, "rows shown at most, 1-1000")
	for name, doc := range map[string]string{"service": "of this service or job", "part": "of this part: service, job, config, ...", "severity": "of this severity: info, success, warning, error"} {
		filter[name] = f.String(name, "", doc)
	}
	f.StringVar(&since, "since", "", "from then on: 10m, 2h, 3d ago or an RFC 3339 time")
	f.StringVar(&until, "until", "", "up to then, as --since")
	_ = cmd.RegisterFlagCompletionFunc("service", e.completeServices(nil))
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"info", "success", "warning", "error"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		if limit < 1 || limit > 1000 {
			return usagef("--lines: must be between 1 and 1000")
		}
		if follow && until != "" {
			return usagef("--follow and --until exclude each other")
		}
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, value := range filter {
			if *value != "" {
				q.Set(name, *value)
			}
		}
		for name, text := range map[string]string{"since": since, "until": until} {
			if text == "" {
				continue
			}
			at, err := parseTime(text, time.Now())
			if err != nil {
				return usagef("--%s: %w", name, err)
			}
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
		rows, raw, err := c.client.events(c.ctx, q)
		if err != nil {
			return err
		}
		if !follow {
			return e.print(raw, func() error { return e.writeEvents(rows) })
		}
		return e.followEvents(c, q, rows)
	}, needDaemon)
	return cmd
}

// events returns rows of the history, the oldest first.
func (c *client) events(ctx context.Context, q url.Values) ([]eventRow, json.RawMessage, error) {
	var body struct {
		Events []json.RawMessage `json:"events"`
	}
	raw, err := c.decode(ctx, withQuery("/api/events", q), &body)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]eventRow, len(body.Events))
	for i, r := range body.Events {
		rows[i].raw = r
		if err := json.Unmarshal(r, &rows[i]); err != nil {
			return nil, nil, fmt.Errorf("answer of %s/api/events: %w", c.where, err)
		}
	}
	slices.SortFunc(rows, func(a, b eventRow) int {
		x, _ := a.ID.Int64()
		y, _ := b.ID.Int64()
		return int(max(-1, min(1, x-y)))
	})
	return rows, raw, nil
}

// followEvents shows rows and then the new ones, until it is interrupted. A daemon that goes away is waited for.
func (e *env) followEvents(c *call, q url.Values, rows []eventRow) error {
	q.Del("since")
	q.Set("limit", "1000")
	lost := false
	tick := time.NewTicker(eventsPoll)
	defer tick.Stop()
	for after := ""; ; {
		if err := e.writeNewEvents(rows); err != nil {
			return err
		}
		if len(rows) > 0 {
			after = rows[len(rows)-1].ID.String()
		}
		select {
		case <-c.ctx.Done():
			return nil
		case <-tick.C:
		}
		q.Set("after", after)
		if after == "" {
			q.Set("after", "0")
		}
		var err error
		rows, _, err = c.client.events(c.ctx, q)
		ee, ok := errors.AsType[*exitError](err)
		switch {
		case c.ctx.Err() != nil:
			return nil
		case ok && ee.code == ExitUnreachable:
			if !lost {
				fmt.Fprintf(e.o.Stderr, "controlcenter: %s; waiting for the daemon\n", cleanLines(err.Error()))
			}
		case err != nil:
			return err
		}
		lost = err != nil
	}
}

func (e *env) writeNewEvents(rows []eventRow) error {
	if e.format == formatTable {
		return e.writeEvents(rows)
	}
	for _, r := range rows {
		b := append(cleanJSON(r.raw), '\n')
		if e.format == formatYAML {
			var err error
			if b, err = toYAML([]byte("[" + string(r.raw) + "]")); err != nil {
				return err
			}
		}
		if _, err := e.o.Stdout.Write(b); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	return nil
}

func (e *env) writeEvents(rows []eventRow) error {
	for _, r := range rows {
		title := r.Title
		if r.Why != "" && !strings.Contains(title, r.Why) {
			title += ": " + r.Why
		}
		if r.Actor != "" && r.Actor != "system" {
			title += " (" + r.Actor + ")"
		}
		kind := e.styled().verdict(clean(fmt.Sprintf("%-7s", r.Kind)))
		if _, err := fmt.Fprintf(e.o.Stdout, "%s  %s  %s\n", r.At.Local().Format(time.DateTime), kind, clean(title)); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	return nil
}
