package kb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// SearchSources are what a [Searcher] needs from the rest. All of them are called from several goroutines at once.
type SearchSources struct {
	// Index returns the index; nil while there is none: then answers come from the files and are degraded.
	Index func() *BleveIndex
	// Documents returns the committed records of some ids. What it leaves out is not shown.
	Documents func(ctx context.Context, ids []string) (map[string]*Document, error)
	// Text returns what people read of a document, for previews. After an error the hit is shown without one.
	Text func(ctx context.Context, d *Document) (string, error)
	// Segments returns what a transcript says and when, and Subject the document about its video, nil = there is none. After an
	// error the hit is shown without a time. May be nil: then no hit has one.
	Segments func(ctx context.Context, d *Document) ([]Segment, error)
	Subject  func(ctx context.Context, d *Document) (*Document, error)
	// Files runs over all files, of one agent if it is not "".
	Files func(ctx context.Context, agent string) iter.Seq[TextFile]
	// Damaged is told when the index must be rebuilt; may be nil. It may be told more than once and must not block.
	Damaged func(error)
}

// Sources are those of a base; index returns its index, and damaged is told when that must be made again, nil = nobody is.
func (b *Base) Sources(index func() *BleveIndex, damaged func(error)) SearchSources {
	return SearchSources{
		Index: index, Documents: b.Documents, Text: b.Text, Segments: b.Segments, Subject: b.Subject, Files: b.Texts, Damaged: damaged,
	}
}

// Searcher answers searches from the index and, where that has nothing, from the files. Its methods may be called from
// several goroutines at once.
type Searcher struct{ src SearchSources }

// NewSearcher returns a searcher. It keeps nothing open and needs no closing.
func NewSearcher(src SearchSources) (*Searcher, error) {
	if src.Index == nil || src.Documents == nil || src.Text == nil || src.Files == nil {
		return nil, errors.New("new searcher: index, documents, text and files are needed")
	}
	return &Searcher{src}, nil
}

// Mode says where a search looks.
type Mode string

// The modes of a search.
const (
	ModeAuto    Mode = ""        // the index; the files if it has no hit and the query is plain text
	ModeIndex   Mode = "index"   // only the index
	ModeLiteral Mode = "literal" // only the files, for the query as it stands
)

// Request is what is searched for.
type Request struct {
	Query  string // see ParseQuery; in literal mode the text itself
	Agent  string // only this agent; "" = all
	Limit  int    // 1..1000; 0 = 20
	Offset int    // ignored with Cursor
	Cursor string // of the hit after which to go on
	Mode   Mode
	Sort   string // see ParseSort; "" = what the query says, else by relevance
	Facets bool
}

// Hit is a document that matches.
type Hit struct {
	ID         string
	Document   *Document
	Score      float64    // higher is better, comparable within one answer; 0 for literal hits
	MatchCount int        // lines with any of the words; in literal mode lines with the text
	Preview    string     // at most 200 characters
	Highlights []Fragment // the preview in pieces
	Entry      *Entry     // the best one, nil = none has any of the words
	Insight    *Insight   // the best one, nil = none has any of the words
	Segment    *Segment   // of a transcript, what is said where the preview is; nil = the document is none, or it is not said
	URL        string     // of the video, at the time of the insight or segment if that is known; "" = none
	Cursor     string     // goes on after this hit; "" for literal hits
}

// Result is the answer of a search.
type Result struct {
	Total      int
	Hits       []Hit
	Facets     map[string][]FacetCount // nil unless asked for and answered by the index
	Mode       Mode                    // ModeIndex or ModeLiteral: where the hits come from
	Generation uint64                  // of the index
	Age        time.Duration           // since the newest batch of the index; 0 = none yet
	Degraded   bool                    // the index is missing or damaged: only the literal search was possible
	Truncated  bool                    // time was up: there may be more
	Took       time.Duration
	Corrected  string // the query with what was looked for instead of words that no document has; "" = nothing was
}

