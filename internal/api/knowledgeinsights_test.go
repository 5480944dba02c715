package api

import (
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
