package exporter

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// networkReader asks rtnetlink, and reads /proc/net/dev where a sandbox has none (or a test has its own /proc).
type networkReader struct {
	links   linkDump
	netlink bool
	dev     procFile
	sys     string
	names   interner
	rates   deviceRates
	count   int
}

func newNetworkReader(o *Options) *networkReader {
	return &networkReader{
		netlink: o.ProcRoot == "/proc",
		dev:     procFile{path: filepath.Join(o.ProcRoot, "net/dev")},
		sys:     filepath.Join(o.SysRoot, "class/net"),
	}
}

func (r *networkReader) close() error {
	if err := r.links.close(); err != nil {
		return err
	}
	return r.dev.close()
}

func (r *networkReader) read(context.Context) (*Network, error) {
	list, err := r.readDevices(make([]NetworkDevice, 0, r.count+2))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	r.count = len(list)
	v := &Network{Devices: list}
	v.putRates(&r.rates, now)
	return v, nil
}

func (r *networkReader) readDevices(list []NetworkDevice) ([]NetworkDevice, error) {
	if r.netlink {
		all, err := r.links.dump(list, &r.names)
		if err == nil {
			return dropRepeatedLinks(all), nil
		}
		list = list[:0]
	}
	b, err := r.dev.read()
	if absent(err) {
		return nil, ErrNoData
	}
	if err != nil {
		return nil, err
	}
	list = dropRepeatedLinks(parseNetDev(b, list, &r.names))
	for i := range list {
		r.putState(&list[i])
	}
	return list, nil
}

// putState reads an interface's flags and link state from /sys.
func (r *networkReader) putState(d *NetworkDevice) {
	dir := filepath.Join(r.sys, d.Device)
	d.Loopback = d.Device == "lo"
	if s, err := readSmall(filepath.Join(dir, "flags")); err == nil {
		flags, _ := strconv.ParseUint(s, 0, 32)
		d.Loopback = flags&unix.IFF_LOOPBACK != 0
		d.Up = flags&unix.IFF_UP != 0
	}
	if s, err := readSmall(filepath.Join(dir, "operstate")); err == nil && s != "up" && s != "unknown" {
		d.Up = false
	}
}

// parseNetDev appends the rows of /proc/net/dev: name, colon, eight columns of receiving and eight of sending. The two lines
// of the head and rows of another shape are left out.
func parseNetDev(b []byte, list []NetworkDevice, names *interner) []NetworkDevice {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		colon := bytes.LastIndexByte(line, ':') // an alias has one in its name
		if colon < 0 {
			continue
		}
		name, rest := bytes.TrimSpace(line[:colon]), line[colon+1:]
		d := NetworkDevice{NoHandler: unknown()}
		rx, tx := &d.Receive, &d.Transmit
		whole := len(name) > 0
		for _, p := range [...]*float64{
			&rx.Bytes, &rx.Packets, &rx.Errors, &rx.Drops, &rx.FIFO, &d.Frame, &rx.Compressed, &d.Multicast,
			&tx.Bytes, &tx.Packets, &tx.Errors, &tx.Drops, &tx.FIFO, &d.Collisions, &d.Carrier, &tx.Compressed,
		} {
			*p, rest = nextNumber(rest)
			whole = whole && *p == *p //nolint:gocritic // not NaN
		}
		if whole {
			d.Device = names.get(name)
			list = append(list, d)
		}
	}
	return list
}

// dropRepeatedLinks keeps the first row of each name: a dump during which interfaces change may show one twice.
func dropRepeatedLinks(list []NetworkDevice) []NetworkDevice {
	var seen map[string]bool // only worth its allocation when there are many
	if len(list) > 32 {
		seen = make(map[string]bool, len(list))
	}
	kept := list[:0]
	for i := range list {
		name := list[i].Device
		twice := seen[name]
		if seen == nil {
			twice = slices.ContainsFunc(kept, func(d NetworkDevice) bool { return d.Device == name })
		} else {
			seen[name] = true
		}
		if !twice {
			kept = append(kept, list[i])
		}
	}
	return kept
}
