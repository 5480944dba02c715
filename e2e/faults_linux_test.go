package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stubborn is a shell that ignores SIGTERM with a child that does so too, a daemon in a session of its own, and a grandchild.
const stubborn = `trap '' TERM; (trap '' TERM; sleep 1001) & setsid sh -c 'trap "" TERM; setsid sleep 1002 & sleep 1003' & wait; sleep 1004`

func (d *daemon) stateOf(id string) string {
	d.t.Helper()
	var s struct{ State string }
	d.json("/api/services/"+id+"/status", &s)
	return s.State
}

func TestStopEndsAWholeTreeThatIgnoresIt(t *testing.T) {
	s := newServices(t)
	const grace = 500 * time.Millisecond
	s.add("tree", []string{"sh", "-c", stubborn}, "stop: {grace: 500ms}")
	s.add("other", []string{"sleep", "100000"})
	d := s.serve()
	alive := func(id string) int { return len(marked("E2E_SERVICE=" + id + "\x00")) }
	ours := func(id string) int {
		n := 0
		for _, env := range marked("E2E_STATE=" + s.dir + "\x00") {
			if variable(env, "E2E_SERVICE") == id {
				n++
			}
		}
		return n
	}
	d.waitFor("the tree is up", func() bool { return ours("tree") >= 4 && ours("other") == 1 && d.stateOf("tree") == "running" })
	began := time.Now()
	code, body := d.send("POST", "/api/services/tree/stop", "")
	took := time.Since(began)
	if n := ours("tree"); code != http.StatusOK || n != 0 {
		t.Errorf("stop: %d %s; %d processes live", code, body, n)
	}
	t.Logf("gone, booked and answered %s after the deadline", (took - grace).Round(time.Millisecond))
	if alive("other") == 0 || d.stateOf("other") != "running" {
		t.Error("another service was touched")
	}
	d.send("POST", "/api/services/actions/stop", `{"all":true}`)
}

// A full disk of the data directory refuses starts and changes, and nothing else.
func TestAFullDataDiskRefusesStartsAndNothingElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	s := newServices(t)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(s.dir, unix.MNT_DETACH) })
	for _, id := range []string{"one", "two", "three"} {
		s.add(id, []string{"sleep", "100000"})
	}
	d := s.serve()
	d.waitFor("all run", func() bool {
		return d.stateOf("one") == "running" && d.stateOf("two") == "running" && d.stateOf("three") == "running"
	})
	if code, body := d.send("POST", "/api/services/three/stop", ""); code != http.StatusOK {
		t.Fatalf("stop: %d %s", code, body)
	}
	ballast, err := os.Create(filepath.Join(s.dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size >= 1; size /= 2 {
		for b := make([]byte, size); err == nil; {
			_, err = ballast.Write(b)
		}
		err = nil
	}
	_ = ballast.Close()

	refused := func(method, path, body string) {
		t.Helper()
		code, answer := d.send(method, path, body)
		var p struct{ Error, Code string }
		if err := json.Unmarshal(answer, &p); err != nil || code != http.StatusInsufficientStorage || p.Code != "storage_full" || !strings.Contains(p.Error, "full") && !strings.Contains(p.Error, "no space") {
			t.Errorf("%s %s on a full disk: %d %s", method, path, code, answer)
		}
	}
	refused("PUT", "/api/services/new", `{"command":["true"],"env":{"BIG":"`+strings.Repeat("x", 700<<10)+`"}}`)
	if code, _ := d.get("/api/services/new"); code != http.StatusNotFound {
		t.Errorf("what was refused is there: %d", code)
	}
	// A start needs little: it works while there is room inside of the files, else it is refused as a whole.
	if code, body := d.send("POST", "/api/services/three/start", ""); code != http.StatusOK && code != http.StatusInsufficientStorage {
		t.Errorf("start: %d %s", code, body)
	}
	if code, body := d.send("POST", "/api/services/one/stop", ""); code != http.StatusOK || d.stateOf("one") != "stopped" {
		t.Errorf("stop: %d %s", code, body)
	}
	if code, body := d.send("POST", "/api/services/two/kill", ""); code != http.StatusOK || d.stateOf("two") != "stopped" {
		t.Errorf("kill: %d %s", code, body)
	}
	if code, _ := d.get("/metrics"); code != http.StatusOK {
		t.Errorf("/metrics: %d", code)
	}
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	d.waitFor("it starts when there is room", func() bool {
		code, _ := d.send("POST", "/api/services/three/start", "")
		return code == http.StatusOK || code == http.StatusConflict && d.stateOf("three") == "running"
	})
	d.send("POST", "/api/services/actions/stop", `{"all":true}`)
}
