package kb

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/store"
)

// InsightQuery chooses insights. Empty fields choose all.
type InsightQuery struct {
	MinConfidence, MaxConfidence                  *float64 // 0 to 1; insights without a confidence match neither
	Status                                        string   // approved, pending, rejected, conflicting, superseded, or "none"
	Creator, Agent, Category, Tag, Document, Root string   // exact; Document is an id
	Sort                                          string   // date_desc (default: newest file first), confidence_desc
	Limit, Offset                                 int      // limit 1 to 500, 0 = 50
}

// InsightRow is an insight with where it stands.
type InsightRow struct {
	Insight
	State      string    `json:"review_status"` // its own status, else its entry's, else its document's; "" = none
	Document   string    `json:"document_id"`
	Root       string    `json:"root"`
	Path       string    `json:"path"`
	Name       string    `json:"name"`
	Title      string    `json:"title"` // of the document
	Entry      string    `json:"entry_title"`
	Agent      string    `json:"agent"`
	Category   string    `json:"category"`
	Creator    string    `json:"creator"`
	Source     string    `json:"creator_id"`
	VideoID    string    `json:"video_id,omitempty"`
	URL        string    `json:"url,omitempty"` // of the video, at the time of the insight
	Published  time.Time `json:"published,omitzero"`
	Modified   time.Time `json:"modified"`
	LastReview *Review   `json:"review,omitempty"`
}

// insightRef is an insight that matched, before its text is read.
type insightRef struct {
	r *row
	n int // in its document
}

// Insights returns one page of the insights and how many match. Errors: [ErrInvalid] naming the field.
func (b *Base) Insights(ctx context.Context, q InsightQuery) (rows []InsightRow, total int, err error) {
	if err := b.load(ctx); err != nil {
		return nil, 0, err
	}
	if err := q.check(); err != nil {
		return nil, 0, err
	}
	var refs []insightRef
	fq := FileQuery{Agent: q.Agent, Category: q.Category, Creator: q.Creator, Tag: q.Tag, Root: q.Root}
	match := fq.matcher()
	for _, r := range b.cat.ordered("date_desc") {
		if len(r.insights) == 0 || q.Document != "" && r.id() != q.Document || !match(r) {
			continue
		}
		for n := range r.insightCount() {
			if q.matches(r.insights[n*packedInsight:]) {
				refs = append(refs, insightRef{r, n})
			}
		}
	}
	if q.Sort == "confidence_desc" {
		trust := func(f insightRef) uint16 { return binary.BigEndian.Uint16(f.r.insights[f.n*packedInsight:]) + 1 } // none = 0
		slices.SortStableFunc(refs, func(a, b insightRef) int { return cmp.Compare(trust(b), trust(a)) })
	}
	total = len(refs)
	refs = refs[min(q.Offset, total):min(q.Offset+q.Limit, total)]
	rows, err = b.insightRows(ctx, refs)
	return rows, total, err
}

func (q *InsightQuery) check() error {
	q.Status = strings.ToLower(q.Status)
	if q.Limit == 0 {
		q.Limit = 50
	}
	all := statuses()
	switch {
	case q.Limit < 1 || q.Limit > 500:
		return fmt.Errorf("%w: limit: must be between 1 and 500", ErrInvalid)
	case q.Offset < 0:
		return fmt.Errorf("%w: offset: must be 0 or more", ErrInvalid)
	case q.Status != "" && q.Status != "none" && !slices.Contains(all[:], q.Status):
		return fmt.Errorf("%w: status: must be one of %s, none", ErrInvalid, strings.Join(all[1:], ", "))
	case q.Sort != "" && q.Sort != "date_desc" && q.Sort != "confidence_desc":
		return fmt.Errorf("%w: sort: must be date_desc or confidence_desc", ErrInvalid)
	}
	for name, c := range map[string]*float64{"min_confidence": q.MinConfidence, "max_confidence": q.MaxConfidence} {
		if c != nil && !(*c >= 0 && *c <= 1) {
			return fmt.Errorf("%w: %s: must be between 0 and 1", ErrInvalid, name)
		}
	}
	return nil
}

func (q *InsightQuery) matches(packed []byte) bool {
	c := binary.BigEndian.Uint16(packed)
	if (q.MinConfidence != nil || q.MaxConfidence != nil) && c == noConfidence ||
		q.MinConfidence != nil && c < packConfidence(q.MinConfidence) || q.MaxConfidence != nil && c > packConfidence(q.MaxConfidence) {
		return false
	}
	return q.Status == "" || q.Status == "none" && packed[2] == 0 || q.Status != "none" && packed[2] == statusNumber(q.Status)
}

