package notify

import (
	"time"

	"controlcenter/control"
	"controlcenter/exporter"
	"controlcenter/internal/store"
)

// Reading is what rules see of the present. It is made once per look, and nothing in it may be changed.
type Reading struct {
	Machine   *exporter.Snapshot // nil = not known
	Services  []*control.Status  // nil = not known
	Keeper    *bool              // whether the keeper is connected; nil = not known
	Store     *store.Info        // nil = not known
	Knowledge KnowledgeReading
	CertEnd   time.Time // of the listeners' certificate; zero = no TLS
}

// KnowledgeReading is what rules see of the knowledge base.
type KnowledgeReading struct {
	Known    bool
	Since    time.Time     // when it was opened, from where a first scan is waited for
	LastScan time.Time     // end of the last complete scan; zero = none yet
	Every    time.Duration // between two scans
	Held     int           // deletions that wait for a person
}

// service finds a service by its id; nil = there is none.
func (r *Reading) service(id string) *control.Status {
	for _, st := range r.Services {
		if st.ID == id {
			return st
		}
	}
	return nil
}

// memory is what rules over readings remember from one look to the next.
type memory struct {
	started time.Time
	now     time.Time // of the present look

	disks map[string]*trend // by mount point
	swap  struct {
		at    time.Time
		bytes float64
		rate  float64
	}
	oom      float64 // last count
	oomKnown bool
}

// trend is a straight line through the last points.
type trend struct {
	at    []time.Time
	value []float64
}

const (
	trendSpan  = 6 * time.Hour   // as the Prometheus rule looks back
	trendStep  = 5 * time.Minute // between two points that are kept
	trendLeast = time.Hour       // shorter ones say nothing
)

// add keeps a point, at most one per trendStep.
func (t *trend) add(at time.Time, v float64) {
	if n := len(t.at); n > 0 && at.Sub(t.at[n-1]) < trendStep {
		return
	}
	t.at, t.value = append(t.at, at), append(t.value, v)
	for len(t.at) > 0 && at.Sub(t.at[0]) > trendSpan {
		t.at, t.value = t.at[1:], t.value[1:]
	}
}

// slope is the change per second, by least squares; false while too little is known.
func (t *trend) slope() (float64, bool) {
	n := len(t.at)
	if n < 3 || t.at[n-1].Sub(t.at[0]) < trendLeast {
		return 0, false
	}
	var sx, sy, sxx, sxy float64
	for i := range t.at {
		x, y := t.at[i].Sub(t.at[0]).Seconds(), t.value[i]
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := float64(n)*sxx - sx*sx
	if d == 0 {
		return 0, false
	}
	return (float64(n)*sxy - sx*sy) / d, true
}
