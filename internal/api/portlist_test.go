package api

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"controlcenter/exporter"
)

// What is kept encoded is what would be encoded now, plain and compressed, and never outlives its snapshot.
func TestPortListsFollowTheSnapshot(t *testing.T) {
	var lists portLists
	ask := func(snap *exporter.Snapshot, v *exporter.Ports, in PortsInput) (PortsBody, string) {
		t.Helper()
		in.State = "listen"
		a, err := lists.answer(snap, v, &in)
		if err != nil {
			t.Fatal(err)
		}
		text := a.Body.written()
		if a.Encoding == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if text, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		var b PortsBody
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return b, a.Encoding
	}
	reading := func(n int) *exporter.Ports {
		v := &exporter.Ports{}
		for i := range n {
			v.List = append(v.List, exporter.Port{Protocol: "tcp", Address: "127.0.0.1", Port: 3000 + i, State: "LISTEN", PID: 7, Process: "server"})
		}
		return v
	}
	first := &exporter.Snapshot{Seq: 1, At: time.Unix(1000, 0), Settings: exporter.Settings{PortStart: 3000, PortEnd: 9000}}
	second := &exporter.Snapshot{Seq: 2, At: time.Unix(2000, 0), Settings: first.Settings}

	for range 2 {
		if b, encoding := ask(first, reading(100), PortsInput{Encodings: "gzip"}); b.Count != 100 || encoding != "gzip" || b.Timestamp != stamp(first.At) {
			t.Errorf("gzip: %d ports, encoding %q, time %s", b.Count, encoding, b.Timestamp)
		}
		if b, encoding := ask(first, reading(100), PortsInput{Encodings: "gzip;q=0"}); b.Count != 100 || encoding != "" {
			t.Errorf("plain: %d ports, encoding %q", b.Count, encoding)
		}
		if b, _ := ask(first, reading(100), PortsInput{Start: 3010, End: 3019}); b.Count != 10 || b.Ports[0].Port != 3010 {
			t.Errorf("a range of its own: %d ports", b.Count)
		}
	}
	if b, encoding := ask(second, reading(1), PortsInput{Encodings: "gzip"}); b.Count != 1 || encoding != "" || b.Timestamp != stamp(second.At) {
		t.Errorf("the next snapshot: %d ports, encoding %q, time %s", b.Count, encoding, b.Timestamp)
	}
	if b, _ := ask(&exporter.Snapshot{Settings: first.Settings}, nil, PortsInput{}); b.Count != 0 || b.Ports == nil {
		t.Errorf("without a reading: %d ports, %v", b.Count, b.Ports)
	}
	for i := range 3 * portRanges {
		ask(second, reading(1), PortsInput{Start: 1 + i, End: 9000})
	}
	if len(lists.by) > portRanges {
		t.Errorf("%d ranges are kept", len(lists.by))
	}
	if _, err := lists.answer(second, nil, &PortsInput{Start: 9, End: 8}); err == nil {
		t.Error("a range that ends before it starts was taken")
	}
}
