package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Failed attempts are counted where they come from and at whom they aim. A budget that is used up refuses further attempts
// without looking at them; it never touches credentials that can be proved cheaply (keys, sessions, tokens): those are always
// looked at, so nobody can lock a valid one out.
const (
	perAddress   = 10              // attempts at once
	addressEvery = 6 * time.Second // one more: ten a minute
	perUser      = 10
	userEvery    = 30 * time.Second
	mostBuckets  = 10_000
)

// throttle counts failures. The zero value is ready.
type throttle struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	proved  map[proof]struct{}
}

type bucket struct {
	left *rate.Limiter
	last time.Time
}

// wait says how long attempts under that name must wait; 0 = not at all.
func (t *throttle) wait(name string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[name]
	if b == nil {
		return 0
	}
	r := b.left.ReserveN(now, 1)
	defer r.CancelAt(now)
	return r.DelayFrom(now)
}

// failed takes one from the budget of a name.
func (t *throttle) failed(name string, n int, every time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets == nil {
		t.buckets = map[string]*bucket{}
	}
	b := t.buckets[name]
	if b == nil {
		if len(t.buckets) >= mostBuckets {
			t.dropLocked()
		}
		b = &bucket{left: rate.NewLimiter(rate.Every(every), n)}
		t.buckets[name] = b
	}
	b.last = now
	b.left.AllowN(now, 1)
}

// dropLocked makes room: of a few buckets, as the map happens to give them, the one that was quiet longest.
func (t *throttle) dropLocked() {
	var oldest string
	n := 0
	for name, b := range t.buckets {
		if oldest == "" || b.last.Before(t.buckets[oldest].last) {
			oldest = name
		}
		if n++; n == 16 {
			break
		}
	}
	delete(t.buckets, oldest)
}

// forget drops the buckets that are full again.
func (t *throttle) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, b := range t.buckets {
		if b.left.TokensAt(now) >= float64(b.left.Burst()) {
			delete(t.buckets, name)
		}
	}
}

func (t *throttle) clear(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.buckets, name)
}

// Throttled says how long the next attempt from an address must wait; 0 = not at all. "" is this machine's owner, who never
// waits.
func (a *Auth) Throttled(from string) time.Duration {
	if from == "" {
		return 0
	}
	return a.attempts.wait("from "+from, time.Now())
}

// Failed counts an attempt from an address that was refused, by reason: key, token, session, code, password.
func (a *Auth) Failed(from, reason string) {
	a.metrics.failures.WithLabelValues(reason).Inc()
	if from != "" {
		a.attempts.failed("from "+from, perAddress, addressEvery, time.Now())
	}
}

const mostKnown = 10_000

// known says that a user has logged in from that address since the start.
func (t *throttle) known(user uint64, from string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.proved[proof{user, from}]
	return ok
}

func (t *throttle) remember(user uint64, from string) {
	if from == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proved == nil {
		t.proved = map[proof]struct{}{}
	}
	if len(t.proved) >= mostKnown {
		for old := range t.proved {
			delete(t.proved, old)
			break
		}
	}
	t.proved[proof{user, from}] = struct{}{}
}

type proof struct {
	user uint64
	from string
}
