package kb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTextsOfPreviewsAreBoundedAndOfTheRecord(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	r.write("a.md", "# One\n\nThe first text.\n")
	makeOld(t, root)
	r.scan(ScanRequest{})
	of := func() *Document {
		f, err := r.File(t.Context(), "a.md")
		if err != nil {
			t.Fatal(err)
		}
		return &f.Document
	}
	text := func(d *Document) string {
		s, err := r.Text(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := of()
	r.write("a.md", "# One\n\nThe second text.\n")
	if got := text(first); !strings.Contains(got, "second") { // nothing was kept: from the file as it is now
		t.Errorf("text is %q", got)
	}
	r.write("a.md", "# One\n\nThe first text.\n")
	if got := text(first); !strings.Contains(got, "first") { // what did not belong to the record was not kept
		t.Errorf("text is %q", got)
	}
	r.write("a.md", "# One\n\nThe third text.\n")
	if got := text(first); !strings.Contains(got, "first") {
		t.Errorf("text of the record is %q", got)
	}
	r.scan(ScanRequest{})
	if got := text(of()); !strings.Contains(got, "third") {
		t.Errorf("text after a scan is %q", got)
	}
	var kept shownTexts
	for i := range 1000 {
		kept.put(&keptText{textKey{root: "main", path: fmt.Sprint(i)}, strings.Repeat("x", 5_000), []Segment{{Text: strings.Repeat("x", 5_000)}}})
	}
	kept.put(&keptText{textKey{root: "main", path: "large"}, strings.Repeat("x", textsMost/2), nil})
	size := 0
	for _, e := range kept.at {
		size += e.Value.(*keptText).size()
	}
	if _, ok := kept.get(textKey{root: "main", path: "999"}); !ok || size != kept.bytes || size > textsMost || kept.used.Len() != len(kept.at) || len(kept.at) < 300 {
		t.Errorf("%d texts of %d bytes, counted %d; the last is there: %v", len(kept.at), size, kept.bytes, ok)
	}
}

func FuzzShadow(f *testing.F) {
	for _, s := range [][2]string{{"Some Text, 0.40", "TEXT, 0"}, {"200 \u212aelvin", "kelvin"}, {"\u0130stanbul", "istan"}, {"Käse und Öl", "SE UND ö"}, {"", "abc"}, {"a\xffbcd", "bcd"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, needle string) {
		if needle == "" { // refused
			return
		}
		find := newFinder(needle)
		s := shadowOf([]byte(text))
		if _, has := find.find([]byte(text), &scratch{}); has && s != nil && !s.mayHave(find.grams) {
			t.Errorf("%q is in %q, and its shadow says that it cannot be", needle, text)
		}
	})
}

func TestASearchThroughFilesReadsOnlyThoseThatMayHaveTheText(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	const n = 100
	for i := range n {
		r.write(fmt.Sprintf("in/%d/file-%d.md", i%3, i), doc(i)+strings.Repeat("Words of a text, as it is written. ", 20)+fmt.Sprintf("<<mark-%03d>>\n", i))
	}
	makeOld(t, root)
	r.scan(ScanRequest{})
	r.cat.shadows.files.Add(wholeMost) // as if there were many more: their texts are not kept
	look := func(text string) *LiteralResult {
		t.Helper()
		res, err := Literal(t.Context(), text, r.Texts(t.Context(), ""), LiteralOptions{})
		if err != nil || res.Files != n || res.Truncated {
			t.Fatalf("%+v, %v", res, err)
		}
		return res
	}
	if res := look("<<MARK-07"); len(res.Hits) != 10 || res.Unread != 0 {
		t.Fatalf("%+v", res)
	}
	if all := r.cat.shadows.bytes.Load(); all < 8*n {
		t.Errorf("%d bytes are known of %d files", all, n)
	}
	// What is read now is seen by what is missing.
	if err := os.Rename(filepath.Join(root, "in"), filepath.Join(root, "away")); err != nil {
		t.Fatal(err)
	}
	if res := look("<<mark-042>>"); res.Unread < 1 || res.Unread > n/4 {
		t.Errorf("%d files were read for a text that one has", res.Unread)
	}
	if res := look("zqx!!zqx"); res.Unread > n/4 {
		t.Errorf("%d files were read for a text that none has", res.Unread)
	}
	if res := look("k-"); res.Unread != n { // too short to know
		t.Errorf("%d files were read for two signs", res.Unread)
	}
	if err := os.Rename(filepath.Join(root, "away"), filepath.Join(root, "in")); err != nil {
		t.Fatal(err)
	}
	r.write("in/1/file-1.md", "# Another\n\nIt has zqx!!zqx in it now.\n")
	r.scan(ScanRequest{})
	if res := look("zqx!!zqx"); len(res.Hits) != 1 {
		t.Errorf("after a change: %+v", res)
	}
	for i := range n {
		_ = os.Remove(filepath.Join(root, fmt.Sprintf("in/%d/file-%d.md", i%3, i)))
	}
	r.scan(ScanRequest{Confirm: true})
	if all := r.cat.shadows.bytes.Load(); all != 0 {
		t.Errorf("%d bytes are kept of files that are gone", all)
	}
}

func TestTheTextsOfASmallBaseAreReadOnce(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	const n = 20
	for i := range n {
		r.write(fmt.Sprintf("in/file-%d.md", i), doc(i)+"Words of a Text.\nMore WORDS, Äpfel.\n")
	}
	makeOld(t, root)
	r.scan(ScanRequest{})
	look := func(text string) *LiteralResult {
		t.Helper()
		res, err := Literal(t.Context(), text, r.Texts(t.Context(), ""), LiteralOptions{})
		if err != nil || res.Truncated {
			t.Fatalf("%+v, %v", res, err)
		}
		return res
	}
	first := look("words")
	if len(first.Hits) != n || first.Hits[0].MatchCount < 2 {
		t.Fatalf("%+v", first)
	}
	if err := os.Rename(filepath.Join(root, "in"), filepath.Join(root, "away")); err != nil {
		t.Fatal(err)
	}
	again := look("words")
	if again.Unread != 0 || fmt.Sprint(again.Hits) != fmt.Sprint(first.Hits) {
		t.Errorf("the second time %+v, the first %+v", again, first)
	}
	if res := look("ÄPFEL"); len(res.Hits) != n || res.Unread != 0 {
		t.Errorf("letters that are not ASCII: %+v", res)
	}
	if res := look("More WORDS"); len(res.Hits) != n || res.Hits[0].Preview != "More WORDS, Äpfel." {
		t.Errorf("the text was changed by looking at it: %+v", res.Hits[0])
	}
	if err := os.Rename(filepath.Join(root, "away"), filepath.Join(root, "in")); err != nil {
		t.Fatal(err)
	}
	r.write("in/file-1.md", "# Another\n\nNothing of that.\n")
	r.scan(ScanRequest{})
	if res := look("words"); len(res.Hits) != n-1 {
		t.Errorf("after a change %d of %d have it", len(res.Hits), n-1)
	}
	for i := range n {
		_ = os.Remove(filepath.Join(root, fmt.Sprintf("in/file-%d.md", i)))
	}
	r.scan(ScanRequest{Confirm: true})
	if size := r.cat.shadows.files.Load(); size != 0 {
		t.Errorf("%d bytes of files are counted of a base that has none", size)
	}
	r.cat.shadows.whole.Range(func(any, any) bool { t.Error("a text is kept of a file that is gone"); return false })
}
