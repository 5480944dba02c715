package kb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestScanFindsWhatChanged(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		writeFile(t, filepath.Join(root, fmt.Sprintf("ai-agents/a/cat/doc%02d.md", i)), doc(i))
	}
	makeOld(t, root)
	r := newRig(t, root)
	before := r.ids()
	if len(before) != 20 {
		t.Fatalf("%d documents, want 20", len(before))
	}
	j := r.scan(ScanRequest{})
	check(t, "unchanged", j.Unchanged, 20, "parsed", j.Parsed, 0, "status", j.Status, JobCompleted, "exit", *j.ExitCode, 0)

	r.write("ai-agents/a/cat/doc03.md", doc(300))
	r.write("ai-agents/b/new one.md", doc(21))
	if err := os.Remove(filepath.Join(root, "ai-agents/a/cat/doc04.md")); err != nil {
		t.Fatal(err)
	}
	j = r.scan(ScanRequest{})
	check(t, "indexed", j.Indexed, 2, "deleted", j.Deleted, 1, "unchanged", j.Unchanged, 18)
	after := r.ids()
	check(t, "changed keeps id", after["ai-agents/a/cat/doc03.md"], before["ai-agents/a/cat/doc03.md"], "n", len(after), 20, "gone", after["ai-agents/a/cat/doc04.md"], "")

	j = r.scan(ScanRequest{Force: true})
	check(t, "forced", j.Indexed, 20, "kind", j.Kind, ScanFull)
	r.ids()
}

func TestFileChangedWithinItsTimestampIsFound(t *testing.T) {
	root := t.TempDir()
	name := filepath.Join(root, "a.md")
	writeFile(t, name, "# one\n")
	r := newRig(t, root)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("# two\n")
	f.Close()
	if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil { // same size, time and inode
		t.Fatal(err)
	}
	j := r.scan(ScanRequest{})
	check(t, "indexed", j.Indexed, 1)
	f1, err := r.File(t.Context(), "a.md")
	check(t, "title", f1.Title, "two", "err", err, nil)
}

func TestMovedFileKeepsItsID(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a/x.md"), "# moved\n")
	writeFile(t, filepath.Join(root, "a/y.md"), "# stays\n")
	makeOld(t, root)
	r := newRig(t, root)
	id := r.ids()["a/x.md"]
	check(t, "derived", id, keyOf("main", "a/x.md").id(), "form", len(id), 18)
	if err := os.MkdirAll(filepath.Join(root, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(root, "a/x.md"), filepath.Join(root, "b/z.md")); err != nil {
		t.Fatal(err)
	}
	j := r.scan(ScanRequest{})
	check(t, "renamed", j.Renamed, 1, "deleted", j.Deleted, 0, "id", r.ids()["b/z.md"], id)
	// A new file where the moved one was must get an id of its own.
	r.write("a/x.md", "# another\n")
	r.scan(ScanRequest{})
	ids := r.ids()
	if ids["a/x.md"] == id || ids["b/z.md"] != id {
		t.Errorf("ids after a new file took the place: %v", ids)
	}
	second := ids["a/x.md"]
	r.write("a/x.md", "# another, changed\n")
	r.scan(ScanRequest{})
	check(t, "stable", r.ids()["a/x.md"], second)
}

func TestFrontMatterIDIsUsedOnceOnly(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "---\nid: notes\n---\n# a\n")
	writeFile(t, filepath.Join(root, "b.md"), "---\nid: notes\n---\n# b\n")
	makeOld(t, root)
	r := newRig(t, root)
	ids := r.ids()
	check(t, "first by path", ids["a.md"], "notes", "second", ids["b.md"], keyOf("main", "b.md").id())
	f, err := r.File(t.Context(), "b.md")
	if err != nil || len(f.Warnings) != 1 || !strings.HasPrefix(f.Warnings[0], string(IDNotUnique)) {
		t.Errorf("b: %q, %v", f.Warnings, err)
	}
	// The id moves with its file, and a changed id is another document.
	os.Remove(filepath.Join(root, "a.md"))
	r.write("b.md", "---\nid: notes\n---\n# b changed\n")
	r.scan(ScanRequest{})
	check(t, "taken over", fmt.Sprint(r.ids()), "map[b.md:notes]")
	r.write("b.md", "---\nid: other\n---\n# b changed\n")
	r.scan(ScanRequest{})
	check(t, "changed", fmt.Sprint(r.ids()), "map[b.md:other]")
}

