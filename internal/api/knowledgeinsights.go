package api

import (
	"context"
	"slices"

	"controlcenter/kb"
)

func (s *Server) knowledgeInsightRows() []*row {
	g := knowledgeGroup()
	said := about("What a person should look at: contradictions (`contradicts`, `conflicting`), files that another one supersedes though their own status does not " +
		"say so (`supersedes`), files whose time is over (`stale`), and those whose status is `pending`. Contradictions come first.")
	return []*row{
		typed(s, "GET", knowledgePrefix+"/insights", viewer, "Insights, those of the newest files first", s.knowledgeInsights, g),
		typed(s, "POST", knowledgePrefix+"/review", operator, "Decide on a file or one of its insights", s.knowledgeReview, g, about(
			"The decision is kept beside the files, which stay as they are, with who made it and when. With `knowledge.write_back` the status of a "+
				"whole Markdown file is written into it too: `review.written` says so, `not_written` why not. `clear` takes it back.")),
		typed(s, "GET", knowledgePrefix+"/to-review", viewer, "What waits for a decision", s.knowledgeToReview, g, said),
		typed(s, "GET", knowledgePrefix+"/contradictions", viewer, "Files that contradict each other", func(ctx context.Context, in *KnowledgeToReviewInput) (*answerOf[KnowledgeToReviewBody], error) {
			return s.toReview(ctx, in.Limit, []string{"contradicts", "conflicting"})
		}, g),
	}
}

// KnowledgeInsightsInput chooses insights.
type KnowledgeInsightsInput struct {
	KnowledgePage
	Min      float64 `query:"min_confidence" minimum:"0" maximum:"1" doc:"0 to 1; above 0, insights without a confidence are left out"`
	Max      float64 `query:"max_confidence" default:"1" minimum:"0" maximum:"1" doc:"0 to 1; below 1, insights without a confidence are left out"`
	Status   string  `query:"status" enum:"approved,pending,rejected,conflicting,superseded,none"`
	Creator  string  `query:"creator" doc:"Id of the creator, any letter case"`
	Agent    string  `query:"agent" doc:"Exact"`
	Category string  `query:"category" doc:"Exact"`
	Tag      string  `query:"tag" doc:"Any letter case"`
	Document string  `query:"document" doc:"Id of a file, in any form"`
	Root     string  `query:"root" doc:"Id of the root"`
	Sort     string  `query:"sort" enum:"date_desc,confidence_desc" doc:"date_desc when not given"`
}

// KnowledgeInsightsBody is a page of insights.
type KnowledgeInsightsBody struct {
	KnowledgeList
	Insights []KnowledgeInsightRow `json:"insights"`
}

// KnowledgeInsightRow is an insight with where it stands.
type KnowledgeInsightRow struct {
	KnowledgeInsight
	State     string     `json:"review_status" doc:"Its own status, else its entry's, else its file's; empty when nothing says"`
	Document  string     `json:"document_id"`
	Root      string     `json:"root"`
	Path      string     `json:"path" doc:"From the root"`
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	Entry     string     `json:"entry_title"`
	Agent     string     `json:"agent"`
	Category  string     `json:"category"`
	Creator   string     `json:"creator"`
	CreatorID string     `json:"creator_id"`
	VideoID   string     `json:"video_id"`
	Published *string    `json:"published" format:"date-time"`
	Modified  string     `json:"modified" format:"date-time"`
	Review    *kb.Review `json:"review" doc:"Newest decision; null when there is none"`
}

