package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const kbPath = "/api/knowledge"

func (e *env) kbCmd() *cobra.Command {
	cmd := group("kb", "Search and keep the knowledge base",
		`  controlcenter kb search ip-adapter weight
  controlcenter kb scan              # look for changes, with a progress bar
  controlcenter kb insights --min-confidence 80 --status pending
  controlcenter kb file p-abcdefghijklmnop --content`,
		e.kbSearchCmd(), e.kbFileCmd(), e.kbFilesCmd(), e.kbInsightsCmd(), e.kbReviewCmd(), e.kbCreatorsCmd(), e.kbScanCmd(), e.kbJobsCmd(), e.kbCancelCmd(),
		e.kbStatsCmd())
	cmd.Long = `Search and keep the knowledge base: the folders that knowledge.roots of the
configuration names. docs/knowledge.md describes files and queries.`
	return cmd
}

// kbFile is what the tables show of a file.
type kbFile struct {
	ID         string    `json:"id"`
	Path       string    `json:"path"`
	Relative   string    `json:"relative_path"`
	Title      string    `json:"title"`
	Agent      string    `json:"agent"`
	Category   string    `json:"category"`
	Type       string    `json:"type"`
	Source     string    `json:"source"`
	Status     string    `json:"status"`
	URL        string    `json:"url"`
	Size       int64     `json:"size"`
	Modified   time.Time `json:"modified"`
	Confidence *float64  `json:"confidence_percent"`
	Insights   int       `json:"insight_count"`
}

// percentOf shows a percentage without decimals; "" for null.
func percentOf(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', 0, 64) + "%"
}

// checkLimit holds -n to what the daemon takes.
func checkLimit(n, most int) error {
	if n < 1 || n > most {
		return usagef("--limit: must be between 1 and %d", most)
	}
	return nil
}

// set puts what is not empty into a query.
func set(q url.Values, pairs ...string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func (e *env) kbStatsCmd() *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "Show what the knowledge base holds",
		Example: "  controlcenter kb stats\n  controlcenter kb stats -o json",
		Args:    maxArgs(0),
		RunE: e.run(func(c *call) error {
			var b struct {
				Files    int            `json:"total_files"`
				Bytes    int64          `json:"total_size_bytes"`
				Creators int            `json:"total_creators"`
				Insights int            `json:"total_insights"`
				Videos   int            `json:"total_videos"`
				Recent   int            `json:"recent_files_7d"`
				LastScan *time.Time     `json:"last_scan"`
				Scanning bool           `json:"scanning"`
				Agents   map[string]int `json:"files_by_agent"`
				Rejected map[string]int `json:"rejected_by_reason"`
				Index    struct {
					State     string `json:"state"`
					Documents uint64 `json:"documents"`
					Bytes     int64  `json:"disk_bytes"`
				} `json:"index"`
				Held []struct {
					Root   string   `json:"root"`
					Count  int      `json:"count"`
					Of     int      `json:"of"`
					Why    string   `json:"why"`
					Sample []string `json:"sample"`
				} `json:"held"`
			}
			raw, err := c.client.decode(c.ctx, kbPath+"/stats", &b)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				scan := shownTime(b.LastScan)
				if b.Scanning {
					scan = strings.TrimPrefix(scan+", one runs now", ", ")
				}
				t := newTable("", "")
				t.add("files", fmt.Sprintf("%d, %s; %d changed in 7 days", b.Files, bytesText(float64(b.Bytes)), b.Recent))
				t.add("insights", strconv.Itoa(b.Insights))
				t.add("videos", strconv.Itoa(b.Videos))
				t.add("creators", strconv.Itoa(b.Creators))
				t.add("last scan", scan)
				t.add("index", fmt.Sprintf("%s, %d documents, %s", b.Index.State, b.Index.Documents, bytesText(float64(b.Index.Bytes))))
				for _, reason := range sortedKeys(b.Rejected) {
					t.add("not read: "+reason, strconv.Itoa(b.Rejected[reason]))
				}
				for _, h := range b.Held {
					t.add("deletions held", fmt.Sprintf("%d of %d files of root %s: %s; \"kb scan --confirm-deletions\" makes them", h.Count, h.Of, h.Root, h.Why))
					for _, name := range h.Sample[:min(3, len(h.Sample))] {
						t.add("  gone", name)
					}
				}
				if err := t.write(e.o.Stdout, e.styled()); err != nil {
					return err
				}
				if len(b.Agents) == 0 {
					return nil
				}
				t = newTable("AGENT", "FILES>")
				for _, name := range sortedKeys(b.Agents) {
					t.add(name, strconv.Itoa(b.Agents[name]))
				}
				return e.paragraph(t)
			})
		}, needDaemon),
	}
}

