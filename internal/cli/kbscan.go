package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// kbJob is what is shown of a scan.
type kbJob struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Trigger  string     `json:"trigger"`
	Status   string     `json:"status"`
	Started  time.Time  `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
	Error    string     `json:"error"`
	Resumed  int        `json:"resumed"`
	After    string     `json:"after_run"`
	LogFile  string     `json:"log_file"`
	Command  string     `json:"command"`
	ExitCode *int       `json:"exit_code"`

	Seen      int      `json:"files_seen"`
	Unchanged int      `json:"files_unchanged"`
	ToDo      int      `json:"files_todo"`
	Parsed    int      `json:"files_parsed"`
	Indexed   int      `json:"files_indexed"`
	Renamed   int      `json:"files_renamed"`
	Deleted   int      `json:"files_deleted"`
	Rejected  int      `json:"files_rejected"`
	Bytes     int64    `json:"bytes"`
	Rate      float64  `json:"files_per_second"`
	ETA       *float64 `json:"eta_seconds"`
	Videos    int      `json:"videos_processed"`
	Insights  int      `json:"insights_extracted"`

	Errors []struct {
		Path   string `json:"path"`
		Root   string `json:"root"`
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"errors"`
	ErrorsTotal int      `json:"errors_total"`
	Log         []string `json:"log"`
	Held        *struct {
		Count int    `json:"count"`
		Of    int    `json:"of"`
		Why   string `json:"why"`
	} `json:"held"`
}

func (j *kbJob) ended() bool { return j.Status != "queued" && j.Status != "running" }

func (e *env) kbScanCmd() *cobra.Command {
	var creator, priority, root string
	var force, confirm, detach bool
	var videos int
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Look for changes and index them",
		Long: `Look for changes and index them. It waits for the end and shows a progress bar on
terminals; the exit code tells how the scan ended: 0 well, 1 otherwise. An interrupt
ends the waiting, not the scan ("kb cancel" does that). While a scan runs, that one is
shown. Where knowledge.scan.command is configured, that command runs first, and it waits
for the scan that follows, too: the exit code is 0 when both ended well.`,
		Example: `  controlcenter kb scan
  controlcenter kb scan --creator PixelOrchard --force
  controlcenter kb scan --priority critical --detach
  controlcenter kb scan --confirm-deletions`,
		Args: maxArgs(0),
	}
	f := cmd.Flags()
	f.StringVar(&creator, "creator", "", "only files of this creator")
	f.StringVar(&priority, "priority", "", "only files of this tier's creators: critical, high, medium, low")
	f.StringVar(&root, "root", "", "only this root")
	f.BoolVar(&force, "force", false, "read also what seems unchanged")
	f.IntVar(&videos, "max-videos", 0, "for the outside scan command, 1-100 (10 when not given)")
	f.BoolVar(&confirm, "confirm-deletions", false, "make the deletions that are held because too much vanished at once")
	f.BoolVarP(&detach, "detach", "d", false, "do not wait")
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions(kbTiers, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		if confirm && (creator != "" || priority != "" || force) {
			return usagef("--confirm-deletions excludes --creator, --priority and --force")
		}
		if f.Changed("max-videos") && (videos < 1 || videos > 100) {
			return usagef("--max-videos: must be between 1 and 100")
		}
		q := set(url.Values{}, "creator_id", creator, "priority", priority, "root", root)
		if force {
			q.Set("force_rescan", "true")
		}
		if videos > 0 {
			q.Set("max_videos", strconv.Itoa(videos))
		}
		path := kbPath + "/scan"
		if confirm {
			path = kbPath + "/held/confirm"
		}
		var b struct {
			ID      string `json:"job_id"`
			Message string `json:"message"`
			Already bool   `json:"already_running"`
		}
		raw, err := c.client.exchange(c.ctx, http.MethodPost, withQuery(path, q), nil, &b)
		if err != nil {
			return err
		}
		if detach {
			return e.print(raw, func() error {
				_, err := fmt.Fprintf(e.o.Stdout, "%s: %s\n", clean(b.ID), clean(b.Message))
				return err
			})
		}
		if b.Already {
			fmt.Fprintln(e.o.Stderr, "a scan runs already; waiting for it")
		}
		return e.awaitScan(c, b.ID)
	}, needDaemon)
	return cmd
}

