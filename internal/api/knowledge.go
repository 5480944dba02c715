package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/event"
	"controlcenter/kb"
)

// Knowledge is what the routes of the knowledge base and of the agents work with.
type Knowledge struct {
	Base     *kb.Base     // required
	Searcher *kb.Searcher // required
	Bus      *event.Bus   // tells of scans; nil = their progress is not streamed
	Roots    []kb.Root    // shown in the statistics; none = there is nothing to search
	// Index says how large the index is; false = there is none now. nil = there never is.
	Index func() (kb.IndexStats, bool)
	// Command is the outside scan tool; nil = scans only read the files.
	Command ScanCommand
}

// ScanCommand runs the outside scan tool that the configuration may name. Its methods may be called from any goroutine.
type ScanCommand interface {
	// Configured says whether there is one now.
	Configured() bool
	// Start runs it and returns its run; already is true when it runs, and that run is returned.
	Start(ctx context.Context, a ScanArguments) (run ScanRun, already bool, err error)
	// Runs returns the newest runs first, at most limit, and how many are remembered.
	Runs(ctx context.Context, limit int) ([]ScanRun, int, error)
	// Run returns one run, or a kb.ErrNotFound.
	Run(ctx context.Context, id string) (ScanRun, error)
	// Stop ends a run and waits for its end. A kb.ErrNotFound says that this run does not run.
	Stop(ctx context.Context, id, actor string) error
	// Topic is that of the events that tell of its changes, and Mine says whether an event does, and of which run.
	Topic() string
	Mine(event.Data) (run string, mine bool)
}

// ScanArguments are what a scan is asked for.
type ScanArguments struct {
	Creator, Priority string // "" = all
	Root              string // to look at afterwards; "" = all
	Force             bool
	MaxVideos         int
	Actor             string
}

// ScanRun is a run of the outside scan tool.
type ScanRun struct {
	kb.Job
	PID     int    // 0 = it does not run
	Command string // as it was started; "" = not known any more
}

const knowledgePrefix = "/api/knowledge"

func (s *Server) knowledgeRows() []*row {
	return slices.Concat(s.knowledgeFileRows(), s.knowledgeSearchRows(), s.knowledgeScanRows(), s.knowledgeStreamRows(), s.knowledgeInsightRows(),
		s.knowledgeCreatorRows(), s.agentRows(), s.cacheRows())
}

func knowledgeGroup(opts ...option) option {
	return func(r *row) { r.with(append([]option{group("Knowledge")}, opts...)) }
}

// knowledge is nil's answer: 503.
func (s *Server) knowledge() (*Knowledge, error) {
	if s.o.Knowledge == nil {
		return nil, problem(http.StatusServiceUnavailable, "there is no knowledge base here")
	}
	return s.o.Knowledge, nil
}

// kbProblem turns what package kb refuses into answers.
func kbProblem(err error) error {
	if q, ok := errors.AsType[*kb.QueryError](err); ok {
		return invalidQuery("query", "value", q.Error())
	}
	if r, ok := errors.AsType[*kb.RejectError](err); ok {
		return problem(http.StatusConflict, "the file cannot be shown as it is now: "+r.Error())
	}
	switch {
	case errors.Is(err, kb.ErrCursor):
		return invalidQuery("cursor", "value", "must be the next_cursor of an earlier answer to the same query in the same order")
	case errors.Is(err, kb.ErrOutside):
		return problem(http.StatusForbidden, err.Error())
	case errors.Is(err, kb.ErrNotFound):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, kb.ErrInvalid):
		text := strings.TrimPrefix(err.Error(), kb.ErrInvalid.Error()+": ")
		name, msg, ok := strings.Cut(text, ": ")
		if !ok || strings.Contains(name, " ") {
			return problem(http.StatusUnprocessableEntity, text)
		}
		return invalidQuery(name, "value", msg)
	}
	return err
}

