package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// userHertz is the unit of /proc/stat: the kernel shows a hundredth of a second on every architecture Go runs on.
const userHertz = 100

const (
	frequencyEvery = 5 * time.Second // clock rates move all the time, and asking many cores is not free
	idleFellBack   = 3.0             // seconds; idle that falls by more is a processor that was unplugged and plugged
)

type cpuReader struct {
	stat      procFile
	cpuinfo   procFile
	sys       string
	ids       interner
	usage     cpuUsage
	last      map[string]CPUTimes
	hertz     map[string]frequency
	hertzRead time.Time
}

type frequency struct{ now, lowest, highest float64 }

func newCPUReader(o *Options) *cpuReader {
	return &cpuReader{
		stat:    procFile{path: filepath.Join(o.ProcRoot, "stat")},
		cpuinfo: procFile{path: filepath.Join(o.ProcRoot, "cpuinfo")},
		sys:     filepath.Join(o.SysRoot, "devices/system/cpu"),
		last:    map[string]CPUTimes{},
		hertz:   map[string]frequency{},
	}
}

func (r *cpuReader) close() error { return closeAll(&r.stat, &r.cpuinfo) }

func (r *cpuReader) read(context.Context) (*CPU, error) {
	b, err := r.stat.read()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	v := &CPU{Cores: make([]CPUCore, 0, len(r.last))}
	if err := parseStat(b, v, &r.ids); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.stat.path, err)
	}
	for i := range v.Cores {
		c := &v.Cores[i]
		c.Times = neverFall(r.last[c.ID], c.Times)
		r.last[c.ID] = c.Times
	}
	r.usage.put(v, now)
	if now.Sub(r.hertzRead) >= frequencyEvery {
		r.hertzRead = now
		r.readFrequencies(v.Cores)
	}
	for i := range v.Cores {
		c := &v.Cores[i]
		f, ok := r.hertz[c.ID]
		if !ok {
			f = frequency{unknown(), unknown(), unknown()}
		}
		c.Hertz, c.MinHertz, c.MaxHertz = f.now, f.lowest, f.highest
	}
	return v, nil
}

// neverFall keeps counters from going back: idle and iowait of tickless processors do so by a tick now and then. A processor
// that came back after it was taken out starts from its new values.
func neverFall(was, is CPUTimes) CPUTimes {
	if was.Idle-is.Idle > idleFellBack {
		return is
	}
	return CPUTimes{
		User: max(was.User, is.User), Nice: max(was.Nice, is.Nice), System: max(was.System, is.System), Idle: max(was.Idle, is.Idle),
		IOWait: max(was.IOWait, is.IOWait), IRQ: max(was.IRQ, is.IRQ), SoftIRQ: max(was.SoftIRQ, is.SoftIRQ), Steal: max(was.Steal, is.Steal),
		Guest: max(was.Guest, is.Guest), GuestNice: max(was.GuestNice, is.GuestNice),
	}
}

// readFrequencies asks cpufreq, which says kHz, and where there is none /proc/cpuinfo, which says MHz.
func (r *cpuReader) readFrequencies(cores []CPUCore) {
	clear(r.hertz)
	for i := range cores {
		dir := filepath.Join(r.sys, "cpu"+cores[i].ID, "cpufreq")
		f := frequency{
			now:     1e3 * readSmallNumber(filepath.Join(dir, "scaling_cur_freq")),
			lowest:  1e3 * readSmallNumber(filepath.Join(dir, "cpuinfo_min_freq")),
			highest: 1e3 * readSmallNumber(filepath.Join(dir, "cpuinfo_max_freq")),
		}
		if f.now == f.now { //nolint:gocritic // not NaN
			r.hertz[cores[i].ID] = f
		} else if i == 0 {
			break // no cpufreq on this machine
		}
	}
	if len(r.hertz) > 0 {
		return
	}
	b, err := r.cpuinfo.read()
	if err != nil {
		return // frequencies stay unknown; nothing else depends on them
	}
	for id, mhz := range parseCPUInfo(b).mhz {
		r.hertz[id] = frequency{1e6 * mhz, unknown(), unknown()}
	}
}

