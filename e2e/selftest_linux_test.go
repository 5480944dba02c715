package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestSelftestPasses(t *testing.T) {
	knowledge, err := filepath.Abs("../examples/knowledge")
	if err != nil {
		t.Fatal(err)
	}
	s := newServices(t)
	s.add("restless", []string{"sh", "-c", "sleep 0.3; exit 1"}, "restart: {policy: always, initial: 20ms, max: 100ms, limit: {attempts: 0}}")
	s.yaml.WriteString("  byhand: {type: job, command: [\"true\"]}\nknowledge: {roots: [{id: examples, path: " + knowledge + "}]}\n")
	d := s.serve()
	d.waitFor("the knowledge base is read and a service has crashed", func() bool {
		_, insights := d.get("/api/knowledge/insights")
		crashes, _ := d.metric(`controlcenter_service_crashes_total{service="restless"}`)
		return bytes.Contains(insights, []byte(`"review":null`)) && crashes > 0
	})
	out, err := exec.Command(binary, "selftest", "--url", d.url).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
