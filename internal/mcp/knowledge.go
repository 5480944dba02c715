package mcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"controlcenter/kb"
)

// Found is a document that matches a search.
type Found struct {
	ID         string   `json:"id" jsonschema:"for kb_read"`
	Title      string   `json:"title"`
	Agent      string   `json:"agent"`
	Category   string   `json:"category"`
	Creator    string   `json:"creator,omitempty"`
	Status     string   `json:"status,omitempty"`
	Confidence *float64 `json:"confidence" jsonschema:"0 to 1; null = not said"`
	Preview    string   `json:"preview"`
	Insight    string   `json:"insight,omitempty" jsonschema:"the statement that matches best"`
	Said       string   `json:"said,omitempty" jsonschema:"of a transcript, what is said at that place"`
	At         *float64 `json:"t,omitempty" jsonschema:"seconds into the video, of what is said"`
	URL        string   `json:"url,omitempty" jsonschema:"of the video, at the time of the insight or of what is said"`
	Score      float64  `json:"score"`
}

// Insight is one statement.
type Insight struct {
	Text       string   `json:"text"`
	Confidence *float64 `json:"confidence"`
	Status     string   `json:"status,omitempty" jsonschema:"approved, pending, rejected, conflicting or superseded; empty = not reviewed"`
	Document   string   `json:"document_id"`
	Title      string   `json:"title"`
	Creator    string   `json:"creator,omitempty"`
	URL        string   `json:"url,omitempty"`
}

// Creator is somebody whose videos the knowledge comes from.
type Creator struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Priority string `json:"priority"`
	Focus    string `json:"focus"`
	Files    int    `json:"files"`
}

type searchQuery struct {
	Query string `json:"query" jsonschema:"words (all needed), \"a phrase\", -not, OR, pre*, agent:x creator:x tag:x status:x confidence>=0.8 published>2025-01 has:insight"`
	Agent string `json:"agent,omitempty" jsonschema:"only this agent's files"`
	Limit int    `json:"limit,omitempty" jsonschema:"1 to 50, default 10"`
}

type searchAnswer struct {
	Total     int     `json:"total"`
	Results   []Found `json:"results"`
	Corrected string  `json:"corrected,omitempty" jsonschema:"the query that was answered instead, when a word was misspelt"`
	Degraded  bool    `json:"degraded,omitempty" jsonschema:"the index is being made again: results may be missing"`
}

type readQuery struct {
	ID string `json:"id" jsonschema:"id or path of a file"`
}

type readAnswer struct {
	Path  string `json:"path"`
	Title string `json:"title"`
	Text  string `json:"text"`
	Cut   bool   `json:"cut,omitempty" jsonschema:"the file goes on"`
}

type insightQuery struct {
	MinConfidence float64 `json:"min_confidence,omitempty" jsonschema:"0 to 1"`
	Status        string  `json:"status,omitempty" jsonschema:"approved, pending, rejected, conflicting, superseded or none"`
	Creator       string  `json:"creator,omitempty"`
	Agent         string  `json:"agent,omitempty"`
	Tag           string  `json:"tag,omitempty"`
	Limit         int     `json:"limit,omitempty" jsonschema:"1 to 100, default 20"`
}

// readLimit bounds what an agent is given of one file: about 16,000 words.
const readLimit = 100_000

func (o *Options) knowledgeTools(s *mcp.Server) {
	b := o.Base
	if b == nil {
		return
	}
	if o.Searcher != nil {
		reads(s, "kb_search", "Search the knowledge base", "Full-text search of what agents wrote from creators' videos. Tolerates one typo.", o.search)
	}
	reads(s, "kb_read", "Read a file", "The text of one file of the knowledge base.", func(ctx context.Context, in readQuery) (readAnswer, error) {
		c, err := b.Content(ctx, in.ID)
		if err != nil {
			return readAnswer{}, fmt.Errorf("read %s: %w", in.ID, err)
		}
		out := readAnswer{Path: c.File.Path, Title: c.File.Title, Text: c.Text}
		if len(out.Text) > readLimit {
			out.Text, out.Cut = strings.ToValidUTF8(out.Text[:readLimit], ""), true
		}
		return out, nil
	})
	reads(s, "kb_insights", "Insights", "Statements with confidence, review status and the link to the video at its time.", func(ctx context.Context, in insightQuery) (struct {
		Total    int       `json:"total"`
		Insights []Insight `json:"insights"`
	}, error,
	) {
		out := struct {
			Total    int       `json:"total"`
			Insights []Insight `json:"insights"`
		}{Insights: []Insight{}}
		limit, err := within("limit", in.Limit, 20, 100)
		if err != nil {
			return out, err
		}
		q := kb.InsightQuery{Status: in.Status, Creator: in.Creator, Agent: in.Agent, Tag: in.Tag, Limit: limit}
		if in.MinConfidence > 0 {
			q.MinConfidence = &in.MinConfidence
		}
		rows, total, err := b.Insights(ctx, q)
		if err != nil {
			return out, fmt.Errorf("list insights: %w", err)
		}
		out.Total = total
		for i := range rows {
			r := &rows[i]
			out.Insights = append(out.Insights, Insight{r.Text, r.Confidence, r.State, r.Document, r.Title, r.Creator, r.URL})
		}
		return out, nil
	})
	reads(s, "kb_creators", "Creators", "Whose videos the knowledge comes from, by priority.", func(ctx context.Context, in struct {
		Priority string `json:"priority,omitempty" jsonschema:"critical, high, medium or low"`
		Search   string `json:"search,omitempty" jsonschema:"part of name or focus"`
	}) (struct {
		Creators []Creator `json:"creators"`
	}, error,
	) {
		out := struct {
			Creators []Creator `json:"creators"`
		}{[]Creator{}}
		list, err := b.Creators(ctx, in.Priority, in.Search)
		if err != nil {
			return out, fmt.Errorf("list creators: %w", err)
		}
		for i := range list.Creators {
			c := &list.Creators[i]
			out.Creators = append(out.Creators, Creator{c.ID, c.Name, c.Priority, c.Focus, c.Files})
		}
		return out, nil
	})
}

func (o *Options) search(ctx context.Context, in searchQuery) (searchAnswer, error) {
	out := searchAnswer{Results: []Found{}}
	limit, err := within("limit", in.Limit, 10, 50)
	if err != nil {
		return out, err
	}
	res, err := o.Searcher.Search(ctx, kb.Request{Query: in.Query, Agent: in.Agent, Limit: limit})
	if err != nil {
		return out, fmt.Errorf("search: %w", err)
	}
	o.Base.ObserveSearch(res.Took)
	out.Total, out.Corrected, out.Degraded = res.Total, res.Corrected, res.Degraded
	for i := range res.Hits {
		h := &res.Hits[i]
		f := Found{ID: h.ID, Preview: h.Preview, URL: h.URL, Score: h.Score}
		if d := h.Document; d != nil {
			f.Title, f.Agent, f.Category, f.Creator, f.Status, f.Confidence = d.Title, d.Agent, d.Category, d.Creator, d.Status, d.Confidence
		}
		if h.Insight != nil {
			f.Insight = h.Insight.Text
		}
		if h.Segment != nil {
			f.Said, f.At = h.Segment.Text, &h.Segment.Start
		}
		out.Results = append(out.Results, f)
	}
	return out, nil
}
