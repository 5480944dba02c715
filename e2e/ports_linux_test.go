package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
)

// The ports of definitions: who has one already is named and left alone, and each has its series, also outside the range shown.
func TestPortsOfServicesAreGuardedAndCounted(t *testing.T) {
	s := newServices(t)
	first, other, late := freePort(t), freePort(t), freePort(t)
	steady := func(port int) []string { return []string{binary, "demo", "steady", "--port", fmt.Sprint(port)} }
	s.add("first", steady(first), fmt.Sprintf("ports: [%d]", first), fmt.Sprintf(`probes: {readiness: {tcp: "127.0.0.1:%d", interval: 200ms}}`, first))
	s.add("quiet", []string{"sleep", "100000"}, fmt.Sprintf("ports: [%d]", other))
	s.add("late", steady(late), fmt.Sprintf("ports: [%d]", late))
	s.add("rival", []string{"sleep", "100000"}, fmt.Sprintf("ports: [%d]", first), "depends_on: {first: {condition: healthy}}")
	d := s.serve()
	listening := func(id string, port int) string {
		v, ok := d.metric(fmt.Sprintf(`controlcenter_service_port_listening{port="%d",service="%s"}`, port, id))
		if !ok {
			return "absent"
		}
		return fmt.Sprint(v)
	}
	d.waitFor("the services are up", func() bool { return d.stateOf("first") == "running" && d.stateOf("late") == "running" })
	d.waitFor("their ports are seen", func() bool {
		return listening("first", first) == "1" && listening("late", late) == "1" && listening("quiet", other) == "0"
	})

	code, body := d.send("POST", "/api/services/rival/start", "")
	var pid struct{ PID int }
	d.json("/api/services/first/status", &pid)
	if want := fmt.Sprintf("port %d is taken by service first (pid %d)", first, pid.PID); code < 400 || !bytes.Contains(body, []byte(want)) {
		t.Errorf("a start on a taken port: %d %s; it must say %q", code, body, want)
	}
	if s := d.stateOf("first"); s != "running" {
		t.Errorf("who has the port is %s", s)
	}

	if code, body := d.send("POST", "/api/services/late/stop", ""); code != http.StatusOK {
		t.Fatalf("stop: %d %s", code, body)
	}
	d.waitFor("the port is seen to be free", func() bool { return listening("late", late) == "0" })

	// Of somebody who is no service of ours.
	l := listen(t, late)
	code, body = d.send("POST", "/api/services/late/start", "")
	if want := fmt.Sprintf("(pid %d)", os.Getpid()); code < 400 || !bytes.Contains(body, []byte(want)) {
		t.Errorf("a start on a stranger's port: %d %s; it must name %q", code, body, want)
	}
	_ = l.Close()
	if code, body := d.send("POST", "/api/services/late/start", ""); code != http.StatusOK {
		t.Errorf("a start when the port is free again: %d %s", code, body)
	}
}

func listen(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
