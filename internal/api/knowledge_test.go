package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
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
	s, err := kb.NewSearcher(kb.SearchSources{
		Index: func() *kb.BleveIndex { return index }, Documents: base.Documents, Text: base.Text, Files: base.Texts,
	})
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

func TestKnowledgeFileIsFoundByEveryFormOfItsID(t *testing.T) {
	k := startKnowledge(t, nil)
	// A name whose base64 holds both + and / in the standard alphabet.
	odd := "ai-agents/ui-ux/hud/" + oddName(t, k.path("ai-agents/ui-ux/hud/"))
	if err := os.WriteFile(filepath.Join(k.root, filepath.FromSlash(odd)), []byte("# Odd & <b>bold</b>\n\nbody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.send("POST", "/api/knowledge/scan", "").done(t)
	k.scanned()
	for _, name := range []string{dockerFile, odd, "ai-agents/ui-ux/hud/Preisliste für Räume.txt"} {
		full := k.path(name)
		if _, err := os.Stat(full); err != nil {
			matches, _ := filepath.Glob(filepath.Join(k.root, "ai-agents", "*", "*", "Pr*"))
			if len(matches) != 1 {
				t.Fatal(matches)
			}
			full = filepath.ToSlash(matches[0])
		}
		std := base64.StdEncoding.EncodeToString([]byte(full))
		first := at(t, k.get("/api/knowledge/files/"+url.PathEscape(std)).done(t), "id").(string)
		for form, id := range map[string]string{
			"raw standard": std, "without padding": strings.TrimRight(std, "="), "URL-safe": base64.URLEncoding.EncodeToString([]byte(full)),
			"URL-safe without padding": base64.RawURLEncoding.EncodeToString([]byte(full)), "every sign escaped": strings.ReplaceAll(url.QueryEscape(std), "+", "%2B"),
			"ours": first, "trailing slash": first + "/", "encoded path": url.PathEscape(full), "path": strings.TrimPrefix(escapePath(full), "/"),
		} {
			if form == "path" {
				id = strings.TrimPrefix(escapePath(strings.TrimPrefix(full, filepath.ToSlash(k.root)+"/")), "/")
			}
			m := k.get("/api/knowledge/files/" + id).done(t)
			if m["id"] != first || m["path"] != full {
				t.Errorf("%s of %s: id %v, path %v", form, name, m["id"], m["path"])
			}
			r := k.get("/api/knowledge/files/" + strings.TrimSuffix(id, "/") + "/content")
			want, err := os.ReadFile(full)
			if err != nil || r.StatusCode != 200 || string(r.body) != string(want) || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("content by %s of %s: %d %v\n%.200s", form, name, r.StatusCode, r.Header, r.body)
			}
			if r := k.get("/api/knowledge/files/" + strings.TrimSuffix(id, "/") + "/related"); r.StatusCode != 200 {
				t.Errorf("related by %s: %d %s", form, r.StatusCode, r.body)
			}
		}
	}
	std := url.PathEscape(base64.StdEncoding.EncodeToString([]byte(k.path(dockerFile))))
	m := k.want("/api/knowledge/files/"+std+"?content=true", []any{"insights", "title", "Layer caching that survives a rebuild"}, []any{"agent", "integration"}, []any{"category", "docker"},
		[]any{"insights", "has_code", true}, []any{"insights", "has_links", true})
	if c := at(t, m, "insights", "confidence").(float64); c <= 1 || c != at(t, m, "confidence_percent") || m["confidence"].(float64) > 1 {
		t.Errorf("confidence %v in percent, %v as a ratio", c, m["confidence"])
	}
	if items := at(t, m, "insights", "items").([]any); len(items) == 0 || at(t, m, "insights", "sections").(float64) < 2 || at(t, m, "insights", "word_count").(float64) < 50 ||
		!strings.Contains(m["content"].(string), "Layer caching") || m["created"] == nil {
		t.Errorf("detail: %v", m)
	}
	m = k.want("/api/knowledge/files/" + std + "/related")
	if at(t, m, "files", 0, "relation") == nil {
		t.Errorf("related: %v", m)
	}
	head := k.ask("HEAD", "/api/knowledge/files/"+std+"/content", nil)
	if head.StatusCode != 200 || len(head.body) != 0 {
		t.Errorf("HEAD: %d %d bytes", head.StatusCode, len(head.body))
	}
	if r := k.get("/api/knowledge/files/"+std+"/content", "If-Modified-Since", head.Header.Get("Last-Modified")); r.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %d", r.StatusCode)
	}
}

// oddName is a file name that makes the base64 of its path hold both + and /.
func oddName(t *testing.T, dir string) string {
	t.Helper()
	for a := range 3 {
		for b := range 3 {
			name := strings.Repeat("x", a) + "~~~" + strings.Repeat("y", b) + "???>>>.md"
			name = strings.ReplaceAll(name, ">", "ÿ")
			if id := base64.StdEncoding.EncodeToString([]byte(dir + "/" + name)); strings.Contains(id, "+") && strings.Contains(id, "/") {
				return name
			}
		}
	}
	t.Fatal("no such name")
	return ""
}

