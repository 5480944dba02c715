package exporter

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	sectorBytes   = 512 // unit of /proc/diskstats, whatever the device's own sector is
	diskMetaEvery = time.Minute
	udevData      = "/run/udev/data"

	// What node_exporter 1.12 leaves out by default: ram disks, loop devices, floppies and partitions.
	nodeDisksExcluded = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
)

type diskIOReader struct {
	diskstats procFile
	sys       string
	udev      string
	excluded  *regexp.Regexp
	names     interner
	rates     deviceRates
	known     map[string]*knownDisk
	metaRead  time.Time
}

type knownDisk struct {
	meta         *diskMeta
	major, minor string
	node         bool
}

func newDiskIOReader(o *Options) *diskIOReader {
	return &diskIOReader{
		diskstats: procFile{path: filepath.Join(o.ProcRoot, "diskstats")},
		sys:       filepath.Join(o.SysRoot, "block"),
		udev:      udevData,
		excluded:  regexp.MustCompile(nodeDisksExcluded),
		known:     map[string]*knownDisk{},
	}
}

func (r *diskIOReader) close() error { return r.diskstats.close() }

func (r *diskIOReader) read(context.Context) (*DiskIO, error) {
	b, err := r.diskstats.read()
	if absent(err) {
		return nil, ErrNoData
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	v := &DiskIO{Devices: parseDiskstats(b, make([]DiskDevice, 0, len(r.known)+4), &r.names)}
	v.ReadBytesPerSecond, v.WrittenBytesPerSecond = unknown(), unknown()
	if now.Sub(r.metaRead) >= diskMetaEvery || len(r.known) > 2*len(v.Devices)+16 {
		r.metaRead = now
		clear(r.known)
	}
	r.rates.begin(now)
	for i := range v.Devices {
		d := &v.Devices[i]
		k := r.known[d.Device]
		if k == nil || k.major != d.major || k.minor != d.minor {
			k = r.look(d)
			r.known[d.Device] = k
		}
		d.Node, d.meta, d.Whole = k.node, k.meta, k.meta.whole
		d.ReadBytesPerSecond, d.WrittenBytesPerSecond = r.rates.pair(d.Device, d.ReadBytes, d.WrittenBytes)
		if d.Whole {
			addKnown(&v.ReadBytesPerSecond, d.ReadBytesPerSecond)
			addKnown(&v.WrittenBytesPerSecond, d.WrittenBytesPerSecond)
		}
	}
	r.rates.end()
	return v, nil
}

// look reads what rarely changes of a device. A whole disk has a directory of its own in /sys/block and hardware (or a
// hypervisor) behind it; loop, ram, md and dm devices have none, and partitions are not in there.
func (r *diskIOReader) look(d *DiskDevice) *knownDisk {
	dir := filepath.Join(r.sys, strings.ReplaceAll(d.Device, "/", "!"))
	meta := &diskMeta{rotational: "0"}
	if _, err := os.Stat(filepath.Join(dir, "device")); err == nil {
		meta.whole = true
	}
	if s, err := readSmall(filepath.Join(dir, "queue/rotational")); err == nil && s == "1" {
		meta.rotational = "1"
	}
	node := !r.excluded.MatchString(d.Device)
	if node {
		if b, err := os.ReadFile(filepath.Join(r.udev, "b"+d.major+":"+d.minor)); err == nil {
			meta.udev = parseUdev(b)
		}
	}
	return &knownDisk{meta, d.major, d.minor, node}
}

// parseUdev reads udev's record of a device: its properties are the lines E:KEY=VALUE.
func parseUdev(b []byte) map[string]string {
	m := map[string]string{}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		kv, ok := bytes.CutPrefix(line, []byte("E:"))
		if !ok {
			continue
		}
		if k, v, ok := bytes.Cut(kv, []byte("=")); ok {
			m[string(k)] = string(v)
		}
	}
	return m
}

// parseDiskstats appends the rows of /proc/diskstats. Kernels before 4.18 lack the columns of discards, those before 5.5 the
// ones of flushes: they are NaN. Rows with fewer than the eleven old columns, and a name's second row, are left out.
func parseDiskstats(b []byte, list []DiskDevice, names *interner) []DiskDevice {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		major, rest := nextField(line)
		minor, rest := nextField(rest)
		name, rest := nextField(rest)
		if _, ok := parseUint(major); !ok || len(name) == 0 {
			continue
		}
		if _, ok := parseUint(minor); !ok {
			continue
		}
		d := DiskDevice{
			Device: names.get(name), major: names.get(major), minor: names.get(minor),
			ReadBytesPerSecond: unknown(), WrittenBytesPerSecond: unknown(),
		}
		whole := true
		for i, c := range [...]struct {
			p    *float64
			unit float64
		}{
			{&d.ReadsCompleted, 1},
			{&d.ReadsMerged, 1},
			{&d.ReadBytes, sectorBytes},
			{&d.ReadTimeSeconds, 1e-3},
			{&d.WritesCompleted, 1},
			{&d.WritesMerged, 1},
			{&d.WrittenBytes, sectorBytes},
			{&d.WriteTimeSeconds, 1e-3},
			{&d.IONow, 1},
			{&d.IOTimeSeconds, 1e-3},
			{&d.WeightedIOSeconds, 1e-3},
			{&d.DiscardsCompleted, 1},
			{&d.DiscardsMerged, 1},
			{&d.DiscardedSectors, 1},
			{&d.DiscardTimeSeconds, 1e-3},
			{&d.FlushRequests, 1},
			{&d.FlushTimeSeconds, 1e-3},
		} {
			var n float64
			n, rest = nextNumber(rest)
			*c.p = n * c.unit
			if n != n && i < 11 { //nolint:gocritic // NaN
				whole = false
				break
			}
		}
		if whole {
			list = append(list, d)
		}
	}
	return dropRepeatedDisks(list)
}

// dropRepeatedDisks keeps the first row of each name, so that no series is written twice.
func dropRepeatedDisks(list []DiskDevice) []DiskDevice {
	var seen map[string]bool // only worth its allocation when there are many
	if len(list) > 32 {
		seen = make(map[string]bool, len(list))
	}
	kept := list[:0]
	for i := range list {
		name := list[i].Device
		twice := seen[name]
		if seen == nil {
			twice = slices.ContainsFunc(kept, func(d DiskDevice) bool { return d.Device == name })
		} else {
			seen[name] = true
		}
		if !twice {
			kept = append(kept, list[i])
		}
	}
	return kept
}
