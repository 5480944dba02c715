package kb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"controlcenter/internal/store"
)

// record is what the store keeps of a document; its entries stand in a table of their own, in pieces, because a value of the
// store is at most 1 MiB.
type record struct {
	Document
	Beside  uint64   `json:"beside,omitempty"`   // what the sidecar and the transcript beside it looked like
	Pieces  int      `json:"pieces,omitempty"`   // of entries
	Packed  []byte   `json:"packed,omitempty"`   // confidence and status of each insight
	AllTags []string `json:"all_tags,omitempty"` // those of the document and of its insights
}

// piece is some entries of a document; when it goes on, its first entry adds insights to the last one of the piece before.
type piece struct {
	GoesOn  bool    `json:"goes_on,omitempty"`
	Entries []Entry `json:"entries"`
}

// baseState is the one row that says how far record and index are.
type baseState struct {
	Generation   uint64               `json:"generation"`              // of the newest batch
	RebuildBelow uint64               `json:"rebuild_below,omitempty"` // documents of an older generation are not in the index
	Roots        map[string]rootState `json:"roots,omitempty"`
}

// rootState is what is remembered of a root from one scan to the next.
type rootState struct {
	Device   uint64    `json:"device,omitempty"` // 0 = the platform has none
	Inode    uint64    `json:"inode,omitempty"`
	LastScan time.Time `json:"last_scan"` // end of the last complete one
	Held     *Held     `json:"held,omitempty"`
}

// Held are deletions that wait for a person, because too much vanished at once.
type Held struct {
	At     time.Time `json:"at"`
	Root   string    `json:"root"`
	Count  int       `json:"count"` // files gone
	Of     int       `json:"of"`    // files known before
	Sample []string  `json:"sample"`
	Why    string    `json:"why"`
}

// batchIntent is written before the index is changed: should the process die before the records are, these documents are
// looked at again.
type batchIntent struct {
	IDs []string `json:"ids"`
}

var (
	recordTable  = store.NewTable[record]("kb_files")
	pieceTable   = store.NewTable[piece]("kb_entries")
	intentTable  = store.NewTable[batchIntent]("kb_intents")
	stateTable   = store.NewTable[baseState]("kb_state")
	jobTable     = store.NewTable[Job]("kb_jobs")
	reviewTable  = store.NewTable[Review]("kb_reviews")
	creatorTable = store.NewTable[Creator]("kb_creators")
	agentTable   = store.NewTable[Agent]("kb_agents")
)

const (
	stateKey = "base"
	// pieceBytes bounds a piece before encoding, which may make six bytes of one.
	pieceBytes = 150 << 10
)

// recordKey is the key of a document's record: root and path, so that what is scanned together lies together. Long paths are
// cut and told apart by their digest.
func recordKey(root, name string) string {
	key := root + "/" + name
	if len(key) > 900 {
		k := keyOf(root, name)
		return clip(key, 900) + "#" + k.id()
	}
	return key
}

func pieceKey(key string, n int) string { return fmt.Sprintf("%s\x00%04d", key, n) }

// splitEntries makes pieces that the store takes.
func splitEntries(entries []Entry) []piece {
	var out []piece
	size := pieceBytes
	room := func(n int, goesOn bool) {
		if size += n; size > pieceBytes {
			out, size = append(out, piece{GoesOn: goesOn}), n
		}
	}
	for _, e := range entries {
		insights := e.Insights
		e.Insights = nil
		room(len(e.Title)+len(e.URL)+300, false)
		last := &out[len(out)-1]
		last.Entries = append(last.Entries, e)
		for _, in := range insights {
			n := len(in.Text) + len(in.Evidence) + 200
			for _, t := range in.Tags {
				n += len(t) + 4
			}
			before := len(out)
			if room(n, true); len(out) > before {
				out[len(out)-1].Entries = []Entry{{}}
			}
			last = &out[len(out)-1]
			at := &last.Entries[len(last.Entries)-1]
			at.Insights = append(at.Insights, in)
		}
	}
	return out
}

func joinEntries(pieces []piece) []Entry {
	var out []Entry
	for _, p := range pieces {
		entries := p.Entries
		if p.GoesOn && len(out) > 0 && len(entries) > 0 {
			last := &out[len(out)-1]
			last.Insights = append(last.Insights, entries[0].Insights...)
			entries = entries[1:]
		}
		out = append(out, entries...)
	}
	return out
}

// putRecord writes a document and its entries; old is how many pieces its record had before.
func putRecord(tx *store.Tx, rec *record, old int) error {
	pieces := splitEntries(rec.Entries)
	stored := *rec
	stored.Entries, stored.Pieces = nil, len(pieces)
	key := recordKey(rec.Root, rec.Path)
	if err := recordTable.Put(tx, key, stored); err != nil {
		return err
	}
	for i, p := range pieces {
		if err := pieceTable.Put(tx, pieceKey(key, i), p); err != nil {
			return err
		}
	}
	for i := len(pieces); i < old; i++ {
		if err := pieceTable.Delete(tx, pieceKey(key, i)); err != nil {
			return err
		}
	}
	return nil
}