func escapePath(p string) string { return (&url.URL{Path: p}).EscapedPath() }

func TestKnowledgeRefusesPathsOutsideAndIDsThatAreNone(t *testing.T) {
	k := startKnowledge(t, nil)
	if err := os.Symlink("/etc/passwd", filepath.Join(k.root, "ai-agents", "ui-ux", "passwd.md")); err != nil {
		t.Fatal(err)
	}
	enc := func(s string) string { return url.PathEscape(base64.StdEncoding.EncodeToString([]byte(s))) }
	for _, c := range []struct {
		id     string
		status int
	}{
		{enc("/etc/passwd"), 403},
		{enc(k.path("../secret.md")), 403},
		{enc("../../../etc/passwd"), 403},
		{url.PathEscape("/etc/passwd"), 403},
		{enc(k.path("ai-agents/ui-ux/passwd.md")), 403}, // a link that leads out
		{enc(k.path("ai-agents/none.md")), 404},
		{"p-aaaaaaaaaaaaaaaa", 404},
		{"!!!", 400},
		{"no%20id%20at%20all", 400},
		{enc("a\x00b"), 400},
	} {
		for _, tail := range []string{"", "/content", "/related"} {
			if r := k.get("/api/knowledge/files/" + c.id + tail); r.StatusCode != c.status {
				t.Errorf("%s%s: %d, want %d: %s", c.id, tail, r.StatusCode, c.status, r.body)
			} else {
				wantProblem(t, r, c.status, "")
			}
		}
	}
}

func TestKnowledgeSearchByGetAndPostAlike(t *testing.T) {
	k := startKnowledge(t, nil)
	for query, want := range map[string]string{
		"ip-adapter": "ip-adapter", "denoise: 0.40": "denoise: 0.40", "n8n": "n8n", "layer caching": "layer", `"layer caching"`: "layer", "agent:integration docker": "",
	} {
		get := k.get("/api/knowledge/search?facets=true&query=" + url.QueryEscape(query)).done(t)
		body, _ := json.Marshal(map[string]any{"query": query, "facets": true})
		post := k.send("POST", "/api/knowledge/search", string(body)).done(t)
		mixed := k.send("POST", "/api/knowledge/search?facets=true&query="+url.QueryEscape(query), "").done(t)
		if len(get["results"].([]any)) == 0 {
			t.Errorf("%s: nothing found", query)
			continue
		}
		for name, other := range map[string]map[string]any{"POST": post, "POST with the query in the address": mixed} {
			for _, m := range []map[string]any{get, other} {
				delete(m, "took_seconds")
				delete(m, "index_age_seconds")
			}
			if a, b := asJSON(get), asJSON(other); a != b {
				t.Errorf("%s: GET\n%s\n%s\n%s", query, a, name, b)
			}
		}
		hit := at(t, get, "results", 0).(map[string]any)
		file := hit["file"].(map[string]any)
		for _, name := range []string{"id", "path", "name", "filename", "agent", "size_bytes", "modified_at"} {
			if file[name] == nil || hit[name] != file[name] {
				t.Errorf("%s: result and its file differ in %s: %v and %v", query, name, hit[name], file[name])
			}
		}
		preview := hit["preview"].(string)
		if hit["match_count"].(float64) < 1 || len([]rune(preview)) > 200 || !strings.Contains(strings.ToLower(preview), want) || hit["score"] == nil {
			t.Errorf("%s: %v", query, hit)
		}
		joined := ""
		for _, f := range hit["highlights"].([]any) {
			joined += f.(map[string]any)["text"].(string)
		}
		if joined != preview {
			t.Errorf("%s: highlights %q, preview %q", query, joined, preview)
		}
		wantAt(t, get, get["total"], "total_matches")
	}
	m := k.want("/api/knowledge/search?query=%20layer%20%20caching%20", []any{"query", "layer caching"}, []any{"limit", 20.0}, []any{"mode", "index"}, []any{"degraded", false})
	if m["facets"] != nil {
		t.Error("facets that nobody asked for")
	}
	// A piece of a word is found, too, as in the older backend; markup only in the files themselves.
	m = k.want("/api/knowledge/search?query=ampleBB")
	if !strings.Contains(asJSON(m["results"]), "exampleBB02") {
		t.Errorf("a piece of a word: %v", m)
	}
	k.want("/api/knowledge/search?mode=literal&query=**Video+ID", []any{"mode", "literal"}, []any{"next_cursor", nil}, []any{"results", 0, "score", 0.0})
	k.want("/api/knowledge/search?mode=literal&query=**Video+ID&agent=nobody", []any{"results", []any{}}, []any{"total", 0.0})
	// Pages by number and by cursor are the same list.
	var paged, cursored []string
	all := k.want("/api/knowledge/search?query=the&limit=100")
	for page := 1; ; page++ {
		m := k.want("/api/knowledge/search?query=the&limit=3&page=" + itoa(page))
		paged = append(paged, hits(m)...)
		if at(t, m, "meta", "has_next") == false {
			break
		}
	}
	for cursor := ""; ; {
		m := k.want("/api/knowledge/search?query=the&limit=3&cursor=" + url.QueryEscape(cursor))
		cursored = append(cursored, hits(m)...)
		if m["next_cursor"] == nil || len(hits(m)) == 0 {
			break
		}
		cursor = m["next_cursor"].(string)
	}
	if want := hits(all); len(want) < 7 || !slices.Equal(want, paged) || !slices.Equal(want, cursored) {
		t.Errorf("whole %v\npages %v\ncursors %v", want, paged, cursored)
	}
}

