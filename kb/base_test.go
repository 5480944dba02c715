package kb

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// exampleRig runs a base on a copy of the example tree.
func exampleRig(t *testing.T) *rig {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	makeOld(t, root)
	return newRig(t, root)
}

func TestExampleTreeIsReadWithoutAComplaint(t *testing.T) {
	r := exampleRig(t)
	j := r.scan(ScanRequest{Force: true})
	if len(j.Errors) != 0 || j.Rejected != 0 {
		t.Errorf("errors: %+v", j.Errors)
	}
	s, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "files", s.TotalFiles, len(r.ids()), "indexed", j.Indexed, s.TotalFiles, "creators", s.TotalCreators, 8, "knowledge-base", s.ByAgent["knowledge-base"], 1,
		"integration", s.ByAgent["integration"], 5, "transcripts", s.ByType["transcript"], 2, "status", s.Status, "active", "last scan", s.LastScan != nil, true)
	sum := 0
	for _, n := range s.ByAgent {
		sum += n
	}
	check(t, "sum", sum, s.TotalFiles)
	if s.TotalInsights < 50 || s.TotalVideos < 15 || s.TotalBytes < 10_000 {
		t.Errorf("stats: %+v", s)
	}
}

func TestListingFiltersSortsAndPages(t *testing.T) {
	r := exampleRig(t)
	newest := filepath.Join(r.root, "ai-agents/ui-ux/hud/hud-notes.md")
	at := time.Now().Add(-time.Minute)
	if err := os.Chtimes(newest, at, at); err != nil {
		t.Fatal(err)
	}
	r.scan(ScanRequest{})
	files, total, err := r.Files(t.Context(), FileQuery{})
	if err != nil || len(files) != min(50, total) || files[0].Name != "hud-notes.md" {
		t.Fatalf("%d of %d, %v", len(files), total, err)
	}
	check(t, "absolute", files[0].AbsolutePath, filepath.ToSlash(newest))
	recent, err := r.Recent(t.Context(), 1)
	check(t, "recent", recent[0].ID, files[0].ID, "err", err, nil)
	files, n, _ := r.Files(t.Context(), FileQuery{Agent: "integration", Category: "docker"})
	check(t, "filtered", n, 2, "title", files[0].Title, "Layer caching that survives a rebuild")
	_, n, _ = r.Files(t.Context(), FileQuery{Type: "transcript"})
	check(t, "transcripts", n, 2)
	_, n, _ = r.Files(t.Context(), FileQuery{Type: "pdf"})
	check(t, "pdf", n, 0)
	_, n, _ = r.Files(t.Context(), FileQuery{Creator: "PIXELORCHARD"})
	check(t, "creator", n, 4)
	_, n, _ = r.Files(t.Context(), FileQuery{Tag: "ComfyUI"})
	check(t, "tag", n, 1)
	for _, order := range sortNames() {
		var got []string
		for offset := 0; ; offset += 7 {
			page, n, err := r.Files(t.Context(), FileQuery{Sort: order, Limit: 7, Offset: offset})
			if err != nil || n != total {
				t.Fatalf("%s: %d, %v", order, n, err)
			}
			if len(page) == 0 {
				break
			}
			for _, f := range page {
				got = append(got, f.ID)
			}
		}
		slices.Sort(got)
		if len(got) != total || len(slices.Compact(got)) != total {
			t.Errorf("%s: pages hold %d of %d files", order, len(got), total)
		}
	}
	files, _, _ = r.Files(t.Context(), FileQuery{Sort: "size_desc", Limit: 2})
	if files[0].Size < files[1].Size {
		t.Errorf("by size: %d, %d", files[0].Size, files[1].Size)
	}
	for _, q := range []FileQuery{{Sort: "colour"}, {Limit: 501}, {Limit: -1}, {Offset: -1}} {
		_, _, err := r.Files(t.Context(), q)
		wantErr(t, fmt.Sprint(q), err, ErrInvalid)
	}
}

