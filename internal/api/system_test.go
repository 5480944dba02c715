package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"controlcenter/exporter"
)

// machine is a snapshot of a made-up machine, as the sampler would publish it.
func machine(seq uint64) *exporter.Snapshot {
	nan := math.NaN()
	now := time.Now()
	snap := &exporter.Snapshot{Seq: seq, At: now, Settings: exporter.DefaultSettings()}
	add := func(name string, v any) {
		snap.Readings = append(snap.Readings, exporter.Reading{Name: name, Value: v, At: now, Every: time.Hour, Attempts: 2, LastSuccess: now})
	}
	add("cpu", &exporter.CPU{UsageRatio: 0.1249, Cores: []exporter.CPUCore{
		{ID: "0", UsageRatio: 0.2, Hertz: 3e9, MinHertz: 8e8, MaxHertz: 4.2e9},
		{ID: "1", UsageRatio: 0.05, Hertz: 3.4e9, MinHertz: 8e8, MaxHertz: 4.2e9},
	}})
	add("memory", &exporter.Memory{
		TotalBytes: 17179869184, AvailableBytes: 9663676416, UsedBytes: 7516192768, UsedRatio: 0.4375, FreeBytes: 1, CachedBytes: 2, BuffersBytes: nan,
		SwapTotalBytes: 0, SwapUsedBytes: 0, SwapFreeBytes: 0,
	})
	add("filesystem", &exporter.Filesystems{List: []exporter.Filesystem{
		{Device: "tmpfs", Mountpoint: "/tmp", Type: "tmpfs", SizeBytes: 1 << 30, FreeBytes: 1 << 29, AvailableBytes: 1 << 29, UsedRatio: .5},
		{
			Device: "/dev/sda1", Mountpoint: "/", Type: "ext4", SizeBytes: 512110190592, FreeBytes: 282110190592, AvailableBytes: 256000000000,
			UsedRatio: 0.449, Main: true,
		},
		{Device: "nfs:/x", Mountpoint: "/mnt", Type: "nfs", SizeBytes: nan, FreeBytes: nan, AvailableBytes: nan, UsedRatio: nan, Hung: true},
	}})
	add("load", &exporter.Load{Load1: .5, Load5: .25, Load15: 1})
	add("network", &exporter.Network{ReceiveBytesPerSecond: 1000.4, TransmitBytesPerSecond: nan, Devices: []exporter.NetworkDevice{{Device: "eth0", Up: true}}})
	add("diskio", &exporter.DiskIO{ReadBytesPerSecond: 1, WrittenBytesPerSecond: 2, Devices: []exporter.DiskDevice{{Device: "sda", Whole: true}, {Device: "sda1"}}})
	sensors := &exporter.Sensors{Fans: []exporter.Fan{{Chip: "hwmon0", Sensor: "fan1", RPM: 900}}}
	for i := range 20 {
		sensors.Temperatures = append(sensors.Temperatures, exporter.Temperature{Chip: "x", ChipName: "coretemp", Label: fmt.Sprint("Core ", i), Celsius: float64(30 + i), MaxCelsius: nan, CriticalCelsius: 100})
	}
	add("sensors", sensors)
	add("gpu", &exporter.GPUs{List: []exporter.GPU{{ID: "0", Name: strings.Repeat("Ü", 40), UtilizationRatio: .5, MemoryUsedBytes: 1, MemoryTotalBytes: 4, TemperatureCelsius: 60, PowerWatts: nan, FanRatio: nan, ClockHertz: nan}}})
	procs := &exporter.Processes{}
	for i := range 600 {
		procs.List = append(procs.List, exporter.Process{
			PID: i + 1, Name: fmt.Sprintf("proc%03d", 599-i), Cmdline: fmt.Sprintf("/bin/Thing --n=%d", i), CPUPercent: float64(600 - i), MemoryBytes: float64(i * 4096),
			MemoryPercent: 1.23, Status: "sleeping", User: "root", Threads: 1, StartSeconds: 1.7e9,
		})
	}
	procs.List[3].Service = "comfyui"
	add("processes", procs)
	add("ports", &exporter.Ports{List: []exporter.Port{
		{Protocol: "tcp", Address: "0.0.0.0", Port: 22, State: "LISTEN"},
		{Protocol: "tcp", Address: "0.0.0.0", Port: 8188, State: "LISTEN", PID: 4242, Process: "python3", Service: "comfyui"},
		{Protocol: "tcp", Address: "::", Port: 8188, State: "LISTEN", PID: 4242, Process: "python3", Service: "comfyui"},
		{Protocol: "udp", Address: "0.0.0.0", Port: 8188, State: "NONE", PID: 4242, Process: "python3"},
		{Protocol: "tcp", Address: "127.0.0.1", Port: 8189, State: "LISTEN"},
		{Protocol: "tcp", Address: "127.0.0.1", Port: 9001, State: "LISTEN", PID: 1, Process: "init"},
	}})
	add("host", &exporter.Host{
		Hostname: "box", OS: "linux", Platform: "debian", PlatformVersion: "12.5", Kernel: "6.1.0-18-amd64", KernelVersion: "#1 SMP", Machine: "x86_64",
		CPUModel: "CPU X", CPUCores: 2, MemoryTotalBytes: 17179869184, BootTimeSeconds: float64(now.Add(-time.Hour).Unix()),
	})
	return snap
}