func hits(m map[string]any) (out []string) {
	for _, h := range m["results"].([]any) {
		out = append(out, h.(map[string]any)["id"].(string))
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

func itoa(n int) string { return asJSON(n) }

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
		{"GET", "/search?q=ab", "", 422, "unknown parameter"},
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

func TestKnowledgeInsightsAreFilteredAndReviewed(t *testing.T) {
	k := startKnowledge(t, nil)
	m := k.want("/api/knowledge/insights?min_confidence=0.8&limit=5&sort=confidence_desc", []any{"limit", 5.0})
	if m["total"].(float64) < 5 || at(t, m, "insights", 0, "confidence").(float64) < 0.8 || at(t, m, "insights", 0, "text") == "" {
		t.Errorf("insights: %v", m)
	}
	doc, insight := at(t, m, "insights", 0, "document_id").(string), at(t, m, "insights", 0, "id").(string)
	body := asJSON(map[string]any{"document_id": doc, "insight_id": insight, "action": "reject", "note": "tried it"})
	wantAt(t, k.send("POST", "/api/knowledge/review", body).done(t), "owner", "review", "actor")
	m = k.want("/api/knowledge/insights?status=rejected&document=" + doc)
	if !slices.ContainsFunc(m["insights"].([]any), func(v any) bool { return v.(map[string]any)["id"] == insight }) {
		t.Errorf("the rejected insight is not among %v", m)
	}
	k.want("/api/knowledge/files/"+doc, []any{"reviews", 0, "status", "rejected"}, []any{"reviews", 0, "note", "tried it"})
	body = asJSON(map[string]any{"document_id": doc, "insight_id": insight, "action": "clear"})
	wantAt(t, k.send("POST", "/api/knowledge/review", body).done(t), "taken back", "message")
	m = k.want("/api/knowledge/to-review")
	if m["count"].(float64) < 1 || at(t, m, "items", 0, "file", "id") == nil {
		t.Errorf("to review: %v", m)
	}
	for _, v := range k.want("/api/knowledge/contradictions")["items"].([]any) {
		if why := v.(map[string]any)["why"]; why != "contradicts" && why != "conflicting" {
			t.Errorf("contradictions hold %v", why)
		}
	}
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

func TestScanIsAJobThatCanBeFollowedAndCancelled(t *testing.T) {
	k := startKnowledge(t, nil)
	m := k.send("POST", "/api/knowledge/scan?force_rescan=true", "").done(t)
	wantAt(t, m, "started", "status")
	wantAt(t, m, false, "already_running")
	id := m["job_id"].(string)
	if m["pid"].(float64) != float64(os.Getpid()) || m["command"] != "controlcenter kb scan --force" || m["timestamp"] == nil || m["message"] == "" {
		t.Errorf("scan: %v", m)
	}
	k.scanned()
	m = k.want("/api/knowledge/jobs/"+id, []any{"status", "completed"}, []any{"exit_code", 0.0}, []any{"kind", "full"}, []any{"trigger", "api"}, []any{"actor", "owner"}, []any{"job", "id", id})
	if m["files_indexed"].(float64) < 25 || m["insights_extracted"].(float64) < 50 {
		t.Errorf("job: %v", m)
	}
	wantProblem(t, k.send("POST", "/api/knowledge/jobs/"+id+"/cancel", ""), 409, "has ended: completed")
	for _, path := range []string{"/api/knowledge/jobs", "/api/knowledge/jobs/history?limit=200"} {
		m = k.want(path, []any{"jobs", 0, "id", id})
		row := at(t, m, "jobs", 0).(map[string]any)
		for _, name := range []string{"log_file", "timestamp", "size", "status", "videos_processed", "insights_extracted", "started_at", "finished_at", "exit_code", "trigger", "error"} {
			if _, ok := row[name]; !ok {
				t.Errorf("job without %s: %v", name, row)
			}
		}
		var old map[string]any // of the older pipeline's logs
		for _, v := range m["jobs"].([]any) {
			if j := v.(map[string]any); strings.Contains(j["log_file"].(string), "scan_20260105") {
				old = j
			}
		}
		if old == nil || old["trigger"] != "log" {
			t.Errorf("%s does not tell of the older logs: %v", path, m)
		}
	}
	for _, body := range []string{`{"creator_id":"harbor-notes"}`, `{"scan_all":true}`, `{"priority":"critical"}`, `{}`} {
		k.send("POST", "/api/knowledge/scan", body).done(t)
		k.scanned()
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