func TestFileIsFoundByAnyFormOfItsID(t *testing.T) {
	r := exampleRig(t)
	const name = "ai-agents/qa-testing/workshop/Prüfliste für Räume.txt"
	abs := filepath.ToSlash(filepath.Join(r.root, name))
	derived := keyOf("main", name).id()
	std := base64.StdEncoding.EncodeToString([]byte(abs))
	for what, id := range map[string]string{
		"ours": derived, "base64": std, "escaped": url.PathEscape(std), "URL-safe": base64.URLEncoding.EncodeToString([]byte(abs)),
		"unpadded": base64.RawURLEncoding.EncodeToString([]byte(abs)), "relative": base64.StdEncoding.EncodeToString([]byte(name)), "path": name, "absolute": abs,
	} {
		f, err := r.File(t.Context(), id)
		if err != nil || f.ID != derived || f.Type != "transcript" {
			t.Errorf("%s %s: %+v, %v", what, id, f.ID, err)
		}
	}
	f, err := r.File(t.Context(), "character-sheets")
	check(t, "front matter", f.Title, "Character sheets that stay the same person", "err", err, nil, "insights", f.InsightCount, 3)
	c, err := r.Content(t.Context(), "character-sheets")
	if err != nil || !strings.Contains(c.Text, "id: character-sheets") {
		t.Errorf("content %q, %v", c.Text, err)
	}
	for _, from := range []string{"the file", "what was kept"} {
		text, err := r.Text(t.Context(), &f.Document)
		if err != nil || strings.Contains(text, "id: character-sheets") || !strings.Contains(text, "1536 x 768") {
			t.Errorf("text from %s %q, %v", from, text, err)
		}
	}
	enc := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for what, c := range map[string]struct {
		id   string
		want error
	}{
		"no base64":      {"!!!", ErrInvalid},
		"binary":         {base64.StdEncoding.EncodeToString([]byte{0xff, 0xfe, 0, 0}), ErrInvalid},
		"unknown":        {"p-aaaaaaaaaaaaaaaa", ErrNotFound},
		"missing":        {enc(filepath.ToSlash(r.root) + "/nothing.md"), ErrNotFound},
		"passwd":         {enc("/etc/passwd"), ErrOutside},
		"up":             {enc("../../../etc/passwd"), ErrOutside},
		"up within":      {enc(filepath.ToSlash(r.root) + "/../x.md"), ErrOutside},
		"the root":       {enc(filepath.ToSlash(r.root)), ErrOutside},
		"sibling":        {enc(filepath.ToSlash(r.root) + "-other/x.md"), ErrOutside},
		"not a document": {enc(filepath.ToSlash(r.root) + "/knowledge-base/metadata/creator-database.json"), ErrNotFound},
	} {
		_, err := r.File(t.Context(), c.id)
		wantErr(t, what, err, c.want)
	}
}

