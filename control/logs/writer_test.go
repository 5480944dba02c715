package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

func newWriter(t testing.TB, dir string, s Settings) *Writer {
	t.Helper()
	w, err := OpenWriter(dir, "web", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func put(t testing.TB, w *Writer, stream Stream, text string, now time.Time) {
	t.Helper()
	if n, err := w.Append(stream, []byte(text), now); err != nil || n != len(text) {
		t.Fatalf("append: %d of %d bytes, %v", n, len(text), err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func disk(t testing.TB, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return string(b)
}

func fileNames(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	must(t, names(dir, func(name string) { all = append(all, name) }))
	slices.Sort(all)
	return all
}

// all reads every line, in pages of the given size.
func all(t testing.TB, d *Dir, limit int, f Filter) []Line {
	t.Helper()
	var out []Line
	for from := int64(0); ; {
		p, err := d.Range(t.Context(), "web", from, limit, f)
		must(t, err)
		out = append(out, p.Lines...)
		if !p.Truncated {
			return out
		}
		if p.Next <= from {
			t.Fatalf("page from %d goes on at %d", from, p.Next)
		}
		from = p.Next
	}
}

func texts(lines []Line) []string {
	out := []string{}
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %.300q, want %.300q", what, got, want)
	}
}

func TestLinesOnDiskHaveTimeStreamAndFlag(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	w := newWriter(t, dir, Settings{})
	must(t, w.Mark("start run=r1 pid=7", at))
	put(t, w, Stdout, "one\ntw", at)
	put(t, w, Stderr, "err\n", at)
	put(t, w, Stdout, "o\n\n", at.Add(time.Millisecond))
	put(t, w, Stdout, "prompt> ", at)
	must(t, w.Flush(at.Add(99*time.Millisecond)))
	if !w.Pending() {
		t.Fatal("flushed too early")
	}
	must(t, w.Flush(at.Add(100*time.Millisecond)))
	if w.Pending() {
		t.Fatal("not flushed")
	}
	must(t, w.Finish(at))
	want := `2026-01-02T03:04:05.678901Z keeper F start run=r1 pid=7
2026-01-02T03:04:05.678901Z stdout F one
2026-01-02T03:04:05.678901Z stderr F err
2026-01-02T03:04:05.679901Z stdout F two
2026-01-02T03:04:05.679901Z stdout F 
2026-01-02T03:04:05.778901Z stdout P prompt> 
2026-01-02T03:04:05.678901Z stdout F 
`
	if got := disk(t, dir, "web.log"); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if w.Position() != int64(len(want)) {
		t.Errorf("position %d, want %d", w.Position(), len(want))
	}
	if b, l := w.Counts(); b != int64(len("one\ntwo\n\nerr\nprompt> ")) || l != 5 {
		t.Errorf("counts %d bytes, %d lines", b, l)
	}
	same(t, "read", texts(all(t, Open(dir), 0, Filter{})), []string{"one", "err", "two", "", "prompt> "})
	for name, mode := range map[string]os.FileMode{"": 0o700, "web.log": 0o600} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%q: mode %v, want %v (%v)", name, st.Mode().Perm(), mode, err)
		}
	}
}

func TestPartsOfALineAreJoined(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	long := strings.Repeat("x", 3*maxText+5)
	put(t, w, Stdout, long+"\n", at)
	put(t, w, Stdout, "begin", at)
	put(t, w, Stderr, "between\n", at)
	must(t, w.Flush(at.Add(time.Second)))
	put(t, w, Stderr, "while open\n", at)
	put(t, w, Stdout, " end\nlast\n", at)
	huge := strings.Repeat("y", maxJoined+maxText)
	put(t, w, Stdout, huge+"\n", at)
	lines := all(t, Open(dir), 1, Filter{})
	same(t, "lines", texts(lines[:5]), []string{long, "between", "begin end", "while open", "last"})
	if got := lines[5].Text + lines[6].Text; got != huge || !lines[5].Partial || lines[6].Partial || len(lines) != 7 {
		t.Errorf("a line over 1 MiB: %d lines, %d bytes", len(lines), len(got))
	}
	back := newestFirst(t, Open(dir), 2, Filter{})
	slices.Reverse(back)
	same(t, "newest first", texts(back)[:5], texts(lines)[:5])
}

func TestAMarkEndsTheLineBeforeIt(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	put(t, w, Stdout, "torn", at)
	must(t, w.Flush(at.Add(time.Second)))
	must(t, w.Mark("gap why=keeper-killed", at))
	put(t, w, Stdout, "next\n", at)
	lines := all(t, Open(dir), 0, Filter{Marks: true})
	same(t, "lines", texts(lines), []string{"torn", "gap why=keeper-killed", "next"})
	if !lines[0].Partial || lines[1].Stream != "keeper" {
		t.Errorf("got %+v", lines)
	}
}

// Whatever the chunks, the lines are those of the text.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), uint16(1), uint64(1), false)
	f.Add([]byte("no end"), uint16(20000), uint64(2), true)
	f.Add([]byte("\n"), uint16(3000), uint64(3), true)
	f.Add(append(bytes.Repeat([]byte("z"), maxText), "\nq"...), uint16(2), uint64(4), false)
	f.Fuzz(func(t *testing.T, text []byte, times uint16, seed uint64, rotate bool) {
		text = bytes.Repeat(text, int(times)%4096)
		text = text[:min(len(text), 200<<10)]
		want := strings.Split(string(text), "\n")
		if last := len(want) - 1; want[last] == "" {
			want = want[:last]
		}
		var sizes Settings
		if rotate {
			sizes = Settings{MaxSize: 64 << 10, Keep: -1}
		}
		dir := t.TempDir()
		w := newWriter(t, dir, sizes)
		rnd := rand.New(rand.NewPCG(seed, 1))
		now := at
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(20)))
			put(t, w, Stdout, string(rest[:n]), now)
			rest = rest[n:]
			if rnd.IntN(8) == 0 {
				now = now.Add(time.Second)
				must(t, w.Flush(now))
			}
		}
		must(t, w.Finish(now))
		if b, l := w.Counts(); l != int64(len(want)) || b < int64(len(text)) {
			t.Errorf("counts: %d bytes, %d lines of %d, %d", b, l, len(text), len(want))
		}
		d := Open(dir)
		same(t, "lines", texts(all(t, d, 5000, Filter{})), want)
		for _, name := range fileNames(t, dir) {
			if b := disk(t, dir, name); rotate && len(b) > 64<<10 && strings.Count(b, "\n") > 1 || len(b) > 0 && b[len(b)-1] != '\n' {
				t.Errorf("%s: %d bytes", name, len(b))
			}
		}
		if len(text) > 0 {
			if n, err := d.Total(t.Context(), "web"); err != nil || n != int64(len(want)) {
				t.Errorf("total %d, %v; want %d", n, err, len(want))
			}
		}
	})
}

