package exporter

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mountFUSE mounts a FUSE file system on a new directory and returns its mountpoint and its server.
func mountFUSE(t *testing.T) (mountpoint string, server *os.Process) {
	t.Helper()
	tool, err := exec.LookPath("bindfs")
	if err != nil {
		needed(t, "bindfs is not installed: apt-get install bindfs")
	}
	if os.Getuid() != 0 {
		needed(t, "mounting a file system needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		needed(t, "this machine has no /dev/fuse")
	}
	dir, err := os.MkdirTemp("", "mount")
	if err != nil {
		t.Fatal(err)
	}
	from, mountpoint := filepath.Join(dir, "from"), filepath.Join(dir, "mount point")
	for _, d := range []string{from, mountpoint} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, "-f", from, mountpoint)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = syscall.Unmount(mountpoint, syscall.MNT_DETACH)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	eventually(t, "the mount is there", func() bool {
		b, err := os.ReadFile("/proc/self/mountinfo")
		return err == nil && strings.Contains(string(b), filepath.Base(dir)+`/mount\040point`)
	})
	return mountpoint, cmd.Process
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(15 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func find(v *Filesystems, mountpoint string) *Filesystem {
	for i := range v.List {
		if v.List[i].Mountpoint == mountpoint {
			return &v.List[i]
		}
	}
	return nil
}

func TestAHungMountCostsOnlyItsOwnNumbers(t *testing.T) {
	mountpoint, server := mountFUSE(t)
	r := newFilesystemReader(&Options{ProcRoot: "/proc", SysRoot: "/sys"})
	defer r.close()
	read := func() (*Filesystems, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the sampler's deadline
		defer cancel()
		v, err := r.read(ctx)
		if ctx.Err() != nil {
			t.Fatal("the reading took longer than its deadline")
		}
		if v == nil {
			t.Fatal(err)
		}
		return v, err
	}
	v, err := read()
	if f := find(v, mountpoint); err != nil || f == nil || !(f.SizeBytes > 0) || f.Hung || f.Type != "fuse" || !f.Node {
		t.Fatalf("before: %+v, %v", f, err)
	}
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var first *mountJob
	for range 3 {
		v, err = read()
		if !errors.Is(err, ErrPartial) || !strings.Contains(err.Error(), mountpoint) {
			t.Fatalf("got %v, want a partial error that names %s", err, mountpoint)
		}
		f := find(v, mountpoint)
		if f == nil || !f.Hung || f.SizeBytes == f.SizeBytes || f.Problem != mountTimeout {
			t.Fatalf("hung: %+v", f)
		}
		if m := v.Main(); m == nil || !(m.SizeBytes > 0) || m.Hung {
			t.Fatalf("the root file system went with it: %+v", m)
		}
		if len(r.asker.jobs) != 1 {
			t.Fatalf("%d questions open, want the one", len(r.asker.jobs))
		}
		for _, j := range r.asker.jobs {
			if first == nil {
				first = j
			}
			if j != first {
				t.Fatal("the hung mount was asked again")
			}
		}
	}
	e := newEmitter()
	e.reset(&Settings{}, nil)
	emitFilesystemsNode(v, e)
	shown := false
	for _, mf := range e.families() {
		for _, m := range mf.GetMetric() {
			if strings.Contains(seriesKey(m), mountpoint) {
				switch mf.GetName() {
				case "node_filesystem_device_error":
					shown = m.GetGauge().GetValue() == 1
				case "node_filesystem_readonly":
				default:
					t.Errorf("%s of a hung mount", mf.GetName())
				}
			}
		}
	}
	if !shown {
		t.Error("node_filesystem_device_error is not 1")
	}
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the open question is answered", func() bool {
		select {
		case <-first.done:
			return true
		default:
			return false
		}
	})
	if v, err = read(); err != nil || find(v, mountpoint) == nil || find(v, mountpoint).Hung {
		t.Fatalf("after: %+v, %v", find(v, mountpoint), err)
	}
}

func TestMountsAreShownOnceEach(t *testing.T) {
	b, err := os.ReadFile("testdata/mountinfo/container")
	if err != nil {
		t.Fatal(err)
	}
	r := newFilesystemReader(&Options{})
	got := map[string]Filesystem{}
	for _, m := range r.choose(parseMountInfo(b)) {
		if _, twice := got[m.fs.Mountpoint]; twice {
			t.Errorf("%s is there twice", m.fs.Mountpoint)
		}
		got[m.fs.Mountpoint] = m.fs
	}
	cases := []struct {
		mountpoint string
		shown      bool
		device     string
		main, node bool
		readOnly   bool
	}{
		{"/", true, "overlay", true, false, false},
		{"/proc", false, "", false, false, false},
		{"/sys/fs/cgroup", false, "", false, false, false},
		{"/etc/hosts", true, "/dev/sda2", false, true, false},
		{"/data", true, "/dev/sdc1", false, true, false}, // mounted over another
		{`/srv/with blank\x09and tab`, true, "//server/share", false, true, false},
		{"/srv/back\\slash", true, "/dev/sdd1", false, true, true},
		{"/srv/bad\uFFFD", true, "/dev/sde1", false, true, true},
		{"/run", true, "tmpfs", false, true, false},
	}
	for _, c := range cases {
		f, ok := got[c.mountpoint]
		if ok != c.shown || f.Device != c.device || f.Main != c.main || f.Node != c.node || f.ReadOnly != c.readOnly {
			t.Errorf("%s: got shown %v %+v, want %+v", c.mountpoint, ok, f, c)
		}
	}
}

// BenchmarkFilesystemRead is not among the fast parts, but runs every 30 s for good.
func BenchmarkFilesystemRead(b *testing.B) {
	p := newFilesystem(&Options{ProcRoot: "/proc", SysRoot: "/sys"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAScrapeGoesOnWhileAMountHangs(t *testing.T) {
	mountpoint, server := mountFUSE(t)
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s := runSampler(t, Options{})
	got := gather(t, s, Filter{})
	for _, name := range []string{"controlcenter_cpu_usage_ratio", "controlcenter_memory_used_ratio", "controlcenter_filesystem_size_bytes"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for _, m := range got["controlcenter_collector_success"].GetMetric() {
		name := m.GetLabel()[0].GetValue()
		if want := name != "filesystem"; (m.GetGauge().GetValue() == 1) != want {
			t.Errorf("collector %s: success %v, want %v: %v", name, m.GetGauge().GetValue(), want, s.Snapshot().Reading(name).Err)
		}
	}
	for _, m := range got["controlcenter_filesystem_size_bytes"].GetMetric() {
		if strings.Contains(seriesKey(m), mountpoint) {
			t.Error("a hung mount has a size")
		}
	}
	// Let go before the sampler's cleanup, which would wait for a second otherwise.
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
