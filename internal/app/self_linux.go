package app

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// selfProcess writes client_golang's standard process_* families from one pread of a kept /proc/self/stat and three system
// calls. The library's own collector opens five files for each scrape, which was most of what a scrape of this program cost
// (docs/adr/0002); names, types and HELP are the same.
type selfProcess struct {
	mu    sync.Mutex // guards stat's buffer
	stat  *os.File   // nil when /proc cannot be read
	buf   [1024]byte
	boot  float64 // Unix seconds; NaN-free: start is left out when 0
	descs [7]*prometheus.Desc
}

func processCollector() prometheus.Collector {
	p := &selfProcess{boot: bootSeconds()}
	p.stat, _ = os.Open("/proc/self/stat") // kept for the life of the process; without it the families are absent
	for i, d := range [...][2]string{
		{"process_cpu_seconds_total", "Total user and system CPU time spent in seconds."},
		{"process_open_fds", "Number of open file descriptors."},
		{"process_max_fds", "Maximum number of open file descriptors."},
		{"process_virtual_memory_bytes", "Virtual memory size in bytes."},
		{"process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes."},
		{"process_resident_memory_bytes", "Resident memory size in bytes."},
		{"process_start_time_seconds", "Start time of the process since unix epoch in seconds."},
	} {
		p.descs[i] = prometheus.NewDesc(d[0], d[1], nil, nil)
	}
	return p
}

// Describe implements prometheus.Collector.
func (p *selfProcess) Describe(c chan<- *prometheus.Desc) {
	for _, d := range p.descs {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (p *selfProcess) Collect(c chan<- prometheus.Metric) {
	gauge := func(i int, v float64) { c <- prometheus.MustNewConstMetric(p.descs[i], prometheus.GaugeValue, v) }
	if st, err := p.read(); err == nil {
		c <- prometheus.MustNewConstMetric(p.descs[0], prometheus.CounterValue, st.cpuSeconds)
		gauge(3, st.virtualBytes)
		gauge(5, st.residentBytes)
		if p.boot > 0 {
			gauge(6, p.boot+st.startSeconds)
		}
	}
	if n, err := openFiles(); err == nil {
		gauge(1, float64(n))
	}
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) == nil {
		gauge(2, float64(lim.Cur))
	}
	if unix.Getrlimit(unix.RLIMIT_AS, &lim) == nil {
		gauge(4, float64(lim.Cur))
	}
}

type selfStat struct{ cpuSeconds, virtualBytes, residentBytes, startSeconds float64 }

// userHertz is the unit of times in /proc: a hundredth of a second wherever Go runs.
const userHertz = 100

func (p *selfProcess) read() (st selfStat, err error) {
	if p.stat == nil {
		return st, os.ErrNotExist
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.stat.ReadAt(p.buf[:], 0)
	if n == 0 {
		return st, err
	}
	return parseSelfStat(p.buf[:n])
}

// parseSelfStat reads the fields of /proc/PID/stat after the name, which may hold anything: utime 14, stime 15, starttime 22,
// vsize 23, rss 24.
func parseSelfStat(b []byte) (st selfStat, err error) {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 22 {
		return st, fmt.Errorf("read /proc/self/stat: %d fields after the name", len(f))
	}
	var n [5]float64
	for i, at := range [...]int{14, 15, 22, 23, 24} {
		if n[i], err = strconv.ParseFloat(string(f[at-3]), 64); err != nil {
			return st, fmt.Errorf("read /proc/self/stat: %w", err)
		}
	}
	return selfStat{(n[0] + n[1]) / userHertz, n[3], n[4] * float64(os.Getpagesize()), n[2] / userHertz}, nil
}

// openFiles counts descriptors: since Linux 6.2 the size of /proc/self/fd is their number, before it is 0 and they are listed.
func openFiles() (int64, error) {
	var fi unix.Stat_t
	if err := unix.Stat("/proc/self/fd", &fi); err != nil || fi.Size > 0 {
		return fi.Size, err
	}
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return int64(len(names)) - 1, err // less the one that lists
}

// bootSeconds is btime of /proc/stat, 0 when it cannot be read.
func bootSeconds() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("\nbtime "))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	v, err := strconv.ParseFloat(string(line), 64)
	if err != nil {
		return 0
	}
	return v
}