// inJSON is how a body looks on the wire.
func inJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	var b strings.Builder
	if err := marshalJSON(&b, v); err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(b.String()), &m); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	return m
}

// at finds a value by a path of keys and indexes.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch key := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if _, there := m[key]; !ok || !there {
				t.Fatalf("%v: no key %q", path, key)
			}
			v = m[key]
		case int:
			v = v.([]any)[key]
		}
	}
	return v
}

func wantAt(t *testing.T, v, want any, path ...any) {
	t.Helper()
	if got := at(t, v, path...); got != want {
		t.Errorf("%v: %v (%T), want %v", path, got, got, want)
	}
}

func docServer(t *testing.T) *Server {
	t.Helper()
	s, err := newDocumentServer()
	if err != nil {
		t.Fatal(err)
	}
	s.o.Version = "1.2.3"
	return s
}

func TestStatsHaveTheUnitsOfTheWire(t *testing.T) {
	m := inJSON(t, docServer(t).statsOf(machine(1)))
	wantAt(t, m, true, "success")
	wantAt(t, m, 12.5, "cpu", "usage_percent")
	wantAt(t, m, 12.5, "cpu", "usage")
	wantAt(t, m, 2.0, "cpu", "count")
	wantAt(t, m, 3200.0, "cpu", "frequency", "current")
	wantAt(t, m, 800.0, "cpu", "frequency", "min")
	wantAt(t, m, 4200.0, "cpu", "frequency", "max")
	wantAt(t, m, 17179869184.0, "memory", "total")
	wantAt(t, m, 43.8, "memory", "percent")
	wantAt(t, m, 16.0, "memory", "total_gb")
	wantAt(t, m, 7.0, "memory", "used_gb")
	wantAt(t, m, 9.0, "memory", "available_gb")
	wantAt(t, m, nil, "memory", "buffers")
	wantAt(t, m, 230000000000.0, "disk", "used")
	wantAt(t, m, 256000000000.0, "disk", "free")
	wantAt(t, m, 44.9, "disk", "percent")
	wantAt(t, m, 476.94, "disk", "total_gb")
	wantAt(t, m, 214.2, "disk", "used_gb")
	wantAt(t, m, 0.0, "swap", "percent")
	wantAt(t, m, 0.25, "load", "load5")
	wantAt(t, m, 20.0, "cores", 0, "usage_percent")
	wantAt(t, m, "/tmp", "filesystems", 0, "mountpoint")
	wantAt(t, m, nil, "filesystems", 2, "percent")
	wantAt(t, m, true, "filesystems", 2, "hung")
	wantAt(t, m, 1000.0, "network", "receive_bytes_per_second")
	wantAt(t, m, nil, "network", "transmit_bytes_per_second")
	wantAt(t, m, 25.0, "gpus", 0, "memory_percent")
	wantAt(t, m, 30.0, "temperatures", 0, "celsius")
	wantAt(t, m, nil, "temperatures", 0, "max_celsius")
	if up := at(t, m, "uptime_seconds").(float64); up < 3600 || up > 3700 {
		t.Errorf("uptime %v, want an hour", up)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z", at(t, m, "timestamp").(string)); err != nil {
		t.Error(err)
	}
}

