package exporter

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// same compares numbers, of which NaN ("unknown") is equal to itself.
func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9*math.Abs(b)
}

type numberCase struct {
	name      string
	got, want float64
}

func checkNumbers(t *testing.T, cases []numberCase) {
	t.Helper()
	for _, c := range cases {
		if !same(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func fixture(name string) *Options {
	o := &Options{ProcRoot: filepath.Join("testdata", name), SysRoot: "testdata/no-sys"}
	o.fill()
	return o
}

// readPart reads a part once from a fixture tree.
func readPart[T any](t *testing.T, p *Part[T]) (*T, error) {
	t.Helper()
	v, err := p.Read(t.Context())
	if p.Close != nil {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	return v, err
}

func mustRead[T any](t *testing.T, p *Part[T]) *T {
	t.Helper()
	v, err := readPart(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCPUOfAnOldKernel(t *testing.T) {
	v := mustRead(t, newCPU(fixture("proc-old")))
	if len(v.Cores) != 2 || v.Cores[1].ID != "1" {
		t.Fatalf("cores: %+v", v.Cores)
	}
	checkNumbers(t, []numberCase{
		{"user", v.Times.User, 10},
		{"softirq", v.Times.SoftIRQ, 0.07},
		{"steal, which it lacks", v.Times.Steal, 0},
		{"core 1 system", v.Cores[1].Times.System, 2},
		{"usage after one reading", v.UsageRatio, unknown()},
		{"frequency nobody tells", v.Cores[0].Hertz, unknown()},
		{"context switches", v.ContextSwitches, 654321},
		{"forks", v.Forks, 777},
		{"blocked", v.ProcsBlocked, 1},
		{"boot", v.BootTimeSeconds, 1100000000},
	})
}

func TestCPUOfANewKernel(t *testing.T) {
	v := mustRead(t, newCPU(fixture("proc-new")))
	if len(v.Cores) != 2 || v.Cores[1].ID != "10" {
		t.Fatalf("cores (one is given twice): %+v", v.Cores)
	}
	checkNumbers(t, []numberCase{
		{"guest nice", v.Times.GuestNice, 0.02},
		{"core 10 idle", v.Cores[1].Times.Idle, 1143.04},
		{"core 0 frequency", v.Cores[0].Hertz, 2100.5e6},
		{"core 10 frequency", v.Cores[1].Hertz, 1.2e9},
		{"interrupts", v.Interrupts, 375534},
	})
}

func TestFrequencyComesFromCpufreqWhereThereIsOne(t *testing.T) {
	sys := t.TempDir()
	for _, id := range []string{"0", "10"} {
		dir := filepath.Join(sys, "devices/system/cpu/cpu"+id+"/cpufreq")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"scaling_cur_freq": "3000000\n", "cpuinfo_min_freq": "800000\n", "cpuinfo_max_freq": "4200000\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := fixture("proc-new")
	o.SysRoot = sys
	v := mustRead(t, newCPU(o))
	for _, c := range v.Cores {
		checkNumbers(t, []numberCase{{"now", c.Hertz, 3e9}, {"lowest", c.MinHertz, 8e8}, {"highest", c.MaxHertz, 4.2e9}})
	}
}

func TestCountersOfACoreNeverFall(t *testing.T) {
	was := CPUTimes{User: 5, Idle: 100, IOWait: 7}
	if got, want := neverFall(was, CPUTimes{User: 6, Idle: 99.99, IOWait: 6.99}), (CPUTimes{User: 6, Idle: 100, IOWait: 7}); got != want {
		t.Errorf("a tick back: got %+v, want %+v", got, want)
	}
	if got, want := neverFall(was, CPUTimes{User: 1, Idle: 2}), (CPUTimes{User: 1, Idle: 2}); got != want {
		t.Errorf("unplugged and plugged: got %+v, want %+v", got, want)
	}
}

func TestMemoryOfAnOldKernel(t *testing.T) {
	v := mustRead(t, newMemory(fixture("proc-old")))
	checkNumbers(t, []numberCase{
		{"total", v.TotalBytes, 1025052 * 1024},
		{"available, guessed", v.AvailableBytes, (39452 + 8800 + 100000) * 1024},
		{"used", v.UsedBytes, (1025052 - 39452 - 8800 - 100000) * 1024},
		{"swap used", v.SwapUsedBytes, 276 * 1024},
		{"swapped in, no vmstat", v.SwapInBytes, unknown()},
		{"huge pages are a count", named(v.Info, "HugePages_Total"), 3},
	})
}

func TestMemoryOfANewKernel(t *testing.T) {
	p := newMemory(fixture("proc-new"))
	v := mustRead(t, p)
	page := float64(os.Getpagesize())
	checkNumbers(t, []numberCase{
		{"available", v.AvailableBytes, 24235004 * 1024},
		{"cached, first of two", v.CachedBytes, 251344 * 1024},
		{"used ratio", v.UsedRatio, (24683620. - 24235004.) / 24683620.},
		{"swapped in", v.SwapInBytes, 3 * page},
		{"swapped out", v.SwapOutBytes, 4 * page},
		{"oom kills", v.OOMKills, 2},
	})
	e := newEmitter()
	e.reset(&Settings{}, nil)
	p.EmitNode(v, e)
	got := map[string]int{}
	for _, mf := range e.families() {
		got[mf.GetName()] = len(mf.GetMetric())
	}
	for name, n := range got {
		if n != 1 {
			t.Errorf("%s has %d series", name, n)
		}
	}
	for _, name := range []string{
		"node_memory_Active_anon_bytes", "node_memory_Novelty_x_y_bytes", "node_memory_HugePages_Free", "node_vmstat_pgfault",
		"node_vmstat_pgpgin",
	} {
		if got[name] == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	if got["node_vmstat_nr_free_pages"]+got["node_vmstat_pgalloc_normal"] > 0 {
		t.Error("rows that node_exporter does not show")
	}
}

func TestLoadOfEveryKernel(t *testing.T) {
	if v := mustRead(t, newLoad(fixture("proc-old"))); *v != (Load{0.20, 0.18, 0.12}) {
		t.Errorf("got %+v", *v)
	}
	if v := mustRead(t, newLoad(fixture("proc-new"))); *v != (Load{12.5, 3.25, 1}) {
		t.Errorf("got %+v", *v)
	}
}

func TestPressureShowsWhatTheKernelHas(t *testing.T) {
	v := mustRead(t, newPressure(fixture("proc-new")))
	want := []PressureResource{{"cpu", 95.106587, 0}, {"memory", 1.5, 0.5}, {"io", 2e-6, 1e-6}, {"irq", unknown(), 7}}
	if len(v.Resources) != len(want) {
		t.Fatalf("got %+v", v.Resources)
	}
	for i, w := range want {
		g := v.Resources[i]
		if g.Resource != w.Resource || !same(g.WaitingSeconds, w.WaitingSeconds) || !same(g.StalledSeconds, w.StalledSeconds) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	if v := mustRead(t, newPressure(fixture("proc-old"))); len(v.Resources) != 1 || !math.IsNaN(v.Resources[0].StalledSeconds) {
		t.Errorf("an old kernel: %+v", v.Resources)
	}
}

func TestDisksOfEveryKernel(t *testing.T) {
	v := mustRead(t, newDiskIO(fixture("proc-old")))
	if len(v.Devices) != 1 || v.Devices[0].Device != "sda" || !v.Devices[0].Node {
		t.Fatalf("old: %+v", v.Devices)
	}
	d := v.Devices[0]
	checkNumbers(t, []numberCase{
		{"read", d.ReadBytes, 2000 * 512},
		{"written", d.WrittenBytes, 6000 * 512},
		{"write time", d.WriteTimeSeconds, 0.7},
		{"weighted", d.WeightedIOSeconds, 1},
		{"discards it lacks", d.DiscardsCompleted, unknown()},
		{"rate", d.ReadBytesPerSecond, unknown()},
	})
	v = mustRead(t, newDiskIO(fixture("proc-new")))
	node := map[string]bool{}
	for _, d := range v.Devices {
		if _, twice := node[d.Device]; twice {
			t.Errorf("%s is there twice", d.Device)
		}
		node[d.Device] = d.Node
	}
	for name, want := range map[string]bool{"nvme0n1": true, "nvme0n1p1": false, "loop0": false, "md0": true} {
		if got, ok := node[name]; !ok || got != want {
			t.Errorf("%s: there %v, shown %v, want shown %v", name, ok, got, want)
		}
	}
	checkNumbers(t, []numberCase{
		{"flush time", v.Devices[0].FlushTimeSeconds, 0.691},
		{"flushes md lacks", v.Devices[len(v.Devices)-1].FlushRequests, unknown()},
	})
}

func TestWholeDisksAloneMakeTheRate(t *testing.T) {
	sys := t.TempDir()
	for _, dir := range []string{"block/nvme0n1/device", "block/nvme0n1/queue", "block/md0/queue"} {
		if err := os.MkdirAll(filepath.Join(sys, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(sys, "block/nvme0n1/queue/rotational"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := fixture("proc-new")
	o.SysRoot = sys
	for _, d := range mustRead(t, newDiskIO(o)).Devices {
		if want := d.Device == "nvme0n1"; d.Whole != want || (d.meta.rotational == "1") != want {
			t.Errorf("%s: whole %v, rotational %s", d.Device, d.Whole, d.meta.rotational)
		}
	}
}

func TestUdevNamesADisk(t *testing.T) {
	m := parseUdev([]byte("S:disk/by-id/x\nE:ID_MODEL=Some Disk\nE:ID_SERIAL=A=B\nE:\nE:ID_ATA=1\nE:ID_ATA_WRITE_CACHE=1\nI:5\n"))
	d := DiskDevice{Device: "sda", major: "8", minor: "0", Node: true, meta: &diskMeta{rotational: "1", udev: m}}
	e := newEmitter()
	e.reset(&Settings{}, nil)
	emitDiskMeta(&d, e)
	got := ""
	for _, mf := range e.families() {
		got += mf.GetName() + "{" + seriesKey(mf.GetMetric()[0]) + "}\n"
	}
	want := `node_disk_ata_write_cache{device="sda"}
node_disk_info{device="sda",major="8",minor="0",model="Some Disk",rotational="1",serial="A=B"}
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNetworkFromProcWhereThereIsNoNetlink(t *testing.T) {
	sys := t.TempDir()
	for name, text := range map[string]string{
		"lo/flags": "0x9", "lo/operstate": "unknown", "eth0/flags": "0x1003", "eth0/operstate": "up", "eth0:1/flags": "0x1002", "eth0:1/operstate": "down",
	} {
		path := filepath.Join(sys, "class/net", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := fixture("proc-new")
	o.SysRoot = sys
	v := mustRead(t, newNetwork(o))
	if len(v.Devices) != 3 {
		t.Fatalf("got %+v", v.Devices)
	}
	lo, eth, alias := v.Devices[0], v.Devices[1], v.Devices[2]
	if !lo.Loopback || !lo.Up || eth.Device != "eth0" || eth.Loopback || !eth.Up || alias.Device != "eth0:1" || alias.Up {
		t.Errorf("states: %+v", v.Devices)
	}
	checkNumbers(t, []numberCase{
		{"received", eth.Receive.Bytes, 149544966},
		{"frame", eth.Frame, 4},
		{"multicast", eth.Multicast, 6},
		{"sent", eth.Transmit.Bytes, 851814},
		{"collisions", eth.Collisions, 10},
		{"carrier", eth.Carrier, 11},
		{"compressed", eth.Transmit.Compressed, 12},
		{"nohandler", eth.NoHandler, unknown()},
	})
}

// TestNetlinkAgreesWithProc reads the same counters both ways, until nothing was sent between the two.
func TestNetlinkAgreesWithProc(t *testing.T) {
	r := newNetworkReader(&Options{ProcRoot: "/proc", SysRoot: "/sys"})
	defer r.close()
	eventually(t, "both ways give the same", func() bool {
		a, err := r.links.dump(nil, &r.names)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.dev.read()
		if err != nil {
			t.Fatal(err)
		}
		list := parseNetDev(b, nil, &r.names)
		if len(a) == 0 || len(a) != len(list) {
			t.Fatalf("%d interfaces by netlink, %d in /proc/net/dev", len(a), len(list))
		}
		for i := range a {
			for j := range list {
				x, y := a[i], list[j]
				if x.Device == y.Device && (x.Receive != y.Receive || x.Transmit != y.Transmit || x.Frame != y.Frame || x.Multicast != y.Multicast) {
					return false
				}
			}
		}
		return true
	})
	for _, d := range mustRead(t, newNetwork(&Options{ProcRoot: "/proc", SysRoot: "/sys"})).Devices {
		if d.Device == "lo" && !d.Loopback {
			t.Error("lo is no loopback")
		}
	}
}

func TestTCPStatesFromProcWhereThereIsNoNetlink(t *testing.T) {
	v := mustRead(t, newTCP(fixture("proc-new")))
	if len(v.States) != 11 {
		t.Errorf("%d states, want all 11", len(v.States))
	}
	for _, s := range v.States {
		if want := map[string]float64{"listen": 2, "established": 1, "syn_recv": 1}[s.Name]; s.Value != want {
			t.Errorf("%s: got %v, want %v", s.Name, s.Value, want)
		}
	}
}

func TestHostFromFiles(t *testing.T) {
	o := fixture("proc-new")
	r := newHostReader(o)
	release := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(release, []byte("NAME=\"Some OS\"\nID=someos\nVERSION_ID=\"12.5\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.osRelease = []string{"/does/not/exist", release}
	v, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.Platform != "someos" || v.PlatformVersion != "12.5" || v.CPUModel != "Some CPU @ 2.00GHz" || v.CPUCores != 2 || v.CPUCoresPhysical != 1 {
		t.Errorf("got %+v", v)
	}
	checkNumbers(t, []numberCase{
		{"allocated", v.FilesAllocated, 1504},
		{"maximum", v.FilesMaximum, math.MaxInt64},
		{"boot", v.BootTimeSeconds, 1795386498},
		{"uptime", v.UptimeSeconds, 1234.56},
		{"memory", v.MemoryTotalBytes, 24683620 * 1024},
	})
	if v.Hostname == "" || v.Kernel == "" || v.Machine == "" {
		t.Errorf("uname: %+v", v)
	}
	r = newHostReader(fixture("proc-old"))
	if v, err = r.read(t.Context()); err != nil || v.CPUModel != "BCM2709" || v.CPUCores != 2 || v.CPUCoresPhysical != 0 {
		t.Errorf("an old board: %+v, %v", v, err)
	}
}

func TestBrokenFilesAreErrorsOrEmptyAndNeverPanic(t *testing.T) {
	o := fixture("proc-bad")
	if _, err := readPart(t, newCPU(o)); !errors.Is(err, errNoCPULine) {
		t.Errorf("stat: %v", err)
	}
	if _, err := readPart(t, newMemory(o)); !errors.Is(err, errNoMemTotal) {
		t.Errorf("meminfo: %v", err)
	}
	if _, err := readPart(t, newLoad(o)); !errors.Is(err, errNoLoad) {
		t.Errorf("loadavg: %v", err)
	}
	if _, err := readPart(t, newPressure(o)); !errors.Is(err, ErrNoData) {
		t.Errorf("pressure: %v", err)
	}
	if v, err := readPart(t, newDiskIO(o)); err != nil || len(v.Devices) != 0 {
		t.Errorf("diskstats: %+v, %v", v, err)
	}
	if v, err := readPart(t, newNetwork(o)); err != nil || len(v.Devices) != 0 {
		t.Errorf("net/dev: %+v, %v", v, err)
	}
}

// TestAMachineWithoutTheFilesHasNoData uses an empty /proc, as in a jail.
func TestAMachineWithoutTheFilesHasNoData(t *testing.T) {
	o := &Options{ProcRoot: t.TempDir(), SysRoot: t.TempDir()}
	for name, read := range map[string]func(context.Context) error{
		"pressure": func(ctx context.Context) error { _, err := newPressure(o).Read(ctx); return err },
		"diskio":   func(ctx context.Context) error { _, err := newDiskIO(o).Read(ctx); return err },
		"network":  func(ctx context.Context) error { _, err := newNetwork(o).Read(ctx); return err },
		"tcp":      func(ctx context.Context) error { _, err := newTCP(o).Read(ctx); return err },
		"sensors":  func(ctx context.Context) error { _, err := newSensors(o).Read(ctx); return err },
	} {
		if err := read(t.Context()); !errors.Is(err, ErrNoData) {
			t.Errorf("%s: got %v, want ErrNoData", name, err)
		}
	}
}

func TestAProcFileThatCameBackIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f := procFile{path: path}
	defer f.close()
	if _, err := f.read(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	big := make([]byte, 3*8<<10+5)
	for i := range big {
		big[i] = byte(i)
	}
	if err := os.WriteFile(path, big, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b, err := f.read(); err != nil || string(b) != string(big) {
			t.Fatalf("got %d bytes, %v", len(b), err)
		}
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if b, err := f.read(); err != nil || len(b) != len(big) {
		t.Fatalf("after close: %d bytes, %v", len(b), err)
	}
}
