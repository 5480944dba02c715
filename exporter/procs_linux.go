package exporter

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"controlcenter/internal/mask"
)

const (
	ticksPerSecond = 100 // USER_HZ: the same on every Linux that Go runs on
	cmdlineOf      = 50  // so many of the busiest and so many of the largest show their arguments
	cmdlineBytes   = 4096
	keptStats      = 4096 // descriptors of /proc/PID/stat kept at most
)

// processReader reads all processes. One goroutine uses it at a time.
type processReader struct {
	o         *Options
	dir       procDir
	entries   map[int]*procEntry
	budget    int // descriptors that may still be kept
	round     uint64
	last      time.Time // of the last good reading
	lastTicks uint64    // the same, since boot
	bootSecs  float64   // Unix time of boot, from /proc/stat
	bootClock time.Duration
	memTotal  float64
	pageSize  float64
	users     map[uint32]string
	usersAt   time.Time
	groups    *processGroups
	// kept for their memory
	pids []int
	live []*procEntry
	buf  []byte
}

// procEntry is what is kept of one process from one reading to the next. PID and start name the process.
type procEntry struct {
	pid     int
	fd      int // of its stat; -1 = opened for each read
	round   uint64
	reads   uint64
	counted uint64 // ticks that earlier readings accounted for
	known   bool   // was part of an earlier reading
	told    uint64 // round that shows its arguments
	fresh   bool   // arguments were read since they may have changed
	comm    []byte
	name    string
	group   string
	uid     uint32
	user    string
	cmdline string
	stat    procStat
	gain    uint64 // ticks since the last reading
	percent float64
}

func newProcessReader(o *Options) *processReader {
	return &processReader{
		o: o, dir: newProcDir(o.ProcRoot), entries: map[int]*procEntry{}, budget: fdBudget(keptStats, 4),
		memTotal: readMemTotal(o.ProcRoot), pageSize: float64(os.Getpagesize()), users: map[uint32]string{},
		groups: newProcessGroups(), buf: make([]byte, cmdlineBytes),
	}
}

// read reads all processes at time now. It blocks as long as the kernel takes to write the stat files. One that cannot be
// read is counted in Unreadable; an error means that /proc itself could not be listed or that ctx ended.
func (r *processReader) read(ctx context.Context, now time.Time) (*Processes, error) {
	pids, err := r.dir.pids(r.pids[:0])
	r.pids = pids
	if err != nil {
		return nil, err
	}
	ticks := r.clock()
	p := &Processes{States: make([]NamedValue, statusCount)}
	for i, name := range statusNames {
		p.States[i].Name = name
	}
	r.round++
	r.live = r.live[:0]
	elapsed := now.Sub(r.last).Seconds()
	for i, pid := range pids {
		if i%256 == 255 && ctx.Err() != nil {
			return nil, fmt.Errorf("read processes: %w", context.Cause(ctx))
		}
		e, err := r.readOne(pid)
		switch {
		case err == nil:
			r.account(e, ticks, elapsed)
			r.live = append(r.live, e)
			p.States[statusOf(e.stat.state)].Value++
			p.Threads += e.stat.threads
		case !gone(err):
			p.Unreadable++
		}
	}
	r.sweep()
	r.last, r.lastTicks = now, ticks
	r.sum(p, now)
	r.describe(p)
	return p, nil
}

// clock is the time since boot in ticks. The Unix time of boot is read again when somebody has set the clock, and only then,
// so that the start times of processes do not waver.
func (r *processReader) clock() uint64 {
	var up, wall unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) // cannot fail: the clock exists since Linux 2.6.39
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	boot := time.Duration(wall.Nano() - up.Nano())
	if r.bootSecs == 0 || (boot-r.bootClock).Abs() > time.Second {
		r.bootClock = boot
		r.bootSecs = math.Floor(boot.Seconds())
		if b, err := os.ReadFile(filepath.Join(r.o.ProcRoot, "stat")); err == nil {
			if _, after, ok := bytes.Cut(b, []byte("\nbtime ")); ok {
				if v, n := parseDigits(after); n > 0 {
					r.bootSecs = float64(v)
				}
			}
		}
	}
	return uint64(up.Nano()) / uint64(time.Second/ticksPerSecond)
}

