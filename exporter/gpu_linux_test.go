package exporter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeDir tells the fake nvidia-smi where its orders are: the file "mode".
const fakeDir = "CONTROLCENTER_TEST_SMI"

// fakeSMI is a program that prints what nvidia-smi would, in the way the mode says.
func fakeSMI() {
	dir := os.Getenv(fakeDir)
	mode, err := os.ReadFile(filepath.Join(dir, "mode"))
	must(err)
	pids, err := os.OpenFile(filepath.Join(dir, "pids"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	fmt.Fprintln(pids, os.Getpid())
	pids.Close()
	gpus := strings.Contains(strings.Join(os.Args, " "), "--query-gpu="+smiGPUFields)
	lines := []string{"GPU-5b1a9f7c-0a7e-4d1b-9c55-000000000002, 31, /usr/bin/python3, 100", "GPU-5b1a9f7c-0a7e-4d1b-9c55-000000000002, 30, /opt/python3, 50", "GPU-5b1a9f7c-0a7e-4d1b-9c55-000000000002, 29, x, [N/A]", "GPU-other, 1, y, 1"}
	if gpus {
		b, err := os.ReadFile(filepath.Join(dir, "gpus"))
		must(err)
		lines = strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	hang := func() {
		for {
			time.Sleep(time.Hour)
		}
	}
	for {
		switch string(mode) {
		case "hang":
			hang()
		case "die":
			fmt.Println("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
			os.Exit(9)
		case "none":
			fmt.Println("No devices were found")
			os.Exit(6)
		case "garbage":
			fmt.Println("\x00\xff, , ,,,, \x1b[31m")
		default:
			for _, l := range lines {
				fmt.Println(l)
			}
		}
		if string(mode) == "once" && gpus {
			hang()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fakeGPUs returns a reader that finds the fake nvidia-smi in a folder of the test's own.
func fakeGPUs(t *testing.T, mode string, interval time.Duration) (r *gpuReader, dir string) {
	t.Helper()
	dir = t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "nvidia-smi")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/nvidia_smi_gpus.csv")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gpus"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	setMode(t, dir, mode)
	t.Setenv(childVariable, "nvidia-smi")
	t.Setenv(fakeDir, dir)
	st := DefaultSettings()
	r = newGPUReader(testOptions("/proc", t.TempDir(), &st))
	r.path, r.interval, r.backoff = "relative"+string(os.PathListSeparator)+dir, interval, 10*time.Millisecond
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	return r, dir
}

// setMode replaces the fake's orders in one step.
func setMode(t *testing.T, dir, mode string) {
	t.Helper()
	file := filepath.Join(dir, "mode")
	if err := os.WriteFile(file+".new", []byte(mode), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// until reads until ok says so; the test's own deadline ends what never comes.
func until(t *testing.T, r *gpuReader, ok func(*GPUs, error) bool) (*GPUs, error) {
	t.Helper()
	end := time.Now().Add(3 * time.Minute)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		g, err := r.read(ctx, time.Now())
		cancel()
		if ok(g, err) {
			return g, err
		}
		if time.Now().After(end) {
			t.Fatalf("after three minutes still %+v, %v", g, err)
		}
	}
}

func works(g *GPUs, err error) bool { return err == nil && len(g.List) == 3 }

// startedSMI returns the process ids of all fakes so far.
func startedSMI(t *testing.T, dir string) (pids []int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func TestGPUsOfNvidiaSMI(t *testing.T) {
	r, dir := fakeGPUs(t, "normal", 5*time.Second)
	g, _ := until(t, r, func(g *GPUs, err error) bool { return works(g, err) && len(g.List[1].Processes) == 3 })
	if got := g.List[0]; got.ID != "0" || got.UtilizationRatio != 0.37 || got.Name != "NVIDIA GeForce RTX 4090" {
		t.Errorf("got %+v", got)
	}
	if got := fmt.Sprint(g.List[1].Processes); got != "[{29 x NaN} {30 python3 5.24288e+07} {31 python3 1.048576e+08}]" {
		t.Errorf("processes %s", got)
	}
	series := emitPart(t, r.part(), g, DefaultSettings())
	for key, want := range map[string]float64{
		"controlcenter_gpu_info{gpu=1,vendor=nvidia,name=Tesla T4, 16 GB,driver=550.54.14}": 1,
		"controlcenter_gpu_utilization_ratio{gpu=0}":                                        0.37,
		"controlcenter_gpu_memory_total_bytes{gpu=0}":                                       24564 << 20,
		"controlcenter_gpu_memory_used_bytes{gpu=1}":                                        0,
		"controlcenter_gpu_temperature_celsius{gpu=0}":                                      61,
		"controlcenter_gpu_power_watts{gpu=0}":                                              283.71,
		"controlcenter_gpu_process_memory_bytes{gpu=1,name=python3}":                        150 << 20,
	} {
		if got, ok := series[key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}
	for key := range series {
		if strings.Contains(key, "{gpu=2") && !strings.Contains(key, "gpu_info") || strings.Contains(key, "name=x") {
			t.Errorf("%s is shown, but its value is not known", key)
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	pids := startedSMI(t, dir)
	if len(pids) != 2 {
		t.Errorf("%d helpers were started, want 2", len(pids))
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("helper %d still lives after Close: %v", pid, err)
		}
	}
}

// A wrapper script leaves the real program as its child: the whole group has to go.
func TestCloseEndsTheHelpersOfAWrapper(t *testing.T) {
	r, dir := fakeGPUs(t, "normal", 5*time.Second)
	tool := filepath.Join(dir, "nvidia-smi")
	if err := os.Rename(tool, tool+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n\""+tool+".real\" \"$@\"\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	until(t, r, works)
	pids := startedSMI(t, dir)
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		wantEnd(t, pid)
	}
}

// wantEnd waits for the end of a helper that was killed: that takes its time on a busy machine, and a child of the wrapper is
// reaped by init.
func wantEnd(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("helper %d lives on", pid)
		}
	}
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	var s procStat
	return err == nil && parseProcStat(b, &s) == nil && s.state != 'Z'
}

func TestHangingNvidiaSMIIsReplaced(t *testing.T) {
	r, dir := fakeGPUs(t, "hang", 2*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	g, err := r.read(ctx, time.Now())
	cancel()
	if g != nil || err == nil || errors.Is(err, ErrNoData) {
		t.Fatalf("a tool that does not answer gives %+v, %v; want an error", g, err)
	}
	if _, err := until(t, r, func(_ *GPUs, err error) bool { return errors.Is(err, errSMISilent) }); err == nil {
		t.Fatal("no error")
	}
	setMode(t, dir, "normal")
	until(t, r, works)
	wantEnd(t, startedSMI(t, dir)[0])
}

func TestReadingOfHangingNvidiaSMIGrowsOld(t *testing.T) {
	r, dir := fakeGPUs(t, "once", 2*time.Second)
	until(t, r, works)
	until(t, r, func(_ *GPUs, err error) bool { return err != nil })
	setMode(t, dir, "normal")
	until(t, r, works)
}

func TestDyingNvidiaSMIIsStartedAgain(t *testing.T) {
	r, dir := fakeGPUs(t, "die", 5*time.Second)
	_, err := until(t, r, func(_ *GPUs, err error) bool { return err != nil && strings.Contains(err.Error(), "exit status 9") })
	if !strings.Contains(err.Error(), "couldn't communicate") {
		t.Errorf("the error does not say what the tool said: %v", err)
	}
	setMode(t, dir, "normal")
	until(t, r, works)
}

func TestGarbageOfNvidiaSMIIsNoReading(t *testing.T) {
	r, dir := fakeGPUs(t, "garbage", 2*time.Second)
	until(t, r, func(g *GPUs, err error) bool {
		if g != nil {
			t.Fatalf("garbage was read as %+v", g)
		}
		return errors.Is(err, errSMISilent)
	})
	setMode(t, dir, "normal")
	until(t, r, works)
}

func TestNoDeviceIsNoData(t *testing.T) {
	r, _ := fakeGPUs(t, "none", 5*time.Second)
	until(t, r, func(_ *GPUs, err error) bool { return errors.Is(err, ErrNoData) })
}

func TestToolThatIsInstalledLaterIsFound(t *testing.T) {
	r, dir := fakeGPUs(t, "normal", 5*time.Second)
	tool := filepath.Join(dir, "nvidia-smi")
	if err := os.Rename(tool, tool+".away"); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if g, err := r.read(t.Context(), now); !errors.Is(err, ErrNoData) {
		t.Fatalf("got %+v, %v; want no data", g, err)
	}
	if err := os.Rename(tool+".away", tool); err != nil {
		t.Fatal(err)
	}
	if g, err := r.read(t.Context(), now.Add(smiLookEvery-1)); !errors.Is(err, ErrNoData) || r.smi != nil {
		t.Fatalf("got %+v, %v; the tool is looked for too often", g, err)
	}
	if g, err := r.read(t.Context(), now.Add(smiLookEvery)); !works(g, err) {
		t.Fatalf("got %+v, %v", g, err)
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCardsOfOtherVendors(t *testing.T) {
	sys := t.TempDir()
	writeFiles(t, filepath.Join(sys, "class/drm"), map[string]string{
		"version":                                  "drm 1.1.0\n",
		"card0-HDMI-A-1/device/vendor":             "0x1002\n",
		"card1/device/vendor":                      "0x1002\n",
		"card1/device/device":                      "0x744c\n",
		"card1/device/gpu_busy_percent":            "83\n",
		"card1/device/mem_info_vram_used":          "1073741824\n",
		"card1/device/mem_info_vram_total":         "25753026560\n",
		"card1/device/hwmon/hwmon3/pwm1":           "51\n",
		"card1/device/hwmon/hwmon3/pwm1_max":       "255\n",
		"card1/device/power/runtime_status":        "active\n",
		"card10/device/vendor":                     "0x8086\n",
		"card10/device/device":                     "0x56a0\n",
		"card10/gt_act_freq_mhz":                   "2400\n",
		"card2/device/vendor":                      "0x1a03\n", // the graphics of a server's board, not ours
		"card3/device/vendor":                      "0x1002\n",
		"card3/device/device":                      "0x73ff\n",
		"card3/device/product_name":                "Radeon RX 6600\n",
		"card3/device/power/runtime_status":        "suspended\n",
		"card3/device/gpu_busy_percent":            "99\n",
		"card1/device/hwmon/hwmon3/freq1_input":    "2304000000\n",
		"card1/device/hwmon/hwmon3/temp1_input":    "54000\n",
		"card1/device/hwmon/hwmon3/power1_average": "120500000\n",
		"card10/device/hwmon/hwmon5/energy1_input": "5000000\n",
	})
	if err := os.Symlink("../../../../bus/pci/drivers/amdgpu", filepath.Join(sys, "class/drm/card1/device/driver")); err != nil {
		t.Fatal(err)
	}
	ids := filepath.Join(sys, "pci.ids")
	if err := os.WriteFile(ids, []byte("# list\n1001  X\n\t744c  wrong\n1002  AMD\n\t744b  no\n\t744c  Navi 31\n\t\t1002 0e3b  sub\n8086  Intel\n\t744d  y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	st := DefaultSettings()
	r := newGPUReader(testOptions("/proc", sys, &st))
	r.path = ""
	r.cards.ids = []string{"/nonexistent", ids}
	now := time.Now()
	if _, err := r.read(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, sys, map[string]string{"class/drm/card10/device/hwmon/hwmon5/energy1_input": "155000000\n"})
	g, err := r.read(t.Context(), now.Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := []GPU{
		{ID: "0", Vendor: "amd", Name: "Navi 31", Driver: "amdgpu", UtilizationRatio: 0.83, MemoryUsedBytes: 1 << 30, MemoryTotalBytes: 25753026560, TemperatureCelsius: 54, PowerWatts: 120.5, FanRatio: 0.2, ClockHertz: 2304e6},
		{ID: "1", Vendor: "amd", Name: "Radeon RX 6600", UtilizationRatio: nan, MemoryUsedBytes: nan, MemoryTotalBytes: nan, TemperatureCelsius: nan, PowerWatts: nan, FanRatio: nan, ClockHertz: nan},
		{ID: "2", Vendor: "intel", Name: "Intel GPU 8086:56a0", UtilizationRatio: nan, MemoryUsedBytes: nan, MemoryTotalBytes: nan, TemperatureCelsius: nan, PowerWatts: 30, FanRatio: nan, ClockHertz: 2400e6},
	}
	if len(g.List) != len(want) {
		t.Fatalf("got %+v", g.List)
	}
	for i := range want {
		for _, v := range []*float64{&g.List[i].FanRatio, &g.List[i].PowerWatts} { // sums of binary fractions
			*v = math.Round(*v*1e9) / 1e9
		}
		if !sameGPU(g.List[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", g.List[i], want[i])
		}
	}
	emitPart(t, r.part(), g, st)
}

// The machine's other cards are shown while nvidia-smi fails, with that failure, and get other numbers than NVIDIA's.
func TestOtherCardsBesideNvidia(t *testing.T) {
	r, dir := fakeGPUs(t, "die", 5*time.Second)
	writeFiles(t, r.cards.root, map[string]string{"card0/device/vendor": "0x1002\n", "card0/device/device": "0x1\n"})
	g, _ := until(t, r, func(_ *GPUs, err error) bool { return errors.Is(err, ErrPartial) })
	if len(g.List) != 1 || g.List[0].Vendor != "amd" {
		t.Errorf("got %+v", g.List)
	}
	setMode(t, dir, "normal")
	g, _ = until(t, r, func(g *GPUs, err error) bool { return err == nil && len(g.List) == 4 })
	if g.List[3].ID != "3" || g.List[3].Vendor != "amd" {
		t.Errorf("got %+v", g.List[3])
	}
}
