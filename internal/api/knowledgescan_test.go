package api

import (
	"os"
	"strings"
	"testing"
)

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