func TestUnknownNumbersAreNullAndKeysStay(t *testing.T) {
	m := inJSON(t, docServer(t).statsOf(&exporter.Snapshot{}))
	for _, path := range [][]any{
		{"cpu", "usage_percent"},
		{"cpu", "frequency", "current"},
		{"memory", "total"},
		{"memory", "percent"},
		{"disk", "percent"},
		{"disk", "free_gb"},
		{"swap", "used"},
		{"load", "load1"},
		{"network", "receive_bytes_per_second"},
		{"disk_io", "read_bytes_per_second"},
		{"uptime_seconds"},
	} {
		wantAt(t, m, nil, path...)
	}
	for _, list := range []string{"cores", "filesystems", "gpus", "temperatures", "fans"} {
		if l, ok := m[list].([]any); !ok || len(l) != 0 {
			t.Errorf("%s is %v, want []", list, m[list])
		}
	}
}

func TestProcessesAreCountedSortedAndSearched(t *testing.T) {
	snap := machine(1)
	b := processesOf(snap, &ProcessesInput{Limit: 50, Sort: "cpu"})
	if b.Count != 600 || len(b.Processes) != 50 || b.Processes[0].PID != 1 || b.Processes[49].PID != 50 {
		t.Errorf("by cpu: count %d, %d rows, first %+v", b.Count, len(b.Processes), b.Processes[0])
	}
	m := inJSON(t, b)
	wantAt(t, m, 600.0, "processes", 0, "cpu")
	wantAt(t, m, 600.0, "processes", 0, "cpu_percent")
	wantAt(t, m, 1.2, "processes", 0, "memory_percent")
	wantAt(t, m, nil, "processes", 0, "service")
	wantAt(t, m, "comfyui", "processes", 3, "service")
	wantAt(t, m, "2023-11-14T22:13:20.000000Z", "processes", 0, "start_time")
	if at(t, m, "processes", 1, "memory") != at(t, m, "processes", 1, "memory_rss") {
		t.Error("memory and memory_rss differ")
	}
	for sort, first := range map[string]int{"memory": 600, "pid": 1, "name": 600} {
		if got := processesOf(snap, &ProcessesInput{Limit: 1, Sort: sort}).Processes[0].PID; got != first {
			t.Errorf("by %s: first is %d, want %d", sort, got, first)
		}
	}
	var pids []int
	for offset := 0; offset < 700; offset += 250 {
		page := processesOf(snap, &ProcessesInput{Limit: 250, Offset: offset, Sort: "pid"})
		if page.Count != 600 {
			t.Errorf("offset %d: count %d", offset, page.Count)
		}
		for i := range page.Processes {
			pids = append(pids, page.Processes[i].PID)
		}
	}
	if len(pids) != 600 || pids[0] != 1 || pids[599] != 600 || !slices.IsSorted(pids) {
		t.Errorf("page by page: %v", pids)
	}
	for search, count := range map[string]int{"PROC00": 10, "thing --n=59": 11, "no such": 0} {
		if got := processesOf(snap, &ProcessesInput{Limit: 5, Sort: "cpu", Search: search}); got.Count != count || len(got.Processes) != min(5, count) {
			t.Errorf("search %q: count %d with %d rows, want %d", search, got.Count, len(got.Processes), count)
		}
	}
	if snapOrder := exporter.Get[exporter.Processes](snap).List[0].PID; snapOrder != 1 {
		t.Error("the snapshot was changed")
	}
}

func TestPortsOfTheConfiguredRange(t *testing.T) {
	snap := machine(1)
	list := exporter.Get[exporter.Ports](snap).List
	b, err := portsOf(snap, list, &PortsInput{State: "listen"})
	if err != nil {
		t.Fatal(err)
	}
	m := inJSON(t, *b)
	wantAt(t, m, 3.0, "count")
	wantAt(t, m, 3000.0, "start")
	wantAt(t, m, 8188.0, "ports", 0, "port")
	wantAt(t, m, 4242.0, "ports", 0, "pid")
	wantAt(t, m, "python3", "ports", 0, "process_name")
	wantAt(t, m, "python3", "ports", 0, "process")
	wantAt(t, m, "comfyui", "ports", 0, "service")
	wantAt(t, m, "TCP", "ports", 0, "protocol")
	wantAt(t, m, "LISTEN", "ports", 0, "status")
	wantAt(t, m, "0.0.0.0", "ports", 0, "address")
	wantAt(t, m, "::", "ports", 0, "addresses", 1)
	wantAt(t, m, "UDP", "ports", 1, "protocol")
	wantAt(t, m, nil, "ports", 2, "pid")
	wantAt(t, m, nil, "ports", 2, "process_name")
	wantAt(t, m, "", "ports", 2, "process")
	for in, want := range map[PortsInput]int{
		{Start: 1, End: 65535, State: "listen"}: 5, {Start: 22, End: 22, State: "listen"}: 1, {End: 22, State: "listen"}: 1,
		{Start: 9001, State: "listen"}: 1, {Start: 1, End: 65535, State: "all"}: 6,
	} {
		if b, err := portsOf(snap, list, &in); err != nil || b.Count != want {
			t.Errorf("%+v: %v rows, error %v, want %d", in, b.Count, err, want)
		}
	}
}

