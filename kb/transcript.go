package kb

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"controlcenter/internal/store"
)

// Segments returns what is said in the video of a document and when: by the document itself if it is a transcript, else by the
// transcript beside it; nil = there is none. Errors: those of [Base.Text].
func (b *Base) Segments(ctx context.Context, d *Document) ([]Segment, error) {
	if d.Type == "transcript" {
		k, err := b.shown(d.ID, textKeyOf(d), d.Size)
		if err != nil {
			return nil, err
		}
		return k.said, nil
	}
	if d.Transcript == "" {
		return nil, nil
	}
	beside, err := b.recordAt(ctx, d.Root, d.Transcript)
	if err != nil || beside == nil || beside.Type != "transcript" {
		return nil, err
	}
	return b.Segments(ctx, beside)
}

// Subject returns the document about the video of a transcript: the one beside whose stem it lies; nil = there is none.
func (b *Base) Subject(ctx context.Context, d *Document) (*Document, error) {
	if d.Type != "transcript" {
		return nil, nil
	}
	dir, name := path.Split(d.Path)
	for _, ext := range []string{".md", ".markdown", ".json", ".jsonl", ".txt"} {
		other, err := b.recordAt(ctx, d.Root, dir+stemOf(name)+ext)
		if err != nil {
			return nil, err
		}
		if other != nil && other.Transcript == d.Path {
			return other, nil
		}
	}
	return nil, nil
}

// recordAt returns the record of a path without its entries; nil = it has none.
func (b *Base) recordAt(ctx context.Context, root, name string) (*Document, error) {
	if err := b.load(ctx); err != nil {
		return nil, err
	}
	if b.cat.at(keyOf(root, name)) == nil {
		return nil, nil
	}
	var rec *record
	err := b.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		rec, err = getDocument(tx, root, name, false)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", name, err)
	}
	return &rec.Document, nil
}

// SegmentURL is the address of a transcript's video at the time of one of its segments; "" = it is not known. subject is the
// document about the video, nil = there is none: the transcript itself may know less than that.
func SegmentURL(transcript, subject *Document, s *Segment) string {
	address, video := transcript.URL, transcript.VideoID
	if address == "" && video == "" && subject != nil {
		address, video = subject.URL, subject.VideoID
	}
	return VideoURL(address, video, &s.Start)
}

// spoken is the segment that has most of some words of the text of a transcript, the first of several; nil = none has any. The
// text has a line for each segment.
func spoken(all []Segment, text string, words []place) (best *Segment) {
	from := len(text)
	for i := range all {
		from -= len(all[i].Text) + 1
	}
	var most, longest int // different words, and bytes of all of them: of "ip-adapter" its parts are less than the whole
	for i := range all {
		to := from + len(all[i].Text) + 1
		bytes, seen := 0, map[int]bool{}
		for ; len(words) > 0 && words[0].start < to; words = words[1:] {
			if words[0].start >= from {
				seen[words[0].word] = true
				bytes += words[0].end - words[0].start
			}
		}
		if len(seen) > most || len(seen) == most && bytes > longest {
			best, most, longest = &all[i], len(seen), bytes
		}
		if from = to; len(words) == 0 {
			break
		}
	}
	return best
}

// saying is the first segment that has a text as it stands, in any case; nil = none has.
func saying(all []Segment, text string) *Segment {
	text = strings.ToLower(text)
	for i := range all {
		if strings.Contains(strings.ToLower(all[i].Text), text) {
			return &all[i]
		}
	}
	return nil
}