func TestMassDeletionWaitsForAPerson(t *testing.T) {
	root := t.TempDir()
	for i := range 250 {
		writeFile(t, filepath.Join(root, fmt.Sprintf("a/%03d.md", i)), doc(i))
	}
	makeOld(t, root)
	r := newRig(t, root)
	for i := range 130 {
		os.Remove(filepath.Join(root, fmt.Sprintf("a/%03d.md", i)))
	}
	j := r.scan(ScanRequest{})
	if j.Held == nil || j.Held.Count != 130 || j.Deleted != 0 || len(r.ids()) != 250 {
		t.Fatalf("held %+v, deleted %d", j.Held, j.Deleted)
	}
	if h := r.Held(); len(h) != 1 || h[0].Count != 130 || h[0].Of != 250 || len(h[0].Sample) != 10 {
		t.Errorf("held: %+v", h)
	}
	j = r.scan(ScanRequest{}) // still
	check(t, "deleted", j.Deleted, 0)
	j = r.scan(ScanRequest{Confirm: true})
	check(t, "deleted", j.Deleted, 130, "left", len(r.ids()), 120, "held", len(r.Held()), 0)
}

func TestVanishedOrUnmountedRootDeletesNothing(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "kb")
	for i := range 5 {
		writeFile(t, filepath.Join(root, fmt.Sprintf("a/%d.md", i)), doc(i))
	}
	makeOld(t, root)
	r := newRig(t, root)
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	j := r.scan(ScanRequest{})
	check(t, "status", j.Status, JobFailed, "kept", len(r.ids()), 5)
	if j.Error == "" || *j.ExitCode != 1 {
		t.Errorf("no reason: %+v", j)
	}
	if err := os.Mkdir(root, 0o755); err != nil { // the mount point without its file system
		t.Fatal(err)
	}
	j = r.scan(ScanRequest{})
	if _, inode := identityOf(must(os.Stat(root))); inode != 0 {
		check(t, "kept", len(r.ids()), 5, "held", j.Held != nil, true)
	}
	os.Remove(root)
	if err := os.Rename(root+".away", root); err != nil {
		t.Fatal(err)
	}
	j = r.scan(ScanRequest{})
	check(t, "status", j.Status, JobCompleted, "kept", len(r.ids()), 5, "held", len(r.Held()), 0)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestFileReplacedWhileReadIsReadAgain(t *testing.T) {
	root := t.TempDir()
	name := filepath.Join(root, "a.md")
	writeFile(t, name, "# old\n")
	dir := must(os.OpenRoot(root))
	defer dir.Close()
	times := 0
	data, _, err := readRegular(dir, "a.md", 100, func() {
		if times++; times == 1 {
			writeFile(t, name+".new", "# new and longer\n")
			os.Rename(name+".new", name)
		}
	})
	if err != nil || string(data) != "# new and longer\n" || times != 2 {
		t.Errorf("read %q after %d times, %v", data, times, err)
	}
	_, _, err = readRegular(dir, "a.md", 100, func() {
		times++
		writeFile(t, name+".new", fmt.Sprintf("# %d\n", times))
		os.Rename(name+".new", name)
	})
	if r, ok := errors.AsType[*RejectError](err); !ok || r.Reason != ChangedWhileReading {
		t.Errorf("a file that never stops changing: %v", err)
	}
	_, _, err = readRegular(dir, "a.md", 1<<20, func() {
		f := must(os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0))
		f.WriteString("more\n")
		f.Close()
	})
	if r, ok := errors.AsType[*RejectError](err); !ok || r.Reason != ChangedWhileReading {
		t.Errorf("a file that grows: %v", err)
	}
}

func TestChangingFileKeepsItsRecord(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "# good\n")
	makeOld(t, root)
	r := newRig(t, root)
	r.write("a.md", "# changing\n")
	n := 0
	r.betweenReads = func() {
		n++
		name := filepath.Join(root, "a.md")
		os.WriteFile(name, bytes.Repeat([]byte("x"), n), 0o644)
	}
	j := r.scan(ScanRequest{})
	check(t, "reason", reasons(j)["a.md"], ChangedWhileReading, "rejected", j.Rejected, 1, "kept", len(r.ids()), 1)
	r.betweenReads = nil
	j = r.scan(ScanRequest{})
	check(t, "indexed", j.Indexed, 1)
}

