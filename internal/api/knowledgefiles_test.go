package api

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
