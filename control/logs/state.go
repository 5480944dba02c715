package logs

import (
	"fmt"
	"time"
)

// State is what a writer knows that is not on disk, for the one that takes its place after an execve.
type State struct {
	Parts     [2]PartState `json:"parts"` // of stdout and stderr
	Run       string       `json:"run,omitempty"`
	Bytes     int64        `json:"bytes"` // taken from the service, newlines too
	Lines     int64        `json:"lines"`
	LostBytes int64        `json:"lost_bytes,omitempty"` // dropped, in all
	LostLines int64        `json:"lost_lines,omitempty"`
	MarkBytes int64        `json:"mark_bytes,omitempty"` // dropped and not yet told of in the log
	MarkLines int64        `json:"mark_lines,omitempty"`
}

// PartState is the unfinished line of one stream.
type PartState struct {
	Text []byte    `json:"text,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Open bool      `json:"open,omitempty"`
	Skip bool      `json:"skip,omitempty"`
}

// State is what Restore needs. It shares memory with the writer, which must not be used after.
func (w *Writer) State() State {
	s := w.state
	s.Run = w.run
	for i, p := range w.part {
		s.Parts[i] = PartState{Text: p.text, At: p.at, Open: p.open, Skip: p.skip}
	}
	return s
}

// Restore goes on where another writer of the same log has stopped. It fails when an unfinished line is longer than 64 KiB.
func (w *Writer) Restore(s State) error {
	for i, p := range s.Parts {
		if len(p.Text) > maxText {
			return fmt.Errorf("restore log: unfinished line of %d bytes: must be at most %d", len(p.Text), maxText)
		}
		w.part[i] = part{text: p.Text, at: p.At, open: p.Open, skip: p.Skip}
	}
	w.run = s.Run
	w.state = s
	w.state.Parts, w.state.Run = [2]PartState{}, ""
	return nil
}
