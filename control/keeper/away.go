package keeper

import (
	"slices"
	"time"

	"controlcenter/control"
)

// considerAway restarts a service by the table it was launched with, if its daemon is away. The daemon, when it is back, finds
// the run it did not start and goes on from there.
func (k *keeper) considerAway(r *run) {
	k.mu.Lock()
	defer k.mu.Unlock()
	svc := k.services[r.service]
	if k.peer != nil || k.frozen || svc == nil || svc.held || svc.pending != nil || r.spec == nil || r.spec.Away == nil || r.exit == nil || r.ending {
		return
	}
	for _, other := range k.runs {
		if other.service == r.service && other.exit == nil {
			return
		}
	}
	a, x := r.spec.Away, r.exit
	if x.Left > 0 || x.Unknown && r.foster {
		return // never two copies
	}
	well := x.Code != nil && (slices.Contains(a.SuccessCodes, *x.Code) || len(a.SuccessCodes) == 0 && *x.Code == 0)
	if a.Policy == control.RestartNo || a.Policy == control.RestartOnFailure && well {
		return
	}
	if x.At.Sub(r.at) >= time.Duration(a.HealthyAfter) {
		svc.streak = 0
	}
	if a.Attempts > 0 && svc.streak >= a.Attempts {
		return
	}
	wait := time.Duration(0)
	if svc.streak > 0 || x.At.Sub(r.at) < time.Duration(a.HealthyAfter) {
		wait = min(time.Duration(a.Initial)<<min(svc.streak, 20), time.Duration(a.Max))
	}
	svc.streak++
	next := *r.spec
	svc.pending = time.AfterFunc(wait, func() {
		k.mu.Lock()
		svc.pending = nil
		away := k.peer == nil && !k.frozen && !svc.held
		if away { // a daemon that comes now is not told of what runs before this is decided
			k.launching.Add(1)
			defer k.launching.Done()
		}
		k.mu.Unlock()
		if !away {
			return
		}
		next.Run, next.Gen = control.NewRunID(), 0
		if _, err := k.launch(&next); err != nil {
			k.log.Error("restart while no daemon is connected", "service", svc.id, "err", err)
		}
	})
}

// back ends restarting by ourselves: a daemon is there, and decides.
func (k *keeper) back() {
	for _, svc := range k.services {
		if svc.pending != nil {
			if svc.pending.Stop() {
				svc.streak-- // it was not tried
			}
			svc.pending = nil
		}
	}
}
