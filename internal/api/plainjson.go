package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"unicode"
	"unicode/utf8"
)

// plainJSON escapes, inside a JSON text, the characters that JSON lets through and a terminal obeys or a reader cannot see: DEL, C1
// controls, those that turn the direction of text, invisible ones. Names of processes, log lines and texts of the knowledge base are written by
// others, and people look at answers with curl. Outside of strings JSON is ASCII, so it stays the same document.
func plainJSON(text []byte) []byte {
	at := 0
	for at < len(text) && text[at] < 0x7f {
		at++
	}
	if at == len(text) {
		return text
	}
	var out []byte
	done := 0 // what is copied
	for at < len(text) {
		if text[at] < 0x7f {
			at++
			continue
		}
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n == 1 || r != 0xfffd && !unicode.IsPrint(r) {
			out = append(out, text[done:at]...)
			switch {
			case n == 1 && r == utf8.RuneError:
				out = append(out, `\ufffd`...)
			case r < 0x10000:
				out = fmt.Appendf(out, `\u%04x`, r)
			default:
				out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			}
			done = at + n
		}
		at += n
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// encode is json.Marshal for what clients get.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return plainJSON(text), err //nolint:wrapcheck // stands for the other
}

// appender is a body that knows a cheaper encoding than reflection. What it writes must be plain.
type appender interface{ appendJSON(b []byte) []byte }

// written is a body that may be encoded already, even compressed. What it holds must be plain.
type written interface{ written() []byte }

// bodies are buffers for encoded answers: growing one for each would make most of the garbage of a busy client.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledBody is what a buffer may hold to be used again; few answers are larger.
const maxPooledBody = 1 << 20

// marshalJSON writes the body of an answer. w must not keep what is written to it.
func marshalJSON(w io.Writer, v any) error {
	if b, ok := v.(written); ok && b.written() != nil {
		if _, err := w.Write(b.written()); err != nil {
			return fmt.Errorf("write body: %w", err)
		}
		return nil
	}
	pooled := bodies.Get().(*[]byte)
	text := (*pooled)[:0]
	defer func() {
		if cap(text) <= maxPooledBody {
			*pooled = text
			bodies.Put(pooled)
		}
	}()
	if a, ok := v.(appender); ok {
		text = append(a.appendJSON(text), '\n')
	} else {
		buf := bytes.NewBuffer(text)
		enc := json.NewEncoder(buf)
		enc.SetEscapeHTML(false) // the content type and nosniff say that it is no page
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("encode body: %w", err)
		}
		text = plainJSON(buf.Bytes())
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write body: %w", err)
	}
	return nil
}