var errNoCPULine = errors.New("no line of a processor")

// parseStat reads /proc/stat. Columns that an old kernel lacks are 0, as are its steal and guest times; rows it lacks are NaN.
func parseStat(b []byte, v *CPU, ids *interner) error {
	v.ContextSwitches, v.Interrupts, v.Forks = unknown(), unknown(), unknown()
	v.ProcsRunning, v.ProcsBlocked, v.BootTimeSeconds = unknown(), unknown(), unknown()
	total := false
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		name, rest := nextField(line)
		if id, ok := bytes.CutPrefix(name, []byte("cpu")); ok {
			t, ok := parseCPUTimes(rest)
			if !ok {
				continue
			}
			if len(id) == 0 {
				v.Times, total = t, true
			} else if _, ok := parseUint(id); ok && !hasCore(v.Cores, id) {
				v.Cores = append(v.Cores, CPUCore{ID: ids.get(id), Times: t})
			}
			continue
		}
		switch string(name) {
		case "ctxt":
			v.ContextSwitches, _ = nextNumber(rest)
		case "intr":
			v.Interrupts, _ = nextNumber(rest)
		case "processes":
			v.Forks, _ = nextNumber(rest)
		case "procs_running":
			v.ProcsRunning, _ = nextNumber(rest)
		case "procs_blocked":
			v.ProcsBlocked, _ = nextNumber(rest)
		case "btime":
			v.BootTimeSeconds, _ = nextNumber(rest)
		}
	}
	if !total && len(v.Cores) == 0 {
		return errNoCPULine
	}
	return nil
}

// hasCore looks at the last core first: they come in order, so a search is one comparison unless the input is broken.
func hasCore(cores []CPUCore, id []byte) bool {
	if n := len(cores); n == 0 || laterID(id, cores[n-1].ID) {
		return false
	}
	for i := range cores {
		if cores[i].ID == string(id) {
			return true
		}
	}
	return false
}

func laterID(a []byte, b string) bool {
	return len(a) > len(b) || len(a) == len(b) && string(a) > b
}

// parseCPUTimes reads the columns of a cpu line; at least user, nice, system and idle must be there.
func parseCPUTimes(b []byte) (t CPUTimes, ok bool) {
	for i, p := range [...]*float64{&t.User, &t.Nice, &t.System, &t.Idle, &t.IOWait, &t.IRQ, &t.SoftIRQ, &t.Steal, &t.Guest, &t.GuestNice} {
		var f []byte
		f, b = nextField(b)
		n, ok := parseUint(f)
		if !ok {
			return t, i >= 4 && len(f) == 0
		}
		*p = float64(n) / userHertz
	}
	return t, true
}

// cpuInfo is what we use of /proc/cpuinfo.
type cpuInfo struct {
	model    string
	mhz      map[string]float64 // by processor
	logical  int
	physical int // 0 = not told
}

func parseCPUInfo(b []byte) cpuInfo {
	type place struct{ pkg, core string }
	info := cpuInfo{mhz: map[string]float64{}}
	places := map[place]bool{}
	var at place
	id, known := "", false
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, value, _ := bytes.Cut(line, []byte(":"))
		key, value = bytes.TrimSpace(key), bytes.TrimSpace(value)
		switch string(key) {
		case "processor":
			if _, ok := parseUint(value); !ok {
				continue // old ARM kernels name the model so
			}
			id = string(value)
			info.logical++
			at, known = place{}, false
		case "model name", "cpu model", "Model", "Hardware", "uarch":
			if info.model == "" {
				info.model = string(value)
			}
		case "cpu MHz", "clock":
			if mhz := parseFloat(bytes.TrimSuffix(value, []byte("MHz"))); mhz > 0 && id != "" {
				info.mhz[id] = mhz
			}
		case "physical id":
			at.pkg, known = string(value), true
		case "core id":
			at.core = string(value)
			if known {
				places[at] = true
			}
		}
	}
	info.physical = len(places)
	return info
}