func TestInfoHasTheNamesThatClientsRead(t *testing.T) {
	m := inJSON(t, docServer(t).infoBody(machine(1)))
	for key, want := range map[string]any{
		"os": "Linux 6.1", "platform": "Linux", "platform_release": "6.1.0-18-amd64", "arch": "x86_64", "hostname": "box", "processor": "CPU X",
		"totalMemory": 17179869184.0, "cpuCores": 2.0, "cpuCoresPhysical": nil, "python": "n/a", "version": "1.2.3",
	} {
		wantAt(t, m, want, key)
	}
	if up := at(t, m, "uptime").(float64); up != math.Floor(up) || up < 3600 {
		t.Errorf("uptime %v is not whole seconds", up)
	}
}

func TestHistoryIsColumnsWithNullForUnknown(t *testing.T) {
	nan := float32(math.NaN())
	m := inJSON(t, HistoryBody{curves: exporter.Curves{
		Interval: 2 * time.Second, Times: []int64{1000, 3000},
		Values: map[string][]float32{"cpu_percent": {nan, 12.345}, "memory_used_bytes": {7516192768, 0}},
		Cores:  [][]float32{{1, 2}, {nan, 4}},
	}})
	wantAt(t, m, 2.0, "interval_seconds")
	wantAt(t, m, 3000.0, "timestamps", 1)
	wantAt(t, m, nil, "series", "cpu_percent", 0)
	wantAt(t, m, 12.35, "series", "cpu_percent", 1)
	wantAt(t, m, 7516192768.0, "series", "memory_used_bytes", 0)
	wantAt(t, m, nil, "cores", 1, 0)
	empty := inJSON(t, HistoryBody{curves: exporter.Curves{Interval: 500 * time.Millisecond}})
	wantAt(t, empty, 0.5, "interval_seconds")
	if len(at(t, empty, "timestamps").([]any)) != 0 || len(at(t, empty, "series").(map[string]any)) != 0 {
		t.Errorf("empty history: %v", empty)
	}
}

func TestSinceIsSecondsOrATime(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for given, want := range map[string]time.Time{
		"900": now.Add(-15 * time.Minute), "1.5": now.Add(-1500 * time.Millisecond), "2026-01-02T03:00:00Z": now.Add(-245 * time.Second),
		"2026-01-02T04:00:00.5+01:00": now.Add(-244500 * time.Millisecond),
	} {
		if got, err := sinceOf(given, now); err != nil || !got.Equal(want) {
			t.Errorf("since %s: %v, %v, want %v", given, got, err, want)
		}
	}
	for _, bad := range []string{"0", "901", "-5", "inf", "nan", "x", "2026-01-02"} {
		if _, err := sinceOf(bad, now); err == nil {
			t.Errorf("since %s was taken", bad)
		}
	}
}

func TestHealthLevels(t *testing.T) {
	nan := math.NaN()
	for want, percents := range map[string][]float64{
		"healthy": {10, nan, 89.9}, "warning": {90, 1, 1}, "critical": {1, 95, 92},
	} {
		if got := overall(percents...); got != want {
			t.Errorf("%v: %s, want %s", percents, got, want)
		}
	}
}

