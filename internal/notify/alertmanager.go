package notify

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"controlcenter/internal/event"
	"controlcenter/internal/lazy"
	"controlcenter/internal/store"
)

// Types of events that an Alertmanager's posts become.
const (
	alertFiring   = "alert.firing"
	alertResolved = "alert.resolved"
)

// OutsideAlert is one alert of an Alertmanager's post.
type OutsideAlert struct {
	Status      string // firing or resolved
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	Fingerprint string
}

const (
	maxLabels   = 30
	labelValue  = 200 // bytes
	seenFor     = 7 * 24 * time.Hour
	maxSeen     = 10_000
	anonymousID = "alert"
)

// seenTable remembers what was taken, so that an Alertmanager's repetitions are no new events.
var seenTable = store.NewTable[time.Time]("alertmanager_seen")

var labelName = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

// Receive turns the alerts of an Alertmanager's post into events, each state of each alert once. It returns how many were new.
func (n *Notifier) Receive(ctx context.Context, actor string, list []OutsideAlert) (fresh int, err error) {
	now := time.Now().UTC()
	err = n.o.Store.Update(ctx, func(tx *store.Tx) error {
		fresh = 0
		for i := range list {
			a := &list[i]
			key := a.Fingerprint + "/" + a.Status + "/" + strconv.FormatInt(a.StartsAt.UnixNano(), 36)
			_, err := seenTable.Get(tx, key)
			if err == nil {
				continue
			}
			if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
				return err
			}
			if err := seenTable.Put(tx, key, now); err != nil {
				return err
			}
			if err := event.Append(tx, a.row(now, actor)); err != nil {
				return err
			}
			fresh++
		}
		if fresh == 0 {
			return nil
		}
		return forgetSeen(tx, now)
	})
	if err != nil {
		fresh = 0
	}
	return fresh, err
}

func forgetSeen(tx *store.Tx, now time.Time) error {
	rows, err := seenTable.List(tx, "", "", 0)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b store.Row[time.Time]) int { return b.Value.Compare(a.Value) })
	for i, r := range rows {
		if i >= maxSeen || now.Sub(r.Value) > seenFor {
			if err := seenTable.Delete(tx, r.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is the event of an alert. Everything in it comes from outside: names that are no label names are left out, values are
// cut and lose control characters.
func (a *OutsideAlert) row(now time.Time, actor string) event.Row {
	name := cmp.Or(sane(a.Labels["alertname"]), anonymousID)
	row := event.Row{
		At: now, Type: alertFiring, Subject: name, Actor: actor, Level: event.Info, Data: map[string]string{},
		Title: name + ": " + cmp.Or(sane(a.Annotations["summary"]), "fires"), Why: sane(a.Annotations["description"]),
	}
	switch strings.ToLower(a.Labels["severity"]) {
	case "critical", "error", "page":
		row.Level = event.Error
	case "warning":
		row.Level = event.Warning
	}
	if a.Status == Resolved {
		row.Type, row.Level, row.Title = alertResolved, event.Success, name+" is resolved"
	}
	for _, k := range slices.Sorted(maps.Keys(a.Labels)) {
		if len(row.Data) < maxLabels && labelName().MatchString(k) {
			row.Data[k] = sane(a.Labels[k])
		}
	}
	if !a.StartsAt.IsZero() {
		row.Data["starts_at"] = a.StartsAt.UTC().Format(time.RFC3339)
	}
	return row
}

func sane(s string) string { return clip(oneLine(s), labelValue) }