func TestIgnoredFilesAreNotSeen(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{
		"keep.md", "a/keep.md", "a/skip-this.md", "a/deep/b/c.md", "private/x.md", "a/private/y.md", ".obsidian/z.md", ".git/q.md", "a/.trash/w.md",
		"note.md~", "a/x.tmp", "knowledge-base/metadata/m.md", "knowledge-base/logs/l.txt", "build/out.md", "build/keep.md", "a/image.png", "drafts/one.md",
	} {
		writeFile(t, filepath.Join(root, name), "# x "+name+"\n")
	}
	writeFile(t, filepath.Join(root, ".kbignore"), "# comment\n\nskip-*\nprivate/\nbuild/*\n!build/keep.md\na/**/c.md\n[\n")
	writeFile(t, filepath.Join(root, "drafts/.kbignore"), "/one.md\n")
	r := newRig(t, root)
	check(t, "seen", fmt.Sprint(r.ids()), fmt.Sprintf("map[a/keep.md:%s build/keep.md:%s keep.md:%s]",
		keyOf("main", "a/keep.md").id(), keyOf("main", "build/keep.md").id(), keyOf("main", "keep.md").id()))
}

func TestSidecarAndTranscriptBelongToTheirFile(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a/talk.md"), "# Talk\n")
	writeFile(t, filepath.Join(root, "a/talk.en.vtt"), "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n")
	makeOld(t, root)
	r := newRig(t, root)
	f, err := r.File(t.Context(), "a/talk.md")
	check(t, "transcript", f.Transcript, "a/talk.en.vtt", "err", err, nil, "video", f.VideoID, "", "documents", len(r.ids()), 2)
	r.write("a/talk.info.json", `{"id":"side0000001","uploader":"Someone"}`)
	j := r.scan(ScanRequest{})
	f, _ = r.File(t.Context(), "a/talk.md")
	check(t, "indexed", j.Indexed, 2, "video", f.VideoID, "side0000001", "creator", f.Creator, "Someone", "documents", len(r.ids()), 2)
}

func TestPartialScansLeaveTheRestAlone(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "knowledge-base/metadata/creator-database.json"),
		`{"metadata":{"total_creators":50},"creators":[{"id":"PixelOrchard","name":"Pixel Orchard","priority":"critical"},{"id":"other","priority":"low"}],"priority_tiers":{"high":["third"]}}`)
	writeFile(t, filepath.Join(root, "ai-agents/a/c/pixelorchard-v1-20260101.md"), "# one\n")
	writeFile(t, filepath.Join(root, "ai-agents/a/c/other-v2-20260101.md"), "# two\n")
	makeOld(t, root)
	r := newRig(t, root)
	change := func(text string) {
		r.write("ai-agents/a/c/pixelorchard-v1-20260101.md", text)
		r.write("ai-agents/a/c/other-v2-20260101.md", text+text)
	}
	change("# changed\n")
	j := r.scan(ScanRequest{Creator: "pixelOrchard"})
	check(t, "creator", j.Indexed, 1, "kind", j.Kind, ScanCreator)
	j = r.scan(ScanRequest{})
	check(t, "rest", j.Indexed, 1)
	change("# again\n")
	j = r.scan(ScanRequest{Tier: "Critical"})
	check(t, "tier", j.Indexed, 1, "kind", j.Kind, ScanTier)
	r.write("ai-agents/a/c/pixel-orchard-v3-20260102.md", "# three\n")
	r.write("ai-agents/a/c/third-v4-20260102.md", "# four\n")
	check(t, "new, by the name", r.scan(ScanRequest{Creator: "pixelorchard"}).Indexed, 1, "of a list of a tier", r.scan(ScanRequest{Tier: "high"}).Indexed, 1)
	os.Remove(filepath.Join(root, "ai-agents/a/c/other-v2-20260101.md"))
	j = r.scan(ScanRequest{Creator: "PixelOrchard"})
	check(t, "not its own", j.Deleted, 0)
	_, _, err := r.Scan(t.Context(), ScanRequest{Tier: "urgent"})
	wantErr(t, "tier", err, ErrInvalid)
	_, _, err = r.Scan(t.Context(), ScanRequest{Creator: "a b"})
	wantErr(t, "creator", err, ErrInvalid)
	_, _, err = r.Scan(t.Context(), ScanRequest{Root: "nowhere"})
	wantErr(t, "root", err, ErrNotFound)
}

