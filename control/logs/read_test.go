package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func keepAll(string) Retention { return Retention{Keep: -1, Compress: true} }

func newestFirst(t testing.TB, d *Dir, limit int, f Filter) []Line {
	t.Helper()
	var out []Line
	for from := int64(0); ; {
		p, err := d.Search(t.Context(), "web", Query{Filter: f, From: from, Limit: limit, Newest: true})
		must(t, err)
		out = append(out, p.Lines...)
		if !p.Truncated || p.Next == 0 {
			return out
		}
		if from > 0 && p.Next >= from {
			t.Fatalf("page before %d goes on before %d", from, p.Next)
		}
		from = p.Next
	}
}

// numbered writes lines 0 to n-1 with a millisecond between them, in several files, some of them packed.
func numbered(t testing.TB, dir string, n int, size int64) (*Writer, []string) {
	t.Helper()
	w := newWriter(t, dir, Settings{MaxSize: size, Keep: -1})
	var want []string
	for i := range n {
		if i == n/2 {
			_, err := NewPacker(Open(dir), PackerOptions{Retention: keepAll}).Pack(t.Context())
			must(t, err)
		}
		text := strconv.Itoa(i) + strings.Repeat(" x", i%40)
		if i%1000 == 7 {
			text += " ERROR"
		}
		want = append(want, text)
		put(t, w, Stream(i%2), text+"\n", at.Add(time.Duration(i)*time.Millisecond))
	}
	return w, want
}

func TestTailRangeAndSearchGoThroughAllFiles(t *testing.T) {
	dir := t.TempDir()
	_, want := numbered(t, dir, 20000, 50<<10)
	d := Open(dir)
	ctx := t.Context()
	var forms []string
	for _, name := range fileNames(t, dir) {
		forms = append(forms, filepath.Ext(name))
	}
	if !slices.Contains(forms, ".zst") || slices.Index(forms, ".log") > len(forms)-3 {
		t.Fatalf("files %v", forms)
	}
	for _, n := range []int{1, 100, 9999, 20000, 30000} {
		p, err := d.Tail(ctx, "web", n, Filter{})
		must(t, err)
		same(t, "tail", texts(p.Lines), want[max(0, len(want)-n):])
		if _, end, _ := d.Bounds(ctx, "web"); p.Next != end || p.Truncated != (n <= len(want)) {
			t.Errorf("tail %d: next %d, end %d, truncated %t", n, p.Next, end, p.Truncated)
		}
	}
	for _, limit := range []int{333, 0} {
		lines := all(t, d, limit, Filter{})
		same(t, "range", texts(lines), want)
		for i, l := range lines[1:] {
			if l.Pos != lines[i].Next || l.Time != at.Add(time.Duration(i+1)*time.Millisecond) {
				t.Fatalf("line %d: %+v after %+v", i+1, l, lines[i])
			}
		}
		same(t, "newest first", texts(newestFirst(t, d, limit, Filter{})), reversed(want))
	}
	pick := func(keep func(i int, s string) bool) []string {
		var out []string
		for i, s := range want {
			if keep(i, s) {
				out = append(out, s)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		f    Filter
		keep func(int, string) bool
	}{
		"stream":      {Filter{Streams: []string{"stderr"}}, func(i int, _ string) bool { return i%2 == 1 }},
		"text":        {Filter{Contains: "777"}, func(_ int, s string) bool { return strings.Contains(s, "777") }},
		"fold":        {Filter{Contains: "9 X X", IgnoreCase: true}, func(_ int, s string) bool { return strings.Contains(s, "9 x x") }},
		"fold folded": {Filter{Contains: "ſ", IgnoreCase: true}, func(int, string) bool { return false }},
		"regexp":      {Filter{Regexp: regexp.MustCompile(`^1\d*5 X`), IgnoreCase: true}, func(_ int, s string) bool { return regexp.MustCompile(`^1\d*5 x`).MatchString(s) }},
		"level":       {Filter{Level: "warn"}, func(i int, _ string) bool { return i%1000 == 7 }},
		"since":       {Filter{Since: at.Add(15 * time.Second)}, func(i int, _ string) bool { return i >= 15000 }},
		"until":       {Filter{Until: at.Add(2 * time.Second)}, func(i int, _ string) bool { return i < 2000 }},
		"nothing":     {Filter{Since: at.Add(time.Hour)}, func(int, string) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			part := pick(c.keep)
			same(t, "forward", append([]string{}, texts(all(t, d, 500, c.f))...), append([]string{}, part...))
			same(t, "backward", texts(newestFirst(t, d, 500, c.f)), reversed(append([]string{}, part...)))
			var b bytes.Buffer
			must(t, d.Download(ctx, "web", &b, c.f))
			if got := b.String(); got != strings.Join(append(slices.Clone(part), ""), "\n") {
				t.Errorf("download of %d bytes", len(got))
			}
		})
	}
	if n, err := d.Total(ctx, "web"); n != int64(len(want)) || err != nil {
		t.Errorf("total %d, %v", n, err)
	}
	p, err := d.Search(ctx, "web", Query{Filter: Filter{Contains: "no such"}, MaxBytes: 200 << 10})
	if err != nil || !p.Truncated || p.Scanned < 200<<10 || p.Scanned > 500<<10 {
		t.Errorf("limited search: %+v, %v", p, err)
	}
	if p, err = d.Search(ctx, "web", Query{From: p.Next, Limit: 1}); err != nil || len(p.Lines) != 1 || !slices.Contains(want, p.Lines[0].Text) {
		t.Errorf("going on: %+v, %v", p, err)
	}
	var b bytes.Buffer
	must(t, d.Download(ctx, "web", &b, Filter{Times: true, Contains: "19999"}))
	if got := b.String(); !strings.HasPrefix(got, "2026-01-02T03:04:25.677901Z stderr 19999") {
		t.Errorf("download with times: %q", got)
	}
}

func TestSinceAndUntilReadOnlyWhatTheyMust(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 1 << 20, Keep: -1})
	for i := range 60000 { // a second between lines, 5 MB
		put(t, w, Stdout, strconv.Itoa(i)+strings.Repeat("y", 50)+"\n", at.Add(time.Duration(i)*time.Second))
	}
	d := Open(dir)
	_, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(t.Context())
	must(t, err)
	for _, newest := range []bool{false, true} {
		p, err := d.Search(t.Context(), "web", Query{Newest: newest, Filter: Filter{Since: at.Add(30000 * time.Second), Until: at.Add(30010 * time.Second)}})
		if err != nil || len(p.Lines) != 10 || p.Scanned > 2<<20 {
			t.Errorf("newest %t: %d lines, %d bytes, %v", newest, len(p.Lines), p.Scanned, err)
		}
	}
}