func TestRotationBySizeKeepsPositionsAndLines(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 4096, Keep: 3})
	must(t, w.Mark("start run=r1 pid=1", at))
	for i := range 1000 {
		put(t, w, Stdout, strconv.Itoa(i)+"\n", at)
	}
	segs, err := rotated(dir, "web")
	must(t, err)
	if len(segs) != 3 {
		t.Fatalf("%d rotated files, want 3", len(segs))
	}
	for i, s := range segs {
		if i > 0 && s.start != segs[i-1].end() {
			t.Errorf("file %d starts at %d, want %d", i, s.start, segs[i-1].end())
		}
		b := disk(t, dir, s.name("web", plain))
		if int64(len(b)) != s.size || s.size > 4096 || !strings.HasPrefix(b[stampLen:], " keeper F in run=r1\n") {
			t.Errorf("file %d: %d bytes, its name says %d: %.60q", i, len(b), s.size, b)
		}
	}
	if end := endOf(segs) + int64(len(disk(t, dir, "web.log"))); w.Position() != end {
		t.Errorf("position %d, want %d", w.Position(), end)
	}
	lines := all(t, Open(dir), 7, Filter{})
	for i, l := range lines {
		if want := 1000 - len(lines) + i; l.Text != strconv.Itoa(want) {
			t.Fatalf("line %d: got %q, want %d", i, l.Text, want)
		}
	}
}

