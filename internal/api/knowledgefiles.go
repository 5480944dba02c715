package api

import (
	"context"
	"math"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gorilla/mux"

	"controlcenter/kb"
)

func (s *Server) knowledgeFileRows() []*row {
	g := knowledgeGroup()
	ids := about("`file_id` is the `id` of a listing, an id of a front matter, or base64 of the file's absolute path (standard or URL-safe, padded or not), " +
		"percent-encoded where it holds slashes. What leads out of the roots is 403, what is no id 400.")
	at := knowledgePrefix + "/files/{file_id}"
	return []*row{
		typed(s, "GET", knowledgePrefix+"/stats", viewer, "What the knowledge base holds", s.knowledgeStats, g),
		typed(s, "GET", knowledgePrefix+"/files", viewer, "Files, newest first", s.knowledgeFilesList, g, about(
			"Takes the paging of both older generations: `limit` or `page_size`, `offset` or `page`. A page past the end is empty.")),
		// The longer ones come first: an id may hold slashes.
		raw("GET", at+"/content", viewer, "The text of a file, as it is now", s.knowledgeContent,
			docOf("text/plain", "UTF-8", &huma.Param{Name: "file_id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}), g, ids),
		typed(s, "GET", at+"/related", viewer, "Files that have to do with a file, the closest first", s.knowledgeRelated, g, ids),
		typed(s, "GET", at, viewer, "A file with its insights", s.knowledgeFileDetail, g, ids),
		typed(s, "GET", knowledgePrefix+"/recent", viewer, "The files that changed last", s.knowledgeRecent, g),
		typed(s, "GET", knowledgePrefix+"/duplicates", viewer, "Texts that lie in several places", s.knowledgeDuplicates, g, about(
			"One text is often written to several agents. Those with most copies come first.")),
	}
}

// KnowledgeStats is the answer of GET /api/knowledge/stats.
type KnowledgeStats struct {
	Success bool `json:"success"`
	Cached  bool `json:"cached"`
	kb.Stats
	TotalMB  num             `json:"total_size_mb"`
	Agents   map[string]int  `json:"by_agent" doc:"Same as files_by_agent"`
	Index    KnowledgeIndex  `json:"index"`
	Roots    []KnowledgeRoot `json:"roots"`
	Degraded bool            `json:"degraded" doc:"The index is missing or being made again: searches may miss files"`
}

// KnowledgeIndex is the state of the search index.
type KnowledgeIndex struct {
	State      string  `json:"state" enum:"ready,rebuilding,missing,none" doc:"none: no roots are configured"`
	Documents  uint64  `json:"documents"`
	DiskBytes  uint64  `json:"disk_bytes"`
	Segments   int     `json:"segments"`
	Generation uint64  `json:"generation"`
	Applied    *string `json:"applied" format:"date-time" doc:"Newest batch; null when there is none"`
}

// KnowledgeRoot is a folder of knowledge.
type KnowledgeRoot struct {
	ID   string `json:"id"`
	Path string `json:"path"`
}

func (s *Server) knowledgeStats(ctx context.Context, _ *struct{}) (*answerOf[KnowledgeStats], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	st, err := k.Base.Stats(ctx)
	if err != nil {
		return nil, kbProblem(err)
	}
	st.Held = list(st.Held)
	out := KnowledgeStats{Success: true, Stats: st, TotalMB: mib(st.TotalBytes), Agents: st.ByAgent, Roots: []KnowledgeRoot{}, Index: KnowledgeIndex{State: "none"}}
	for _, r := range k.Roots {
		out.Roots = append(out.Roots, KnowledgeRoot(r))
		out.Index.State = "missing"
	}
	if k.Index != nil {
		if x, ok := k.Index(); ok {
			out.Index = KnowledgeIndex{
				State: "ready", Documents: x.Documents, DiskBytes: x.DiskBytes, Segments: x.Segments, Generation: x.Generation, Applied: stampOrNull(x.Applied),
			}
			if st.Degraded {
				out.Index.State = "rebuilding"
			}
		}
	}
	out.Degraded = out.Index.State == "missing" || out.Index.State == "rebuilding"
	return ok(out), nil
}

// KnowledgeFilesInput chooses files.
type KnowledgeFilesInput struct {
	KnowledgePage
	Agent    string `query:"agent" doc:"Exact"`
	Category string `query:"category" doc:"Exact: the name of the file's folder"`
	Creator  string `query:"creator" doc:"Id of the creator, any letter case"`
	Type     string `query:"type" enum:"document,video,transcript,code,pdf,image"`
	Status   string `query:"status" enum:"approved,pending,rejected,conflicting,superseded"`
	Tag      string `query:"tag" doc:"Any letter case"`
	Root     string `query:"root" doc:"Id of the root"`
	Sort     string `query:"sort" enum:"date_desc,date,name,name_desc,size,size_desc,type,confidence_desc" doc:"date_desc, newest first, when not given"`
}

// KnowledgeFilesBody is a page of files.
type KnowledgeFilesBody struct {
	KnowledgeList
	Files []KnowledgeFile `json:"files"`
}

func (s *Server) knowledgeFilesList(ctx context.Context, in *KnowledgeFilesInput) (*answerOf[KnowledgeFilesBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	limit, offset := in.resolve(50)
	files, total, err := k.Base.Files(ctx, kb.FileQuery{
		Agent: in.Agent, Category: in.Category, Creator: in.Creator, Type: in.Type, Status: in.Status, Tag: in.Tag, Root: in.Root, Sort: in.Sort,
		Limit: limit, Offset: offset,
	})
	if err != nil {
		return nil, kbProblem(err)
	}
	return ok(KnowledgeFilesBody{knowledgeList(total, limit, offset), knowledgeFiles(files)}), nil
}

// KnowledgeFileInput names a file.
type KnowledgeFileInput struct {
	ID      string `path:"file_id"`
	Content bool   `query:"content" doc:"Also the text of the file"`
	Cues    bool   `query:"segments" doc:"Also what is said in the video and when: from the file if it is a transcript, else from the transcript beside it"`
}

// KnowledgeFileBody is a file with its insights.
type KnowledgeFileBody struct {
	Success bool `json:"success"`
	KnowledgeFile
	Insights KnowledgeFileInsights `json:"insights"`
	Entries  []KnowledgeEntry      `json:"entries" doc:"A file has one for each video or topic"`
	Warnings []string              `json:"warnings" doc:"What was odd about the file"`
	Reviews  []kb.Review           `json:"reviews"`
	Cues     *[]KnowledgeSegment   `json:"segments,omitempty" doc:"With segments=true; empty without a transcript"`
	Content  *string               `json:"content,omitempty" doc:"With content=true; text, never to be shown as HTML"`
}

// KnowledgeSegment is what is said in a video from one time to another.
type KnowledgeSegment struct {
	kb.Segment
	URL string `json:"url" doc:"Of the video at that time; empty when it is not known"`
}

// KnowledgeFileInsights is what was read of a file.
type KnowledgeFileInsights struct {
	Title      string             `json:"title"`
	Sections   int                `json:"sections" doc:"Lines that begin with ##"`
	WordCount  int                `json:"word_count"`
	Confidence *int               `json:"confidence" doc:"0 to 100; null when nothing says"`
	HasCode    bool               `json:"has_code"`
	HasLinks   bool               `json:"has_links"`
	Items      []KnowledgeInsight `json:"items"`
}

// KnowledgeEntry is one video or topic of a file.
type KnowledgeEntry struct {
	Title      string             `json:"title"`
	VideoID    string             `json:"video_id"`
	URL        string             `json:"url"`
	Status     string             `json:"status"`
	Confidence num                `json:"confidence" doc:"0 to 1"`
	Published  *string            `json:"published" format:"date-time"`
	Duration   *float64           `json:"duration_seconds"`
	Insights   []KnowledgeInsight `json:"insights"`
}

// KnowledgeInsight is one statement of a file.
type KnowledgeInsight struct {
	ID                string   `json:"id" doc:"Within its file"`
	Text              string   `json:"text"`
	Confidence        num      `json:"confidence" doc:"0 to 1"`
	ConfidencePercent num      `json:"confidence_percent"`
	Start             *float64 `json:"t" doc:"Seconds into the video"`
	End               *float64 `json:"t_end"`
	URL               string   `json:"url" doc:"Of the video at that time"`
	Tags              []string `json:"tags"`
	Evidence          string   `json:"evidence"`
	Status            string   `json:"status"`
}

func knowledgeEntry(d *kb.Document, e *kb.Entry) KnowledgeEntry {
	address, video := e.URL, e.VideoID
	if address == "" && (video == "" || video == d.VideoID) {
		address, video = d.URL, d.VideoID
	}
	out := KnowledgeEntry{
		Title: e.Title, VideoID: e.VideoID, URL: kb.VideoURL(address, video, nil), Status: e.Status, Confidence: unknown(), Published: stampOrNull(e.Published),
		Insights: make([]KnowledgeInsight, len(e.Insights)),
	}
	if e.Confidence != nil {
		out.Confidence = num(*e.Confidence)
	}
	if e.Duration > 0 {
		out.Duration = given(e.Duration.Seconds())
	}
	for i := range e.Insights {
		out.Insights[i] = knowledgeInsight(&e.Insights[i])
		out.Insights[i].URL = kb.VideoURL(address, video, e.Insights[i].Start)
	}
	return out
}

func knowledgeInsight(in *kb.Insight) KnowledgeInsight {
	out := KnowledgeInsight{
		ID: in.ID, Text: in.Text, Confidence: unknown(), ConfidencePercent: unknown(), Start: in.Start, End: in.End, Tags: list(in.Tags), Evidence: in.Evidence, Status: in.Status,
	}
	if in.Confidence != nil {
		out.Confidence, out.ConfidencePercent = num(*in.Confidence), percent(*in.Confidence)
	}
	return out
}

func (s *Server) knowledgeFileDetail(ctx context.Context, in *KnowledgeFileInput) (*answerOf[KnowledgeFileBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	f, err := k.Base.File(ctx, fileID(in.ID))
	if err != nil {
		return nil, fileProblem(err)
	}
	out := KnowledgeFileBody{
		Success: true, KnowledgeFile: knowledgeFile(&f), Entries: []KnowledgeEntry{}, Warnings: list(f.Warnings), Reviews: list(k.Base.Reviews(f.ID)),
		Insights: KnowledgeFileInsights{Title: f.Title, Sections: f.Sections, WordCount: f.Words, HasCode: f.HasCode, HasLinks: f.HasLinks, Items: []KnowledgeInsight{}},
	}
	if f.Confidence != nil {
		c := int(math.Round(*f.Confidence * 100))
		out.Insights.Confidence = &c
	}
	for i := range f.Entries {
		e := knowledgeEntry(&f.Document, &f.Entries[i])
		out.Entries = append(out.Entries, e)
		out.Insights.Items = append(out.Insights.Items, e.Insights...)
	}
	if in.Cues {
		if out.Cues, err = k.segments(ctx, &f.Document); err != nil {
			return nil, fileProblem(err)
		}
	}
	if in.Content {
		c, err := k.Base.Content(ctx, f.ID)
		if err != nil {
			return nil, fileProblem(err)
		}
		out.Content = &c.Text
	}
	return ok(out), nil
}

// segments are what is said in the video of a document, each with the link to its time.
func (k *Knowledge) segments(ctx context.Context, d *kb.Document) (*[]KnowledgeSegment, error) {
	all, err := k.Base.Segments(ctx, d)
	if err != nil {
		return nil, err //nolint:wrapcheck // kb says what was being done
	}
	subject, err := k.Base.Subject(ctx, d)
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}
	out := make([]KnowledgeSegment, len(all))
	for i := range all {
		out[i] = KnowledgeSegment{Segment: all[i], URL: kb.SegmentURL(d, subject, &all[i])}
	}
	return &out, nil
}

// knowledgeContent writes a file's text. Whatever the file holds, a browser must not take it for a page: it is plain text, and
// the chain says nosniff.
func (s *Server) knowledgeContent(w http.ResponseWriter, r *http.Request) {
	k, err := s.knowledge()
	if err != nil {
		s.fail(w, r, problemOf(err))
		return
	}
	c, err := k.Base.Content(r.Context(), fileID(mux.Vars(r)["file_id"]))
	if err != nil {
		s.fail(w, r, problemOf(fileProblem(err)))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", c.Modified, strings.NewReader(c.Text))
}

// KnowledgeRelatedInput names a file and how many others are wanted.
type KnowledgeRelatedInput struct {
	ID    string `path:"file_id"`
	Limit int    `query:"limit" default:"20" minimum:"1" maximum:"100"`
}

// KnowledgeRelated are files that have to do with one.
type KnowledgeRelated struct {
	Success bool                   `json:"success"`
	ID      string                 `json:"id"`
	Count   int                    `json:"count"`
	Files   []KnowledgeRelatedFile `json:"files"`
}

// KnowledgeRelatedFile is one of them.
type KnowledgeRelatedFile struct {
	KnowledgeFile
	Relation string `json:"relation" doc:"copy, same_video, supersedes, superseded_by, contradicts, contradicted_by or same_creator"`
}

func (s *Server) knowledgeRelated(ctx context.Context, in *KnowledgeRelatedInput) (*answerOf[KnowledgeRelated], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	f, err := k.Base.File(ctx, fileID(in.ID))
	if err != nil {
		return nil, fileProblem(err)
	}
	related, err := k.Base.Related(ctx, f.ID, in.Limit)
	if err != nil {
		return nil, fileProblem(err)
	}
	out := KnowledgeRelated{Success: true, ID: f.ID, Count: len(related), Files: make([]KnowledgeRelatedFile, len(related))}
	for i := range related {
		out.Files[i] = KnowledgeRelatedFile{knowledgeFile(&related[i].File), related[i].Relation}
	}
	return ok(out), nil
}

// KnowledgeRecentInput says how many files are wanted.
type KnowledgeRecentInput struct {
	Limit int `query:"limit" default:"10" minimum:"1" maximum:"100"`
}

// KnowledgeRecent are the newest files.
type KnowledgeRecent struct {
	Success bool                  `json:"success"`
	Count   int                   `json:"count"`
	Cached  bool                  `json:"cached"`
	Files   []KnowledgeRecentFile `json:"files"`
}

// KnowledgeRecentFile is a file and when it changed, as lists of what happened name it.
type KnowledgeRecentFile struct {
	KnowledgeFile
	Timestamp string `json:"timestamp" format:"date-time" doc:"Same as modified"`
}

func (s *Server) knowledgeRecent(ctx context.Context, in *KnowledgeRecentInput) (*answerOf[KnowledgeRecent], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	files, err := k.Base.Recent(ctx, in.Limit)
	if err != nil {
		return nil, kbProblem(err)
	}
	rows := make([]KnowledgeRecentFile, len(files))
	for i, f := range knowledgeFiles(files) {
		rows[i] = KnowledgeRecentFile{f, f.Modified}
	}
	return ok(KnowledgeRecent{Success: true, Count: len(files), Files: rows}), nil
}

// KnowledgeDuplicatesBody is a page of texts that lie in several places.
type KnowledgeDuplicatesBody struct {
	KnowledgeList
	Duplicates []KnowledgeDuplicate `json:"duplicates"`
}

// KnowledgeDuplicate is one of them.
type KnowledgeDuplicate struct {
	Hash   string          `json:"hash" doc:"First half of the SHA-256 of the content"`
	Size   int64           `json:"size" doc:"Bytes of one copy"`
	Copies int             `json:"copies" doc:"At most 100 are listed"`
	Agents []string        `json:"agents"`
	Files  []KnowledgeFile `json:"files"`
}

func (s *Server) knowledgeDuplicates(ctx context.Context, in *KnowledgePage) (*answerOf[KnowledgeDuplicatesBody], error) {
	k, err := s.knowledge()
	if err != nil {
		return nil, err
	}
	limit, offset := in.resolve(50)
	found, total, err := k.Base.Duplicates(ctx, limit, offset)
	if err != nil {
		return nil, kbProblem(err)
	}
	out := KnowledgeDuplicatesBody{knowledgeList(total, limit, offset), make([]KnowledgeDuplicate, len(found))}
	for i := range found {
		d := &found[i]
		out.Duplicates[i] = KnowledgeDuplicate{Hash: d.Hash, Size: d.Size, Copies: len(d.Files), Agents: list(d.Agents), Files: knowledgeFiles(d.Files)}
	}
	return ok(out), nil
}