// readOne reads one process's stat, through its kept descriptor where there is one.
func (r *processReader) readOne(pid int) (*procEntry, error) {
	e := r.entries[pid]
	if e != nil && e.fd >= 0 {
		n, err := retry(func() (int, error) { return unix.Pread(e.fd, r.buf, 0) })
		if err == nil && n > 0 {
			return e, r.parse(e, r.buf[:n])
		}
		r.drop(e) // ended; the number may have a new process
		e = nil
	}
	fd, err := r.dir.openFile(pid, "stat", 0)
	if err != nil {
		return nil, err
	}
	n, err := retry(func() (int, error) { return unix.Pread(fd, r.buf, 0) })
	if err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was written
		return nil, err
	}
	if e == nil {
		e = &procEntry{pid: pid, fd: -1}
		r.entries[pid] = e
	}
	if r.budget > 0 {
		e.fd = fd
		r.budget--
	} else {
		unix.Close(fd) //nolint:errcheck // nothing was written
	}
	return e, r.parse(e, r.buf[:n])
}

// parse takes a stat line over into the entry. The line lies in r.buf, which is used again at once.
func (r *processReader) parse(e *procEntry, line []byte) error {
	var s procStat
	if err := parseProcStat(line, &s); err != nil {
		return err
	}
	if e.reads > 0 && e.stat.start != s.start { // without a kept descriptor a number may have passed to another process
		fd := e.fd
		*e = procEntry{pid: e.pid, fd: fd}
	}
	renamed := e.reads == 0 || !bytes.Equal(e.comm, s.comm)
	if renamed {
		e.comm = append(e.comm[:0], s.comm...)
	}
	e.stat = s
	e.stat.comm = nil
	e.reads++
	e.round = r.round
	// A young process changes its user and arguments (su, exec), an old one seldom does: look at reads 1, 2, 4, 8 ... and
	// then at every 64th, each process at its own.
	again := e.reads&(e.reads-1) == 0 || (e.reads+uint64(e.pid))%64 == 0
	if renamed || again {
		e.fresh = false
		r.identify(e, renamed)
	}
	return nil
}

// identify finds the name and the user.
func (r *processReader) identify(e *procEntry, renamed bool) {
	kernel := e.stat.flags&kernelThread != 0
	if renamed || len(e.comm) == commLength {
		name := processName(e.comm, func() []byte {
			if kernel {
				return nil
			}
			b, _ := r.dir.readFile(e.pid, "cmdline", r.buf) // it ended meanwhile: comm will do
			return b
		})
		if name != e.name {
			e.name = name
			e.group = seriesName(name, kernel)
		}
	}
	var st unix.Stat_t
	// The directory belongs to the effective user; files in it belong to root when the process is not dumpable.
	if unix.Fstatat(r.dir.fd, r.dir.sub(e.pid, ""), &st, 0) == nil && (e.user == "" || st.Uid != e.uid) {
		e.uid, e.user = st.Uid, r.userName(st.Uid)
	}
}

// userName looks a user up, at most once in ten minutes.
func (r *processReader) userName(uid uint32) string {
	if now := time.Now(); now.Sub(r.usersAt) > 10*time.Minute {
		clear(r.users)
		r.usersAt = now
	}
	name, ok := r.users[uid]
	if !ok {
		name = strconv.FormatUint(uint64(uid), 10)
		if u, err := user.LookupId(name); err == nil && u.Username != "" {
			name = u.Username
		}
		r.users[uid] = name
	}
	return name
}

// account turns ticks into a rate.
func (r *processReader) account(e *procEntry, ticks uint64, elapsed float64) {
	e.gain, e.percent = 0, 0
	switch {
	case r.last.IsZero(): // what it used before is not of this interval
	case e.known:
		if e.stat.ticks > e.counted {
			e.gain = e.stat.ticks - e.counted
		}
		if elapsed > 0 {
			e.percent = float64(e.gain) / ticksPerSecond / elapsed * 100
		}
	case e.stat.start >= r.lastTicks: // started since the last reading
		e.gain = e.stat.ticks
		age := uint64(1)
		if ticks > e.stat.start {
			age = ticks - e.stat.start
		}
		e.percent = float64(e.gain) / float64(age) * 100
	}
}

