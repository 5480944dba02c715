package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"controlcenter/kb"
)

func (s *Server) knowledgeSearchRows() []*row {
	g := knowledgeGroup()
	said := about("Words (all required), `\"a phrase\"`, `-not`, `OR`, `pre*`, `fuzzy~1`, the fields `title: creator: agent: category: tag: path: status: lang:`, " +
		"the ranges `confidence>=0.8 published>2025-01`, `has:insight` and `sort:modified`. A known field name counts only when a colon and then something other " +
		"than a blank follows, so `denoise: 0.40` is text. A query without a hit is looked for in the files as it stands, as the older backend did; " +
		"`mode=literal` does only that. 422 says at which column a query is broken. POST takes the same parameters as a JSON body.")
	return []*row{
		typed(s, "GET", knowledgePrefix+"/search", viewer, "Search", func(ctx context.Context, in *KnowledgeSearchParams) (*answerOf[KnowledgeSearchBody], error) {
			return s.knowledgeSearch(ctx, *in)
		}, g, said),
		typed(s, "POST", knowledgePrefix+"/search", viewer, "Search", func(ctx context.Context, in *KnowledgeSearchInput) (*answerOf[KnowledgeSearchBody], error) {
			p := in.KnowledgeSearchParams
			if b := in.Body; b != nil {
				p = KnowledgeSearchParams{
					Query: cmp.Or(b.Query, b.Q, p.Query, p.Q), Agent: cmp.Or(b.Agent, p.Agent), Limit: cmp.Or(b.Limit, p.Limit), PageSize: cmp.Or(b.PageSize, p.PageSize),
					Page: cmp.Or(b.Page, p.Page), Offset: cmp.Or(b.Offset, p.Offset), Cursor: cmp.Or(b.Cursor, p.Cursor), Mode: cmp.Or(b.Mode, p.Mode),
					Sort: cmp.Or(b.Sort, p.Sort), Facets: b.Facets || p.Facets,
				}
			}
			return s.knowledgeSearch(ctx, p)
		}, g, said, unaudited),
	}
}

// KnowledgeSearchInput is POST's: the parameters in the body, in the query or in both; the body wins.
type KnowledgeSearchInput struct {
	KnowledgeSearchParams
	Body *KnowledgeSearchParams
}