// fileProblem is kbProblem for routes that name a file: an id that is none is a bad request there, as older clients know it.
func fileProblem(err error) error {
	if errors.Is(err, kb.ErrInvalid) && !errors.Is(err, kb.ErrNotFound) {
		return problem(http.StatusBadRequest, strings.TrimPrefix(err.Error(), kb.ErrInvalid.Error()+": "))
	}
	return kbProblem(err)
}

// fileID is the id of a file as a path gives it: of a trailing slash, which other routes ignore too, nothing is left.
func fileID(given string) string {
	if trimmed := strings.TrimRight(given, "/"); trimmed != "" {
		return trimmed
	}
	return given
}

// KnowledgePage says which page of a list is wanted, in the words of either older generation.
type KnowledgePage struct {
	Limit    int `query:"limit" minimum:"1" maximum:"500" doc:"Entries of a page; 50 when not given"`
	PageSize int `query:"page_size" minimum:"1" maximum:"500" doc:"Same as limit, and wins over it"`
	Page     int `query:"page" minimum:"1" doc:"Number of the page, from 1"`
	Offset   int `query:"offset" minimum:"0" doc:"Entries to skip; when above 0 it wins over page"`
}

// resolve returns the size of the page and how many entries come before it.
func (p *KnowledgePage) resolve(standard int) (limit, offset int) {
	limit = standard
	switch {
	case p.PageSize > 0:
		limit = p.PageSize
	case p.Limit > 0:
		limit = p.Limit
	}
	if p.Offset > 0 || p.Page < 1 {
		return limit, p.Offset
	}
	return limit, (min(p.Page, 1<<31) - 1) * limit
}

// KnowledgeMeta is where a page stands in its list.
type KnowledgeMeta struct {
	Total      int  `json:"total"`
	Page       int  `json:"page"`
	PageSize   int  `json:"page_size"`
	TotalPages int  `json:"total_pages"`
	HasNext    bool `json:"has_next"`
	HasPrev    bool `json:"has_prev"`
	NextPage   *int `json:"next_page" doc:"null on the last page"`
	PrevPage   *int `json:"prev_page" doc:"null on the first page"`
}

// KnowledgeList is what every answer with a page of a list has.
type KnowledgeList struct {
	Success bool          `json:"success"`
	Total   int           `json:"total" doc:"Entries in all"`
	Limit   int           `json:"limit"`
	Offset  int           `json:"offset"`
	Cached  bool          `json:"cached" doc:"Always false: answers are read when they are asked for"`
	Meta    KnowledgeMeta `json:"meta"`
}

func knowledgeList(total, limit, offset int) KnowledgeList {
	m := KnowledgeMeta{Total: total, PageSize: limit, Page: offset/limit + 1, TotalPages: max(1, (total+limit-1)/limit)}
	m.HasNext, m.HasPrev = offset+limit < total, offset > 0
	if m.HasNext {
		m.NextPage = given(m.Page + 1)
	}
	if m.HasPrev {
		m.PrevPage = given(max(1, m.Page-1))
	}
	return KnowledgeList{Success: true, Total: total, Limit: limit, Offset: offset, Meta: m}
}

// KnowledgeFile is a file as listings show it, with the names of fields that either older generation and the browser client read.
type KnowledgeFile struct {
	ID                string                `json:"id" doc:"Stays the same when the file is moved"`
	Path              string                `json:"path" doc:"Absolute"`
	RelativePath      string                `json:"relative_path" doc:"From its root, with slashes"`
	Root              string                `json:"root"`
	Name              string                `json:"name" doc:"Of the file"`
	Filename          string                `json:"filename" doc:"Same as name"`
	Title             string                `json:"title"`
	Agent             string                `json:"agent"`
	Category          string                `json:"category"`
	Type              string                `json:"type" doc:"document, video, transcript or code"`
	Source            string                `json:"source" doc:"Creator as it is written"`
	CreatorID         string                `json:"creator_id"`
	VideoID           string                `json:"video_id"`
	URL               string                `json:"url" doc:"Of the video; empty when there is none"`
	Language          string                `json:"language"`
	Status            string                `json:"status" doc:"approved, pending, rejected, conflicting or superseded; empty when nothing says"`
	Tags              []string              `json:"tags"`
	Size              int64                 `json:"size" doc:"Bytes"`
	SizeBytes         int64                 `json:"size_bytes" doc:"Same as size"`
	Created           string                `json:"created" format:"date-time" doc:"Same as modified: the time of making is not kept everywhere"`
	CreatedAt         string                `json:"created_at" format:"date-time" doc:"Same as created"`
	Modified          string                `json:"modified" format:"date-time"`
	ModifiedAt        string                `json:"modified_at" format:"date-time" doc:"Same as modified"`
	Published         *string               `json:"published" format:"date-time" doc:"Of the video; null when nothing says"`
	Confidence        num                   `json:"confidence" doc:"0 to 1; null when nothing says"`
	ConfidencePercent num                   `json:"confidence_percent" doc:"0 to 100; null when nothing says"`
	InsightCount      int                   `json:"insight_count"`
	Metadata          KnowledgeFileMetadata `json:"metadata"`
}