func TestRunsAreCutOut(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{MaxSize: 4096, Keep: -1})
	run := func(id string, n int, end bool) (want []string) {
		must(t, w.Mark("start run="+id+" pid=1", at))
		for i := range n {
			want = append(want, id+" "+strconv.Itoa(i))
			put(t, w, Stdout, want[i]+"\n", at)
		}
		must(t, w.Finish(at))
		if end {
			must(t, w.Mark("end run="+id+" code=0", at))
		}
		return want
	}
	put(t, w, Stdout, "before all\n", at)
	runs := map[string][]string{}
	runs["a"] = run("a", 500, true)
	runs["ab"] = run("ab", 3, false) // cut off: the next start ends it
	runs["c"] = run("c", 0, true)
	put(t, w, Stdout, "between start run=d\n 2026 keeper F start run=d\n", at)
	runs["d"] = run("d", 1000, false)
	d := Open(dir)
	check := func(what string) {
		t.Helper()
		for id, want := range runs {
			f := Filter{Run: id}
			same(t, what+" "+id, texts(all(t, d, 17, f)), append([]string{}, want...))
			p, err := d.Tail(t.Context(), "web", 5, f)
			must(t, err)
			same(t, what+" tail "+id, texts(p.Lines), append([]string{}, want[max(0, len(want)-5):]...))
		}
	}
	check("first")
	_, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(t.Context())
	must(t, err)
	check("remembered")
	d = Open(dir)
	check("packed")
	put(t, w, Stdout, "d 1000\n", at)
	must(t, w.Mark("end run=d signal=KILL", at))
	runs["d"] = append(runs["d"], "d 1000")
	check("ended since")

	// What retention has taken of a run is missing from it, not the run.
	_, err = NewPacker(d, PackerOptions{Retention: func(string) Retention { return Retention{Keep: 3} }}).Pack(t.Context())
	must(t, err)
	for _, d := range []*Dir{d, Open(dir)} {
		got := texts(all(t, d, 0, Filter{Run: "d"}))
		if n := len(got); n < 100 || n > 400 || !slices.Equal(got, runs["d"][len(runs["d"])-n:]) {
			t.Errorf("%d lines of the run are left", n)
		}
		same(t, "removed run", texts(all(t, d, 0, Filter{Run: "a"})), []string{})
		same(t, "no such run", texts(all(t, d, 0, Filter{Run: "zz"})), []string{})
	}
}

