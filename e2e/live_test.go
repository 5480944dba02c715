package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNewListenerIsNamedWithItsOwner(t *testing.T) {
	d := serve(t, launch{args: []string{}, env: []string{"PORT_SCAN_START=1", "PORT_SCAN_END=65535"}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	type row struct {
		Port    int
		PID     *int
		Process *string
		Status  string
	}
	find := func() *row {
		var answer struct{ Ports []row }
		d.json("/api/system/ports", &answer)
		for _, r := range answer.Ports {
			if r.Port == port {
				return &r
			}
		}
		return nil
	}
	d.waitFor("the new port is listed", func() bool { return find() != nil })
	r := find()
	if r.PID == nil || *r.PID != os.Getpid() || r.Process == nil || !strings.HasPrefix(filepath.Base(os.Args[0]), *r.Process) || r.Status != "LISTEN" {
		t.Errorf("row %+v, want pid %d, process %s", r, os.Getpid(), filepath.Base(os.Args[0]))
	}
	if _, ok := d.metric(fmt.Sprintf(`controlcenter_port_owner_pid{address="127.0.0.1",port="%d",process="%s",protocol="tcp",service=""}`, port, *r.Process)); !ok {
		if _, body := d.get("/metrics"); !strings.Contains(string(body), fmt.Sprintf(`port="%d"`, port)) {
			t.Error("the port has no series in /metrics")
		}
	}
	_ = l.Close()
	d.waitFor("the closed port is gone", func() bool { return find() == nil })
}

func TestThousandScrapesAtOnceCollectAtMostFourTimesASecond(t *testing.T) {
	d := serve(t, launch{})
	const reads = `controlcenter_collector_reads_total{collector="cpu"}`
	before, ok := d.metric(reads)
	if !ok {
		t.Fatal("no " + reads)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	begin := time.Now()
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			resp, err := client.Get(d.url + "/metrics")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("controlcenter_cpu_seconds_total")) {
				t.Errorf("%d %v", resp.StatusCode, err)
			}
		})
	}
	wg.Wait()
	after, _ := d.metric(reads)
	took := time.Since(begin)
	if limit := 4*took.Seconds() + 2; after-before > limit {
		t.Errorf("%v collections in %v, want at most %v", after-before, took, limit)
	}
	t.Logf("1,000 scrapes in %v, %v collections", took, after-before)
}

func TestHangingGPUToolCostsNothingElse(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "nvidia-smi"), "#!/bin/sh\nexec sleep 600\n")
	if err := os.Chmod(filepath.Join(bin, "nvidia-smi"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := serve(t, launch{env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}})
	d.waitFor("the gpu collector reports its failure", func() bool {
		v, ok := d.metric(`controlcenter_collector_success{collector="gpu"}`)
		return ok && v == 0
	})
	for _, series := range []string{`controlcenter_collector_success{collector="cpu"}`, `controlcenter_collector_success{collector="processes"}`, `controlcenter_collector_success{collector="ports"}`} {
		if v, ok := d.metric(series); !ok || v != 1 {
			t.Errorf("%s is %v (present %v), want 1", series, v, ok)
		}
	}
	if d.stop() != 0 {
		t.Error("does not stop cleanly")
	}
	if out, err := exec.Command("pgrep", "-f", bin).CombinedOutput(); err == nil {
		t.Errorf("the tool outlived the daemon: %s", out)
	}
}

func TestBackupAndRestoreRoundTrip(t *testing.T) {
	d := serve(t, launch{})
	file := filepath.Join(t.TempDir(), "state.backup")
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CC_URL=" + d.url}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%v: exit code %d, want %d: %s", args, code, want, out)
		}
		return string(out)
	}
	run(0, "backup", file)
	if fi, err := os.Stat(file); err != nil || fi.Size() == 0 || fi.Mode().Perm() != 0o600 {
		t.Errorf("backup file: %v %v", fi, err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	write(t, garbage, strings.Repeat("not a backup ", 1000))
	run(2, "restore", garbage)
	run(0, "restore", file)
	if code, _ := d.get("/health"); code != http.StatusOK {
		t.Errorf("/health answers %d after the restore", code)
	}
}
