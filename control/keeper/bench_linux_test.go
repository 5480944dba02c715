package keeper

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"controlcenter/control"
	"controlcenter/control/logs"
)

// piped is a keeper in this process with a run that has a pipe, whose other end is given back, and a log.
func piped(tb testing.TB) (*keeper, *run, *os.File) {
	tb.Helper()
	dir := tb.TempDir()
	k := newKeeper(dir, filepath.Join(dir, "logs"), "test", slog.New(slog.DiscardHandler))
	r := &run{
		id: "r", service: "s", over: make(chan struct{}),
		spec: &control.LaunchSpec{Service: "s", Logs: control.Logs{Mode: "pipe", MaxSize: 64 << 20, Keep: 2}},
	}
	if err := k.serviceOf("s").openWriter(logs.Settings{MaxSize: 64 << 20, Keep: 2}, r); err != nil {
		tb.Fatal(err)
	}
	var in *os.File
	var err error
	if r.out, in, err = os.Pipe(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		k.serviceOf("s").close(r)
	})
	return k, r, in
}

// What a service prints, from its pipe to its log: one operation is what one write of the service holds.
func BenchmarkPump(b *testing.B) {
	for _, lines := range []int{1, 640} {
		b.Run(fmt.Sprintf("lines=%d", lines), func(b *testing.B) {
			k, r, in := piped(b)
			k.pump(r)
			text := bytes.Repeat([]byte(string(bytes.Repeat([]byte("x"), 99))+"\n"), lines)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := in.Write(text); err != nil {
					b.Fatal(err)
				}
			}
			_ = in.Close()
			k.drain(r) // the last of it is read
			if got, want := k.serviceOf("s").counts().Lines, float64(lines*b.N); got != want {
				b.Fatalf("%v lines in the log, %v written", got, want)
			}
		})
	}
}

// An end is written down before the process is reaped.
func BenchmarkJournalEnd(b *testing.B) {
	j, _, err := openJournal(filepath.Join(b.TempDir(), "journal"))
	if err != nil {
		b.Fatal(err)
	}
	code := 7
	b.ReportAllocs()
	for b.Loop() {
		if err := j.append(entry{Op: jEnd, Run: "00362t28rzw3t3tb3vkvkj5rvw", Code: &code, At: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}
