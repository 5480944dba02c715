package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type hostReader struct {
	proc, sys string
	osRelease []string // where systems keep their name, best first
}

func newHostReader(o *Options) *hostReader {
	return &hostReader{o.ProcRoot, o.SysRoot, []string{"/etc/os-release", "/usr/lib/os-release"}}
}

// read opens its files anew: it runs every 30 s.
func (r *hostReader) read(context.Context) (*Host, error) {
	now := time.Now()
	v := &Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, at: now, TimeSeconds: unixSeconds(now),
		UptimeSeconds: unknown(), BootTimeSeconds: unknown(), FilesAllocated: unknown(), FilesMaximum: unknown(), MemoryTotalBytes: unknown(),
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("read uname: %w", err)
	}
	text := func(b [65]byte) string { return unix.ByteSliceToString(b[:]) }
	v.sysname, v.Hostname, v.Kernel, v.KernelVersion, v.Machine, v.DomainName =
		text(u.Sysname), text(u.Nodename), text(u.Release), text(u.Version), text(u.Machine), text(u.Domainname)
	for _, path := range r.osRelease {
		if b, err := os.ReadFile(path); err == nil {
			v.Platform, v.PlatformVersion = parseOSRelease(b)
			break
		}
	}
	v.clockSources = r.clocks()
	err := errors.Join(
		r.with("cpuinfo", func(b []byte) {
			c := parseCPUInfo(b)
			v.CPUModel, v.CPUCores, v.CPUCoresPhysical = c.model, c.logical, c.physical
		}),
		r.with("stat", func(b []byte) {
			var c CPU
			var ids interner
			if parseStat(b, &c, &ids) == nil {
				v.BootTimeSeconds, v.CPUCores = c.BootTimeSeconds, max(v.CPUCores, len(c.Cores))
			}
		}),
		r.with("uptime", func(b []byte) {
			f, _ := nextField(b)
			v.UptimeSeconds = parseFloat(f)
		}),
		r.with("meminfo", func(b []byte) {
			var m Memory
			var names interner
			if parseMemInfo(b, &m, &names) == nil {
				v.MemoryTotalBytes = m.TotalBytes
			}
		}),
		r.with("sys/fs/file-nr", func(b []byte) { v.FilesAllocated, v.FilesMaximum = parseFileNr(b) }),
	)
	if err != nil {
		return v, fmt.Errorf("%w: %w", err, ErrPartial)
	}
	return v, nil
}

func (r *hostReader) with(name string, use func([]byte)) error {
	b, err := os.ReadFile(filepath.Join(r.proc, name))
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(r.proc, name), err)
	}
	use(b)
	return nil
}

// clocks reads the clock devices; a machine without the directory has none to show.
func (r *hostReader) clocks() []clockSource {
	dir := filepath.Join(r.sys, "devices/system/clocksource")
	entries, _ := os.ReadDir(dir)
	var list []clockSource
	for _, e := range entries {
		device, ok := strings.CutPrefix(e.Name(), "clocksource")
		if !ok {
			continue
		}
		available, err := readSmall(filepath.Join(dir, e.Name(), "available_clocksource"))
		if err != nil {
			continue
		}
		current, err := readSmall(filepath.Join(dir, e.Name(), "current_clocksource"))
		if err != nil {
			continue
		}
		names := strings.Fields(available)
		slices.Sort(names)
		list = append(list, clockSource{device, current, slices.Compact(names)})
	}
	return list
}

// parseFileNr reads /proc/sys/fs/file-nr: allocated, free (always 0), maximum.
func parseFileNr(b []byte) (allocated, maximum float64) {
	b, _ = nextLine(b)
	allocated, b = nextNumber(b)
	_, b = nextNumber(b)
	maximum, _ = nextNumber(b)
	return allocated, maximum
}

// parseOSRelease reads os-release: ID and VERSION_ID, of which rolling systems have no second.
func parseOSRelease(b []byte) (id, version string) {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte("="))
		text := strings.ToValidUTF8(string(bytes.Trim(value, `"'`)), "\uFFFD")
		switch string(key) {
		case "ID":
			id = text
		case "VERSION_ID":
			version = text
		}
	}
	return id, version
}
