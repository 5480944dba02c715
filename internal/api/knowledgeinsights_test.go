package api

import (
	"net/url"
	"slices"
	"testing"
)

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

// Each filter gives exactly those of all insights that have the value, and the filters of fields that are shown leave nothing out.
func TestEachFilterOfInsightsGivesThoseThatHaveTheValue(t *testing.T) {
	k := startKnowledge(t, nil)
	var all []map[string]any
	for _, v := range k.want("/api/knowledge/insights?limit=100")["insights"].([]any) {
		all = append(all, v.(map[string]any))
	}
	if total := k.want("/api/knowledge/insights?limit=1")["total"].(float64); int(total) != len(all) || len(all) < 30 {
		t.Fatalf("%d of %v insights", len(all), total)
	}
	for filter, field := range map[string]string{"agent": "agent", "category": "category", "status": "review_status", "document": "document_id"} {
		counts := map[string]int{}
		for _, row := range all {
			counts[row[field].(string)]++
		}
		if len(counts) < 2 {
			t.Fatalf("%s: the example has only %v", field, counts)
		}
		for value, n := range counts {
			if filter == "status" && value == "" {
				value = "none"
			}
			if value == "" {
				continue
			}
			m := k.want("/api/knowledge/insights?limit=100&" + filter + "=" + url.QueryEscape(value))
			if int(m["total"].(float64)) != n {
				t.Errorf("%s=%s: %v, not %d", filter, value, m["total"], n)
			}
			for _, v := range m["insights"].([]any) {
				if got := v.(map[string]any)[field]; got != value && value != "none" {
					t.Errorf("%s=%s gave one of %v", filter, value, got)
				}
			}
		}
	}
	half := 0
	for _, row := range all {
		if c, ok := row["confidence"].(float64); ok && c >= 0.5 && c <= 0.9 {
			half++
		}
	}
	k.want("/api/knowledge/insights?min_confidence=0.5&max_confidence=0.9", []any{"total", float64(half)})
	k.want("/api/knowledge/insights?agent=nobody", []any{"total", 0.0}, []any{"insights", []any{}})
}
