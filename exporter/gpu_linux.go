package exporter

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func runnable(st fs.FileInfo) bool { return st.Mode()&0o111 != 0 }

// ownGroup gives a command a process group of its own, which is killed as a whole, and ties it to the calling thread.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}

// drmCards reads AMD's and Intel's GPUs from /sys/class/drm (kernel: Documentation/gpu/amdgpu/thermal.rst,
// Documentation/ABI/testing/sysfs-driver-intel-i915-hwmon). One goroutine uses it at a time.
type drmCards struct {
	root   string
	ids    []string // files of names by PCI id
	names  map[string]string
	energy map[string]energyReading // by card
}

type energyReading struct {
	joules float64
	at     time.Time
}

func newDRMCards(sysRoot string) drmCards {
	return drmCards{
		root: filepath.Join(sysRoot, "class/drm"), names: map[string]string{}, energy: map[string]energyReading{},
		ids: []string{"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"},
	}
}

// read returns the cards in the order of their numbers, without IDs.
func (d *drmCards) read(now time.Time) []GPU {
	entries, err := os.ReadDir(d.root)
	if err != nil {
		return nil
	}
	var cards []int
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), "card"); ok {
			if i, err := strconv.Atoi(n); err == nil { // not a connector, card0-HDMI-A-1
				cards = append(cards, i)
			}
		}
	}
	slices.Sort(cards)
	var list []GPU
	for _, n := range cards {
		card := filepath.Join(d.root, "card"+strconv.Itoa(n))
		switch readWord(card + "/device/vendor") {
		case "0x1002":
			list = append(list, d.card(card, "amd", now))
		case "0x8086":
			list = append(list, d.card(card, "intel", now))
		}
	}
	return list
}

func (d *drmCards) card(card, vendor string, now time.Time) GPU {
	dev := card + "/device"
	nan := unknown()
	g := GPU{
		Vendor: vendor, Name: d.name(dev, vendor), UtilizationRatio: nan, MemoryUsedBytes: nan, MemoryTotalBytes: nan,
		TemperatureCelsius: nan, PowerWatts: nan, FanRatio: nan, ClockHertz: nan,
	}
	if link, err := os.Readlink(dev + "/driver"); err == nil {
		g.Driver = filepath.Base(link)
	}
	if readWord(dev+"/power/runtime_status") == "suspended" {
		return g // reading more would wake it up
	}
	g.UtilizationRatio = readScaled(dev+"/gpu_busy_percent", 1) / 100
	g.MemoryUsedBytes = readScaled(dev+"/mem_info_vram_used", 1)
	g.MemoryTotalBytes = readScaled(dev+"/mem_info_vram_total", 1)
	for _, file := range []string{"/gt_act_freq_mhz", "/gt/gt0/rps_act_freq_mhz", "/device/tile0/gt0/freq0/act_freq"} {
		if g.ClockHertz = readScaled(card+file, 1e6); !math.IsNaN(g.ClockHertz) {
			break
		}
	}
	hwmon, _ := filepath.Glob(dev + "/hwmon/hwmon*")
	for _, h := range hwmon {
		fill(&g.TemperatureCelsius, h+"/temp1_input", 1e-3)
		fill(&g.PowerWatts, h+"/power1_average", 1e-6)
		fill(&g.PowerWatts, h+"/power1_input", 1e-6)
		fill(&g.ClockHertz, h+"/freq1_input", 1)
		if most := readScaled(h+"/pwm1_max", 1); most > 0 {
			fill(&g.FanRatio, h+"/pwm1", 1/most)
		}
		if joules := readScaled(h+"/energy1_input", 1e-6); !math.IsNaN(joules) && math.IsNaN(g.PowerWatts) {
			before, ok := d.energy[h]
			d.energy[h] = energyReading{joules, now}
			if seconds := now.Sub(before.at).Seconds(); ok && seconds > 0 && joules >= before.joules {
				g.PowerWatts = (joules - before.joules) / seconds
			}
		}
	}
	return g
}

// name is what the card calls itself, or what the machine's list of PCI ids calls it; found once.
func (d *drmCards) name(dev, vendor string) string {
	if n, ok := d.names[dev]; ok {
		return n
	}
	v, p := strings.TrimPrefix(readWord(dev+"/vendor"), "0x"), strings.TrimPrefix(readWord(dev+"/device"), "0x")
	n := readWord(dev + "/product_name")
	for _, file := range d.ids {
		if n != "" {
			break
		}
		if b, err := os.ReadFile(file); err == nil {
			n = pciName(b, v, p)
		}
	}
	if n == "" {
		n = fmt.Sprintf("%s GPU %s:%s", map[string]string{"amd": "AMD", "intel": "Intel"}[vendor], v, p)
	}
	d.names[dev] = n
	return n
}

// pciName finds a device in pci.ids: a line "vendor  name", then lines of one tab, "device  name".
func pciName(b []byte, vendor, device string) string {
	ours := false
	for line := range bytes.Lines(b) {
		switch {
		case len(line) < 5 || line[0] == '#' || line[0] == '\t' && line[1] == '\t':
		case line[0] != '\t':
			if ours {
				return ""
			}
			ours = string(line[:4]) == vendor
		case ours && bytes.HasPrefix(line[1:], []byte(device)):
			name := strings.TrimSpace(string(line[1+len(device):]))
			return strings.ToValidUTF8(name, "\uFFFD")
		}
	}
	return ""
}

// fill reads a number where there is none yet.
func fill(v *float64, file string, unit float64) {
	if math.IsNaN(*v) {
		*v = readScaled(file, unit)
	}
}

// readScaled reads a file that holds one number, NaN when there is none.
func readScaled(file string, unit float64) float64 {
	v, err := strconv.ParseFloat(readWord(file), 64)
	if err != nil {
		return unknown()
	}
	return v * unit
}

// readWord reads a file of one line, "" when it cannot be read.
func readWord(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(b)), "\uFFFD")
}
