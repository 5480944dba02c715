package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"controlcenter/internal/unit"
)

// logEntry is a line of a service.
type logEntry struct {
	Service string          `json:"service"`
	Pos     json.RawMessage `json:"pos"`
	Time    time.Time       `json:"time"`
	Stream  string          `json:"stream"`
	Partial bool            `json:"partial,omitempty"` // the line is longer than what is kept of one
	Text    string          `json:"text"`
}

// logLevels are what --level accepts, as the API.
var logLevels = []string{"debug", "info", "warn", "error"}

// logQuery is what logs is asked to show.
type logQuery struct {
	follow, ignoreCase, times                               bool
	lines                                                   int
	since, until, grep, regex, level, stream, run, download string
}

func (e *env) logsCmd() *cobra.Command {
	q := logQuery{lines: 100}
	cmd := &cobra.Command{
		Use:   "logs NAME...",
		Short: "Show what services wrote",
		Long: `Show what services wrote, the last lines by default. Lines of several services are
put in order by their time, each behind the name of its service. On a terminal,
control characters are shown as escapes.

-f goes on with new lines until it is interrupted, also over a restart of the daemon.
-o json writes one object per line.`,
		Example: `  controlcenter logs comfyui
  controlcenter logs -f comfyui ollama
  controlcenter logs comfyui --since 10m --grep error
  controlcenter logs comfyui --since 1d --level error
  controlcenter logs comfyui --regex 'took [0-9]{3,} s' -n 1000
  controlcenter logs comfyui --download comfyui.log`,
		ValidArgsFunction: e.completeServices(nil),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("missing argument NAME")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&q.follow, "follow", "f", false, "go on with new lines")
	f.IntVarP(&q.lines, "lines", "n", q.lines, "lines of each service at most, 1-10000; 0 with -f for new ones only")
	f.StringVar(&q.since, "since", "", "lines from then on: 10m, 2h, 3d ago or an RFC 3339 time")
	f.StringVar(&q.until, "until", "", "lines up to then, as --since")
	f.StringVar(&q.grep, "grep", "", "lines with this text")
	f.StringVar(&q.regex, "regex", "", "lines that match this RE2 expression")
	f.BoolVarP(&q.ignoreCase, "ignore-case", "i", false, "take upper and lower case for the same in --grep and --regex")
	f.StringVar(&q.level, "level", "", "lines at least so grave: debug, info, warn or error; those that do not say are info")
	f.StringVar(&q.stream, "stream", "", "stdout or stderr only")
	f.StringVar(&q.run, "run", "", "lines of this run only, see \"jobs NAME\" and \"events\"")
	f.BoolVarP(&q.times, "timestamps", "t", false, "show the time of each line")
	f.StringVar(&q.download, "download", "", "write the lines as they are to this file, \"-\" for stdout")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("stream", cobra.FixedCompletions([]string{"stdout", "stderr"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		values, err := q.values(f.Changed("lines"), len(c.args))
		if err != nil {
			return err
		}
		if q.download != "" {
			return e.downloadLogs(c, values, q.download)
		}
		return e.showLogs(c, &q, values)
	}, needDaemon)
	return cmd
}

// values checks the flags and makes the query of them.
func (q *logQuery) values(linesGiven bool, services int) (url.Values, error) {
	v := url.Values{}
	least := 1
	if q.follow {
		least = 0
	}
	if q.lines < least || q.lines > 10000 {
		return nil, usagef("--lines: must be between %d and 10000", least)
	}
	if q.follow && (q.until != "" || q.run != "" || q.download != "") {
		return nil, usagef("--follow and --until, --run or --download exclude each other")
	}
	if q.download != "" && services > 1 {
		return nil, usagef("--download: one service at a time")
	}
	if q.grep != "" && q.regex != "" {
		return nil, usagef("--grep and --regex exclude each other")
	}
	if q.stream != "" && q.stream != "stdout" && q.stream != "stderr" {
		return nil, usagef("--stream: %q is none of stdout, stderr", q.stream)
	}
	if q.level != "" && !slices.Contains(logLevels, q.level) {
		return nil, usagef("--level: %q is none of %s", q.level, strings.Join(logLevels, ", "))
	}
	now := time.Now()
	for name, text := range map[string]string{"since": q.since, "until": q.until} {
		if text == "" {
			continue
		}
		at, err := parseTime(text, now)
		if err != nil {
			return nil, usagef("--%s: %w", name, err)
		}
		v.Set(name, at.UTC().Format(time.RFC3339Nano))
	}
	for name, text := range map[string]string{"grep": q.grep, "regex": q.regex, "level": q.level, "stream": q.stream, "run": q.run} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.ignoreCase {
		v.Set("ignore_case", "true")
	}
	// A download is everything unless it is said how much.
	if q.download == "" || linesGiven {
		v.Set("lines", strconv.Itoa(max(q.lines, 1)))
	}
	return v, nil
}

// parseAge reads a duration such as 10m or 3d.
func parseAge(s string) (time.Duration, error) {
	d, err := unit.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("parse duration: %w", err)
	}
	return d.Std(), nil
}

