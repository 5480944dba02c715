package exporter

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func readProcesses(t testing.TB, r *processReader, at time.Time) *Processes {
	t.Helper()
	p, err := r.read(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func findProcess(p *Processes, pid int) *Process {
	for i := range p.List {
		if p.List[i].PID == pid {
			return &p.List[i]
		}
	}
	return nil
}

func newTestProcesses(t testing.TB, root string) *processReader {
	t.Helper()
	st := DefaultSettings()
	r := newProcessReader(testOptions(root, "/sys", &st))
	t.Cleanup(func() { r.close() })
	return r
}

// writeProcess writes one process into a /proc of the test's own. Files are written in place, as kept descriptors expect.
func writeProcess(t *testing.T, root string, pid int, stat, cmdline string) {
	t.Helper()
	dir := filepath.Join(root, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": stat, "cmdline": cmdline} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProcessesOfAFixture(t *testing.T) {
	r := newTestProcesses(t, "testdata/proc_processes")
	p := readProcesses(t, r, time.Now())
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	page := float64(os.Getpagesize())
	for _, want := range []Process{
		{PID: 1, Name: "systemd", Status: "sleeping", Cmdline: "/sbin/init splash", CPUSeconds: 12.5, MemoryBytes: 3000 * page, Threads: 1, StartTicks: 2},
		{PID: 2, Name: "kthreadd", Status: "sleeping", Threads: 1},
		{PID: 31, PPID: 2, Name: "kworker/0:1H-kblockd", Status: "idle", Threads: 1, StartTicks: 41},
		{PID: 400, PPID: 1, Name: "systemd-timesyncd", Status: "sleeping", Cmdline: "/lib/systemd/systemd-timesyncd", MemoryBytes: 1500 * page, Threads: 2, StartTicks: 300, CPUSeconds: 0.11},
		{PID: 512, PPID: 1, Name: `a) R 7 (b\x0ac`, Status: "disk_sleep", Cmdline: "tool --password=***", MemoryBytes: 10 * page, Threads: 1, StartTicks: 500},
		{PID: 600, PPID: 512, Name: "gone", Status: "zombie", Threads: 1, StartTicks: 600},
		{PID: 700, PPID: 1, Name: "vi", Status: "stopped", Cmdline: "vi", Threads: 1, StartTicks: 700, MemoryBytes: page},
	} {
		want.User = self.Username
		want.StartSeconds = 1700000000 + float64(want.StartTicks)/100
		want.MemoryPercent = want.MemoryBytes / (16000000 * 1024) * 100
		got := findProcess(p, want.PID)
		if got == nil {
			t.Errorf("process %d is missing", want.PID)
		} else if *got != want {
			t.Errorf("got  %+v\nwant %+v", *got, want)
		}
	}
	if len(p.List) != 7 || p.Unreadable != 1 || p.Threads != 8 {
		t.Errorf("%d processes, %d unreadable, %d threads; want 7, 1 (the garbage of 800), 8", len(p.List), p.Unreadable, p.Threads)
	}
	states := fmt.Sprint(p.States)
	if want := "[{running 0} {sleeping 3} {disk_sleep 1} {zombie 1} {stopped 1} {idle 1} {other 0}]"; states != want {
		t.Errorf("states %s, want %s", states, want)
	}
	if p.List[0].PID != 1 || p.List[1].PID != 400 {
		t.Errorf("without CPU the largest come first; got %d, %d", p.List[0].PID, p.List[1].PID)
	}
	if g := p.Groups[len(p.Groups)-1]; g.Name != "other" || p.Withheld != 0 {
		t.Errorf("last group %+v, withheld %d", g, p.Withheld)
	}
	series := emitPart(t, newProcesses(r.o), p, DefaultSettings())
	for key, want := range map[string]float64{
		"controlcenter_processes{state=sleeping}": 3, "controlcenter_threads{}": 8,
		"controlcenter_process_instances{name=kworker}": 1, "controlcenter_process_instances{name=other}": 0,
		"controlcenter_process_resident_memory_bytes{name=systemd}": 3000 * page,
		"controlcenter_series_withheld{collector=processes}":        0, "controlcenter_processes_unreadable{}": 1,
	} {
		if got, ok := series[key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}
}

func TestCPUOfProcesses(t *testing.T) {
	for _, budget := range []int{100, 0} { // with kept descriptors and without
		t.Run(fmt.Sprintf("%d descriptors", budget), func(t *testing.T) {
			root := t.TempDir()
			r := newTestProcesses(t, root)
			r.budget = budget
			boot := r.clock()
			write := func(pid int, comm string, ticks, start uint64) {
				writeProcess(t, root, pid, statLine(pid, comm, "S", 1, 0, ticks, 0, 1, start, 1), comm+"\x00")
			}
			write(10, "old", 5000, 1)
			write(11, "reused", 100, 1)
			at := time.Now()
			p := readProcesses(t, r, at)
			if got := findProcess(p, 10); got.CPUPercent != 0 || got.CPUSeconds != 50 {
				t.Errorf("first reading: %v %%, %v s; want 0 %% and 50 s", got.CPUPercent, got.CPUSeconds)
			}

			write(10, "old", 5150, 1)
			write(11, "reused", 90, boot+1_000_000) // another process by its start time
			write(12, "late", 7000, 5)              // older than the first reading, but seen only now
			r.lastTicks = boot
			at = at.Add(5 * time.Second)
			p = readProcesses(t, r, at)
			for pid, want := range map[int]float64{10: 30, 12: 0} {
				if got := findProcess(p, pid).CPUPercent; math.Abs(got-want) > 1e-9 {
					t.Errorf("process %d uses %v %%, want %v", pid, got, want)
				}
			}
			// Its start lies ahead of the clock, so its age counts as one tick.
			if got := findProcess(p, 11).CPUPercent; got != 9000 {
				t.Errorf("a process born since counts its whole CPU over its age: got %v %%, want 9000", got)
			}
			total := 0.0
			for _, g := range p.Groups {
				total += g.CPUSeconds
			}
			if math.Abs(total-2.4) > 1e-9 {
				t.Errorf("groups gained %v s, want 1.5 + 0.9", total)
			}
			if p.List[0].PID != 11 || p.List[1].PID != 10 {
				t.Errorf("the list begins with %d, %d; want 11, 10", p.List[0].PID, p.List[1].PID)
			}
		})
	}
}

func TestEndedProcessLeavesNothing(t *testing.T) {
	r := newTestProcesses(t, "/proc")
	child := startChild(t, "rename", nil, "plain")
	child.line(t)
	p := readProcesses(t, r, time.Now())
	got := findProcess(p, child.pid())
	if got == nil || got.Name != "plain" || got.PPID != os.Getpid() {
		t.Fatalf("the child is shown as %+v", got)
	}
	fd := r.entries[child.pid()].fd
	if fd < 0 {
		t.Fatal("no descriptor is kept for the child")
	}
	budget := r.budget + len(r.entries)
	child.end()
	p = readProcesses(t, r, time.Now())
	if got := findProcess(p, child.pid()); got != nil {
		t.Errorf("the ended child is still shown: %+v", got)
	}
	if r.entries[child.pid()] != nil {
		t.Error("the ended child still has an entry")
	}
	if r.budget+len(r.entries) != budget {
		t.Errorf("%d descriptors are free or in use, want %d", r.budget+len(r.entries), budget)
	}
}

func TestProcessWithAStrangeName(t *testing.T) {
	for given, want := range map[string]string{
		"a) S 1 (b\nc":              `a) S 1 (b\x0ac`,
		"\x1b]0;own\x07\x1b[2J":     `\x1b]0;own\x07\x1b[2J`,
		"\u202etxt.\x7f":            `\u202etxt.\x7f`,
		"\u009b31m<b>":              `\u009b31m<b>`,
		"\xff\xfe not text":         "\ufffd\ufffd not text",
		"\u00e9\u6f22\U0001f389 ok": "\u00e9\u6f22\U0001f389 ok",
	} {
		child := startChild(t, "rename", nil, given)
		child.line(t)
		p := readProcesses(t, newTestProcesses(t, "/proc"), time.Now())
		if got := findProcess(p, child.pid()); got == nil || got.Name != want {
			t.Errorf("%q is shown as %+v, want the name %q", given, got, want)
		}
	}
}

func TestOwnProcessIsRight(t *testing.T) {
	r := newTestProcesses(t, "/proc")
	readProcesses(t, r, time.Now())
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	before := used()
	for used() < before+0.1 { // so that there is CPU time to be seen
	}
	low := used()
	p := readProcesses(t, r, time.Now())
	high := used()
	got := findProcess(p, os.Getpid())
	if got == nil {
		t.Fatal("the test itself is not shown")
	}
	if got.CPUSeconds < low-0.03 || got.CPUSeconds > high+0.03 { // ticks of 10 ms, one for user and one for system time
		t.Errorf("%v s of CPU, want between %v and %v", got.CPUSeconds, low, high)
	}
	if got.CPUPercent <= 0 {
		t.Errorf("a busy process shows %v %%", got.CPUPercent)
	}
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Base(os.Args[0])
	if got.User != self.Username || got.Name != exe || got.PPID != os.Getppid() || got.Threads < 2 || got.MemoryBytes < 1<<20 || got.MemoryPercent <= 0 {
		t.Errorf("got %+v, want user %s, name %s", got, self.Username, exe)
	}
	started := time.Unix(0, int64(got.StartSeconds*1e9))
	if age := time.Since(started); age < 0 || age > time.Hour {
		t.Errorf("started at %v", started)
	}
}

func TestProcessOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to start a process as another user")
	}
	child := startChild(t, "rename", func(c *exec.Cmd) {
		c.Path, c.Args = "/bin/cat", []string{"cat"}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 64999, Gid: 64999}}
	})
	p := readProcesses(t, newTestProcesses(t, "/proc"), time.Now())
	if got := findProcess(p, child.pid()); got == nil || got.User != "64999" {
		t.Errorf("got %+v, want user 64999", got)
	}
}