func deleteRecord(tx *store.Tx, root, name string) error {
	key := recordKey(root, name)
	rec, err := recordTable.Get(tx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	for i := range rec.Pieces {
		if err := pieceTable.Delete(tx, pieceKey(key, i)); err != nil {
			return err
		}
	}
	return recordTable.Delete(tx, key)
}

// getDocument reads a document, with its entries when wanted.
func getDocument(tx *store.Tx, root, name string, entries bool) (*record, error) {
	key := recordKey(root, name)
	rec, err := recordTable.Get(tx, key)
	if err != nil {
		return nil, err
	}
	if !entries {
		return &rec, nil
	}
	pieces := make([]piece, 0, rec.Pieces)
	for i := range rec.Pieces {
		p, err := pieceTable.Get(tx, pieceKey(key, i))
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
	}
	rec.Entries = joinEntries(pieces)
	return &rec, nil
}

// load fills the catalog from the store and finds out how index and record stand to each other.
func (b *Base) load(ctx context.Context) error {
	b.loading.Lock()
	defer b.loading.Unlock()
	if b.loaded.Load() {
		return nil
	}
	for after := ""; ; {
		var rows []store.Row[record]
		err := b.o.Store.View(ctx, func(tx *store.Tx) (err error) {
			rows, err = recordTable.List(tx, "", after, 2000)
			return err
		})
		if err != nil {
			return fmt.Errorf("read the records of the knowledge base: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		recs := make([]*record, len(rows))
		for i := range rows {
			recs[i] = &rows[i].Value
		}
		b.cat.change(nil, recs)
		after = rows[len(rows)-1].Key
	}
	if err := b.loadState(ctx); err != nil {
		return err
	}
	b.loaded.Store(true)
	return nil
}

func (b *Base) loadState(ctx context.Context) error {
	indexed, indexErr := b.o.Index.Generation()
	var st baseState
	dirty := map[string]uint64{}
	reviews := reviewsOf{}
	var intents []string
	var creators []store.Row[Creator]
	var agents []store.Row[Agent]
	err := b.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		if st, err = stateTable.Get(tx, stateKey); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		rows, err := intentTable.List(tx, "", "", 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			intents = append(intents, r.Key)
			for _, id := range r.Value.IDs {
				dirty[id] = 0
			}
		}
		if creators, err = creatorTable.List(tx, "", "", 0); err != nil {
			return err
		}
		if agents, err = agentTable.List(tx, "", "", 0); err != nil {
			return err
		}
		given, err := reviewTable.List(tx, "", "", 0)
		for _, r := range given {
			reviews.set(r.Value)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the state of the knowledge base: %w", err)
	}
	// An index that is behind was lost or rebuilt; one that is ahead of the record without an intent belongs to a record that
	// was restored from a backup. Both are made whole by indexing every document again.
	before := st.RebuildBelow
	if indexErr != nil || indexed < st.Generation || indexed > st.Generation && len(intents) == 0 {
		st.Generation = max(st.Generation, indexed)
		st.RebuildBelow = st.Generation + 1
	}
	st.Generation = max(st.Generation, indexed)
	if st.Roots == nil {
		st.Roots = map[string]rootState{}
	}
	if st.RebuildBelow > before {
		err := b.o.Store.Update(ctx, func(tx *store.Tx) error { return stateTable.Put(tx, stateKey, st) })
		if err != nil && !errors.Is(err, store.ErrUnavailable) { // a full disk does not keep anybody from reading
			return fmt.Errorf("write the state of the knowledge base: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.dirty, b.intents, b.reviews = st, dirty, intents, reviews
	for _, c := range creators {
		b.creators = append(b.creators, c.Value)
	}
	for _, a := range agents {
		b.agents = append(b.agents, a.Value)
	}
	return nil
}

// batch is what one transaction writes.
type batch struct {
	puts    []*put
	removed []*row // their record goes
	deletes []string
	bytes   int
	ids     map[string]*put // claimed by puts of this batch
	most    int             // documents; 0 = batchDocuments
}

// put is one document to be written.
type put struct {
	rec   *record
	doc   *Parsed // nil: only the record changes, the index has it as it is
	old   *row    // at the same path
	moved *row    // whose id it takes over
	seen  uint64  // the latest review it may know of
}

const (
	batchDocuments = 1_000
	batchBytes     = 16 << 20
)

func (t *batch) add(p *put) {
	if t.ids == nil {
		t.ids = map[string]*put{}
	}
	t.ids[p.rec.ID] = p
	t.puts = append(t.puts, p)
	t.bytes += 1024
	if p.doc != nil {
		t.bytes += len(p.doc.Text)
	}
}

func (t *batch) full() bool {
	return len(t.puts)+len(t.removed) >= cmp.Or(t.most, batchDocuments) || t.bytes >= batchBytes
}

func (t *batch) empty() bool { return len(t.puts)+len(t.removed) == 0 }

// commit makes a batch durable: intent, index, then records and generation in one transaction. After a crash in between, the
// intent names the documents whose index may be ahead of their record, and they are read again.
func (b *Base) commit(ctx context.Context, t *batch, j *running) error {
	st := b.currentState()
	gen := st.Generation + 1
	var docs []*Parsed
	deletes := slices.Clone(t.deletes)
	intent := batchIntent{IDs: slices.Clone(deletes)}
	for _, p := range t.puts {
		if p.doc == nil {
			continue
		}
		p.rec.Generation, p.doc.Generation = gen, gen
		docs = append(docs, p.doc)
		intent.IDs = append(intent.IDs, p.rec.ID)
		if p.old != nil && p.old.id() != p.rec.ID {
			deletes = append(deletes, p.old.id())
			intent.IDs = append(intent.IDs, p.old.id())
		}
	}
	intentKey := fmt.Sprintf("%016x", gen)
	// An id that a document of this batch has now is put, not removed.
	deletes = slices.DeleteFunc(deletes, func(id string) bool { return t.ids[id] != nil })
	if len(intent.IDs) > 0 {
		if err := b.o.Store.Update(ctx, func(tx *store.Tx) error { return intentTable.Put(tx, intentKey, intent) }); err != nil {
			return fmt.Errorf("note what the next batch changes: %w", err)
		}
		b.mu.Lock()
		b.intents = append(b.intents, intentKey)
		for _, id := range intent.IDs {
			b.dirty[id] = max(b.dirty[id], 0)
		}
		b.mu.Unlock()
		if err := b.o.Index.Apply(ctx, gen, docs, deletes); err != nil {
			return fmt.Errorf("index %d documents: %w", len(docs), err)
		}
	} else {
		gen = st.Generation
	}
	st.Generation = gen
	// The index has the batch: a cancelled scan must not leave it ahead of the record.
	ctx = context.WithoutCancel(ctx)
	job := j.batchDone(t)
	if err := b.beginWrite(ctx); err != nil {
		return err
	}
	defer b.endWrite()
	err := b.o.Store.Update(ctx, func(tx *store.Tx) error { return writeBatch(tx, t, &st, intentKey, job) })
	if err != nil {
		return fmt.Errorf("record %d documents: %w", len(t.puts), err)
	}
	recs := make([]*record, len(t.puts))
	removed := slices.Clone(t.removed)
	for i, p := range t.puts {
		recs[i] = p.rec
		if p.moved != nil {
			removed = append(removed, p.moved)
		}
	}
	b.mu.Lock()
	b.state.Generation = gen
	b.intents = slices.DeleteFunc(b.intents, func(k string) bool { return k == intentKey })
	for _, id := range intent.IDs {
		if p := t.ids[id]; p == nil || b.dirty[id] <= p.seen { // else reviewed meanwhile: it is read once more
			delete(b.dirty, id)
		}
	}
	b.mu.Unlock()
	b.cat.change(removed, recs)
	b.publish(DocumentsChanged{Generation: gen, Put: len(t.puts), Deleted: len(t.removed)})
	return nil
}

// beginWrite waits for the turn to change records: what a transaction wrote must be in the catalog before the next one begins.
func (b *Base) beginWrite(ctx context.Context) error {
	select {
	case b.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Base) endWrite() { <-b.writing }

// writeBatch is the transaction of a batch.
func writeBatch(tx *store.Tx, t *batch, st *baseState, intentKey string, job *Job) error {
	for _, r := range t.removed {
		if err := deleteRecord(tx, r.root, r.path()); err != nil {
			return err
		}
	}
	for _, p := range t.puts {
		if p.moved != nil {
			if err := deleteRecord(tx, p.moved.root, p.moved.path()); err != nil {
				return err
			}
		}
		old := 0
		if p.old != nil {
			if rec, err := recordTable.Get(tx, recordKey(p.rec.Root, p.rec.Path)); err == nil {
				old = rec.Pieces
			}
		}
		if err := putRecord(tx, p.rec, old); err != nil {
			return err
		}
	}
	if err := intentTable.Delete(tx, intentKey); err != nil {
		return err
	}
	if job != nil {
		if err := putJob(tx, job); err != nil {
			return err
		}
	}
	return stateTable.Put(tx, stateKey, *st)
}

func (b *Base) currentState() baseState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}
