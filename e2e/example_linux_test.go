package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What "make run" starts: examples/controlcenter.yaml, with an address and a storage of its own, and another port of its demo.
func TestTheExampleConfigurationRuns(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "controlcenter.yaml")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(freePort(t))
	if !bytes.Contains(text, []byte("8901")) {
		t.Fatal("its demo has another port")
	}
	write(t, conf, string(bytes.ReplaceAll(text, []byte("8901"), []byte(port))))
	state := filepath.Join(t.TempDir(), "state")
	sweep(t, state)
	d := serve(t, launch{dir: state, args: []string{"--config.file=" + conf}})
	t.Cleanup(func() { d.send("POST", "/api/services/actions/stop", `{"all":true}`) })

	type status struct {
		State, Health string
		RetryAt       *time.Time           `json:"retry_at"`
		LastExit      *struct{ Code *int } `json:"last_exit"`
	}
	of := func(id string) (s status) {
		t.Helper()
		d.json("/api/services/"+id+"/status", &s)
		return s
	}
	d.waitFor("the steady demo is healthy", func() bool { s := of("demo-steady"); return s.State == "running" && s.Health == "healthy" })
	demo := daemon{t: t, url: "http://127.0.0.1:" + port}
	if code, body := demo.get("/health"); code != http.StatusOK {
		t.Errorf("the steady demo answers %d %s", code, body)
	}

	if code, body := d.send("POST", "/api/jobs/demo-job/run", ""); code != http.StatusOK && code != http.StatusAccepted && code != http.StatusConflict {
		t.Errorf("run the job: %d %s", code, body)
	}
	d.waitFor("the job has run well", func() bool { r := d.lastRun("demo-job"); return r.Result == "success" && r.Code != nil && *r.Code == 0 })
	var job struct {
		NextRun *time.Time `json:"next_run"`
	}
	d.json("/api/services/demo-job/status", &job)
	if job.NextRun == nil || !job.NextRun.After(time.Now().Add(-time.Minute)) || job.NextRun.After(time.Now().Add(2*time.Minute)) {
		t.Errorf("it is scheduled for %v", job.NextRun)
	}

	var s status
	d.waitFor("the crashing demo waits to be started again", func() bool { s = of("demo-crash"); return s.State == "backoff" })
	if s.RetryAt == nil || s.LastExit == nil || s.LastExit.Code == nil || *s.LastExit.Code != 3 {
		t.Errorf("the crashing demo: %+v", s)
	}
	d.waitFor("and is", func() bool { return of("demo-crash").State == "running" })

	d.waitFor("its knowledge is found", func() bool {
		var stats struct {
			TotalFiles int `json:"total_files"`
		}
		d.json("/api/knowledge/stats", &stats)
		return stats.TotalFiles > 0
	})
}