func TestSecondScanIsAnsweredWithTheFirstAndCanBeCancelled(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	for i := range 50 {
		r.write(fmt.Sprintf("a/%02d.md", i), doc(i))
	}
	reached, release := make(chan struct{}), make(chan struct{})
	first := true
	r.betweenReads = func() {
		if r.currentJobFirst(&first) {
			close(reached)
		}
		<-release
	}
	sub := r.bus.Subscribe(10_000, ScanProgress{}.Topic())
	j, already, err := r.Scan(t.Context(), ScanRequest{Actor: "ada"})
	if err != nil || already {
		t.Fatal(already, err)
	}
	<-reached
	same, already, err := r.Scan(t.Context(), ScanRequest{Force: true})
	check(t, "already", already, true, "id", same.ID, j.ID, "err", err, nil, "status", same.Status, JobRunning)
	if err := r.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	close(release)
	done := r.await(sub, j.ID)
	check(t, "status", done.Status, JobCancelled, "exit", *done.ExitCode, 1)
	wantErr(t, "cancel again", r.Cancel(t.Context(), j.ID), ErrNotFound)
	r.betweenReads = nil
	r.scan(ScanRequest{})
	check(t, "documents", len(r.ids()), 50)
	jobs, total, err := r.Jobs(t.Context(), 10)
	if err != nil || total < 2 || jobs[1].ID != j.ID || jobs[1].Status != JobCancelled || jobs[1].Actor != "ada" {
		t.Errorf("jobs: %+v, %d, %v", jobs, total, err)
	}
	one, err := r.Job(t.Context(), j.ID)
	check(t, "job", one.Status, JobCancelled, "err", err, nil)
	_, err = r.Job(t.Context(), "nothing")
	wantErr(t, "no such job", err, ErrNotFound)
}

// currentJobFirst is true once.
func (r *rig) currentJobFirst(first *bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := *first
	*first = false
	return was
}

func TestLostIndexIsMadeAgain(t *testing.T) {
	root := t.TempDir()
	for i := range 10 {
		writeFile(t, filepath.Join(root, fmt.Sprintf("a/%d.md", i)), doc(i))
	}
	makeOld(t, root)
	dir := t.TempDir()
	r := openRig(t, dir, root)
	want := r.ids()
	r.stop()
	if err := os.Remove(filepath.Join(dir, "index.log")); err != nil {
		t.Fatal(err)
	}
	r = openRig(t, dir, root)
	check(t, "documents", fmt.Sprint(r.ids()), fmt.Sprint(want))
	if _, degraded := r.Generation(); degraded {
		t.Error("still degraded")
	}
}

func TestBatchThatTheIndexRefusedIsDoneLater(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), doc(1))
	makeOld(t, root)
	r := newRig(t, root)
	r.write("b.md", doc(2))
	os.Remove(filepath.Join(root, "a.md"))
	r.index.mu.Lock()
	r.index.fail = errors.New("disk full")
	r.index.mu.Unlock()
	j := r.scan(ScanRequest{})
	check(t, "status", j.Status, JobFailed)
	if !strings.Contains(j.Error, "disk full") {
		t.Errorf("error %q", j.Error)
	}
	j = r.scan(ScanRequest{})
	ids := r.ids()
	check(t, "status", j.Status, JobCompleted, "n", len(ids), 1, "b", ids["b.md"], keyOf("main", "b.md").id())
}

func TestSavedFileIsFoundByWatching(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "a/one.md"), doc(1))
	r := newRig(t, root, func(o *Options) { o.Watch = true })
	sub := r.bus.Subscribe(1000, DocumentsChanged{}.Topic())
	defer sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			if _, err := sub.Next(ctx); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	has := func(name string) func() bool {
		return func() bool { return r.cat.at(keyOf("main", name)) != nil }
	}
	r.write("a/two.md", doc(2))
	until("new file", has("a/two.md"))
	r.write("b/c/three.md", doc(3)) // in folders that are new too
	until("new folder", has("b/c/three.md"))
	os.Remove(filepath.Join(root, "a/two.md"))
	until("removed file", func() bool { return !has("a/two.md")() })
	os.RemoveAll(filepath.Join(root, "b"))
	until("removed folder", func() bool { return !has("b/c/three.md")() })
	check(t, "left", len(r.ids()), 1)
}

func TestRecordOfManyInsightsIsStoredInPieces(t *testing.T) {
	root := t.TempDir()
	text := "# T\n## Key Insights\n" + texts(3000, func(i int) string { return fmt.Sprintf("1. Insight %d %s\n", i, strings.Repeat("<&", 80)) })
	writeFile(t, filepath.Join(root, "big.md"), text)
	r := newRig(t, root)
	f, err := r.File(t.Context(), "big.md")
	if err != nil || len(f.Entries) != 1 || len(f.Entries[0].Insights) != 3000 || f.InsightCount != 3000 {
		t.Fatalf("entries %d, count %d, %v", len(f.Entries), f.InsightCount, err)
	}
	if got := f.Entries[0].Insights[2999].Text; !strings.HasPrefix(got, "Insight 2999 ") {
		t.Errorf("last: %q", got)
	}
	r.write("big.md", "# T\n## Key Insights\n1. only\n")
	r.scan(ScanRequest{})
	f, err = r.File(t.Context(), "big.md")
	check(t, "after", len(f.Entries[0].Insights), 1, "err", err, nil)
}