// errScanEnded ends the reading of a scan's progress.
var errScanEnded = errors.New("the scan has ended")

// awaitScan shows the progress of a scan until it has ended, over a restart of the daemon too, and then what it did. After a run of
// the outside command that is also the scan of the files that follows.
func (e *env) awaitScan(c *call, id string) error {
	j, raw, err := e.followScan(c, id)
	if err != nil {
		return err
	}
	if j.Kind != "command" {
		if err := e.print(raw, func() error { return e.writeScan(&j, 10) }); err != nil {
			return err
		}
		return scanError("scan", &j)
	}
	next, err := e.scanAfter(c, &j)
	if err != nil {
		return cmp.Or(e.print(raw, func() error { return e.writeScan(&j, 10) }), scanError("scan command", &j), err)
	}
	files, rawFiles, err := e.followScan(c, next)
	if err != nil {
		return err
	}
	both, err := json.Marshal(map[string]json.RawMessage{"command": raw, "scan": rawFiles})
	if err != nil {
		return fmt.Errorf("write both scans: %w", err)
	}
	err = e.print(json.RawMessage(both), func() error {
		if err := e.writeScan(&j, 10); err != nil {
			return err
		}
		fmt.Fprintln(e.o.Stdout)
		return e.writeScan(&files, 10)
	})
	return cmp.Or(err, scanError("scan command", &j), scanError("scan", &files))
}

// scanError is nil for a scan that ended well.
func scanError(what string, j *kbJob) error {
	if j.Status != "completed" {
		return exitf(ExitFailed, "the %s %s: %s", what, j.Status, j.Error)
	}
	return nil
}

// How long, and how often, the scan is looked for that follows a run of the outside command: it is asked for at once.
const (
	scanAfterWait  = 30 * time.Second
	scanAfterEvery = 200 * time.Millisecond
)

// scanAfter returns the id of the scan that followed a run of the outside command. When the daemon went away at that moment it is
// the first scan of the next one.
func (e *env) scanAfter(c *call, run *kbJob) (string, error) {
	for until := time.Now().Add(scanAfterWait); time.Now().Before(until); {
		var b struct {
			Jobs []kbJob `json:"jobs"`
		}
		if _, err := c.client.decode(c.ctx, kbPath+"/jobs?limit=50", &b); err != nil {
			return "", err
		}
		if id := following(b.Jobs, run); id != "" {
			return id, nil
		}
		select {
		case <-c.ctx.Done():
			return "", fmt.Errorf("interrupted; the scan goes on: controlcenter kb jobs")
		case <-time.After(scanAfterEvery):
		}
	}
	return "", exitf(ExitFailed, "the scan command has ended; whether a scan of the files followed is not known: controlcenter kb jobs")
}

// following finds, among jobs of which the newest is first, the scan of the files that followed a run of the outside command: the one
// that says so, else the first that began after it and looks at what such runs, or a time without a daemon, left behind.
func following(jobs []kbJob, run *kbJob) string {
	id := ""
	for _, j := range jobs {
		if j.After == run.ID {
			return j.ID
		}
		later := run.Finished != nil && !j.Started.Before(*run.Finished)
		if later && j.Kind != "command" && (j.Trigger == "start" || j.After != "") {
			id = j.ID
		}
	}
	return id
}

