package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestAgentsUseTheDaemonOverBothTransports speaks MCP as agents do: over HTTP, and with our own program on its pipes.
func TestAgentsUseTheDaemonOverBothTransports(t *testing.T) {
	s := newServices(t)
	s.add("talker", []string{"sh", "-c", "echo hello agent; exec sleep 100000"})
	d := s.serve()
	for name, transport := range map[string]mcp.Transport{
		"http":  &mcp.StreamableClientTransport{Endpoint: d.url + "/mcp", DisableStandaloneSSE: true},
		"stdio": &mcp.CommandTransport{Command: exec.Command(binary, "mcp", "--url", d.url)},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), transport, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			tools, err := client.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range tools.Tools {
				names = append(names, tool.Name)
			}
			for _, want := range []string{"system_stats", "services_list", "service_logs", "service_restart"} {
				if !slices.Contains(names, want) {
					t.Errorf("no tool %s among %v", want, names)
				}
			}
			call := func(tool string, args map[string]any) (string, bool) {
				res, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
				if err != nil {
					t.Fatalf("%s: %v", tool, err)
				}
				text, err := json.Marshal(res.StructuredContent)
				if err != nil {
					t.Fatal(err)
				}
				if c, ok := res.Content[0].(*mcp.TextContent); ok && res.IsError {
					return c.Text, true
				}
				return string(text), res.IsError
			}
			d.waitFor("the service has spoken", func() bool {
				text, failed := call("service_logs", map[string]any{"name": "talker"})
				return !failed && strings.Contains(text, "hello agent")
			})
			if text, failed := call("service_restart", map[string]any{"name": "Talker"}); failed || !strings.Contains(text, `"state":"running"`) {
				t.Errorf("restart: %s", text)
			}
			if text, failed := call("service_stop", map[string]any{"name": "nobody"}); !failed || !strings.Contains(text, `no service "nobody"`) {
				t.Errorf("an unknown service: %s", text)
			}
			if text, failed := call("service_logs", map[string]any{"name": "talker", "lines": 5000}); !failed || !strings.Contains(text, "1 to 1000") {
				t.Errorf("too many lines: %s", text)
			}
			checkAudit(t, d)
			if text, failed := call("system_stats", nil); failed || !strings.Contains(text, "memory_total_bytes") {
				t.Errorf("stats: %s", text)
			}
		})
	}
}

// checkAudit: what agents change is in the audit log by tool and target, what they read is not. Rows of calls that change nothing
// come right after the answer.
func checkAudit(t *testing.T, d *daemon) {
	t.Helper()
	var got []string
	look := func() {
		var body struct {
			Entries []struct {
				Action, Target, Result string
			}
		}
		d.json("/api/audit?limit=100", &body)
		got = nil
		for _, e := range body.Entries {
			if e.Action == "POST /mcp" {
				got = append(got, e.Target+": "+e.Result)
			}
		}
	}
	for _, want := range []string{"service_restart Talker: changed", "service_stop nobody: ok"} {
		d.waitFor(want+" in the audit log", func() bool { look(); return slices.Contains(got, want) })
	}
	for _, g := range got {
		if !strings.HasPrefix(g, "service_restart ") && !strings.HasPrefix(g, "service_stop ") {
			t.Errorf("a call that reads is there: %q", g)
		}
	}
}