func (s *Server) knowledgeInsights(ctx context.Context, in *KnowledgeInsightsInput) (*answerOf[KnowledgeInsightsBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	limit, offset := in.resolve(50)
	q := kb.InsightQuery{
		Status: in.Status, Creator: in.Creator, Agent: in.Agent, Category: in.Category, Tag: in.Tag, Document: in.Document, Root: in.Root, Sort: in.Sort,
		Limit: limit, Offset: offset,
	}
	if in.Min > 0 {
		q.MinConfidence = &in.Min
	}
	if in.Max < 1 {
		q.MaxConfidence = &in.Max
	}
	if q.Document != "" {
		f, err := k.Base.File(ctx, q.Document)
		if err != nil {
			return nil, fileProblem(err)
		}
		q.Document = f.ID
	}
	rows, total, err := k.Base.Insights(ctx, q)
	if err != nil {
		return nil, kbProblem(err)
	}
	out := KnowledgeInsightsBody{knowledgeList(total, limit, offset), make([]KnowledgeInsightRow, len(rows))}
	for i := range rows {
		r := &rows[i]
		out.Insights[i] = KnowledgeInsightRow{
			KnowledgeInsight: knowledgeInsight(&r.Insight), State: r.State, Document: r.Document, Root: r.Root, Path: r.Path, Name: r.Name, Title: r.Title,
			Entry: r.Entry, Agent: r.Agent, Category: r.Category, Creator: r.Creator, CreatorID: r.Source, VideoID: r.VideoID,
			Published: stampOrNull(r.Published), Modified: stamp(r.Modified), Review: r.LastReview,
		}
		out.Insights[i].URL = r.URL
	}
	return ok(out), nil
}

// KnowledgeReviewInput is a decision.
type KnowledgeReviewInput struct{ Body KnowledgeReviewBody }

// KnowledgeReviewBody is a decision.
type KnowledgeReviewBody struct {
	Document string `json:"document_id" minLength:"1" maxLength:"4000" doc:"Id of the file, in any form"`
	Insight  string `json:"insight_id,omitempty" maxLength:"200" doc:"Id of an insight within it; the whole file when not given"`
	Action   string `json:"action" enum:"approve,reject,supersede,conflict,pending,clear"`
	By       string `json:"superseded_by,omitempty" maxLength:"1000" doc:"Of supersede: the file that takes its place"`
	Note     string `json:"note,omitempty" maxLength:"1000"`
}

// KnowledgeReviewed is its answer.
type KnowledgeReviewed struct {
	Success bool      `json:"success"`
	Message string    `json:"message"`
	Review  kb.Review `json:"review"`
}

func (s *Server) knowledgeReview(ctx context.Context, in *KnowledgeReviewInput) (*answerOf[KnowledgeReviewed], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	f, err := k.Base.File(ctx, in.Body.Document)
	if err != nil {
		return nil, fileProblem(err)
	}
	rv, err := k.Base.Review(ctx, kb.ReviewRequest{
		Document: f.ID, Insight: in.Body.Insight, Action: in.Body.Action, By: in.Body.By, Note: in.Body.Note, Actor: actor(ctx),
	})
	if err != nil {
		return nil, kbProblem(err)
	}
	text := "recorded: " + rv.Status
	if rv.Status == "" {
		text = "taken back"
	}
	switch {
	case rv.Written:
		text += ", in the file too"
	case rv.NotWritten != "":
		text += "; the file was not changed: it " + rv.NotWritten
	}
	return ok(KnowledgeReviewed{Success: true, Message: text, Review: rv}), nil
}

// KnowledgeToReviewInput says how much is wanted.
type KnowledgeToReviewInput struct {
	Limit int `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

// KnowledgeToReviewBody is what waits for a decision.
type KnowledgeToReviewBody struct {
	Success bool              `json:"success"`
	Count   int               `json:"count"`
	Items   []KnowledgeReason `json:"items"`
}

// KnowledgeReason is a file that waits, and why.
type KnowledgeReason struct {
	Why   string         `json:"why" enum:"contradicts,conflicting,supersedes,stale,pending"`
	File  KnowledgeFile  `json:"file"`
	Other *KnowledgeFile `json:"other" doc:"Of contradicts and supersedes, when it is known"`
	Ref   string         `json:"ref" doc:"The other one as the file names it"`
}

func (s *Server) knowledgeToReview(ctx context.Context, in *KnowledgeToReviewInput) (*answerOf[KnowledgeToReviewBody], error) {
	return s.toReview(ctx, in.Limit, nil)
}

// toReview answers with what waits for one of the reasons; nil = for any.
func (s *Server) toReview(ctx context.Context, limit int, reasons []string) (*answerOf[KnowledgeToReviewBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	found, err := k.Base.ToReview(ctx, limit)
	if err != nil {
		return nil, kbProblem(err)
	}
	out := KnowledgeToReviewBody{Success: true, Items: []KnowledgeReason{}}
	for i := range found {
		f := &found[i]
		if reasons != nil && !slices.Contains(reasons, f.Why) {
			continue
		}
		item := KnowledgeReason{Why: f.Why, File: knowledgeFile(&f.File), Ref: f.Ref}
		if f.Other != nil {
			item.Other = new(knowledgeFile(f.Other))
		}
		out.Items = append(out.Items, item)
	}
	out.Count = len(out.Items)
	return ok(out), nil
}