// KnowledgeFileMetadata is what the browser client shows beside a file.
type KnowledgeFileMetadata struct {
	Creator       string            `json:"creator"`
	VideoID       string            `json:"video_id"`
	Duration      *float64          `json:"duration" doc:"Seconds; null when nothing says"`
	HasTranscript bool              `json:"has_transcript"`
	Extra         map[string]string `json:"extra,omitempty" doc:"Other keys of the front matter"`
}

func knowledgeFile(f *kb.File) KnowledgeFile {
	size, modified := f.Size, stamp(f.Modified)
	out := KnowledgeFile{
		ID: f.ID, Path: f.AbsolutePath, RelativePath: f.Path, Root: f.Root, Name: f.Name, Filename: f.Name, Title: f.Title, Agent: f.Agent, Category: f.Category,
		Type: f.Type, Source: f.Creator, CreatorID: f.Document.Source, VideoID: f.VideoID, URL: kb.VideoURL(f.URL, f.VideoID, nil), Language: f.Language,
		Status: f.Status, Tags: list(f.Tags), Size: size, SizeBytes: size, Created: modified, CreatedAt: modified, Modified: modified, ModifiedAt: modified,
		Published: stampOrNull(f.Published), Confidence: unknown(), ConfidencePercent: unknown(), InsightCount: f.InsightCount,
		Metadata: KnowledgeFileMetadata{
			Creator: f.Creator, VideoID: f.VideoID, HasTranscript: f.Transcript != "" || f.Type == "transcript", Extra: f.Meta,
		},
	}
	if f.Confidence != nil {
		out.Confidence, out.ConfidencePercent = num(*f.Confidence), percent(*f.Confidence)
	}
	if f.Duration > 0 {
		out.Metadata.Duration = given(f.Duration.Seconds())
	}
	return out
}

func knowledgeFiles(files []kb.File) []KnowledgeFile {
	out := make([]KnowledgeFile, len(files))
	for i := range files {
		out[i] = knowledgeFile(&files[i])
	}
	return out
}

// fileOf makes a file of a record, as a search has it.
func (k *Knowledge) fileOf(d *kb.Document) kb.File {
	f := kb.File{Document: *d, AbsolutePath: d.Path, Name: path.Base(d.Path)}
	for _, r := range k.Roots {
		if r.ID == d.Root {
			f.AbsolutePath = strings.TrimRight(strings.ReplaceAll(r.Path, "\\", "/"), "/") + "/" + d.Path
		}
	}
	for i := range d.Entries {
		f.InsightCount += len(d.Entries[i].Insights)
	}
	return f
}

// list is s, or an empty list instead of nil: lists are never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func stampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return given(stamp(t))
}

// mib is bytes in units of 2^20, as the *_mb fields have it.
func mib(bytes int64) num { return round2(float64(bytes) / (1 << 20)) }

// notFound is a 404 in the words of the older backend.
func notFound(what, id string) error {
	return problem(http.StatusNotFound, fmt.Sprintf("%s '%s' not found.", what, id))
}
