package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// warnings returns what the history says of limits that are not in force, by the name of the limit.
func (d *daemon) warnings(id string) map[string]string {
	d.t.Helper()
	var page struct {
		Events []struct{ Kind, Title string }
	}
	d.json("/api/services/"+id+"/events?limit=1000", &page)
	out := map[string]string{}
	for _, e := range page.Events {
		if _, text, ok := strings.Cut(e.Title, "limits."); ok && e.Kind == "service.warning" {
			name, why, _ := strings.Cut(text, " is not in force: ")
			out[name] = why
		}
	}
	return out
}

// controlGroup returns the folder of the control group that was made for a process, "" = none was.
func controlGroup(t *testing.T, pid int) string {
	t.Helper()
	own, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || !strings.Contains(path, "/controlcenter-") {
			continue
		}
		for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			if dir := filepath.Join(mount, path); isDir(dir) {
				return dir
			}
		}
	}
	return ""
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// Each limit is either set in the service's control group, or the history says that it is not in force, and why. Never neither.
func TestALimitIsInForceOrSaidNotToBe(t *testing.T) {
	s := newServices(t)
	s.add("limited", []string{"sleep", "100000"}, "limits: {memory: 64MiB, cpu: 0.5, pids: 20}")
	s.add("free", []string{"sleep", "100000"})
	d := s.serve()
	d.waitFor("they run", func() bool { return d.stateOf("limited") == "running" && d.stateOf("free") == "running" })
	group, said := controlGroup(t, d.pidOf("limited")), d.warnings("limited")
	t.Logf("control group %q, not in force: %v", group, said)
	for limit, file := range map[string][2]string{"memory": {"memory.max", "67108864"}, "cpu": {"cpu.max", "50000 100000"}, "pids": {"pids.max", "20"}} {
		b, err := os.ReadFile(filepath.Join(group, file[0]))
		in := group != "" && err == nil && strings.TrimSpace(string(b)) == file[1]
		if why := said[limit]; in == (why != "") {
			t.Errorf("limits.%s: %s is %q, the history says %q", limit, file[0], b, why)
		} else if group != "" && os.IsNotExist(err) && why != "its cgroup controller is not available here" {
			t.Errorf("limits.%s: there is no %s, the history says %q", limit, file[0], why)
		}
	}
	if said := d.warnings("free"); len(said) > 0 {
		t.Errorf("warnings of a service without limits: %v", said)
	}
	s.stopAll(d)
	if group != "" && isDir(group) {
		t.Errorf("the control group of a run that is over is left: %s", group)
	}
}

// Where there is no control group to be had the service runs, and each limit is said not to be in force.
func TestWithoutControlGroupsEveryLimitIsSaidNotToBeInForce(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can hide the control groups")
	}
	s := newServices(t)
	s.add("limited", []string{"sleep", "100000"}, "limits: {memory: 64MiB, cpu: 0.5, pids: 20}")
	l := s.launch()
	l.wrap = []string{need(t, "unshare"), "-m", "sh", "-c", `umount -a -t cgroup2 && exec "$0" "$@"`}
	d := serve(t, l)
	d.waitFor("it runs", func() bool { return d.stateOf("limited") == "running" })
	if group := controlGroup(t, d.pidOf("limited")); group != "" {
		t.Fatalf("it is in a control group: %s", group)
	}
	said := d.warnings("limited")
	for _, limit := range []string{"memory", "cpu", "pids"} {
		if said[limit] != "no writable cgroup v2" {
			t.Errorf("limits.%s: the history says %q", limit, said[limit])
		}
	}
	s.stopAll(d)
}

// limits.restart_above looks at the whole tree: what is large here is a child.
func TestAServiceThatTakesTooMuchMemoryIsRestarted(t *testing.T) {
	s := newServices(t)
	work := t.TempDir()
	s.add("grows", []string{"sh", "-c", `[ -e ran ] || { touch ran; sh -c 'x=$(head -c 150000000 /dev/zero | tr "\0" x); echo large; sleep 100000; echo $x' & }; echo up; while :; do sleep 1; done`},
		"limits: {restart_above: 96MiB}", "restart: {initial: 20ms}", "cwd: "+work)
	d := s.serve()
	var history struct{ Runs []lastRun }
	d.waitFor("it is restarted", func() bool {
		d.json("/api/services/grows/runs", &history)
		return len(history.Runs) > 1 && history.Runs[0].Result == "running" && d.stateOf("grows") == "running"
	})
	if first := history.Runs[len(history.Runs)-1]; first.Result != "unhealthy" || !strings.Contains(first.Reason, "its memory is ") || !strings.Contains(first.Reason, ", above 96MiB") {
		t.Errorf("its first run: %+v", first)
	}
	if len(history.Runs) != 2 {
		t.Errorf("its runs: %+v", history.Runs)
	}
	s.stopAll(d)
}
