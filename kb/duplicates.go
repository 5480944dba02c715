package kb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Duplicate is one text that lies in several places.
type Duplicate struct {
	Hash   string   `json:"hash"` // first half of the sha256 of the content, hex
	Size   int64    `json:"size"` // bytes of one copy
	Agents []string `json:"agents"`
	Files  []File   `json:"files"`
}

type duplicateCache struct {
	version uint64
	groups  [][]*row
}

// Duplicates returns one page of the texts that lie in several places, those with most copies first, and how many there are.
// Empty files are no duplicates.
func (b *Base) Duplicates(ctx context.Context, limit, offset int) ([]Duplicate, int, error) {
	if limit < 1 || limit > 500 || offset < 0 {
		return nil, 0, fmt.Errorf("%w: limit: must be between 1 and 500, offset 0 or more", ErrInvalid)
	}
	if err := b.load(ctx); err != nil {
		return nil, 0, err
	}
	groups := b.duplicateGroups()
	out := []Duplicate{}
	for _, g := range groups[min(offset, len(groups)):min(offset+limit, len(groups))] {
		files, err := b.filesOf(ctx, g[:min(len(g), 100)])
		if err != nil {
			return nil, 0, err
		}
		d := Duplicate{Hash: hex.EncodeToString(g[0].hash[:]), Size: g[0].size, Files: files, Agents: []string{}}
		for _, r := range g {
			if !slices.Contains(d.Agents, r.agent) {
				d.Agents = append(d.Agents, r.agent)
			}
		}
		slices.Sort(d.Agents)
		out = append(out, d)
	}
	return out, len(groups), nil
}

func (b *Base) duplicateGroups() [][]*row {
	version := b.cat.currentVersion()
	b.mu.Lock()
	if b.dupes.groups != nil && b.dupes.version == version {
		defer b.mu.Unlock()
		return b.dupes.groups
	}
	b.mu.Unlock()
	byHash := map[[16]byte][]*row{}
	for _, r := range b.cat.ordered("name") {
		if r.size > 0 {
			byHash[r.hash] = append(byHash[r.hash], r)
		}
	}
	groups := [][]*row{}
	for _, g := range byHash {
		if len(g) > 1 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b []*row) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), compareFold(a[0].name, b[0].name), bytes.Compare(a[0].hash[:], b[0].hash[:]))
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dupes = duplicateCache{version, groups}
	return groups
}

// RelatedFile is a file that has to do with another, and how.
type RelatedFile struct {
	File
	Relation string `json:"relation"` // copy, same_video, supersedes, superseded_by, contradicts, contradicted_by, same_creator
}

// Related returns the files that have to do with one, the closest relation first, each file once, at most limit. Errors: those
// of [Base.File].
func (b *Base) Related(ctx context.Context, id string, limit int) ([]RelatedFile, error) {
	f, err := b.File(ctx, id)
	if err != nil {
		return nil, err
	}
	self := b.cat.byID(f.ID)
	if self == nil {
		return nil, fmt.Errorf("file %q: %w", id, ErrNotFound)
	}
	type link struct {
		r   *row
		how string
	}
	var links []link
	for how, refs := range map[string][]string{"supersedes": f.Supersedes, "contradicts": f.Contradicts} {
		for _, ref := range refs {
			if r, err := b.find(ref); err == nil {
				links = append(links, link{r, how})
			}
		}
	}
	var linked []*row
	for _, r := range b.cat.ordered("date_desc") {
		switch {
		case r == self:
		case r.size > 0 && r.hash == self.hash:
			links = append(links, link{r, "copy"})
		case self.video != 0 && r.video == self.video:
			links = append(links, link{r, "same_video"})
		case self.creator != "" && r.creator == self.creator && len(links) < 10*max(limit, 1):
			links = append(links, link{r, "same_creator"})
		}
		if r.has(flagLinked) && r != self {
			linked = append(linked, r)
		}
	}
	others, err := b.filesOf(ctx, linked)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		for how, refs := range map[string][]string{"superseded_by": o.Supersedes, "contradicted_by": o.Contradicts} {
			for _, ref := range refs {
				if r, err := b.find(ref); err == nil && r == self {
					links = append(links, link{b.cat.byID(o.ID), how})
				}
			}
		}
	}
	order := []string{"contradicts", "contradicted_by", "supersedes", "superseded_by", "copy", "same_video", "same_creator"}
	slices.SortStableFunc(links, func(a, b link) int { return cmp.Compare(slices.Index(order, a.how), slices.Index(order, b.how)) })
	out := []RelatedFile{}
	seen := map[*row]bool{self: true}
	for _, l := range links {
		if l.r == nil || seen[l.r] || len(out) >= limit {
			continue
		}
		seen[l.r] = true
		files, err := b.filesOf(ctx, []*row{l.r})
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			out = append(out, RelatedFile{file, l.how})
		}
	}
	return out, nil
}

// ToReview is something that a person should look at.
type ToReview struct {
	Why   string `json:"why"` // contradicts, supersedes, stale, conflicting, pending
	File  File   `json:"file"`
	Other *File  `json:"other,omitempty"` // contradicts, supersedes: the other one, when it is known
	Ref   string `json:"ref,omitempty"`   // as the file names it
}

// ToReview returns contradictions, documents that another one supersedes though their own status does not say so, documents
// whose time is over, and those whose status asks for it; contradictions first, at most limit.
func (b *Base) ToReview(ctx context.Context, limit int) ([]ToReview, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	now := time.Now().Unix()
	var rows []*row
	for _, r := range b.cat.ordered("date_desc") {
		if st := statuses()[r.status]; r.has(flagLinked) || r.valid != 0 && r.valid < now && st != "superseded" && st != "rejected" || st == "conflicting" || st == "pending" {
			rows = append(rows, r)
		}
	}
	files, err := b.filesOf(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := []ToReview{}
	for _, f := range files {
		for _, ref := range f.Contradicts {
			if f.Status != "superseded" && f.Status != "rejected" {
				out = append(out, b.pair(ctx, "contradicts", f, ref))
			}
		}
		for _, ref := range f.Supersedes {
			if p := b.pair(ctx, "supersedes", f, ref); p.Other == nil || p.Other.Status != "superseded" {
				out = append(out, p)
			}
		}
		switch {
		case f.Status == "conflicting" || f.Status == "pending":
			out = append(out, ToReview{Why: f.Status, File: f})
		case !f.ValidUntil.IsZero() && f.ValidUntil.Unix() < now && f.Status != "superseded" && f.Status != "rejected":
			out = append(out, ToReview{Why: "stale", File: f})
		}
	}
	order := []string{"contradicts", "conflicting", "supersedes", "stale", "pending"}
	slices.SortStableFunc(out, func(a, b ToReview) int { return cmp.Compare(slices.Index(order, a.Why), slices.Index(order, b.Why)) })
	return out[:min(len(out), max(0, limit))], nil
}

func (b *Base) pair(ctx context.Context, why string, f File, ref string) ToReview {
	t := ToReview{Why: why, File: f, Ref: ref}
	r, err := b.find(ref)
	if err != nil {
		return t
	}
	if others, err := b.filesOf(ctx, []*row{r}); err == nil && len(others) == 1 {
		t.Other = &others[0]
	}
	return t
}