// Search answers a request within some 4 s: two for the index, two for the files. Errors are *[QueryError] for a query or order
// that cannot be read, [ErrCursor] for a cursor that is none, and what the sources return. A damaged index is no error.
func (s *Searcher) Search(ctx context.Context, r Request) (*Result, error) {
	start := time.Now()
	if r.Limit == 0 {
		r.Limit = 20
	}
	switch {
	case r.Limit < 1 || r.Limit > 1000:
		return nil, fmt.Errorf("limit: must be between 1 and 1000, is %d", r.Limit)
	case r.Offset < 0:
		return nil, fmt.Errorf("offset: must not be negative, is %d", r.Offset)
	case r.Mode != ModeAuto && r.Mode != ModeIndex && r.Mode != ModeLiteral:
		return nil, fmt.Errorf("mode: must be empty, %q or %q, is %q", ModeIndex, ModeLiteral, r.Mode)
	}
	res, err := s.search(ctx, r)
	if err != nil {
		return nil, err
	}
	res.Took = time.Since(start)
	return res, nil
}

func (s *Searcher) search(ctx context.Context, r Request) (*Result, error) {
	if r.Mode == ModeLiteral {
		text := strings.Join(strings.Fields(r.Query), " ")
		if len(text) > MaxQueryBytes || text == "" {
			return nil, &QueryError{1, fmt.Sprintf("a text of 1 to %d bytes is needed", MaxQueryBytes)}
		}
		return s.literal(ctx, r, text)
	}
	q, err := ParseQuery(r.Query)
	if err != nil {
		return nil, err
	}
	o := SearchOptions{Limit: r.Limit, Offset: r.Offset, Cursor: r.Cursor, Agent: r.Agent, Facets: r.Facets}
	if r.Sort != "" {
		if o.Sort, err = ParseSort(r.Sort); err != nil {
			return nil, &QueryError{1, err.Error()}
		}
	}
	text, plain := q.Literal()
	found, err := s.fromIndex(ctx, q, o)
	switch {
	case err != nil:
		return nil, err
	case found == nil: // there is no index
		if !plain {
			return &Result{Mode: ModeIndex, Degraded: true, Truncated: true}, nil
		}
		res, err := s.literal(ctx, r, text)
		if err != nil {
			return nil, err
		}
		res.Degraded = true
		return res, nil
	case found.Total == 0 && plain && r.Mode == ModeAuto:
		res, err := s.literal(ctx, r, text)
		if err != nil {
			return nil, err
		}
		res.Generation, res.Age = found.Generation, age(found.Applied)
		res.Truncated = res.Truncated || found.Truncated
		return res, nil
	}
	return s.show(ctx, q, found)
}

func age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t))
}

// fromIndex asks the index; nil if there is none that works.
func (s *Searcher) fromIndex(ctx context.Context, q *Query, o SearchOptions) (*IndexResult, error) {
	x := s.src.Index()
	if x == nil {
		return nil, nil
	}
	found, err := x.Search(ctx, q, o)
	if d, ok := errors.AsType[*DamagedError](err); ok {
		if s.src.Damaged != nil {
			s.src.Damaged(d)
		}
		return nil, nil
	}
	if errors.Is(err, errClosed) { // it is being replaced
		return nil, nil
	}
	return found, err
}

// show makes hits of what the index found.
func (s *Searcher) show(ctx context.Context, q *Query, found *IndexResult) (*Result, error) {
	res := &Result{
		Total: found.Total, Facets: found.Facets, Mode: ModeIndex, Generation: found.Generation, Age: age(found.Applied),
		Truncated: found.Truncated, Corrected: corrected(q.Text, found.Corrected),
	}
	ids := make([]string, len(found.Hits))
	for i, h := range found.Hits {
		ids[i] = h.ID
	}
	docs, err := s.recorded(ctx, ids, found.Hits)
	if err != nil {
		return nil, err
	}
	words := newWordSet(found.words)
	res.Hits = make([]Hit, len(found.Hits))
	each(len(found.Hits), func(i int) {
		h := Hit{ID: found.Hits[i].ID, Document: docs[found.Hits[i].ID], Score: found.Hits[i].Score, Cursor: found.Hits[i].Cursor}
		if h.Document != nil {
			if text, err := s.src.Text(ctx, h.Document); err == nil {
				sn := snippetOf(text, words)
				h.Preview, h.Highlights, h.MatchCount = sn.preview, sn.fragments, sn.lines
				s.time(ctx, &h, func(all []Segment) *Segment { return spoken(all, text, sn.shown) })
			}
			h.choose(words)
		}
		res.Hits[i] = h
	})
	all := len(res.Hits)
	res.Hits = slices.DeleteFunc(res.Hits, func(h Hit) bool { return h.Document == nil })
	res.Total -= all - len(res.Hits)
	return res, nil
}

