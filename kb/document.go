// Package kb keeps a knowledge base: Markdown and other files that people and agents wrote, read from folders that stay theirs.
//
// A file is one [Document] with entries (one video each) and insights. The store holds the record of every document; the search
// index is derived from the files and can always be made again. Nothing here writes into the user's folders unless it is
// configured to.
package kb

import "time"

// Document is what is known of one file. A value is never changed after it was handed over.
type Document struct {
	ID       string `json:"id"`   // stable: from the front matter when unique, else "p-" and 16 characters made from root and path
	Root     string `json:"root"` // id of the root
	Path     string `json:"path"` // relative to the root, with slashes
	Type     string `json:"type"` // document, video, transcript, code
	Title    string `json:"title"`
	Agent    string `json:"agent"`
	Category string `json:"category"`
	Creator  string `json:"creator,omitempty"`    // as it is written
	Source   string `json:"creator_id,omitempty"` // id of the creator, lower case
	VideoID  string `json:"video_id,omitempty"`
	URL      string `json:"url,omitempty"`
	Language string `json:"language,omitempty"`
	Status   string `json:"status,omitempty"` // approved, pending, rejected, conflicting, superseded; "" = not said

	Tags        []string          `json:"tags,omitempty"`
	Confidence  *float64          `json:"confidence"` // 0..1; nil = not said
	Published   time.Time         `json:"published,omitzero"`
	Duration    time.Duration     `json:"duration,omitempty"` // of the video
	ValidUntil  time.Time         `json:"valid_until,omitzero"`
	Supersedes  []string          `json:"supersedes,omitempty"`
	Contradicts []string          `json:"contradicts,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"` // unknown keys of the front matter

	Size       int64     `json:"size"` // bytes
	Modified   time.Time `json:"modified"`
	Inode      uint64    `json:"inode,omitempty"` // 0 = the platform has none
	Hash       string    `json:"hash"`            // sha256 of the content, hex
	Scanned    time.Time `json:"scanned"`
	Generation uint64    `json:"generation"` // of the batch that wrote it
	Sections   int       `json:"sections"`   // lines that begin with "## "
	Words      int       `json:"words"`
	HasCode    bool      `json:"has_code"`
	HasLinks   bool      `json:"has_links"`
	Transcript string    `json:"transcript,omitempty"` // path of the transcript of the same stem

	Entries  []Entry  `json:"entries,omitempty"`
	Warnings []string `json:"warnings,omitempty"` // "bad_utf8: ...", what was odd but read
}

// Entry is one video or topic within a document.
type Entry struct {
	Title      string        `json:"title"`
	VideoID    string        `json:"video_id,omitempty"`
	URL        string        `json:"url,omitempty"`
	Status     string        `json:"status,omitempty"`
	Confidence *float64      `json:"confidence"`
	Published  time.Time     `json:"published,omitzero"`
	Duration   time.Duration `json:"duration,omitempty"`
	Insights   []Insight     `json:"insights,omitempty"`
}

// Insight is one statement.
type Insight struct {
	ID         string   `json:"id"` // within its document
	Text       string   `json:"text"`
	Confidence *float64 `json:"confidence"`      // its own, else its entry's, else its document's
	Start      *float64 `json:"t,omitempty"`     // seconds into the video
	End        *float64 `json:"t_end,omitempty"` // seconds into the video
	Tags       []string `json:"tags,omitempty"`
	Evidence   string   `json:"evidence,omitempty"`
	Status     string   `json:"status,omitempty"`
}

// Parsed is a document as it was read, with the text that the index needs and the store does not keep.
type Parsed struct {
	Document
	Text     string    // what people read: front matter and markup of labels left out
	Segments []Segment // of a transcript
}

// Segment is one cue of a transcript.
type Segment struct {
	Start float64 `json:"t"`     // seconds into the video
	End   float64 `json:"t_end"` // seconds into the video
	Text  string  `json:"text"`
}