func TestNoFileIsErrNone(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		d := Open(dir)
		ctx := t.Context()
		_, tail := d.Tail(ctx, "web", 1, Filter{})
		_, rng := d.Range(ctx, "web", 0, 1, Filter{Run: "x"})
		_, total := d.Total(ctx, "web")
		_, size := d.Size(ctx, "web")
		_, _, bounds := d.Bounds(ctx, "web")
		for name, err := range map[string]error{"tail": tail, "range": rng, "total": total, "size": size, "bounds": bounds, "download": d.Download(ctx, "web", io.Discard, Filter{})} {
			if !errors.Is(err, ErrNone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, d.Remove(ctx, "web"))
		_, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(ctx)
		must(t, err)
	}
}

func TestRemoveLeavesOthersAndOpenReaders(t *testing.T) {
	dir := t.TempDir()
	w, want := numbered(t, dir, 1000, 8<<10)
	other, err := OpenWriter(dir, "web-2", Settings{})
	must(t, err)
	defer other.Close()
	must(t, w.Close())
	d := Open(dir)
	if n, err := d.Size(t.Context(), "web"); n < 10<<10 || err != nil {
		t.Errorf("size %d, %v", n, err)
	}
	c := d.from("web", 0)
	defer c.close()
	b, _, err := c.chunk(t.Context())
	must(t, err)
	if !bytes.Contains(b, []byte(want[0])) {
		t.Errorf("got %.100q", b)
	}
	must(t, d.Remove(t.Context(), "web"))
	same(t, "files", fileNames(t, dir), []string{"web-2.log"})
}

func TestPackedFilesAreOrdinaryZstd(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, dir, Settings{Keep: -1})
	for i := range 40000 {
		put(t, w, Stdout, strconv.Itoa(i)+strings.Repeat("z", 60)+"\n", at)
	}
	want := disk(t, dir, "web.log")
	must(t, w.Rotate())
	d := Open(dir)
	did, err := NewPacker(d, PackerOptions{Retention: keepAll}).Pack(t.Context())
	must(t, err)
	segs, err := rotated(dir, "web")
	must(t, err)
	if did.Packed != 1 || did.Before != int64(len(want)) || did.Total != did.After || len(segs) != 1 || segs[0].forms != packed {
		t.Fatalf("%+v %+v", did, segs)
	}
	r, err := zstd.NewReader(strings.NewReader(disk(t, dir, segs[0].name("web", packed))))
	must(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	if string(got) != want || err != nil {
		t.Errorf("unpacked %d bytes of %d, %v", len(got), len(want), err)
	}
	if n, err := d.Total(t.Context(), "web"); n != 40000 || err != nil {
		t.Errorf("total %d, %v", n, err)
	}
	dec, err := d.dec()
	must(t, err)
	raw := disk(t, dir, segs[0].name("web", packed))
	for _, cut := range []int{1, 9, 20, len(raw) / 2, len(raw)} { // a damaged one is said to be so
		f, err := os.Create(filepath.Join(t.TempDir(), "x"))
		must(t, err)
		_, err = f.WriteString(raw[:len(raw)-cut])
		must(t, err)
		if _, err := openPacked(f, dec); err == nil {
			t.Errorf("%d bytes less: not noticed", cut)
		}
		f.Close()
	}
}

