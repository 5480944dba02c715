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

const auditPoll = time.Second

// auditEntry is a row of the audit log.
type auditEntry struct {
	ID     json.Number `json:"id"`
	At     time.Time   `json:"time"`
	Who    string      `json:"who"`
	From   string      `json:"from"`
	Action string      `json:"action"`
	Target string      `json:"target"`
	Result string      `json:"result"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Count  int         `json:"count"`

	raw json.RawMessage
}

func (e *env) auditCmd() *cobra.Command {
	return group("audit", "Show who did what, and who was refused", `  controlcenter audit tail
  controlcenter audit tail -f --result denied`, e.auditTailCmd())
}

func (e *env) auditTailCmd() *cobra.Command {
	limit, follow, since := 50, false, ""
	filter := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest rows of the audit log",
		Long: `Show the newest rows of the audit log, oldest first: each call that changed something or
tried to, and each that was refused. Refusals of one kind within a minute are one row.`,
		Example: `  controlcenter audit tail
  controlcenter audit tail -f
  controlcenter audit tail -n 500 --who ann --since 7d`,
		Args: maxArgs(0),
	}
	f := cmd.Flags()
	f.IntVarP(&limit, "lines", "n", limit, "most rows shown")
	f.BoolVarP(&follow, "follow", "f", false, "wait for new rows")
	f.StringVar(&since, "since", "", "only of then or later: a time, or a time ago such as 10m or 7d")
	for name, help := range map[string]string{"who": "only of this caller", "action": "only with this text in the action", "target": "only of this target", "result": "only changed, ok, failed or denied", "from": "only from this address"} {
		filter[name] = f.String(name, "", help)
	}
	_ = cmd.RegisterFlagCompletionFunc("result", cobra.FixedCompletions([]string{"changed", "ok", "failed", "denied"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		if limit < 1 || limit > 1000 {
			return usagef("--lines: must be between 1 and 1000")
		}
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, v := range filter {
			if *v != "" {
				q.Set(name, *v)
			}
		}
		if since != "" {
			at, err := parseTime(since, time.Now())
			if err != nil {
				return usagef("--since: %w", err)
			}
			q.Set("since", at.UTC().Format(time.RFC3339Nano))
		}
		rows, raw, err := c.client.auditLog(c.ctx, q)
		if err != nil {
			return err
		}
		if !follow {
			return e.print(raw, func() error { return e.writeAudit(rows) })
		}
		return e.followAudit(c, q, rows)
	}, needDaemon)
	return cmd
}

// auditLog returns rows, the oldest first.
func (c *client) auditLog(ctx context.Context, q url.Values) ([]auditEntry, json.RawMessage, error) {
	var body struct {
		Entries []json.RawMessage `json:"entries"`
	}
	raw, err := c.decode(ctx, withQuery("/api/audit", q), &body)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]auditEntry, len(body.Entries))
	for i, r := range body.Entries {
		rows[i].raw = r
		if err := json.Unmarshal(r, &rows[i]); err != nil {
			return nil, nil, fmt.Errorf("answer of %s/api/audit: %w", c.where, err)
		}
	}
	slices.Reverse(rows)
	return rows, raw, nil
}

// followAudit shows rows and then the new ones, until it is interrupted. A daemon that goes away is waited for.
func (e *env) followAudit(c *call, q url.Values, rows []auditEntry) error {
	q.Del("since")
	q.Set("limit", "1000")
	tick := time.NewTicker(auditPoll)
	defer tick.Stop()
	lost := false
	for after := "0"; ; {
		if err := e.writeNewAudit(rows); err != nil {
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
		var err error
		rows, _, err = c.client.auditLog(c.ctx, q)
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

func (e *env) writeNewAudit(rows []auditEntry) error {
	if e.format == formatTable {
		return e.writeAudit(rows)
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
			return fmt.Errorf("write row: %w", err)
		}
	}
	return nil
}

func (e *env) writeAudit(rows []auditEntry) error {
	for _, r := range rows {
		text := strings.TrimSpace(r.Action + " " + r.Target)
		if r.Status >= 400 {
			text += fmt.Sprintf(": %d %s", r.Status, r.Detail)
		}
		if r.Count > 1 {
			text += fmt.Sprintf(" (%d times)", r.Count)
		}
		if _, err := fmt.Fprintf(e.o.Stdout, "%s  %-7s  %s from %s  %s\n", r.At.Local().Format(time.DateTime), clean(r.Result), clean(r.Who), clean(r.From), clean(text)); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	return nil
}
