package exporter

import "time"

// rateSpan is the least time a rate is taken over. A scrape a few milliseconds after a tick would otherwise show noise: until
// the span has passed, the last rate is carried on.
const rateSpan = time.Second

// rateClock says when rates are computed anew. The first rate is taken from whatever lies between the two priming reads.
type rateClock struct {
	base time.Time // of the readings that rates are counted from
	have bool      // a rate was computed before
}

// renew says whether this reading, taken at now, gives new rates, and over how many seconds. It makes now the new base then.
func (c *rateClock) renew(now time.Time) (seconds float64, ok bool) {
	if c.base.IsZero() {
		c.base = now
		return 0, true
	}
	d := now.Sub(c.base)
	if d <= 0 || c.have && d < rateSpan {
		return 0, false
	}
	c.base, c.have = now, true
	return d.Seconds(), true
}

// deviceRates keeps the rates of two counters of each device. Use: begin, pair for each device, end.
type deviceRates struct {
	clock   rateClock
	devices map[string]*deviceRate
	seconds float64
	anew    bool
	round   uint64
}

type deviceRate struct {
	a, b         float64 // counters at the base
	rateA, rateB float64
	round        uint64
}

func (r *deviceRates) begin(now time.Time) {
	r.seconds, r.anew = r.clock.renew(now)
	if r.anew {
		r.round++
	}
	if r.devices == nil {
		r.devices = map[string]*deviceRate{}
	}
}

// pair returns the rates per second of a device's counters; NaN when it was not there at the base. A counter that fell
// (a device replaced under the same name) gives 0.
func (r *deviceRates) pair(name string, a, b float64) (rateA, rateB float64) {
	d := r.devices[name]
	if !r.anew {
		if d == nil {
			return unknown(), unknown()
		}
		return d.rateA, d.rateB
	}
	switch {
	case d == nil:
		d = &deviceRate{rateA: unknown(), rateB: unknown()}
		r.devices[name] = d
	case d.round == r.round: // the same name twice in one reading
		return d.rateA, d.rateB
	case r.seconds > 0:
		d.rateA, d.rateB = max(0, a-d.a)/r.seconds, max(0, b-d.b)/r.seconds
	}
	d.a, d.b, d.round = a, b, r.round
	return d.rateA, d.rateB
}

// end forgets devices that are gone.
func (r *deviceRates) end() {
	if !r.anew {
		return
	}
	for name, d := range r.devices {
		if d.round != r.round {
			delete(r.devices, name)
		}
	}
}

// addKnown adds v to sum unless v is unknown; a sum of unknowns stays unknown.
func addKnown(sum *float64, v float64) {
	switch {
	case v != v: //nolint:gocritic // NaN
	case *sum != *sum: //nolint:gocritic // NaN
		*sum = v
	default:
		*sum += v
	}
}
