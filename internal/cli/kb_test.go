package cli

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"controlcenter/internal/api"
	"controlcenter/internal/event"
	"controlcenter/internal/store"
	"controlcenter/kb"
)

// withExamples gives the server of a place a knowledge base over a copy of the example tree, and returns the copy.
func (p *place) withExamples(t *testing.T) (root string) {
	t.Helper()
	root = filepath.Join(p.dir, "kb root")
	if err := os.CopyFS(root, os.DirFS("../../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	p.extend = func(o *api.Options, st *store.Store) {
		index, err := kb.Open(t.Context(), filepath.Join(p.dir, "index"), kb.IndexOptions{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		bus, roots := &event.Bus{}, []kb.Root{{ID: "main", Path: root}}
		base, err := kb.New(kb.Options{Store: st, Bus: bus, Roots: roots, Index: index, Log: slog.New(slog.DiscardHandler), Every: -1})
		if err != nil {
			t.Fatal(err)
		}
		searcher, err := kb.NewSearcher(base.Sources(func() *kb.BleveIndex { return index }, nil))
		if err != nil {
			t.Fatal(err)
		}
		o.Knowledge = &api.Knowledge{Base: base, Searcher: searcher, Bus: bus, Roots: roots, Index: func() (kb.IndexStats, bool) {
			st, err := index.Stats()
			return st, err == nil
		}}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = base.Run(ctx) })
		p.before = func() {
			cancel()
			wg.Wait()
			_ = index.Close()
		}
	}
	return root
}

// The verbs of the knowledge base against the real server over the example tree: each line is a command and what it must print.
func TestKnowledgeVerbs(t *testing.T) {
	p := newPlace(t)
	root := p.withExamples(t)
	p.start(t)
	file := "ai-agents/integration/docker/harbor-notes-exampleBB02-20260104.md"
	if r := p.run(t, "kb", "scan"); r.code != ExitOK {
		t.Fatalf("scan: %+v", r)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"kb stats", ExitOK, "creators   8"},
		{"kb stats", ExitOK, "integration"},
		{"kb search layer caching", ExitOK, "Layer caching that survives a rebuild"},
		{"kb search layer caching agent:integration --facets", ExitOK, "category: docker (2)"},
		{"kb search --literal denoise: -n 3", ExitOK, "in the files as it stands"},
		{"kb search caching -n 1 --page 2", ExitOK, "found in"},
		{"kb search qqqqzzzzvvvv", ExitNotFound, "nothing was found"},
		{`kb search "open`, ExitUsage, "query: "},
		{"kb search x", ExitUsage, "2 to 500 characters"},
		{"kb search", ExitUsage, "missing argument QUERY"},
		{"kb search caching -n 0", ExitUsage, "--limit: must be between 1 and 100"},
		{"kb search caching --sort colour", ExitUsage, "sort"},
		{"kb file " + file, ExitOK, "Layer caching that survives a rebuild"},
		{"kb file " + file + " --content", ExitOK, "# Layer caching that survives a rebuild"},
		{"kb file " + file + " --related", ExitOK, "RELATION"},
		{"kb file /etc/passwd", ExitRefused, "outside the knowledge base"},
		{"kb file p-aaaaaaaaaaaaaaaa", ExitNotFound, "not found"},
		{"kb file", ExitUsage, "missing argument ID"},
		{"kb files --creator PIXELORCHARD", ExitOK, "4 of 4 files"},
		{"kb files --agent integration --category docker", ExitOK, "2 of 2 files"},
		{"kb insights --creator PIXELORCHARD --min-confidence 90 --limit 1", ExitOK, "1 of "},
		{"kb insights --min-confidence 101", ExitUsage, "between 0 and 100"},
		{"kb insights --file hud-2024", ExitOK, "Put health into the top left corner."},
		{"kb review", ExitOK, "WHY"},
		{"kb review hud-2024 --action supersede --note old", ExitOK, "recorded: superseded"},
		{"kb review hud-2024", ExitUsage, "--action is needed"},
		{"kb review --action approve", ExitUsage, "missing argument FILE"},
		{"kb review hud-2024 --action shout", ExitUsage, "action"},
		{"kb files --status superseded", ExitOK, "hud-2024"},
		{"kb creators --priority medium", ExitOK, "PixelOrchard"},
		{"kb creators pixelorchard", ExitOK, "https://www.youtube.com/@PixelOrchard"},
		{"kb creators nobody", ExitNotFound, "Creator 'nobody' not found."},
		{"kb scan --priority critical --force", ExitOK, "completed"},
		{"kb scan --creator PixelOrchard -d", ExitOK, "Scan started"},
		{"kb scan --priority loud", ExitUsage, "critical, high, medium, low"},
		{"kb scan --confirm-deletions", ExitRefused, "no deletions wait"},
		{"kb scan --confirm-deletions --force", ExitUsage, "excludes"},
		{"kb scan --max-videos 0", ExitUsage, "--max-videos: must be between 1 and 100"},
		{"kb jobs", ExitOK, "completed"},
		{"kb jobs nosuch", ExitNotFound, "Job 'nosuch' not found."},
		{"kb jobs nosuch -f", ExitNotFound, "Job 'nosuch' not found."},
		{"kb cancel nosuch", ExitNotFound, "Job 'nosuch' not found."},
		{"kb serch", ExitUsage, "did you mean search?"},
	} {
		r := p.run(t, strings.Fields(c.args)...)
		got := r.out
		if c.code != ExitOK {
			got = r.err
		}
		if r.code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", c.args, r.code, c.code, c.want, r.out, r.err)
		}
	}
	for _, verb := range []string{"stats", "search caching", "file " + file, "files", "insights", "review", "creators", "jobs", "scan"} {
		var v map[string]any
		if r := p.run(t, append(strings.Fields("kb "+verb), "-o", "json")...); r.code != 0 || json.Unmarshal([]byte(r.out), &v) != nil || len(v) == 0 {
			t.Errorf("%s as JSON: %+v", verb, r)
		}
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if r := p.run(t, "kb", "scan"); r.code != ExitFailed || !strings.Contains(r.err, "nothing was deleted") {
		t.Errorf("scan of a root that is gone: %+v", r)
	}
}

