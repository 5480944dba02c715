package api

import (
	"net/netip"
	"sync"
	"time"
)

// limit is how many requests may come in a time. The zero value is no limit.
type limit struct {
	most int
	per  time.Duration
}

// limitKey is who does what: a named identity, or without one the network of an address.
type limitKey struct {
	what string // a route's key, or what else is counted
	name string
	net  netip.Prefix
}

// limiter counts events in exact windows, which begin with the first event of a key. It holds a bounded number of keys: the one that
// was used longest ago makes room, so that somebody with many addresses costs no memory and takes nothing from the others but
// the memory of what they did.
type limiter struct {
	mu   sync.Mutex
	most int
	by   map[limitKey]*window
	ends window // of the ring: next is the newest, prev the oldest
}

type window struct {
	key        limitKey
	until      time.Time
	n          int
	prev, next *window
}

// limiterKeys bounds a limiter: about 4 MiB.
const limiterKeys = 16_384

func newLimiter(most int) *limiter {
	l := &limiter{most: most, by: map[limitKey]*window{}}
	l.ends.prev, l.ends.next = &l.ends, &l.ends
	return l
}

// take counts one event. When there were too many it returns how long until the next may come, else 0.
func (l *limiter) take(k limitKey, lim limit, now time.Time) time.Duration {
	if lim.most <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.by[k]
	switch {
	case w == nil:
		w = l.roomLocked(now)
		w.key, w.until, w.n = k, now.Add(lim.per), 0
		l.by[k] = w
	case !now.Before(w.until) || w.until.Sub(now) > lim.per: // over, or the limit became another one
		w.until, w.n = now.Add(lim.per), 0
		fallthrough
	default:
		w.prev.next, w.next.prev = w.next, w.prev
	}
	w.prev, w.next = &l.ends, l.ends.next
	w.prev.next, w.next.prev = w, w
	if w.n >= lim.most {
		return w.until.Sub(now)
	}
	w.n++
	return 0
}

// roomLocked returns a window that is in no list, an old one where there is one to spare.
func (l *limiter) roomLocked(now time.Time) *window {
	old := l.ends.prev
	if old == &l.ends || len(l.by) < l.most && now.Before(old.until) {
		return &window{}
	}
	old.prev.next, old.next.prev = old.next, old.prev
	delete(l.by, old.key)
	return old
}

// network is what addresses are counted by: an IPv4 address, the /64 of an IPv6 one, because a customer gets a whole one. Peers of a unix
// socket have the zero one.
func network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // of the zero Addr: the zero Prefix
	return p
}