func TestRotationByAge(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxAge: time.Hour, Keep: -1})
	put(t, w, Stdout, "a\n", at)
	put(t, w, Stdout, "b\n", at.Add(59*time.Minute))
	must(t, w.Close())
	w = newWriter(t, dir, Settings{MaxAge: time.Hour, Keep: -1}) // the age is that of the first line
	put(t, w, Stdout, "c\n", at.Add(time.Hour))
	must(t, w.Flush(at.Add(3*time.Hour)))
	segs, err := rotated(dir, "web")
	must(t, err)
	if len(segs) != 2 || strings.Count(disk(t, dir, segs[0].name("web", plain)), "\n") != 2 {
		t.Errorf("got %v", fileNames(t, dir))
	}
}

func TestPositionsGrowAfterEverythingWasRemoved(t *testing.T) {
	dir := t.TempDir()
	var last int64
	for range 5 {
		w := newWriter(t, dir, Settings{Keep: 0})
		if w.Position() < last {
			t.Fatalf("position %d after %d", w.Position(), last)
		}
		put(t, w, Stdout, "some line\n", at)
		last = w.Position()
		must(t, w.Rotate())
		must(t, w.Rotate()) // nothing to do
		must(t, w.Close())
		if got := fileNames(t, dir); len(got) != 2 || !strings.HasSuffix(got[0], goneExt) {
			t.Fatalf("files %v", got)
		}
	}
	first, end, err := Open(dir).Bounds(t.Context(), "web")
	if first != last || end != last || err != nil {
		t.Errorf("bounds %d, %d, %v; want %d", first, end, err, last)
	}
}

func TestATornLineIsMendedAtOpen(t *testing.T) {
	for _, torn := range []string{"2026-01-02T03:04:05.678901Z stdout F whole\n2026-01-0", "\x00\x00\x00", "2026-01-02T03:04:05.678901Z stdout F no newline"} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(torn), 0o600))
		w := newWriter(t, dir, Settings{})
		put(t, w, Stdout, "after\n", at)
		if got := disk(t, dir, "web.log"); got != torn+"\n2026-01-02T03:04:05.678901Z stdout F after\n" {
			t.Errorf("got %q", got)
		}
		lines := all(t, Open(dir), 0, Filter{})
		if got := lines[len(lines)-1].Text; got != "after" {
			t.Errorf("got %q", got)
		}
	}
}

func TestUnfinishedLinesSurviveInTheState(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 4096, Keep: -1})
	must(t, w.Mark("start run=r1 pid=1", at))
	put(t, w, Stdout, "out", at)
	must(t, w.Flush(at.Add(time.Second)))
	put(t, w, Stdout, "put", at)
	put(t, w, Stderr, "err", at)
	b, err := json.Marshal(w.State())
	must(t, err)
	must(t, w.Close())

	var s State
	must(t, json.Unmarshal(b, &s))
	w = newWriter(t, dir, Settings{MaxSize: 4096, Keep: -1})
	must(t, w.Restore(s))
	if !w.Pending() {
		t.Error("nothing pending")
	}
	must(t, w.Rotate())
	put(t, w, Stderr, "or\n", at)
	put(t, w, Stdout, "!\n", at)
	same(t, "lines", texts(all(t, Open(dir), 0, Filter{Marks: true})), []string{"start run=r1 pid=1", "output!", "in run=r1", "error"})
	if n, l := w.Counts(); n != int64(len("output!\nerror\n")) || l != 2 {
		t.Errorf("counts %d, %d", n, l)
	}
	if err := w.Restore(State{Parts: [2]PartState{{Text: make([]byte, maxText+1)}}}); err == nil {
		t.Error("an endless line was taken")
	}
}

