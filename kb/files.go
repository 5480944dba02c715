package kb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"controlcenter/internal/store"
)

// File is a document as listings and pages show it.
type File struct {
	Document
	AbsolutePath string `json:"absolute_path"` // root and path, as the old interface says it
	Name         string `json:"name"`          // of the file
	InsightCount int    `json:"insight_count"`
}

// FileQuery chooses documents. Empty fields choose all.
type FileQuery struct {
	Agent, Category, Creator, Type, Status, Tag, Root string // exact; creators and tags in any case
	Sort                                              string // one of date_desc (default), date, name, name_desc, size, size_desc, type, confidence_desc
	Limit, Offset                                     int    // limit 1 to 500, 0 = 50
}

// Files returns one page of the documents, without their entries, and how many there are in all. A page behind the end is
// empty. Errors: [ErrInvalid] naming the field.
func (b *Base) Files(ctx context.Context, q FileQuery) (files []File, total int, err error) {
	if err := b.load(ctx); err != nil {
		return nil, 0, err
	}
	if q.Sort == "" {
		q.Sort = "date_desc"
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	switch {
	case !slices.Contains(sortNames(), q.Sort):
		return nil, 0, fmt.Errorf("%w: sort: must be one of %s", ErrInvalid, strings.Join(sortNames(), ", "))
	case q.Limit < 1 || q.Limit > 500:
		return nil, 0, fmt.Errorf("%w: limit: must be between 1 and 500", ErrInvalid)
	case q.Offset < 0:
		return nil, 0, fmt.Errorf("%w: offset: must be 0 or more", ErrInvalid)
	}
	match := q.matcher()
	var page []*row
	for _, r := range b.cat.ordered(q.Sort) {
		if match(r) {
			if total >= q.Offset && len(page) < q.Limit {
				page = append(page, r)
			}
			total++
		}
	}
	files, err = b.filesOf(ctx, page)
	return files, total, err
}

func (q *FileQuery) matcher() func(*row) bool {
	all := kinds()
	kind, status := slices.Index(all[:], q.Type), statusNumber(q.Status)
	creator, tag := creatorKey(q.Creator), strings.ToLower(q.Tag)
	return func(r *row) bool {
		return (q.Agent == "" || r.agent == q.Agent) && (q.Category == "" || r.category == q.Category) && (q.Root == "" || r.root == q.Root) &&
			(q.Creator == "" || creator != "" && relates(r, creator)) && (q.Type == "" || kind == int(r.kind)) && (q.Status == "" || status != 0 && r.status == status) &&
			(tag == "" || slices.Contains(r.tags, tag))
	}
}

// filesOf reads the records of some rows. One that was removed meanwhile is left out.
func (b *Base) filesOf(ctx context.Context, rows []*row) ([]File, error) {
	files := make([]File, 0, len(rows))
	err := b.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, r := range rows {
			rec, err := getDocument(tx, r.root, r.path(), false)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
				continue
			}
			if err != nil {
				return err
			}
			files = append(files, b.fileOf(rec))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the records of %d files: %w", len(rows), err)
	}
	return files, nil
}

func (b *Base) fileOf(rec *record) File {
	return File{
		Document: rec.Document, AbsolutePath: b.absolute(rec.Root, rec.Path), Name: path.Base(rec.Path),
		InsightCount: len(rec.Packed) / packedInsight,
	}
}

// FilesByID returns the documents with these ids, in their order, without entries; unknown ones are left out.
func (b *Base) FilesByID(ctx context.Context, ids []string) ([]File, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	rows := make([]*row, 0, len(ids))
	for _, id := range ids {
		if r := b.cat.byID(id); r != nil {
			rows = append(rows, r)
		}
	}
	return b.filesOf(ctx, rows)
}

// Recent returns the newest documents, at most limit.
func (b *Base) Recent(ctx context.Context, limit int) ([]File, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	rows := b.cat.ordered("date_desc")
	return b.filesOf(ctx, rows[:min(len(rows), max(0, limit))])
}

// find resolves any form of an id: ours, that of a front matter, base64 of a path (see pathOfID), or the path itself.
func (b *Base) find(id string) (*row, error) {
	if r := b.cat.byID(id); r != nil {
		return r, nil
	}
	if _, ok := parseDerivedID(id); ok {
		return nil, fmt.Errorf("file %q: %w", id, ErrNotFound)
	}
	name, ok := pathOfID(id)
	if !ok {
		if path.Ext(id) == "" && (!strings.ContainsAny(id, "/\\") || strings.HasSuffix(id, "=")) {
			return nil, fmt.Errorf("%w: file id %q: is neither an id, nor base64 of a path", ErrInvalid, clip(id, 100))
		}
		name = id
	}
	return b.findPath(name)
}