func TestRetentionByCountAgeAndTotal(t *testing.T) {
	ctx := t.Context()
	fill := func(t *testing.T) (string, *Dir, *Writer) {
		dir := t.TempDir()
		w, _ := numbered(t, dir, 2000, 8<<10)
		return dir, Open(dir), w
	}
	count := func(t *testing.T, dir string) (n int) {
		segs, err := rotated(dir, "web")
		must(t, err)
		for _, s := range segs {
			if s.forms&(plain|packed) != 0 {
				n++
			}
		}
		return n
	}
	t.Run("count", func(t *testing.T) {
		dir, d, _ := fill(t)
		_, err := NewPacker(d, PackerOptions{Retention: func(string) Retention { return Retention{Keep: 2} }}).Pack(ctx)
		must(t, err)
		if n := count(t, dir); n != 2 {
			t.Errorf("%d left", n)
		}
	})
	t.Run("age", func(t *testing.T) {
		dir, d, w := fill(t)
		segs, err := rotated(dir, "web")
		must(t, err)
		for _, s := range segs {
			for _, form := range []forms{plain, packed} {
				if s.forms&form != 0 {
					old := time.Now().Add(-48 * time.Hour)
					must(t, os.Chtimes(filepath.Join(dir, s.name("web", form)), old, old))
				}
			}
		}
		p := NewPacker(d, PackerOptions{Retention: func(string) Retention { return Retention{Keep: -1, MaxAge: 24 * time.Hour, Compress: true} }})
		for range 2 {
			_, err = p.Pack(ctx)
			must(t, err)
		}
		if n := count(t, dir); n != 0 {
			t.Errorf("%d left", n)
		}
		pos := w.Position()
		must(t, w.Close())
		if w = newWriter(t, dir, Settings{Keep: -1}); w.Position() != pos {
			t.Errorf("position %d, was %d", w.Position(), pos)
		}
	})
	t.Run("total", func(t *testing.T) {
		dir, d, w := fill(t)
		did, err := NewPacker(d, PackerOptions{Retention: func(string) Retention { return Retention{Keep: -1} }, MaxTotal: 30 << 10}).Pack(ctx)
		must(t, err)
		size, err := d.Size(ctx, "web")
		must(t, err)
		if size > 30<<10 || size != did.Total || count(t, dir) == 0 {
			t.Errorf("%d bytes left, it says %d, %d files", size, did.Total, count(t, dir))
		}
		_, err = NewPacker(d, PackerOptions{Retention: keepAll, MaxTotal: 1}).Pack(ctx)
		must(t, err)
		if n := count(t, dir); n != 0 {
			t.Errorf("%d left", n)
		}
		pos := w.Position()
		must(t, w.Close())
		if w = newWriter(t, dir, Settings{Keep: -1}); w.Position() != pos {
			t.Errorf("position %d, was %d", w.Position(), pos)
		}
	})
}

func TestLeftoversOfACrashAreCleanedUp(t *testing.T) {
	dir := t.TempDir()
	w, want := numbered(t, dir, 3000, 16<<10)
	d := Open(dir)
	segs, err := rotated(dir, "web")
	must(t, err)
	a, b, c := segs[0], segs[1], segs[len(segs)-1] // packed, packed, plain and newest
	if a.forms != packed || c.forms != plain {
		t.Fatalf("%+v", segs)
	}
	content := func(s segment) []byte {
		o, err := d.openSegment("web", s)
		must(t, err)
		defer o.Close()
		b := make([]byte, s.size)
		_, err = o.ReadAt(b, 0)
		must(t, err)
		return b
	}
	write := func(name string, b []byte) { must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600)) }
	write(a.name("web", plain), content(a))                                          // died between rename and remove
	write(b.name("web", plain), content(b))                                          //
	write(b.name("web", packed), []byte("lost by the machine"))                      // and the content never came to the disk
	write(c.name("web", temporary), []byte("half"))                                  // died while packing
	write(segment{start: 0, size: a.size}.name("web", gone), nil)                    // died while removing
	write(segment{start: 1 << 40, size: 5}.name("other", temporary), []byte("half")) // of a service that is not there any more
	same(t, "before", texts(all(t, d, 0, Filter{})), want)
	p := NewPacker(d, PackerOptions{Retention: keepAll})
	for range 2 {
		_, err := p.Pack(t.Context())
		must(t, err)
	}
	for _, name := range fileNames(t, dir) {
		if name != "web.log" && !strings.HasSuffix(name, packedExt) {
			t.Errorf("%s is left", name)
		}
	}
	after := texts(all(t, d, 0, Filter{}))
	same(t, "after", after, want[len(want)-len(after):]) // the first file was being removed, and is
	if w.Position() == 0 || len(after) == len(want) || len(after) < len(want)/2 {
		t.Errorf("%d lines of %d", len(after), len(want))
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttab":       "plain\ttab",
		"\x1b[31mred\x07":  `\x1b[31mred\x07`,
		"a\rb\x00\x7f":     `a\x0db\x00\x7f`,
		"grün ✓":           "grün ✓",
		"\u009b31m":        `\u009b31m`,
		"bad \xff\x9b.":    `bad \xff\x9b.`,
		"evil \u202etxt":   `evil \u202etxt`,
		"line\u2028broken": `line\u2028broken`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.678901Z stdout F text"))
	f.Add([]byte("2026-01-02T03:04:05.678901Z keeper P "))
	f.Add([]byte("2026-13-02T03:04:05.678901Z stdout F "))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parse(b, false, at)
		if !bytes.HasSuffix(b, r.text) {
			t.Fatalf("%q is not in %q", r.text, b)
		}
		if got, ok := parseStamp(r.stamp); ok {
			want, err := time.Parse(stampForm, string(r.stamp))
			if err == nil && !got.Equal(want) {
				t.Errorf("%s: got %s, want %s", r.stamp, got, want)
			}
		}
		_ = r.line()
		Escape(string(b))
		mark(b)
		parseSegment(string(b))
	})
}
