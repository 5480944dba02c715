package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"controlcenter/internal/event"
	"controlcenter/kb"
)

// knowledgeSite is a server with a knowledge base over a copy of the example tree, scanned once.
type knowledgeSite struct {
	*site
	root string
	base *kb.Base
	bus  *event.Bus
}

func startKnowledge(t *testing.T, change func(*Options, string)) *knowledgeSite {
	t.Helper()
	root := filepath.Join(t.TempDir(), "kb root")
	if err := os.CopyFS(root, os.DirFS("../../examples/knowledge")); err != nil {
		t.Fatal(err)
	}
	k := &knowledgeSite{root: root, bus: &event.Bus{}}
	index, err := kb.Open(t.Context(), filepath.Join(t.TempDir(), "index"), kb.IndexOptions{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	k.site = start(t, func(o *Options) {
		roots := []kb.Root{{ID: "main", Path: root}}
		k.base, err = kb.New(kb.Options{Store: o.Store, Bus: k.bus, Roots: roots, Index: index, Log: slog.New(slog.DiscardHandler), Every: -1})
		if err != nil {
			t.Fatal(err)
		}
		o.Knowledge = &Knowledge{Base: k.base, Searcher: searcher(t, k.base, index), Bus: k.bus, Roots: roots, Index: func() (kb.IndexStats, bool) {
			st, err := index.Stats()
			return st, err == nil
		}}
		if change != nil {
			change(o, root)
		}
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.base.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	k.scanned()
	return k
}

func searcher(t *testing.T, base *kb.Base, index *kb.BleveIndex) *kb.Searcher {
	t.Helper()
	s, err := kb.NewSearcher(base.Sources(func() *kb.BleveIndex { return index }, nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// scanned waits until nothing is scanned.
func (k *knowledgeSite) scanned() {
	k.t.Helper()
	waitFor(k.t, "the scan", func() bool {
		st, err := k.base.Stats(k.t.Context())
		return err == nil && st.LastScan != nil && !st.Scanning
	})
}

// want asks for a document and compares values in it: a path of keys, then the value.
func (k *knowledgeSite) want(path string, pairs ...[]any) map[string]any {
	k.t.Helper()
	m := k.get(path).done(k.t)
	for _, p := range pairs {
		if got, want := at(k.t, m, p[:len(p)-1]...), p[len(p)-1]; !reflect.DeepEqual(got, want) {
			k.t.Errorf("%s: %v: got %v, want %v", path, p[:len(p)-1], got, want)
		}
	}
	return m
}

const dockerFile = "ai-agents/integration/docker/harbor-notes-exampleBB02-20260104.md"

func (k *knowledgeSite) path(name string) string {
	return filepath.ToSlash(filepath.Join(k.root, filepath.FromSlash(name)))
}

func TestKnowledgeStatsAndListingsHaveTheFieldsOfBothGenerations(t *testing.T) {
	k := startKnowledge(t, nil)
	m := k.want("/api/knowledge/stats", []any{"cached", false}, []any{"total_creators", 8.0}, []any{"kb_status", "active"}, []any{"by_type", "transcript", 2.0},
		[]any{"files_by_agent", "integration", 5.0}, []any{"by_agent", "integration", 5.0}, []any{"files_by_agent", "knowledge-base", 1.0}, []any{"degraded", false},
		[]any{"index", "state", "ready"}, []any{"roots", 0, "id", "main"}, []any{"held", []any{}})
	total := m["total_files"].(float64)
	if total < 25 || m["total_size_mb"] == nil || m["total_size_bytes"].(float64) < 10_000 || m["last_scan"] == nil || m["recent_files_7d"] == nil || m["total_videos"].(float64) < 15 ||
		at(t, m, "by_type", "document") == nil || at(t, m, "by_type", "video") == nil {
		t.Errorf("stats: %v", m)
	}
	// As the browser client asks.
	m = k.want("/api/knowledge/files?page=2&limit=10&type=&sort=name", []any{"total", total}, []any{"limit", 10.0}, []any{"offset", 10.0}, []any{"meta", "page", 2.0},
		[]any{"meta", "page_size", 10.0}, []any{"meta", "has_prev", true}, []any{"meta", "next_page", 3.0}, []any{"meta", "prev_page", 1.0}, []any{"cached", false})
	row := at(t, m, "files", 0).(map[string]any)
	for _, name := range []string{"id", "path", "name", "filename", "title", "agent", "category", "type", "source", "size", "size_bytes", "modified", "modified_at", "created_at", "confidence", "confidence_percent"} {
		if v, ok := row[name]; !ok || v == "" && name != "source" {
			t.Errorf("row without %s: %v", name, row)
		}
	}
	meta := row["metadata"].(map[string]any)
	for _, name := range []string{"creator", "video_id", "duration", "has_transcript"} {
		if _, ok := meta[name]; !ok {
			t.Errorf("metadata without %s: %v", name, meta)
		}
	}
	if _, err := time.Parse(time.RFC3339, row["modified"].(string)); err != nil || !strings.HasSuffix(row["modified"].(string), "Z") {
		t.Errorf("modified %v: %v", row["modified"], err)
	}
	// Every form of paging gives the same rows.
	for _, q := range []string{"limit=10&offset=10", "page_size=10&page=2", "page_size=10&limit=99&page=2", "page_size=10&page=9&offset=10"} {
		other := k.want("/api/knowledge/files?sort=name&" + q)
		if wantRows, got := ids(m), ids(other); !slices.Equal(wantRows, got) {
			t.Errorf("%s: %v, want %v", q, got, wantRows)
		}
	}
	k.want("/api/knowledge/files?page=1000", []any{"files", []any{}}, []any{"meta", "has_next", false}, []any{"meta", "next_page", nil})
	k.want("/api/knowledge/files?agent=integration&category=docker", []any{"total", 2.0}, []any{"files", 0, "title", "Layer caching that survives a rebuild"})
	k.want("/api/knowledge/files?type=transcript", []any{"total", 2.0})
	k.want("/api/knowledge/files?type=pdf", []any{"total", 0.0}, []any{"files", []any{}}, []any{"meta", "total_pages", 1.0})
	k.want("/api/knowledge/files?creator=PIXELORCHARD", []any{"total", 4.0})
	m = k.want("/api/knowledge/recent?limit=5", []any{"count", 5.0})
	if len(m["files"].([]any)) != 5 {
		t.Errorf("recent: %v", m)
	}
	m = k.want("/api/knowledge/duplicates", []any{"duplicates", 0, "copies", 4.0})
	if agents := at(t, m, "duplicates", 0, "agents").([]any); len(agents) != 4 {
		t.Errorf("agents of copies: %v", agents)
	}
}

func ids(m map[string]any) (out []string) {
	for _, f := range m["files"].([]any) {
		out = append(out, f.(map[string]any)["id"].(string))
	}
	return out
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestKnowledgeRefusesWhatIsWrongAndNamesIt(t *testing.T) {
	k := startKnowledge(t, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/search", "", 422, "query: must have 2 to 500 characters"},
		{"GET", "/search?query=a", "", 422, "query: must have 2 to 500"},
		{"GET", "/search?query=%20a%20", "", 400, "besides blanks"},
		{"GET", "/search?query=" + strings.Repeat("a", 501), "", 422, "query: must have 2 to 500"},
		{"GET", "/search?query=%22broken", "", 422, "column 1"},
		{"GET", "/search?query=confidence%3E%3Dxyz", "", 422, "column"},
		{"GET", "/search?query=ab&limit=101", "", 422, "limit: must be between 1 and 100"},
		{"GET", "/search?query=ab&limit=0", "", 422, "limit: must be between 1 and 100"},
		{"GET", "/search?query=ab&agent=a/b", "", 422, "agent"},
		{"GET", "/search?query=ab&cursor=xyz", "", 422, "cursor"},
		{"GET", "/search?query=ab&page=99999", "", 422, "page: must lie within the first 10000"},
		{"GET", "/search?query=ab&mode=x", "", 422, "mode"},
		{"GET", "/search?text=ab", "", 422, "unknown parameter"},
		{"POST", "/search", `{"query":"ab","limit":1000}`, 422, "limit"},
		{"POST", "/search", `{"quary":"ab"}`, 422, "quary"},
		{"POST", "/search", `{"query":`, 400, ""},
		{"POST", "/search", "", 422, "query: must have 2 to 500"},
		{"GET", "/files?limit=501", "", 422, "limit: must be between 1 and 500"},
		{"GET", "/files?page=0", "", 422, "page: must be at least 1"},
		{"GET", "/files?offset=-1", "", 422, "offset"},
		{"GET", "/files?page=x", "", 422, "page"},
		{"GET", "/files?sort=colour", "", 422, "sort: must be one of date_desc"},
		{"GET", "/files?type=song", "", 422, "type: must be one of document"},
		{"GET", "/recent?limit=101", "", 422, "limit: must be between 1 and 100"},
		{"GET", "/insights?min_confidence=1.5", "", 422, "min_confidence: must be between 0 and 1"},
		{"GET", "/insights?status=fine", "", 422, "status: must be one of approved"},
		{"GET", "/insights?document=!!", "", 400, "neither an id"},
		{"POST", "/scan?priority=urgent", "", 422, "priority: must be one of critical, high, medium, low"},
		{"POST", "/scan?creator_id=a%20b", "", 422, "creator_id: must have at most 100"},
		{"POST", "/scan?max_videos=101", "", 422, "max_videos: must be between 1 and 100"},
		{"POST", "/scan", `{"creator":"x"}`, 422, "creator"},
		{"POST", "/scan?root=none", "", 404, "none"},
		{"GET", "/jobs/none", "", 404, "Job 'none' not found."},
		{"POST", "/jobs/none/cancel", "", 404, "not found"},
		{"GET", "/creators/none", "", 404, "Creator 'none' not found."},
		{"POST", "/held/confirm", "", 409, "no deletions wait"},
		{"POST", "/review", `{"document_id":"p-aaaaaaaaaaaaaaaa","action":"approve"}`, 404, ""},
		{"POST", "/review", `{"document_id":"!","action":"approve"}`, 400, ""},
		{"POST", "/review", `{"document_id":"x","action":"bless"}`, 422, "action"},
		{"POST", "/review", `{"action":"approve"}`, 422, "document_id"},
		{"GET", "/events?job=none", "", 404, "Job 'none' not found."},
		{"GET", "/ws", "", 426, "WebSocket"},
		{"DELETE", "/files", "", 405, ""},
	} {
		r := k.send(c.method, "/api/knowledge"+c.path, c.body)
		if r.StatusCode != c.status {
			t.Errorf("%s %.80s %s: %d, want %d: %s", c.method, c.path, c.body, r.StatusCode, c.status, r.body)
			continue
		}
		wantProblem(t, r, c.status, c.want)
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"?level=L4", 422, "level: must be one of L1, L2, L3, all"},
		{"/none", 404, "Agent 'none' not found."},
		{"/none/knowledge", 404, "not found"},
		{"/none/hierarchy", 404, "not found"},
		{"?page_size=0", 422, "page_size"},
	} {
		wantProblem(t, k.get("/api/agents"+c.path), c.status, c.want)
	}
}

func TestKnowledgeCreatorsPassOnWhatIsWritten(t *testing.T) {
	k := startKnowledge(t, nil)
	m := k.want("/api/knowledge/creators", []any{"total", 8.0}, []any{"cached", false})
	first := at(t, m, "creators", 0).(map[string]any)
	for _, name := range []string{"id", "name", "handle", "subscribers", "priority", "focus", "primary_agents", "related_files", "channel_url", "channel_name", "videos_scanned", "last_scan"} {
		if first[name] == nil {
			t.Errorf("creator without %s: %v", name, first)
		}
	}
	if first["raw"] != nil || at(t, m, "priority_tiers") == nil {
		t.Errorf("creators: %v", m)
	}
	id := first["id"].(string)
	m = k.want("/api/knowledge/creators/"+strings.ToUpper(id), []any{"id", id}, []any{"creator", "id", id})
	if files := m["files"].([]any); len(files) == 0 || m["related_files"].(float64) < float64(len(files)) {
		t.Errorf("creator: %v", m)
	}
	k.want("/api/knowledge/creators?search=zzzz", []any{"total", 0.0}, []any{"creators", []any{}})
	k.want("/api/knowledge/routing", []any{"roots", 0, "root", "main"})
}

func TestAgentsAreThoseOfTheFolders(t *testing.T) {
	k := startKnowledge(t, nil)
	m := k.want("/api/agents/stats", []any{"l3_count", 1.0})
	total := m["total"].(float64)
	if total != m["l1_count"].(float64)+m["l2_count"].(float64)+1 || at(t, m, "by_level", "L1") != m["l1_count"] || m["last_updated"] == nil {
		t.Errorf("stats: %v", m)
	}
	m = k.want("/api/agents?page_size=500", []any{"total", total}, []any{"cached", false}, []any{"meta", "page", 1.0})
	row := at(t, m, "agents", 0).(map[string]any)
	for _, name := range []string{"id", "name", "category", "knowledge_files", "sub_agents", "description", "level", "role"} {
		if _, ok := row[name]; !ok {
			t.Errorf("agent without %s: %v", name, row)
		}
	}
	k.want("/api/agents?level=all", []any{"total", total})
	k.want("/api/agents?level=l3", []any{"total", 1.0}, []any{"agents", 0, "id", "L3.1.1.1"})
	k.want("/api/agents?parent=art-director", []any{"agents", 0, "level", "L2"})
	k.want("/api/agents/art-director", []any{"id", "art-director"}, []any{"agent", "id", "art-director"}, []any{"parent", nil})
	k.want("/api/agents/L2.1.1/hierarchy", []any{"parent", "id", "art-director"}, []any{"children", 0, "id", "L3.1.1.1"}, []any{"agent", "id", "L2.1.1"})
	m = k.want("/api/agents/art-director/knowledge?limit=2", []any{"agent_id", "art-director"}, []any{"limit", 2.0})
	if m["total_files"] != m["total"] || m["total"].(float64) < 4 || len(m["files"].([]any)) != 2 {
		t.Errorf("knowledge: %v", m)
	}
}

func TestKnowledgeRolesOfRoutes(t *testing.T) {
	k := startKnowledge(t, nil)
	writes := []string{"POST /api/knowledge/scan", "POST /api/knowledge/review", "POST /api/knowledge/held/confirm", "POST /api/knowledge/jobs/{job_id}/cancel"}
	n := 0
	for key, r := range k.rows {
		if !strings.Contains(key, "/api/knowledge") && !strings.Contains(key, "/api/agents") {
			continue
		}
		n++
		want := viewer
		if slices.Contains(writes, key) || strings.HasSuffix(key, "/cache/invalidate") {
			want = operator
		}
		if r.role != want || r.open != "" {
			t.Errorf("%s: role %s, open %q, want %s", key, r.role, r.open, want)
		}
	}
	if n < 30 {
		t.Errorf("only %d routes", n)
	}
	for _, path := range []string{"/api/knowledge/stats", "/api/knowledge/files", "/api/agents", "/api/knowledge/events"} {
		wantProblem(t, k.get(path, "X-Forwarded-For", "192.0.2.1"), 401, "Not authenticated")
	}
}

func TestWithoutKnowledgeAndWithoutRoots(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/api/knowledge/stats", "/api/knowledge/files", "/api/knowledge/search?query=ab", "/api/knowledge/files/abc/content", "/api/knowledge/events", "/api/agents", "/api/agents/stats"} {
		wantProblem(t, s.get(path), 503, "no knowledge base")
	}
	k := startEmpty(t)
	for path, key := range map[string]string{
		"/files": "files", "/search?query=anything": "results", "/search?mode=literal&query=anything": "results", "/recent": "files", "/duplicates": "duplicates",
		"/creators": "creators", "/insights": "insights", "/to-review": "items", "/jobs": "jobs", "/held": "held", "/routing": "roots",
	} {
		m := k.get("/api/knowledge" + path).done(t)
		if l, isList := m[key].([]any); !isList || len(l) != 0 {
			t.Errorf("%s: %v", path, m)
		}
		if d, ok := m["degraded"]; ok && d != false {
			t.Errorf("%s is degraded: %v", path, m)
		}
	}
	m := k.get("/api/knowledge/stats").done(t)
	wantAt(t, m, "empty", "kb_status")
	wantAt(t, m, nil, "last_scan")
	wantAt(t, m, "none", "index", "state")
	wantAt(t, m, false, "degraded")
	wantAt(t, k.get("/api/agents").done(t), 0.0, "total")
	wantAt(t, k.get("/api/agents/stats").done(t), 0.0, "total")
	wantProblem(t, k.send("POST", "/api/knowledge/scan", ""), 409, "no knowledge.roots are configured")
	wantProblem(t, k.get("/api/knowledge/search?query=%22x"), 422, "column")
	for _, prefix := range []string{"/api/cache", "/api/knowledge/cache", "/api/agents/cache"} {
		wantAt(t, k.send("POST", prefix+"/invalidate", "").done(t), "success", "status")
		wantAt(t, k.get(prefix+"/stats").done(t), false, "enabled")
	}
	wantAt(t, k.get("/api/cache/health").done(t), "healthy", "status")
}

// noIndex stands where no roots are configured.
type noIndex struct{}

func (noIndex) Apply(context.Context, uint64, []*kb.Parsed, []string) error { return nil }
func (noIndex) Generation() (uint64, error)                                 { return 0, nil }

func startEmpty(t *testing.T) *site {
	t.Helper()
	return start(t, func(o *Options) {
		base, err := kb.New(kb.Options{Store: o.Store, Index: noIndex{}})
		if err != nil {
			t.Fatal(err)
		}
		o.Knowledge = &Knowledge{Base: base, Searcher: searcher(t, base, nil), Bus: &event.Bus{}}
	}, nil)
}

// samples are paths that have an answer, of routes that need a parameter.
func (k *knowledgeSite) samples() map[string]string {
	file := "/api/knowledge/files/" + url.PathEscape(base64.StdEncoding.EncodeToString([]byte(k.path(dockerFile))))
	job := at(k.t, k.get("/api/knowledge/jobs").done(k.t), "jobs", 0, "id").(string)
	return map[string]string{
		"/api/knowledge/files/{file_id}":         file,
		"/api/knowledge/files/{file_id}/content": file + "/content",
		"/api/knowledge/files/{file_id}/related": file + "/related",
		"/api/knowledge/search":                  "/api/knowledge/search?query=layer",
		"/api/knowledge/jobs/{job_id}":           "/api/knowledge/jobs/" + job,
		"/api/knowledge/creators/{creator_id}":   "/api/knowledge/creators/harbor-notes",
		"/api/knowledge/events":                  "/api/knowledge/events?job=" + job,
		"/api/agents/{agent_id}":                 "/api/agents/art-director",
		"/api/agents/{agent_id}/knowledge":       "/api/agents/art-director/knowledge",
		"/api/agents/{agent_id}/hierarchy":       "/api/agents/art-director/hierarchy",
	}
}
