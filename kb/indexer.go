package kb

import "context"

// Indexer is the part of a search index that keeping it in step with the record needs.
type Indexer interface {
	// Apply puts and removes documents and then sets the generation; all of it is on disk when it returns nil. Otherwise any of
	// the documents may be there, and the generation is that of before. A put replaces the document of the same ID; removing
	// one that is not there is no error. The index keeps a document's generation with it, so that a hit can be compared with
	// what [Base.Committed] says.
	Apply(ctx context.Context, generation uint64, puts []*Parsed, deletes []string) error
	// Generation returns that of the newest batch on disk, 0 for a new index.
	Generation() (uint64, error)
}
