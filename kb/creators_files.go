package kb

import (
	"slices"
	"strings"
)

// creatorKey is the id of a creator as it is compared: an "@" before it is that of a handle.
func creatorKey(id string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimSpace(id), "@"))
}

// relates says whether a file belongs to a creator, whose id is a creatorKey: by its document, or because the id stands in its path.
// It is the one rule of counts, listings and filters.
func relates(r *row, key string) bool { return relatesIn(r, key, foldContains(r.dir, key)) }

// relatesIn is relates for who knows already whether the id stands in the path of the file's folder.
func relatesIn(r *row, key string, inFolder bool) bool {
	return inFolder || r.creator == key || foldContains(r.name, key)
}

// foldContains looks for a lower-case text in any case, without making copies of what is ASCII.
func foldContains(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.Contains(strings.ToLower(s), lower)
		}
	}
outer:
	for i := 0; i+len(lower) <= len(s); i++ {
		for k := range len(lower) {
			c := s[i+k]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != lower[k] {
				continue outer
			}
		}
		return true
	}
	return false
}

// countRelated fills Files. For many creators the names of the files are looked at once for each distinct folder and name; with
// 40 creators and 100,000 files that takes some 100 ms, so counts are kept until something changes.
func (b *Base) countRelated(creators []Creator) {
	counts := b.relatedCounts()
	for i := range creators {
		creators[i].Files = counts[creatorKey(creators[i].ID)]
	}
}

func (b *Base) relatedCounts() map[string]int {
	ids := []string{}
	for _, c := range b.allCreators() {
		ids = append(ids, creatorKey(c.ID))
	}
	version := b.cat.currentVersion()
	b.mu.Lock()
	if k := b.related; k.counts != nil && k.version == version && slices.Equal(k.ids, ids) {
		b.mu.Unlock()
		return k.counts
	}
	b.mu.Unlock()
	counts := map[string]int{}
	folders := map[string][]bool{} // which ids stand in the path of a folder: few folders, many files
	for _, r := range b.cat.ordered("date_desc") {
		in, ok := folders[r.dir]
		if !ok {
			in = make([]bool, len(ids))
			for i, id := range ids {
				in[i] = foldContains(r.dir, id)
			}
			folders[r.dir] = in
		}
		for i, id := range ids {
			if relatesIn(r, id, in[i]) {
				counts[id]++
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.related = relatedCache{version, ids, counts}
	return counts
}

type relatedCache struct {
	version uint64
	ids     []string
	counts  map[string]int
}