func BenchmarkProcesses(b *testing.B) {
	b.Run("at rest", func(b *testing.B) { benchmarkProcesses(b, 0) })
	b.Run("2000 more", func(b *testing.B) { benchmarkProcesses(b, 2000) })
}

func benchmarkProcesses(b *testing.B, more int) {
	if more > 0 {
		spawnSleepers(b, more)
	}
	r := newTestProcesses(b, "/proc")
	readProcesses(b, r, time.Now())
	b.ReportAllocs()
	n := 0
	report := threadCPU(b)
	for b.Loop() {
		n = len(readProcesses(b, r, time.Now()).List)
	}
	report()
	b.ReportMetric(float64(n), "processes")
}

// threadCPU measures the CPU time of the calling thread, which says more than the clock on a machine that others use too.
func threadCPU(b *testing.B) (report func()) {
	runtime.LockOSThread()
	now := func() int64 {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return t.Nano()
	}
	start := now()
	return func() {
		b.ReportMetric(float64(now()-start)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

// spawnSleepers starts n processes that do nothing, and ends them with the test.
func spawnSleepers(tb testing.TB, n int) {
	tb.Helper()
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do sleep 600 >/dev/null & i=$((i+1)); done; echo ready; wait", n))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	buf := make([]byte, 16)
	k, err := out.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:k]), "ready") {
		tb.Fatalf("start %d processes: %q %v", n, buf[:k], err)
	}
}
