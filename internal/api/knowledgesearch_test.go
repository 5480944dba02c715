package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

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
	k.want("/api/knowledge/search?q=layer+caching", []any{"query", "layer caching"}, []any{"total", m["total"]})
	wantAt(t, k.send("POST", "/api/knowledge/search?q=nothing", `{"q": "layer caching"}`).done(t), m["total"], "total")
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

func itoa(n int) string { return asJSON(n) }
