package exporter

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// sameGPU compares with NaN equal to NaN.
func sameGPU(a, b GPU) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

func TestParseSMIGPU(t *testing.T) {
	b, err := os.ReadFile("testdata/nvidia_smi_gpus.csv")
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := []GPU{
		{ID: "0", Vendor: "nvidia", Name: "NVIDIA GeForce RTX 4090", Driver: "550.54.14", UtilizationRatio: 0.37, MemoryUsedBytes: 8192 << 20, MemoryTotalBytes: 24564 << 20, TemperatureCelsius: 61, PowerWatts: 283.71, FanRatio: 0.45, ClockHertz: 2520e6},
		{ID: "1", Vendor: "nvidia", Name: "Tesla T4, 16 GB", Driver: "550.54.14", UtilizationRatio: 0, MemoryUsedBytes: 0, MemoryTotalBytes: 15360 << 20, TemperatureCelsius: 33, PowerWatts: 9.5, FanRatio: nan, ClockHertz: 300e6},
		{ID: "2", Vendor: "nvidia", Name: "NVIDIA T400", Driver: "550.54.14", UtilizationRatio: nan, MemoryUsedBytes: nan, MemoryTotalBytes: nan, TemperatureCelsius: nan, PowerWatts: nan, FanRatio: nan, ClockHertz: nan},
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(lines), len(want))
	}
	for i, line := range lines {
		g, err := parseSMIGPU(line)
		if err != nil || g.count != 3 || !strings.HasPrefix(g.uuid, "GPU-") || !sameGPU(g.gpu, want[i]) {
			t.Errorf("%s:\ngot  %+v (%v, count %d, uuid %s)\nwant %+v", line, g.gpu, err, g.count, g.uuid, want[i])
		}
	}
	for _, bad := range []string{"", "No devices were found", "a, b", lines[0][2:], "x, " + lines[0], "0" + lines[0][1:]} {
		if g, err := parseSMIGPU(bad); err == nil {
			t.Errorf("%q was taken for %+v", bad, g)
		}
	}
}

func TestParseSMIApp(t *testing.T) {
	for _, c := range []struct {
		line, uuid, want string
	}{
		{"GPU-1, 4242, /usr/bin/python3, 8000", "GPU-1", "{4242 python3 8.388608e+09}"},
		{"GPU-1, 7, /opt/a, b/tool, x, 1", "GPU-1", "{7 tool, x 1.048576e+06}"},
		{"GPU-2, 9, [Not Found], [N/A]", "GPU-2", "{9 [Not Found] NaN}"},
		{`GPU-2, 9, C:\Program Files\x.exe, [N/A]`, "GPU-2", "{9 x.exe NaN}"},
		{"GPU-2, 9, , 1", "GPU-2", "{9 unknown 1.048576e+06}"},
	} {
		uuid, p, err := parseSMIApp(c.line)
		if got := fmt.Sprint(p); err != nil || uuid != c.uuid || got != c.want {
			t.Errorf("%s: got %s %s (%v), want %s %s", c.line, uuid, got, err, c.uuid, c.want)
		}
	}
	for _, bad := range []string{"", "a", "a, b, c, d", "GPU-1, 1, 2", ", 1, x, 2", "No running processes found"} {
		if uuid, p, err := parseSMIApp(bad); err == nil {
			t.Errorf("%q was taken for %s %+v", bad, uuid, p)
		}
	}
}

// A round ends by the number of GPUs; when one is lost, by the next round's first line.
func TestRoundsOfGPUs(t *testing.T) {
	var r smiRound
	add := func(count int, uuid string) string {
		done, uuids := r.add(smiGPU{count, uuid, GPU{Name: uuid}})
		if len(done) != len(uuids) {
			t.Fatalf("%d GPUs with %d uuids", len(done), len(uuids))
		}
		return strings.Join(uuids, " ")
	}
	for i, c := range []struct {
		count int
		uuid  string
		want  string
	}{{2, "a", ""}, {2, "b", "a b"}, {2, "a", ""}, {2, "b", "a b"}, {2, "a", ""}, {2, "a", "a"}, {2, "b", "a b"}, {1, "a", "a"}, {1, "a", "a"}} {
		if got := add(c.count, c.uuid); got != c.want {
			t.Errorf("line %d: round %q, want %q", i, got, c.want)
		}
	}
}

func FuzzParseSMI(f *testing.F) {
	f.Add("3, 0, GPU-a, NVIDIA GeForce RTX 4090, 550.54.14, 37, 8192, 24564, 61, 283.71, 45, 2520")
	f.Add("1, 0, GPU-a, X, [N/A], [N/A], [Not Supported], [Unknown Error], [N/A], [N/A], [N/A], [N/A]")
	f.Add("GPU-1, 4242, /usr/bin/python3, 8000")
	f.Fuzz(func(t *testing.T, line string) {
		if g, err := parseSMIGPU(line); err == nil {
			if g.count < 1 || g.uuid == "" || g.gpu.ID == "" || math.IsInf(g.gpu.PowerWatts, 0) {
				t.Errorf("%q: got %+v", line, g)
			}
		}
		if uuid, p, err := parseSMIApp(line); err == nil && (uuid == "" || p.Name == "" || p.PID < 0) {
			t.Errorf("%q: got %s %+v", line, uuid, p)
		}
		n := 0
		w := &lineWriter{line: func(s string) {
			n++
			if strings.Contains(s, "\n") || len(s) > smiLineMost {
				t.Errorf("a line of %d bytes: %q", len(s), s)
			}
		}}
		for i := range len(line) { // in pieces of one byte
			w.Write([]byte{line[i]})
		}
		w.flush()
		if want := len(strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool { return r == '\n' })); n > want {
			t.Errorf("%q: %d lines, want at most %d", line, n, want)
		}
	})
}