// followScan shows the progress of one scan until it has ended, and returns it as it is then.
func (e *env) followScan(c *call, id string) (j kbJob, last json.RawMessage, err error) {
	bar := &progressBar{e: e, on: e.onTerminal(e.o.Stderr)}
	fl := follower{c: c.client, path: kbPath + "/events", query: url.Values{"job": {id}}, waiting: func(err error) {
		bar.clear()
		if _, ok := errors.AsType[*exitError](err); ok {
			fmt.Fprintf(e.o.Stderr, "controlcenter: %s; waiting for the daemon\n", cleanLines(err.Error()))
		}
	}}
	err = fl.run(c.ctx, func(ev *sseEvent) error {
		if ev.name != "knowledge_scan" {
			return nil
		}
		var frame struct {
			Job json.RawMessage `json:"job"`
		}
		if err := json.Unmarshal(ev.data, &frame); err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
		j = kbJob{}
		if err := json.Unmarshal(frame.Job, &j); err != nil {
			return fmt.Errorf("read progress: %w", err)
		}
		last = frame.Job
		bar.show(&j)
		if j.ended() {
			return errScanEnded
		}
		return nil
	})
	bar.clear()
	switch {
	case errors.Is(err, errScanEnded):
		return j, last, nil
	case c.ctx.Err() != nil:
		return j, nil, fmt.Errorf("interrupted; the scan goes on: controlcenter kb jobs %s", id)
	}
	return j, nil, err
}

// onTerminal says whether what is written there is read by a person.
func (e *env) onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || e.vars["TERM"] == "dumb" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// progressBar is one line on a terminal that is written over.
type progressBar struct {
	e     *env
	on    bool
	width int // of what stands there
}

func (p *progressBar) show(j *kbJob) {
	if p.on {
		p.write(scanLine(j))
	}
}

func (p *progressBar) clear() {
	if p.width > 0 {
		p.write("")
	}
}

func (p *progressBar) write(line string) {
	n := utf8.RuneCountInString(line)
	fmt.Fprint(p.e.o.Stderr, "\r"+line+strings.Repeat(" ", max(0, p.width-n)))
	if p.width = n; n == 0 {
		fmt.Fprint(p.e.o.Stderr, "\r")
	}
}

// barCells is how wide a bar is.
const barCells = 24

// scanLine is the progress of a scan in one line of at most 79 cells.
func scanLine(j *kbJob) string {
	if j.Status == "queued" {
		return "waiting for its turn"
	}
	if j.ToDo == 0 {
		return fmt.Sprintf("%d files seen, %d unchanged", j.Seen, j.Unchanged)
	}
	done := min(1, float64(j.Parsed)/float64(j.ToDo))
	full := int(done * barCells)
	line := fmt.Sprintf("[%s%s] %3.0f%%  %d/%d files  %.0f/s", strings.Repeat("#", full), strings.Repeat(".", barCells-full), done*100, j.Parsed, j.ToDo, j.Rate)
	if j.ETA != nil && *j.ETA >= 1 {
		line += "  " + (time.Duration(*j.ETA) * time.Second).String() + " left"
	}
	if j.Rejected > 0 {
		line += fmt.Sprintf("  %d rejected", j.Rejected)
	}
	return line[:min(79, len(line))]
}