func TestHealthAnswers(t *testing.T) {
	s := start(t, nil, nil)
	var h map[string]any
	s.get("/health").decode(t, &h)
	for key, want := range map[string]any{"status": "healthy", "database": "connected", "version": "1.2.3", "caching": "enabled", "success": true} {
		wantAt(t, h, want, key)
	}
	for path, key := range map[string]string{"/health/ready": "ready", "/health/live": "alive", "/health/startup": "startup_complete"} {
		var m map[string]any
		if r := s.get(path); r.StatusCode != 200 {
			t.Errorf("%s: %d", path, r.StatusCode)
		} else {
			r.decode(t, &m)
			wantAt(t, m, true, key)
		}
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	r := s.get("/health/ready")
	r.decode(t, &h)
	if r.StatusCode != 503 || h["ready"] != false || h["status"] != "not_ready" || h["success"] != false || h["detail"] == "" {
		t.Errorf("ready with a broken store: %d %s", r.StatusCode, r.body)
	}
	r = s.get("/health")
	r.decode(t, &h)
	if r.StatusCode != 200 || h["database"] != "disconnected" {
		t.Errorf("health with a broken store: %d %s", r.StatusCode, r.body)
	}
}

func TestHealthBeforeTheFirstSample(t *testing.T) {
	s := start(t, nil, nil)
	o := s.o
	o.Sampler = exporter.NewSampler(exporter.Options{Logger: s.log}) // never run
	later := docServer(t)
	later.o = o
	for path, h := range map[string]func() (int, any){
		"health":  func() (int, any) { a, _ := later.health(t.Context(), nil); return a.Status, a.Body },
		"ready":   func() (int, any) { a, _ := later.healthReady(t.Context(), nil); return a.Status, a.Body },
		"startup": func() (int, any) { a, _ := later.healthStartup(t.Context(), nil); return a.Status, a.Body },
	} {
		status, body := h()
		m := inJSON(t, body)
		if status != 503 || m["success"] != false || m["error"] != m["detail"] || m["code"] != "unavailable" || m["errors"] == nil {
			t.Errorf("%s: %d %v", path, status, m)
		}
	}
}

func TestRootIsJSONUnlessABrowserAsks(t *testing.T) {
	s := start(t, nil, nil)
	for _, accept := range []string{"*/*", "application/json", "", "application/json, text/html"} {
		var m map[string]any
		r := s.get("/", "Accept", accept)
		r.decode(t, &m)
		wantAt(t, m, "Control Center Backend", "name")
		wantAt(t, m, "1.2.3", "version")
		wantAt(t, m, "running", "status")
		wantAt(t, m, strings.Replace(s.url, "http", "ws", 1)+"/ws", "websocket_url")
	}
	r := s.get("/", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(r.body), `<div id="root">`) {
		t.Errorf("a browser got %s: %s", r.Header.Get("Content-Type"), r.body)
	}
}

func TestPagesOfTheDashboardAreForBrowsersOnly(t *testing.T) {
	s := start(t, nil, nil)
	for _, path := range []string{"/services", "/services/some%20name", "/knowledge"} {
		if r := s.get(path, "Accept", "text/html"); r.StatusCode != 200 || !strings.Contains(r.Header.Get("Content-Security-Policy"), "'nonce-") {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		wantProblem(t, s.get(path, "Accept", "*/*"), 404, "Not Found")
	}
	for _, path := range []string{"/nosuch", "/api/nosuch", "/services/a/b"} {
		wantProblem(t, s.get(path, "Accept", "text/html"), 404, "Not Found")
	}
}

func TestThisMachine(t *testing.T) {
	s := start(t, nil, nil)
	var stats, procs, ports, info map[string]any
	s.get("/api/system/stats").decode(t, &stats)
	if p := at(t, stats, "memory", "percent").(float64); p <= 0 || p > 100 {
		t.Errorf("memory %v %%", p)
	}
	if at(t, stats, "cpu", "usage_percent") == nil || at(t, stats, "disk", "percent") == nil {
		t.Errorf("cpu %v, disk %v", at(t, stats, "cpu"), at(t, stats, "disk"))
	}
	s.get("/api/system/processes?limit=500").decode(t, &procs)
	if at(t, procs, "count").(float64) < 1 {
		t.Error("no processes")
	}
	var port int
	if _, err := fmt.Sscanf(s.url, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	found := false
	s.get(fmt.Sprintf("/api/system/ports?start=%d&end=%d", port, port)).decode(t, &ports)
	for i := range at(t, ports, "ports").([]any) {
		found = found || at(t, ports, "ports", i, "process") != ""
	}
	if !found {
		s.get(fmt.Sprintf("/api/system/ports?start=%d&end=%d&state=all", port, port)).decode(t, &ports)
		for i := range at(t, ports, "ports").([]any) {
			found = found || at(t, ports, "ports", i, "status") == "LISTEN" && at(t, ports, "ports", i, "process") != ""
		}
	}
	if !found {
		t.Errorf("our own listener %d is not among the ports: %v", port, ports)
	}
	s.get("/api/system/info").decode(t, &info)
	if at(t, info, "totalMemory") == nil || at(t, info, "hostname") == "" {
		t.Errorf("info: %v", info)
	}
}
