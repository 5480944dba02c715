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

// kbHit is what is shown of a result.
type kbHit struct {
	kbFile
	Matches    int     `json:"match_count"`
	Preview    string  `json:"preview"`
	Score      float64 `json:"score"`
	Highlights []struct {
		Text  string `json:"text"`
		Match bool   `json:"match"`
	} `json:"highlights"`
	Insight *struct {
		Text       string   `json:"text"`
		Confidence *float64 `json:"confidence_percent"`
		URL        string   `json:"url"`
	} `json:"insight"`
	Segment *struct {
		Start float64 `json:"t"`
	} `json:"segment"`
}

func (e *env) kbSearchCmd() *cobra.Command {
	var agent, order string
	var literal, facets bool
	limit, page := 10, 1
	cmd := &cobra.Command{
		Use:   "search QUERY...",
		Short: "Search files and insights",
		Long: `Search files and insights. All words must occur; "a phrase", -not, OR, pre*,
fuzzy~1, fields (title: creator: agent: category: tag: path: status: lang:), ranges
(confidence>=0.8 published>2025-01), has:insight and sort:modified are understood.
A query without a hit is looked for in the files as it stands; --literal does only that.

Exit code 3: nothing was found.`,
		Example: `  controlcenter kb search ip-adapter weight
  controlcenter kb search '"layer caching" agent:integration'
  controlcenter kb search 'lighting confidence>=0.8' --facets
  controlcenter kb search --literal 'denoise: 0.40'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("missing argument QUERY")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&agent, "agent", "", "only this agent")
	f.StringVar(&order, "sort", "", "relevance, modified, published, confidence or size; a minus before it reverses it")
	f.BoolVar(&literal, "literal", false, "only look through the files, for the query as it stands")
	f.BoolVar(&facets, "facets", false, "also count by agent, category, creator, tag, confidence and status")
	f.IntVarP(&limit, "limit", "n", limit, "results shown at most, 1-100")
	f.IntVar(&page, "page", page, "page of the results, from 1")
	cmd.RunE = e.run(func(c *call) error {
		if err := checkLimit(limit, 100); err != nil {
			return err
		}
		if page < 1 {
			return usagef("--page: must be 1 or more")
		}
		body := map[string]any{"query": strings.Join(c.args, " "), "limit": limit, "page": page, "facets": facets}
		for name, v := range map[string]string{"agent": agent, "sort": order} {
			if v != "" {
				body[name] = v
			}
		}
		if literal {
			body["mode"] = "literal"
		}
		var b struct {
			Total     int     `json:"total"`
			Results   []kbHit `json:"results"`
			Mode      string  `json:"mode"`
			Corrected string  `json:"corrected"`
			Degraded  bool    `json:"degraded"`
			Truncated bool    `json:"truncated"`
			Took      float64 `json:"took_seconds"`
			Facets    map[string][]struct {
				Value string `json:"value"`
				Count int    `json:"count"`
			} `json:"facets"`
		}
		raw, err := c.client.exchange(c.ctx, http.MethodPost, kbPath+"/search", body, &b)
		if err != nil {
			return err
		}
		err = e.print(raw, func() error {
			var out strings.Builder
			for _, h := range b.Results {
				e.writeHit(&out, &h)
			}
			for _, field := range []string{"agent", "category", "creator", "tag", "confidence", "status"} {
				if len(b.Facets[field]) == 0 {
					continue
				}
				out.WriteString(field + ":")
				for i, v := range b.Facets[field] {
					if i == 8 {
						out.WriteString(" …")
						break
					}
					fmt.Fprintf(&out, " %s (%d)", clean(v.Value), v.Count)
				}
				out.WriteString("\n")
			}
			notes := []string{fmt.Sprintf("%d found in %.1f ms", b.Total, b.Took*1e3)}
			if b.Mode == "literal" {
				notes[0] += ", in the files as it stands"
			}
			if b.Corrected != "" {
				notes = append(notes, "looked for: "+clean(b.Corrected))
			}
			if b.Degraded {
				notes = append(notes, "the index is being made: there may be more")
			}
			if b.Truncated {
				notes = append(notes, "time was up: there may be more")
			}
			_, err := fmt.Fprintf(e.o.Stdout, "%s%s\n", out.String(), strings.Join(notes, "; "))
			return err
		})
		if err == nil && b.Total == 0 {
			return exitf(ExitNotFound, "nothing was found")
		}
		return err
	}, needDaemon)
	return cmd
}

// writeHit writes a result as three or four lines.
func (e *env) writeHit(out *strings.Builder, h *kbHit) {
	st := e.styled()
	head := st.bold(clean(h.Title))
	for _, part := range []string{h.Agent, h.Category, h.Source, percentOf(h.Confidence), h.Status} {
		if part != "" {
			head += "  " + clean(part)
		}
	}
	out.WriteString(head + "\n  ")
	for _, p := range h.Highlights {
		if p.Match {
			out.WriteString(st.bold(clean(p.Text)))
		} else {
			out.WriteString(clean(p.Text))
		}
	}
	if len(h.Highlights) == 0 {
		out.WriteString(clean(h.Preview))
	}
	out.WriteString("\n")
	if h.Insight != nil && !strings.Contains(h.Preview, h.Insight.Text) {
		text := "  > " + clean(shorten(h.Insight.Text, 200))
		if p := percentOf(h.Insight.Confidence); p != "" {
			text += " (" + p + ")"
		}
		out.WriteString(text + "\n")
	}
	out.WriteString("  " + clean(h.ID) + "  " + clean(h.Path))
	if h.Segment != nil {
		out.WriteString("  at " + (time.Duration(h.Segment.Start) * time.Second).String())
	}
	if h.URL != "" {
		out.WriteString("  " + clean(h.URL))
	}
	out.WriteString("\n\n")
}

// kbInsight is what is shown of an insight.
type kbInsight struct {
	ID         string   `json:"id"`
	Text       string   `json:"text"`
	Confidence *float64 `json:"confidence_percent"`
	URL        string   `json:"url"`
	Status     string   `json:"status"`
	State      string   `json:"review_status"`
	Document   string   `json:"document_id"`
	Agent      string   `json:"agent"`
	Creator    string   `json:"creator"`
}

func (e *env) kbFileCmd() *cobra.Command {
	var content, related bool
	cmd := &cobra.Command{
		Use: "file ID", Short: "Show a file with its insights",
		Long: "Show a file with its insights. ID is that of a listing, of a front matter, base64 of\nthe absolute path, or the path itself, absolute or from its root.",
		Example: `  controlcenter kb file p-abcdefghijklmnop
  controlcenter kb file ai-agents/integration/docker/notes.md --content`,
		Args: exactArgs("ID"),
	}
	cmd.Flags().BoolVar(&content, "content", false, "write the text of the file as it is now, and nothing else")
	cmd.Flags().BoolVar(&related, "related", false, "show the files that have to do with it")
	cmd.RunE = e.run(func(c *call) error {
		if content && related {
			return usagef("--content and --related exclude each other")
		}
		at := kbPath + "/files/" + url.PathEscape(c.args[0])
		switch {
		case content:
			return e.kbContent(c, at)
		case related:
			var b struct {
				Files []struct {
					kbFile
					Relation string `json:"relation"`
				} `json:"files"`
			}
			raw, err := c.client.decode(c.ctx, at+"/related", &b)
			if err != nil {
				return err
			}
			return e.print(raw, func() error {
				t := newTable("RELATION", "ID", "TITLE", "AGENT", "CATEGORY")
				for _, f := range b.Files {
					t.add(f.Relation, f.ID, shorten(f.Title, 60), f.Agent, f.Category)
				}
				return t.write(e.o.Stdout, e.styled())
			})
		}
		var b struct {
			kbFile
			Insights struct {
				Words int         `json:"word_count"`
				Items []kbInsight `json:"items"`
			} `json:"insights"`
			Warnings []string `json:"warnings"`
		}
		raw, err := c.client.decode(c.ctx, at, &b)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			t := newTable("", "")
			for _, row := range [][2]string{
				{"title", b.Title},
				{"id", b.ID},
				{"path", b.Path},
				{"agent", b.Agent},
				{"category", b.Category},
				{"creator", b.Source},
				{"url", b.URL},
				{"type", b.Type},
				{"confidence", percentOf(b.Confidence)},
				{"status", b.Status},
				{"changed", shownTime(&b.Modified)},
				{"size", fmt.Sprintf("%s, %d words", bytesText(float64(b.Size)), b.Insights.Words)},
				{"warnings", strings.Join(b.Warnings, "; ")},
			} {
				if row[1] != "" {
					t.add(row[0], row[1])
				}
			}
			if err := t.write(e.o.Stdout, e.styled()); err != nil || len(b.Insights.Items) == 0 {
				return err
			}
			t = newTable("INSIGHT", "CONFIDENCE>", "STATUS", "TEXT")
			for _, in := range b.Insights.Items {
				t.add(in.ID, percentOf(in.Confidence), in.Status, shorten(in.Text, 160))
			}
			return e.paragraph(t)
		})
	}, needDaemon)
	return cmd
}

// kbContent writes the text of a file: on a terminal with control characters as escapes, else as it is.
func (e *env) kbContent(c *call, at string) error {
	resp, err := c.client.do(c.ctx, http.MethodGet, at+"/content", http.Header{"Accept": {"text/plain"}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := readLimited(resp.Body, 1<<30)
	if err != nil {
		return fmt.Errorf("read content: %w", err)
	}
	out := string(text)
	if e.onTerminal(e.o.Stdout) {
		out = cleanLines(out)
	}
	_, err = fmt.Fprint(e.o.Stdout, out)
	return err
}

func (e *env) kbFilesCmd() *cobra.Command {
	var agent, category, creator, kind, status, tag, order string
	limit, page := 50, 1
	cmd := &cobra.Command{
		Use: "files", Short: "List files, the newest first",
		Example: "  controlcenter kb files --agent integration\n  controlcenter kb files --creator pixelorchard --sort confidence_desc",
		Args:    maxArgs(0),
	}
	f := cmd.Flags()
	f.StringVar(&agent, "agent", "", "only this agent")
	f.StringVar(&category, "category", "", "only this category")
	f.StringVar(&creator, "creator", "", "only this creator")
	f.StringVar(&kind, "type", "", "document, video, transcript or code")
	f.StringVar(&status, "status", "", "approved, pending, rejected, conflicting or superseded")
	f.StringVar(&tag, "tag", "", "only with this tag")
	f.StringVar(&order, "sort", "", "date_desc, date, name, name_desc, size, size_desc, type or confidence_desc")
	f.IntVarP(&limit, "limit", "n", limit, "files shown at most, 1-500")
	f.IntVar(&page, "page", page, "page of the list, from 1")
	cmd.RunE = e.run(func(c *call) error {
		if err := checkLimit(limit, 500); err != nil {
			return err
		}
		if page < 1 {
			return usagef("--page: must be 1 or more")
		}
		q := set(url.Values{"limit": {strconv.Itoa(limit)}, "page": {strconv.Itoa(page)}}, "agent", agent, "category", category, "creator", creator, "type", kind,
			"status", status, "tag", tag, "sort", order)
		var b struct {
			Total int      `json:"total"`
			Files []kbFile `json:"files"`
		}
		raw, err := c.client.decode(c.ctx, withQuery(kbPath+"/files", q), &b)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			if err := kbFileTable(b.Files).write(e.o.Stdout, e.styled()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.o.Stdout, "%d of %d files\n", len(b.Files), b.Total)
			return err
		})
	}, needDaemon)
	return cmd
}

func (e *env) kbInsightsCmd() *cobra.Command {
	var status, creator, agent, tag, file, order string
	var least int
	limit, page := 50, 1
	cmd := &cobra.Command{
		Use: "insights", Short: "List insights, those of the newest files first",
		Example: "  controlcenter kb insights --min-confidence 80\n  controlcenter kb insights --status pending --creator quiet-compiler",
		Args:    maxArgs(0),
	}
	f := cmd.Flags()
	f.IntVar(&least, "min-confidence", 0, "percent; above 0 insights without a confidence are left out")
	f.StringVar(&status, "status", "", "approved, pending, rejected, conflicting, superseded or none")
	f.StringVar(&creator, "creator", "", "only of this creator")
	f.StringVar(&agent, "agent", "", "only of this agent")
	f.StringVar(&tag, "tag", "", "only with this tag")
	f.StringVar(&file, "file", "", "only of this file")
	f.StringVar(&order, "sort", "", "date_desc or confidence_desc")
	f.IntVarP(&limit, "limit", "n", limit, "insights shown at most, 1-500")
	f.IntVar(&page, "page", page, "page of the list, from 1")
	cmd.RunE = e.run(func(c *call) error {
		if err := checkLimit(limit, 500); err != nil {
			return err
		}
		if least < 0 || least > 100 {
			return usagef("--min-confidence: must be between 0 and 100")
		}
		if page < 1 {
			return usagef("--page: must be 1 or more")
		}
		q := set(url.Values{"limit": {strconv.Itoa(limit)}, "page": {strconv.Itoa(page)}}, "status", status, "creator", creator, "agent", agent, "tag", tag,
			"document", file, "sort", order)
		if least > 0 {
			q.Set("min_confidence", strconv.FormatFloat(float64(least)/100, 'f', -1, 64))
		}
		var b struct {
			Total    int         `json:"total"`
			Insights []kbInsight `json:"insights"`
		}
		raw, err := c.client.decode(c.ctx, withQuery(kbPath+"/insights", q), &b)
		if err != nil {
			return err
		}
		return e.print(raw, func() error {
			t := newTable("FILE", "INSIGHT", "CONFIDENCE>", "STATUS", "CREATOR", "TEXT")
			for _, in := range b.Insights {
				t.add(in.Document, in.ID, percentOf(in.Confidence), in.State, in.Creator, shorten(in.Text, 120))
			}
			if err := t.write(e.o.Stdout, e.styled()); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.o.Stdout, "%d of %d insights\n", len(b.Insights), b.Total)
			return err
		})
	}, needDaemon)
	return cmd
}

func (e *env) kbReviewCmd() *cobra.Command {
	var action, by, note string
	cmd := &cobra.Command{
		Use:   "review [FILE [INSIGHT]]",
		Short: "Show what waits for a decision, or decide",
		Long: `Show what waits for a decision: contradictions, files that another one supersedes,
files whose time is over, pending ones. With a file, or an insight of it, and --action,
decide. The file stays as it is unless knowledge.write_back is set.`,
		Example: `  controlcenter kb review
  controlcenter kb review hud-2024 --action supersede --by hud-2025
  controlcenter kb review p-abcdefghijklmnop i-abcdef --action reject --note "measured otherwise"`,
		Args: maxArgs(2),
	}
	f := cmd.Flags()
	f.StringVar(&action, "action", "", "approve, reject, supersede, conflict, pending or clear")
	f.StringVar(&by, "by", "", "with supersede: the file that takes its place")
	f.StringVar(&note, "note", "", "why")
	_ = cmd.RegisterFlagCompletionFunc("action", cobra.FixedCompletions([]string{"approve", "reject", "supersede", "conflict", "pending", "clear"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = e.run(func(c *call) error {
		switch {
		case len(c.args) > 0 && action == "":
			return usagef("--action is needed to decide on %s", c.args[0])
		case len(c.args) == 0 && action != "":
			return usagef("missing argument FILE")
		case len(c.args) == 0:
			return e.kbToReview(c)
		}
		body := map[string]any{"document_id": c.args[0], "action": action}
		if len(c.args) == 2 {
			body["insight_id"] = c.args[1]
		}
		for name, v := range map[string]string{"superseded_by": by, "note": note} {
			if v != "" {
				body[name] = v
			}
		}
		return e.kbDone(c, kbPath+"/review", body)
	}, needDaemon)
	return cmd
}

func (e *env) kbToReview(c *call) error {
	var b struct {
		Items []struct {
			Why   string  `json:"why"`
			File  kbFile  `json:"file"`
			Other *kbFile `json:"other"`
			Ref   string  `json:"ref"`
		} `json:"items"`
	}
	raw, err := c.client.decode(c.ctx, kbPath+"/to-review?limit=500", &b)
	if err != nil {
		return err
	}
	return e.print(json.RawMessage(raw), func() error {
		t := newTable("WHY", "FILE", "TITLE", "OTHER")
		for _, i := range b.Items {
			other := i.Ref
			if i.Other != nil {
				other = i.Other.ID + " " + i.Other.Title
			}
			t.add(i.Why, i.File.ID, shorten(i.File.Title, 60), shorten(other, 80))
		}
		return t.write(e.o.Stdout, e.styled())
	})
}
