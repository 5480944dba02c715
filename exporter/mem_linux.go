package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type memoryReader struct {
	meminfo  procFile
	vmstat   procFile
	names    interner
	infos    descTable
	vmstats  descTable
	pageSize float64
}

func newMemoryReader(o *Options) *memoryReader {
	return &memoryReader{
		meminfo:  procFile{path: filepath.Join(o.ProcRoot, "meminfo")},
		vmstat:   procFile{path: filepath.Join(o.ProcRoot, "vmstat")},
		infos:    newDescTable(nodeMemInfo),
		vmstats:  newDescTable(nodeVMStat),
		pageSize: float64(os.Getpagesize()),
	}
}

func (r *memoryReader) close() error { return closeAll(&r.meminfo, &r.vmstat) }

func (r *memoryReader) read(context.Context) (*Memory, error) {
	b, err := r.meminfo.read()
	if err != nil {
		return nil, err
	}
	v := &Memory{Info: make([]NamedValue, 0, 64)}
	if err := parseMemInfo(b, v, &r.names); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.meminfo.path, err)
	}
	v.infoDescs = make([]*Desc, len(v.Info))
	for i := range v.Info {
		v.infoDescs[i] = r.infos.get(v.Info[i].Name, memInfoDesc)
	}
	v.SwapInBytes, v.SwapOutBytes, v.OOMKills = unknown(), unknown(), unknown()
	b, err = r.vmstat.read()
	switch {
	case absent(err): // a kernel or sandbox without it
		return v, nil
	case err != nil:
		return v, fmt.Errorf("%w: %w", err, ErrPartial)
	}
	v.VMStat = parseVMStat(b, make([]NamedValue, 0, 16), &r.names)
	v.vmstatDescs = make([]*Desc, len(v.VMStat))
	for i, row := range v.VMStat {
		v.vmstatDescs[i] = r.vmstats.get(row.Name, vmstatDesc)
		switch row.Name {
		case "pswpin":
			v.SwapInBytes = row.Value * r.pageSize
		case "pswpout":
			v.SwapOutBytes = row.Value * r.pageSize
		case "oom_kill":
			v.OOMKills = row.Value
		}
	}
	return v, nil
}

// descTable finds the family of a kernel's row, and makes one for a row that nobody knew when this was written. Only the
// reader uses it; a family once made is never changed.
type descTable struct {
	byRow  map[string]*Desc
	byName map[string]*Desc
}

func newDescTable(known []Desc) descTable {
	t := descTable{map[string]*Desc{}, map[string]*Desc{}}
	for i := range known {
		t.byName[known[i].Name] = &known[i]
	}
	return t
}

func (t *descTable) get(row string, build func(row string) Desc) *Desc {
	if d := t.byRow[row]; d != nil {
		return d
	}
	made := build(row)
	d := t.byName[made.Name]
	if d == nil {
		d = &made
		t.byName[made.Name] = d
	}
	t.byRow[row] = d
	return d
}

// memInfoDesc names a row as node_exporter does: Active(anon) is node_memory_Active_anon_bytes.
func memInfoDesc(row string) Desc {
	name := metricName(row)
	if !strings.HasPrefix(row, "HugePages_") {
		name += "_bytes"
	}
	return Desc{"node_memory_" + name, "Memory information field " + name + ".", Gauge, nil}
}

func vmstatDesc(row string) Desc {
	name := metricName(row)
	return Desc{"node_vmstat_" + name, "/proc/vmstat information field " + name + ".", Untyped, nil}
}

// metricName makes a kernel's word part of a metric name: what may not stand in one becomes an underscore, none at the end.
func metricName(s string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, s), "_")
}

var errNoMemTotal = errors.New("no MemTotal")

// parseMemInfo reads /proc/meminfo into Info and what follows from it. A row that is given twice counts once.
func parseMemInfo(b []byte, v *Memory, names *interner) error {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(key) == 0 || isBlank(key[0]) {
			continue
		}
		f, rest := nextField(rest)
		n, ok := parseUint(f)
		if !ok {
			continue
		}
		value := float64(n)
		if unit, _ := nextField(rest); string(unit) == "kB" {
			value *= 1024
		}
		v.Info = append(v.Info, NamedValue{names.get(key), value})
	}
	v.Info = dropRepeats(v.Info)
	free, buffers, cached := named(v.Info, "MemFree"), named(v.Info, "Buffers"), named(v.Info, "Cached")
	v.TotalBytes, v.FreeBytes, v.BuffersBytes, v.CachedBytes = named(v.Info, "MemTotal"), free, buffers, cached
	v.AvailableBytes = named(v.Info, "MemAvailable")
	if v.AvailableBytes != v.AvailableBytes { //nolint:gocritic // NaN: kernels before 3.14 leave the guess to us
		v.AvailableBytes = free + buffers + cached
	}
	v.SwapTotalBytes, v.SwapFreeBytes = named(v.Info, "SwapTotal"), named(v.Info, "SwapFree")
	v.derive()
	if v.TotalBytes != v.TotalBytes { //nolint:gocritic // NaN
		return errNoMemTotal
	}
	return nil
}

func named(rows []NamedValue, name string) float64 {
	for i := range rows {
		if rows[i].Name == name {
			return rows[i].Value
		}
	}
	return unknown()
}

// dropRepeats keeps the first row of each metric name, so that no family gets a series twice. Most names are metric names
// already; only the few odd ones ("Active(anon)") have to be spelled out to be compared.
func dropRepeats(rows []NamedValue) []NamedValue {
	var odds []string // metric names of the odd rows kept
	kept := rows[:0]
	for _, row := range rows {
		name, isOdd := row.Name, odd(row.Name)
		if isOdd {
			name = metricName(row.Name)
		}
		if slices.Contains(odds, name) || slices.ContainsFunc(kept, func(k NamedValue) bool { return k.Name == name }) {
			continue
		}
		if isOdd {
			odds = append(odds, name)
		}
		kept = append(kept, row)
	}
	return kept
}

// odd says that a name has a character that metricName would change.
func odd(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' || c == '_' && i == len(s)-1 {
			return true
		}
	}
	return false
}

// parseVMStat appends the rows of /proc/vmstat that are shown, each once.
func parseVMStat(b []byte, rows []NamedValue, names *interner) []NamedValue {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if len(line) == 0 || line[0] != 'o' && line[0] != 'p' {
			continue
		}
		name, rest := nextField(line)
		if !vmstatShown(name) {
			continue
		}
		if v, _ := nextNumber(rest); v == v { //nolint:gocritic // not NaN
			rows = append(rows, NamedValue{names.get(name), v})
		}
	}
	return dropRepeats(rows)
}

func vmstatShown(name []byte) bool {
	for _, p := range [...]string{"oom_kill", "pgpg", "pswp"} {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return bytes.HasPrefix(name, []byte("pg")) && bytes.Contains(name[2:], []byte("fault"))
}
