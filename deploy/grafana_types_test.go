package deploy

import (
	"os"
	"os/exec"
	"testing"
)

// TestDashboardsHaveGrafanasTypes compiles the dashboards against npm's @grafana/schema; scripts/need.sh installs it.
func TestDashboardsHaveGrafanasTypes(t *testing.T) {
	node := need(t, "node")
	if _, err := os.Stat("grafana/check/node_modules/@grafana/schema"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("deploy/grafana/check/node_modules is missing: run npm ci there")
		}
		t.Skip("SKIPPED: run npm ci in deploy/grafana/check")
	}
	cmd := exec.CommandContext(t.Context(), node, "check.mjs")
	cmd.Dir = "grafana/check"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