func TestDirectModeIsReadToo(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{Keep: -1})
	put(t, w, Stdout, "by pipe\n", at)
	must(t, w.Close())

	w = newWriter(t, dir, Settings{Keep: -1, Raw: true})
	if _, err := w.Append(Stdout, []byte("x\n"), at); err == nil {
		t.Error("appended to a file of the service")
	}
	must(t, w.Mark("start run=r1 pid=1", at))
	_, err := w.File().WriteString("raw one\n2026-01-02T03:04:05.678901Z stderr F not ours\nunfinished")
	must(t, err)
	must(t, w.Mark("end run=r1 code=0", at))
	end := w.Position()
	must(t, w.Rotate())
	_, err = w.File().WriteString("raw two\nno end")
	must(t, err)
	if w.Position() <= end {
		t.Errorf("position %d after %d", w.Position(), end)
	}
	must(t, w.Close())
	d := Open(dir)
	want := []string{"by pipe", "raw one", "2026-01-02T03:04:05.678901Z stderr F not ours", "unfinished", "raw two"}
	same(t, "lines", texts(all(t, d, 1, Filter{})), want)
	same(t, "run", texts(all(t, d, 0, Filter{Run: "r1"})), want[1:4])

	w = newWriter(t, dir, Settings{Keep: -1})
	put(t, w, Stdout, "by pipe again\n", at)
	want = append(want, "no end", "by pipe again")
	same(t, "lines", texts(all(t, d, 0, Filter{})), want)
	for _, name := range fileNames(t, dir) {
		if name == "web.direct.log" {
			t.Error("there are two live files")
		}
	}
	if _, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "packed", texts(all(t, d, 0, Filter{})), want)
	same(t, "newest first", texts(newestFirst(t, d, 1, Filter{})), reversed(want))
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestDroppedLinesAreCountedAndSaid(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{})
	put(t, w, Stdout, "kept\nbegin of ", at)
	w.Drop(Stdout, []byte("a line\nanother\nand the begin"))
	if w.Pending() {
		t.Error("half a line is left")
	}
	put(t, w, Stdout, " of one", at)
	put(t, w, Stdout, " more\nkept too\n", at)
	n := len("begin of a line\nanother\nand the begin of one more\n")
	same(t, "lines", texts(all(t, Open(dir), 0, Filter{Marks: true})), []string{"kept", fmt.Sprintf("dropped lines=3 bytes=%d", n), "kept too"})
	if b, l := w.Dropped(); b != int64(n) || l != 3 {
		t.Errorf("dropped %d bytes, %d lines", b, l)
	}
	if b, l := w.Counts(); b != int64(len("kept\nkept too\n")) || l != 2 {
		t.Errorf("counts %d, %d", b, l)
	}
}

func TestWrongSettingsAndNamesAreRefused(t *testing.T) {
	for _, s := range []Settings{{MaxSize: -1}, {MaxAge: -1}} {
		if _, err := OpenWriter(t.TempDir(), "web", s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	for _, name := range []string{"", "../web", "a.b", "a/b", strings.Repeat("a", 101)} {
		if _, err := OpenWriter(t.TempDir(), name, Settings{}); err == nil {
			t.Errorf("%q was accepted", name)
		}
		if _, err := Open(t.TempDir()).Tail(t.Context(), name, 1, Filter{}); err == nil {
			t.Errorf("%q was read", name)
		}
	}
	w := newWriter(t, t.TempDir(), Settings{})
	if err := w.SetSettings(Settings{Raw: true}); err == nil {
		t.Error("the mode of an open log was changed")
	}
	must(t, w.SetSettings(Settings{MaxSize: 5000}))
}

func TestAWriterAtRestIsSmall(t *testing.T) {
	dir := t.TempDir()
	shared := &Buffers{}
	w, err := OpenWriter(dir, "web", Settings{MaxSize: 4096, Keep: 3, Buffers: shared})
	must(t, err)
	defer w.Close()
	for i := range 2000 {
		put(t, w, Stdout, "line "+strconv.Itoa(i)+strings.Repeat("x", i*40%70000)+"\n", at)
	}
	if n := cap(w.part[0].text) + cap(w.part[1].text) + 24*cap(w.rotated); n > 2048 {
		t.Errorf("%d bytes held", n)
	}
}