// insightRows reads the documents that some insights stand in.
func (b *Base) insightRows(ctx context.Context, refs []insightRef) ([]InsightRow, error) {
	out := make([]InsightRow, 0, len(refs))
	docs := map[*row]*record{}
	err := b.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, f := range refs {
			rec, ok := docs[f.r]
			if !ok {
				var err error
				rec, err = getDocument(tx, f.r.root, f.r.path(), true)
				if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
					return err
				}
				docs[f.r] = rec
			}
			if rec != nil {
				out = b.appendInsight(out, rec, f.n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d insights: %w", len(refs), err)
	}
	return out, nil
}

func (b *Base) appendInsight(out []InsightRow, rec *record, n int) []InsightRow {
	for i := range rec.Entries {
		e := &rec.Entries[i]
		if n >= len(e.Insights) {
			n -= len(e.Insights)
			continue
		}
		in := e.Insights[n]
		row := InsightRow{
			Insight: in, State: insightStatus(&rec.Document, e, &in), Document: rec.ID, Root: rec.Root, Path: rec.Path, Name: path.Base(rec.Path),
			Title: rec.Title, Entry: e.Title, Agent: rec.Agent, Category: rec.Category, Creator: rec.Creator, Source: rec.Source,
			VideoID: cmp.Or(e.VideoID, rec.VideoID), URL: VideoURL(cmp.Or(e.URL, rec.URL), cmp.Or(e.VideoID, rec.VideoID), in.Start),
			Published: e.Published, Modified: rec.Modified,
		}
		if rv, ok := b.review(rec.ID, in.ID); ok {
			row.LastReview = &rv
		}
		return append(out, row)
	}
	return out
}

// VideoURL returns the address of a video at a time in seconds; nil = from the beginning. Without an address one is made of an
// id of 11 characters, as YouTube has them; else it is "". It is also "" for what is no address of the web: javascript: and the
// like are never given out as links. Only YouTube's addresses get a time: other hosts have other ways.
func VideoURL(address, id string, at *float64) string {
	address = strings.TrimSpace(address)
	if address == "" {
		if len(id) != 11 {
			return ""
		}
		address = "https://www.youtube.com/watch?v=" + url.QueryEscape(id)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	if at == nil || !(*at >= 1) || videoIDOf(address) == "" {
		return address
	}
	q := u.Query()
	q.Set("t", strconv.FormatInt(int64(min(*at, 1e9)), 10))
	u.RawQuery = q.Encode()
	return u.String()
}

// Review is what a person decided on a document or one of its insights. It is kept beside the files, which stay as they are
// unless [Options.WriteBack] is set.
type Review struct {
	Document string    `json:"document_id"`
	Insight  string    `json:"insight_id,omitempty"` // "" = the whole document
	Status   string    `json:"status"`               // approved, rejected, superseded, conflicting, pending
	By       string    `json:"superseded_by,omitempty"`
	Note     string    `json:"note,omitempty"`
	Actor    string    `json:"actor"`
	At       time.Time `json:"at"`

	Written    bool   `json:"written"`               // the status stands in the file too
	NotWritten string `json:"not_written,omitempty"` // why it does not though decisions are to be written into files
	Before     string `json:"before,omitempty"`      // what the file said before the first decision that was written into it
}

// reviewsOf are reviews by document and insight.
type reviewsOf map[string]map[string]Review

func (r reviewsOf) set(v Review) {
	if r[v.Document] == nil {
		r[v.Document] = map[string]Review{}
	}
	r[v.Document][v.Insight] = v
}

// ReviewRequest is a decision.
type ReviewRequest struct {
	Document string // any form of its id
	Insight  string // "" = the whole document
	Action   string // approve, reject, supersede, conflict, pending; clear takes back what was decided
	By       string // supersede: id of the document that takes its place
	Note     string // at most 1,000 bytes
	Actor    string
}

// reviewStatus is what an action makes of a document or insight.
func reviewStatus(action string) (string, bool) {
	switch strings.ToLower(action) {
	case "approve", "approved":
		return "approved", true
	case "reject", "rejected":
		return "rejected", true
	case "supersede", "superseded":
		return "superseded", true
	case "conflict", "conflicting":
		return "conflicting", true
	case "pending":
		return "pending", true
	case "clear":
		return "", true
	}
	return "", false
}

func reviewKey(document, insight string) string { return document + "/" + insight }

// Review records a decision with its actor and time. The listing shows it at once, the search as soon as the document was
// indexed again. Errors: [ErrInvalid], and those of [Base.File].
func (b *Base) Review(ctx context.Context, r ReviewRequest) (Review, error) {
	if err := b.load(ctx); err != nil {
		return Review{}, err
	}
	status, ok := reviewStatus(r.Action)
	if !ok {
		return Review{}, fmt.Errorf("%w: action: must be one of approve, reject, supersede, conflict, pending, clear", ErrInvalid)
	}
	if len(r.Note) > 1000 || len(r.By) > 1000 {
		return Review{}, fmt.Errorf("%w: note, superseded_by: at most 1,000 bytes", ErrInvalid)
	}
	at, err := b.find(r.Document)
	if err != nil {
		return Review{}, err
	}
	rv := Review{Document: at.id(), Insight: r.Insight, Status: status, By: r.By, Note: r.Note, Actor: cmp.Or(r.Actor, "owner"), At: time.Now().UTC()}
	if err := b.knownInsight(ctx, at, r.Insight); err != nil {
		return Review{}, err
	}
	b.writeReview(&rv, at)
	intent := "r" + newJobID(rv.At)
	err = b.o.Store.Update(ctx, func(tx *store.Tx) error {
		key := reviewKey(rv.Document, rv.Insight)
		if status == "" {
			if err := reviewTable.Delete(tx, key); err != nil {
				return err
			}
		} else if err := reviewTable.Put(tx, key, rv); err != nil {
			return err
		}
		// Should the process die before it was indexed again, the next start does so.
		if err := intentTable.Put(tx, intent, batchIntent{IDs: []string{rv.Document}}); err != nil {
			return err
		}
		return event.Append(tx, event.Row{
			Type: "knowledge.reviewed", Level: event.Info, Subject: rv.Document, Actor: rv.Actor, Why: rv.Note,
			Title: fmt.Sprintf("Review: %s", cmp.Or(rv.Status, "taken back")), Data: map[string]string{"insight": rv.Insight},
		})
	})
	if err != nil {
		return Review{}, fmt.Errorf("record the review of %s: %w", at.path(), err)
	}
	b.mu.Lock()
	b.reviewed++
	b.dirty[rv.Document] = b.reviewed
	b.intents = append(b.intents, intent)
	if status == "" {
		delete(b.reviews[rv.Document], rv.Insight)
	} else {
		b.reviews.set(rv)
	}
	b.hints = append(b.hints, hint{root: at.root, dirs: []string{at.dir}})
	b.mu.Unlock()
	if err := b.showReview(ctx, at); err != nil {
		return Review{}, err
	}
	b.rouse()
	return rv, nil
}

// writeReview writes a decision on a whole document into its file where that is wanted. When it cannot be, the decision is kept
// beside the file all the same, with the reason.
func (b *Base) writeReview(rv *Review, at *row) {
	last, decided := b.review(rv.Document, "")
	if !b.o.WriteBack || rv.Insight != "" || rv.Status == "" && !last.Written {
		if b.o.WriteBack && rv.Insight != "" {
			rv.NotWritten = "decisions on single insights are kept beside the file"
		}
		return
	}
	status := rv.Status
	if status == "" {
		status = last.Before
	}
	was, err := b.writeBack(at, status)
	if err != nil {
		rv.NotWritten = err.Error()
		return
	}
	if rv.Written, rv.Before = true, was; decided && last.Written {
		rv.Before = last.Before
	}
}

func (b *Base) knownInsight(ctx context.Context, at *row, insight string) error {
	if insight == "" {
		return nil
	}
	f, err := b.File(ctx, at.id())
	if err != nil {
		return err
	}
	for _, e := range f.Entries {
		if slices.ContainsFunc(e.Insights, func(in Insight) bool { return in.ID == insight }) {
			return nil
		}
	}
	return fmt.Errorf("insight %q of %s: %w", insight, at.path(), ErrNotFound)
}

// showReview puts the decision into the record at once; what was taken back shows when the file was read again.
func (b *Base) showReview(ctx context.Context, at *row) error {
	if err := b.beginWrite(ctx); err != nil {
		return err
	}
	defer b.endWrite()
	var rec *record
	err := b.o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if rec, err = getDocument(tx, at.root, at.path(), true); err != nil {
			return err
		}
		b.applyReviews(&rec.Document)
		rec.Packed = packInsights(&rec.Document)
		return putRecord(tx, rec, rec.Pieces)
	})
	if errors.Is(err, store.ErrNotFound) { // removed meanwhile
		return nil
	}
	if err != nil {
		return fmt.Errorf("show the review of %s: %w", at.path(), err)
	}
	b.cat.change(nil, []*record{rec})
	return nil
}

func (b *Base) review(document, insight string) (Review, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rv, ok := b.reviews[document][insight]
	return rv, ok
}

// applyReviews sets the status that reviews gave, and returns the number of the last review it knew of.
func (b *Base) applyReviews(d *Document) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	given := b.reviews[d.ID]
	if len(given) == 0 {
		return b.reviewed
	}
	if rv, ok := given[""]; ok {
		d.Status = rv.Status
	}
	for i := range d.Entries {
		for k := range d.Entries[i].Insights {
			in := &d.Entries[i].Insights[k]
			if rv, ok := given[in.ID]; ok {
				in.Status = rv.Status
			}
		}
	}
	return b.reviewed
}

// Reviews returns the decisions on a document and its insights.
func (b *Base) Reviews(document string) []Review {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Review{}
	for _, rv := range b.reviews[document] {
		out = append(out, rv)
	}
	slices.SortFunc(out, func(a, b Review) int { return b.At.Compare(a.At) })
	return out
}