// findPath finds a document by its absolute path, or by its path relative to a root.
func (b *Base) findPath(name string) (*row, error) {
	outside := true
	for _, root := range b.o.Roots {
		rel, ok := relativeTo(filepath.ToSlash(root.Path), name)
		if !ok {
			continue
		}
		outside = false
		if r := b.cat.at(keyOf(root.ID, rel)); r != nil {
			return r, nil
		}
		if b.leavesRoot(root, rel) {
			outside = true
		}
	}
	if outside {
		return nil, fmt.Errorf("file %q: %w", clip(name, 200), ErrOutside)
	}
	return nil, fmt.Errorf("file %q: %w", clip(name, 200), ErrNotFound)
}

// leavesRoot says whether a path leads out of its root by a link.
func (b *Base) leavesRoot(root Root, rel string) bool {
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return false
	}
	defer func() { _ = dir.Close() }()
	_, err = dir.Stat(filepath.FromSlash(rel))
	if err == nil || isGone(err) {
		return false
	}
	r, ok := errors.AsType[*RejectError](rejectionOf(err))
	return ok && r.Reason == LinkOutsideRoot
}

// File returns one document with its entries and insights. id is ours, that of its front matter, base64 of its path (standard or
// URL-safe, padded or not, percent-encoded or not), or the path, absolute or relative to a root. Errors: [ErrInvalid] for what
// is none of these, [ErrOutside], [ErrNotFound].
func (b *Base) File(ctx context.Context, id string) (File, error) {
	if err := b.load(ctx); err != nil {
		return File{}, err
	}
	r, err := b.find(id)
	if err != nil {
		return File{}, err
	}
	var rec *record
	err = b.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		rec, err = getDocument(tx, r.root, r.path(), true)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return File{}, fmt.Errorf("file %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return File{}, fmt.Errorf("read the record of %s: %w", r.path(), err)
	}
	return b.fileOf(rec), nil
}

// Content is what a file holds now.
type Content struct {
	File     File
	Text     string // UTF-8 with "\n"; only ever to be served as text/plain with nosniff
	Modified time.Time
}

// Content reads a file's text as it is on disk now, at most the size limit of the base. Errors: those of [Base.File], and a
// [RejectError] for a file that cannot be read any more.
func (b *Base) Content(ctx context.Context, id string) (Content, error) {
	f, err := b.File(ctx, id)
	if err != nil {
		return Content{}, err
	}
	root, ok := b.rootOf(f.Root)
	if !ok {
		return Content{}, fmt.Errorf("file %q: %w", id, ErrNotFound)
	}
	dir, err := os.OpenRoot(root.Path)
	if err != nil {
		return Content{}, fmt.Errorf("open root %s: %w", root.ID, err)
	}
	defer func() { _ = dir.Close() }()
	data, info, err := readRegular(dir, f.Path, b.o.MaxFileSize, b.betweenReads)
	if err != nil {
		if _, statErr := dir.Stat(f.Path); isGone(statErr) {
			return Content{}, fmt.Errorf("file %q: %w", id, ErrNotFound)
		}
		return Content{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	text, _, err := decodeText(data)
	if err != nil {
		return Content{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return Content{File: f, Text: text, Modified: info.ModTime().UTC()}, nil
}

// Documents returns the records of some ids, with entries, as a search shows them; unknown ones are left out.
func (b *Base) Documents(ctx context.Context, ids []string) (map[string]*Document, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	out := make(map[string]*Document, len(ids))
	err := b.o.Store.View(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			r := b.cat.byID(id)
			if r == nil {
				continue
			}
			rec, err := getDocument(tx, r.root, r.path(), true)
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
				continue
			}
			if err != nil {
				return err
			}
			out[id] = &rec.Document
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the records of %d documents: %w", len(ids), err)
	}
	return out, nil
}

// Texts runs over the documents, of one agent if it is not "", newest first but those of a folder together: what a search through
// the files themselves reads. Only regular files within their root are opened.
func (b *Base) Texts(ctx context.Context, agent string) iter.Seq[TextFile] {
	return func(yield func(TextFile) bool) {
		if b.load(ctx) != nil {
			return
		}
		for _, r := range b.cat.ordered(byFolder) {
			if agent != "" && r.agent != agent {
				continue
			}
			if !yield(TextFile{base: b, row: r}) || ctx.Err() != nil {
				return
			}
		}
	}
}