func (e *env) kbCreatorsCmd() *cobra.Command {
	var priority, search string
	cmd := &cobra.Command{
		Use: "creators [ID]", Short: "Show creators, or one and their newest files",
		Example: "  controlcenter kb creators --priority high\n  controlcenter kb creators PixelOrchard",
		Args:    maxArgs(1),
		RunE: e.run(func(c *call) error {
			if len(c.args) == 1 {
				return e.kbCreator(c)
			}
			var b struct {
				Creators []kbCreatorRow    `json:"creators"`
				Schedule map[string]string `json:"scan_schedule"`
			}
			raw, err := c.client.decode(c.ctx, withQuery(kbPath+"/creators", set(url.Values{}, "priority", priority, "search", search)), &b)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("ID", "NAME", "PRIORITY", "SCANNED", "FILES>", "FOCUS")
				for _, r := range b.Creators {
					t.add(r.ID, r.Name, r.Priority, b.Schedule[r.Priority], strconv.Itoa(r.Files), shorten(r.Focus, 60))
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}, needDaemon),
	}
	cmd.Flags().StringVar(&priority, "priority", "", "only this tier: critical, high, medium, low")
	cmd.Flags().StringVar(&search, "search", "", "part of the name or focus")
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions(kbTiers, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var kbTiers = []string{"critical", "high", "medium", "low"}

type kbCreatorRow struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Handle      string `json:"handle"`
	Subscribers string `json:"subscribers"`
	Priority    string `json:"priority"`
	Focus       string `json:"focus"`
	Notes       string `json:"notes"`
	URL         string `json:"channel_url"`
	Files       int    `json:"related_files"`
}

func (e *env) kbCreator(c *call) error {
	var b struct {
		Creator kbCreatorRow `json:"creator"`
		Files   []kbFile     `json:"files"`
	}
	raw, err := c.client.decode(c.ctx, kbPath+"/creators/"+url.PathEscape(c.args[0]), &b)
	if err != nil {
		return err
	}
	return e.print(raw, func() error {
		t := newTable("", "")
		for _, row := range [][2]string{
			{"id", b.Creator.ID},
			{"name", b.Creator.Name},
			{"handle", b.Creator.Handle},
			{"channel", b.Creator.URL},
			{"subscribers", b.Creator.Subscribers},
			{"priority", b.Creator.Priority},
			{"focus", b.Creator.Focus},
			{"notes", b.Creator.Notes},
			{"files", strconv.Itoa(b.Creator.Files)},
		} {
			if row[1] != "" {
				t.add(row[0], row[1])
			}
		}
		if err := t.write(e.o.Stdout, e.styled()); err != nil {
			return err
		}
		return e.paragraph(kbFileTable(b.Files))
	})
}

func kbFileTable(files []kbFile) *table {
	t := newTable("ID", "TITLE", "AGENT", "CATEGORY", "CONFIDENCE>", "INSIGHTS>", "CHANGED")
	for _, f := range files {
		t.add(f.ID, shorten(f.Title, 60), f.Agent, f.Category, percentOf(f.Confidence), strconv.Itoa(f.Insights), shownTime(&f.Modified))
	}
	return t
}

// kbDone sends a change and prints the daemon's message.
func (e *env) kbDone(c *call, path string, body any) error {
	var b struct {
		Message string `json:"message"`
	}
	raw, err := c.client.exchange(c.ctx, http.MethodPost, path, body, &b)
	if err != nil {
		return err
	}
	return e.print(json.RawMessage(raw), func() error {
		_, err := fmt.Fprintln(e.o.Stdout, clean(b.Message))
		return err
	})
}