// KnowledgeSearchParams are what is searched for.
type KnowledgeSearchParams struct {
	Query    string `query:"query" json:"query,omitempty" doc:"2 to 500 characters; needed" example:"ip-adapter weight"`
	Q        string `query:"q" json:"q,omitempty" doc:"Same as query, which wins over it"`
	Agent    string `query:"agent" json:"agent,omitempty" maxLength:"100" pattern:"^[a-zA-Z0-9_-]*$" doc:"Only this agent"`
	Limit    int    `query:"limit" json:"limit,omitempty" minimum:"1" maximum:"100" doc:"Results of a page; 20 when not given"`
	PageSize int    `query:"page_size" json:"page_size,omitempty" minimum:"1" maximum:"100" doc:"Same as limit, and wins over it"`
	Page     int    `query:"page" json:"page,omitempty" minimum:"1" doc:"Number of the page, from 1"`
	Offset   int    `query:"offset" json:"offset,omitempty" minimum:"0" maximum:"10000" doc:"Results to skip; when above 0 it wins over page. Further down use cursor"`
	Cursor   string `query:"cursor" json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Mode     string `query:"mode" json:"mode,omitempty" enum:"index,literal" doc:"index: only the index; literal: only the files, for the query as it stands; both, one after the other, when not given"`
	Sort     string `query:"sort" json:"sort,omitempty" enum:"relevance,modified,-modified,published,-published,confidence,-confidence,size,-size" doc:"A minus reverses it; relevance, or what the query says, when not given"`
	Facets   bool   `query:"facets" json:"facets,omitempty" doc:"Also counts by agent, category, creator, tag, confidence and status"`
}

// KnowledgeSearchBody is a page of results.
type KnowledgeSearchBody struct {
	KnowledgeList
	Query      string                     `json:"query" doc:"Blanks collapsed"`
	Matches    int                        `json:"total_matches" doc:"Same as total"`
	Results    []KnowledgeHit             `json:"results"`
	Facets     map[string][]kb.FacetCount `json:"facets,omitempty"`
	NextCursor *string                    `json:"next_cursor" doc:"null on the last page and for literal results"`
	Mode       string                     `json:"mode" enum:"index,literal" doc:"Where the results come from"`
	Corrected  *string                    `json:"corrected" doc:"The query as it was read, when a word that no file has was replaced by the nearest one; else null"`
	Generation uint64                     `json:"generation" doc:"Of the index"`
	Age        num                        `json:"index_age_seconds" doc:"Since the newest change of the index"`
	Degraded   bool                       `json:"degraded" doc:"The index is missing or being made again: there may be more"`
	Truncated  bool                       `json:"truncated" doc:"Time was up: there may be more"`
	Took       num                        `json:"took_seconds"`
}

// KnowledgeHit is a file that matches.
type KnowledgeHit struct {
	KnowledgeFile
	MatchCount int               `json:"match_count" doc:"Lines with any of the words"`
	Preview    string            `json:"preview" doc:"At most 200 characters"`
	Highlights []kb.Fragment     `json:"highlights" doc:"The preview in pieces, with what matched marked"`
	Score      num               `json:"score" doc:"Comparable within one answer; confidence is not part of it"`
	Entry      *KnowledgeEntry   `json:"entry" doc:"The best one, without its insights; null = none has any of the words"`
	Insight    *KnowledgeInsight `json:"insight" doc:"The best one; null = none has any of the words"`
	Segment    *KnowledgeSegment `json:"segment" doc:"Of a transcript: what is said where the preview is; null otherwise"`
	Cursor     string            `json:"cursor" doc:"Goes on after this result"`
	File       KnowledgeFile     `json:"file" doc:"The file once more, where the browser client looks for it"`
}

// checkSearchText holds a query to the lengths of the older interface: 422, but 400 for one that is long enough only by blanks.
func checkSearchText(given string) (text string, err error) {
	text = strings.Join(strings.Fields(given), " ")
	msg := fmt.Sprintf("must have 2 to %d characters", kb.MaxQueryRunes)
	switch n := utf8.RuneCountInString(text); {
	case n > kb.MaxQueryRunes, utf8.RuneCountInString(given) < 2:
		return "", invalidQuery("query", "range", msg)
	case n < 2:
		return "", problem(http.StatusBadRequest, "query: "+msg+" besides blanks")
	}
	return text, nil
}

func (s *Server) knowledgeSearch(ctx context.Context, in KnowledgeSearchParams) (*answerOf[KnowledgeSearchBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	in.Query = cmp.Or(in.Query, in.Q)
	text, err := checkSearchText(in.Query)
	if err != nil {
		return nil, err
	}
	limit, offset := (&KnowledgePage{Limit: in.Limit, PageSize: in.PageSize, Page: in.Page, Offset: in.Offset}).resolve(20)
	if offset > 10_000 {
		return nil, invalidQuery("page", "range", "must lie within the first 10000 results; further down use cursor")
	}
	res, err := k.search(ctx, kb.Request{
		Query: in.Query, Agent: in.Agent, Limit: limit, Offset: offset, Cursor: in.Cursor, Mode: kb.Mode(in.Mode), Sort: in.Sort, Facets: in.Facets,
	})
	if err != nil {
		return nil, kbProblem(err)
	}
	k.Base.ObserveSearch(res.Took)
	out := KnowledgeSearchBody{
		KnowledgeList: knowledgeList(res.Total, limit, offset), Query: text, Matches: res.Total, Results: make([]KnowledgeHit, len(res.Hits)), Facets: res.Facets,
		Mode: string(res.Mode), Corrected: given(res.Corrected), Generation: res.Generation, Age: round2(res.Age.Seconds()), Degraded: res.Degraded,
		Truncated: res.Truncated, Took: num(res.Took.Seconds()),
	}
	if _, degraded := k.Base.Generation(); degraded && len(k.Roots) > 0 {
		out.Degraded = true
	}
	for i := range res.Hits {
		out.Results[i] = k.hit(&res.Hits[i])
	}
	if n := len(res.Hits); n > 0 && (n == limit && (in.Cursor != "" || offset+n < res.Total)) {
		out.NextCursor = given(res.Hits[n-1].Cursor)
	}
	return ok(out), nil
}

// search asks nobody where there is nothing to be found, but reads the query.
func (k *Knowledge) search(ctx context.Context, r kb.Request) (*kb.Result, error) {
	if len(k.Roots) > 0 {
		return k.Searcher.Search(ctx, r)
	}
	if r.Mode != kb.ModeLiteral {
		if _, err := kb.ParseQuery(r.Query); err != nil {
			return nil, err
		}
	}
	return &kb.Result{Mode: cmp.Or(r.Mode, kb.ModeIndex)}, nil
}

func (k *Knowledge) hit(h *kb.Hit) KnowledgeHit {
	f := k.fileOf(h.Document)
	out := KnowledgeHit{
		KnowledgeFile: knowledgeFile(&f), MatchCount: h.MatchCount, Preview: h.Preview, Highlights: list(h.Highlights), Score: num(h.Score), Cursor: h.Cursor,
	}
	out.File = out.KnowledgeFile
	if h.URL != "" {
		out.URL = h.URL // at the time of the insight or segment
	}
	if h.Segment != nil {
		out.Segment = &KnowledgeSegment{Segment: *h.Segment, URL: h.URL}
	}
	if h.Entry != nil {
		e := *h.Entry
		e.Insights = nil
		out.Entry = new(knowledgeEntry(h.Document, &e))
	}
	if h.Insight != nil {
		out.Insight = new(knowledgeInsight(h.Insight))
		out.Insight.URL = h.URL
	}
	return out
}