// writeScan shows a scan and its first errors.
func (e *env) writeScan(j *kbJob, errorsShown int) error {
	t := newTable("", "")
	status := j.Status
	if j.Error != "" {
		status += ": " + j.Error
	}
	if j.Resumed > 0 {
		status += fmt.Sprintf("; went on %d times after the daemon had died", j.Resumed)
	}
	t.add("scan", j.ID)
	t.add("kind", j.Kind+", by "+j.Trigger)
	t.add("status", status)
	if j.Command != "" {
		t.add("command", j.Command)
	}
	t.add("started", shownTime(&j.Started))
	if j.Finished != nil {
		t.add("took", j.Finished.Sub(j.Started).Round(time.Millisecond).String())
	}
	if j.LogFile != "" {
		t.add("log", j.LogFile)
		t.add("videos", strconv.Itoa(j.Videos))
		t.add("insights", strconv.Itoa(j.Insights))
	} else {
		t.add("files", fmt.Sprintf("%d seen, %d unchanged, %d indexed, %d renamed, %d deleted, %d rejected", j.Seen, j.Unchanged, j.Indexed, j.Renamed, j.Deleted, j.Rejected))
		t.add("read", bytesText(float64(j.Bytes)))
	}
	if j.Held != nil {
		t.add("held", fmt.Sprintf("deletion of %d of %d files: %s; \"kb scan --confirm-deletions\" makes them", j.Held.Count, j.Held.Of, j.Held.Why))
	}
	for _, line := range j.Log {
		t.add("note", line)
	}
	if err := t.write(e.o.Stdout, e.styled()); err != nil || len(j.Errors) == 0 {
		return err
	}
	t = newTable("REASON", "FILE", "DETAIL")
	for i, f := range j.Errors {
		if i == errorsShown {
			break
		}
		t.add(f.Reason, f.Path, shorten(f.Detail, 80))
	}
	if err := e.paragraph(t); err != nil {
		return err
	}
	if more := j.ErrorsTotal - min(errorsShown, len(j.Errors)); more > 0 {
		_, err := fmt.Fprintf(e.o.Stdout, "%d more: controlcenter kb jobs %s -o json\n", more, clean(j.ID))
		return err
	}
	return nil
}

func (e *env) kbJobsCmd() *cobra.Command {
	limit := 20
	var follow bool
	cmd := &cobra.Command{
		Use: "jobs [ID]", Short: "Show scans, newest first, or one with its errors",
		Long: `Show scans, newest first, or one with its errors: those of this program, runs of the
outside scan command, and those that the logs of the older pipeline tell of.`,
		Example: "  controlcenter kb jobs\n  controlcenter kb jobs 20260101T040000.000000-0011aabb --follow",
		Args:    maxArgs(1),
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "scans shown at most, 1-200")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "with ID: show the progress until it has ended")
	cmd.RunE = e.run(func(c *call) error {
		if err := checkLimit(limit, 200); err != nil {
			return err
		}
		if len(c.args) == 1 {
			if c.args[0] == "" { // it would be all of them
				return usagef("ID: must not be empty")
			}
			if follow {
				return e.awaitScan(c, c.args[0])
			}
			var b struct {
				Job kbJob `json:"job"`
			}
			raw, err := c.client.decode(c.ctx, kbPath+"/jobs/"+url.PathEscape(c.args[0]), &b)
			if err != nil {
				return err
			}
			return e.print(raw, func() error { return e.writeScan(&b.Job, 300) })
		}
		if follow {
			return usagef("missing argument ID")
		}
		var b struct {
			Jobs []kbJob `json:"jobs"`
		}
		raw, err := c.client.decode(c.ctx, withQuery(kbPath+"/jobs", url.Values{"limit": {strconv.Itoa(limit)}}), &b)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			t := newTable("ID", "STARTED", "TOOK>", "KIND", "BY", "STATUS", "INDEXED>", "DELETED>", "REJECTED>", "ERROR")
			for i := range b.Jobs {
				j := &b.Jobs[i]
				took := ""
				if j.Finished != nil {
					took = j.Finished.Sub(j.Started).Round(time.Millisecond).String()
				}
				t.add(j.ID, shownTime(&j.Started), took, j.Kind, j.Trigger, j.Status, strconv.Itoa(j.Indexed), strconv.Itoa(j.Deleted), strconv.Itoa(j.Rejected), shorten(j.Error, 60))
			}
			return t.write(e.o.Stdout, e.styled())
		})
	}, needDaemon)
	return cmd
}

func (e *env) kbCancelCmd() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Cancel a scan that waits or runs",
		Example: "  controlcenter kb cancel 20260101T040000.000000-0011aabb",
		Args:    exactArgs("ID"),
		RunE: e.run(func(c *call) error {
			return e.kbDone(c, kbPath+"/jobs/"+url.PathEscape(c.args[0])+"/cancel", nil)
		}, needDaemon),
	}
}