func TestCreatorsAreCountedFromTheListAndFoundInAnyCase(t *testing.T) {
	r := exampleRig(t)
	list, err := r.Creators(t.Context(), "", "")
	check(t, "creators", len(list.Creators), 8, "err", err, nil, "tier", fmt.Sprint(list.Tiers["high"]), "[harbor-notes BrushworkLab nodewright]", "schedule", list.Schedule["critical"], "every_3_days")
	list, _ = r.Creators(t.Context(), "High", "")
	check(t, "high", len(list.Creators), 3)
	list, _ = r.Creators(t.Context(), "", "DOCKER")
	check(t, "search", len(list.Creators), 1, "id", list.Creators[0].ID, "harbor-notes", "files", list.Creators[0].Files, 5)
	c, files, err := r.Creator(t.Context(), "pixelorchard", 10)
	check(t, "id", c.ID, "PixelOrchard", "files", c.Files, 4, "listed", len(files), 4, "err", err, nil)
	c, _, err = r.Creator(t.Context(), "BrushworkLab", 10) // whose files are named brushwork-lab-...
	check(t, "by name", c.Files, 4, "err", err, nil)
	c, _, _ = r.Creator(t.Context(), "PIXELORCHARD", 10)
	var raw map[string]any
	if err := json.Unmarshal(c.Raw, &raw); err != nil || raw["subscribers"] != "7.9K" {
		t.Errorf("raw: %s, %v", c.Raw, err)
	}
	_, _, err = r.Creator(t.Context(), "nobody-at-all", 10)
	wantErr(t, "unknown", err, ErrNotFound)
	if rules := r.Routes()["main"]; !strings.Contains(string(rules.Aliases), "art-director") {
		t.Errorf("routes: %+v", rules)
	}
	for frequency, want := range map[string]string{"every_3_days": "0 4 */3 * *", "bi-weekly": "0 4 1,15 * *", "Weekly": "0 4 * * MON", "monthly": "0 4 1 * *"} {
		got, ok := ScheduleOf(frequency)
		check(t, frequency, got, want, "ok", ok, true)
	}
	// A broken database keeps what was known.
	r.write("knowledge-base/metadata/creator-database.json", "{")
	j := r.scan(ScanRequest{})
	list, _ = r.Creators(t.Context(), "", "")
	check(t, "kept", len(list.Creators), 8, "reason", reasons(j)["creator-database.json"], BadJSON)
}

func TestAgentsComeFromFoldersAndFiles(t *testing.T) {
	r := exampleRig(t)
	agents, err := r.Agents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]Agent{}
	levels := map[string]int{}
	for _, a := range agents {
		byID[a.ID] = a
		levels[a.Level]++
	}
	check(t, "levels", fmt.Sprint(levels), "map[L1:8 L2:2 L3:1]")
	art := byID["art-director"]
	check(t, "name", art.Name, "Art Director", "role", art.Role, "keeps the look of the game in one hand", "sub", art.SubAgents, 2, "knowledge", art.Knowledge, 8)
	light := byID["L2.1.1"]
	check(t, "level", light.Level, "L2", "parent", light.Parent, "art-director", "name", light.Name, "Lighting", "sub", light.SubAgents, 1, "knowledge", light.Knowledge, 3)
	check(t, "from a file", byID["L2.1.2"].Name, "Colour Keeper", "described", byID["L2.1.2"].Description, "Keeps the palette small enough that a screenshot is recognised across a room.",
		"L3", byID["L3.1.1.1"].Parent, "L2.1.1")
	a, files, err := r.AgentFiles(t.Context(), "l2.1.1")
	check(t, "files", len(files), 3, "agent", a.ID, "L2.1.1", "err", err, nil)
	_, _, err = r.AgentFiles(t.Context(), "nobody")
	wantErr(t, "unknown", err, ErrNotFound)
}

func TestOldLogsAreJobs(t *testing.T) {
	r := exampleRig(t)
	jobs, total, err := r.Jobs(t.Context(), 20)
	if err != nil || total != 3 {
		t.Fatalf("%d jobs, %v", total, err)
	}
	byLog := map[string]Job{}
	for _, j := range jobs {
		byLog[j.LogFile] = j
	}
	scan, pipeline := byLog["scan_20260105_090000.log"], byLog["pipeline_20260112.log"]
	check(t, "status", scan.Status, JobCompleted, "videos", scan.Videos, 1, "insights", scan.Insights, 2, "trigger", scan.Trigger, "log", "exit", *scan.ExitCode, 0,
		"took", scan.Finished.Sub(scan.Started), "55s", "status", pipeline.Status, JobCompleted, "videos", pipeline.Videos, 1, "size", pipeline.Size > 100, true)
	one, err := r.Job(t.Context(), scan.ID)
	check(t, "one", one.LogFile, scan.LogFile, "err", err, nil)
	r.write("knowledge-base/logs/scan_20260106.log", "2026-01-06 09:00:00 ERROR no network\nSUCCESS? no\n")
	r.write("knowledge-base/logs/pipeline_20260106.log.1", "nothing\n")
	r.write("knowledge-base/logs/other.log", "ERROR\n")
	jobs, total, _ = r.Jobs(t.Context(), 20)
	check(t, "jobs", total, 5)
	for _, j := range jobs {
		switch j.LogFile {
		case "scan_20260106.log":
			check(t, "error wins", j.Status, JobFailed, "error", j.Error, "ERROR no network")
		case "pipeline_20260106.log.1":
			check(t, "says nothing", j.Status, JobUnknown, "exit", j.ExitCode == nil, true)
		}
	}
}

