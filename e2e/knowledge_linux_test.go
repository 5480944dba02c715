package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// knowledge gives the daemon a copy of the example tree as its knowledge base; scan is further lines of knowledge.scan.
func (s *services) knowledge(scan ...string) (root string) {
	s.t.Helper()
	root = filepath.Join(filepath.Dir(s.dir), "kb")
	if err := os.CopyFS(root, os.DirFS("../examples/knowledge")); err != nil {
		s.t.Fatal(err)
	}
	if s.yaml.String() == "services:\n" { // a map without an entry is refused
		s.yaml.Reset()
	}
	fmt.Fprintf(&s.yaml, "knowledge:\n  roots: [{id: main, path: %q}]\n  scan:\n    every: 7d\n", root)
	for _, line := range scan {
		s.yaml.WriteString("    " + line + "\n")
	}
	return root
}

// scanned waits until the first scan is done and nothing is scanned.
func (d *daemon) scanned() {
	d.t.Helper()
	d.waitFor("the first scan", func() bool {
		var st struct {
			Last     *string `json:"last_scan"`
			Scanning bool    `json:"scanning"`
		}
		d.json("/api/knowledge/stats", &st)
		return st.Last != nil && !st.Scanning
	})
}

// scanJob is what these tests read of a scan.
type scanJob struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Status  string   `json:"status"`
	Trigger string   `json:"trigger"`
	After   string   `json:"after_run"`
	Command string   `json:"command"`
	Exit    *int     `json:"exit_code"`
	Seen    int      `json:"files_seen"`
	Indexed int      `json:"files_indexed"`
	Deleted int      `json:"files_deleted"`
	Videos  int      `json:"videos_processed"`
	Log     []string `json:"log"`
}

func (d *daemon) scanJobs() []scanJob {
	d.t.Helper()
	var b struct{ Jobs []scanJob }
	d.json("/api/knowledge/jobs?limit=200", &b)
	return b.Jobs
}

func (d *daemon) has(name string) bool {
	code, _ := d.get("/api/knowledge/files/" + name)
	return code == http.StatusOK
}

