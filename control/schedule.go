package control

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// parseCron reads an expression of five fields, or six with seconds in front, or @daily and its like. It alone knows the
// parser.
func parseCron(expr string) (func(time.Time) time.Time, error) {
	if strings.Contains(expr, "TZ=") {
		return nil, errors.New("give the time zone in schedule.timezone")
	}
	s, err := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(expr)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expr, err)
	}
	if _, ok := s.(cron.ConstantDelaySchedule); ok {
		return nil, errors.New("give @every in schedule.every")
	}
	return s.Next, nil
}

// check says which field is wrong, and how.
func (p *Schedule) check() (string, error) {
	if _, err := p.location(); err != nil {
		return "timezone", err
	}
	switch {
	case p.Cron != "":
		next, err := parseCron(p.Cron)
		if err != nil {
			return "cron", err
		}
		// The parser gives up after five years without a match.
		if next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
			return "cron", fmt.Errorf("%q never comes", p.Cron)
		}
	case p.At != "":
		if _, err := time.Parse(time.RFC3339, p.At); err != nil {
			return "at", fmt.Errorf("%q is not a time such as 2026-01-02T15:04:05Z", p.At)
		}
	}
	return "", nil
}

// Check says what is wrong with a schedule, naming its field, or nil.
func (p *Schedule) Check() error {
	field, err := p.check()
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func (p *Schedule) location() (*time.Location, error) {
	if p.Timezone == "" {
		return time.Local, nil
	}
	loc, err := time.LoadLocation(p.Timezone)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone such as Europe/Berlin", p.Timezone)
	}
	return loc, nil
}

// Next returns the first time after t at which the job is due; zero = never again. anchor is when an interval began to count.
//
// Where clocks change: a job at fixed hours whose time is skipped runs by the clock as it was before the change (02:30
// becomes 03:30), one whose time comes twice runs the first time only. A job that runs every hour or more often goes by real
// time through both changes.
func (p *Schedule) Next(t, anchor time.Time) time.Time {
	switch {
	case p.Every > 0:
		if t.Before(anchor) {
			return anchor
		}
		return anchor.Add((t.Sub(anchor)/p.Every.Std() + 1) * p.Every.Std()) //nolint:durationcheck // a count times a duration
	case p.At != "":
		if at, err := time.Parse(time.RFC3339, p.At); err == nil && at.After(t) {
			return at
		}
		return time.Time{}
	case p.Cron == "":
		return time.Time{}
	}
	next, err := parseCron(p.Cron)
	if err != nil {
		return time.Time{}
	}
	loc, err := p.location()
	if err != nil {
		return time.Time{}
	}
	if everyHour(p.Cron) {
		return next(t.In(loc))
	}
	// The clock on the wall, as if it never changed.
	wall := t.In(loc)
	// An hour back covers what the clock said twice; instants that are not after t are passed over below.
	naive := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, time.UTC).Add(-3 * time.Hour)
	for {
		naive = next(naive)
		if naive.IsZero() {
			return naive
		}
		if at := instant(naive, loc); at.After(t) {
			return at
		}
	}
}

// everyHour says whether an expression has a wildcard for its hour.
func everyHour(expr string) bool {
	f := strings.Fields(expr)
	switch len(f) {
	case 5:
		return strings.HasPrefix(f[1], "*")
	case 6:
		return strings.HasPrefix(f[2], "*")
	}
	return strings.HasPrefix(expr, "@hourly")
}

// instant returns when clocks of loc show the naive time: the first time if they do so twice; if they skip it, when they
// would have without the change.
func instant(naive time.Time, loc *time.Location) time.Time {
	// The offset in force well before decides: it is the one before a change, and the only one if there is none.
	_, before := naive.Add(-26 * time.Hour).In(loc).Zone()
	at := naive.Add(-time.Duration(before) * time.Second)
	if _, now := at.In(loc).Zone(); now != before {
		// The change is behind us: right unless the naive time was skipped, which the old offset then shows as a later one.
		later := naive.Add(-time.Duration(now) * time.Second)
		if _, off := later.In(loc).Zone(); off == now {
			return later.In(loc)
		}
	}
	return at.In(loc)
}
