package exporter

import (
	"math"
	"time"
)

// serviceEvery is the cadence of the curves of services: that of the processes while somebody reads them.
const serviceEvery = 5 * time.Second

// ServiceLoad is what all processes of a managed service take together.
type ServiceLoad struct {
	CPUPercent  float64 // 100 = one core
	MemoryBytes float64 // resident; pages that processes share count in each
	Processes   int
	Threads     int
}

// Services sums the processes of each managed service, by its name. Services without a process are not in it.
func (p *Processes) Services() map[string]ServiceLoad {
	sums := map[string]ServiceLoad{}
	for i := range p.List {
		one := &p.List[i]
		if one.Service == "" {
			continue
		}
		sum := sums[one.Service]
		if !math.IsNaN(one.CPUPercent) { // of a process that was read only once nothing is known yet
			sum.CPUPercent += one.CPUPercent
		}
		if !math.IsNaN(one.MemoryBytes) {
			sum.MemoryBytes += one.MemoryBytes
		}
		sum.Processes++
		sum.Threads += one.Threads
		sums[one.Service] = sum
	}
	return sums
}

// ServiceCurves are what [History.Services] returns: parallel slices, oldest first. The distance of the points is that of the
// readings: 5 s while somebody reads, up to 30 s else.
type ServiceCurves struct {
	Times    []int64                 // unix milliseconds
	Services map[string]ServiceCurve // by name; those that had a process in the ring's time
}

// ServiceCurve has a value for each time; NaN where the service had no process.
type ServiceCurve struct {
	CPUPercent, MemoryBytes []float32
}

// serviceRing is a ring of readings of the processes.
type serviceRing struct {
	newest  *Processes // the reading that was taken last
	times   []int64    // unix milliseconds, ring
	columns map[string]*serviceColumn
	n, next int
}

type serviceColumn struct {
	ServiceCurve
	last int64 // time of its last point with a process
}

func newServiceRing() serviceRing {
	return serviceRing{times: make([]int64, historySpan/serviceEvery), columns: map[string]*serviceColumn{}}
}

// add takes the processes of a snapshot when they were read anew.
func (r *serviceRing) add(at time.Time, p *Processes) {
	if p == nil || p == r.newest {
		return
	}
	r.newest = p
	now, i := at.UnixMilli(), r.next
	sums := p.Services()
	for name := range sums {
		if r.columns[name] == nil {
			c := &serviceColumn{ServiceCurve: ServiceCurve{make([]float32, len(r.times)), make([]float32, len(r.times))}}
			for j := range r.times {
				c.set(j, math.NaN(), math.NaN())
			}
			r.columns[name] = c
		}
	}
	for name, c := range r.columns {
		if sum, runs := sums[name]; runs {
			c.set(i, sum.CPUPercent, sum.MemoryBytes)
			c.last = now
		} else if c.set(i, math.NaN(), math.NaN()); now-c.last > historySpan.Milliseconds() {
			delete(r.columns, name) // nothing is left of it
		}
	}
	r.times[i] = now
	r.next = (i + 1) % len(r.times)
	r.n = min(r.n+1, len(r.times))
}

func (c *serviceColumn) set(i int, cpu, memory float64) {
	c.CPUPercent[i], c.MemoryBytes[i] = float32(cpu), float32(memory)
}

// Services returns the points of services younger than from. The result is the caller's own.
func (h *History) Services(from time.Time) ServiceCurves {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &h.services
	first, n := youngest(r.times, r.next, r.n, from)
	out := ServiceCurves{Times: unroll(r.times, first, n), Services: make(map[string]ServiceCurve, len(r.columns))}
	for name, c := range r.columns {
		out.Services[name] = ServiceCurve{unroll(c.CPUPercent, first, n), unroll(c.MemoryBytes, first, n)}
	}
	return out
}