// cli runs the program against the daemon.
func (d *daemon) cli(args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(binary, append(args, "--url", d.url)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// tool is an outside scan command that says what it was given, and writes a file named after it.
const tool = `echo "given: $*"; echo "Processing video: one"
case "$*" in *bad*) exit 3;; esac
mkdir -p ai-agents/ui-ux/new && echo "# Written for $*" > "ai-agents/ui-ux/new/$1.md"`

func TestScanCommandIsFollowedToTheScanOfItsFiles(t *testing.T) {
	s := newServices(t)
	script := filepath.Join(t.TempDir(), "tool.sh")
	write(t, script, tool)
	s.knowledge("watch: false", fmt.Sprintf("command: [sh, %q, \"{creator}\", \"--tier={priority}\", \"{force}\", --max-videos, \"{max_videos}\"]", script))
	d := s.serve()
	d.scanned()

	t.Run("over HTTP and frames", func(t *testing.T) {
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.url, "http")+"/api/knowledge/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		code, body := d.send("POST", "/api/knowledge/scan", `{"creator_id":"harbor-notes","max_videos":7}`)
		var started struct {
			ID      string `json:"job_id"`
			Command string `json:"command"`
		}
		if err := json.Unmarshal(body, &started); err != nil || code != 200 || !strings.HasSuffix(started.Command, "tool.sh harbor-notes --max-videos 7") {
			t.Fatalf("%d %s", code, body)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		var command, files *scanJob
		for files == nil || files.Status != "completed" {
			var f struct{ Job *scanJob }
			if err := conn.ReadJSON(&f); err != nil {
				t.Fatalf("%v; command %+v, scan after it %+v", err, command, files)
			}
			switch {
			case f.Job == nil:
			case f.Job.ID == started.ID:
				command = f.Job
			case f.Job.After == started.ID:
				files = f.Job
			}
		}
		if command == nil || command.Kind != "command" || command.Status != "completed" || *command.Exit != 0 || command.Videos != 1 ||
			!slices.Contains(command.Log, "given: harbor-notes --max-videos 7") {
			t.Errorf("the last frame of the command is %+v", command)
		}
		if files.Indexed != 1 || !d.has("ai-agents%2Fui-ux%2Fnew%2Fharbor-notes.md") {
			t.Errorf("the scan after it is %+v", files)
		}
	})
	t.Run("by the program", func(t *testing.T) {
		code, out, errs := d.cli("kb", "scan", "--creator", "PixelOrchard", "--max-videos", "3")
		if code != 0 || !strings.Contains(out, "given: PixelOrchard --max-videos 3") || !strings.Contains(out, "1 indexed") || !d.has("ai-agents%2Fui-ux%2Fnew%2FPixelOrchard.md") {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
		code, out, errs = d.cli("kb", "scan", "--creator", "bad", "-o", "json")
		var both struct{ Command, Scan scanJob }
		if err := json.Unmarshal([]byte(out), &both); err != nil || code != 1 || !strings.Contains(errs, "the scan command failed") ||
			*both.Command.Exit != 3 || both.Scan.Status != "completed" || both.Scan.After != both.Command.ID {
			t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
		}
		// Who asks for the run later gets the same.
		if code, out, errs := d.cli("kb", "jobs", both.Command.ID, "--follow"); code != 1 || !strings.Contains(out, both.Scan.ID) {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
	})
}

func TestHeldDeletionsAreMadeWhenAPersonConfirms(t *testing.T) {
	s := newServices(t)
	root := s.knowledge("watch: false")
	bulk := filepath.Join(root, "ai-agents/integration/bulk")
	fill := func(n int) {
		for i := range n {
			name := filepath.Join(bulk, fmt.Sprintf("note-%03d.md", i))
			if err := os.MkdirAll(bulk, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, name, fmt.Sprintf("# Note %d\n\nmassword\n", i))
		}
	}
	found := func(d *daemon) (n int) {
		var b struct{ Total int }
		d.json("/api/knowledge/search?query=massword", &b)
		return b.Total
	}
	held := func(d *daemon) int {
		var b struct {
			Held []struct{ Count int }
		}
		d.json("/api/knowledge/held", &b)
		if len(b.Held) == 0 {
			return 0
		}
		return b.Held[0].Count
	}
	const n = 150
	fill(n)
	d := s.serve()
	d.scanned()
	if code, body := d.send("POST", "/api/knowledge/held/confirm", ""); code != http.StatusConflict {
		t.Errorf("nothing is held: %d %s", code, body)
	}
	for _, confirm := range []func(){
		func() {
			code, body := d.send("POST", "/api/knowledge/held/confirm?root=main", "")
			var b struct {
				ID string `json:"job_id"`
			}
			if err := json.Unmarshal(body, &b); err != nil || code != 200 {
				t.Fatalf("confirm: %d %s", code, body)
			}
			d.waitFor("the deletions", func() bool {
				return slices.ContainsFunc(d.scanJobs(), func(j scanJob) bool { return j.ID == b.ID && j.Status == "completed" && j.Deleted == n })
			})
		},
		func() {
			if code, out, errs := d.cli("kb", "scan", "--confirm-deletions"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d deleted", n)) {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
		},
	} {
		if found(d) != n {
			t.Fatalf("%d files of %d are found", found(d), n)
		}
		if err := os.RemoveAll(bulk); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := d.cli("kb", "scan"); code != 0 || !strings.Contains(out, "--confirm-deletions") || held(d) != n || found(d) != n {
			t.Fatalf("exit %d, %d held, %d found\n%s%s", code, held(d), found(d), out, errs)
		}
		confirm()
		if held(d) != 0 || found(d) != 0 || d.has("ai-agents%2Fintegration%2Fbulk%2Fnote-000.md") {
			t.Errorf("after the confirmation %d are held, %d found", held(d), found(d))
		}
		fill(n)
		if code, out, errs := d.cli("kb", "scan"); code != 0 {
			t.Fatalf("exit %d\n%s%s", code, out, errs)
		}
	}
}

// withKey sends a key with each request.
type withKey string

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

func TestAgentsReadTheKnowledgeAndAViewerChangesNothing(t *testing.T) {
	s := newServices(t)
	s.add("idle", []string{"sleep", "100000"})
	root := s.knowledge("watch: false")
	write(t, filepath.Join(root, "long.md"), "# Long\n\n"+strings.Repeat("wörds ", 20_000))
	d := s.serve()
	d.scanned()
	connect := func(role string) func(tool string, args map[string]any) (map[string]any, string) {
		code, body := d.send("POST", "/api/keys", fmt.Sprintf(`{"name":"agent-%s","role":%q}`, role, role))
		var made struct{ Key string }
		if err := json.Unmarshal(body, &made); err != nil || code != http.StatusCreated || made.Key == "" {
			t.Fatalf("key: %d %s", code, body)
		}
		client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
			Endpoint: d.url + "/mcp", DisableStandaloneSSE: true, HTTPClient: &http.Client{Transport: withKey(made.Key)},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return func(tool string, args map[string]any) (map[string]any, string) {
			res, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
			if err != nil {
				return nil, err.Error()
			}
			if res.IsError {
				return nil, res.Content[0].(*mcp.TextContent).Text
			}
			return res.StructuredContent.(map[string]any), ""
		}
	}
	call := connect("viewer")
	first := func(m map[string]any, list string) map[string]any {
		all, _ := m[list].([]any)
		if len(all) == 0 {
			t.Fatalf("no %s in %v", list, m)
		}
		return all[0].(map[string]any)
	}
	said, failed := call("kb_search", map[string]any{"query": `"checkpoints in a volume"`})
	if hit := first(said, "results"); failed != "" || hit["t"] != 350.0 || hit["said"] != "keep the checkpoints in a volume, your registry will thank you" ||
		hit["url"] != "https://www.youtube.com/watch?t=350&v=exampleBB02" {
		t.Errorf("a hit in a transcript: %v %s", hit, failed)
	}
	said, failed = call("kb_search", map[string]any{"query": "layer caching", "agent": "integration", "limit": 1})
	hit := first(said, "results")
	if failed != "" || hit["title"] != "Layer caching that survives a rebuild" || hit["agent"] != "integration" || hit["confidence"] != 0.88 {
		t.Errorf("search: %v %s", hit, failed)
	}
	if said, failed = call("kb_read", map[string]any{"id": hit["id"]}); failed != "" || !strings.HasPrefix(said["text"].(string), "# Layer caching that survives") || said["cut"] != nil {
		t.Errorf("read: %v %s", said, failed)
	}
	said, failed = call("kb_read", map[string]any{"id": "long.md"})
	if failed != "" || said["cut"] != true || len(said["text"].(string)) > 100_000 || len(said["text"].(string)) < 99_990 {
		t.Errorf("a long file: cut %v, %d bytes, %s", said["cut"], len(fmt.Sprint(said["text"])), failed)
	}
	said, failed = call("kb_insights", map[string]any{"agent": "integration", "min_confidence": 0.85, "limit": 100})
	if in := first(said, "insights"); failed != "" || in["text"] == "" || in["confidence"].(float64) < 0.85 || in["document_id"] == "" {
		t.Errorf("insights: %v %s", in, failed)
	}
	if said, failed = call("kb_creators", map[string]any{"priority": "critical"}); failed != "" || first(said, "creators")["id"] != "latent-lantern" {
		t.Errorf("creators: %v %s", said, failed)
	}
	state := func() (status string, pid int) {
		var b struct {
			Status string
			PID    int
		}
		d.json("/api/services/idle/status", &b)
		return b.Status, b.PID
	}
	var before int
	d.waitFor("the service", func() bool {
		status, pid := state()
		before = pid
		return status == "running" && pid > 0
	})
	for _, c := range []struct {
		tool string
		args map[string]any
		want string
	}{
		{"kb_search", map[string]any{"query": `"open`}, "column"},
		{"kb_search", map[string]any{"query": "caching", "limit": 51}, "1 to 50"},
		{"kb_read", map[string]any{"id": "/etc/passwd"}, "outside"},
		{"kb_read", map[string]any{"id": "p-aaaaaaaaaaaaaaaa"}, "not found"},
		{"kb_insights", map[string]any{"min_confidence": 1.5}, "confidence"},
		{"kb_insights", map[string]any{"status": "loud"}, "status"},
		{"service_restart", map[string]any{"name": "idle"}, "service_restart"},
		{"service_start", map[string]any{"name": "idle"}, "service_start"},
		{"service_stop", map[string]any{"name": "idle"}, "service_stop"},
	} {
		if said, failed := call(c.tool, c.args); failed == "" || !strings.Contains(failed, c.want) {
			t.Errorf("%s with %v: %v %q, want %q", c.tool, c.args, said, failed, c.want)
		}
	}
	if status, pid := state(); status != "running" || pid != before {
		t.Errorf("a viewer's calls made the service %s, pid %d, it was %d", status, pid, before)
	}
	// The same call is there for an operator.
	said, failed = connect("operator")("service_stop", map[string]any{"name": "idle"})
	if status, _ := state(); failed != "" || status != "stopped" {
		t.Errorf("an operator's stop: %v %s, the service is %s", said, failed, status)
	}
}