// parseTime reads a point in time: a duration before now, or RFC 3339, or a date with or without a time of this time zone.
func parseTime(s string, now time.Time) (time.Time, error) {
	if d, err := unit.ParseDuration(s); err == nil {
		return now.Add(-d.Std()), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration such as 10m or 3d nor a time such as 2026-01-02T15:04:05Z", s)
}

func (e *env) downloadLogs(c *call, q url.Values, file string) error {
	q.Set("format", "text")
	q.Set("download", "true")
	c.client.patient()
	fetch := func(w io.Writer) (int64, error) {
		resp, err := c.client.do(c.ctx, http.MethodGet, withQuery(servicePath(c.args[0], "logs"), q), http.Header{"Accept": {"text/plain"}}, nil)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		n, err := io.Copy(w, resp.Body)
		if err != nil {
			return n, fmt.Errorf("receive the log: %w", err)
		}
		return n, nil
	}
	if file == "-" {
		_, err := fetch(e.o.Stdout)
		return err
	}
	n, err := writeWhole(file, false, fetch)
	if err != nil {
		return err
	}
	return e.print(map[string]any{"file": file, "bytes": n}, func() error {
		_, err := fmt.Fprintf(e.o.Stdout, "wrote %s (%s)\n", clean(file), bytesText(float64(n)))
		return err
	})
}

// logPage is an answer of the logs of a service.
type logPage struct {
	Entries   []logEntry      `json:"entries"`
	Next      json.RawMessage `json:"next"`
	Truncated bool            `json:"truncated"`
	Message   string          `json:"message"`
}

func (c *client) logs(ctx context.Context, path, name string, q url.Values) (*logPage, error) {
	var page logPage
	if _, err := c.decode(ctx, withQuery(path, q), &page); err != nil {
		return nil, err
	}
	for i := range page.Entries {
		page.Entries[i].Service = name
	}
	return &page, nil
}

// position is a position in a log as it stands in a query.
func position(raw json.RawMessage) string {
	if s := strings.Trim(string(raw), `"`); s != "null" {
		return s
	}
	return ""
}

func (e *env) showLogs(c *call, q *logQuery, v url.Values) error {
	out := e.newLogWriter(c.args, q.times)
	var all []logEntry
	next := make([]string, len(c.args))
	for i, name := range c.args {
		page, err := c.client.logs(c.ctx, servicePath(name, "logs"), name, v)
		if err != nil {
			return err
		}
		all = append(all, page.Entries...)
		next[i] = position(page.Next)
		if e.format == formatTable && len(page.Entries) == 0 && page.Message != "" && !q.follow {
			fmt.Fprintf(e.o.Stderr, "controlcenter: %s: %s\n", clean(name), clean(page.Message))
		}
	}
	slices.SortStableFunc(all, func(a, b logEntry) int { return a.Time.Compare(b.Time) })
	if q.lines > 0 {
		for i := range all {
			if err := out.write(&all[i]); err != nil {
				return err
			}
		}
	}
	if !q.follow {
		return nil
	}
	v.Del("since")
	v.Set("lines", "0")
	c.client.patient()
	var wg sync.WaitGroup
	errs := make([]error, len(c.args))
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	for i, name := range c.args {
		wg.Go(func() {
			f := follower{c: c.client, path: servicePath(name, "logs", "follow"), query: v, after: next[i], waiting: out.waiting}
			errs[i] = f.run(ctx, func(ev *sseEvent) error { return out.event(name, ev) })
			if errs[i] != nil {
				cancel() // one that cannot go on ends all: half of what was asked for looks like silence of the rest
			}
		})
	}
	wg.Wait()
	return ended(c.ctx, errors.Join(errs...))
}

// ended says whether following ended because the user wanted it, which is a success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// logWriter writes lines of one or several services. It is safe for concurrent use.
type logWriter struct {
	e      *env
	width  int // of the longest name; 0 = one service, no names
	colour map[string]string
	times  bool
	raw    bool // no terminal: lines are written as they are

	mu   sync.Mutex // guards out and told
	out  *bufio.Writer
	told bool // that the connection is lost
}

// The colours of names: those that are readable on black and on white.
var nameColours = [...]string{"36", "33", "32", "35", "34", "31"}

func (e *env) newLogWriter(names []string, times bool) *logWriter {
	w := &logWriter{e: e, out: bufio.NewWriter(e.o.Stdout), colour: map[string]string{}, times: times, raw: !e.terminal()}
	if len(names) > 1 {
		for i, name := range names {
			w.width = max(w.width, len(name))
			w.colour[name] = nameColours[i%len(nameColours)]
		}
	}
	return w
}

// terminal says whether stdout is one.
func (e *env) terminal() bool {
	f, ok := e.o.Stdout.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (w *logWriter) write(entry *logEntry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = false
	if w.e.format != formatTable {
		b, err := marshal(entry)
		if err != nil {
			return err
		}
		b = cleanJSON(b)
		if w.e.format == formatYAML {
			if b, err = toYAML([]byte("[" + string(b) + "]")); err != nil {
				return err
			}
		}
		return w.flush(string(b))
	}
	var b strings.Builder
	if w.times {
		b.WriteString(entry.Time.Local().Format("2006-01-02 15:04:05.000 "))
	}
	if w.width > 0 {
		b.WriteString(w.e.styled().wrap(w.colour[entry.Service], fmt.Sprintf("%-*s |", w.width, entry.Service)) + " ")
	}
	text := strings.TrimRight(entry.Text, "\r\n")
	if !w.raw {
		text = cleanTabs(text)
	}
	return w.flush(b.String() + text + "\n")
}

func (w *logWriter) flush(s string) error {
	if _, err := w.out.WriteString(s); err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	return nil
}

// cleanTabs is clean that leaves tabs, which lines of logs are laid out with.
func cleanTabs(s string) string {
	parts := strings.Split(s, "\t")
	for i := range parts {
		parts[i] = clean(parts[i])
	}
	return strings.Join(parts, "\t")
}

// event writes what came over a stream.
func (w *logWriter) event(name string, ev *sseEvent) error {
	switch ev.name {
	case "line":
		entry := logEntry{}
		if err := json.Unmarshal(ev.data, &entry); err != nil {
			return fmt.Errorf("line of %s: %w", name, err)
		}
		entry.Service = name
		return w.write(&entry)
	case "gap":
		w.note("%s: lines were lost here", name)
	}
	return nil
}

// waiting tells once that the connection is lost and is being made again.
func (w *logWriter) waiting(err error) {
	w.mu.Lock()
	told := w.told
	w.told = true
	w.mu.Unlock()
	if !told {
		w.note("%v; waiting for the daemon", err)
	}
}

func (w *logWriter) note(format string, args ...any) {
	fmt.Fprintf(w.e.o.Stderr, "controlcenter: %s\n", cleanLines(fmt.Sprintf(format, args...)))
}