func TestInsightsAreFilteredAndLinkedToTheirMoment(t *testing.T) {
	r := exampleRig(t)
	all, total, err := r.Insights(t.Context(), InsightQuery{Limit: 500})
	if err != nil || len(all) != total || total < 50 {
		t.Fatalf("%d of %d, %v", len(all), total, err)
	}
	low, high := 0.8, 0.9
	rows, n, err := r.Insights(t.Context(), InsightQuery{MinConfidence: &low, MaxConfidence: &high, Limit: 500})
	want := 0
	for _, row := range all {
		if row.Confidence != nil && *row.Confidence >= low && *row.Confidence <= high {
			want++
		}
	}
	check(t, "confidence", n, want, "rows", len(rows), want, "err", err, nil)
	rows, n, _ = r.Insights(t.Context(), InsightQuery{Document: "character-sheets"})
	check(t, "n", n, 3, "url", rows[0].URL, "https://www.youtube.com/watch?t=130&v=exampleEE09", "state", rows[0].State, "approved", "own state", rows[2].State, "pending", "c", num(rows[2].Confidence), "0.7")
	_, n, _ = r.Insights(t.Context(), InsightQuery{Status: "pending"})
	check(t, "pending", n, 3)
	_, n, _ = r.Insights(t.Context(), InsightQuery{Tag: "consistency"})
	check(t, "tag", n, 3)
	rows, _, _ = r.Insights(t.Context(), InsightQuery{Sort: "confidence_desc", Limit: 500})
	for i := 1; i < len(rows); i++ {
		a, b := rows[i-1].Confidence, rows[i].Confidence
		if a == nil && b != nil || a != nil && b != nil && *a < *b {
			t.Fatalf("row %d: %s before %s", i, num(a), num(b))
		}
	}
	bad := 1.5
	for _, q := range []InsightQuery{{Status: "maybe"}, {MinConfidence: &bad}, {Limit: 1000}, {Sort: "x"}} {
		_, _, err := r.Insights(t.Context(), q)
		wantErr(t, fmt.Sprintf("%+v", q), err, ErrInvalid)
	}
}

