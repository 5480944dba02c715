package api

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"

	"controlcenter/exporter"
)

// portsAnswer is the list of ports, which may be encoded and compressed already.
type portsAnswer struct {
	Status   int
	Encoding string `header:"Content-Encoding" hidden:"true"`
	Body     PortsBody
}

// portLists keeps the encoded lists of listening ports of one snapshot: pages, scripts and data sources ask for the same
// many times before there is another one, and with a thousand ports encoding and compression are all that costs. The zero
// value is ready.
type portLists struct {
	mu   sync.Mutex
	snap *exporter.Snapshot
	by   map[[2]int]*portList // by the range asked for
}

// portList is one answer: as JSON, and compressed once somebody takes it so.
type portList struct{ plain, packed []byte }

// portRanges are remembered per snapshot; more are answered, but made anew each time.
const portRanges = 16

// answer returns the list of the ports of a reading, nil when there is none.
func (p *portLists) answer(snap *exporter.Snapshot, v *exporter.Ports, in *PortsInput) (*portsAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.snap != snap {
		p.snap, p.by = snap, map[[2]int]*portList{}
	}
	key := [2]int{in.Start, in.End}
	l := p.by[key]
	if l == nil {
		var list []exporter.Port
		if v != nil {
			list = v.List
		}
		b, err := portsOf(snap, list, in)
		if err != nil {
			return nil, err
		}
		text, err := encode(b)
		if err != nil {
			return nil, err
		}
		if l = (&portList{plain: append(text, '\n')}); len(p.by) < portRanges {
			p.by[key] = l
		}
	}
	if len(l.plain) < gzipFrom || !acceptsGzip(in.Encodings) {
		return &portsAnswer{Status: http.StatusOK, Body: PortsBody{encoded: l.plain}}, nil
	}
	if l.packed == nil {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(l.plain); err != nil {
			return nil, err //nolint:wrapcheck // into memory: it cannot happen
		}
		if err := w.Close(); err != nil {
			return nil, err //nolint:wrapcheck // as above
		}
		l.packed = out.Bytes()
	}
	return &portsAnswer{Status: http.StatusOK, Encoding: "gzip", Body: PortsBody{encoded: l.packed}}, nil
}