func TestProgressOfAScanIsOneLine(t *testing.T) {
	eta := 75.0
	for _, c := range []struct {
		j    kbJob
		want string
	}{
		{kbJob{Status: "queued"}, "waiting for its turn"},
		{kbJob{Status: "running", Seen: 40, Unchanged: 39}, "40 files seen, 39 unchanged"},
		{kbJob{Status: "running", ToDo: 400, Parsed: 100, Rate: 12.4, ETA: &eta, Rejected: 2}, "[######..................]  25%  100/400 files  12/s  1m15s left  2 rejected"},
		{kbJob{Status: "running", ToDo: 4, Parsed: 5}, "[########################] 100%  5/4 files  0/s"},
	} {
		if got := scanLine(&c.j); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestInterruptedWaitingLeavesTheScan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newStub(t).
		on("POST /api/knowledge/scan", replies(`{"success":true,"job_id":"j1","message":"Scan started","already_running":false}`)).
		on("GET /api/knowledge/events", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: knowledge_scan\ndata: {\"job\":{\"id\":\"j1\",\"status\":\"running\",\"started_at\":\"2026-01-01T00:00:00Z\"}}\n\n")
			_ = http.NewResponseController(w).Flush()
			cancel() // the user's interrupt
			<-r.Context().Done()
		})
	if r := s.runWith(ctx, "", nil, "kb", "scan"); r.code != ExitFailed || !strings.Contains(r.err, "the scan goes on: controlcenter kb jobs j1") {
		t.Errorf("%+v", r)
	}
	if got := s.asked(); strings.Contains(got, "cancel") {
		t.Errorf("asked %s", got)
	}
}