func TestReviewIsKeptBesideTheFileAndReachesTheIndex(t *testing.T) {
	r := exampleRig(t)
	name := filepath.Join(r.root, "ai-agents/ui-ux/hud/hud-notes.md")
	before := must(os.ReadFile(name))
	f, err := r.File(t.Context(), "ai-agents/ui-ux/hud/hud-notes.md")
	if err != nil {
		t.Fatal(err)
	}
	in := f.Entries[0].Insights[0]
	sub := r.bus.Subscribe(100, DocumentsChanged{}.Topic())
	defer sub.Close()
	rv, err := r.Review(t.Context(), ReviewRequest{Document: f.ID, Insight: in.ID, Action: "reject", Actor: "ada", Note: "not in our game"})
	check(t, "status", rv.Status, "rejected", "err", err, nil)
	rows, n, _ := r.Insights(t.Context(), InsightQuery{Status: "rejected"})
	if n != 1 || rows[0].ID != in.ID || rows[0].LastReview == nil || rows[0].LastReview.Actor != "ada" {
		t.Errorf("at once: %d, %+v", n, rows)
	}
	indexed := func() bool { return strings.Contains(r.index.all()[f.ID].Status, "rejected") }
	for !indexed() {
		if _, err := sub.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if now := must(os.ReadFile(name)); string(now) != string(before) {
		t.Error("the file was changed")
	}
	r.write("ai-agents/ui-ux/hud/hud-notes.md", string(before)+"\nmore\n")
	r.scan(ScanRequest{})
	if _, n, _ := r.Insights(t.Context(), InsightQuery{Status: "rejected"}); n != 1 || !indexed() {
		t.Errorf("after a change of the file: %d, %v", n, indexed())
	}
	r.ids()
	if _, err := r.Review(t.Context(), ReviewRequest{Document: f.ID, Insight: in.ID, Action: "clear"}); err != nil {
		t.Fatal(err)
	}
	for indexed() {
		if _, err := sub.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Reviews(f.ID); len(got) != 0 {
		t.Errorf("reviews %+v", got)
	}
	_, err = r.Review(t.Context(), ReviewRequest{Document: f.ID, Action: "praise"})
	wantErr(t, "action", err, ErrInvalid)
	_, err = r.Review(t.Context(), ReviewRequest{Document: f.ID, Insight: "i-nothing", Action: "approve"})
	wantErr(t, "insight", err, ErrNotFound)
	_, err = r.Review(t.Context(), ReviewRequest{Document: "p-aaaaaaaaaaaaaaaa", Action: "approve"})
	wantErr(t, "document", err, ErrNotFound)
}

func TestReviewSurvivesARestart(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(root, "a.md"), "# a\n## Key Insights\n1. one\n")
	makeOld(t, root)
	r := openRig(t, dir, root)
	if _, err := r.Review(t.Context(), ReviewRequest{Document: "a.md", Action: "supersede", By: "b"}); err != nil {
		t.Fatal(err)
	}
	r.stop() // maybe before it was indexed again
	r = openRig(t, dir, root)
	f, err := r.File(t.Context(), "a.md")
	check(t, "status", f.Status, "superseded", "err", err, nil, "reviews", len(r.Reviews(f.ID)), 1, "index", r.index.all()[f.ID].Status, "superseded,")
	r.ids()
}

func TestDuplicatesRelationsAndWhatToReview(t *testing.T) {
	r := exampleRig(t)
	d, n, err := r.Duplicates(t.Context(), 10, 0)
	if err != nil || n != 2 || len(d[0].Files) != 4 {
		t.Fatalf("%d groups: %+v, %v", n, d, err)
	}
	check(t, "agents", fmt.Sprint(d[0].Agents), "[art-director character-pipeline environment-pipeline knowledge-base]", "second", len(d[1].Files), 2)
	rel, err := r.Related(t.Context(), "ai-agents/art-director/comfyui/latent-lantern-exampleAA01-20260102.md", 10)
	if err != nil || len(rel) != 3 || rel[0].Relation != "copy" {
		t.Errorf("related: %+v, %v", rel, err)
	}
	rel, err = r.Related(t.Context(), "menu-tree", 10)
	if err != nil || len(rel) == 0 || rel[0].Relation != "contradicted_by" || rel[0].ID != "menu-depth" {
		t.Errorf("related: %+v, %v", rel, err)
	}
	todo, err := r.ToReview(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range todo {
		got = append(got, x.Why+" "+x.File.ID)
	}
	check(t, "todo", fmt.Sprint(got), "[contradicts menu-depth conflicting menu-tree stale hud-2024]", "other", todo[0].Other.ID, "menu-tree")
	if _, err := r.Review(t.Context(), ReviewRequest{Document: "hud-2024", Action: "supersede"}); err != nil {
		t.Fatal(err)
	}
	if todo, _ = r.ToReview(t.Context(), 100); len(todo) != 2 {
		t.Errorf("after review: %+v", todo)
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	r := exampleRig(t)
	r.ObserveSearch(time.Millisecond)
	problems, err := testutil.CollectAndLint(r.Base)
	if err != nil || len(problems) != 0 {
		t.Errorf("lint: %+v, %v", problems, err)
	}
	want := `
# HELP controlcenter_knowledge_creators Creators of the creator databases by priority.
# TYPE controlcenter_knowledge_creators gauge
controlcenter_knowledge_creators{priority="critical"} 1
controlcenter_knowledge_creators{priority="high"} 3
controlcenter_knowledge_creators{priority="low"} 2
controlcenter_knowledge_creators{priority="medium"} 2
# HELP controlcenter_knowledge_scans_total Scans of the knowledge base by how they ended, since the start; looks at single folders are not counted.
# TYPE controlcenter_knowledge_scans_total counter
controlcenter_knowledge_scans_total{result="cancelled"} 0
controlcenter_knowledge_scans_total{result="completed"} 1
controlcenter_knowledge_scans_total{result="failed"} 0
# HELP controlcenter_knowledge_searches_total Searches of the knowledge base, since the start.
# TYPE controlcenter_knowledge_searches_total counter
controlcenter_knowledge_searches_total 1
`
	err = testutil.CollectAndCompare(r.Base, strings.NewReader(want), "controlcenter_knowledge_creators", "controlcenter_knowledge_scans_total", "controlcenter_knowledge_searches_total")
	if err != nil {
		t.Error(err)
	}
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := os.CopyFS(root, os.DirFS("../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	makeOld(t, root)
	r := openRig(t, dir, root)
	want := r.ids()
	agents, _ := r.Agents(t.Context())
	insights, n, _ := r.Insights(t.Context(), InsightQuery{})
	r.stop()
	r = openRig(t, dir, root)
	jobs, _, _ := r.Jobs(t.Context(), 1)
	if jobs[0].Parsed != 0 && jobs[0].Trigger == "start" && len(jobs) > 1 {
		t.Errorf("read again: %+v", jobs[0].Progress)
	}
	again, n2, _ := r.Insights(t.Context(), InsightQuery{})
	agents2, _ := r.Agents(t.Context())
	check(t, "ids", fmt.Sprint(r.ids()), fmt.Sprint(want), "insights", n2, n, "agents", fmt.Sprint(agents2), fmt.Sprint(agents), "first", again[0].ID, insights[0].ID)
}

func TestOptionsAreChecked(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	good := r.o
	for what, change := range map[string]func(*Options){
		"no store": func(o *Options) { o.Store = nil }, "no index": func(o *Options) { o.Index = nil },
		"size":     func(o *Options) { o.MaxFileSize = -1 },
		"blank id": func(o *Options) { o.Roots = []Root{{ID: "a b", Path: root}} },
		"relative": func(o *Options) { o.Roots = []Root{{ID: "a", Path: "kb"}} },
		"twice":    func(o *Options) { o.Roots = []Root{{ID: "a", Path: root}, {ID: "a", Path: root}} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestScanEventsTellTheWholeJob(t *testing.T) {
	r := exampleRig(t)
	sub := r.bus.Subscribe(1000, ScanProgress{}.Topic(), DocumentsChanged{}.Topic())
	defer sub.Close()
	j, _, err := r.Scan(t.Context(), ScanRequest{Force: true, Actor: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	var last Job
	put := 0
	for last.Finished == nil {
		e, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch d := e.Data.(type) {
		case ScanProgress:
			last = d.Job
		case DocumentsChanged:
			put += d.Put
		}
	}
	check(t, "id", last.ID, j.ID, "actor", last.Actor, "ada", "put", put, last.Indexed, "seen", last.Seen, last.Parsed)
	if last.Bytes == 0 || last.Insights == 0 || last.Videos == 0 {
		t.Errorf("job %+v", last)
	}
	if b, err := json.Marshal(last); err != nil || !strings.Contains(string(b), `"files_indexed"`) || !strings.Contains(string(b), `"exit_code":0`) {
		t.Errorf("json: %s, %v", b, err)
	}
}