// A batch reaches the index a moment before its records are committed. Hits that are ahead of their record are waited for so
// long: a commit takes some tens of milliseconds. After a crash in that moment they stay ahead until the next scan.
const (
	aheadWait  = 20 * time.Millisecond
	aheadTries = 5
)

// recorded returns the records of hits. A document whose index is of a later batch than its record is left out: what a search
// shows was committed.
func (s *Searcher) recorded(ctx context.Context, ids []string, hits []IndexHit) (map[string]*Document, error) {
	for try := 1; ; try++ {
		docs, err := s.src.Documents(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read records of hits: %w", err)
		}
		ahead := 0
		for _, h := range hits {
			if d := docs[h.ID]; d != nil && d.Generation < h.Generation {
				delete(docs, h.ID)
				ahead++
			}
		}
		if ahead == 0 || try == aheadTries {
			return docs, nil
		}
		select {
		case <-time.After(aheadWait):
		case <-ctx.Done():
			return docs, nil
		}
	}
}

// choose sets the best entry and insight, and where to watch it.
func (h *Hit) choose(words *wordSet) {
	h.Entry, h.Insight = bestPart(h.Document, words)
	address, video := h.Document.URL, h.Document.VideoID
	if e := h.Entry; e != nil && (e.URL != "" || e.VideoID != "") { // of several videos in one file, this
		address, video = e.URL, e.VideoID
	}
	var at *float64
	if h.Insight != nil {
		at = h.Insight.Start
	}
	if h.Segment != nil && at == nil { // the link leads there already
		return
	}
	h.URL = VideoURL(address, video, at)
}

// time sets the segment of a hit in a transcript, as it is chosen from all, and the link to it.
func (s *Searcher) time(ctx context.Context, h *Hit, choose func(all []Segment) *Segment) {
	if h.Document.Type != "transcript" || s.src.Segments == nil {
		return
	}
	all, err := s.src.Segments(ctx, h.Document)
	if err != nil {
		return
	}
	if h.Segment = choose(all); h.Segment == nil {
		return
	}
	var subject *Document
	if s.src.Subject != nil {
		if subject, err = s.src.Subject(ctx, h.Document); err != nil {
			subject = nil
		}
	}
	h.URL = SegmentURL(h.Document, subject, h.Segment)
}

// each calls f for 0 to n-1, a few at once: what it waits for are files.
func each(n int, f func(int)) {
	var wg sync.WaitGroup
	const workers = 4
	for w := range min(workers, n) {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// literal asks the files.
func (s *Searcher) literal(ctx context.Context, r Request, text string) (*Result, error) {
	found, err := Literal(ctx, text, s.src.Files(ctx, r.Agent), LiteralOptions{})
	if err != nil {
		return nil, err
	}
	res := &Result{Total: len(found.Hits), Mode: ModeLiteral, Truncated: found.Truncated}
	from := min(r.Offset, len(found.Hits))
	page := found.Hits[from:min(from+r.Limit, len(found.Hits))]
	ids := make([]string, len(page))
	for i, h := range page {
		ids[i] = h.ID
	}
	docs, err := s.src.Documents(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read records of hits: %w", err)
	}
	var words [][]string
	for _, f := range strings.Fields(text) {
		words = append(words, analyzeWord(f).parts)
	}
	set := newWordSet(words)
	for _, l := range page {
		h := Hit{ID: l.ID, Document: docs[l.ID], MatchCount: l.MatchCount, Preview: l.Preview, Highlights: l.fragments}
		if h.Document == nil {
			res.Total--
			continue
		}
		s.time(ctx, &h, func(all []Segment) *Segment { return saying(all, text) })
		h.choose(set)
		res.Hits = append(res.Hits, h)
	}
	return res, nil
}

// corrected writes the query with the corrections in it.
func corrected(query string, all []Correction) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	last := 0
	tokenize(query, func(t token) {
		for _, c := range all {
			if !t.whole && t.start >= last && string(t.term) == c.From {
				b.WriteString(query[last:t.start] + c.To)
				last = t.end
				return
			}
		}
	})
	return b.String() + query[last:]
}