func (r *processReader) drop(e *procEntry) {
	if e.fd >= 0 {
		unix.Close(e.fd) //nolint:errcheck // nothing was written
		e.fd = -1
		r.budget++
	}
	delete(r.entries, e.pid)
}

// sweep lets go of processes that were not seen.
func (r *processReader) sweep() {
	if len(r.entries) == len(r.live) {
		return
	}
	for _, e := range r.entries {
		if e.round != r.round {
			r.drop(e)
		}
	}
}

// sum attributes the gains; only what a reading that came to its end has summed is accounted for.
func (r *processReader) sum(p *Processes, now time.Time) {
	r.groups.begin()
	for _, e := range r.live {
		e.known, e.counted = true, e.stat.ticks
		r.groups.add(processSample{
			e.group, float64(e.gain) / ticksPerSecond, float64(e.stat.rssPages) * r.pageSize, e.stat.threads,
		})
	}
	p.Groups = r.groups.end(now, r.o.Current().TopProcesses)
	p.Withheld = r.groups.withheld
}

// describe writes the list, busiest first, with the arguments of the busiest and the largest.
func (r *processReader) describe(p *Processes) {
	slices.SortFunc(r.live, func(a, b *procEntry) int { return cmp.Compare(b.stat.rssPages, a.stat.rssPages) })
	for _, e := range r.live[:min(cmdlineOf, len(r.live))] {
		r.arguments(e)
	}
	slices.SortFunc(r.live, func(a, b *procEntry) int {
		if a.percent != b.percent {
			return cmp.Compare(b.percent, a.percent)
		}
		if a.stat.rssPages != b.stat.rssPages {
			return cmp.Compare(b.stat.rssPages, a.stat.rssPages)
		}
		return cmp.Compare(a.pid, b.pid)
	})
	p.List = make([]Process, len(r.live))
	for i, e := range r.live {
		if i < cmdlineOf {
			r.arguments(e)
		}
		memory := float64(e.stat.rssPages) * r.pageSize
		percent := unknown()
		if r.memTotal > 0 {
			percent = memory / r.memTotal * 100
		}
		p.List[i] = Process{
			PID: e.pid, PPID: e.stat.ppid, Name: e.name, Status: statusNames[statusOf(e.stat.state)], User: e.user,
			CPUPercent: e.percent, CPUSeconds: float64(e.stat.ticks) / ticksPerSecond,
			MemoryBytes: memory, MemoryPercent: percent, Threads: e.stat.threads,
			StartSeconds: r.bootSecs + float64(e.stat.start)/ticksPerSecond, StartTicks: e.stat.start,
			Service: r.o.ServiceOf(e.pid),
		}
		if e.told == r.round {
			p.List[i].Cmdline = e.cmdline
		}
	}
}

// arguments reads and masks a process's arguments when they may have changed.
func (r *processReader) arguments(e *procEntry) {
	e.told = r.round
	if e.fresh || e.stat.flags&kernelThread != 0 {
		return
	}
	e.fresh = true
	b, err := r.dir.readFile(e.pid, "cmdline", r.buf)
	if err != nil {
		return
	}
	if line := mask.Cmdline(b); line != e.cmdline {
		e.cmdline = line
	}
}

// close frees the descriptors.
func (r *processReader) close() error {
	for _, e := range r.entries {
		r.drop(e)
	}
	r.dir.close()
	return nil
}

// readMemTotal is MemTotal of meminfo in bytes, 0 when it cannot be read.
func readMemTotal(root string) float64 {
	b, err := os.ReadFile(filepath.Join(root, "meminfo"))
	if err != nil {
		return 0
	}
	_, after, ok := bytes.Cut(b, []byte("MemTotal:"))
	if !ok {
		return 0
	}
	kib, _ := parseDigits(bytes.TrimLeft(after, " "))
	return float64(kib) * 1024
}
