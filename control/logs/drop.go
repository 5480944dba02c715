package logs

import "bytes"

// Drop counts data as lost, with the line it belongs to: what of it was not yet written, and what is still to come. The next
// write says so in the log.
func (w *Writer) Drop(stream Stream, data []byte) {
	if stream > Stderr || len(data) == 0 {
		return
	}
	p := &w.part[stream]
	w.lose(len(p.text)+len(data), bytes.Count(data, []byte{'\n'}))
	p.text = nil
	p.skip = data[len(data)-1] != '\n'
}

// skip drops the rest of a line whose beginning was dropped.
func (w *Writer) skip(p *part, data []byte) int {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		w.lose(len(data), 0)
		return len(data)
	}
	w.lose(i+1, 1)
	p.skip = false
	return i + 1
}

func (w *Writer) lose(n, lines int) {
	w.state.LostBytes += int64(n)
	w.state.LostLines += int64(lines)
	w.state.MarkBytes += int64(n)
	w.state.MarkLines += int64(lines)
}

// Dropped are the bytes and lines given to Drop, counted as in Counts.
func (w *Writer) Dropped() (bytes, lines int64) { return w.state.LostBytes, w.state.LostLines }
